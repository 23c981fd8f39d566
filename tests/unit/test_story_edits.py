"""What people make of stories: two of one, one of two, and never silently."""

from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from consumers.alerting import Alerter, Decisions
from consumers.model import Match, Story, Topic
from consumers.story_hands import REPORTS
from daemon.errors import Fenced, Unusable
from daemon.store import Store, ledger
from daemon.store.stories import Stories
from daemon.store.story_details import detail
from daemon.store.story_edits import StoryEdits
from daemon.store.tables import alerts, living_messages
from tests.fake_events import START, Events

HARBOUR = Topic(id="harbour", query="harbour", channels=("console", "desk"))
WEATHER = Topic(id="weather", query="weather")
TOPICS = (HARBOUR.id, WEATHER.id)
LATER = START + 3_600.0


def alerter(store: Store) -> Alerter:
    made = Alerter(settle=0.0)
    made.apply_topics({topic.id: topic for topic in (HARBOUR, WEATHER)})
    made.restore(Stories(store).restore(0.0, TOPICS))
    return made


def tell(store: Store, *matches: Match, at: float = START) -> Decisions:
    stories = Stories(store)
    turns = stories.turns(TOPICS)
    decisions = alerter(store).decide(matches, at, stories.recorded([match.id for match in matches]))
    stories.record(decisions, turns)
    return decisions


def story_of(store: Store, match: Match) -> Story:
    recorded = Stories(store).recorded([match.id])[match.id]
    found = detail(store, recorded.story_id)
    assert found
    return found.story


def living(store: Store, story_id: str, alert_id: str) -> None:
    row = {
        "delivery_id": "d" + alert_id,
        "alert_id": alert_id,
        "channel": "desk",
        "story_id": story_id,
        "provider_id": "1.2",
        "wanted": 0,
        "shown": 0,
        "due": START,
        "updated": START,
    }
    with store.write() as connection:
        connection.execute(insert(living_messages).values(row))


def lives(store: Store) -> list[tuple[str, int]]:
    with store.read() as connection:
        rows = connection.execute(select(living_messages.c.story_id, living_messages.c.wanted))
        return [(row.story_id, row.wanted) for row in rows]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def fire(store: Store, events: Events) -> list[Match]:
    """One told story of four articles, the second a copy of the first."""
    matches = [
        events.report("fire", "a.example", toll=12),
        events.report("fire", "b.example", toll=12, at=START + 60),
        events.report("fire", "c.example", toll=19, at=START + 120, reworded=True),
        events.report("fire", "d.example", toll=31, at=START + 180, reworded=True),
    ]
    for number, match in enumerate(matches):
        tell(store, match, at=START + 60 * number)
    return matches


def split(store: Store, story: Story, *ids: str, at: float = LATER) -> Story:
    return StoryEdits(store).split(story.id, ids, by="Ana", now=at).split_off


# -- two of one


def test_the_articles_that_are_named_become_a_story_of_their_own(store: Store, fire: list[Match]) -> None:
    before = story_of(store, fire[0])
    new = split(store, before, fire[2].article.id, fire[3].id)
    kept, off = story_of(store, fire[0]), story_of(store, fire[2])
    assert off == new == story_of(store, fire[3])
    assert kept.id == before.id == story_of(store, fire[1]).id
    assert [report.source for report in kept.reports] == ["a.example", "b.example"]
    assert [report.source for report in off.reports] == ["c.example", "d.example"]
    assert (kept.articles, off.articles) == (2, 2)
    assert (kept.apart, off.apart) == ((off.id,), (kept.id,))
    assert off.title == fire[2].article.title
    assert (kept.latest, off.started) == (START + 60, START + 120)
    assert not kept.facts
    assert [fact.source for fact in off.facts] == ["c.example", "d.example"]


def test_a_split_pings_nobody_and_says_by_whom_and_what(store: Store, fire: list[Match]) -> None:
    story = story_of(store, fire[0])
    told = [alert.id for alert in Stories(store).alerts(limit=10)]
    new = split(store, story, fire[3].id)
    assert [alert.id for alert in Stories(store).alerts(limit=10)] == told
    said = [(step.channel, step.why) for step in ledger.of_story(store, story.id) if step.event == "split"]
    assert set(said) == {("console", "split by Ana: 1 report moved"), ("desk", "split by Ana: 1 report moved")}
    theirs = ledger.of_story(store, new.id)
    assert [(step.channel, step.event, step.why) for step in theirs] == [
        (channel, "split", "split off by Ana: 1 report moved") for channel in sorted(step.channel for step in theirs)
    ]
    assert {step.channel for step in theirs} == {"console", "desk"}


def test_what_shows_a_story_is_brought_up_to_date_after_a_split(store: Store, fire: list[Match]) -> None:
    story = story_of(store, fire[0])
    living(store, story.id, "one")
    split(store, story, fire[3].id)
    assert lives(store) == [(story.id, 1)]


def test_neither_part_of_a_told_story_is_told_again(store: Store, events: Events, fire: list[Match]) -> None:
    story = story_of(store, fire[0])
    split(store, story, fire[3].id)
    for name in "xyz":
        decisions = tell(store, events.report("fire", f"{name}.example", at=LATER), at=LATER)
        assert not decisions.alerts
        assert not decisions.merged, "people said that they are two"


def test_a_story_that_was_not_told_may_be_told_after_a_split_in_both_parts(store: Store, events: Events) -> None:
    old = [events.report("fire", f"{name}.example", backfill=True, reworded=True) for name in "abcd"]
    tell(store, *old)
    story = story_of(store, old[0])
    split(store, story, old[2].id, old[3].id)
    assert {step.event for step in ledger.of_story(store, story.id)} == {"split"}
    assert tell(store, events.report("fire", "x.example", at=LATER), at=LATER).alerts


def test_a_split_of_the_article_that_founded_the_story_leaves_the_id_with_the_others(
    store: Store, fire: list[Match]
) -> None:
    story = story_of(store, fire[0])
    new = split(store, story, fire[0].id)
    assert new.id != story.id
    kept = story_of(store, fire[1])
    assert (kept.id, kept.title) == (story.id, fire[1].article.title)
    assert [report.copy_of for report in kept.reports] == ["", "", ""], "its original is elsewhere"
    back = split(store, kept, fire[1].id, at=LATER + 1)
    assert len({story.id, new.id, back.id}) == 3


@pytest.mark.parametrize("named", [[], ["all"], ["f" * 32]])
def test_what_leaves_nothing_or_names_nothing_is_refused_and_changes_nothing(
    store: Store, fire: list[Match], named: list[str]
) -> None:
    story, turns = story_of(store, fire[0]), Stories(store).turns(TOPICS)
    ids = [match.id for match in fire] if named == ["all"] else named
    with pytest.raises(Unusable):
        StoryEdits(store).split(story.id, ids, by="Ana", now=LATER)
    assert (story_of(store, fire[0]), Stories(store).turns(TOPICS)) == (story, turns)


def test_an_alerter_that_remembers_the_stories_as_they_were_is_fenced(
    store: Store, events: Events, fire: list[Match]
) -> None:
    stories, late = Stories(store), alerter(store)
    turns = stories.turns(TOPICS)
    split(store, story_of(store, fire[0]), fire[3].id)
    decisions = late.decide([events.report("fire", "x.example", at=LATER)], LATER)
    with pytest.raises(Fenced):
        stories.record(decisions, turns)


# -- one of two


@pytest.fixture
def strike(store: Store, events: Events, fire: list[Match]) -> list[Match]:
    matches = [events.report("strike", f"{name}.example", at=START + 300, reworded=True) for name in "pq"]
    tell(store, *matches, at=START + 300)
    return matches


def merge(store: Store, one: Match, other: Match) -> Story:
    ids = story_of(store, one).id, story_of(store, other).id
    return StoryEdits(store).merge(*ids, by="Ana", now=LATER)


def test_one_story_becomes_part_of_the_other_with_all_that_is_its_own(
    store: Store, fire: list[Match], strike: list[Match]
) -> None:
    absorbed = story_of(store, strike[0])
    living(store, absorbed.id, "one")
    both = merge(store, fire[0], strike[0])
    assert {story_of(store, match).id for match in (*fire, *strike)} == {both.id}
    assert (both.articles, len(both.reports), both.title) == (6, 6, fire[0].article.title)
    gone = detail(store, absorbed.id)
    assert gone
    assert (gone.story.merged_into, gone.joined) == (both.id, ())
    assert [story.id for story in Stories(store).recent_stories("harbour")] == [both.id]
    with store.read() as connection:
        assert set(connection.execute(select(alerts.c.story_id)).scalars()) == {both.id}
    ((shown, wanted),) = lives(store)
    assert (shown, wanted > 0) == (both.id, True)


def test_a_merge_is_written_to_the_history_of_what_the_absorbed_story_told(
    store: Store, fire: list[Match], strike: list[Match]
) -> None:
    absorbed = story_of(store, strike[0])
    both = merge(store, fire[0], strike[0])
    steps = ledger.of_story(store, both.id)
    merged = [step for step in steps if step.event == "merged"]
    assert {step.why for step in merged} == {f"merged by Ana with: {absorbed.title}"}
    decided = {step.delivery_id for step in steps if step.event == "decided"}
    assert {step.delivery_id for step in merged} < decided, "the ledger moved with it"
    assert not ledger.of_story(store, absorbed.id)


def test_a_merged_story_goes_on_untold_and_facts_of_either_are_no_news(
    store: Store, events: Events, fire: list[Match], strike: list[Match]
) -> None:
    both = merge(store, strike[0], fire[0])
    decisions = tell(store, events.report("fire", "x.example", at=LATER, toll=31), at=LATER + 1)
    assert [story.id for story in decisions.stories] == [both.id]
    assert not decisions.alerts


def test_a_split_is_undone_by_a_merge(store: Store, events: Events, fire: list[Match]) -> None:
    story = story_of(store, fire[0])
    split(store, story, fire[2].id, fire[3].id)
    both = merge(store, fire[0], fire[2])
    assert replace(both, known=story.known) == story


def test_an_untold_story_that_is_absorbed_leaves_its_name_in_the_history(
    store: Store, events: Events, fire: list[Match]
) -> None:
    old = events.report("strike", "a.example", backfill=True)
    tell(store, old)
    both = merge(store, fire[0], old)
    assert any(step.event == "merged" for step in ledger.of_story(store, both.id))


def test_stories_that_cannot_be_one_are_refused(store: Store, fire: list[Match], strike: list[Match]) -> None:
    storm = Events("weather").report("storm")
    tell(store, storm)
    edits, story = StoryEdits(store), story_of(store, fire[0])
    absorbed = story_of(store, strike[0]).id
    for other, said in ((story.id, "same story"), (story_of(store, storm).id, "of weather"), ("f" * 32, "no story")):
        with pytest.raises(Unusable, match=said):
            edits.merge(story.id, other, by="Ana", now=LATER)
    merge(store, fire[0], strike[0])
    with pytest.raises(Unusable, match="part of"):
        edits.split(absorbed, [strike[0].id], by="Ana", now=LATER)


def test_a_story_of_more_pages_than_it_lists_can_be_split(store: Store, events: Events) -> None:
    matches = [events.report("fire", "a.example", number=n, at=START + n) for n in range(REPORTS + 2)]
    tell(store, *matches)
    story = story_of(store, matches[0])
    new = split(store, story, *(match.id for match in matches[:REPORTS]))
    kept = story_of(store, matches[-1])
    assert (len(new.reports), len(kept.reports), kept.articles) == (REPORTS, 2, 2)
