import json
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from typer.testing import CliRunner

from consumers.model import Passage, Report
from daemon.cli import app as command_line
from daemon.feeds import FeedState
from daemon.health import Part
from daemon.status import Recent, Running, Status, ago, lag_rows, render, report
from daemon.store import Store, tables
from daemon.store.holds import FOR_GOOD
from daemon.store.opening import open_store
from daemon.store.overview import channel_lines
from daemon.store.survey import condition, survey
from daemon.wire import from_json, to_json
from tests.kept_rows import NOW, HeldClock, KeptRows

PASSAGE = Passage(text="x", number=1, of=1)
REPORTS = [Report(source="example.org", url="https://example.org/1", title="t", at=NOW)]


@pytest.fixture
def rows(store: Store) -> KeptRows:
    return KeptRows(store)


def failing(feed_id: str, failures: float) -> FeedState:
    error = f"{feed_id} answers HTTP 503"
    return FeedState(feed_id=feed_id, polled=NOW - 9, next_due=NOW + 60, failures=failures, error=error)


def test_an_empty_store_has_nothing_to_tell(store: Store):
    kept = survey(store, NOW)
    assert (kept.feeds, kept.articles_24h, kept.alerts_24h, kept.last_article) == (0, 0, 0, None)


def test_feeds_are_counted_by_health_and_the_worst_three_are_named(store: Store, rows: KeptRows):
    for number in range(5):
        rows.feed(failing(f"f{number}", failures=number))
    rows.feed(FeedState(feed_id="well", polled=NOW - 9, next_due=NOW - 1))
    rows.feed(FeedState(feed_id="fresh", next_due=NOW - 1))
    rows.feed(failing("unlisted", failures=99), listed=False)
    kept = survey(store, NOW)
    assert (kept.feeds, kept.feeds_due, kept.feeds_new, kept.feeds_failing) == (7, 2, 1, 5)
    assert [feed.feed_id for feed in kept.worst] == ["f4", "f3", "f2"]


def test_only_enabled_topics_are_in_force_and_the_others_are_not_waited_for(store: Store, rows: KeptRows):
    rows.topic("Applied")
    rows.topic("Edited", version=2, applied=1)
    rows.topic("New", applied=None)
    rows.topic("Paused", applied=None, enabled=False)
    kept = survey(store, NOW)
    assert (kept.topics_in_force, kept.topics_pending) == (3, 2)


def test_alerts_deliveries_and_channels_are_counted(store: Store, rows: KeptRows):
    topic = rows.topic("T")
    rows.alert(topic, "a", passage=PASSAGE, reports=REPORTS, deliveries=[("a", "sent", ""), ("b", "retry", "")])
    rows.alert(topic, "b", passage=PASSAGE, reports=REPORTS, deliveries=[("a", "pending", ""), ("b", "dead", "x")])
    rows.alert(topic, "old", passage=PASSAGE, reports=REPORTS, at=NOW - 90_000)
    rows.disabled_channel("b", "no such user")
    rows.dead_letter("x")
    kept = survey(store, NOW)
    assert (kept.alerts_24h, kept.matches_24h, kept.articles_24h) == (2, 2, 2)
    assert (kept.deliveries_waiting, kept.deliveries_dead, kept.dead_letters) == (2, 1, 1)
    assert [channel.name for channel in kept.channels_disabled] == ["b"]


def hold(store: Store, *channels: str, due: float = NOW + 3600) -> None:
    with store.write() as connection:
        of_them = tables.deliveries.c.channel.in_(channels)
        connection.execute(update(tables.deliveries).where(of_them).values(state="held", held="quiet hours", due=due))


def test_what_is_held_on_purpose_is_counted_apart_from_what_waits(store: Store, rows: KeptRows, tmp_path: Path):
    topic, waiting = rows.topic("T"), [("a", "pending", ""), ("b", "pending", ""), ("c", "pending", "")]
    rows.alert(topic, "a", passage=PASSAGE, reports=REPORTS, deliveries=waiting)
    hold(store, "b")
    hold(store, "c", due=FOR_GOOD)  # told by another topic: nobody waits for it
    kept = survey(store, NOW)
    assert (kept.deliveries_waiting, kept.deliveries_held) == (1, 1)
    lines = {line.name: (line.waiting, line.held) for line in channel_lines(store, {"a": "x", "b": "x", "c": "x"}, NOW)}
    assert lines == {"a": (1, 0), "b": (0, 1), "c": (0, 0)}
    text = render(report(store, now=NOW, data_dir=tmp_path, channels=("a", "b"), running=None))
    assert "1 waiting, 1 held: `wirewatch alerts list --held`" in text


def test_what_is_held_for_a_channel_that_is_gone_from_the_settings_is_marked_too(
    store: Store, rows: KeptRows, tmp_path: Path
):
    rows.alert(rows.topic("T"), "a", passage=PASSAGE, reports=REPORTS, deliveries=[("desk", "pending", "")])
    hold(store, "desk")
    text = render(report(store, now=NOW, data_dir=tmp_path, channels=("console",), running=None))
    assert "1 delivery waits for it" in text
    (line,) = channel_lines(store, {}, NOW)
    assert (line.name, line.kind, line.held) == ("desk", "", 1)


def running(**changes: object) -> Running:
    return Running(pid=4242, since=NOW - 7300, version="0.1.0", listen="127.0.0.1:8470", **changes)  # type: ignore[arg-type]


def test_the_summary_marks_what_needs_somebody(store: Store, rows: KeptRows, tmp_path: Path):
    rows.feed(failing("site-one", failures=3))
    rows.disabled_channel("desk", "Slack says account_inactive")
    rows.dead_letter("x")
    parts = (Part(name="topics-file", ready=False, why="topics.toml:3: query is missing", since=NOW),)
    shown = report(
        store, now=NOW, data_dir=tmp_path, channels=(), running=running(parts=parts, lag=(("articles", "match", 1200),))
    )
    lines = render(shown).splitlines()
    assert lines[0].endswith("0.1.0, not ready, up 2 h (pid 4242)")
    marked = [line for line in lines if line.startswith("!")]
    assert [line.split()[1] for line in marked] == ["topics-file", "site-one", "desk", "dead"]
    assert any("match on articles: 1,200" in line for line in lines)
    assert "http://127.0.0.1:8470/" in render(shown)


def test_what_strangers_wrote_cannot_move_the_cursor(store: Store, rows: KeptRows, tmp_path: Path):
    rows.disabled_channel("desk", "\x1b[2J\r\nroot#")
    text = render(report(store, now=NOW, data_dir=tmp_path, channels=(), running=None))
    assert "\x1b" not in text
    assert "\r" not in text


def test_a_status_survives_the_way_over_the_control_socket(store: Store, rows: KeptRows, tmp_path: Path):
    rows.feed(failing("f", failures=1))
    shown = report(store, now=NOW, data_dir=tmp_path, channels=(), running=running(lag=(("articles", "match", 3),)))
    assert from_json(Status, json.dumps(json.loads(to_json(shown)))) == shown


def test_many_who_ask_at_once_cost_one_look(store: Store, tmp_path: Path):
    clock, looks = HeldClock(), []

    def look() -> Status:
        looks.append(clock.now())
        return report(store, now=clock.now(), data_dir=tmp_path, channels=(), running=None)

    recent = Recent(look, clock, seconds=1.0)
    assert recent() is recent()
    clock.pass_by(0.9)
    recent()
    assert len(looks) == 1
    clock.pass_by(0.2)
    assert recent().at == clock.now()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.text() | st.just('"error":""') | st.just('"polled":null'),
    error=st.text() | st.just('"error":""') | st.just('"polled":null'),
    polled=st.none() | st.floats(0, 1e10),
)
def test_a_feed_is_counted_by_what_it_is_whatever_strangers_wrote_into_it(
    store: Store, title: str, error: str, polled: float | None
):
    state = FeedState(feed_id="f", title=title, error=error, polled=polled)
    with store.write() as connection:
        connection.execute(delete(tables.feeds))
    KeptRows(store).feed(state)
    kept = survey(store, NOW)
    assert (kept.feeds_new, kept.feeds_failing) == (condition(state) == "new", condition(state) == "failing")


def test_groups_that_keep_up_are_not_listed():
    assert lag_rows({("a", "g"): 0, ("b", "g"): 5, ("c", "h"): 9}) == (("c", "h", 9), ("b", "g", 5))


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (59, "59 s"), (300, "5 min"), (7300, "2 h"), (86400 * 9, "9 d")]
)
def test_a_span_is_told_in_its_largest_unit(seconds: float, text: str):
    assert ago(seconds) == text


def test_without_a_daemon_the_command_shows_what_the_store_knows_and_exits_with_3(tmp_path: Path):
    with closing(open_store("sqlite:", tmp_path / "data")) as store:
        KeptRows(store).topic("T")
    result = CliRunner().invoke(command_line, ["--config", str(tmp_path), "status"])
    assert result.exit_code == 3
    assert "1 in force" in result.stdout
    assert "wirewatch run" in result.stderr
    result = CliRunner().invoke(command_line, ["--config", str(tmp_path), "status", "--json"])
    assert json.loads(result.stdout)["kept"]["topics_in_force"] == 1


def test_before_the_first_start_the_command_says_so(tmp_path: Path):
    result = CliRunner().invoke(command_line, ["--config", str(tmp_path), "status", "--json"])
    assert result.exit_code == 3
    assert json.loads(result.stdout) is None


def test_what_waits_for_a_channel_that_is_gone_from_the_settings_is_marked(
    store: Store, rows: KeptRows, tmp_path: Path
):
    topic = rows.topic("Floods")
    waiting = [("desk", "retry", "down"), ("console", "pending", "")]
    rows.alert(topic, "A flood", passage=PASSAGE, reports=REPORTS, deliveries=waiting)
    text = render(report(store, now=NOW, data_dir=tmp_path, channels=("console",), running=None))
    marked = [line for line in text.splitlines() if line.startswith("!")]
    assert len(marked) == 1
    assert "desk" in marked[0]
    assert "1 delivery waits for it" in marked[0]
    lines = {line.name: line for line in channel_lines(store, {"console": "console"}, NOW)}
    assert (lines["desk"].kind, lines["desk"].waiting) == ("", 1)
