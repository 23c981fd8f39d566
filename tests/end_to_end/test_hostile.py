"""The whole daemon among publishers that are broken or mean harm: the honest ones are read and told all the same."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grounds import Ground, ground
from tests.scene import Desk, Item, Quiet, Receiver, Server, Site, running, wait_until

AIRSTRIKES = {"id": "russian-airstrikes-syria", "query": "Russian airstrikes Syria", "channels": ["desk", "console"]}
OLD = Item("old", "Ice rink to reopen after refit", "Entry is free on the first day.")
HOMS = Item(
    "homs",
    "Russian warplanes strike targets near Homs, ministry says",
    "Russian aircraft carried out twenty strikes on Wednesday in Homs in Syria, the defence ministry said.",
)
DIRTY = (
    "<item><guid>dirty&#xD800;</guid><title>&lt;script&gt;alert(1)&lt;/script&gt;Russian &#x202E;airstrikes&#x1b;[31m "
    "on &amp;lt;img src=x onerror=alert(1)&amp;gt; Aleppo &amp;lt;!channel&amp;gt; =?utf-8?q?x?= Syria&#xDC00;</title>"
    "<link>javascript:alert(1)</link><pubDate>Mon, 01 Jan 0000 00:00:00 GMT</pubDate>"
    "<description>Russian jets bombed a market in Aleppo in Syria on Friday&#55296;, rescuers said.</description>"
    "</item>"
)
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 100}">' for n in range(9))


def feed(items: str) -> bytes:
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>t</title>{items}</channel></rss>".encode()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Content-Type: application/rss+xml", *headers]
    return b"\r\n".join([*lines, b"", body])


ANSWERS = {
    "/latin-1-reason": answer(b"", status=b"500 Erreur g\xe9n\xe9rale\x1b[31m"),
    "/broken-validators": answer(feed(OLD.xml()), b'ETag: "\xff"', b"Last-Modified: \xfe"),
    "/validator-nobody-can-send": answer(feed(OLD.xml()), b'ETag: "a\x01b"'),
    "/broken-content-type": answer(feed(OLD.xml()), b"Content-Language: \xff"),
    "/bomb": answer(gzip.compress(b"<rss>" + b" " * 50_000_000), b"Content-Encoding: gzip"),
    "/laughs": answer(
        f"<!DOCTYPE r [{LAUGHS}]><rss><channel><item><title>&l8;</title></item></channel></rss>".encode()
    ),
    "/nested": answer(b"<rss version='2.0'><channel>" + b"<a>" * 50_000),
    "/thousands": answer(feed("".join(f"<item><guid>{n}</guid><title>t{n}</title></item>" for n in range(3_000)))),
    "/nothing": answer(b"\x00" * 1_000),
    "/loop": answer(b"", b"Location: /loop", status=b"301 Moved"),
    "/inner": answer(b"", b"Location: http://169.254.169.254/latest", status=b"302 Found"),
    "/promise": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "/no-http": b"\x16\x03\x01 who is there?",
}


class Hostile(Server):
    """Says what stands above, /dirty, and /endless."""

    def __init__(self) -> None:
        self.dirty = ""
        self.asked: set[str] = set()
        hostile = self

        class Handler(Quiet):
            def do_GET(self) -> None:  # noqa: N802 - the server's name for it
                hostile.asked.add(self.path)
                self.close_connection = True
                if self.path == "/dirty":
                    self.wfile.write(answer(feed(hostile.dirty + OLD.xml())))
                elif self.path == "/endless":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n<rss>")
                    while True:
                        self.wfile.write(b" " * 65_536)
                else:
                    self.wfile.write(ANSWERS[self.path])

        super().__init__(Handler)


class World:
    def __init__(self, folder: Path, ground: Ground) -> None:
        self.site, self.hostile, self.receiver, self.desk = Site(), Hostile(), Receiver(), Desk(folder, ground)
        self.site.publish("/honest", OLD)
        self.bad = [*ANSWERS, "/endless"]
        self.output = folder / "output.txt"
        self.desk.configure(
            feeds=[*(f"{self.hostile.url}{path}" for path in [*self.bad, "/dirty"]), f"{self.site.url}/honest"],
            topics=[AIRSTRIKES],
            channels=f'[channel.desk]\ntype = "webhook"\nurl = "{self.receiver.url}/hook"\n'
            '[channel.console]\ntype = "console"\n',
        )

    def told(self, word: str) -> bool:
        return any(word in json.dumps(one.body) for one in self.receiver.accepted)

    def restarts(self) -> dict[str, float]:
        pages = "\n".join(self.desk.get("/metrics", process)[1] for process in self.desk.processes)
        found = re.findall(r'^wirewatch_role_restarts_total\{role="(\w+)"\} (\S+)$', pages, re.M)
        return {role: float(number) for role, number in found if float(number)}


@pytest.fixture(scope="module", params=["embedded", "shared"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("desk")
    world = World(folder, ground(request, folder))
    start = world.desk.start
    with world.output.open("wb") as output:
        world.desk.start = lambda **_: start(output=output.fileno())  # type: ignore[method-assign]
        with running(world.desk):
            yield world
            assert world.desk.stop() == 0


def feeds(world: World) -> dict[str, dict[str, object]]:
    listed = world.desk.wirewatch("feeds", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    return {str(row["url"]).removeprefix(world.hostile.url): row for row in json.loads(listed.stdout)}


def test_every_publisher_is_polled_again_and_no_role_had_to_be_restarted(world: World) -> None:
    wait_until(lambda: {*world.bad, "/dirty"} <= world.hostile.asked, what="every publisher was asked")
    wait_until(lambda: world.site.polled("/honest") >= 3, what="the honest publisher is asked on")
    wait_until(lambda: all(row["last_poll"] for row in feeds(world).values()), what="every poll is recorded")
    assert world.restarts() == {}
    assert world.desk.get("/healthz")[0] == 200


def test_a_publisher_whose_headers_are_broken_is_read_all_the_same(world: World) -> None:
    rows = feeds(world)
    for path in ("/broken-validators", "/validator-nobody-can-send", "/broken-content-type", "/dirty"):
        assert (rows[path]["state"], rows[path]["items"]) == ("ok", 1), path
    assert rows["/latin-1-reason"]["state"] == "the server has a fault (500 Erreur gnrale[31m)"
    assert "169.254.169.254 is not dialled" in str(rows["/inner"]["state"])


def test_news_of_an_honest_publisher_and_of_a_dirty_one_are_both_told(world: World) -> None:
    world.site.publish("/honest", HOMS)
    wait_until(lambda: world.told("Homs"), what="the honest report is told")
    world.hostile.dirty = DIRTY
    wait_until(lambda: world.told("Aleppo"), what="the dirty report is told")
    wait_until(lambda: "Aleppo" in world.output.read_text(), what="the console shows it")
    assert world.restarts() == {}


def test_nothing_of_a_dirty_report_acts_as_markup_or_on_a_terminal(world: World) -> None:
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", world.output.read_text("utf-8")) is None
    page = world.desk.get("/")[1]
    assert "Aleppo" in page
    assert not re.search(r"<script(?! src=.?/static)|<img|onerror=[^&]*\">|javascript:", page)
    shown = json.loads(world.desk.wirewatch("alerts", "list", "--json").stdout)
    for alert in shown:
        words = world.desk.wirewatch("alerts", "show", str(alert["id"]))
        assert words.returncode == 0, words.stderr
        assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]|javascript:", words.stdout) is None
    assert not any("javascript:" in json.dumps(one.body) for one in world.receiver.accepted)
