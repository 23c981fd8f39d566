"""A real HTTP server on loopback that serves feeds as the world does: healthy, hanging, dripping, hostile."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Item:
    """One ``<item>``. Empty parts are left out."""

    title: str = ""
    link: str = ""
    guid: str = ""
    text: str = ""
    content: str = ""
    date: str = ""


def rss(items: Sequence[Item], *, title: str = "Example News", extra: str = "") -> bytes:
    """RSS 2.0, UTF-8."""
    content = "http://purl.org/rss/1.0/modules/content/"
    rows = "".join(_item(item) for item in items)
    return (
        f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:content={quoteattr(content)}>'
        f"<channel><title>{escape(title)}</title><link>/</link>{extra}{rows}</channel></rss>"
    ).encode()


def _item(item: Item) -> str:
    parts = (
        ("title", item.title),
        ("link", item.link),
        ("guid", item.guid),
        ("description", item.text),
        ("content:encoded", item.content),
        ("pubDate", item.date),
    )
    return "<item>" + "".join(f"<{tag}>{escape(value)}</{tag}>" for tag, value in parts if value) + "</item>"


@dataclass
class FakeFeeds:
    """``/path`` answers as it was told to last. ``requests`` are all that came in, in order."""

    base: str = ""
    requests: list[web.BaseRequest] = field(default_factory=list)
    _handlers: dict[str, Handler] = field(default_factory=dict)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str) -> str:
        return self.base + path

    def answer(self, path: str, body: bytes = b"", *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        async def respond(_: web.Request) -> web.StreamResponse:
            return web.Response(body=body, status=status, headers=headers or {"content-type": "application/rss+xml"})

        self._handlers[path] = respond

    def healthy(self, path: str, items: Sequence[Item], *, extra: str = "") -> None:
        self.answer(path, rss(items, extra=extra))

    def validated(self, path: str, items: Sequence[Item], *, etag: str) -> None:
        """Answers 304 to whoever has this version."""

        async def respond(request: web.Request) -> web.StreamResponse:
            if request.headers.get("if-none-match") == etag:
                return web.Response(status=304)
            return web.Response(body=rss(items), headers={"etag": etag, "content-type": "application/rss+xml"})

        self._handlers[path] = respond

    def redirecting(self, path: str, to: str, *, status: int = 302) -> None:
        self.answer(path, status=status, headers={"location": to})

    def hanging(self, path: str) -> None:
        """Takes the request and says nothing."""

        async def respond(_: web.Request) -> web.StreamResponse:
            await self._released.wait()
            return web.Response()

        self._handlers[path] = respond

    def dripping(self, path: str) -> None:
        """A byte now and then, for ever: no read ever times out."""

        async def respond(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "application/rss+xml"})
            await response.prepare(request)
            for _ in itertools.count():
                try:
                    await response.write(b" ")
                    await asyncio.wait_for(self._released.wait(), 0.02)
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
                break
            return response

        self._handlers[path] = respond

    def endless(self, path: str) -> None:
        """As many bytes as are taken."""

        async def respond(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "application/rss+xml"})
            await response.prepare(request)
            try:
                while not self._released.is_set():
                    await response.write(b"<rss>" + b" " * 65_536)
            except ConnectionError:
                pass
            return response

        self._handlers[path] = respond

    def bomb(self, path: str, *, megabytes: int) -> None:
        """A few kilobytes that decode to ``megabytes``."""
        packed = gzip.compress(b"<rss>" + b" " * (megabytes * 1_000_000))
        self.answer(path, packed, headers={"content-type": "application/rss+xml", "content-encoding": "gzip"})

    def breaking_off(self, path: str) -> None:
        """Promises more than it sends."""

        async def respond(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-length": "1000000"})
            await response.prepare(request)
            await response.write(b"<rss>")
            if request.transport is not None:
                request.transport.abort()
            return response

        self._handlers[path] = respond

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        handler = self._handlers.get(request.path)
        return await handler(request) if handler else web.Response(status=404)

    def release(self) -> None:
        """Lets whatever hangs or drips end."""
        self._released.set()


@asynccontextmanager
async def serving_feeds(host: str = "127.0.0.1") -> AsyncIterator[FakeFeeds]:
    fake = FakeFeeds()
    application = web.Application()
    application.router.add_route("*", "/{anything:.*}", fake.respond)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    fake.base = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        fake.release()
        await runner.cleanup()


@dataclass
class SteadyClock:
    """Stands still until it is told to go."""

    wall: float = 1_800_000_000.0
    ticks: float = 1_000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds
