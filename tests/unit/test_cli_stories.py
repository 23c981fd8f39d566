"""``wirewatch stories``, as typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.alerting import Alerter
from consumers.model import Match, Topic
from daemon.cli import app
from daemon.clock import SystemClock
from daemon.control import own
from daemon.store import Store
from daemon.store.opening import open_store
from daemon.store.stories import Stories
from tests.fake_events import START, Events


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "wirewatch.toml").write_text("")
    store = open_store("sqlite:", tmp_path / "data")
    yield store
    store.close()


@pytest.fixture
def fire(store: Store) -> list[Match]:
    """One story of three articles, the last with a new toll; and another story."""
    events, stories, alerter = Events(), Stories(store), Alerter()
    alerter.apply_topics({"harbour": Topic(id="harbour", query="harbour")})
    matches = [
        events.report("fire", "a.example", toll=12),
        events.report("fire", "b.example", toll=12),
        events.report("fire", "c.example", toll=19, reworded=True),
        events.report("strike", "d.example", at=START + 60),
    ]
    for number, match in enumerate(matches):
        stories.record(alerter.decide([match], START + 60 * number), stories.turns(["harbour"]))
    return matches


def wirewatch(folder: Path, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["--config", str(folder), "stories", *words], input=typed, catch_exceptions=False)


def listed(folder: Path, *words: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(wirewatch(folder, "list", "--json", *words).stdout)
    return rows


def the_fire(folder: Path) -> str:
    return str(next(row["id"] for row in listed(folder) if "fire" in str(row["title"])))


def test_before_anything_matched_the_list_says_so(store: Store, tmp_path: Path) -> None:
    assert wirewatch(tmp_path, "list").stdout == "No stories yet.\n"


def test_the_list_shows_each_story_the_one_reported_last_first(store: Store, fire: list[Match], tmp_path: Path) -> None:
    shown = wirewatch(tmp_path, "list").stdout.splitlines()
    assert "strike" in shown[1]
    assert "fire" in shown[2]
    rows = {str(row["id"]): row for row in listed(tmp_path, "--topic", "harbour")}
    row = rows[the_fire(tmp_path)]
    assert (row["sources"], row["independent"], row["articles"], row["state"]) == (3, 2, 3, "told")
    assert listed(tmp_path, "--topic", "other") == []
    assert len(listed(tmp_path, "--limit", "1")) == 1


def test_a_story_is_shown_with_its_articles_what_they_added_and_what_was_told(
    store: Store, fire: list[Match], tmp_path: Path
) -> None:
    shown = wirewatch(tmp_path, "show", the_fire(tmp_path)[:6]).stdout
    assert "3 sources, 2 of them independent" in shown
    assert "b.example (copy of a.example)" in shown
    assert all(match.article.id[:12] in shown for match in fire[:3])
    assert "19" in shown.split("Added since")[1]
    assert "console: decided, first report" in shown.split("Told")[1]
    assert "console: decided, new facts" in shown.split("Told")[1]
    record = json.loads(wirewatch(tmp_path, "show", the_fire(tmp_path), "--json").stdout)
    assert [each["article_id"] for each in record["matches"]] == [match.article.id for match in fire[:3]]


def test_articles_are_split_off_and_put_back(store: Store, fire: list[Match], tmp_path: Path) -> None:
    story = the_fire(tmp_path)
    done = wirewatch(tmp_path, "split", story[:6], fire[2].article.id[:6], "--by", "Ana", "--yes")
    assert done.stdout.startswith("1 article is the story ")
    assert len(listed(tmp_path)) == 3
    assert "split by Ana: 1 report moved" in wirewatch(tmp_path, "show", story).stdout
    undo = done.stdout.splitlines()[1].partition("wirewatch stories ")[2].split()
    assert wirewatch(tmp_path, *undo, "-y").stdout == f"They are the story {story[:12]} now, with 3 articles.\n"
    assert len(listed(tmp_path)) == 2
    assert "merged by" in wirewatch(tmp_path, "show", story).stdout


def test_nothing_is_changed_without_a_yes(store: Store, fire: list[Match], tmp_path: Path) -> None:
    story = the_fire(tmp_path)
    other = next(str(row["id"]) for row in listed(tmp_path) if row["id"] != story)
    for words in (("split", story, fire[2].article.id), ("merge", story, other)):
        asked = wirewatch(tmp_path, *words, typed="n\n")
        assert asked.exit_code == 1
        assert "fire" in asked.stderr, "it says what would be changed"
    assert len(listed(tmp_path)) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "zzz"), 'no story has an id that begins with "zzz"'),
        (("show", ""), "no story has an id"),
        (("split", "STORY", "zzz", "--yes"), "no article of the story"),
        (("split", "STORY", "ALL", "--yes"), "not all of them"),
        (("merge", "STORY", "STORY", "--yes"), "same story"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    store: Store, fire: list[Match], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    spelled: list[str] = []
    for word in words:
        spelled += (
            [match.article.id for match in fire[:3]] if word == "ALL" else [word.replace("STORY", the_fire(tmp_path))]
        )
    refused = wirewatch(tmp_path, *spelled)
    assert refused.exit_code == 1
    assert said in refused.stderr


def test_a_running_owner_is_asked(store: Store, fire: list[Match], tmp_path: Path) -> None:
    story = the_fire(tmp_path)
    with own(tmp_path / "data", address="", clock=SystemClock()):
        refused = wirewatch(tmp_path, "split", story, fire[2].article.id, "--yes")
    assert refused.exit_code == 1
    assert "does not take requests yet" in refused.stderr
