"""One web page as a title and paragraphs: enough to try a topic on it."""

import asyncio
import re
from html.parser import HTMLParser

from daemon.feeds import Feed, FeedState
from daemon.fetch.client import FeedClient, RetrievedFeed
from daemon.fetch.failure import PollFailed
from daemon.fetch.text import one_line, plain, tidy

_UNREAD = frozenset(("script", "style", "noscript", "template", "nav", "footer", "aside", "form", "button", "svg"))
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype html|html)\b", re.I | re.S
)
_LOOKED_AT = 2_048  # bytes in which a page names its own encoding


async def read_page(client: FeedClient, url: str) -> tuple[str, str]:
    """Title and text, its paragraphs separated by blank lines. Raises ``PollFailed``."""
    retrieved = await client.get(Feed(id="page", url=url), FeedState(feed_id="page"))
    if not isinstance(retrieved, RetrievedFeed):
        raise PollFailed("answer", "the server says that nothing changed, to one who never asked before")
    declared = dict(retrieved.headers).get("content-type", "")
    # a page of 30 MB takes seconds, and the loop has feeds to poll
    title, text = await asyncio.to_thread(page_text, _decoded(retrieved.body, declared))
    if not title and not text:
        raise PollFailed("answer", "there is no text on this page")
    return title, text


def page_text(markup: str) -> tuple[str, str]:
    """Title and text of HTML: the paragraphs of its article, else of the page, else all that can be read."""
    finder = _Finder()
    finder.feed(markup)
    finder.close()
    paragraphs = finder.in_article or finder.paragraphs
    text = "\n\n".join(filter(None, map(one_line, paragraphs)))
    return one_line(tidy(finder.title)), tidy(text) or plain(markup)


def file_text(content: bytes) -> tuple[str, str]:
    """Title and text of a file: a page that was saved, or plain text with the title on its first line."""
    if _MARKUP.match(content):
        return page_text(_decoded(content))
    title, _, text = content.decode("utf-8-sig", "replace").lstrip().partition("\n")
    return title.strip(), text


def _decoded(body: bytes, declared: str = "") -> str:
    head = body[:_LOOKED_AT].decode("ascii", "replace")
    found = _CHARSET.search(declared) or _CHARSET.search(head)
    try:
        return body.decode(found.group(1) if found else "utf-8", "replace")
    except LookupError:  # an encoding that does not exist
        return body.decode("utf-8", "replace")


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[str] = []
        self.in_article: list[str] = []
        self._announced = self._heading = self._named = ""
        self._open: dict[str, int] = {}
        self._paragraph: list[str] | None = None

    @property
    def title(self) -> str:
        return self._announced or self._heading or self._named

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            told = dict(attrs)
            if told.get("property") == "og:title":
                self._announced = self._announced or told.get("content") or ""
            return
        if tag == "p":
            self._end_paragraph()
            self._paragraph = []
        elif tag == "br" and self._paragraph is not None:
            self._paragraph.append(" ")
        if tag in _UNREAD or tag in ("title", "h1", "article"):
            self._open[tag] = self._open.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "article", "main", "body"):
            self._end_paragraph()
        if self._open.get(tag):
            self._open[tag] -= 1

    def handle_data(self, data: str) -> None:
        if any(self._open.get(tag) for tag in _UNREAD):
            return
        if self._open.get("title") and not self._open.get("h1"):
            self._named += data
        elif self._open.get("h1"):
            self._heading += data
        elif self._paragraph is not None:
            self._paragraph.append(data)

    def close(self) -> None:
        super().close()
        self._end_paragraph()

    def _end_paragraph(self) -> None:
        if self._paragraph:
            text = "".join(self._paragraph)
            self.paragraphs.append(text)
            if self._open.get("article"):
                self.in_article.append(text)
        self._paragraph = None
