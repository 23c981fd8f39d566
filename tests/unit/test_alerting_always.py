"""Whatever comes in whichever order, and whoever dies when: no story is untold, and nothing is told twice."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from consumers.alerting import Alerter, Decisions
from consumers.ids import delivery_id
from consumers.model import Escalation, Match, Story, Topic
from consumers.stories import StoryRule
from daemon.errors import Unusable
from daemon.roles import Teller
from daemon.store import Store, ledger
from daemon.store.opening import open_store
from daemon.store.stories import Stories
from daemon.store.story_edits import StoryEdits
from daemon.store.tables import alerts, deliveries, stories, story_matches
from daemon.wire import from_json
from tests.fake_events import ONE_EVENT, START, Events
from tests.fake_log import FakeClock

SETTLE = 10.0
RULES = {
    "as shipped": StoryRule(),
    "merging": ONE_EVENT,
}


@dataclass
class Told:
    """What was told of each story, through all its merges, in the order in which it was recorded."""

    firsts: dict[str, int] = field(default_factory=dict)
    loud: dict[str, int] = field(default_factory=dict)
    facts: dict[str, set[str]] = field(default_factory=dict)

    def record(self, decisions: Decisions) -> None:
        for merged in decisions.merged:
            self._unite(merged.absorbed.id, merged.into)
        for alert in decisions.alerts:
            story = alert.story_id
            if alert.kind == "first":
                assert not self.firsts.get(story), "a story is told once"
                self.firsts[story] = 1
            if alert.severity == "urgent":
                assert not self.loud.get(story), "a story is told louder once"
                self.loud[story] = 1
            keys = {fact.key for fact in alert.facts}
            assert len(keys) == len(alert.facts)
            assert not keys & self.facts.get(story, set()), "a fact is told once"
            self.facts[story] = self.facts.get(story, set()) | keys
            assert alert.kind == "first" or self.firsts.get(story), "nothing is added to what nobody was told"

    def _unite(self, absorbed: str, into: str) -> None:
        self.firsts[into] = self.firsts.pop(absorbed, 0) + self.firsts.get(into, 0)
        self.loud[into] = self.loud.pop(absorbed, 0) + self.loud.get(into, 0)
        self.facts[into] = self.facts.pop(absorbed, set()) | self.facts.get(into, set())


class Watched(Stories):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.told = Told()

    def record(self, decisions: Decisions, turns: Mapping[str, int]) -> Mapping[str, int]:
        new = super().record(decisions, turns)
        self.told.record(decisions)
        return new


REPORT = st.tuples(
    st.integers(0, 2),  # event
    st.integers(0, 4),  # source
    st.sampled_from([None, 12, 19, 31]),  # toll
    st.sampled_from(["live", "live", "live", "backfill", "replay", "edited"]),
    st.booleans(),  # reworded
)
STEP = st.tuples(
    st.lists(REPORT, min_size=1, max_size=4),
    st.sampled_from(["none", "none", "restart", "another", "sent", "split", "merge"]),  # what happens afterwards
    st.sampled_from([0.0, 1.0, 60.0, 86_400.0]),  # and how many seconds pass
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(STEP, max_size=12),
    st.sampled_from(sorted(RULES)),
    st.integers(1, 3),
    st.sampled_from(["all", "new-facts", "none"]),
    st.booleans(),
)
def test_at_most_one_ping_per_story_and_fact_and_no_story_is_untold(
    steps: Sequence[tuple[list[tuple[int, int, int | None, str, bool]], str, float]],
    rule: str,
    min_sources: int,
    updates: str,
    escalates: bool,
) -> None:
    topic = Topic(
        id="harbour",
        query="harbour",
        channels=("console", "desk"),
        min_sources=min_sources,
        updates=updates,  # type: ignore[arg-type]
        escalate=Escalation(sources=3, within=1_800.0, channels=("pager",)) if escalates else None,
    )
    events, clock = Events(), FakeClock(START)
    live: dict[str, Match] = {}
    with TemporaryDirectory() as folder, closing(open_store("sqlite:", Path(folder))) as store:
        kept = Watched(store)
        tellers = [teller(kept, clock, topic, RULES[rule]) for _ in range(2)]
        for reports, afterwards, later in steps:
            batch = [_match(events, clock.now(), *report) for report in reports]
            tellers[0].tell(batch)
            live |= {match.id: match for match in batch if not match.article.backfill and match.article.revision == 1}
            match afterwards:
                case "restart":
                    tellers[0] = teller(kept, clock, topic, RULES[rule])
                case "another":
                    tellers.reverse()
                case "sent":
                    _send(store)
                case "split" | "merge":
                    _edit(store, kept.told, afterwards, clock.now())
            clock.forward(later)
        assert_nobody_is_forgotten(store, set(live), min_sources)
        assert_each_delivery_has_its_reason(store)


def teller(stories: Stories, clock: FakeClock, topic: Topic, rule: StoryRule) -> Teller:
    alerter = Alerter(settle=SETTLE, rule=rule)
    alerter.apply_topics({topic.id: topic})
    return Teller(alerter, stories, clock)


def _match(events: Events, now: float, event: int, source: int, toll: int | None, how: str, reworded: bool) -> Match:
    name = f"{source}.example"
    match = events.report(f"event{event}", name, toll=toll, reworded=reworded, at=now, number=toll or 0)
    if how == "edited":
        return events.edited(match, toll=44 if toll else None)
    return replace(match, article=replace(match.article, backfill=how != "live"))


def _send(store: Store) -> None:
    with store.write() as connection:
        connection.execute(deliveries.update().values(state="sent"))


def _edit(store: Store, told: Told, how: str, now: float) -> None:
    """Whatever people may do to the two stories that were reported last."""
    newest = Stories(store).recent_stories("harbour", limit=2)
    try:
        if how == "merge" and len(newest) == 2:
            StoryEdits(store).merge(newest[0].id, newest[1].id, by="Ana", now=now)
            told._unite(newest[1].id, newest[0].id)
        elif how == "split" and newest:
            with store.read() as connection:
                mine = story_matches.c.story_id == newest[0].id
                ids = connection.execute(select(story_matches.c.match_id).where(mine)).scalars().all()
            done = StoryEdits(store).split(newest[0].id, sorted(ids)[: len(ids) // 2], by="Ana", now=now)
            told.firsts[done.split_off.id] = told.firsts.get(done.kept.id, 0)
    except Unusable:
        return  # one article cannot be split


def assert_nobody_is_forgotten(store: Store, live: set[str], min_sources: int) -> None:
    """Each story that was read live is told, as soon as enough sources report it."""
    with store.read() as connection:
        kept = {
            row.id: from_json(Story, row.story) for row in connection.execute(select(stories.c.id, stories.c.story))
        }
        told = set(connection.execute(select(alerts.c.story_id)).scalars())
        of_match = {row.match_id: row.story_id for row in connection.execute(select(story_matches))}
    assert live <= of_match.keys()
    for story in {of_match[name]: kept[of_match[name]] for name in live}.values():
        assert not story.merged_into
        by_hand = any(step.event in ("split", "merged") for step in ledger.of_story(store, story.id))
        if story.id in told or story.stage in ("told", "escalated"):
            continue
        if not by_hand:
            assert story.stage == "waiting"
            assert story.independent < min_sources
            assert any(step.event == "held" for step in ledger.of_story(store, story.id))


def assert_each_delivery_has_its_reason(store: Store) -> None:
    with store.read() as connection:
        rows = connection.execute(select(alerts.c.id, alerts.c.story_id, alerts.c.why)).all()
        due = set(connection.execute(select(deliveries.c.id)).scalars())
    for row in rows:
        assert delivery_id(row.id, "console") in due
        decided = {step.why for step in ledger.of_story(store, row.story_id) if step.alert_id == row.id}
        assert row.why in decided
