import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from daemon.clock import SystemClock
from daemon.fetch.client import FeedClient
from daemon.fetch.failure import PollFailed
from daemon.fetch.guard import EgressGuard
from daemon.page import file_text, page_text, read_page

PAGE = """<!doctype html><html><head><title>Bridge falls | Example News</title>
<meta property="og:title" content="Bridge falls in Dover"><style>p {}</style></head>
<body><nav><p>Home</p></nav><p>Cookies!</p><article><h1>Bridge <em>falls</em></h1>
<p>A bridge &amp; a road<br>fell.</p><script>let p = "<p>no</p>"</script><p>Nobody was <a href="x">hurt</a>.</article>
<footer><p>Imprint</p></footer></body></html>"""


def test_a_page_is_its_title_and_the_paragraphs_of_its_article():
    assert page_text(PAGE) == ("Bridge falls in Dover", "A bridge & a road fell.\n\nNobody was hurt.")


def test_a_saved_page_is_read_as_a_page_and_other_text_by_its_first_line():
    saved = PAGE.replace("<head>", '<head><meta charset="latin-1">').replace("fell.", "fell in Málaga.")
    assert file_text(saved.encode("latin-1"))[1].startswith("A bridge & a road fell in Málaga.")
    assert file_text(b"\xef\xbb\xbfBridge falls \r\n\r\nIn <html> terms.") == ("Bridge falls", "\r\nIn <html> terms.")


def test_a_page_without_an_article_gives_its_paragraphs():
    assert page_text("<title>One</title><p>A.</p><p>B.</p>") == ("One", "A.\n\nB.")


def test_a_page_without_paragraphs_gives_all_that_can_be_read():
    assert page_text("<h1>One</h1><div>Text</div>") == ("One", "One\n\nText")


def test_unclosed_and_nested_tags_do_no_harm():
    title, text = page_text("<article>" * 3_000 + "<p>A<p>B<title>")
    assert (title, text) == ("", "A\n\nB")


async def _read(handler: web.RequestHandler, *, allowed: bool = True) -> tuple[str, str]:
    application = web.Application()
    application.router.add_get("/page", handler)
    async with TestServer(application) as server:
        guard = EgressGuard(["127.0.0.0/8"] if allowed else [])
        async with FeedClient(guard=guard, clock=SystemClock(), user_agent="test") as client:
            return await read_page(client, str(server.make_url("/page")))


async def test_a_page_is_read_in_the_encoding_that_it_declares():
    async def latin(_request: web.Request) -> web.Response:
        return web.Response(
            body="<title>Brücke</title><p>Fähre.</p>".encode("latin-1"),
            headers={"Content-Type": "text/html; charset=latin-1"},
        )

    assert await _read(latin) == ("Brücke", "Fähre.")


async def test_an_encoding_that_does_not_exist_is_read_as_utf_8():
    async def odd(_request: web.Request) -> web.Response:
        return web.Response(
            body="<meta charset=odd><title>Brücke</title>".encode(), headers={"Content-Type": "text/html"}
        )

    assert (await _read(odd))[0] == "Brücke"


async def test_a_page_without_any_text_is_refused():
    async def empty(_request: web.Request) -> web.Response:
        return web.Response(body=b"<script>x</script>", headers={"Content-Type": "text/html"})

    with pytest.raises(PollFailed, match="no text"):
        await _read(empty)


async def test_a_page_on_this_machine_is_not_read():
    async def secret(_request: web.Request) -> web.Response:
        return web.Response(text="<p>secret</p>", content_type="text/html")

    with pytest.raises(PollFailed, match="not dialled"):
        await _read(secret, allowed=False)
