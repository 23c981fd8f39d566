"""``wirewatch feeds``, as it is typed, with a real server on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from daemon.cli import app
from daemon.feeds import Feed, FeedState
from daemon.store.feeds import FeedStates
from daemon.store.opening import open_store

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>Homs Herald</title><link>https://homs.example/</link>
<item><title>Bridge reopens</title><link>https://homs.example/1</link><guid>1</guid>
<pubDate>Fri, 20 Nov 2026 10:00:00 GMT</pubDate><description>The bridge is open again.</description></item>
</channel></rss>"""
PAGE = """<!doctype html><html><head><title>Homs</title>
<link rel="alternate" type="application/rss+xml" href="/rss.xml">{more}</head><body>Hello</body></html>"""
PAGES = {
    "/rss.xml": ("application/rss+xml", RSS),
    "/one": ("text/html", PAGE.format(more="")),
    "/two": ("text/html", PAGE.format(more='<link rel="alternate" type="application/atom+xml" href="/atom.xml">')),
    "/none": ("text/html", "<!doctype html><html><body>Hello</body></html>"),
}


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, text = PAGES.get(self.path, ("text/plain", ""))
        body = text.encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "feeds.toml"
        self.file.write_text('# ours\n\n[[feed]]\nurl = "https://a.example/rss" # first\nid = "a"\n')
        (folder / "wirewatch.toml").write_text('[fetch]\nallow_networks = ["127.0.0.0/8"]\nparse_workers = 1\n')

    def feeds(self, *arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--config", str(self.folder), "feeds", *arguments], input=typed)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_add_reads_the_feed_and_takes_its_title(desk: Desk, site: str) -> None:
    result = desk.feeds("add", f"{site}/rss.xml", "--tag", "syria", "--every", "5m")
    assert result.exit_code == 0, result.output
    assert "Homs Herald" in result.stdout
    assert "Bridge reopens" in result.stdout
    assert "takes effect at the next" in result.stdout
    assert desk.file.read_text().endswith(
        f'# first\nid = "a"\n\n[[feed]]\nurl = "{site}/rss.xml"\nname = "Homs Herald"\ntags = ["syria"]\nevery = "5m"\n'
    )


def test_add_of_a_page_offers_the_feed_it_announces(desk: Desk, site: str) -> None:
    result = desk.feeds("add", f"{site}/one", typed="y\n")
    assert result.exit_code == 0, result.output
    assert f'url = "{site}/rss.xml"' in desk.file.read_text()


def test_add_of_a_page_with_several_feeds_asks_which(desk: Desk, site: str) -> None:
    result = desk.feeds("add", f"{site}/two", typed="1\n")
    assert result.exit_code == 0, result.output
    assert f"2. {site}/atom.xml" in result.stdout
    assert f'url = "{site}/rss.xml"' in desk.file.read_text()


@pytest.mark.parametrize(("page", "typed"), [("/one", "n\n"), ("/two", "0\n"), ("/none", None), ("/gone", None)])
def test_what_is_no_feed_is_not_added(desk: Desk, site: str, page: str, typed: str | None) -> None:
    before = desk.file.read_text()
    result = desk.feeds("add", site + page, typed=typed)
    assert result.exit_code == 1
    assert "othing was added" in result.stderr
    assert desk.file.read_text() == before


def test_add_without_a_check_writes_what_it_is_given(desk: Desk) -> None:
    assert desk.feeds("add", "feeds.example/x", "--no-check", "--name", "X").exit_code == 0
    assert desk.file.read_text().endswith('[[feed]]\nurl = "https://feeds.example/x"\nname = "X"\n')


@pytest.mark.parametrize("page", ["/rss.xml", "/one"])
def test_a_feed_that_is_there_already_is_named_and_not_added_again(desk: Desk, site: str, page: str) -> None:
    assert desk.feeds("add", f"{site}/rss.xml").exit_code == 0
    before = desk.file.read_text()
    again = desk.feeds("add", site + page, typed="y\n")
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    assert f"{site}/rss.xml is in {desk.file} already, as 127-" in again.stderr
    assert desk.file.read_text() == before


def test_a_wrong_wish_or_address_is_one_sentence(desk: Desk) -> None:
    wrong = desk.feeds("add", "https://b.example/", "--no-check", "--every", "often")
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (1, 1)
    assert '"often" is not a duration' in wrong.stderr
    assert desk.feeds("add", "ftp://b.example/").exit_code == 2


def test_remove_takes_an_id_or_a_url_and_asks(desk: Desk) -> None:
    assert desk.feeds("remove", "a", typed="n\n").exit_code == 1
    assert desk.feeds("remove", "https://A.example/rss", typed="y\n").exit_code == 0
    assert desk.file.read_text() == "# ours\n"


def test_check_tells_what_it_found_and_fails_where_it_cannot_read(desk: Desk, site: str) -> None:
    good = desk.feeds("check", f"{site}/rss.xml", "--json")
    assert good.exit_code == 0
    (report,) = json.loads(good.stdout)
    assert (report["title"], report["items"], report["readable"]) == ("Homs Herald", 1, True)
    bad = desk.feeds("check", f"{site}/gone")
    assert bad.exit_code == 1
    assert "404" in bad.stderr


def test_check_without_a_name_looks_at_every_feed(desk: Desk, site: str) -> None:
    desk.file.write_text(f'[[feed]]\nurl = "{site}/rss.xml"\n[[feed]]\nurl = "{site}/gone"\nenabled = false\n')
    result = desk.feeds("check")
    assert result.exit_code == 0, result.output
    assert "Homs Herald" in result.stdout
    assert "/gone" not in result.output


def test_an_address_that_is_not_public_is_refused_with_the_key_that_allows_it(desk: Desk, site: str) -> None:
    (desk.folder / "wirewatch.toml").unlink()
    result = desk.feeds("check", f"{site}/rss.xml")
    assert result.exit_code == 1
    assert "allow_networks" in result.stderr


def test_list_says_what_polling_has_brought(desk: Desk) -> None:
    (row,) = json.loads(desk.feeds("list", "--json").stdout)
    assert (row["id"], row["last_poll"], row["items"]) == ("a", None, 0)
    assert "not polled yet" in desk.feeds("list").stdout
    store = open_store("sqlite:", desk.folder / "data")
    states = FeedStates(store)
    states.sync([Feed(id="a", url="https://a.example/rss")], 0.0)
    states.record(FeedState(feed_id="a", title="A title", polled=60.0, next_due=120.0, error="no answer"))
    store.close()
    (row,) = json.loads(desk.feeds("list", "--json").stdout)
    assert (row["last_poll"], row["next_poll"]) == ("1970-01-01T00:01:00Z", "1970-01-01T00:02:00Z")
    assert (row["error"], row["name"]) == ("no answer", "A title")
    assert "no answer" in desk.feeds("list").stdout


def test_a_list_in_json_holds_nothing_that_a_terminal_would_obey(desk: Desk) -> None:
    name = "caf\u00e9 \u009b31m \u202e \u001b"
    desk.file.write_text('[[feed]]\nurl = "https://a.example/rss"\nname = "caf\u00e9 \\u009b31m \\u202e \\u001b"\n')
    result = desk.feeds("list", "--json")
    assert json.loads(result.stdout)[0]["name"] == name
    assert r'"caf\u00e9 \u009b31m \u202e \u001b"'.replace(r"\u00e9", "\u00e9") in result.stdout
