"""What is told of a story after it was told: new facts, louder, later, or not at all."""

from dataclasses import replace

import pytest

from consumers.alerting import Alerter, Decisions, Remembered
from consumers.ids import alert_id, delivery_id
from consumers.model import Escalation, Match, Scheduled, Topic
from consumers.stories import Joined, StoryRule
from tests.fake_events import ONE_EVENT, START, Events

HARBOUR = Topic(id="harbour", query="harbour", channels=("console",))
LATER = 3_600.0


class Desk:
    """An alerter, and what was recorded of its decisions."""

    def __init__(self, topic: Topic = HARBOUR, *, rule: StoryRule | None = None, settle: float = 1.0) -> None:
        self.topic, self._rule, self._settle = topic, rule, settle
        self.kept: list[Decisions] = []
        self.restart()

    def restart(self) -> None:
        self.alerter = Alerter(settle=self._settle, rule=self._rule)
        self.alerter.apply_topics({self.topic.id: self.topic})
        self.alerter.restore(remembered(self.kept))

    def edit(self, **changed: object) -> None:
        self.topic = replace(self.topic, **changed)  # type: ignore[arg-type]
        self.alerter.apply_topics({self.topic.id: self.topic})

    def tell(self, *matches: Match, at: float = START) -> Decisions:
        known = {each.match.id: each for batch in self.kept for each in batch.joined}
        self.kept.append(
            self.alerter.decide(matches, at, {each.id: known[each.id] for each in matches if each.id in known})
        )
        return self.kept[-1]


def remembered(batches: list[Decisions]) -> Remembered:
    """What a store brings back after these were recorded."""
    into = {each.absorbed.id: each.into for batch in batches for each in batch.merged}

    def survivor(story_id: str) -> str:
        while story_id in into:
            story_id = into[story_id]
        return story_id

    stories = {story.id: story for batch in batches for story in batch.stories if story.id not in into}
    joined: dict[str, Joined] = {}
    for each in (each for batch in batches for each in batch.joined):
        joined[each.match.id] = replace(each, story_id=survivor(each.story_id), founded=False, again=False)
    return Remembered(
        topics=frozenset({"harbour"}),
        stories=tuple(stories.values()),
        joined=tuple(joined.values()),
        alerts=tuple(replace(one, story_id=survivor(one.story_id)) for batch in batches for one in batch.alerts),
    )


@pytest.fixture
def events() -> Events:
    return Events()


def replayed(match: Match) -> Match:
    return replace(match, article=replace(match.article, backfill=True))


# -- new, or just more


def test_a_report_that_adds_a_fact_is_an_update_that_names_it(events: Events) -> None:
    desk = Desk()
    (story,) = desk.tell(events.report("fire", "a.example", toll=12)).stories
    more = events.report("fire", "b.example", toll=19, at=START + LATER)
    decisions = desk.tell(more, at=START + LATER)
    (alert,) = decisions.alerts
    assert (alert.kind, alert.why, alert.match_id, alert.story_id) == ("update", "new facts", more.id, story.id)
    assert alert.id == alert_id("harbour", story.id, f"update {more.id} 1", 1)
    (fact,) = alert.facts
    assert (fact.kind, fact.source) == ("toll", "b.example")
    assert "19" in fact.text
    assert "killed 19 people" in fact.quote
    assert decisions.stories[0].facts == alert.facts
    assert [(due.id, due.due, due.held) for due in decisions.deliveries] == [
        (delivery_id(alert.id, "console"), START + LATER + 1.0, "")
    ]


def test_a_report_that_adds_nothing_raises_the_count_alone(events: Events) -> None:
    desk = Desk()
    desk.tell(events.report("fire", "a.example", toll=12))
    decisions = desk.tell(events.report("fire", "b.example", toll=12), at=START + LATER)
    assert not decisions.alerts
    assert [story.articles for story in decisions.stories] == [2]


@pytest.mark.parametrize("updates", ["none", "new-facts", "all"])
def test_a_topic_chooses_which_updates_it_is_told(events: Events, updates: str) -> None:
    desk = Desk(replace(HARBOUR, updates=updates))  # type: ignore[arg-type]
    desk.tell(events.report("fire", "a.example", toll=12, reworded=True))
    same = desk.tell(events.report("fire", "b.example", toll=12, reworded=True), at=START + LATER)
    new = desk.tell(events.report("fire", "c.example", toll=19, reworded=True), at=START + 2 * LATER)
    told = [[(alert.kind, alert.why, len(alert.facts)) for alert in batch.alerts] for batch in (same, new)]
    assert (
        told
        == {
            "none": [[], []],
            "new-facts": [[], [("update", "new facts", 1)]],
            "all": [[("update", "another report", 0)], [("update", "new facts", 1)]],
        }[updates]
    )


def test_where_every_report_is_told_a_copy_of_one_is_not(events: Events) -> None:
    desk = Desk(replace(HARBOUR, updates="all"))
    desk.tell(events.report("fire", "a.example"))
    assert not desk.tell(events.report("fire", "b.example"), at=START + LATER).alerts


def test_where_every_report_is_told_the_same_page_from_another_feed_is_not(events: Events) -> None:
    desk = Desk(replace(HARBOUR, updates="all"))
    first = events.report("fire", "a.example")
    desk.tell(first)
    again = replace(first, id="f" * 32, article=replace(first.article, id="f" * 32, feed_id="second"))
    decisions = desk.tell(again, at=START + LATER)
    assert [story.articles for story in decisions.stories] == [2]
    assert not decisions.alerts


def test_what_is_added_before_the_first_alert_is_due_belongs_to_it(events: Events) -> None:
    desk = Desk(settle=60.0)
    (first,) = desk.tell(events.report("fire", "a.example", toll=12)).alerts
    soon = desk.tell(events.report("fire", "b.example", toll=19), at=START + 30)
    assert not soon.alerts
    assert soon.unsent == {first.id}
    assert len(soon.stories[0].facts) == 1
    assert desk.tell(events.report("fire", "c.example", toll=31), at=START + 61).alerts[0].kind == "update"


def test_what_is_added_to_a_first_alert_that_has_gone_out_is_an_update(events: Events) -> None:
    desk = Desk(settle=60.0)
    (first,) = desk.tell(events.report("fire", "a.example", toll=12)).alerts
    desk.alerter.restore(replace(remembered(desk.kept), sent=frozenset({first.id})))
    decisions = desk.tell(events.report("fire", "b.example", toll=19), at=START + 30)
    assert [alert.kind for alert in decisions.alerts] == ["update"]
    assert not decisions.unsent


def test_reports_of_one_batch_are_told_with_the_first_of_them(events: Events) -> None:
    batch = [events.report("fire", f"{toll}.example", toll=toll) for toll in (12, 19, 31)]
    decisions = Desk(settle=0.0).tell(*batch)
    assert [alert.kind for alert in decisions.alerts] == ["first"]
    assert len(decisions.stories[0].facts) == 2
    assert not decisions.unsent


def test_a_fact_is_told_once_also_after_a_restart(events: Events) -> None:
    desk = Desk()
    desk.tell(events.report("fire", "a.example", toll=12))
    assert desk.tell(events.report("fire", "b.example", toll=19), at=START + LATER).alerts
    assert not desk.tell(events.report("fire", "c.example", toll=19), at=START + 2 * LATER).alerts
    desk.restart()
    assert not desk.tell(events.report("fire", "d.example", toll=19), at=START + 3 * LATER).alerts
    assert desk.tell(events.report("fire", "e.example", toll=31), at=START + 4 * LATER).alerts


def test_a_newer_revision_tells_its_difference(events: Events) -> None:
    desk = Desk()
    match = events.report("fire", "a.example", toll=12)
    desk.tell(match)
    edited = events.edited(match, toll=19)
    decisions = desk.tell(edited, at=START + LATER)
    (alert,) = decisions.alerts
    assert alert.id == alert_id("harbour", alert.story_id, f"update {match.id} 2", 1)
    assert [("12" in fact.text, "19" in fact.text) for fact in alert.facts] == [(True, True)]
    assert [story.articles for story in decisions.stories] == [1]
    assert desk.tell(edited, at=START + LATER) == Decisions(at=START + LATER)


def test_a_newer_revision_with_another_title_alone_tells_nothing(events: Events) -> None:
    desk = Desk(replace(HARBOUR, updates="all"))
    match = events.report("fire", "a.example", toll=12)
    desk.tell(match)
    assert not desk.tell(events.edited(match, title="harbour fire: the night"), at=START + LATER).alerts


def test_backfill_and_replays_add_facts_and_tell_nobody(events: Events) -> None:
    desk = Desk()
    desk.tell(events.report("fire", "a.example", toll=12))
    old = desk.tell(events.report("fire", "b.example", toll=19, backfill=True), at=START + LATER)
    assert not old.alerts
    assert len(old.stories[0].facts) == 1
    assert not desk.tell(events.report("fire", "c.example", toll=19), at=START + 2 * LATER).alerts


def test_a_fact_whose_replay_came_first_is_told_when_it_is_read_live(events: Events) -> None:
    desk = Desk()
    desk.tell(events.report("fire", "a.example", toll=12))
    match = events.report("fire", "b.example", toll=19)
    assert not desk.tell(replayed(match), at=START + LATER).alerts
    live = desk.tell(match, at=START + 2 * LATER)
    assert [(alert.kind, len(alert.facts)) for alert in live.alerts] == [("update", 1)]
    assert [story.articles for story in live.stories] == [2]


def test_a_disabled_topic_is_told_no_updates_and_later_not_what_it_missed(events: Events) -> None:
    desk = Desk()
    desk.tell(events.report("fire", "a.example", toll=12))
    desk.edit(enabled=False)
    assert not desk.tell(events.report("fire", "b.example", toll=19), at=START + LATER).alerts
    desk.edit(enabled=True)
    assert not desk.tell(events.report("fire", "c.example", toll=19), at=START + 2 * LATER).alerts


# -- waiting for a second source

TWO = replace(HARBOUR, min_sources=2)


def test_a_story_waits_for_its_second_source_and_the_ledger_says_so_once(events: Events) -> None:
    desk = Desk(TWO)
    decisions = desk.tell(events.report("fire", "a.example"))
    (story,) = decisions.stories
    first = alert_id("harbour", story.id, "first", 1)
    (step,) = decisions.steps
    assert (step.event, step.why) == ("held", "waits for a second independent source")
    assert (step.delivery_id, step.alert_id, step.story_id) == (delivery_id(first, "console"), first, story.id)
    assert not decisions.alerts
    desk.restart()
    copy = desk.tell(events.report("fire", "b.example"), at=START + 60)
    assert (copy.alerts, copy.steps) == ((), ()), "a copy corroborates nothing"
    told = desk.tell(events.report("fire", "c.example", reworded=True), at=START + LATER)
    (alert,) = told.alerts
    assert (alert.id, alert.kind) == (first, "first")
    assert alert.why == "first report, after waiting for a second source"
    assert [(each.event, each.why) for each in told.steps] == [("decided", alert.why)]


def test_a_second_source_in_the_same_batch_is_not_waited_for(events: Events) -> None:
    both = [events.report("fire", f"{name}.example", reworded=True) for name in "ab"]
    decisions = Desk(TWO).tell(*both)
    assert [alert.kind for alert in decisions.alerts] == ["first"]


def test_a_waiting_story_is_told_when_backfill_corroborates_it(events: Events) -> None:
    desk = Desk(TWO)
    desk.tell(events.report("fire", "a.example"))
    decisions = desk.tell(events.report("fire", "b.example", backfill=True, reworded=True), at=START + LATER)
    assert [alert.kind for alert in decisions.alerts] == ["first"]


def test_backfill_alone_waits_for_nothing(events: Events) -> None:
    desk = Desk(TWO)
    for name in "ab":
        decisions = desk.tell(events.report("fire", f"{name}.example", backfill=True, reworded=True))
        assert (decisions.alerts, decisions.steps) == ((), ())


def test_a_copy_that_is_rewritten_corroborates(events: Events) -> None:
    desk = Desk(TWO)
    desk.tell(events.report("fire", "a.example"))
    copy = events.report("fire", "b.example")
    assert not desk.tell(copy, at=START + 60).alerts
    own = events.report("fire", "b.example", reworded=True).article.text
    rewritten = replace(copy, article=replace(copy.article, revision=2, text=own))
    decisions = desk.tell(rewritten, at=START + LATER)
    assert [alert.kind for alert in decisions.alerts] == ["first"]


def test_a_topic_that_waits_no_longer_tells_with_the_next_report(events: Events) -> None:
    desk = Desk(TWO)
    desk.tell(events.report("fire", "a.example"))
    desk.edit(min_sources=1)
    (alert,) = desk.tell(events.report("fire", "b.example"), at=START + LATER).alerts
    assert alert.why == "first report, after waiting for other sources"


# -- louder

PAGED = replace(HARBOUR, escalate=Escalation(sources=3, within=1_800.0, channels=("pager",)))


def test_a_story_that_many_report_at_once_is_told_louder_once(events: Events) -> None:
    desk = Desk(PAGED)
    told = [
        desk.tell(events.report("fire", f"{n}.example", at=START + n * 300, reworded=True), at=START + n * 300)
        for n in range(5)
    ]
    assert [[alert.kind for alert in batch.alerts] for batch in told] == [["first"], [], ["escalation"], [], []]
    (alert,) = told[2].alerts
    assert (alert.why, alert.severity) == ("3 independent sources within 30 minutes", "urgent")
    assert alert.channels == ("console", "pager")
    assert alert.id == alert_id("harbour", alert.story_id, "escalation", 1)


def test_sources_far_apart_or_that_copy_one_another_are_no_reason_to_be_louder(events: Events) -> None:
    slow = Desk(PAGED)
    for n in range(4):
        at = START + n * 1_000
        decisions = slow.tell(events.report("fire", f"{n}.example", at=at, reworded=True), at=at)
        assert [alert.kind for alert in decisions.alerts] == (["first"] if n == 0 else [])
    copied = Desk(PAGED)
    kinds = [alert.kind for n in range(4) for alert in copied.tell(events.report("fire", f"{n}.example")).alerts]
    assert kinds == ["first"]


def test_a_story_is_not_told_louder_again_after_a_restart(events: Events) -> None:
    desk = Desk(PAGED)
    for n in range(3):
        desk.tell(events.report("fire", f"{n}.example", reworded=True), at=START + n)
    desk.restart()
    assert not desk.tell(events.report("fire", "z.example", reworded=True), at=START + 9).alerts


def test_what_breaks_everywhere_at_once_is_one_loud_first_alert(events: Events) -> None:
    desk = Desk(PAGED)
    decisions = desk.tell(*(events.report("fire", f"{n}.example", reworded=True) for n in range(4)))
    (alert,) = decisions.alerts
    assert (alert.kind, alert.severity, alert.channels) == ("first", "urgent", ("console", "pager"))
    assert alert.why == "first report; 3 independent sources within 30 minutes"
    assert [due.channel for due in decisions.deliveries] == ["console", "pager"]
    assert not desk.tell(events.report("fire", "z.example", reworded=True), at=START + 60).alerts


def test_new_facts_that_come_with_an_escalation_are_told_by_it(events: Events) -> None:
    desk = Desk(PAGED)
    for n, toll in enumerate((12, 12)):
        desk.tell(events.report("fire", f"{n}.example", toll=toll, reworded=True), at=START + n)
    decisions = desk.tell(events.report("fire", "z.example", toll=19, reworded=True), at=START + 60)
    assert [(alert.kind, len(alert.facts)) for alert in decisions.alerts] == [("escalation", 1)]


def test_backfill_is_never_loud(events: Events) -> None:
    desk = Desk(PAGED)
    desk.tell(events.report("fire", "a.example", reworded=True))
    for n in range(4):
        assert not desk.tell(events.report("fire", f"{n}.example", reworded=True, backfill=True)).alerts


# -- channels and times


def test_a_channel_is_told_at_once_and_at_set_times_where_the_topic_says_both(events: Events) -> None:
    when = "07:00 UTC"
    desk = Desk(
        replace(HARBOUR, digests=(Scheduled(channel="console", when=when), Scheduled(channel="mail", when=when)))
    )
    decisions = desk.tell(events.report("fire", "a.example"))
    (alert,) = decisions.alerts
    seven = START - START % 86_400 + 86_400 + 7 * 3_600
    assert [(due.id, due.channel, due.due, due.held) for due in decisions.deliveries] == [
        (delivery_id(alert.id, "console"), "console", START + 1.0, ""),
        (delivery_id(alert.id, "console digest"), "console", seven, f"digest {when}"),
        (delivery_id(alert.id, "mail digest"), "mail", seven, f"digest {when}"),
    ]
    assert [(each.event, each.why) for each in decisions.steps] == [
        ("decided", "first report"),
        ("decided", "first report"),
        ("held", f"digest {when}"),
        ("decided", "first report"),
        ("held", f"digest {when}"),
    ]


def test_the_severity_of_a_topic_is_that_of_its_alerts(events: Events) -> None:
    desk = Desk(replace(HARBOUR, severity="urgent"))
    desk.tell(events.report("fire", "a.example", toll=12))
    desk.tell(events.report("fire", "b.example", toll=19), at=START + LATER)
    assert {alert.severity for batch in desk.kept for alert in batch.alerts} == {"urgent"}


# -- two stories that are one


def both_told(desk: Desk, events: Events) -> None:
    desk.tell(events.report("fire", "a.example", toll=12, reworded=True))
    desk.tell(events.report("strike", "b.example", toll=19, reworded=True), at=START + LATER)


def test_two_told_stories_that_are_one_are_not_told_once_more(events: Events) -> None:
    desk = Desk(rule=ONE_EVENT)
    both_told(desk, events)
    decisions = desk.tell(events.report("fire", "c.example", toll=12, reworded=True), at=START + 2 * LATER)
    (merged,) = decisions.merged
    assert not decisions.alerts
    survivor = next(story for story in decisions.stories if story.id == merged.into)
    absorbed = next(story for story in decisions.stories if story.id == merged.absorbed.id)
    assert (absorbed.merged_into, survivor.articles, survivor.stage) == (survivor.id, 3, "told")
    for toll in (12, 19):
        later = desk.tell(events.report("fire", f"{toll}.example", toll=toll, reworded=True), at=START + 3 * LATER)
        assert not later.alerts, "both know what either knew"


def test_a_story_is_told_when_it_takes_in_one_that_was(events: Events) -> None:
    desk = Desk(replace(HARBOUR, enabled=False), rule=ONE_EVENT)
    desk.tell(events.report("fire", "a.example", reworded=True))
    desk.edit(enabled=True)
    assert desk.tell(events.report("strike", "b.example", reworded=True), at=START + LATER).alerts
    decisions = desk.tell(events.report("fire", "c.example", reworded=True), at=START + 2 * LATER)
    assert decisions.merged[0].absorbed.stage == "told"
    assert not decisions.alerts
    desk.restart()
    assert not desk.tell(events.report("fire", "d.example", reworded=True), at=START + 3 * LATER).alerts


def test_two_stories_of_one_batch_that_are_one_are_told_once(events: Events) -> None:
    matches = [
        events.report("fire", "a.example", reworded=True),
        events.report("strike", "b.example", reworded=True),
        events.report("fire", "c.example", reworded=True),
    ]
    decisions = Desk(rule=ONE_EVENT).tell(*matches)
    (merged,) = decisions.merged
    assert [(alert.kind, alert.story_id) for alert in decisions.alerts] == [("first", merged.into)]
    assert {each.story_id for each in decisions.joined} == {merged.into}
    assert {due.alert_id for due in decisions.deliveries} == {decisions.alerts[0].id}


def test_what_is_told_in_the_very_batch_of_the_merge_is_not_told_twice(events: Events) -> None:
    desk = Desk(rule=ONE_EVENT)
    desk.tell(events.report("fire", "a.example", reworded=True))
    decisions = desk.tell(
        events.report("strike", "b.example", reworded=True),
        events.report("strike", "c.example", reworded=True),
        at=START + LATER,
    )
    assert decisions.merged
    assert not decisions.alerts


def test_two_waiting_stories_that_are_one_corroborate_one_another(events: Events) -> None:
    desk = Desk(TWO, rule=ONE_EVENT)
    assert not desk.tell(events.report("fire", "a.example", reworded=True)).alerts
    assert not desk.tell(events.report("strike", "b.example", reworded=True), at=START + 60).alerts
    decisions = desk.tell(events.report("fire", "c.example", backfill=True), at=START + LATER)
    assert decisions.merged
    assert [alert.kind for alert in decisions.alerts] == ["first"]
