"""Mutes that people set by name and end by id."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from consumers.model import Passage, Report, Story
from daemon.errors import Unusable
from daemon.mutes import DAY, Muting, host_of, verbs
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.story_names import titles
from daemon.store.tables import stories
from daemon.wire import from_json, to_json
from tests.kept_rows import NOW, HeldClock, KeptRows

PASSAGE = Passage(text="It happened.", number=1, of=1)
REPORT = Report(source="example.org", url="https://example.org/1", title="Strikes", at=NOW - 900)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def muting(store: Store, clock: HeldClock) -> Muting:
    return Muting(store, clock)


@pytest.fixture
def story_ids(store: Store) -> list[str]:
    rows = KeptRows(store)
    topic = rows.topic("Russian airstrikes Syria")
    for headline in ("One", "Two"):
        rows.alert(topic, headline, passage=PASSAGE, reports=[REPORT])
    with store.read() as connection:
        return list(connection.execute(select(stories.c.id).order_by(stories.c.id)).scalars())


def test_a_story_is_named_by_the_first_characters_of_its_id(store: Store, muting: Muting, story_ids: list[str]) -> None:
    mute = muting.add("story", f" {story_ids[0][:8].upper()} ", seconds=DAY, by="Ana", comment="covered\nalready")
    assert (mute.kind, mute.target, mute.by, mute.comment) == ("story", story_ids[0], "Ana", "covered already")
    assert (mute.since, mute.until) == (NOW, NOW + DAY)
    assert list(Mutes(store).in_force(NOW)) == [mute]


def test_a_story_that_turned_out_to_be_another_one_is_muted_as_that(
    store: Store, muting: Muting, story_ids: list[str]
) -> None:
    gone, survivor = story_ids
    with store.write() as connection:
        row = connection.execute(select(stories.c.story).where(stories.c.id == gone)).scalar_one()
        merged = to_json(replace(from_json(Story, row), merged_into=survivor)).decode()
        connection.execute(update(stories).where(stories.c.id == gone).values(story=merged))
    assert muting.add("story", gone, seconds=DAY, by="Ana").target == survivor


@pytest.mark.parametrize("prefix", ["", "%", "_", "zzzz", "x" * 5000])
def test_a_story_that_is_not_there_is_a_sentence(muting: Muting, story_ids: list[str], prefix: str) -> None:
    with pytest.raises(Unusable, match="wirewatch stories list"):
        muting.add("story", prefix, seconds=DAY, by="Ana")


def test_an_id_that_names_two_stories_wants_more_of_it(store: Store, muting: Muting, story_ids: list[str]) -> None:
    with store.write() as connection:
        row = connection.execute(select(stories).where(stories.c.id == story_ids[0])).one()
        twin = story_ids[0][:-1] + ("0" if story_ids[0][-1] != "0" else "1")
        story = to_json(replace(from_json(Story, row.story), id=twin)).decode()
        connection.execute(stories.insert().values(**{**row._asdict(), "id": twin, "story": story}))
    with pytest.raises(Unusable, match="give more of it"):
        muting.add("story", story_ids[0][:12], seconds=DAY, by="Ana")


def test_a_topic_has_to_be_in_force(muting: Muting, story_ids: list[str]) -> None:
    assert muting.add("topic", "russian-airstrikes-syria", seconds=DAY, by="Ana").kind == "topic"
    with pytest.raises(Unusable, match="wirewatch topics list"):
        muting.add("topic", "weather", seconds=DAY, by="Ana")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("example.org", "example.org"),
        ("WWW.Example.org.", "example.org"),
        ("https://www.example.org:8080/news?a=1", "example.org"),
        ("example.org/news", "example.org"),
        ("*.example.org", "*.example.org"),
        ("news.bbc.co.uk", "news.bbc.co.uk"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_source_is_named_by_its_host(given: str, host: str) -> None:
    assert host_of(given) == host


@pytest.mark.parametrize(
    "given", ["", "example", "two words", "*", "*.", "a..b", "-a.org", "https://", "http://[", "é.org"]
)
def test_what_is_no_host_name_is_a_sentence(given: str) -> None:
    with pytest.raises(Unusable, match=r"example\.org"):
        host_of(given)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 59.0, 400 * DAY, float("nan"), float("inf")])
def test_a_mute_lasts_between_a_minute_and_a_year(muting: Muting, story_ids: list[str], seconds: float) -> None:
    with pytest.raises(Unusable, match="between a minute and a year"):
        muting.add("story", story_ids[0], seconds=seconds, by="Ana")


def test_a_mute_is_ended_by_the_first_characters_of_its_id_and_says_by_whom(
    store: Store, muting: Muting, clock: HeldClock, story_ids: list[str]
) -> None:
    mute = muting.add("source", "example.org", seconds=DAY, by="Ana")
    clock.pass_by(60)
    assert muting.remove(mute.id[:10], "Ben").id == mute.id
    assert Mutes(store).in_force(clock.at) == []
    (kept,) = Mutes(store).all()
    assert (kept.ended, kept.ended_why) == (clock.at, "ended by Ben")
    with pytest.raises(Unusable, match="has ended already"):
        muting.remove(mute.id, "Ben")


@pytest.mark.parametrize("prefix", ["", "zz"])
def test_a_mute_that_is_not_there_is_a_sentence(muting: Muting, story_ids: list[str], prefix: str) -> None:
    muting.add("source", "example.org", seconds=DAY, by="Ana")
    with pytest.raises(Unusable, match="wirewatch mutes list"):
        muting.remove(prefix, "Ben")


def test_commands_ask_in_json_and_are_answered_in_it(store: Store, clock: HeldClock, story_ids: list[str]) -> None:
    known = verbs(store, clock)
    asked = {"kind": "story", "target": story_ids[0], "seconds": 60, "by": "Ana", "until_new_facts": True}
    added = json.loads(json.dumps(known["mutes.add"](asked)))
    assert (added["target"], added["until"], added["until_new_facts"]) == (story_ids[0], NOW + 60, True)
    assert known["mutes.remove"]({"id": added["id"], "by": "Ben"})["id"] == added["id"]
    with pytest.raises(Unusable, match="a story, a topic or a source"):
        known["mutes.add"]({**asked, "kind": "planet"})


def test_titles_are_those_of_the_stories_that_are_kept(store: Store, story_ids: list[str]) -> None:
    assert sorted(titles(store, [*story_ids, "gone"]).values()) == ["One", "Two"]
