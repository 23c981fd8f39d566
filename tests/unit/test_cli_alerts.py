"""``wirewatch alerts`` and ``wirewatch channels``, as typed."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.model import Escalation, Topic, Updates
from daemon.cli import app
from daemon.clock import SystemClock
from daemon.control import ControlServer, own
from daemon.store import Store
from daemon.store.opening import open_store
from daemon.store.outbox import Disabled, Outbox
from tests.alert_samples import ALERT, NOON
from tests.fake_channels import put_alert
from tests.fake_events import Events
from tests.fake_webhook import FakeWebhook
from tests.held_alerts import HOUR, Night
from tests.told_story import ToldStories


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "wirewatch.toml").write_text('[channel.desk]\ntype = "webhook"\nurl = "http://127.0.0.1:9/hook"\n')
    store = open_store("sqlite:", tmp_path / "data")
    yield store
    store.close()


def wirewatch(folder: Path, *words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(app, ["--config", str(folder), *words], catch_exceptions=False)


def test_before_anything_was_told_the_list_says_so(store: Store, tmp_path: Path) -> None:
    assert wirewatch(tmp_path, "alerts", "list").stdout == "No alerts yet.\n"


def test_without_a_store_it_says_what_to_start(tmp_path: Path) -> None:
    shown = wirewatch(tmp_path, "alerts", "list")
    assert shown.exit_code == 1
    assert "wirewatch run" in shown.stderr


def test_the_list_shows_each_alert_and_what_became_of_it(store: Store, tmp_path: Path) -> None:
    put_alert(store, 1, ("console", "desk"))
    outbox = Outbox(store)
    delivery = outbox.claim(NOON + 1, "console")
    assert delivery
    outbox.sent(delivery.id, "", NOON + 1)
    shown = wirewatch(tmp_path, "alerts", "list").stdout
    assert f"{ALERT.headline} (1)" in shown
    assert "  2025-11-21 14:02 UTC  " in shown
    assert "console sent, desk waiting" in shown
    (row,) = json.loads(wirewatch(tmp_path, "alerts", "list", "--json").stdout)
    assert (row["sources"], row["independent"], row["topic"]) == (3, 2, ALERT.topic_id)
    assert row["at"] == "2025-11-21T14:02:00Z"


def told_fire(store: Store, updates: Updates) -> None:
    """A fire that kills twelve, then nineteen, then is reported by three within minutes; a day ago each."""
    topic = Topic(id="harbour", query="Fires", updates=updates, escalate=Escalation(sources=3, within=1800.0))
    desk, events = ToldStories(store, topic), Events()
    for minute, (source, toll) in enumerate((("a.example", 12), ("b.example", 19), ("c.example", 19))):
        report = events.report("fire", source, toll=toll, at=NOON + 60 * minute, reworded=True)
        desk.tell(report, at=NOON + 60 * minute)


def test_the_list_says_what_an_update_told_and_why_an_escalation_came_beside_the_title_of_the_story(
    store: Store, tmp_path: Path
) -> None:
    told_fire(store, "new-facts")
    listed = json.loads(wirewatch(tmp_path, "alerts", "list", "--json").stdout)
    escalation, update, first = listed
    assert [row["kind"] for row in listed] == ["escalation", "update", "first"]
    assert first["news"] == []
    assert update["news"] == ["toll 12 → 19 (b.example)"]
    assert [(fact["text"], fact["source"]) for fact in update["facts"]] == [("toll 12 → 19", "b.example")]
    assert "killed 19 people" in update["facts"][0]["quote"]
    assert escalation["news"] == [escalation["why"]] == ["3 independent sources within 30 minutes"]
    assert {row["headline"] for row in listed} == {"harbour fire fireology: a.example version 0"}
    shown = wirewatch(tmp_path, "alerts", "list").stdout
    for row in listed:
        (line,) = (line for line in shown.splitlines() if line.startswith(row["id"][:12]))
        assert "; ".join(row["news"]) in line
        assert row["headline"] in line


def test_an_update_that_adds_no_fact_is_listed_with_the_report_that_it_told(store: Store, tmp_path: Path) -> None:
    told_fire(store, "all")
    desk, events = ToldStories(store, Topic(id="harbour", query="Fires", updates="all")), Events()
    desk.tell(events.report("fire", "d.example", toll=19, at=NOON + 300, reworded=True), at=NOON + 300)
    newest = json.loads(wirewatch(tmp_path, "alerts", "list", "--json").stdout)[0]
    assert (newest["kind"], newest["facts"]) == ("update", [])
    assert newest["news"] == ["another report: “harbour fire fireology: d.example version 0” (d.example)"]


def test_the_list_can_be_narrowed(store: Store, tmp_path: Path) -> None:
    put_alert(store)
    listed = ("alerts", "list", "--json")
    assert json.loads(wirewatch(tmp_path, *listed, "--topic", "other").stdout) == []
    assert json.loads(wirewatch(tmp_path, *listed, "--topic", ALERT.topic_id).stdout) != []
    assert json.loads(wirewatch(tmp_path, *listed, "--since", "1s").stdout) == []
    assert wirewatch(tmp_path, *listed, "--since", "yesterday").exit_code == 2


def test_an_alert_is_shown_as_told_with_its_reports_and_the_history_of_its_deliveries(
    store: Store, tmp_path: Path
) -> None:
    put_alert(store)
    outbox = Outbox(store)
    delivery = outbox.claim(NOON + 1, "desk")
    assert delivery
    outbox.retry(delivery, NOON + 900, "cannot connect to 127.0.0.1", in_doubt=False)
    shown = wirewatch(tmp_path, "alerts", "show", delivery.alert_id[:8]).stdout
    assert "Russian airstrikes Syria · first report ·" in shown
    assert "Russian aircraft carried out twenty strikes" in shown
    assert "https://site-two.example/2" in shown
    assert "site-three.example (copy of example.org): Warplanes strike" in shown
    waiting = "waiting since 2025-11-21 14:02 UTC, 1 attempt, next 2025-11-21 14:17 UTC; cannot connect to 127.0.0.1"
    assert f"  desk\n    first report {delivery.alert_id[:12]}: {waiting}\n" in shown
    told = json.loads(wirewatch(tmp_path, "alerts", "show", delivery.alert_id, "--json").stdout)
    assert told["alert_id"] == delivery.alert_id
    assert told["deliveries"][0]["state"] == "retry"


def test_an_alert_that_waits_is_shown_with_all_that_became_of_it(store: Store, tmp_path: Path) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    for attempt in (1, 2, 3):
        delivery = outbox.claim(NOON + attempt, "desk")
        assert delivery
        outbox.retry(delivery, NOON + attempt, "cannot connect", in_doubt=False)
    assert outbox.claim(NOON + 60, "desk", Night(end=NOON + HOUR)) is None
    shown = wirewatch(tmp_path, "alerts", "show", delivery.alert_id).stdout
    assert ": held until 2025-11-21 15:02 UTC: quiet hours 22:00-07:00 Europe/Paris\n" in shown
    failed = "not accepted, to be tried again: cannot connect (3 times, last 2025-11-21 14:02 UTC)"
    held = "2025-11-21 14:03 UTC  held: quiet hours 22:00-07:00 Europe/Paris"
    assert f"    2025-11-21 14:02 UTC  {failed}\n      {held}\n" in shown
    assert "desk held until 21 Nov 15:02 UTC (quiet hours)" in wirewatch(tmp_path, "alerts", "list").stdout
    told = json.loads(wirewatch(tmp_path, "alerts", "show", delivery.alert_id, "--json").stdout)
    assert told["deliveries"][0]["id"] == id_
    assert [step["event"] for step in told["deliveries"][0]["steps"]] == ["retried", "retried", "retried", "held"]


def test_an_id_that_names_no_alert_or_several_is_a_sentence(store: Store, tmp_path: Path) -> None:
    for number in range(40):
        put_alert(store, number)
    unknown, several = (wirewatch(tmp_path, "alerts", "show", id_) for id_ in ("zz", ""))
    assert (unknown.exit_code, several.exit_code) == (1, 1)
    assert "wirewatch alerts list" in unknown.stderr
    assert "give more of it" in several.stderr


def test_channels_show_what_waits_and_why(store: Store, tmp_path: Path) -> None:
    put_alert(store, 1, ("desk", "gone"))
    outbox = Outbox(store)
    delivery = outbox.claim(NOON + 1, "desk")
    assert delivery
    outbox.refuse(delivery, Disabled(reason="its address is gone", at=NOON, settings_hash=""), NOON + 1)
    rows = {row["name"]: row for row in json.loads(wirewatch(tmp_path, "channels", "list", "--json").stdout)}
    assert (rows["desk"]["state"], rows["desk"]["waiting"]) == ("disabled", 1)
    assert rows["desk"]["reason"] == "its address is gone"
    assert rows["desk"]["waiting_since"] == "2025-11-21T14:02:00Z"
    assert rows["console"]["state"] == "on"
    assert (rows["gone"]["state"], rows["gone"]["waiting"]) == ("not in wirewatch.toml", 1)
    assert (rows["desk"]["held"], rows["gone"]["held"]) == (0, 0)


def test_channels_show_what_is_held_apart_from_what_waits(store: Store, tmp_path: Path) -> None:
    put_alert(store)
    assert Outbox(store).claim(NOON + 1, "desk", Night(end=NOON + HOUR)) is None
    rows = {row["name"]: row for row in json.loads(wirewatch(tmp_path, "channels", "list", "--json").stdout)}
    assert (rows["desk"]["held"], rows["desk"]["waiting"]) == (1, 0)


def test_channels_are_listed_before_there_is_a_store(tmp_path: Path) -> None:
    assert "console" in wirewatch(tmp_path, "channels", "list").stdout


def test_a_test_of_the_console_is_clearly_one(tmp_path: Path) -> None:
    shown = wirewatch(tmp_path, "channels", "test", "console")
    assert "TEST of channel console" in shown.stdout
    assert "console accepted the test." in shown.stdout
    assert shown.exit_code == 0


def test_a_test_that_fails_says_what_came_back_in_one_sentence(store: Store, tmp_path: Path) -> None:
    shown = wirewatch(tmp_path, "channels", "test", "desk")
    assert shown.exit_code == 1
    assert shown.stderr == "desk did not accept the test: cannot connect to 127.0.0.1\n"
    assert wirewatch(tmp_path, "channels", "test", "nobody").exit_code == 1


def test_a_secret_that_is_missing_is_named_by_its_variable(tmp_path: Path) -> None:
    (tmp_path / "wirewatch.toml").write_text('[channel.ops]\ntype = "slack"\ntoken_env = "NO_SUCH"\nchannel = "#x"\n')
    shown = wirewatch(tmp_path, "channels", "test", "ops")
    assert shown.exit_code == 1
    assert "NO_SUCH" in shown.stderr


@contextmanager
def receiver(fake: FakeWebhook) -> Iterator[str]:
    """A local receiver beside the command, which has a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = fake.server()
    asyncio.run_coroutine_threadsafe(server.start_server(), loop).result(10)
    try:
        yield str(server.make_url("/hook"))
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def running(data: Path, enabled: list[str]) -> Iterator[None]:
    """A daemon's control socket, which notes the channels it is told to enable."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stop = asyncio.Event()

    def enable(args: dict[str, str]) -> dict[str, str]:
        enabled.append(args["name"])
        return {}

    with own(data, address="", clock=SystemClock()) as owner:
        server = ControlServer(Path(owner.socket), {"channels.enable": enable})
        serving = asyncio.run_coroutine_threadsafe(server.run(stop), loop)
        while not Path(owner.socket).exists():
            serving.exception(0.01) if serving.done() else None
        yield
        loop.call_soon_threadsafe(stop.set)
        serving.result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_test_that_arrives_enables_the_channel_in_the_running_daemon(store: Store, tmp_path: Path) -> None:
    put_alert(store)
    outbox = Outbox(store)
    delivery = outbox.claim(NOON + 1, "desk")
    assert delivery
    outbox.refuse(delivery, Disabled(reason="gone", at=NOON, settings_hash=""), NOON + 1)
    enabled: list[str] = []
    fake = FakeWebhook()
    with receiver(fake) as url, running(tmp_path / "data", enabled):
        env = {"HOOK": url}
        (tmp_path / "wirewatch.toml").write_text('[channel.desk]\ntype = "webhook"\nurl_env = "HOOK"\n')
        shown = wirewatch(tmp_path, "channels", "test", "desk", env=env)
    assert shown.exit_code == 0
    assert "enabled again" in shown.stdout
    assert enabled == ["desk"]
    (received,) = fake.accepted.values()
    assert received["data"]["title"] == "TEST of channel desk"
