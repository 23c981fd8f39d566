"""The feeds that a web page announces: ``<link rel="alternate" type="application/rss+xml" href=…>``."""

from html.parser import HTMLParser
from urllib.parse import urljoin

from daemon.fetch.urls import canonical

_KINDS = frozenset(("application/rss+xml", "application/atom+xml", "application/rdf+xml"))
_READ = 500_000  # characters: the links stand in the head
_MOST = 20


def discover(page: str, url: str) -> tuple[str, ...]:
    """Absolute addresses in the page's order, each once. ``url`` is where the page was read."""
    finder = _Finder()
    finder.feed(page[:_READ])
    found: dict[str, None] = {}
    for reference in finder.references[:_MOST]:
        try:
            address = urljoin(finder.base or url, reference)
        except ValueError:
            continue
        if canonical(address):
            found.setdefault(address)
    return tuple(found)


def is_web_page(text: str) -> bool:
    head = text[:2_000].lower()
    return "<!doctype html" in head or "<html" in head or "<head" in head or "<body" in head


class _Finder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: (value or "").strip() for name, value in attrs}
        if tag == "base" and values.get("href", "").startswith(("http://", "https://")):
            self.base = self.base or values["href"]
        if tag != "link" or "alternate" not in values.get("rel", "").lower().split():
            return
        if values.get("type", "").lower().partition(";")[0] in _KINDS and values.get("href"):
            self.references.append(values["href"])
