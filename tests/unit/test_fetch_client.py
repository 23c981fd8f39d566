import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from daemon.clock import SystemClock
from daemon.feeds import Feed, FeedState
from daemon.fetch.client import FeedClient, NotModified, RetrievedFeed
from daemon.fetch.failure import PollFailed
from daemon.fetch.guard import EgressGuard
from tests.fake_feeds import FakeFeeds, Item, rss, serving_feeds

ITEMS = [Item(title="Bridge closed", guid="1")]
FRESH = FeedState(feed_id="f")


@pytest.fixture
async def world() -> AsyncIterator[FakeFeeds]:
    async with serving_feeds() as fake:
        yield fake


@pytest.fixture
async def elsewhere() -> AsyncIterator[FakeFeeds]:
    async with serving_feeds("127.0.0.2") as fake:
        yield fake


def client(*, allow: tuple[str, ...] = ("127.0.0.0/8",), **limits: float) -> FeedClient:
    return FeedClient(guard=EgressGuard(allow), clock=SystemClock(), user_agent="Wirewatch/test", **limits)  # type: ignore[arg-type]


async def get(url: str, *, using: FeedClient | None = None, state: FeedState = FRESH, **feed: object) -> RetrievedFeed:
    async with using or client() as opened:
        got = await opened.get(Feed(id="f", url=url, **feed), state)  # type: ignore[arg-type]
    assert isinstance(got, RetrievedFeed)
    return got


async def failure(url: str, *, using: FeedClient | None = None, **feed: object) -> PollFailed:
    with pytest.raises(PollFailed) as caught:
        await get(url, using=using, **feed)  # type: ignore[arg-type]
    return caught.value


async def test_a_feed_is_got_with_what_is_needed_to_ask_again(world: FakeFeeds) -> None:
    world.answer(
        "/a", rss(ITEMS), headers={"etag": '"1"', "last-modified": "yesterday", "cache-control": "public, max-age=120"}
    )
    got = await get(world.url("/a"), headers=(("x-key", "k"),))
    assert (got.body, got.etag, got.last_modified, got.max_age) == (rss(ITEMS), '"1"', "yesterday", 120.0)
    assert world.requests[0].headers["user-agent"] == "Wirewatch/test"
    assert world.requests[0].headers["x-key"] == "k"


async def test_an_unchanged_feed_is_not_sent_again(world: FakeFeeds) -> None:
    world.validated("/a", ITEMS, etag='W/"7"')
    got = await get(world.url("/a"))
    async with client() as opened:
        again = await opened.get(Feed(id="f", url=world.url("/a")), FeedState(feed_id="f", etag=got.etag))
    assert isinstance(again, NotModified)


async def test_a_hanging_server_ends_at_the_deadline(world: FakeFeeds) -> None:
    world.hanging("/a")
    failed = await failure(world.url("/a"), using=client(timeout=0.2))
    assert (failed.kind, failed.reason) == ("timeout", "no complete answer within 0.2 s")


async def test_a_dripping_server_ends_at_the_deadline_too(world: FakeFeeds) -> None:
    world.dripping("/a")
    assert (await failure(world.url("/a"), using=client(timeout=0.3))).kind == "timeout"


async def test_a_body_over_the_cap_is_not_read_to_its_end(world: FakeFeeds) -> None:
    world.endless("/a")
    failed = await failure(world.url("/a"), using=client(max_wire=200_000))
    assert (failed.kind, failed.reason) == ("too_large", "larger than 0.2 MB")


async def test_a_body_that_announces_too_much_is_refused_at_once(world: FakeFeeds) -> None:
    world.answer("/a", b" " * 300_000)
    assert (await failure(world.url("/a"), using=client(max_wire=200_000))).kind == "too_large"


async def test_a_decompression_bomb_stops_early(world: FakeFeeds) -> None:
    world.bomb("/a", megabytes=50)
    failed = await failure(world.url("/a"), using=client(max_decoded=1_000_000))
    assert (failed.kind, failed.reason) == ("too_large", "larger than 1 MB after decoding")


async def test_what_is_not_encoded_as_it_says_is_a_failure(world: FakeFeeds) -> None:
    world.answer("/a", b"plain", headers={"content-encoding": "gzip"})
    assert (await failure(world.url("/a"))).kind == "unreachable"


async def test_an_answer_that_breaks_off_is_no_feed(world: FakeFeeds) -> None:
    world.breaking_off("/a")
    assert (await failure(world.url("/a"))).kind == "unreachable"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "denied"), (403, "denied"), (404, "missing"), (410, "gone"), (418, "answer"), (429, "throttled"),
     (500, "server"), (503, "server"), (304, "answer"), (206, "answer")],
)  # fmt: skip
async def test_a_status_says_what_is_wrong(world: FakeFeeds, status: int, kind: str) -> None:
    world.answer("/a", status=status)
    failed = await failure(world.url("/a"))
    assert (failed.kind, failed.status) == (kind, status)
    assert str(status) in failed.reason


async def test_retry_after_is_understood_in_seconds_and_as_a_date(world: FakeFeeds) -> None:
    world.answer("/a", status=503, headers={"retry-after": "120"})
    assert (await failure(world.url("/a"))).retry_after == 120.0
    world.answer("/a", status=429, headers={"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"})
    assert (await failure(world.url("/a"))).retry_after == 0.0
    world.answer("/a", status=429, headers={"retry-after": "soon"})
    assert (await failure(world.url("/a"))).retry_after is None


async def test_a_permanent_redirect_is_remembered_and_a_temporary_one_is_not(world: FakeFeeds) -> None:
    world.healthy("/new", ITEMS)
    world.redirecting("/old", "/new", status=301)
    world.redirecting("/now", "/new", status=302)
    world.redirecting("/older", "/now", status=308)
    assert (await get(world.url("/old"))).moved_to == world.url("/new")
    assert (await get(world.url("/now"))).moved_to == ""
    assert (await get(world.url("/older"))).moved_to == world.url("/now")
    assert (await get(world.url("/older"))).url == world.url("/new")


async def test_a_circle_of_redirects_ends(world: FakeFeeds) -> None:
    world.redirecting("/a", "/a")
    assert "more than 5 redirects" in (await failure(world.url("/a"))).reason


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.org/x", "javascript:alert(1)", "http://[::1", ""]
)
async def test_a_redirect_to_anything_but_http_is_not_followed(world: FakeFeeds, target: str) -> None:
    world.redirecting("/a", target)
    assert (await failure(world.url("/a"))).kind in ("answer", "settings")


@pytest.mark.parametrize(
    "target",
    ["http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]:1/", "http://0x7f000001:1/",
     "http://2130706433:1/", "http://localhost:1/", "http://[::ffff:7f00:1]:1/", "http://127.1:1/"],
)  # fmt: skip
async def test_a_redirect_to_an_inner_address_is_refused_however_it_is_written(
    elsewhere: FakeFeeds, target: str
) -> None:
    elsewhere.redirecting("/a", target)
    failed = await failure(elsewhere.url("/a"), using=client(allow=("127.0.0.2/32",)))
    assert failed.kind == "refused"
    assert "allow_networks" in failed.reason


async def test_an_inner_address_is_refused_at_the_first_dial(world: FakeFeeds) -> None:
    world.healthy("/a", ITEMS)
    failed = await failure(world.url("/a"), using=client(allow=()))
    assert failed.reason.startswith("127.0.0.1 is not dialled (this machine)")
    assert not world.requests


async def test_credentials_and_headers_never_reach_another_host(
    world: FakeFeeds, elsewhere: FakeFeeds, tmp_path: Path
) -> None:
    file = tmp_path / "auth"
    file.write_text("anna:geheim\n")
    elsewhere.healthy("/b", ITEMS)
    world.redirecting("/c", elsewhere.url("/b"))
    world.redirecting("/a", "/c")
    await get(world.url("/a"), basic_auth_file=str(file), headers=(("x-key", "k"),))
    first, second = world.requests
    assert first.headers["authorization"] == second.headers["authorization"] == "Basic YW5uYTpnZWhlaW0="
    assert "authorization" not in elsewhere.requests[0].headers
    assert "x-key" not in elsewhere.requests[0].headers


async def test_credentials_that_cannot_be_read_are_a_matter_of_settings(world: FakeFeeds, tmp_path: Path) -> None:
    assert (await failure(world.url("/a"), basic_auth_file=str(tmp_path / "none"))).kind == "settings"
    (tmp_path / "bad").write_text("no colon")
    assert "no file" in (await failure(world.url("/a"), basic_auth_file="/dev/zero")).reason
    assert "user:password" in (await failure(world.url("/a"), basic_auth_file=str(tmp_path / "bad"))).reason


async def test_a_name_that_is_not_known_and_a_port_where_nobody_listens_have_their_sentences() -> None:
    unknown = await failure("http://no-such-name.invalid/")
    assert (unknown.kind, unknown.reason) == ("dns", "the name no-such-name.invalid is not known")
    closed = await failure("http://127.0.0.1:1/")
    assert closed.kind == "unreachable"
    assert "refused" in closed.reason


async def test_a_server_without_tls_behind_https_is_a_tls_failure(world: FakeFeeds) -> None:
    assert ssl.HAS_TLSv1_3
    assert (await failure(world.url("/a").replace("http:", "https:"))).kind == "tls"


async def test_a_proxy_is_used_and_still_gets_no_inner_address_to_dial(world: FakeFeeds) -> None:
    world.healthy("/a", ITEMS)
    got = await get("http://feeds.example/a", using=client(allow=()), proxy=world.base)
    assert got.body == rss(ITEMS)
    for inner in ("10.0.0.1", "10.0.0.1.", "10.1", "167772161", "0xA000001", "0x0a.0.0.0x1", "[::ffff:10.0.0.1]"):
        assert (await failure(f"http://{inner}/a", using=client(allow=()), proxy=world.base)).kind == "refused", inner


@pytest.mark.parametrize("header", [("x", "a\r\nb"), ("bad name\n", "x")])
async def test_a_header_that_cannot_be_sent_is_a_matter_of_settings(world: FakeFeeds, header: tuple[str, str]) -> None:
    assert (await failure(world.url("/a"), headers=(header,))).kind == "settings"


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """A server that says exactly these bytes to everybody. Its address."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rss"


@pytest.mark.parametrize("value", [b'"\xff\xfe"', b'"a\x01b"', b'"a\tb"'])
async def test_validators_that_cannot_be_stored_or_sent_back_are_forgotten(value: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nETag: %b\r\nLast-Modified: %b\r\nContent-Length: 2\r\n\r\nhi" % (value, value)
    async with answering(answer) as url:
        got = await get(url)
    assert (got.body, got.etag, got.last_modified) == (b"hi", "", "")


async def test_a_content_type_in_broken_letters_does_not_cost_the_feed() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=\xff\r\nContent-Length: 2\r\n\r\nhi"
    async with answering(answer) as url:
        assert (await get(url)).headers == ()


async def test_what_a_server_says_of_its_status_can_be_stored_and_shown() -> None:
    async with answering(b"HTTP/1.1 404 Non trouv\xe9\x1b[31m \xe2\x80\xaex\r\nContent-Length: 0\r\n\r\n") as url:
        failed = await failure(url)
    assert failed.reason == "there is nothing at this address (404 Non trouv[31m x)"
