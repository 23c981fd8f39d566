"""The loop: order, priority, patience, quarantine, stopping."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import Reject, Retry
from consumers.model import ARTICLES, BACKFILL, Article
from daemon.errors import QuarantineLimitReached, Unavailable
from daemon.log.codec import decode
from daemon.pump import Pump
from daemon.suspects import Suspects
from tests.fake_log import Broker, FakeClock, FakeQuarantine, MemoryLog, article, articles


class FakeStop(threading.Event):
    """Pauses take no time and are written down; the pause number ``at_pause`` is where somebody stops the pump."""

    def __init__(self, at_pause: int = 1_000) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._at_pause = at_pause

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        if len(self.pauses) >= self._at_pause:
            self.set()
        return self.is_set()


@dataclass
class FakeSink:
    """Takes what it is given; ``answers`` are raised first, one a call."""

    answers: list[Exception] = field(default_factory=list)
    rejects: frozenset[str] = frozenset()
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, results: Sequence[str]) -> None:
        self.calls.append(list(results))
        if self.answers:
            raise self.answers.pop(0)
        if self.rejects & set(results):
            raise Reject("the sink does not take it")

    def taken(self) -> list[str]:
        return [result for call in self.calls for result in call]


def name_of_each(batch: Sequence[Article]) -> list[str]:
    return [one.id for one in batch]


def refusing(*bad: str) -> Callable[[Sequence[Article]], list[str]]:
    def handle(batch: Sequence[Article]) -> list[str]:
        for one in batch:
            if one.id in bad or bad == ("everything",):
                raise Reject(f"{one.id} is bad")
        return name_of_each(batch)

    return handle


class World:
    """A pump over a log in memory. ``run`` ends when all that was appended is done."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.clock = FakeClock()
        self.quarantine = FakeQuarantine()
        self.log = MemoryLog(self.broker, quarantine=self.quarantine, clock=self.clock)
        self.stop = FakeStop()
        self.batches: list[tuple[str, int]] = []
        self.troubles: list[str] = []
        self.rejected: list[str] = []

    def pump(self, *sinks: Callable[[Sequence[str]], None], **changes: Any) -> Pump[Article, str]:
        arguments: dict[str, Any] = {
            "log": self.log,
            "streams": [ARTICLES, BACKFILL],
            "group": "match",
            "handle": name_of_each,
            "sinks": sinks,
            "quarantine": self.quarantine,
            "clock": self.clock,
            "wait": 0.0,
            "rng": random.Random(1),
            "on_batch": self.batch_done,
            "on_reject": lambda stream, reason: self.rejected.append(reason),
            "on_trouble": self.troubles.append,
        }
        return Pump(**(arguments | changes))

    def run(self, *sinks: Callable[[Sequence[str]], None], **changes: Any) -> None:
        self.pump(*sinks, **changes).run(self.stop)

    def batch_done(self, stream: str, count: int, seconds: float) -> None:
        self.batches.append((stream, count))
        if all(self.left(stream) == 0 for stream in ("articles", "articles.backfill")):
            self.stop.set()

    def left(self, stream: str) -> int:
        return len(self.broker.records[stream]) - self.broker.places.get((stream, "match"), 0)


@pytest.fixture
def world() -> World:
    return World()


def test_every_record_goes_through_every_sink_in_order_and_is_committed(world: World) -> None:
    world.log.append(ARTICLES, articles(5))
    order: list[str] = []
    world.run(lambda results: order.append(f"first {len(results)}"), lambda results: order.append("second"), batch=2)
    assert order == ["first 2", "second", "first 2", "second", "first 1", "second"]
    assert world.left("articles") == 0


def test_nothing_is_handed_over_when_there_are_no_results(world: World) -> None:
    world.log.append(ARTICLES, articles(3))
    sink = FakeSink()
    world.run(sink, handle=lambda batch: [])
    assert sink.calls == []
    assert world.left("articles") == 0


def test_live_records_come_before_backfill_and_never_wait_for_more_than_a_small_batch(world: World) -> None:
    world.log.append(BACKFILL, articles(6, "old"))
    world.log.append(ARTICLES, articles(2, "live"))
    late = iter([lambda: world.log.append(ARTICLES, [article("late")])])

    def sink(results: Sequence[str]) -> None:
        seen.extend(results)
        if "old0" in results:
            next(late)()

    seen: list[str] = []
    world.run(sink, later_batch=2)
    assert seen == ["live0", "live1", "old0", "old1", "late", "old2", "old3", "old4", "old5"]


def test_each_round_comes_before_every_read(world: World) -> None:
    world.log.append(ARTICLES, articles(2))
    happened: list[str] = []
    world.run(lambda results: happened.extend(results), each_round=lambda: happened.append("round"), batch=1)
    assert happened == ["round", "a0", "round", "a1"]


def test_a_step_that_fails_is_repeated_without_the_steps_before_it(world: World) -> None:
    world.log.append(ARTICLES, articles(2))
    first, second = FakeSink(), FakeSink(answers=[Unavailable("store is away"), Retry("busy")])
    handled: list[int] = []

    def handle(batch: Sequence[Article]) -> list[str]:
        handled.append(len(batch))
        return name_of_each(batch)

    world.run(first, second, handle=handle)
    assert handled == [2]
    assert first.calls == [["a0", "a1"]]
    assert second.calls == [["a0", "a1"]] * 3
    assert world.troubles == ["store is away", "busy", ""]
    assert world.left("articles") == 0


def test_handle_and_each_round_are_repeated_too(world: World) -> None:
    world.log.append(ARTICLES, articles(1))
    answers = [Unavailable("topics away"), Unavailable("model away")]

    def trouble() -> None:
        if answers:
            raise answers.pop(0)

    def handle(batch: Sequence[Article]) -> list[str]:
        trouble()
        return name_of_each(batch)

    sink = FakeSink()
    world.run(sink, each_round=lambda: trouble() if len(answers) == 2 else None, handle=handle)
    assert sink.taken() == ["a0"]
    assert world.troubles == ["topics away", "", "model away", ""]


def test_pauses_grow_to_half_a_minute_and_obey_the_other_side_s_wish(world: World) -> None:
    world.log.append(ARTICLES, articles(1))
    outage: list[Exception] = [Unavailable("away") for _ in range(12)]
    world.run(FakeSink(answers=[*outage, Retry("slow down", after=90.0)]))
    *pauses, last = world.stop.pauses
    for number, pause in enumerate(pauses):
        longest = min(30.0, 0.25 * 2**number)
        assert longest / 2 <= pause <= longest
    assert last == 90.0


def test_the_next_trouble_begins_with_a_short_pause_again(world: World) -> None:
    world.log.append(ARTICLES, articles(1))
    first = FakeSink(answers=[Unavailable("away") for _ in range(5)])
    world.run(first, FakeSink(answers=[Unavailable("away")]))
    assert world.stop.pauses[-1] <= 0.25


def test_an_outage_of_the_log_is_waited_out(world: World) -> None:
    world.log.append(ARTICLES, articles(3))
    world.broker.down = True

    def back(why: str) -> None:
        world.troubles.append(why)
        world.broker.down = len(world.troubles) < 3

    sink = FakeSink()
    world.run(sink, on_trouble=back)
    assert sink.taken() == ["a0", "a1", "a2"]


def test_a_rejected_record_is_set_aside_and_the_rest_goes_on(world: World) -> None:
    world.log.append(ARTICLES, articles(5))
    sink = FakeSink()
    world.run(sink, handle=refusing("a1", "a3"))
    assert sink.taken() == ["a0", "a2", "a4"]
    assert world.quarantine.reasons() == ["a1 is bad", "a3 is bad"]
    assert world.rejected == ["a1 is bad", "a3 is bad"]
    assert world.left("articles") == 0


def test_a_dead_letter_holds_the_record_and_where_it_came_from(world: World) -> None:
    world.log.append(ARTICLES, [article("bad", text="“text”")])
    world.run(FakeSink(), handle=refusing("bad"))
    (letter,) = world.quarantine.letters.values()
    assert decode(ARTICLES, letter.payload) == article("bad", text="“text”")
    assert (letter.stream, letter.group, letter.at) == ("articles", "match", world.clock.now())


def test_the_same_record_rejected_twice_is_one_dead_letter(world: World) -> None:
    world.log.append(ARTICLES, [article("bad"), article("bad"), article("bad", text="another revision")])
    world.run(FakeSink(), handle=refusing("bad"))
    assert len(world.quarantine.letters) == 2


def test_a_record_that_a_sink_rejects_is_set_aside_too(world: World) -> None:
    world.log.append(ARTICLES, articles(3))
    first, second = FakeSink(), FakeSink(rejects=frozenset({"a1"}))
    world.run(first, second)
    assert world.quarantine.reasons() == ["the sink does not take it"]
    assert second.calls == [["a0", "a1", "a2"], ["a0"], ["a1"], ["a2"]]


def test_a_batch_that_is_rejected_together_and_accepted_one_by_one_loses_nothing(world: World) -> None:
    world.log.append(ARTICLES, articles(3))

    def handle(batch: Sequence[Article]) -> list[str]:
        if len(batch) > 1:
            raise Reject("too much at once")
        return name_of_each(batch)

    sink = FakeSink()
    world.run(sink, handle=handle)
    assert sink.calls == [["a0"], ["a1"], ["a2"]]
    assert world.quarantine.letters == {}


def test_a_record_waits_while_the_quarantine_is_away(world: World) -> None:
    world.log.append(ARTICLES, articles(2))
    world.quarantine.down = True

    def back(why: str) -> None:
        world.quarantine.down = False

    world.run(FakeSink(), handle=refusing("a0"), on_trouble=back)
    assert len(world.quarantine.letters) == 1


def test_when_everything_is_rejected_the_pump_stops_and_commits_no_more(world: World) -> None:
    world.log.append(ARTICLES, articles(50))
    with pytest.raises(QuarantineLimitReached, match=r"11 records in a row .* a10 is bad; look for the fault"):
        world.run(FakeSink(), handle=refusing("everything"), batch=4, quarantine_limit=10)
    assert len(world.quarantine.letters) == 10
    assert world.left("articles") == 42


def test_a_pump_that_is_started_again_without_a_change_sets_nothing_more_aside(world: World) -> None:
    world.log.append(ARTICLES, articles(50))
    pump = world.pump(FakeSink(), handle=refusing("everything"), quarantine_limit=10)
    for _ in range(3):
        with pytest.raises(QuarantineLimitReached):
            pump.run(world.stop)
    assert len(world.quarantine.letters) == 10


def test_one_success_forgives_the_rejected_ones_before_it(world: World) -> None:
    bad = [f"a{number}" for number in range(40) if number % 10]
    world.log.append(ARTICLES, articles(40))
    world.run(FakeSink(), handle=refusing(*bad), quarantine_limit=9)
    assert len(world.quarantine.letters) == 36


def test_a_fenced_pump_starts_over_and_repeats_nothing_that_was_committed(world: World) -> None:
    world.log.append(ARTICLES, articles(4))
    sink = FakeSink()

    def rival(results: Sequence[str]) -> None:
        if len(sink.calls) == 1:
            reader = world.log.reader(ARTICLES, "match")
            reader.read(2, 0.0)
            reader.commit()

    world.run(sink, rival, batch=3)
    assert sink.calls == [["a0", "a1", "a2"], ["a2", "a3"]]
    assert world.left("articles") == 0


def test_anything_else_crashes_the_role_and_nothing_is_committed(world: World) -> None:
    world.log.append(ARTICLES, articles(2))
    with pytest.raises(ZeroDivisionError):
        world.run(FakeSink(answers=[ZeroDivisionError()]))
    assert world.left("articles") == 2


def test_a_stop_during_a_batch_finishes_and_commits_it(world: World) -> None:
    world.log.append(ARTICLES, articles(4))
    world.run(lambda results: world.stop.set(), batch=2)
    assert world.batches == [("articles", 2)]
    assert world.left("articles") == 2


def test_a_stop_during_an_outage_gives_the_batch_back(world: World) -> None:
    world.log.append(ARTICLES, articles(2))
    world.stop = FakeStop(at_pause=3)
    world.run(FakeSink(answers=[Unavailable("away") for _ in range(10)]))
    assert len(world.stop.pauses) == 3
    assert world.left("articles") == 2


def test_a_pump_that_is_stopped_before_it_runs_reads_nothing(world: World) -> None:
    world.stop.set()
    world.run(each_round=lambda: pytest.fail("it read"))


def test_a_waiting_pump_stops_soon_and_wakes_from_a_long_pause_at_once(world: World) -> None:
    stop, paused = threading.Event(), threading.Event()
    world.log.append(ARTICLES, articles(1))
    sink = FakeSink(answers=[Retry("much later", after=3_600.0)])
    pump = world.pump(sink, on_trouble=lambda why: paused.set())
    running = threading.Thread(target=pump.run, args=(stop,), daemon=True)
    running.start()
    assert paused.wait(30)
    stop.set()
    running.join(30)
    assert not running.is_alive()


@given(
    names=st.lists(st.sampled_from(["good", "bad", "away"]), max_size=30),
    batch=st.integers(1, 7),
    live=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_whatever_happens_every_record_is_handed_over_or_set_aside(
    names: list[str], batch: int, live: list[bool]
) -> None:
    world = World()
    records = [article(f"{name}{number}") for number, name in enumerate(names)]
    for record, is_live in zip(records, live, strict=False):
        world.log.append(ARTICLES if is_live else BACKFILL, [record])
    away = {record.id for record in records if record.id.startswith("away")}
    done: list[str] = []

    def sink(results: Sequence[str]) -> None:
        for name in results:
            if name in away:
                away.remove(name)
                raise Unavailable(f"{name} is not possible yet")
        done.extend(results)

    bad = [record.id for record in records if record.id.startswith("bad")]
    if records:
        world.run(sink, handle=refusing(*bad), batch=batch)
    assert sorted(done) == sorted(record.id for record in records if record.id not in bad)
    assert len(world.quarantine.letters) == len(bad)


def restarted(world: World, *sinks: Callable[[Sequence[str]], None], **changes: Any) -> int:
    """Runs a new pump after every unexpected failure, as the supervisor does. How many failures there were."""
    suspects, failures = Suspects(), 0
    while failures < 50:
        try:
            world.run(*sinks, suspects=suspects, **changes)
        except (ZeroDivisionError, KeyError):
            failures += 1
        else:
            return failures
    raise AssertionError("it fails for ever")


def failing(*bad: str) -> Callable[[Sequence[Article]], list[str]]:
    def handle(batch: Sequence[Article]) -> list[str]:
        if any(one.id in bad for one in batch):
            raise ZeroDivisionError("nobody expected this")
        return name_of_each(batch)

    return handle


def test_a_record_that_fails_the_role_every_time_is_set_aside_and_those_behind_it_go_on(world: World) -> None:
    world.log.append(ARTICLES, articles(6))
    sink = FakeSink()
    assert restarted(world, sink, handle=failing("a2"), batch=4) == 5
    assert set(sink.taken()) == {"a0", "a1", "a3", "a4", "a5"}
    assert world.left("articles") == 0
    [reason] = world.quarantine.reasons()
    assert "ZeroDivisionError: nobody expected this" in reason


def test_a_record_of_backfill_that_fails_every_time_is_found_while_live_ones_go_on_arriving(world: World) -> None:
    world.log.append(BACKFILL, articles(3, "old"))
    live = iter(range(100))
    handle = failing("old1")

    def with_news(batch: Sequence[Article]) -> list[str]:
        if len(batch) and batch[0].id.startswith("old"):
            world.log.append(ARTICLES, [article(f"live{next(live)}")])
        return handle(batch)

    assert restarted(world, handle=with_news) == 5
    assert len(world.quarantine.letters) == 1


def test_a_failure_that_passes_sets_nothing_aside(world: World) -> None:
    world.log.append(ARTICLES, articles(4))
    sink = FakeSink(answers=[KeyError("now"), KeyError("then")])
    assert restarted(world, sink) == 2
    assert set(sink.taken()) == {"a0", "a1", "a2", "a3"}
    assert world.quarantine.letters == {}


def test_when_every_record_fails_the_role_it_stops_at_the_limit(world: World) -> None:
    world.log.append(ARTICLES, articles(9))
    with pytest.raises(QuarantineLimitReached):
        restarted(world, handle=failing(*(f"a{number}" for number in range(9))), quarantine_limit=3)
    assert len(world.quarantine.letters) == 3
