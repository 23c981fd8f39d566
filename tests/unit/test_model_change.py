"""Another model takes over without an hour in which nothing is matched, whatever fails on the way."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.agreement import AgreementReport
from consumers.embedding import DEFAULT_MODEL, DEFAULT_SHA256, Embedder
from consumers.errors import ModelUnusable
from consumers.matcher import Judged, Matcher
from consumers.model import Article, Calibration, Topic, calibration_key
from consumers.model_switch import Matchers
from daemon.errors import Unavailable
from daemon.model_agreement import Agreements
from daemon.model_change import CHUNK, PATIENCE, SHARE, WINDOW, ModelChange, Standing, checked, decide, next_size
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.calibrations import Calibrations, Drawn
from daemon.store.models import Models, preparing, verbs
from daemon.wire import from_json
from tests.fake_embedder import FakeEmbedder
from tests.fake_log import FakeClock

OLD, NEW = "old@1", "new@2"
GERMAN = {"brück": "bridg", "brücke": "bridg", "eingestürzt": "collaps", "einsturz": "collaps"}
BRIDGE = Topic(id="bridge", query="bridge collapse Dover")
WHEAT = Topic(id="wheat", query="wheat exports")


class Inline(Executor):
    """Does at once what it is given."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except (ModelUnusable, Unavailable) as error:
            future.set_exception(error)
        return future


class Crash(Exception):
    """The process dies."""


class CrashingModels(Models):
    """Dies around its nth write: before it is done, or just after."""

    def __init__(self, store: Store, at: int, *, after: bool) -> None:
        super().__init__(store)
        self._left = at
        self._after = after

    def _crash(self, work: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        done = work()
        if self._left == 0:
            raise Crash
        return done

    def adopt(self, *args: Any) -> Any:
        return self._crash(lambda: super(CrashingModels, self).adopt(*args))

    def prepare(self, *args: Any) -> Any:
        return self._crash(lambda: super(CrashingModels, self).prepare(*args))

    def settle(self, *args: Any) -> Any:
        return self._crash(lambda: super(CrashingModels, self).settle(*args))

    def put(self, *args: Any) -> Any:
        return self._crash(lambda: super(CrashingModels, self).put(*args))

    def report(self, *args: Any) -> Any:
        return self._crash(lambda: super(CrashingModels, self).report(*args))

    def take_over(self, *args: Any, **kwargs: Any) -> Any:
        return self._crash(lambda: super(CrashingModels, self).take_over(*args, **kwargs))

    def tidy(self, *args: Any) -> Any:
        return self._crash(lambda: super(CrashingModels, self).tidy(*args))


class SlowEmbedder(FakeEmbedder):
    """Takes time by a fake clock."""

    def __init__(self, model_id: str, clock: FakeClock, seconds: float) -> None:
        super().__init__(model_id)
        self._clock = clock
        self._seconds = seconds

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self._clock.forward(self._seconds * len(texts))
        return super().encode(texts)


class Desk:
    """A store, the models that can be loaded, and processes that match with them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = FakeClock()
        self.archive = Archive(store)
        self.said: list[str] = []
        self.loadable: dict[str, Callable[[], Embedder]] = {
            "old": lambda: FakeEmbedder(OLD),
            "new": lambda: FakeEmbedder(NEW, means=GERMAN),
        }

    def load(self, name: str) -> Embedder:
        if name not in self.loadable:
            raise ModelUnusable(f"there is no {name}")
        return self.loadable[name]()

    def start(
        self,
        name: str,
        *topics: Topic,
        models: Models | None = None,
        leads: bool = True,
        ask: bool = False,
    ) -> "Running":
        models = models or Models(self.store)
        change = ModelChange(
            models=models,
            load=self.load,
            name=name,
            make=Matcher,
            clock=self.clock,
            window=WINDOW,
            leads=lambda: leads,
            compare=Agreements(models, lambda model: self.archive.corpus(model, self.clock.now() - WINDOW, 10_000)),
            ask=ask,
            background=Inline(),
            say=self.said.append,
        )
        return Running(self, change, change.open(), topics or (BRIDGE, WHEAT))

    def states(self) -> dict[str, str]:
        return {known.id: known.state for known in Models(self.store).all()}

    def read_by(self, model: str) -> int:
        return Models(self.store).progress(model, 0.0).done

    def report(self) -> AgreementReport:
        found = next(known for known in Models(self.store).all() if known.report)
        return from_json(AgreementReport, found.report)


class Running:
    """A process that matches: what a pump does between and with its batches."""

    def __init__(self, desk: Desk, change: ModelChange, matchers: Matchers, topics: Sequence[Topic]) -> None:
        self.desk = desk
        self.change = change
        self.matchers = matchers
        matchers.apply({topic.id: topic for topic in topics})

    def match(self, *articles: Article) -> list[Judged]:
        judged = self.matchers.match(articles)
        self.desk.archive.put(judged)
        self.change.beside(judged)
        return judged

    def rounds(self, until: Callable[[], bool]) -> None:
        for _ in range(400):
            if until():
                return
            self.idle(1)
        raise AssertionError(f"never came: {self.desk.states()}, {self.desk.said}")

    def idle(self, seconds: int) -> None:
        for _ in range(seconds):
            self.change.round()
            self.desk.clock.forward(1.0)

    def until_decides(self, model: str) -> None:
        self.rounds(lambda: self.matchers.model == model)

    def until_tidy(self) -> None:
        self.rounds(lambda: not Models(self.desk.store).tidy(self.matchers.model, "", 1))


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def article(n: int, clock: FakeClock, title: str = "Bridge collapse in Dover", **fields: Any) -> Article:
    made = Article(
        id=f"article-{n:04}",
        feed_id="f",
        source="example.org",
        url=f"https://example.org/{n}",
        title=title,
        text=f"{title}, said the mayor on day {n}.",
        seen=clock.now() - n,
    )
    return replace(made, **fields)


def matched(judged: Sequence[Judged]) -> list[list[str]]:
    return [[match.topic_id for match in each.matches] for each in judged]


def seeded(desk: Desk, count: int) -> None:
    titles = ("Bridge collapse in Dover", "Wheat exports rise", "Die Brücke in Dover ist eingestürzt", "It rained")
    running = desk.start("old")
    running.match(*(article(n, desk.clock, titles[n % len(titles)]) for n in range(count)))


# -- the whole way


def test_the_configured_model_is_put_in_force_and_stays_there(desk: Desk) -> None:
    running = desk.start("old")
    running.match(article(1, desk.clock))
    running.idle(20)
    assert desk.states() == {OLD: "in force"}
    assert desk.start("old").matchers.next_model == ""


def test_the_old_model_decides_until_the_new_one_has_read_the_archive_and_no_article_is_missed(desk: Desk) -> None:
    seeded(desk, 40)
    running = desk.start("new")
    deciding = []
    for n in range(100, 400):
        judged = running.match(article(n, desk.clock, seen=desk.clock.now()))
        assert matched(judged) == [["bridge"]]
        deciding.append(judged[0].model)
        running.idle(1)
        if judged[0].model == NEW:
            break
    switched = deciding.index(NEW)
    assert set(deciding[:switched]) == {OLD}
    assert desk.states() == {OLD: "retired", NEW: "in force"}
    assert desk.read_by(NEW) == 40 + len(deciding)
    running.until_tidy()
    assert {kept.model for chunk in desk.archive.recent(0.0) for kept in chunk} == {NEW}


def test_a_topic_finds_another_language_once_a_multilingual_model_decides(desk: Desk) -> None:
    seeded(desk, 8)
    german = article(99, desk.clock, "Brücke eingestürzt in Dover")
    running = desk.start("new")
    assert matched(running.match(german)) == [[]]
    running.until_decides(NEW)
    assert matched(running.match(german)) == [["bridge"]]


def test_agreement_is_reported_topic_by_topic_with_examples_before_the_new_model_takes_over(desk: Desk) -> None:
    seeded(desk, 40)
    desk.start("new", ask=True).rounds(lambda: any(known.report for known in Models(desk.store).all()))
    report = desk.report()
    assert (report.before, report.after, report.articles) == (OLD, NEW, 40)
    topics = {topic.topic_id: topic for topic in report.topics}
    assert (topics["wheat"].share, topics["wheat"].both) == (1.0, 10)
    assert (topics["bridge"].both, topics["bridge"].only_before) == (10, 0)
    assert 0 < topics["bridge"].only_after <= 10
    assert {example.title for example in topics["bridge"].taken_after} == {"Die Brücke in Dover ist eingestürzt"}
    assert report.topics[0].topic_id == "bridge"


def test_gates_are_passed_by_what_is_counted(desk: Desk) -> None:
    seeded(desk, 40)
    only = replace(BRIDGE, sources=("elsewhere.example",))
    desk.start("new", only, ask=True).rounds(lambda: any(known.report for known in Models(desk.store).all()))
    (topic,) = desk.report().topics
    assert (topic.both, topic.only_before, topic.only_after) == (0, 0, 0)


def test_who_wants_to_be_asked_is_asked(desk: Desk) -> None:
    seeded(desk, 4)
    running = desk.start("new", ask=True)
    running.rounds(lambda: bool((ahead := preparing(Models(desk.store).all())) and ahead.report))
    running.idle(20)
    assert running.matchers.model == OLD
    verbs(Models(desk.store), desk.clock)["models.use"]({"model": NEW})
    running.until_decides(NEW)


def test_who_goes_back_before_the_change_keeps_the_old_model_and_nothing_of_the_new_one(desk: Desk) -> None:
    seeded(desk, 40)
    desk.start("new").rounds(lambda: desk.read_by(NEW) > 0)
    running = desk.start("old")
    assert (running.matchers.model, running.matchers.next_model) == (OLD, "")
    running.rounds(lambda: desk.read_by(NEW) == 0)
    assert desk.states() == {OLD: "in force", NEW: "retired"}


def test_who_goes_back_after_the_change_finds_most_of_it_done(desk: Desk) -> None:
    seeded(desk, 8)
    desk.start("new").until_decides(NEW)
    desk.start("old").until_decides(OLD)
    assert desk.states() == {OLD: "in force", NEW: "retired"}


# -- what is missing


def test_where_the_old_model_is_gone_the_new_one_decides_at_once_and_it_is_said(desk: Desk) -> None:
    seeded(desk, 8)
    del desk.loadable["old"]
    running = desk.start("new")
    assert matched(running.match(article(9, desk.clock))) == [["bridge"]]
    assert running.matchers.model == NEW
    assert [OLD in why for why in desk.said] == [True]
    running.rounds(lambda: desk.read_by(NEW) == 9)


def test_other_weights_under_the_same_name_are_another_model(desk: Desk) -> None:
    seeded(desk, 8)
    desk.loadable["old"] = lambda: FakeEmbedder("old@other")
    running = desk.start("old")
    assert running.matchers.model == "old@other"
    assert desk.states() == {OLD: "retired", "old@other": "in force"}
    assert [OLD in why for why in desk.said] == [True]


def test_a_configured_model_that_cannot_be_loaded_is_refused(desk: Desk) -> None:
    seeded(desk, 1)
    with pytest.raises(ModelUnusable, match="there is no typo"):
        desk.start("typo")
    assert desk.states() == {OLD: "in force"}


def test_a_matcher_that_cannot_load_the_new_model_goes_on_with_the_old_one_and_tries_again(desk: Desk) -> None:
    seeded(desk, 8)
    behind = desk.start("old", leads=False)
    desk.start("new").until_decides(NEW)
    new = desk.loadable.pop("new")
    for n in range(10):
        behind.idle(1)
        assert matched(behind.match(article(100 + n, desk.clock))) == [["bridge"]]
    assert behind.matchers.model == OLD
    assert len(desk.said) == 1
    desk.loadable["new"] = new
    behind.until_decides(NEW)


def test_weights_are_checked_where_their_digest_is_given() -> None:
    load = partial(checked, lambda name: FakeEmbedder(name), DEFAULT_MODEL)
    assert load("")(DEFAULT_MODEL).model_id == DEFAULT_MODEL
    assert load(DEFAULT_SHA256)(DEFAULT_MODEL).model_id == DEFAULT_MODEL
    assert load("0" * 64)("the one before").model_id == "the one before"
    with pytest.raises(ModelUnusable, match="sha256"):
        load("0" * 64)(DEFAULT_MODEL)


# -- crashes, outages, fellows


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_any_write_is_made_up_for_by_the_next_life(desk: Desk, after: bool) -> None:
    seeded(desk, 24)
    crashes = 0
    for at in range(1, 60):
        try:
            running = desk.start("new", models=CrashingModels(desk.store, at, after=after))
            running.match(article(100 + at, desk.clock))
            running.until_decides(NEW)
            running.until_tidy()
        except Crash:
            crashes += 1
        else:
            break
    assert crashes > 5
    assert desk.states() == {OLD: "retired", NEW: "in force"}
    finished = desk.start("new")
    finished.rounds(lambda: desk.read_by(NEW) == desk.archive.count())
    finished.until_tidy()
    assert {kept.model for chunk in desk.archive.recent(0.0) for kept in chunk} == {NEW}
    assert matched(finished.match(article(999, desk.clock))) == [["bridge"]]


def test_what_was_read_is_not_read_again_after_a_restart(desk: Desk) -> None:
    seeded(desk, 40)
    running = desk.start("new")
    running.rounds(lambda: desk.read_by(NEW) >= 12)
    done, embedder = desk.read_by(NEW), FakeEmbedder(NEW, means=GERMAN)
    desk.loadable["new"] = lambda: embedder
    desk.start("new").until_decides(NEW)
    assert len(embedder.encoded) <= 3 * (40 - done)  # each is a whole, a title and a passage


def test_while_the_store_is_away_articles_are_matched_and_it_is_said_once(desk: Desk) -> None:
    class AwayModels(Models):
        away = False

        def all(self) -> Any:
            if self.away:
                raise Unavailable("the store is away")
            return super().all()

    seeded(desk, 8)
    models = AwayModels(desk.store)
    running = desk.start("new", models=models)
    models.away = True
    for n in range(30):
        running.idle(1)
        assert matched(running.matchers.match([article(n, desk.clock)])) == [["bridge"]]
    assert len(desk.said) == 1
    models.away = False
    running.until_decides(NEW)


def test_every_matcher_follows_and_what_a_late_one_archives_has_the_new_vectors_too(desk: Desk) -> None:
    seeded(desk, 8)
    leader, other = desk.start("new"), desk.start("new", leads=False)
    leader.until_decides(NEW)
    leader.until_tidy()
    leader.idle(5)
    assert other.matchers.model == OLD
    assert matched(other.match(article(50, desk.clock))) == [["bridge"]]
    other.until_decides(NEW)
    assert matched(other.match(article(51, desk.clock))) == [["bridge"]]
    assert desk.read_by(NEW) == 10
    leader.rounds(lambda: {kept.model for kept in desk.archive.by_id(["article-0050"])} == {NEW})


def test_a_matcher_that_does_not_lead_reads_what_it_archives_and_nothing_else(desk: Desk) -> None:
    seeded(desk, 8)
    other = desk.start("new", leads=False)
    for n in range(20):
        other.idle(1)
        other.match(article(100 + n, desk.clock))
    assert (other.matchers.model, desk.read_by(NEW)) == (OLD, 20)


def test_what_a_matcher_without_the_new_model_archives_meanwhile_is_read_before_anything_is_drawn_from_it(
    desk: Desk,
) -> None:
    seeded(desk, 40)
    other, running = desk.start("old"), desk.start("new")
    running.rounds(lambda: desk.read_by(NEW) >= 20)
    other.match(article(100, desk.clock, seen=desk.clock.now()), article(101, desk.clock, seen=desk.clock.now() + 5))
    running.rounds(lambda: len(running.change.to_calibrate()) == 2)
    assert desk.read_by(NEW) == 42


# -- nobody waits


def test_a_live_article_waits_for_one_small_chunk_and_most_of_the_time_is_its_own(desk: Desk) -> None:
    seeded(desk, 300)
    desk.loadable["new"] = lambda: SlowEmbedder(NEW, desk.clock, 0.01)
    running = desk.start("new")
    took, started, step = 0.0, desk.clock.monotonic(), 0.05
    while desk.read_by(NEW) < 300:
        before = desk.clock.monotonic()
        running.change.round()
        spent = desk.clock.monotonic() - before
        assert spent <= 2 * CHUNK + 0.03
        took += spent
        desk.clock.forward(step)
    assert took <= (desk.clock.monotonic() - started) * SHARE * 1.1


@given(st.integers(1, 64), st.floats(0, 100))
def test_a_chunk_grows_and_shrinks_by_half_at_most_and_never_to_nothing(size: int, took: float) -> None:
    assert max(1, size // 2) <= next_size(size, took) <= min(64, 2 * size)


def test_many_topics_are_told_to_the_new_model_little_by_little_and_all_of_them(desk: Desk) -> None:
    seeded(desk, 1)
    many = [Topic(id=f"topic-{n}", query=f"harbour number{n}") for n in range(150)]
    new = FakeEmbedder(NEW)
    desk.loadable["new"] = lambda: new
    running = desk.start("new", *many)
    told = []
    while not running.matchers.told:
        running.idle(1)
        told.append(len(new.queries))
    assert max(np.diff([0, *told])) <= 64
    running.matchers.apply({"topic-7": Topic(id="topic-7", query="quay", version=2), "topic-8": None})
    running.until_decides(NEW)
    assert len(running.matchers.topics_in_force) == 149
    assert running.matchers.topics_in_force["topic-7"] == 2


def test_a_topic_that_comes_at_the_last_moment_is_in_force_after_the_switch(desk: Desk) -> None:
    seeded(desk, 1)
    running = desk.start("new", BRIDGE)
    running.matchers.apply({"wheat": WHEAT})
    running.matchers.switch()
    assert running.matchers.model == NEW
    assert matched(running.matchers.match([article(1, desk.clock, "Wheat exports rise")])) == [["wheat"]]


# -- calibrations


def calibrate(desk: Desk, running: Running, *topics: Topic) -> None:
    """As the thread that calibrates does, for every model that it is given."""
    for embedder in running.change.to_calibrate():
        made = [
            Calibration(topic_id=topic.id, topic_version=topic.version, model=embedder.model_id, at=1.0, line=0.4)
            for topic in topics
        ]
        Calibrations(desk.store).remember([Drawn(calibration=each, why="new model") for each in made])
        running.matchers.calibrate({calibration_key(each.topic_id, each.model): each for each in made})


def test_the_new_model_takes_over_when_every_topic_has_a_calibration_from_the_whole_archive(desk: Desk) -> None:
    seeded(desk, 240)
    running = desk.start("new")
    while desk.read_by(NEW) < 240:
        assert [embedder.model_id for embedder in running.change.to_calibrate()] == [OLD]
        running.idle(1)
    running.rounds(lambda: len(running.change.to_calibrate()) == 2)
    calibrate(desk, running, BRIDGE)
    running.idle(50)
    assert running.matchers.model == OLD
    calibrate(desk, running, BRIDGE, WHEAT)
    running.until_decides(NEW)
    assert [embedder.model_id for embedder in running.change.to_calibrate()] == [NEW]


def test_a_calibration_is_not_waited_for_for_ever(desk: Desk) -> None:
    seeded(desk, 240)
    running = desk.start("new")
    running.rounds(lambda: len(running.change.to_calibrate()) == 2)
    desk.clock.forward(PATIENCE)
    running.until_decides(NEW)


def test_each_model_has_its_own_calibrations_whenever_they_come(desk: Desk) -> None:
    seeded(desk, 4)
    running = desk.start("new")

    def calibration(model: str, line: float) -> dict[str, Calibration | None]:
        made = Calibration(topic_id="bridge", topic_version=1, model=model, at=1.0, line=line, bar=0.0)
        return {calibration_key("bridge", model): made}

    running.matchers.calibrate(calibration(OLD, -9.0) | calibration(NEW, 9.0))  # before the new one knows the topic
    collapse = article(5, desk.clock)
    assert matched(running.matchers.match([collapse])) == [["bridge"]]
    running.until_decides(NEW)
    assert matched(running.matchers.match([collapse])) == [[]]
    running.matchers.calibrate({calibration_key("bridge", OLD): None})
    assert matched(running.matchers.match([collapse])) == [[]]
    running.matchers.calibrate({calibration_key("bridge", NEW): None})
    assert matched(running.matchers.match([collapse])) == [["bridge"]]


def test_calibrations_that_came_before_the_model_are_in_force_with_it(desk: Desk) -> None:
    seeded(desk, 4)
    other = desk.start("old", leads=False)
    far = Calibration(topic_id="bridge", topic_version=1, model=NEW, at=1.0, line=9.0)
    other.matchers.calibrate({calibration_key("bridge", NEW): far})
    desk.start("new").until_decides(NEW)
    assert matched(other.matchers.match([article(5, desk.clock)])) == [["bridge"]]
    other.until_decides(NEW)
    assert matched(other.matchers.match([article(5, desk.clock)])) == [[]]


# -- the decision alone

ids = st.sampled_from(["a", "b", ""])


@given(
    st.builds(
        Standing,
        deciding=st.sampled_from("ab"),
        in_force=st.sampled_from("ab"),
        next=ids,
        preparing=ids,
        told=st.booleans(),
        leads=st.booleans(),
        untidy=st.booleans(),
        unread=st.booleans(),
        uncalibrated=st.booleans(),
        compared=st.booleans(),
        ask=st.booleans(),
    )
)
def test_nothing_is_swapped_that_is_not_ready_and_only_the_leader_does_what_is_done_once(now: Standing) -> None:
    assume(now.in_force != now.preparing)  # a model is in one state
    step = decide(now)
    if step == "swap":
        assert now.told
        assert now.next == now.in_force != now.deciding
    if step == "take over":
        assert now.leads
        assert now.told
        assert now.compared
        assert not now.ask
        assert now.next == now.preparing
        assert now.deciding == now.in_force
        assert not now.untidy
        assert not now.unread
    if not now.leads:
        assert step in ("load", "drop", "catch up", "swap", "nothing")


def test_the_steps_of_a_change_follow_each_other() -> None:
    now = Standing(deciding="a", in_force="a", preparing="b", untidy=True, unread=True, uncalibrated=True)
    steps = []
    for then in (
        {"next": "b"},
        {"told": True},
        {"untidy": False},
        {"unread": False},
        {"uncalibrated": False},
        {"compared": True},
        {"in_force": "b", "preparing": ""},
        {"deciding": "b", "next": ""},
    ):
        steps.append(decide(now))
        now = replace(now, **then)  # type: ignore[arg-type]
    assert steps == ["load", "catch up", "tidy", "re-read", "calibrate", "compare", "take over", "swap"]
    assert decide(now) == "nothing"
