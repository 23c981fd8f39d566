"""``wirewatch alerts``: the history that ``show`` prints, and what ``list`` says of what is held."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.holding import Mute
from consumers.ids import delivery_id
from consumers.model import Match, Report, Scheduled, Topic
from daemon.cli import app
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.opening import open_store
from daemon.store.story_edits import StoryEdits
from daemon.store.verdicts import Verdict, Verdicts
from tests.alert_samples import ALERT, NOON
from tests.fake_channels import put_alert
from tests.fake_events import START, Events
from tests.held_alerts import change_story
from tests.told_story import ToldStories

HARBOUR = Topic(
    id="harbour",
    query="harbour",
    channels=("console", "desk"),
    digests=(Scheduled(channel="boss", when="07:00 Europe/Paris"),),
)
WEATHER = Topic(id="weather", query="weather", channels=("desk",), min_sources=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "wirewatch.toml").write_text("")
    with closing(open_store("sqlite:", tmp_path / "data")) as store:
        yield store


def wirewatch(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(folder), *words], catch_exceptions=False)


EVENTS = Events()


def fire(source: str, toll: int | None = None, at: float = START) -> Match:
    return EVENTS.report("fire", source, toll=toll, at=at, reworded=True)


def told_fire(store: Store) -> tuple[ToldStories, str, str]:
    """A story whose first alert was sent, and an update that Ana's mute holds. The ids of the two alerts."""
    desk = ToldStories(store, HARBOUR, WEATHER)
    (first,) = desk.tell(fire("a.example", 12), at=START)
    desk.send("console", START + 1)
    (update,) = desk.tell(fire("b.example", 19, START + 60), at=START + 60)
    story = desk.story(fire("a.example", 12)).id
    until = time.time() + 3600
    Mutes(store).add(
        Mute(id="m" * 32, kind="story", target=story, since=START, until=until, by="Ana", comment="live blog")
    )
    desk.send("console", START + 61)
    return desk, first, update


def test_the_history_of_an_alert_says_what_is_new_since_with_quotes_and_where_it_was_told(
    store: Store, tmp_path: Path
) -> None:
    _, first, update = told_fire(store)
    shown = wirewatch(tmp_path, "alerts", "show", first[:12]).stdout
    assert "Added by reports\n  2026-09-21 14:14 UTC  toll 12 → 19 (b.example)\n    “The fire in the harbour" in shown
    assert "Muted by Ana until " in shown
    assert "So far:" not in shown, "it stands below, with quotes"
    of_update = wirewatch(tmp_path, "alerts", "show", update[:12]).stdout
    assert of_update.startswith("harbour · update · ")
    assert "New: toll 12 → 19 (b.example)\n" in of_update
    assert "Added by" not in of_update, "the update says it itself"


def test_the_ledger_is_printed_by_channel_with_what_holds_each_alert(store: Store, tmp_path: Path) -> None:
    _, first, update = told_fire(store)
    shown = wirewatch(tmp_path, "alerts", "show", first).stdout
    ledger = shown.partition("\nLedger\n")[2].splitlines()
    assert [line.strip() for line in ledger if line[2:3].strip()] == ["boss", "console", "desk"]
    console = ledger[ledger.index("  console") : ledger.index("  desk")]
    assert console[1:4] == [
        f"    first report {first[:12]}: sent 2026-09-21 14:13 UTC, 1 attempt as console-1",
        "      2026-09-21 14:13 UTC  decided: first report",
        "      2026-09-21 14:13 UTC  sent as console-1",
    ]
    assert console[4].startswith(f"    update {update[:12]}: held: muted by Ana until ")
    assert console[4].endswith(": live blog")
    assert console[5:7] == ["      New: toll 12 → 19 (b.example)", "      2026-09-21 14:14 UTC  decided: new facts"]
    assert "held until 2026-09-22 05:00 UTC: the digest of 07:00 Europe/Paris" in shown


def test_json_carries_the_whole_history(store: Store, tmp_path: Path) -> None:
    _, first, update = told_fire(store)
    told = json.loads(wirewatch(tmp_path, "alerts", "show", first, "--json").stdout)
    assert [fact["text"] for fact in told["timeline"]] == ["toll 12 → 19"]
    assert told["mutes"][0]["comment"] == "live blog"
    held = next(each for each in told["ledger"] if (each["channel"], each["alert_id"]) == ("console", update))
    assert (held["state"], held["facts"][0]["text"]) == ("held", "toll 12 → 19")
    assert [step["event"] for step in held["steps"]] == ["decided", "held"]
    assert (told["merged_into"], told["absorbed"], told["apart"]) == (None, [], [])
    assert {each["alert_id"] for each in told["deliveries"]} == {first}


def test_a_delivery_and_a_story_lead_to_their_alert(store: Store, tmp_path: Path) -> None:
    desk, first, update = told_fire(store)
    by_delivery = delivery_id(update, "desk")[:16]
    by_story = desk.story(fire("a.example", 12)).id[:16]
    assert json.loads(wirewatch(tmp_path, "alerts", "show", by_delivery, "--json").stdout)["alert_id"] == update
    assert json.loads(wirewatch(tmp_path, "alerts", "show", by_story, "--json").stdout)["alert_id"] == first


def test_both_alerts_of_merged_stories_name_one_another_and_the_time(store: Store, tmp_path: Path) -> None:
    desk, first, _ = told_fire(store)
    flood = EVENTS.report("flood", "z.example", at=START + 120)
    (other,) = desk.tell(flood, at=START + 120)
    kept, gone = desk.story(fire("a.example", 12)), desk.story(flood)
    StoryEdits(store).merge(kept.id, gone.id, by="Ana", now=START + 600)
    since = "One story since 2026-09-21 14:23 UTC with"
    shown = wirewatch(tmp_path, "alerts", "show", first).stdout
    assert f"{since} “{gone.title}” (alert {other[:12]}; this alert {first[:12]})" in shown
    shown = wirewatch(tmp_path, "alerts", "show", other).stdout
    assert f"{since} “{kept.title}” (alert {first[:12]}; this alert {other[:12]})" in shown
    assert json.loads(wirewatch(tmp_path, "alerts", "show", gone.id, "--json").stdout)["alert_id"] == other


def test_a_split_is_in_the_history_of_both_parts(store: Store, tmp_path: Path) -> None:
    desk, first, _ = told_fire(store)
    story = desk.story(fire("a.example", 12))
    parted = StoryEdits(store).split(story.id, [fire("b.example", 19).article.id], by="Ana", now=START + 600)
    off = parted.split_off
    shown = wirewatch(tmp_path, "alerts", "show", first).stdout
    assert f"Split by hand: not the story “{off.title}” (story {off.id[:12]})" in shown
    assert "split by Ana: 1 report moved" in shown
    of_other = wirewatch(tmp_path, "alerts", "show", off.id).stdout
    assert of_other.startswith(f"harbour · no alert of its own\n{off.title}\n")
    assert f"(alert {first[:12]})" in of_other
    assert "split off by Ana: 1 report moved" in of_other


def test_held_ones_are_listed_as_held_and_by_themselves(store: Store, tmp_path: Path) -> None:
    desk, first, update = told_fire(store)
    storm = Events("weather").report("storm", "a.example", at=START + 90)
    desk.tell(storm, at=START + 90)
    rows = {row["id"]: row for row in json.loads(wirewatch(tmp_path, "alerts", "list", "--json").stdout)}
    assert (rows[first]["kind"], rows[update]["kind"]) == ("first", "update")
    assert any(said.startswith("console muted until ") for said in rows[update]["delivered"])
    assert "desk waiting" in rows[update]["delivered"]
    held = json.loads(wirewatch(tmp_path, "alerts", "list", "--held", "--json").stdout)
    waits = next(row for row in held if row["headline"] == desk.story(storm).title)
    assert waits["delivered"] == ["desk waits for a second independent source"]
    shown = wirewatch(tmp_path, "alerts", "show", waits["id"][:12]).stdout
    assert shown.startswith("weather · not told\n")
    assert f"first report {waits['id'][:12]}: held: waits for a second independent source" in shown


def test_where_nothing_is_held_the_list_says_so(store: Store, tmp_path: Path) -> None:
    put_alert(store)
    assert wirewatch(tmp_path, "alerts", "list", "--held").stdout == "Nothing is held.\n"


def test_a_digest_is_listed_and_its_id_leads_to_the_alerts_in_it(store: Store, tmp_path: Path) -> None:
    desk = ToldStories(store, HARBOUR)
    (first,) = desk.tell(fire("a.example"), at=START)
    desk.send("boss", START + 86_400)
    rows = json.loads(wirewatch(tmp_path, "alerts", "list", "--json").stdout)
    (digest,) = [row for row in rows if row["kind"] == "digest"]
    assert (digest["headline"], digest["delivered"]) == ("Digest of 07:00 Europe/Paris", ["boss sent"])
    shown = wirewatch(tmp_path, "alerts", "show", digest["id"][:12])
    assert shown.exit_code == 1
    assert first[:12] in shown.stderr
    assert "told in the message “Digest of 07:00 Europe/Paris”, as boss-" in (
        wirewatch(tmp_path, "alerts", "show", first).stdout
    )


def test_reports_that_added_nothing_are_counted_and_copies_are_named(store: Store, tmp_path: Path) -> None:
    put_alert(store)
    more = [Report(source=f"{n}.example", url=f"https://{n}.example/", title="t", at=NOON + n) for n in range(20)]
    change_story(store, reports=(*ALERT.reports, *more), articles=30)
    shown = wirewatch(tmp_path, "alerts", "show", "story-1").stdout
    assert "Reports: 30 of 23 sources, 22 independent\n" in shown
    assert "site-three.example (copy of example.org): Warplanes strike" in shown
    assert "  18 more added nothing new\n" in shown


def test_it_says_which_story_it_is_of_and_who_found_it_relevant_or_not(store: Store, tmp_path: Path) -> None:
    desk, first, _ = told_fire(store)
    report = fire("a.example", 12).article
    said = {"topic_id": HARBOUR.id, "article_id": report.id, "relevant": False, "at": START + 90}
    Verdicts(store).put([Verdict(**said, by="berta", note="an old one"), Verdict(**(said | {"article_id": "other"}))])
    shown = wirewatch(tmp_path, "alerts", "show", first).stdout
    story = desk.story(fire("a.example", 12)).id
    assert f"\nalert {first[:12]} of the story {story[:12]}, topic harbour\n" in shown
    assert f"Said to be not relevant by berta, 2026-09-21 14:14 UTC: “{report.title}”: an old one" in shown
    assert shown.count("Said to be") == 1
    (verdict,) = json.loads(wirewatch(tmp_path, "alerts", "show", first, "--json").stdout)["verdicts"]
    assert (verdict["by"], verdict["relevant"]) == ("berta", False)
