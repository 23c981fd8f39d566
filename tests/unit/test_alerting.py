"""What is told, to whom and when."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.alerting import Alerter, Decisions, Remembered
from consumers.backfill_summary import BackfillSummary, lines
from consumers.ids import alert_id, delivery_id
from consumers.model import Match, Topic
from tests.fake_events import DAY, START, Events

HARBOUR = Topic(id="harbour", query="harbour", channels=("console", "desk"))


def alerter(*topics: Topic, settle: float = 1.0) -> Alerter:
    made = Alerter(settle=settle)
    made.apply_topics({topic.id: topic for topic in topics or (HARBOUR,)})
    return made


def remembered(*batches: Decisions) -> Remembered:
    """What a store brings back after these were recorded."""
    stories = {story.id: story for batch in batches for story in batch.stories}
    joined = {each.match.id: replace(each, founded=False, again=False) for batch in batches for each in batch.joined}
    return Remembered(
        topics=frozenset(topic_id for batch in batches for topic_id in batch.topics),
        stories=tuple(stories.values()),
        joined=tuple(joined.values()),
        alerts=tuple(alert for batch in batches for alert in batch.alerts),
    )


def test_a_story_is_told_once_on_every_channel_of_its_topic() -> None:
    match = Events().report("fire")
    decisions = alerter(settle=2.0).decide([match], START)
    (story,), (alert,) = decisions.stories, decisions.alerts
    assert alert.id == alert_id("harbour", story.id, "first", 1)
    assert (alert.kind, alert.at, alert.match_id, alert.channels) == ("first", START, match.id, ("console", "desk"))
    assert [(due.id, due.channel, due.due) for due in decisions.deliveries] == [
        (delivery_id(alert.id, "console"), "console", START + 2.0),
        (delivery_id(alert.id, "desk"), "desk", START + 2.0),
    ]
    assert decisions.founded == 1


def test_reports_of_one_batch_are_in_the_story_of_its_one_alert() -> None:
    events = Events()
    decisions = alerter().decide([events.report("fire", f"{n}.example") for n in range(3)], START)
    assert len(decisions.alerts) == 1
    assert [len(story.reports) for story in decisions.stories] == [3]
    assert len(decisions.joined) == 3


def test_an_article_that_joins_a_told_story_adds_a_report_and_no_alert() -> None:
    events, decider = Events(), alerter()
    decider.decide([events.report("fire", "a.example")], START)
    later = decider.decide([events.report("fire", "b.example")], START + 60)
    assert not later.alerts
    assert not later.deliveries
    assert [len(story.reports) for story in later.stories] == [2]


def test_another_event_is_another_alert() -> None:
    events, decider = Events(), alerter()
    decisions = decider.decide([events.report("fire"), events.report("strike")], START)
    assert len({alert.story_id for alert in decisions.alerts}) == 2


def test_what_a_new_feed_already_carries_is_never_sent() -> None:
    events = Events()
    decisions = alerter().decide([events.report("fire", f"{n}.example", backfill=True) for n in range(3)], START)
    assert not decisions.alerts
    assert len(decisions.joined) == 3
    assert all(story.backfill for story in decisions.stories)


def test_a_story_known_from_backfill_is_told_once_when_it_goes_on() -> None:
    events, decider = Events(), alerter()
    decider.decide([events.report("fire", "a.example", backfill=True)], START)
    live = events.report("fire", "b.example")
    going_on = decider.decide([live], START + 60)
    assert [alert.match_id for alert in going_on.alerts] == [live.id]
    assert not decider.decide([events.report("fire", "c.example")], START + 90).alerts


def test_an_edit_of_an_article_from_backfill_is_not_told() -> None:
    events, decider = Events(), alerter()
    old = events.report("fire", backfill=True)
    decider.decide([old], START)
    edited = events.edited(old, title="harbour fire, corrected")
    decisions = decider.decide([replace(edited, article=replace(edited.article, backfill=False))], START + 60)
    assert not decisions.alerts
    assert [story.title for story in decisions.stories] == ["harbour fire, corrected"]


def test_backfill_that_joins_a_told_story_adds_a_report() -> None:
    events, decider = Events(), alerter()
    decider.decide([events.report("fire", "a.example")], START)
    decisions = decider.decide([events.report("fire", "b.example", backfill=True)], START)
    assert not decisions.alerts
    assert [len(story.reports) for story in decisions.stories] == [2]


def test_a_disabled_or_removed_topic_tells_nothing_but_keeps_its_matches() -> None:
    events, decider = Events(), alerter(replace(HARBOUR, enabled=False))
    assert len(decider.decide([events.report("fire", "a.example")], START).joined) == 1
    decider.apply_topics({"harbour": None})
    decisions = decider.decide([events.report("strike", "a.example")], START)
    assert len(decisions.joined) == 1
    assert not decisions.alerts


def test_a_story_that_still_goes_on_when_its_topic_is_back_is_told() -> None:
    events, decider = Events(), alerter(replace(HARBOUR, enabled=False))
    decider.decide([events.report("fire", "a.example")], START)
    decider.apply_topics({"harbour": HARBOUR})
    assert not decider.decide([], START + 1).alerts
    assert len(decider.decide([events.report("fire", "b.example")], START + 60).alerts) == 1


def test_a_match_of_a_topic_that_nobody_knows_any_more_is_kept_and_not_told() -> None:
    decisions = Alerter().decide([Events().report("fire")], START)
    assert len(decisions.joined) == 1
    assert not decisions.alerts


def test_what_was_decided_and_given_up_is_decided_again_after_the_topic_is_restored() -> None:
    events, decider = Events(), alerter()
    recorded = decider.decide([events.report("fire", "a.example")], START)
    given_up = decider.decide([events.report("strike", "a.example")], START + 1)
    decider.restore(remembered(recorded))
    assert decider.decide([events.report("strike", "a.example")], START + 1) == given_up
    assert not decider.decide([events.report("fire", "b.example")], START + 2).alerts


def test_restoring_one_topic_leaves_the_others_as_they_are() -> None:
    decider = alerter(HARBOUR, Topic(id="weather", query="weather"))
    storm = decider.decide([Events("weather").report("storm", "a.example")], START)
    decider.restore(Remembered(topics=frozenset({"harbour"})))
    later = decider.decide([Events("weather").report("storm", "b.example")], START + 60)
    assert [story.id for story in later.stories] == [story.id for story in storm.stories]
    assert not later.alerts


# -- replays


def replayed(match: Match) -> Match:
    return replace(match, article=replace(match.article, backfill=True))


def test_a_replay_of_what_was_told_changes_nothing() -> None:
    events, decider = Events(), alerter()
    match = events.report("fire")
    decider.decide([match], START)
    assert decider.decide([replayed(match)], START + 60) == Decisions(at=START + 60)


def test_a_live_match_that_its_own_replay_has_overtaken_is_told_once() -> None:
    events, decider = Events(), alerter()
    match = events.report("fire")
    assert not decider.decide([replayed(match)], START).alerts
    live = decider.decide([match], START + 1)
    assert [alert.match_id for alert in live.alerts] == [match.id]
    assert [joined.match for joined in live.joined] == [match]
    assert decider.decide([match, replayed(match), match], START + 2) == Decisions(at=START + 2)


def test_a_live_match_that_was_overtaken_is_told_when_its_story_is_no_longer_remembered() -> None:
    events, decider = Events(), alerter()
    match = events.report("fire")
    (joined,) = decider.decide([replayed(match)], START).joined
    decider.forget(["harbour"])
    live = decider.decide([match, match], START + 60, {match.id: joined})
    assert [(alert.story_id, alert.match_id) for alert in live.alerts] == [(joined.story_id, match.id)]
    assert not live.joined


def test_an_article_edited_long_after_its_story_is_not_told_however_it_was_read() -> None:
    events, decider = Events(), alerter()
    match = events.report("fire")
    for old in (match, replayed(match)):
        (joined,) = alerter().decide([old], START).joined
        edited = events.edited(match, title="corrected")
        assert decider.decide([edited], START + 37 * DAY, {match.id: joined}) == Decisions(at=START + 37 * DAY)


def test_a_topic_without_channels_has_alerts_and_no_deliveries() -> None:
    decisions = alerter(replace(HARBOUR, channels=())).decide([Events().report("fire")], START)
    assert len(decisions.alerts) == 1
    assert not decisions.deliveries


def test_a_repeated_batch_changes_nothing() -> None:
    events, decider = Events(), alerter()
    batch = [events.report("fire", "a.example"), events.report("strike", "a.example")]
    decider.decide(batch, START)
    assert decider.decide(batch, START + 5) == Decisions(at=START + 5)


def test_after_a_crash_a_recorded_batch_that_comes_again_changes_nothing() -> None:
    events = Events()
    batch = [events.report("fire", "a.example"), events.report("fire", "b.example"), events.report("strike")]
    recorded = alerter().decide(batch, START)
    restarted = alerter()
    restarted.restore(remembered(recorded))
    assert restarted.decide(batch, START + 9) == Decisions(at=START + 9)
    later = restarted.decide([events.report("fire", "c.example")], START + 10)
    assert not later.alerts
    assert [len(story.reports) for story in later.stories] == [3]


def test_after_a_crash_a_batch_that_was_not_recorded_leads_to_the_same_alert_ids() -> None:
    batch = [Events().report("fire", "a.example")]
    assert alerter().decide(batch, START).alerts[0].id == alerter().decide(batch, START + 60).alerts[0].id


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), max_size=25),
    st.lists(st.integers(0, 25), max_size=4),
)
def test_however_batches_are_cut_and_repeated_every_live_story_is_told_exactly_once(
    reports: Sequence[tuple[int, int, bool]], crashes: Sequence[int]
) -> None:
    world = Events()
    matches = [world.report(f"event{event}", f"{who}.example", backfill=old) for event, who, old in reports]
    cuts = sorted({0, len(matches), *(cut for cut in crashes if cut < len(matches))})
    kept: list[Decisions] = []
    for start, end in pairwise(cuts):
        decider = alerter()
        decider.restore(remembered(*kept))
        kept.append(decider.decide(matches[max(0, start - 3) : end], START))  # the last ones come again
    told = [alert.story_id for batch in kept for alert in batch.alerts]
    assert len(told) == len(set(told))
    assert len(told) == len({event for event, _, old in reports if not old}), (
        "a replay may come first, and it counts not"
    )


# -- what was already published


def backfilled(events: Events, matches: Sequence[Match]) -> Decisions:
    return alerter().decide(matches, START)


def test_what_was_already_published_is_said_once_it_has_been_quiet() -> None:
    events, summary = Events(), BackfillSummary(quiet=5.0)
    matches = [events.report("fire", f"{n}.example", at=START + n, backfill=True) for n in range(3)]
    decisions = backfilled(events, [*matches, events.report("strike", "z.example", at=START + 60, backfill=True)])
    summary.add(decisions, START)
    assert summary.ready(START + 4) == ()
    (said,) = summary.ready(START + 5)
    assert (said.topic_id, said.articles, said.stories) == ("harbour", 4, 2)
    assert lines(said, "harbour fires") == [
        "harbour fires · already published: 4 articles in 2 stories",
        "  harbour fire fireology: 0.example version 0 · 0.example 2026-09-21 14:13 UTC and 2 more sources",
        "  harbour strike strikeology: z.example version 0 · z.example 2026-09-21 14:14 UTC",
    ]
    summary.add(decisions, START + 9)
    assert summary.ready(START + 99) == ()


def test_backfill_that_never_ends_is_summed_up_after_a_minute() -> None:
    events, summary, decider = Events(), BackfillSummary(quiet=5.0, longest=60.0), alerter()
    for second in range(61):
        summary.add(
            decider.decide([events.report("fire", number=second, backfill=True)], START + second), START + second
        )
        ready = summary.ready(START + second)
        assert bool(ready) == (second == 60)


def test_live_articles_are_not_called_already_published() -> None:
    summary = BackfillSummary()
    summary.add(alerter().decide([Events().report("fire")], START), START)
    assert summary.ready(START + DAY) == ()


def test_a_hostile_title_stays_on_its_line_and_brings_no_escapes() -> None:
    match = Events().report("fire", backfill=True)
    hostile = replace(match, article=replace(match.article, title="a\x1b[2Jb\nc\u202ed"))
    summary = BackfillSummary()
    summary.add(alerter().decide([hostile], START), START)
    (said,) = summary.ready(START + 10)
    assert lines(said)[1].startswith("  a [2Jb c d · ")
