"""Getting one feed over HTTP: bounded in time, in bytes on the wire and in bytes after decoding.

validators, headers, credentials ──▶ hop ──301…308──▶ hop … ──▶ RetrievedFeed | NotModified
                                      │ every dial passes the guard
                                      └──▶ PollFailed, with a sentence
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import hdrs
from yarl import URL

from daemon.clock import Clock
from daemon.feeds import Feed, FeedState
from daemon.fetch.explain import bad_status, broken, refused, too_large
from daemon.fetch.failure import PollFailed
from daemon.fetch.guard import EgressGuard
from daemon.fetch.resolve import Resolver

_ACCEPT = "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, */*;q=0.5"
_PERMANENT = frozenset((301, 308))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_HOPS = 5
_CONNECT = 10.0  # seconds for one dial: the deadline is for all of it
_DNS_REMEMBERED = 300  # seconds
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label that makes a host an IPv4 address, however it is written
_MOST_VALIDATOR = 1_000  # characters
_LARGE = 2_000_000  # bytes of a body, after decoding
_MOST_LARGE = 4  # larger ones that are read at once: a hundred of 30 MB would not fit


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedFeed:
    """A body, and what came with it. ``url`` is where it was read, after redirects."""

    url: str
    body: bytes  # decoded
    headers: tuple[tuple[str, str], ...] = ()  # those that say how to read the body, names in lower case
    etag: str = ""
    last_modified: str = ""
    max_age: float | None = None  # seconds
    moved_to: str = ""  # every redirect on the way was permanent


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified:
    max_age: float | None = None
    moved_to: str = ""


class FeedClient:
    """An async context manager: its two sessions live from ``async with`` on, on one event loop.

    ``timeout``: seconds for one feed from the first dial to the last byte. ``max_wire`` and ``max_decoded``: bytes.
    A feed's proxy is dialled without the guard, for the operator named it; what the proxy dials is the proxy's to
    judge, but an address that is written out is judged here all the same.
    """

    def __init__(
        self,
        *,
        guard: EgressGuard,
        clock: Clock,
        user_agent: str,
        timeout: float = 30.0,
        max_wire: int = 10_000_000,
        max_decoded: int = 30_000_000,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._user_agent = user_agent
        self._timeout = timeout
        self._max_wire = max_wire
        self._max_decoded = max_decoded
        self._direct: aiohttp.ClientSession | None = None
        self._proxied: aiohttp.ClientSession | None = None
        self._large = asyncio.Semaphore(_MOST_LARGE)

    async def __aenter__(self) -> Self:
        self._direct = self._session(socket_factory=self._guard.socket)
        self._proxied = self._session()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._direct, self._proxied):
            if session is not None:
                await session.close()

    async def get(self, feed: Feed, state: FeedState) -> RetrievedFeed | NotModified:
        """One conditional GET. Raises ``PollFailed``."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(feed, state)
        except aiohttp.ConnectionTimeoutError as error:
            raise PollFailed("timeout", f"no connection within {_CONNECT:g} s") from error
        except TimeoutError as error:
            raise PollFailed("timeout", f"no complete answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise broken(error) from error

    def _session(self, **connecting: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,  # the dispatcher bounds what runs at once
            ttl_dns_cache=_DNS_REMEMBERED,
            dns_cache_max_size=20_000,
            resolver=Resolver(),
            keepalive_timeout=10.0,  # long enough for a redirect to the same host
            **connecting,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
            trust_env=False,
            headers={hdrs.USER_AGENT: self._user_agent, hdrs.ACCEPT: _ACCEPT, hdrs.ACCEPT_ENCODING: "gzip, deflate"},
        )

    async def _follow(self, feed: Feed, state: FeedState) -> RetrievedFeed | NotModified:
        url, moved_to, permanent = self._checked(URL(feed.url)), "", True
        origin = url
        for _ in range(_MOST_HOPS + 1):
            async with self._hop(url, feed, state, own=_same_site(origin, url)) as response:
                if response.status not in _REDIRECTS:
                    return await self._understood(response, state, moved_to)
                permanent = permanent and response.status in _PERMANENT
                url = self._checked(_target(url, response.headers.get(hdrs.LOCATION, "")))
                moved_to = str(url) if permanent else moved_to
        raise PollFailed("answer", f"more than {_MOST_HOPS} redirects, the last one to {_shown(url)}")

    def _checked(self, url: URL) -> URL:
        if url.scheme not in _DEFAULT_PORTS or not url.host:
            raise PollFailed("answer", f"{_shown(url)} is not an http or https address")
        if ":" in url.host or _NUMBER.fullmatch(url.host.rstrip(".").rpartition(".")[2]):
            why = self._guard.refusal(url.host)
            if why:
                raise refused(url.host, why)
        return url

    @asynccontextmanager
    async def _hop(self, url: URL, feed: Feed, state: FeedState, *, own: bool) -> AsyncIterator[aiohttp.ClientResponse]:
        """``own``: still the site that the user named; its headers and credentials go nowhere else."""
        session = self._proxied if feed.proxy else self._direct
        if session is None:
            raise RuntimeError("a FeedClient is used inside `async with`")
        headers = {**_validators(state), **({**_credentials(feed, url), **dict(feed.headers)} if own else {})}
        async with session.get(
            url.with_user(None).with_password(None) if url.user else url,
            headers=headers,
            proxy=feed.proxy or None,
            allow_redirects=False,
        ) as response:
            yield response

    async def _understood(
        self, response: aiohttp.ClientResponse, state: FeedState, moved_to: str
    ) -> RetrievedFeed | NotModified:
        max_age = _max_age(response)
        if response.status == 304 and _validators(state):
            return NotModified(max_age=max_age, moved_to=moved_to)
        if response.status != 200:
            raise bad_status(response, self._clock.now())
        body = await self._read(response)
        return RetrievedFeed(
            url=str(response.url),
            body=body,
            headers=tuple(
                (name.lower(), response.headers[name])
                for name in (hdrs.CONTENT_TYPE, hdrs.CONTENT_LANGUAGE)
                if response.headers.get(name, "").isprintable() and name in response.headers
            ),
            etag=_usable(response.headers.get(hdrs.ETAG, "")),
            last_modified=_usable(response.headers.get(hdrs.LAST_MODIFIED, "")),
            max_age=max_age,
            moved_to=moved_to,
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Stops at the first byte over a cap: a small body may decode to gigabytes."""
        if (response.content_length or 0) > self._max_wire:
            raise too_large(self._max_wire)
        body = bytearray()
        if await self._read_on(response, body, until=_LARGE):
            return bytes(body)
        async with self._large:
            await self._read_on(response, body, until=self._max_decoded)
            return bytes(body)

    async def _read_on(self, response: aiohttp.ClientResponse, body: bytearray, *, until: int) -> bool:
        """Whether the body ended; it did not, where it has grown over ``until`` bytes."""
        while chunk := await response.content.readany():
            body += chunk
            wire = response.content.total_compressed_bytes
            if (len(body) if wire is None else wire) > self._max_wire:
                raise too_large(self._max_wire)
            if len(body) > self._max_decoded:
                raise too_large(self._max_decoded, " after decoding")
            if len(body) > until:
                return False
        return True


def _target(url: URL, location: str) -> URL:
    if not location:
        raise PollFailed("answer", f"{_shown(url)} redirects to nowhere")
    return url.join(URL(location)).with_fragment(None)


def _shown(url: URL) -> str:
    """Without a user's name and password, and without parameters, which may be as secret."""
    return str(url.with_user(None).with_query(None) if url.absolute else url.with_query(None))[:300]


def _same_site(origin: URL, url: URL) -> bool:
    """The same host and port, or the same host after the usual step from http to https."""
    if url.host != origin.host:
        return False
    upgraded = origin.scheme == "http" and url.scheme == "https" and origin.is_default_port() and url.is_default_port()
    return upgraded or (url.scheme == origin.scheme and url.port == origin.port)


def _validators(state: FeedState) -> dict[str, str]:
    pairs = ((hdrs.IF_NONE_MATCH, state.etag), (hdrs.IF_MODIFIED_SINCE, state.last_modified))
    return {str(name): value for name, value in pairs if value}


def _credentials(feed: Feed, url: URL) -> dict[str, str]:
    user, password = url.user or "", url.password or ""
    if feed.basic_auth_file:
        user, password = _read_credentials(Path(feed.basic_auth_file))
    return {str(hdrs.AUTHORIZATION): aiohttp.encode_basic_auth(user, password)} if user else {}


def _read_credentials(file: Path) -> tuple[str, str]:
    if not file.is_file():  # a pipe or a device may never end
        raise PollFailed("settings", f"basic_auth_file is no file ({file})")
    try:
        line = file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise PollFailed("settings", f"basic_auth_file cannot be read ({file})") from error
    user, colon, password = line.partition(":")
    if not colon:
        raise PollFailed("settings", f'basic_auth_file must hold "user:password" ({file})')
    return user, password


def _usable(validator: str) -> str:
    """What can be stored and sent back: bytes that are no UTF-8 arrive as halves of characters, and are neither."""
    return validator if len(validator) <= _MOST_VALIDATOR and validator.isprintable() else ""


def _max_age(response: aiohttp.ClientResponse) -> float | None:
    for directive in response.headers.get(hdrs.CACHE_CONTROL, "").lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name == "max-age" and value.strip('"').isdecimal():
            age = response.headers.get(hdrs.AGE, "")  # how much of it is over, where a cache answered
            return max(float(value.strip('"')[:12]) - (float(age[:12]) if age.isdecimal() else 0.0), 0.0)
    return None
