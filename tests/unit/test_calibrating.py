"""Topics get their lines from the archive: soon after an edit, again as it grows, and from one process at a time."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from consumers.asked import Asked, asked_of
from consumers.bag import bag_of
from consumers.calibration import ENOUGH, calibrate
from consumers.corpus import Corpus
from consumers.matcher import Judged
from consumers.model import CALIBRATIONS, TOPICS, Article, Calibration, Sample, Stream, Topic
from consumers.passages import texts_of
from daemon.calibrating import FEW, LONG_REST, Calibrating
from daemon.calibration_desk import LOOK, REREAD, Served
from daemon.calibration_plan import DAY
from daemon.errors import Unavailable
from daemon.log import Tombstone
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.calibrations import Calibrations, Drawn
from daemon.store.leases import Leases
from daemon.upkeep import Election
from tests.fake_embedder import DIMENSION, FakeEmbedder
from tests.fake_log import Broker, FakeClock, FakeQuarantine, MemoryLog, MemoryTable

TICK = 0.01  # seconds from one round to the next
ROUNDS = 400  # that a condition is waited for
MODEL = "fake"


def fill(store: Store, count: int, *, seen: float, model: str = MODEL, first: int = 0) -> None:
    embedder = FakeEmbedder(model)
    found = []
    for n in range(first, first + count):
        words = ("harbour fire", "wheat prices", "a quiet day")[n % 3]
        article = Article(id=f"{n:05}", feed_id="f", source="s.example", title=f"{words} {n}", seen=seen - n)
        texts = texts_of(article)
        rows = embedder.encode(texts.embedded).astype(np.float16)
        found.append(Judged(article, model, rows, (), (), bag_of(texts)))
    Archive(store).put(found)


@dataclass
class Drawing:
    """In place of the real calculation: remembers what it was asked. ``line`` is what it answers."""

    clock: FakeClock
    takes: float = 0.0  # seconds
    line: float = 0.5
    meanwhile: Callable[[], None] = lambda: None
    asked: list[tuple[str, int]] = field(default_factory=list)
    articles: list[int] = field(default_factory=list)
    previous: list[Calibration | None] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def __call__(
        self,
        asked: Asked,
        corpus: Corpus,
        /,
        *,
        model: str,
        now: float,
        samples: Sequence[Sample],
        previous: Calibration | None,
    ) -> Calibration:
        self.asked.append((asked.topic.id, asked.topic.version))
        self.articles.append(len(corpus))
        self.previous.append(previous)
        self.at.append(self.clock.now())
        self.clock.forward(self.takes)
        self.meanwhile()
        return Calibration(
            topic_id=asked.topic.id,
            topic_version=asked.topic.version,
            model=model,
            at=now,
            articles=len(corpus),
            line=self.line,
            samples=tuple(samples),
        )


class PatientTable(MemoryTable[Any]):
    """Waits by the fake clock."""

    clock: FakeClock

    def changes(self, timeout: float) -> Mapping[str, Any]:
        found = super().changes(0.0)
        if not found:
            self.clock.forward(timeout)
        return found


class PatientLog(MemoryLog):
    def __init__(self, broker: Broker, clock: FakeClock) -> None:
        super().__init__(broker, quarantine=FakeQuarantine(), clock=clock)
        self.clock = clock

    def table(self, stream: Stream[Any]) -> MemoryTable[Any]:
        table = PatientTable(self, self._broker, stream, self.decoder(stream, "table"))
        table.clock = self.clock
        return table


class Office:
    """A process that may calibrate, run here until something has come about."""

    def __init__(self, store: Store, broker: Broker, clock: FakeClock, **given: Any) -> None:
        self.store, self.broker, self.clock = store, broker, clock
        self.log = PatientLog(broker, clock)
        self.drawing = Drawing(clock)
        self.embedder = FakeEmbedder(MODEL)
        self.troubles: list[str] = []
        self.rounds: list[float] = []
        self.won = True
        self._stop, self._until, self._left = threading.Event(), lambda: True, 0
        self.calibrating = Calibrating(
            **{
                "log": self.log,
                "archive": Archive(store),
                "calibrations": Calibrations(store),
                "clock": clock,
                "served": lambda: [Served(self.embedder)],
                "ask": asked_of,
                "calibrate": self.drawing,
                "won": lambda: self.won,
                "beat": self._beat,
                "trouble": self.troubles.append,
                "round_took": self.rounds.append,
                **given,
            }
        )

    def run(self, until: Callable[[], bool], *, rounds: int = ROUNDS) -> None:
        """Fails where it does not come about."""
        self._stop, self._until, self._left = threading.Event(), until, rounds
        self.calibrating.run(self._stop)
        assert until(), "it never came about"

    def idle(self, rounds: int = 3) -> None:
        """Nothing is done in a few more rounds, or all that is to be done is."""
        self._stop, self._until, self._left = threading.Event(), lambda: False, rounds
        self.calibrating.run(self._stop)

    def _beat(self) -> None:
        self.clock.forward(TICK)
        self._left -= 1
        if self._left <= 0 or self._until():
            self._stop.set()

    # -- what came of it

    def published(self, model: str = MODEL) -> dict[str, Calibration]:
        changes = self.log.table(CALIBRATIONS).changes(0.0)
        return {made.topic_id: made for made in changes.values() if made is not None and made.model == model}

    def versions(self) -> dict[str, int]:
        return {topic_id: made.topic_version for topic_id, made in self.published().items()}

    def kept(self, *topics: str) -> dict[str, Calibration]:
        return dict(Calibrations(self.store).latest(MODEL, topics))

    def whys(self, topic_id: str) -> list[str]:
        """Oldest first."""
        return [move.why for move in Calibrations(self.store).history(topic_id)][::-1]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def office(store: Store, broker: Broker, clock: FakeClock) -> Office:
    return Office(store, broker, clock)


def topic(name: str, version: int = 1, **fields: Any) -> Topic:
    return replace(Topic(id=name, query=f"{name} fire", version=version), **fields)


def test_a_topic_in_force_is_calibrated_published_and_remembered(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour"), topic("off", enabled=False)])
    office.run(lambda: bool(office.kept("harbour")))
    assert office.published() == office.kept("harbour", "off")
    assert office.kept("harbour")["harbour"].articles == ENOUGH
    assert office.whys("harbour") == ["first archive"]


def test_the_real_calculation_fits_in(store: Store, broker: Broker, clock: FakeClock) -> None:
    office = Office(store, broker, clock, calibrate=calibrate)
    fill(store, ENOUGH, seen=clock.now())
    office.log.append(TOPICS, [topic("harbour"), topic("volcano")])
    office.run(lambda: len(office.published()) == 2)
    harbour = office.published()["harbour"]
    assert harbour.articles == ENOUGH
    assert len(harbour.pull) == 2 * DIMENSION


def test_while_the_archive_is_young_the_shipped_priors_stand(office: Office) -> None:
    fill(office.store, ENOUGH - 1, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.idle()
    assert (office.drawing.asked, office.published()) == ([], {})
    standing = office.calibrating.standing
    assert standing is None  # it has left
    fill(office.store, 1, seen=office.clock.now(), first=ENOUGH)
    office.run(lambda: bool(office.kept("harbour")))
    assert office.whys("harbour") == ["first archive"]


def test_an_edit_is_calibrated_from_what_is_in_memory_before_all_that_only_wait_their_turn(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    many = [topic(f"t{n:02}") for n in range(3 * FEW)]
    office.log.append(TOPICS, many)

    def edit_once() -> None:
        if len(office.drawing.asked) == 1:
            office.log.append(TOPICS, [topic("t05", 2)])

    office.drawing.meanwhile = edit_once
    office.run(lambda: len(office.published()) == len(many) and office.versions()["t05"] == 2)
    place = office.drawing.asked.index(("t05", 2))
    assert place <= FEW  # the batch that was under way, and nothing else
    assert len(set(office.drawing.articles)) == 1
    assert office.whys("t05")[-1] in ("first archive", "new version")


def test_a_new_version_is_told_as_one_and_the_calibration_before_is_handed_on(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))
    first = office.published()["harbour"]
    office.log.append(TOPICS, [topic("harbour", 2)])
    office.run(lambda: office.versions() == {"harbour": 2})
    assert office.drawing.previous == [None, first]
    assert office.whys("harbour") == ["first archive", "new version"]


def test_a_removed_topic_leaves_the_stream_and_the_store(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour"), topic("wheat")])
    office.run(lambda: len(office.kept("harbour", "wheat")) == 2)
    office.log.append(TOPICS, [Tombstone("harbour")])
    office.run(lambda: not office.kept("harbour"))
    assert set(office.published()) == {"wheat"}


def test_a_topic_that_was_removed_while_nobody_calibrated_leaves_them_too(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))
    office.log.append(TOPICS, [Tombstone("harbour")])
    again = Office(office.store, office.broker, office.clock)
    again.run(lambda: not again.kept("harbour"))
    assert again.published() == {}


# -- the archive grows


def calibrated(office: Office, count: int = ENOUGH) -> None:
    fill(office.store, count, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))


def test_as_the_archive_grows_topics_are_calibrated_anew_and_their_drift_is_told_when_it_is_visible(
    office: Office,
) -> None:
    calibrated(office)
    first = office.published()["harbour"]
    fill(office.store, 199, seen=office.clock.now(), first=ENOUGH)

    def later(articles: int) -> None:
        fill(office.store, articles, seen=office.clock.now(), first=ENOUGH + 199)
        office.clock.forward(LOOK)

    calls = iter([lambda: later(0), lambda: later(1)])

    def step() -> bool:
        if len(office.drawing.asked) == 1:
            next(calls, lambda: None)()
        return len(office.drawing.asked) > 1

    office.drawing.line = 0.9
    office.run(step)
    office.idle()
    assert office.drawing.articles == [ENOUGH, ENOUGH + 200]
    assert office.drawing.previous[-1] == first
    assert office.whys("harbour") == ["first archive", "drift"]


def test_nothing_is_drawn_anew_from_an_archive_that_has_hardly_grown_before_a_day_is_over(office: Office) -> None:
    calibrated(office)
    fill(office.store, 100, seen=office.clock.now(), first=ENOUGH)
    looks = [0]

    def half_a_day() -> bool:
        looks[0] += 1
        if looks[0] < 20:
            office.clock.forward(REREAD)
        return looks[0] >= 25

    office.run(half_a_day)
    assert len(office.drawing.asked) == 1
    office.clock.forward(DAY)
    office.run(lambda: len(office.drawing.asked) == 2)
    assert office.drawing.articles[-1] == ENOUGH + 100


def test_what_is_older_than_a_month_tells_nothing_any_more(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    fill(office.store, 50, seen=office.clock.now() - 31 * DAY, first=ENOUGH)
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))
    assert office.drawing.articles == [ENOUGH]


def test_words_that_an_older_release_did_not_keep_are_made_before_the_archive_is_read(
    store: Store, broker: Broker, clock: FakeClock
) -> None:
    class Counted(Archive):
        made = 0

        def add_words(self, since: float, limit: int = 500) -> int:
            self.made += (now := super().add_words(since, limit))
            return now

        def corpus(self, model: str, since: float, limit: int) -> Corpus:
            assert self.made == ENOUGH
            return super().corpus(model, since, limit)

    archive = Counted(store)
    office = Office(store, broker, clock, archive=archive)
    fill(store, ENOUGH, seen=clock.now())
    without = [replace(each, bag=None, article=replace(each.article, revision=2)) for each in _judged(archive)]
    archive.put(without)
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))


def _judged(archive: Archive) -> list[Judged]:
    found = [each for chunk in archive.recent(0.0) for each in chunk]
    return [Judged(each.article, each.model, each.vectors, (), ()) for each in found]


# -- matching keeps the processor


def test_drawing_anew_takes_a_fifth_of_the_time_and_what_is_waited_for_a_half(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    many = [topic(f"t{n:02}") for n in range(4 * FEW)]
    office.log.append(TOPICS, many)
    office.drawing.takes = 1.0
    office.run(lambda: len(office.published()) == len(many), rounds=2_000)
    first, office.drawing.at = office.drawing.at, []
    assert _share(first) == pytest.approx(1 / 2, abs=0.05)
    office.clock.forward(DAY)
    office.run(lambda: len(office.drawing.at) == len(many), rounds=5_000)
    assert _share(office.drawing.at) == pytest.approx(1 / (1 + LONG_REST), abs=0.05)


def _share(at: Sequence[float]) -> float:
    """Of the time; each takes a second, and rests after it."""
    return (len(at) - 1) / (at[-1] - at[0])


def test_what_is_drawn_in_a_moment_is_published_together_and_nobody_waits_longer_for_his_own(office: Office) -> None:
    fill(office.store, ENOUGH, seen=office.clock.now())
    office.log.append(TOPICS, [topic(f"t{n}") for n in range(FEW)])
    office.drawing.takes = 0.2
    seen: list[int] = []

    def look() -> bool:
        if (count := len(office.published())) not in seen:
            seen.append(count)
        return count == FEW

    office.run(look)
    assert seen == [0, 3, 6, FEW]


def test_a_round_is_timed_from_the_first_topic_that_waits_to_the_last_that_is_done(office: Office) -> None:
    office.drawing.takes = 1.0
    fill(office.store, ENOUGH, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour"), topic("wheat")])
    office.run(lambda: bool(office.rounds))
    assert office.rounds == [pytest.approx(3.0, abs=0.1)]  # with a rest between the two


def test_who_calibrates_tells_how_many_wait_and_how_old_the_oldest_is(office: Office) -> None:
    seen: list[tuple[int, float | None]] = []

    def look() -> bool:
        standing = office.calibrating.standing
        if standing is not None and (standing.waiting, standing.oldest) not in seen:
            seen.append((standing.waiting, standing.oldest))
        return len(seen) == 2

    fill(office.store, ENOUGH, seen=office.clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.run(look)
    assert seen == [(1, None), (0, office.published()["harbour"].at)]
    assert office.calibrating.standing is None


# -- whatever happens


class Killed(Exception):
    pass


class Failing(Calibrations):
    """The first attempts to remember meet ``errors``."""

    errors: list[Exception]

    def remember(self, drawn: Sequence[Drawn]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        super().remember(drawn)


def test_a_crash_between_publishing_and_remembering_is_made_up_for_without_drawing_again(
    store: Store, broker: Broker, clock: FakeClock
) -> None:
    failing = Failing(store)
    failing.errors = [Killed()]
    killed = Office(store, broker, clock, calibrations=failing)
    fill(store, ENOUGH, seen=clock.now())
    killed.log.append(TOPICS, [topic("harbour"), topic("wheat")])
    with pytest.raises(Killed):
        killed.run(lambda: False)
    assert set(killed.published()) == {"harbour", "wheat"}
    assert killed.kept("harbour", "wheat") == {}
    again = Office(store, broker, clock)
    again.run(lambda: len(again.kept("harbour", "wheat")) == 2)
    again.idle()
    assert again.kept("harbour", "wheat") == killed.published()
    assert again.drawing.asked == []
    assert again.whys("harbour") == ["new version"]


def test_what_could_not_be_remembered_is_remembered_when_the_store_is_back(
    store: Store, broker: Broker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.calibrating.AWAY", 0.0)
    failing = Failing(store)
    failing.errors = [Unavailable("the store is away"), Unavailable("the store is away")]
    office = Office(store, broker, clock, calibrations=failing)
    fill(store, ENOUGH, seen=clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))
    office.idle()
    assert office.kept("harbour") == office.published()
    assert len(office.drawing.asked) == 1
    assert office.troubles == ["the store is away", "the store is away", ""]


def test_while_the_log_is_away_nothing_is_lost(
    store: Store, broker: Broker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.calibrating.AWAY", 0.0)
    troubles: list[str] = []

    def trouble(why: str) -> None:
        troubles.append(why)
        broker.down = False

    def away_once() -> None:
        broker.down = not troubles

    office = Office(store, broker, clock, trouble=trouble)
    office.drawing.meanwhile = away_once
    fill(store, ENOUGH, seen=clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))
    assert office.kept("harbour") == office.published()
    assert troubles == ["the broker is down", ""]


# -- one at a time


class Candidate(Office):
    """Stands for election before every round."""

    def __init__(self, store: Store, broker: Broker, clock: FakeClock, name: str) -> None:
        self.election = Election(Leases(store, owner=name, clock=clock, ttl=10.0), "calibrator")
        super().__init__(store, broker, clock, won=self.election.won)


def test_of_two_processes_one_calibrates_and_the_other_goes_on_when_it_is_gone(
    store: Store, broker: Broker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.calibrating.AWAY", 0.0)
    one, other = Candidate(store, broker, clock, "one"), Candidate(store, broker, clock, "other")
    fill(store, ENOUGH, seen=clock.now())
    one.log.append(TOPICS, [topic("harbour")])
    one.election.step()
    other.election.step()
    other.idle()
    assert other.drawing.asked == []
    one.run(lambda: bool(one.kept("harbour")))
    one.election.resign()
    other.election.step()
    one.log.append(TOPICS, [topic("harbour", 2)])
    one.idle()
    other.run(lambda: other.versions() == {"harbour": 2})
    assert one.drawing.asked == [("harbour", 1)]


def test_who_loses_the_election_while_drawing_publishes_nothing(
    store: Store, broker: Broker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.calibrating.AWAY", 0.0)
    slow = Candidate(store, broker, clock, "slow")
    slow.drawing.takes = 11.0  # longer than the lease
    fill(store, ENOUGH, seen=clock.now())
    slow.log.append(TOPICS, [topic("harbour")])
    slow.election.step()
    slow.idle(rounds=10)
    assert slow.drawing.asked == [("harbour", 1)]
    assert (slow.published(), slow.kept("harbour")) == ({}, {})


def test_what_a_predecessor_published_late_is_taken_over(office: Office) -> None:
    calibrated(office)
    late = replace(office.published()["harbour"], at=office.clock.now() + 1, line=0.8)
    said = [False]

    def publish_late() -> bool:
        if not said[0]:
            office.log.append(CALIBRATIONS, [late])
            said[0] = True
        return office.kept("harbour")["harbour"] == late

    office.run(publish_late)
    assert len(office.drawing.asked) == 1


# -- examples, and a second model


def test_examples_that_can_be_read_later_are_calibrated_with_then(
    store: Store, broker: Broker, clock: FakeClock
) -> None:
    sample = Sample(ref="https://e.example/", title="Fire", relevant=True, row=b"\x00\x3c" * DIMENSION)
    readable: list[Sample] = []
    embedder = FakeEmbedder(MODEL)
    office = Office(store, broker, clock, served=lambda: [Served(embedder, lambda _: tuple(readable))])
    fill(store, ENOUGH, seen=clock.now())
    office.log.append(TOPICS, [topic("harbour", examples=(sample.ref,)), topic("wheat")])
    office.run(lambda: len(office.kept("harbour", "wheat")) == 2)
    readable.append(sample)
    office.run(lambda: office.published()["harbour"].samples == (sample,))
    office.idle()
    assert office.whys("harbour") == ["first archive", "examples"]
    assert [asked for asked, _ in office.drawing.asked].count("wheat") == 1


def test_a_model_that_is_being_prepared_gets_calibrations_of_its_own(
    store: Store, broker: Broker, clock: FakeClock
) -> None:
    served = [Served(FakeEmbedder(MODEL))]
    office = Office(store, broker, clock, served=lambda: served)
    fill(store, ENOUGH, seen=clock.now())
    office.log.append(TOPICS, [topic("harbour")])
    office.run(lambda: bool(office.kept("harbour")))
    served.append(Served(FakeEmbedder("next")))
    office.idle()
    assert office.published("next") == {}  # it has read nothing yet
    fill(store, ENOUGH, seen=clock.now(), model="next", first=ENOUGH)
    office.run(lambda: bool(Calibrations(store).latest("next", ["harbour"])))
    assert set(office.published()) == set(office.published("next")) == {"harbour"}
    assert office.whys("harbour") == ["first archive", "new model"]
    office.log.append(TOPICS, [Tombstone("harbour")])
    office.run(lambda: not Calibrations(store).known())
    assert office.published() == office.published("next") == {}
