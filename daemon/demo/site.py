"""The demo's sites: RSS, Atom and RDF feeds on loopback, with the texts of news.toml."""

import threading
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TypedDict, cast


class SiteEntry(TypedDict):
    path: str
    name: str
    host: str
    format: str


class NewsEntry(TypedDict):
    site: str
    title: str
    text: str


class News(TypedDict):
    site: list[SiteEntry]
    before: list[NewsEntry]
    live: list[NewsEntry]


def load_news() -> News:
    text = files("daemon.demo").joinpath("news.toml").read_text(encoding="utf-8")
    return cast(News, tomllib.loads(text))


class Sites:
    """What each feed carries now. Threads may share it."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._lock = threading.Lock()
        self.paths = tuple(site["path"] for site in news["site"])
        start = time.time()
        # An item every ten minutes, so that what was there before is a day old and not from this second.
        self._items = [(start - 600 * (age + 1), entry) for age, entry in enumerate(news["before"])]

    def publish_live(self) -> None:
        """Everything that the demo lets happen, at once: each site names its own moment."""
        now = time.time()
        with self._lock:
            self._items += [(now - 60 * back, entry) for back, entry in enumerate(reversed(self._news["live"]))]

    def document(self, path: str) -> bytes | None:
        site = next((site for site in self._news["site"] if site["path"] == path), None)
        if site is None:
            return None
        with self._lock:
            items = [item for item in self._items if item[1]["site"] == site["host"]]
        render = {"rss": _rss, "atom": _atom, "rdf": _rdf}[site["format"]]
        return render(site, sorted(items, key=lambda item: -item[0])).encode()


def _link(entry: NewsEntry) -> str:
    words = "".join(c if c.isalnum() else " " for c in entry["title"].lower()).split()
    return f"https://{entry['site']}/{'-'.join(words)}"


def _html(entry: NewsEntry) -> str:
    return "".join(f"<p>{escape(part.strip())}</p>" for part in entry["text"].split("\n\n") if part.strip())


Items = Sequence[tuple[float, NewsEntry]]


def _rss(site: SiteEntry, items: Items) -> str:
    body = "".join(
        f"<item><title>{escape(entry['title'])}</title><link>{_link(entry)}</link><guid>{_link(entry)}</guid>"
        f"<pubDate>{formatdate(at)}</pubDate><description>{escape(_html(entry))}</description></item>"
        for at, entry in items
    )
    channel = f"<title>{escape(site['name'])}</title><link>https://{site['host']}/</link><ttl>1</ttl>"
    return f'<?xml version="1.0"?><rss version="2.0"><channel>{channel}{body}</channel></rss>'


def _atom(site: SiteEntry, items: Items) -> str:
    stamp = partial(time.strftime, "%Y-%m-%dT%H:%M:%SZ")
    body = "".join(
        f"<entry><id>{_link(entry)}</id><title>{escape(entry['title'])}</title><link href='{_link(entry)}'/>"
        f"<updated>{stamp(time.gmtime(at))}</updated><content type='html'>{escape(_html(entry))}</content></entry>"
        for at, entry in items
    )
    head = f"<id>https://{site['host']}/</id><title>{escape(site['name'])}</title>"
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">{head}{body}</feed>'


def _rdf(site: SiteEntry, items: Items) -> str:
    stamp = partial(time.strftime, "%Y-%m-%dT%H:%M:%SZ")
    body = "".join(
        f"<item rdf:about='{_link(entry)}'><title>{escape(entry['title'])}</title><link>{_link(entry)}</link>"
        f"<dc:date>{stamp(time.gmtime(at))}</dc:date><description>{escape(_html(entry))}</description></item>"
        for at, entry in items
    )
    return (
        '<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        'xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<channel rdf:about='https://{site['host']}/'><title>{escape(site['name'])}</title></channel>{body}</rdf:RDF>"
    )


@contextmanager
def serving(sites: Sites) -> Iterator[Mapping[str, str]]:
    """Serves on a free port of 127.0.0.1 while the block runs; yields the feeds' URLs by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = sites.document(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "application/xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *words: object) -> None:
            """The default prints every request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="demo-sites", daemon=True)
    thread.start()
    try:
        yield {path: f"http://127.0.0.1:{server.server_port}{path}" for path in sites.paths}
    finally:
        server.shutdown()
        server.server_close()
