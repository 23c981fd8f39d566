import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from consumers.holding import Mute
from consumers.model import Fact, Passage, Report, Scheduled, Story, Topic
from daemon.errors import Unavailable, Unusable
from daemon.feeds import Feed, FeedState
from daemon.health import Health
from daemon.status import Running, Status, report
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.story_edits import StoryEdits
from daemon.store.tables import alerts, stories
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.telemetry import Metrics
from daemon.web.app import Front, is_local, make_app, make_health_app
from daemon.web.server import address, bind, serve
from daemon.web.views import Views, segments
from daemon.wire import from_json, to_json
from tests.fake_events import Events
from tests.kept_rows import NOW, HeldClock, KeptRows
from tests.told_story import ToldStories

REPORT = Report(source="example.org", url="https://example.org/1", title="Warplanes strike", at=NOW - 900)
COPY = Report(source="two.example", url="https://two.example/1", title="Same", at=NOW - 300, copy_of="example.org")
PASSAGE = Passage(text="Aircraft carried out strikes in Homs.", number=2, of=9, marks=((0, 8), (21, 28)))


@pytest.fixture
def rows(store: Store) -> KeptRows:
    return KeptRows(store)


@pytest.fixture
def health() -> Health:
    health = Health(HeldClock())
    health.set("fetch", True)
    return health


class Site:
    """The page, served, and somebody who asks for it."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session

    async def get(self, path: str, *, host: str = "") -> tuple[int, str, dict[str, str]]:
        headers = {"Host": host} if host else {}
        async with self.session.get(self.base + path, headers=headers) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    async def json(self, path: str) -> Any:
        return json.loads((await self.get(path))[1])

    async def page(self, path: str = "/") -> str:
        status, text, _ = await self.get(path)
        assert status == 200, text
        return text


@pytest.fixture
async def site(store: Store, health: Health, tmp_path: Path) -> AsyncIterator[Site]:
    clock = HeldClock()

    def status() -> Status:
        running = Running(pid=1, since=NOW - 60, version="0.1.0")
        return report(store, now=clock.now(), data_dir=tmp_path, channels=(), running=running)

    views = Views(
        store,
        clock=clock,
        status=status,
        feeds=lambda: {"f": Feed(id="f", url="https://example.org/rss", name="Example")},
        channels=lambda: {"console": "console", "desk": "slack"},
    )
    app = make_app(health, Metrics(version="0.1.0", python="3").registry, views)
    bound, stop = bind("127.0.0.1:0"), asyncio.Event()
    serving = asyncio.create_task(serve(app, bound, stop))
    async with aiohttp.ClientSession() as session:
        yield Site(f"http://{address(bound)}", session)
    stop.set()
    await asyncio.wait_for(serving, 60)


async def test_healthz_names_a_role_that_hangs(site: Site, health: Health):
    assert (await site.get("/healthz"))[0] == 200
    health._beats["match"] = -1e9
    status, body, _ = await site.get("/healthz")
    assert status == 503
    assert json.loads(body)["silent"][0]["part"] == "match"


async def test_readyz_names_the_part_that_is_not_ready_and_why(site: Site, health: Health):
    assert await site.json("/readyz") == {"ready": True, "not_ready": [], "behind": [], "parts": {"fetch": True}}
    why = "config/topics.toml:3: query: say in plain words what to watch for"
    health.set("topics-file", False, why)
    status, body, _ = await site.get("/readyz")
    assert status == 503
    assert json.loads(body)["not_ready"] == [{"part": "topics-file", "why": why, "since": NOW}]


async def test_a_broken_file_is_a_banner_with_its_line(site: Site, health: Health):
    health.set("topics-file", False, "config/topics.toml:3: query: say in plain words")
    page = await site.page()
    assert "config/topics.toml:3: query: say in plain words" in page
    assert "what was in force before stays" in page


async def test_metrics_are_there_for_prometheus(site: Site):
    status, body, headers = await site.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert "wirewatch_articles_read_total" in body


async def test_an_alert_stands_on_the_page_with_all_that_an_alert_says(site: Site, rows: KeptRows):
    topic = rows.topic("Russian airstrikes Syria")
    rows.alert(topic, "Warplanes strike near Homs", passage=PASSAGE, reports=[REPORT, COPY], reasons=["words Homs"])
    page = await site.page()
    for text in (
        "Russian airstrikes Syria",
        "first report",
        "Warplanes strike near Homs",
        "<mark>Aircraft</mark> carried out <mark>strikes</mark> in Homs.",
        'href="https://example.org/1"',
        "copy of example.org",
        "2 reports, 1 independent source",
        "words Homs",
        "console: sent",
    ):
        assert text in page


async def test_an_alert_has_a_page_with_its_deliveries(site: Site, rows: KeptRows):
    deliveries = [("desk", "dead", "Slack says channel_not_found"), ("console", "sent", "")]
    alert = rows.alert(rows.topic("T"), "Headline", passage=PASSAGE, reports=[REPORT], deliveries=deliveries)
    page = await site.page(f"/alerts/{alert}")
    assert "Slack says channel_not_found" in page
    assert "desk: given up" in page
    assert "console: sent" in page


@pytest.fixture
def desk(store: Store) -> ToldStories:
    topic = Topic(id="harbour", query="Fires in the harbour", channels=("console", "desk"))
    return ToldStories(store, topic)


def told_fire(desk: ToldStories) -> tuple[str, str]:
    """A story and its update, sent on the console a day ago. The ids of the two alerts."""
    at = NOW - 86_400
    events = Events()
    (first,) = desk.tell(events.report("fire", "a.example", toll=12, at=at), at=at)
    follow_up = events.report("fire", "b.example", toll=19, at=at + 60, reworded=True)
    (update,) = desk.tell(follow_up, at=at + 60)
    desk.send("console", at + 61)
    return first, update


async def test_the_page_of_an_alert_shows_what_reports_added_and_what_was_told_where_and_why(
    site: Site, desk: ToldStories
):
    first, update = told_fire(desk)
    page = await site.page(f"/alerts/{first}")
    for text in (
        "What reports added",
        "toll 12 → 19",
        "“The fire in the harbour killed 19 people, the police said.",
        "told on console",
        "decided: first report",
        "sent as console-1",
        "New: toll 12 → 19 (b.example)",
        f'<a href="/alerts/{update}">update</a>',
    ):
        assert text in page
    of_update = await site.page(f"/alerts/{update}")
    assert "<b>New:</b> toll 12 → 19" in of_update


async def test_a_story_that_waits_for_another_source_stands_on_the_page_until_it_is_told(site: Site, store: Store):
    weather = Topic(id="weather", query="Storms", channels=("desk",), min_sources=2)
    desk, events = ToldStories(store, weather), Events("weather")
    first = events.report("storm", "a.example", at=NOW - 90)
    hostile = replace(first, article=replace(first.article, url="javascript:alert(1)"))
    assert desk.tell(hostile, at=NOW - 90) == []
    page = await site.page()
    assert first.article.title in page
    assert "waits for a second independent source" in page
    assert "javascript:" not in page
    desk.tell(events.report("storm", "b.example", at=NOW - 60, reworded=True), at=NOW - 60)
    assert "waits for a second independent source" not in await site.page()


async def test_an_update_stands_on_the_page_with_what_is_new(site: Site, desk: ToldStories):
    told_fire(desk)
    page = await site.page()
    assert '<span class="kind update">update</span>' in page
    assert '<span class="kind first">first report</span>' in page
    assert "<b>New:</b> toll 12 → 19" in page
    assert "desk: waiting" in page


async def test_an_update_names_the_story_that_it_belongs_to_and_a_first_report_does_not(site: Site, desk: ToldStories):
    first, update = told_fire(desk)
    title = "harbour fire fireology: a.example version 0"
    assert (await site.page()).count(f"Of the story “{title}”") == 1
    assert f"Of the story “{title}”" in await site.page(f"/alerts/{update}")
    assert "Of the story" not in await site.page(f"/alerts/{first}")
    titles = {alert["id"]: (alert["title"], alert["headline"]) for alert in await site.json("/api/alerts")}
    assert titles == {first: (title, title), update: (title, "harbour fire fireology: b.example version 0")}


async def test_what_is_muted_says_so_with_the_comment_and_how_long(site: Site, desk: ToldStories, store: Store):
    first, _ = told_fire(desk)
    story = desk.story(Events().report("fire", "a.example")).id
    mute = Mute(id="m" * 32, kind="story", target=story, since=NOW - 60, until=NOW + 3600, by="Ana", comment="<b>blog")
    Mutes(store).add(mute)
    desk.send("desk", NOW - 30)
    page = await site.page(f"/alerts/{first}")
    assert "Story muted by Ana until 12:06 UTC: &lt;b&gt;blog" in page
    assert "held: muted by Ana until 12:06 UTC: &lt;b&gt;blog" in page
    overview = await site.page()
    assert "desk: muted until 12:06 UTC" in overview
    assert "2 held" in overview
    channels = {channel["name"]: channel for channel in await site.json("/api/channels")}
    assert (channels["desk"]["held"], channels["desk"]["waiting"]) == (2, 0)


async def test_both_alerts_of_merged_stories_lead_to_the_one_story(site: Site, desk: ToldStories, store: Store):
    first, _ = told_fire(desk)
    events = Events()
    fire = events.report("fire", "a.example")
    flood = events.report("flood", "z.example", at=NOW - 3600)
    (other,) = desk.tell(flood, at=NOW - 3600)
    kept, gone = desk.story(fire), desk.story(flood)
    StoryEdits(store).merge(kept.id, gone.id, by="Ana", now=NOW - 60)
    page = await site.page(f"/alerts/{other}")
    assert "One story since" in page
    assert f'<a href="/alerts/{first}">{kept.title}</a>' in page
    assert f'<a href="/alerts/{other}">{gone.title}</a>' in await site.page(f"/alerts/{first}")
    overview = await site.page()
    assert '<span class="tag">merged</span>' in overview
    assert f'Now one story with “<a href="/alerts/{first}">{kept.title}</a>”' in overview
    merged_into = {alert["id"]: alert["merged_into"] for alert in await site.json("/api/alerts")}
    assert merged_into[first] is None
    assert (merged_into[other]["alert_id"], merged_into[other]["since"]) == (first, NOW - 60)
    assert (await site.json(f"/api/alerts/{other}"))["merged_into"] == merged_into[other]


async def test_the_api_gives_the_whole_history_of_an_alert(site: Site, desk: ToldStories):
    _, update = told_fire(desk)
    alert = await site.json(f"/api/alerts/{update}")
    assert (alert["kind"], alert["why"], alert["merged_into"]) == ("update", "new facts", None)
    assert [fact["text"] for fact in alert["facts"]] == ["toll 12 → 19"]
    assert [fact["text"] for fact in alert["timeline"]] == ["toll 12 → 19"]
    told = [(each["channel"], each["kind"], each["state"], each["provider_id"]) for each in alert["ledger"]]
    assert told == [
        ("console", "first", "sent", "console-1"),
        ("console", "update", "sent", "console-2"),
        ("desk", "first", "pending", ""),
        ("desk", "update", "pending", ""),
    ]
    assert [(step["event"], step["why"]) for step in alert["ledger"][1]["steps"]] == [
        ("decided", "new facts"),
        ("sent", ""),
    ]


async def test_hostile_facts_are_text(site: Site, rows: KeptRows, store: Store):
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    alert = rows.alert(rows.topic("T"), "Headline", passage=PASSAGE, reports=[REPORT], kind="update")
    fact = Fact(key="k", kind="toll", text=evil, quote=evil, source=evil, url="javascript:alert(1)", at=NOW)
    with store.write() as connection:
        connection.execute(update(alerts).values(facts=to_json((fact,)).decode(), why=evil))
        story = from_json(Story, connection.execute(select(stories.c.story)).scalar_one())
        changed = to_json(replace(story, title=evil, facts=(fact,))).decode()
        connection.execute(update(stories).values(story=changed))
    for path in ("/", f"/alerts/{alert}"):
        page = await site.page(path)
        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "javascript:" not in page
    assert (await site.json(f"/api/alerts/{alert}"))["facts"][0]["url"] == ""


async def test_an_alert_that_is_not_there_is_not_found(site: Site):
    assert (await site.get("/alerts/nope"))[0] == 404
    assert (await site.get("/api/alerts/nope"))[0] == 404


async def test_an_alert_whose_story_was_pruned_is_still_shown(site: Site, rows: KeptRows, store: Store):
    from sqlalchemy import delete

    from daemon.store import tables

    alert = rows.alert(rows.topic("T"), "Headline", passage=PASSAGE, reports=[REPORT])
    with store.write() as connection:
        connection.execute(delete(tables.stories))
        connection.execute(delete(tables.story_matches))
    assert "(no headline)" in await site.page()
    assert "none is kept any more" in await site.page(f"/alerts/{alert}")


async def test_the_page_of_one_topic_shows_its_alerts_only(site: Site, rows: KeptRows):
    rows.alert(rows.topic("First topic"), "Mine", passage=PASSAGE, reports=[REPORT])
    rows.alert(rows.topic("Second topic"), "Theirs", passage=PASSAGE, reports=[REPORT])
    page = await site.page("/?topic=first-topic")
    assert "Mine" in page
    assert "Theirs" not in page


async def test_the_api_pages_through_alerts_newest_first(site: Site, rows: KeptRows):
    topic = rows.topic("T")
    for age in (30, 20, 10):
        rows.alert(topic, f"{age} s ago", passage=PASSAGE, reports=[REPORT], at=NOW - age)
    first = await site.json("/api/alerts?limit=2")
    assert [alert["headline"] for alert in first] == ["10 s ago", "20 s ago"]
    rest = await site.json(f"/api/alerts?before={first[-1]['at']}")
    assert [alert["headline"] for alert in rest] == ["30 s ago"]
    assert (await site.get("/api/alerts?limit=100000"))[0] == 422


async def test_a_topic_says_where_and_when_it_is_told(site: Site, store: Store, rows: KeptRows):
    rows.topic("told on the terminal")
    digests = (Scheduled(channel="boss", when="07:00 Europe/Paris weekdays"),)
    topic = Topic(id="told", query="told twice", channels=("desk",), digests=digests)
    TopicVersions(store).remember([TopicVersion(topic_id="told", version=1, topic=topic, at=NOW)])
    page = await site.page()
    assert "told on desk · boss at 07:00 Europe/Paris weekdays" in page
    assert page.count("told on ") == 2  # the other one is the query


async def test_a_topic_says_which_version_is_in_force(site: Site, rows: KeptRows):
    rows.topic("Applied")
    rows.topic("Just edited", version=3, applied=2)
    rows.topic("Paused", enabled=False, applied=None)
    topics = {topic["query"]: topic for topic in await site.json("/api/topics")}
    assert (topics["Just edited"]["version"], topics["Just edited"]["applied"]) == (3, 2)
    page = await site.page()
    assert "version 1 in force" in page
    assert "version 3 not applied yet" in page


async def test_feeds_that_fail_stand_first_with_their_error(site: Site, rows: KeptRows):
    rows.feed(FeedState(feed_id="a", title="A fine one", polled=NOW - 5, next_due=NOW + 60))
    rows.feed(FeedState(feed_id="f", polled=NOW - 5, next_due=NOW + 60, error="HTTP 503 from the server"))
    rows.feed(FeedState(feed_id="gone", title="Not listed"), listed=False)
    feeds = await site.json("/api/feeds")
    assert [(feed["name"], feed["condition"]) for feed in feeds] == [("Example", "failing"), ("A fine one", "healthy")]
    assert "HTTP 503 from the server" in await site.page()


async def test_a_disabled_channel_is_shown_with_its_reason(site: Site, rows: KeptRows):
    rows.disabled_channel("desk", "Slack says account_inactive")
    channels = {channel["name"]: channel for channel in await site.json("/api/channels")}
    assert channels["desk"]["disabled"]
    assert "Slack says account_inactive" in await site.page()


async def test_dead_letters_are_counted_on_the_page(site: Site, rows: KeptRows):
    rows.dead_letter("cannot be decoded")
    assert "1 record was set aside." in await site.page()


async def test_an_empty_page_says_what_to_do_next(site: Site, rows: KeptRows):
    assert "wirewatch feeds add" in await site.page()
    rows.feed(FeedState(feed_id="f", polled=NOW, next_due=NOW))
    assert "wirewatch topics add" in await site.page()
    rows.topic("T")
    assert "1 feed is read for 1 topic." in await site.page()


async def test_hostile_text_is_text(site: Site, rows: KeptRows):
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    report = Report(source=evil, url="javascript:alert(1)", title=evil, at=NOW)
    passage = Passage(text=evil, number=1, of=1, marks=((0, 8),))
    alert = rows.alert(
        rows.topic(evil), evil, url="javascript:alert(1)", passage=passage, reports=[report], reasons=[evil]
    )
    for path in ("/", f"/alerts/{alert}"):
        page = await site.page(path)
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "javascript:" not in page


async def test_nothing_on_the_page_comes_from_elsewhere(site: Site):
    _, page, headers = await site.get("/")
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    assert "http://" not in page
    assert "https://" not in page.replace("https://example.org/rss.xml", "")
    assert "<style" not in page
    assert "style=" not in page


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8470", "127.0.0.1.evil.example", "10.0.0.1", "localhost.x"]
)
async def test_a_name_that_was_pointed_at_loopback_gets_nothing(site: Site, host: str):
    for path in ("/", "/api/alerts", "/metrics", "/static/wirewatch.css"):
        assert (await site.get(path, host=host))[0] == 421


def test_loopback_has_many_names():
    for host in ("localhost", "localhost:8470", "127.0.0.1:8470", "127.0.0.2", "[::1]:8470", "[::1]", "LOCALHOST:1"):
        assert is_local(host)
    for host in ("", ":8470", "example.org", "[::2]:8470", "0.0.0.0:8470", "localhost:8470@evil.example"):
        assert not is_local(host)


@given(st.text(max_size=60))
def test_any_host_header_is_judged(host: str):
    assert is_local(host) in (True, False)


async def test_a_store_that_cannot_be_read_is_said_and_not_a_crash(tmp_path: Path, health: Health):
    class Away(Store):
        def read(self) -> Any:
            raise Unavailable("the store cannot be read: disk I/O error")

    away = Away.__new__(Away)
    views = Views(
        away,
        clock=HeldClock(),
        status=lambda: report(away, now=NOW, data_dir=tmp_path, channels=(), running=None),
        feeds=dict,
        channels=dict,
    )
    bound, stop = bind("127.0.0.1:0"), asyncio.Event()
    app = make_app(health, Metrics(version="0", python="3").registry, views)
    serving = asyncio.create_task(serve(app, bound, stop))
    async with aiohttp.ClientSession() as session:
        status, body, _ = await Site(f"http://{address(bound)}", session).get("/")
    stop.set()
    await serving
    assert status == 503
    assert "disk I/O error" in body


def test_a_port_in_use_is_a_sentence_that_names_the_setting():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(Unusable, match=r"\[web\] listen .*another program uses this port"):
            bind(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:8470", "10.1.2.3:80", "[::]:8470", "news.example.org:80"])
def test_the_page_is_not_shown_to_the_network(listen: str):
    with pytest.raises(Unusable, match=r"has no login"):
        bind(listen)


async def test_the_server_stops_at_once_with_idle_connections_open(site: Site, store: Store, health: Health):
    bound, stop = bind("127.0.0.1:0"), asyncio.Event()
    views = Views(store, clock=HeldClock(), status=lambda: Status(at=NOW, kept=None), feeds=dict, channels=dict)  # type: ignore[arg-type]
    serving = asyncio.create_task(
        serve(make_app(health, Metrics(version="0", python="3").registry, views), bound, stop)
    )
    reader, writer = await asyncio.open_connection(*bound.getsockname()[:2])
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readline()
    stop.set()
    await asyncio.wait_for(serving, 60)
    writer.close()


@given(st.text(max_size=50), st.lists(st.tuples(st.integers(-5, 60), st.integers(-5, 60)), max_size=6))
def test_marks_never_lose_or_double_a_character(text: str, marks: list[tuple[int, int]]):
    assert "".join(piece for piece, _ in segments(text, marks)) == text


async def test_a_process_without_the_page_serves_health_and_metrics_to_any_name_and_nothing_else(health: Health):
    app = make_health_app(health, Metrics(version="0.1.0", python="3").registry, lambda: {("articles", "matcher"): 3})
    bound, stop = bind("127.0.0.1:0", page=False), asyncio.Event()
    serving = asyncio.create_task(serve(app, bound, stop))
    async with aiohttp.ClientSession() as session:
        site = Site(f"http://{address(bound)}", session)
        status, body, _ = await site.get("/readyz", host="wirewatch-match.example.org")
        assert (status, json.loads(body)["behind"]) == (200, [{"stream": "articles", "group": "matcher", "records": 3}])
        assert (await site.get("/metrics"))[0] == 200
        assert (await site.get("/"))[0] == 404
        assert (await site.get("/api/alerts"))[0] == 404
    stop.set()
    await asyncio.wait_for(serving, 60)


async def test_what_answers_is_exchanged_without_closing_the_door(health: Health):
    registry = Metrics(version="0.1.0", python="3").registry
    front = Front(make_health_app(health, registry))
    bound, stop = bind("127.0.0.1:0", page=False), asyncio.Event()
    serving = asyncio.create_task(serve(front, bound, stop))
    async with aiohttp.ClientSession() as session:
        site = Site(f"http://{address(bound)}", session)
        assert (await site.json("/readyz"))["behind"] == []
        front.app = make_health_app(health, registry, lambda: {("matches", "alerter"): 1})
        assert (await site.json("/readyz"))["behind"]
    stop.set()
    await asyncio.wait_for(serving, 60)
