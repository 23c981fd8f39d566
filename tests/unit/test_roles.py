"""Matches find their stories and are told once, however many alerters share the work and whatever happens to them."""

import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from consumers.alerting import Alerter, Decisions, Remembered
from consumers.model import (
    ARTICLES,
    BACKFILL,
    CALIBRATIONS,
    MATCHES,
    MATCHES_BACKFILL,
    TOPICS,
    Article,
    Calibration,
    Match,
    Stream,
    Topic,
    calibration_key,
)
from consumers.stories import StoryRule
from daemon.errors import Fenced, Unavailable
from daemon.log import Tombstone
from daemon.roles import Alerting, Matching, Teller
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.opening import open_store
from daemon.store.stories import Stories
from daemon.store.story_edits import StoryEdits
from daemon.store.tables import alerts, deliveries, stories, story_matches
from daemon.store.topics import TopicVersions
from tests.fake_embedder import FakeEmbedder
from tests.fake_events import DAY, START, Events
from tests.fake_log import Broker, FakeClock, FakeQuarantine, MemoryLog
from tests.one_model import OneModel

HARBOUR = Topic(id="harbour", query="harbour", channels=("console", "desk"))
WEATHER = Topic(id="weather", query="weather")


def replayed(match: Match) -> Match:
    return replace(match, article=replace(match.article, backfill=True))


def teller(stories: Stories, clock: FakeClock) -> Teller:
    alerter = Alerter()
    alerter.apply_topics({topic.id: topic for topic in (HARBOUR, WEATHER)})
    return Teller(alerter, stories, clock)


def everything(store: Store) -> list[list[tuple[object, ...]]]:
    with store.read() as connection:
        return [
            [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in (stories, story_matches, alerts, deliveries)
        ]


def assert_told_once(store: Store) -> None:
    with store.read() as connection:
        told = connection.execute(select(alerts.c.story_id)).scalars().all()
    assert len(told) == len(set(told))
    for topic in (HARBOUR, WEATHER):
        urls = [report.url for story in Stories(store).recent_stories(topic.id) for report in story.reports]
        assert len(urls) == len(set(urls)), "a match is in two stories"


# -- what several alerters make of the same matches


class Killed(Exception):
    pass


class Watched(Stories):
    """``meanwhile`` happens between a decision and its record, ``then`` after it; each once."""

    def __init__(self, store: Store, recorded: Callable[[], None]) -> None:
        super().__init__(store)
        self.meanwhile: Callable[[], None] | None = None
        self.then: Callable[[], None] | None = None
        self._recorded = recorded

    def record(self, decisions: Decisions, turns: Mapping[str, int]) -> Mapping[str, int]:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        new = super().record(decisions, turns)
        self._recorded()
        then, self.then = self.then, None
        if then:
            then()
        return new


@dataclass
class World:
    """Two alerters over one store, and the batches in the order in which they were recorded."""

    store: Store
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    recorded: list[tuple[float, list[Match]]] = field(default_factory=list)
    in_hand: list[list[Match]] = field(default_factory=lambda: [[], []])

    def __post_init__(self) -> None:
        self.stories = [Watched(self.store, lambda who=who: self._note(who)) for who in (0, 1)]  # type: ignore[misc]
        self.tellers = [teller(stories, self.clock) for stories in self.stories]

    def _note(self, who: int) -> None:
        self.recorded.append((self.clock.now(), self.in_hand[who]))

    def tell(self, who: int, batch: list[Match]) -> None:
        self.in_hand[who] = batch
        self.tellers[who].tell(batch)

    def step(self, who: int, batch: list[Match], mishap: str) -> None:
        stories = self.stories[who]
        if mishap == "other":
            stories.meanwhile = lambda: self.tell(1 - who, batch[::-1])
        elif mishap in ("dies", "away"):
            stories.meanwhile = _raising(Killed() if mishap == "dies" else Unavailable("away"))
        elif mishap in ("dies after", "answer lost"):
            stories.then = _raising(Killed() if mishap == "dies after" else Unavailable("away"))
        try:
            self.tell(who, batch)
        except Killed:
            self.tellers[who] = teller(stories, self.clock)
        except Unavailable:
            self.tell(who, batch)


def _raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def _match(world: Events, event: int, source: int, *, replay: bool) -> Match:
    """Source 0 was read at its first poll, the others live."""
    match = world.report(f"event{event}", f"{source}.example", backfill=source == 0)
    return replayed(match) if replay else match


REPORT = st.tuples(st.sampled_from(["harbour", "weather"]), st.integers(0, 2), st.integers(0, 3), st.booleans())
STEP = st.tuples(
    st.integers(0, 1),
    st.lists(REPORT, min_size=1, max_size=5),
    st.sampled_from(["none", "other", "dies", "dies after", "away", "answer lost"]),
    st.sampled_from([0.0, 60.0, DAY, StoryRule().window + DAY]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=12))
def test_two_alerters_in_any_interleaving_tell_what_one_would_have_told(
    steps: Sequence[tuple[int, list[tuple[str, int, int, bool]], str, float]],
) -> None:
    events = {name: Events(name) for name in ("harbour", "weather")}
    with TemporaryDirectory() as folder, closing(open_store("sqlite:", Path(folder))) as store:
        world = World(store)
        for who, reports, mishap, later in steps:
            batch = [_match(events[topic], event, source, replay=replay) for topic, event, source, replay in reports]
            world.step(who, batch, mishap)
            world.clock.forward(later)
        assert_told_once(store)
        found = everything(store)
    with TemporaryDirectory() as folder, closing(open_store("sqlite:", Path(folder))) as store:
        clock = FakeClock()
        one = teller(Stories(store), clock)
        for at, batch in world.recorded:
            clock.time = at
            one.tell(batch)
        assert found == everything(store)
        live = {match.id for _, batch in world.recorded for match in batch if not match.article.backfill}
        assert live <= _told_matches(store)


def _told_matches(store: Store) -> set[str]:
    """Those whose story was told."""
    told = select(story_matches.c.match_id).join(alerts, alerts.c.story_id == story_matches.c.story_id)
    with store.read() as connection:
        return set(connection.execute(told).scalars())


def test_alerters_that_really_work_at_the_same_time_tell_every_story_once(store: Store) -> None:
    worlds = [Events("harbour"), Events("weather")]
    live = [
        world.report(f"event{event}", f"{source}.example")
        for world in worlds
        for event in range(4)
        for source in range(5)
    ]

    def work(seed: int) -> None:
        mine, order = teller(Stories(store), FakeClock(START)), random.Random(seed)
        batches = [order.sample(live, 4) for _ in range(15)]
        for batch in [*batches, *(live[start : start + 4] for start in range(0, len(live), 4))]:
            some_replayed = [replayed(match) if order.random() < 0.3 else match for match in batch]
            while not _recorded(mine, some_replayed):
                pass
        for match in live:
            while not _recorded(mine, [match]):
                pass

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(work, seed) for seed in range(3)]:
            done.result()
    assert_told_once(store)
    assert {match.id for match in live} <= _told_matches(store)


def _recorded(mine: Teller, batch: list[Match]) -> bool:
    with suppress(Fenced):
        mine.tell(batch)
        return True
    return False


class Counted(Stories):
    restored: list[list[str]]

    def restore(self, since: float, topic_ids: Collection[str], *, members: int = 12) -> Remembered:
        self.restored = [*getattr(self, "restored", []), sorted(topic_ids)]
        return super().restore(since, topic_ids, members=members)


def test_a_topic_is_restored_once_and_again_only_after_others_have_written_it(store: Store) -> None:
    clock, stories = FakeClock(START), Counted(store)
    one, other = teller(stories, clock), teller(Stories(store), clock)
    harbour, weather = Events("harbour"), Events("weather")
    one.tell([harbour.report("fire"), weather.report("storm")])
    one.tell([harbour.report("fire", "b.example"), weather.report("storm", "b.example")])
    assert stories.restored == [["harbour", "weather"]]
    other.tell([harbour.report("fire", "c.example")])
    decisions = one.tell([harbour.report("fire", "d.example"), weather.report("storm", "d.example")])
    assert stories.restored == [["harbour", "weather"], ["harbour"]]
    assert [len(story.reports) for story in decisions.stories] == [4, 3]


def test_what_nobody_writes_about_for_long_is_forgotten_and_found_again(store: Store) -> None:
    clock, stories = FakeClock(START), Counted(store)
    one = teller(stories, clock)
    match = Events("harbour").report("fire")
    one.tell([match])
    clock.forward(StoryRule().window + DAY)
    one.tell([Events("weather").report("storm")])
    edited = Events("harbour").edited(match, title="harbour fire, corrected")
    assert not one.tell([edited]).topics
    assert stories.restored == [["harbour"], ["weather"], ["harbour"]]


def test_a_topic_without_a_match_for_a_week_is_restored_when_its_story_goes_on(store: Store) -> None:
    clock, stories = FakeClock(START), Counted(store)
    one, harbour = teller(stories, clock), Events("harbour")
    one.tell([harbour.report("fire")])
    clock.forward(6 * DAY)
    one.tell([harbour.report("strike"), Events("weather").report("storm")])
    assert stories.restored == [["harbour"], ["weather"]]
    clock.forward(8 * DAY)
    one.tell([Events("weather").report("wind")])
    told = one.tell([harbour.report("strike", "b.example")])
    assert stories.restored[2:] == [["harbour"]]
    assert [len(story.reports) for story in told.stories] == [2]


def test_of_many_topics_those_left_alone_longest_are_forgotten_and_restored_when_their_stories_go_on(
    store: Store,
) -> None:
    clock, stories = FakeClock(START), Counted(store)
    worlds = [Events(f"topic{number}") for number in range(6)]
    alerter = Alerter()
    alerter.apply_topics({world.topic: Topic(id=world.topic, query="harbour") for world in worlds})
    one = Teller(alerter, stories, clock, most=6)
    for source in ("a.example", "b.example"):
        for world in worlds:
            one.tell([world.report("fire", source), world.report("strike", source)])
            assert alerter.remembered <= 6 + 2
    assert stories.restored == [[world.topic] for world in worlds] * 2
    told = one.tell([world.report("fire", "c.example") for world in worlds])
    assert stories.restored[12:] == [["topic0", "topic1", "topic2", "topic3"]]
    assert [len(story.reports) for story in told.stories] == [3] * 6


def test_whoever_is_always_late_says_so_and_has_recorded_nothing(store: Store) -> None:
    clock, events = FakeClock(START), Events("harbour")
    rivals = iter(range(100))

    class Rivalled(Stories):
        def record(self, decisions: Decisions, turns: Mapping[str, int]) -> Mapping[str, int]:
            teller(Stories(store), clock).tell([events.report("strike", number=next(rivals))])
            return super().record(decisions, turns)

    late = events.report("fire")
    with pytest.raises(Fenced):
        teller(Rivalled(store), clock).tell([late])
    assert not Stories(store).recorded([late.id])
    assert teller(Stories(store), clock).tell([late]).alerts


def test_what_comes_too_late_for_an_alert_is_told_by_itself(store: Store) -> None:
    clock, events = FakeClock(START), Events("harbour")

    class Sending(Stories):
        """The alert goes out between the decision and its record."""

        def record(self, decisions: Decisions, turns: Mapping[str, int]) -> Mapping[str, int]:
            with store.write() as connection:
                connection.execute(update(deliveries).values(state="sent"))
            return super().record(decisions, turns)

    def settling(stories: Stories) -> Teller:
        alerter = Alerter(settle=60.0)
        alerter.apply_topics({HARBOUR.id: HARBOUR})
        return Teller(alerter, stories, clock)

    settling(Stories(store)).tell([events.report("fire", "a.example", toll=12)])
    in_time = settling(Stories(store)).tell([events.report("fire", "b.example", toll=19)])
    assert not in_time.alerts
    late = settling(Sending(store)).tell([events.report("fire", "c.example", toll=31)])
    assert [(alert.kind, len(alert.facts)) for alert in late.alerts] == [("update", 1)]


def test_an_alerter_goes_on_with_stories_as_people_have_split_them(store: Store) -> None:
    clock, events, stories = FakeClock(START), Events("harbour"), Counted(store)
    one = teller(stories, clock)
    matches = [events.report("fire", f"{name}.example") for name in "abc"]
    (story,) = one.tell(matches).stories
    new = StoryEdits(store).split(story.id, [matches[2].id], by="Ana", now=START + 1).split_off
    clock.forward(60.0)
    decisions = one.tell([events.edited(matches[2], title="harbour fire, corrected")])
    assert [each.id for each in decisions.stories] == [new.id]
    assert not decisions.alerts
    assert stories.restored == [["harbour"], ["harbour"]]


# -- the threads


class Roles:
    """The matcher's and the alerter's threads, run here until there is nothing left to do."""

    def __init__(self, store: Store, versions: TopicVersions | None = None, *, rounds: int = 1) -> None:
        self.store = store
        self.troubles: list[str] = []
        self._rounds = rounds  # with nothing left to do, before the end
        self.broker, self.clock, quarantine = Broker(), FakeClock(START), FakeQuarantine()
        self.log = MemoryLog(self.broker, quarantine=quarantine, clock=self.clock)
        self.archive = Archive(store)
        self.told: list[Decisions] = []
        common: dict[str, Any] = {
            "log": self.log,
            "quarantine": quarantine,
            "clock": self.clock,
            "rejected": lambda stream, reason: pytest.fail(reason),
        }
        self.matching = Matching(
            worker="one",
            archive=self.archive,
            versions=versions or TopicVersions(store),
            models=OneModel(FakeEmbedder()),
            beat=lambda: self._beat([ARTICLES, BACKFILL], "matcher"),
            trouble=self.troubles.append,
            judged=lambda judged, seconds: None,
            **common,
        )
        self._alerting = Alerting(
            stories=Stories(store),
            settle=1.0,
            beat=lambda: self._beat([MATCHES, MATCHES_BACKFILL], "alerter"),
            trouble=lambda why: None,
            decided=self.told.append,
            summary=lambda summary, topic: None,
            **common,
        )
        self._stop, self._idle = threading.Event(), 0

    def match(self) -> None:
        self._run(self.matching)

    def tell(self) -> None:
        self._run(self._alerting)

    def _run(self, role: Matching | Alerting) -> None:
        self._stop, self._idle = threading.Event(), 0
        role.run(self._stop)

    def _beat(self, streams: Sequence[Stream[Any]], group: str) -> None:
        if all(self.left(stream, group) == 0 for stream in streams):
            self._idle += 1
        if self._idle == self._rounds:
            self._stop.set()

    def left(self, stream: Stream[Any], group: str) -> int:
        return len(self.broker.records[stream.name]) - self.broker.places.get((stream.name, group), 0)

    def on(self, stream: Stream[Any]) -> int:
        return len(self.broker.records[stream.name])


def article(name: str, *, backfill: bool = False) -> Article:
    return Article(
        id=name,
        feed_id="feed",
        source=f"{name}.example",
        url=f"https://{name}.example/",
        title="Fire in the harbour",
        text="A fire broke out in the harbour.",
        seen=START,
        backfill=backfill,
    )


@pytest.fixture
def roles(store: Store) -> Roles:
    made = Roles(store)
    made.log.append(TOPICS, [Topic(id="harbour", query="harbour fire")])
    return made


def test_a_matcher_reports_under_its_own_name_what_it_has_applied_and_says_it_again_when_asked(roles: Roles) -> None:
    versions = TopicVersions(roles.store)
    versions.applied("one", {"gone": 3}, START)  # by an earlier life of the same worker
    roles.match()
    assert versions.applied_by("harbour") == {"one": (1, START)}
    assert versions.applied_by("gone") == {}
    versions.forget_applied("one")
    roles.matching.say_again()
    roles.match()
    assert versions.applied_by("harbour") == {"one": (1, START)}


def calibration(line: float, *, model: str = "fake", at: float = START) -> Calibration:
    return Calibration(topic_id="harbour", topic_version=1, model=model, at=at, line=line, width=0.1, bar=0.1)


def test_a_matcher_goes_by_the_calibrations_of_its_own_model_as_they_come_and_go(roles: Roles) -> None:
    out_of_reach = 100.0
    roles.log.append(CALIBRATIONS, [calibration(out_of_reach), calibration(-out_of_reach, model="another")])
    roles.log.append(ARTICLES, [article("a")])
    roles.match()
    assert roles.on(MATCHES) == 0
    roles.log.append(CALIBRATIONS, [calibration(0.0, at=START + 1), calibration(out_of_reach, model="another")])
    roles.log.append(ARTICLES, [article("b")])
    roles.match()
    assert roles.on(MATCHES) == 1
    roles.log.append(CALIBRATIONS, [calibration(out_of_reach, at=START + 2)])
    roles.log.append(ARTICLES, [article("c")])
    roles.match()
    assert roles.on(MATCHES) == 1
    roles.log.append(CALIBRATIONS, [Tombstone(calibration_key("harbour", "fake"))])
    roles.log.append(ARTICLES, [article("d")])
    roles.match()
    assert roles.on(MATCHES) == 2  # by the shipped priors


class Following(Roles):
    """A calibration arrives while the matcher runs, and an article one round later."""

    def _beat(self, streams: Sequence[Stream[Any]], group: str) -> None:
        if self.on(CALIBRATIONS) == 1:
            self.log.append(CALIBRATIONS, [calibration(0.0, at=START + 1)])
        elif self.on(ARTICLES) == 1:
            self.log.append(ARTICLES, [article("later")])
        super()._beat(streams, group)


def test_a_running_matcher_follows_the_calibrations(store: Store) -> None:
    roles = Following(store)
    roles.log.append(TOPICS, [Topic(id="harbour", query="harbour fire")])
    roles.log.append(CALIBRATIONS, [calibration(100.0)])
    roles.log.append(ARTICLES, [article("first")])
    roles.match()
    assert roles.on(MATCHES) == 1


class DeafVersions(TopicVersions):
    """The first report is lost."""

    deaf = True

    def applied(self, worker: str, versions: Mapping[str, int | None], at: float) -> None:
        if self.deaf:
            self.deaf = False
            raise Unavailable("the store is away")
        super().applied(worker, versions, at)


def test_a_report_that_was_lost_is_made_up_for_and_nothing_waits_for_it(store: Store) -> None:
    roles = Roles(store, DeafVersions(store), rounds=3)
    roles.log.append(TOPICS, [Topic(id="harbour", query="harbour fire")])
    roles.match()
    assert TopicVersions(store).applied_by("harbour") == {"one": (1, START)}
    assert roles.troubles == ["the store is away", ""]


def test_matches_of_backfill_have_a_lane_of_their_own(roles: Roles) -> None:
    roles.log.append(BACKFILL, [article("old", backfill=True)])
    roles.log.append(ARTICLES, [article("new")])
    roles.match()
    assert (roles.on(MATCHES), roles.on(MATCHES_BACKFILL)) == (1, 1)


def test_live_matches_are_told_before_any_backfill_is_looked_at(roles: Roles) -> None:
    roles.log.append(BACKFILL, [article("old", backfill=True)])
    roles.match()
    roles.log.append(ARTICLES, [article("new")])
    roles.match()
    roles.tell()
    assert [[joined.match.article.id for joined in decisions.joined] for decisions in roles.told] == [["new"], ["old"]]
    assert [len(decisions.alerts) for decisions in roles.told] == [1, 0]


def test_a_replay_tells_nothing_and_leaves_the_archive_as_it_was(roles: Roles) -> None:
    roles.log.append(ARTICLES, [article("new")])
    roles.log.append(BACKFILL, [article("old", backfill=True)])
    roles.match()
    roles.tell()
    before = everything(roles.store)
    roles.log.append(BACKFILL, [article("new", backfill=True), article("old", backfill=True)])
    roles.match()
    roles.tell()
    assert [kept.article.backfill for kept in roles.archive.by_id(["new", "old"])] == [False, True]
    assert everything(roles.store) == before
    assert roles.left(MATCHES_BACKFILL, "alerter") == 0


def test_a_replay_finds_what_a_new_topic_would_have_matched_and_tells_nobody(roles: Roles) -> None:
    roles.log.append(TOPICS, [Tombstone("harbour")])
    roles.log.append(ARTICLES, [article("new")])
    roles.match()
    roles.log.append(TOPICS, [Topic(id="quay", query="harbour fire")])
    roles.log.append(BACKFILL, [article("new", backfill=True)])
    roles.match()
    roles.tell()
    (decisions,) = roles.told
    assert [joined.match.topic_id for joined in decisions.joined] == ["quay"]
    assert not decisions.alerts
    assert not roles.archive.by_id(["new"])[0].article.backfill
