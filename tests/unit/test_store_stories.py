"""Stories, alerts and deliveries in the store."""

from dataclasses import replace

import pytest
from sqlalchemy import Table, func, select, update

from consumers.alerting import Alerter, Decisions
from consumers.model import Match, Scheduled, Topic
from consumers.stories import StoryRule
from daemon.errors import Fenced
from daemon.store import Store, ledger
from daemon.store.stories import Stories
from daemon.store.tables import alerts, deliveries, stories, story_matches
from daemon.store.tables import ledger as ledger_table
from tests.fake_events import DAY, ONE_EVENT, START, Events

HARBOUR = Topic(id="harbour", query="harbour", channels=("console", "desk"))
WEATHER = Topic(id="weather", query="weather")
TOPICS = (HARBOUR.id, WEATHER.id)


def alerter() -> Alerter:
    made = Alerter()
    made.apply_topics({topic.id: topic for topic in (HARBOUR, WEATHER)})
    return made


def restarted(store: Store, since: float = 0.0) -> Alerter:
    made = alerter()
    made.restore(Stories(store).restore(since, TOPICS))
    return made


def keep(store: Store, decisions: Decisions) -> None:
    stories = Stories(store)
    stories.record(decisions, stories.turns(TOPICS))


def rows(store: Store, table: Table) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def everything(store: Store) -> list[list[tuple[object, ...]]]:
    with store.read() as connection:
        return [
            [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in (stories, story_matches, alerts, deliveries, ledger_table)
        ]


def three_reports(events: Events) -> list[Match]:
    return [events.report("fire", "a.example"), events.report("fire", "b.example"), events.report("strike")]


def test_a_decision_is_kept_whole(store: Store) -> None:
    keep(store, alerter().decide(three_reports(Events()), START))
    assert [rows(store, table) for table in (stories, story_matches, alerts, deliveries)] == [2, 3, 2, 4]


def test_recording_again_changes_nothing_not_even_a_delivery_that_went_out(store: Store) -> None:
    decisions = alerter().decide(three_reports(Events()), START)
    keep(store, decisions)
    with store.write() as connection:
        connection.execute(update(deliveries).values(state="sent", attempts=1))
    before = everything(store)
    keep(store, decisions)
    assert everything(store) == before


def test_after_a_restart_a_repeated_batch_changes_nothing(store: Store) -> None:
    batch = three_reports(Events())
    keep(store, alerter().decide(batch, START))
    assert restarted(store).decide(batch, START + 60) == Decisions(at=START + 60)


def test_after_a_restart_a_told_story_goes_on_untold(store: Store) -> None:
    events = Events()
    keep(store, alerter().decide(three_reports(events), START))
    decisions = restarted(store).decide([events.report("fire", "c.example")], START + 60)
    keep(store, decisions)
    assert not decisions.alerts
    assert {len(story.reports) for story in Stories(store).recent_stories("harbour")} == {1, 3}


def test_after_a_restart_an_untold_story_from_backfill_is_told_when_it_goes_on(store: Store) -> None:
    events = Events()
    keep(store, alerter().decide([events.report("fire", "a.example", backfill=True)], START))
    assert len(restarted(store).decide([events.report("fire", "b.example")], START + 60).alerts) == 1


def test_only_warm_stories_are_brought_back_and_of_each_the_newest_matches(store: Store) -> None:
    events, decider = Events(), alerter()
    keep(store, decider.decide([events.report("strike")], START))
    for hour in range(5):
        at = START + 8 * DAY + hour * 3_600
        keep(store, decider.decide([events.report("fire", number=hour, at=at)], at))
    brought = Stories(store).restore(START + DAY, TOPICS, members=3)
    assert [len(story.reports) for story in brought.stories] == [5]
    assert [joined.match.article.url[-1] for joined in brought.joined] == ["2", "3", "4"]
    assert len(brought.alerts) == 1


def test_an_article_edited_long_after_its_story_is_not_told_again_after_a_restart(store: Store) -> None:
    events = Events()
    match = events.report("fire")
    keep(store, alerter().decide([match], START))
    late = restarted(store, since=START + 30 * DAY)
    before = Stories(store).recorded([match.id])
    edited = events.edited(match, title="corrected")
    assert late.decide([edited], START + 37 * DAY, before) == Decisions(at=START + 37 * DAY)


def test_a_newer_revision_replaces_the_kept_match_and_not_the_time_it_joined(store: Store) -> None:
    events, decider = Events(), alerter()
    match = events.report("fire")
    keep(store, decider.decide([match], START))
    keep(store, decider.decide([events.edited(match, title="harbour fire out")], START + 60))
    (joined,) = Stories(store).restore(0.0, TOPICS).joined
    assert (joined.match.article.title, joined.match.article.revision, joined.at) == ("harbour fire out", 2, START)


def test_alerts_are_listed_newest_first_by_topic_and_time(store: Store) -> None:
    decider = alerter()
    keep(store, decider.decide([Events("harbour").report("fire")], START))
    keep(store, decider.decide([Events("weather").report("storm")], START + 60))
    listed = Stories(store).alerts(limit=10)
    assert [alert.topic_id for alert in listed] == ["weather", "harbour"]
    assert [alert.topic_id for alert in Stories(store).alerts(limit=10, topic_id="harbour")] == ["harbour"]
    assert [alert.topic_id for alert in Stories(store).alerts(limit=10, since=START + 30)] == ["weather"]
    assert len(Stories(store).alerts(limit=1)) == 1


def test_an_alert_is_shown_with_its_story_its_match_and_its_deliveries(store: Store) -> None:
    decisions = alerter().decide(three_reports(Events()), START)
    keep(store, decisions)
    shown = Stories(store).alert(decisions.alerts[0].id)
    assert shown is not None
    assert shown.alert == decisions.alerts[0]
    assert shown.story == decisions.stories[0]
    assert shown.match == decisions.joined[0].match
    assert [(each.channel, each.state, each.due) for each in shown.deliveries] == [
        ("console", "pending", START + 1.0),
        ("desk", "pending", START + 1.0),
    ]
    assert Stories(store).alert("unknown") is None


def test_a_topic_without_an_alert_still_has_its_stories(store: Store) -> None:
    events = Events()
    batch = [replace(match, article=replace(match.article, backfill=True)) for match in three_reports(events)]
    keep(store, alerter().decide(batch, START))
    assert len(Stories(store).recent_stories("harbour")) == 2
    assert Stories(store).alerts(limit=10) == []


# -- several alerters


def test_every_write_of_a_topic_raises_its_turn_and_leaves_the_others(store: Store) -> None:
    kept, decider = Stories(store), alerter()
    assert kept.turns(TOPICS) == {"harbour": 0, "weather": 0}
    new = kept.record(decider.decide([Events("harbour").report("fire")], START), kept.turns(TOPICS))
    assert new == {"harbour": 1}
    new = kept.record(decider.decide([Events(name).report("storm") for name in TOPICS], START), kept.turns(TOPICS))
    assert new == {"harbour": 2, "weather": 1} == kept.turns(TOPICS)


def test_what_changes_nothing_raises_no_turn(store: Store) -> None:
    kept = Stories(store)
    assert kept.record(Decisions(at=START), {}) == {}
    assert kept.turns(TOPICS) == {"harbour": 0, "weather": 0}


@pytest.mark.parametrize("late", ["harbour", "weather"])
def test_a_decision_made_with_older_stories_is_not_recorded_not_even_in_part(store: Store, late: str) -> None:
    kept = Stories(store)
    stale = kept.turns(TOPICS)
    keep(store, alerter().decide([Events(late).report("fire")], START))
    before = everything(store), kept.turns(TOPICS)
    both = alerter().decide([Events(name).report("storm") for name in TOPICS], START)
    with pytest.raises(Fenced):
        kept.record(both, stale)
    assert (everything(store), kept.turns(TOPICS)) == before


def test_of_two_who_write_a_topic_for_the_first_time_one_is_fenced(store: Store) -> None:
    kept = Stories(store)
    none = kept.turns(TOPICS)
    kept.record(alerter().decide([Events("harbour").report("fire")], START), none)
    with pytest.raises(Fenced):
        kept.record(alerter().decide([Events("harbour").report("strike")], START), none)


def test_only_the_topics_that_are_asked_for_are_brought_back(store: Store) -> None:
    keep(store, alerter().decide([Events(name).report("storm") for name in TOPICS], START))
    brought = Stories(store).restore(0.0, ["weather"])
    assert brought.topics == {"weather"}
    assert {story.topic_id for story in brought.stories} == {"weather"}
    assert {joined.match.topic_id for joined in brought.joined} == {"weather"}
    assert {alert.story_id for alert in brought.alerts} == {story.id for story in brought.stories}


def test_matches_that_were_recorded_are_known_by_id(store: Store) -> None:
    match, other = three_reports(Events())[::2]
    decisions = alerter().decide([match], START)
    keep(store, decisions)
    found = Stories(store).recorded([match.id, other.id])
    assert found == {match.id: replace(decisions.joined[0], founded=False)}


# -- what is told, and why


PAGED = replace(HARBOUR, digests=(Scheduled(channel="mail", when="07:00 UTC"),), min_sources=2)


def steps_of(store: Store, story_id: str) -> list[tuple[str, str, str]]:
    return [(step.channel, step.event, step.why) for step in ledger.of_story(store, story_id)]


def test_what_an_alert_says_is_kept_with_it(store: Store) -> None:
    events, decider = Events(), alerter()
    keep(store, decider.decide([events.report("fire", "a.example", toll=12)], START))
    decisions = decider.decide([events.report("fire", "b.example", toll=19)], START + 60)
    keep(store, decisions)
    shown = Stories(store).alert(decisions.alerts[0].id)
    assert shown is not None
    assert shown.alert == decisions.alerts[0]
    assert shown.alert.facts


def test_why_each_delivery_was_decided_and_what_it_waits_for_is_in_the_ledger(store: Store) -> None:
    events, decider = Events(), alerter()
    decider.apply_topics({"harbour": PAGED})
    waiting = decider.decide([events.report("fire", "a.example")], START)
    keep(store, waiting)
    (story,) = waiting.stories
    waits = "waits for a second independent source"
    assert set(steps_of(store, story.id)) == {(name, "held", waits) for name in ("console", "desk", "mail")}
    told = decider.decide([events.report("fire", "b.example", reworded=True)], START + 60)
    keep(store, told)
    why = "first report, after waiting for a second source"
    assert set(steps_of(store, story.id)[3:]) == {
        *((name, "decided", why) for name in ("console", "desk", "mail")),
        ("mail", "held", "digest 07:00 UTC"),
    }
    with store.read() as connection:
        rows = connection.execute(select(deliveries.c.channel, deliveries.c.state, deliveries.c.held)).all()
    assert {tuple(row) for row in rows} == {
        ("console", "pending", ""),
        ("desk", "pending", ""),
        ("mail", "held", "digest 07:00 UTC"),
    }


def test_a_story_that_waits_still_waits_after_a_restart(store: Store) -> None:
    events, decider = Events(), alerter()
    decider.apply_topics({"harbour": PAGED})
    keep(store, decider.decide([events.report("fire", "a.example")], START))
    again = restarted(store)
    again.apply_topics({"harbour": PAGED})
    copy = again.decide([events.report("fire", "b.example")], START + 60)
    assert (copy.alerts, copy.steps) == ((), ())
    keep(store, copy)
    assert len(again.decide([events.report("fire", "c.example", reworded=True)], START + 90).alerts) == 1


def test_a_fact_that_was_told_is_not_told_again_after_a_restart(store: Store) -> None:
    events, decider = Events(), alerter()
    for number, toll in enumerate((12, 19)):
        at = START + 60 * number
        keep(store, decider.decide([events.report("fire", f"{number}.example", toll=toll)], at))
    again = restarted(store)
    assert not again.decide([events.report("fire", "x.example", toll=19)], START + 180).alerts
    assert again.decide([events.report("fire", "y.example", toll=31)], START + 240).alerts


def test_what_is_added_to_an_alert_is_refused_once_that_has_gone_out(store: Store) -> None:
    events = Events()
    decider = Alerter(settle=60.0)
    decider.apply_topics({"harbour": HARBOUR})
    keep(store, decider.decide([events.report("fire", "a.example", toll=12)], START))
    more = [events.report("fire", "b.example", toll=19)]
    late = decider.decide(more, START + 30)
    with store.write() as connection:
        connection.execute(update(deliveries).where(deliveries.c.channel == "desk").values(state="sent"))
    before = everything(store)
    with pytest.raises(Fenced):
        keep(store, late)
    assert everything(store) == before
    again = Alerter(settle=60.0)
    again.apply_topics({"harbour": HARBOUR})
    again.restore(Stories(store).restore(0.0, TOPICS))
    assert [alert.kind for alert in again.decide(more, START + 30).alerts] == ["update"]


def test_what_is_added_to_an_alert_that_has_not_gone_out_is_kept_with_it(store: Store) -> None:
    events = Events()
    decider = Alerter(settle=60.0)
    decider.apply_topics({"harbour": HARBOUR})
    keep(store, decider.decide([events.report("fire", "a.example", toll=12)], START))
    keep(store, decider.decide([events.report("fire", "b.example", toll=19)], START + 30))
    assert [len(story.facts) for story in Stories(store).recent_stories("harbour")] == [1]
    assert rows(store, alerts) == 1


# -- two stories that are one


def merged_by_their_growth(store: Store) -> Decisions:
    """A third report of one story makes it one with the other; both were told."""
    events = Events()
    decider = Alerter(rule=ONE_EVENT)
    decider.apply_topics({"harbour": HARBOUR})
    keep(store, decider.decide([events.report("fire", "a.example", reworded=True)], START))
    keep(store, decider.decide([events.report("strike", "b.example", reworded=True)], START + 60))
    decisions = decider.decide([events.report("fire", "c.example", reworded=True)], START + 120)
    assert decisions.merged
    keep(store, decisions)
    return decisions


def test_what_belongs_to_an_absorbed_story_belongs_to_the_other_one(store: Store) -> None:
    decisions = merged_by_their_growth(store)
    (merged,) = decisions.merged
    with store.read() as connection:
        for table in (story_matches, alerts, ledger_table):
            assert set(connection.execute(select(table.c.story_id)).scalars()) == {merged.into}
    assert [story.id for story in Stories(store).recent_stories("harbour")] == [merged.into]
    told = [step for step in ledger.of_story(store, merged.into) if step.event == "merged"]
    assert {(step.channel, step.why) for step in told} == {
        (name, f"merged with: {merged.absorbed.title}") for name in ("console", "desk")
    }


def test_a_merge_that_is_recorded_again_changes_nothing(store: Store) -> None:
    decisions = merged_by_their_growth(store)
    before = everything(store)
    keep(store, decisions)
    assert everything(store) == before


def test_an_absorbed_story_is_not_brought_back_and_what_it_told_is(store: Store) -> None:
    decisions = merged_by_their_growth(store)
    brought = Stories(store).restore(0.0, TOPICS)
    assert [story.id for story in brought.stories] == [decisions.merged[0].into]
    assert {alert.story_id for alert in brought.alerts} == {decisions.merged[0].into}
    assert len(brought.alerts) == 2
    again = restarted(store)
    assert not again.decide([Events().report("strike", "d.example", reworded=True)], START + 180).alerts


def test_no_more_is_brought_back_of_a_topic_than_is_compared_with(store: Store) -> None:
    events, decider = Events(), alerter()
    wanted, each = StoryRule().per_topic, StoryRule().members
    for number in range(2 * wanted // each):
        at = START + number
        batch = [events.report(f"event{number}", number=n, at=at) for n in range(each)]
        keep(store, decider.decide(batch, at))
    brought = Stories(store).restore(0.0, TOPICS)
    assert wanted <= len(brought.joined) < wanted + each
    assert min(joined.at for joined in brought.joined) > START + wanted // each - 2, "the newest stories"
