"""Several processes over one store: each is a Leases of its own, and their monotonic clocks run alike."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import Connection, event, select, update

from daemon.clock import Clock, SystemClock
from daemon.errors import Unavailable
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.store.tables import leases as table
from tests.fake_log import FakeClock

TTL = 10.0
NAMES = [f"shard/{n}" for n in range(64)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def one(store: Store, clock: FakeClock) -> Leases:
    return Leases(store, owner="one", clock=clock, ttl=TTL)


@pytest.fixture
def two(store: Store, clock: FakeClock) -> Leases:
    return Leases(store, owner="two", clock=clock, ttl=TTL)


def test_a_free_name_is_held_at_once_and_for_one_ttl(one: Leases, clock: FakeClock) -> None:
    assert not one.held("a")
    assert one.hold(["a"]) == {"a"}
    clock.forward(TTL - 0.001)
    assert one.held("a")
    clock.forward(0.001)
    assert not one.held("a")


def test_a_name_that_is_renewed_is_never_anybody_elses(one: Leases, two: Leases, clock: FakeClock) -> None:
    for _ in range(30):
        assert one.hold(["a"]) == {"a"}
        assert two.hold(["a"]) == set()
        clock.forward(TTL / 3)
        assert one.held("a")


def test_what_its_owner_renews_no_more_is_free_one_ttl_after_it_was_last_seen_to_move(
    one: Leases, two: Leases, clock: FakeClock
) -> None:
    one.hold(["a"])
    clock.forward(3)
    assert two.hold(["a"]) == set()  # seen for the first time
    clock.forward(TTL - 0.001)
    assert two.hold(["a"]) == set()
    clock.forward(0.001)
    assert two.hold(["a"]) == {"a"}
    assert one.hold(["a"]) == set()
    assert not one.held("a")


def test_what_is_given_back_is_free_at_once(one: Leases, two: Leases) -> None:
    one.hold(["a", "b"])
    one.release(["a", "unknown"])
    assert (one.held("a"), one.held("b")) == (False, True)
    assert two.hold(["a", "b"]) == {"a"}


def test_nobody_can_give_back_what_is_not_theirs(one: Leases, two: Leases) -> None:
    one.hold(["a"])
    two.release(["a"])
    assert two.hold(["a"]) == set()


def test_a_name_given_back_and_claimed_again_does_not_look_as_if_it_had_stood_still(
    one: Leases, two: Leases, clock: FakeClock
) -> None:
    one.hold(["a"])
    two.hold(["a"])
    one.release(["a"])
    clock.forward(TTL)
    one.hold(["a"])
    assert two.hold(["a"]) == set()


def test_those_who_are_alive_are_told_from_those_who_were(one: Leases, two: Leases, clock: FakeClock) -> None:
    one.hold(["fetcher/one", "publisher"])
    two.hold(["fetcher/two", "FETCHER/other", "fetcher_three"])
    assert one.live("fetcher/") == {"fetcher/one", "fetcher/two"}
    clock.forward(TTL - 1)
    one.hold(["fetcher/one"])
    assert one.live("fetcher/") == {"fetcher/one", "fetcher/two"}
    clock.forward(1)
    assert one.live("fetcher/") == {"fetcher/one"}
    two.hold(["fetcher/two"])
    assert one.live("fetcher/") == {"fetcher/one", "fetcher/two"}
    two.release(["fetcher/two"])
    assert one.live("fetcher/") == {"fetcher/one"}


def test_names_that_nobody_claims_again_are_removed_once_they_are_void(
    store: Store, one: Leases, two: Leases, clock: FakeClock
) -> None:
    two.hold(["fetcher/two", "shard/1"])
    one.hold(["fetcher/one"])
    assert one.prune("fetcher/") == set()
    clock.forward(TTL)
    assert one.prune("fetcher/") == {"fetcher/two"}
    with store.read() as connection:
        assert set(connection.execute(select(table.c.name)).scalars()) == {"fetcher/one", "shard/1"}


def test_who_owns_the_data_directory_alone_waits_for_nobody(one: Leases, two: Leases) -> None:
    one.hold(["a"])
    two.clear()
    assert two.hold(["a"]) == {"a"}


def test_a_store_that_is_away_ends_no_lease_before_its_time_and_prolongs_none(store: Store, clock: FakeClock) -> None:
    reach = Reach(store, clock)
    one = Leases(reach, owner="one", clock=clock, ttl=TTL)
    one.hold(["a"])
    reach.pauses = [Pause(fails=True)]
    clock.forward(6)
    with pytest.raises(Unavailable):
        one.hold(["a"])
    assert one.held("a")
    clock.forward(4)
    assert not one.held("a")


def test_a_renewal_that_took_effect_unheard_is_found_by_the_next_one(store: Store, clock: FakeClock) -> None:
    reach = Reach(store, clock)
    one = Leases(reach, owner="one", clock=clock, ttl=TTL)
    reach.pauses = [Pause(), Pause(fails=True)]
    with pytest.raises(Unavailable):
        one.hold(["a"])
    assert not one.held("a")
    assert one.hold(["a"]) == {"a"}


def test_the_time_of_a_lease_counts_from_before_it_was_asked_for(store: Store, clock: FakeClock) -> None:
    reach = Reach(store, clock)
    one = Leases(reach, owner="one", clock=clock, ttl=TTL)
    reach.pauses = [Pause(), Pause(seconds=TTL - 1)]
    assert one.hold(["a"]) == {"a"}
    clock.forward(1)
    assert not one.held("a")
    reach.pauses = [Pause(), Pause(seconds=TTL)]
    assert one.hold(["a"]) == set()


def test_a_name_is_held_no_more_before_it_can_be_anothers(store: Store, two: Leases, clock: FakeClock) -> None:
    reach = Reach(store, clock, lambda step: held.append((two.hold(step.names) == step.names, mine.held("a"))))
    mine, held = Leases(reach, owner="mine", clock=clock, ttl=TTL), list[tuple[bool, bool]]()
    mine.hold(["a"])
    reach.pauses = [Pause(), Pause(meanwhile=(Step("hold", 2, frozenset("a"), 0.0),))]
    mine.release(["a"])
    assert held == [(True, False)]


def test_a_turn_counts_as_seen_from_when_it_was_read_not_from_when_it_was_asked_for(
    store: Store, two: Leases, clock: FakeClock
) -> None:
    for look in ("live", "hold"):
        reach = Reach(store, clock, lambda step: two.hold(step.names))
        one = Leases(reach, owner=f"one {look}", clock=clock, ttl=TTL)
        reach.pauses = [Pause(seconds=3, meanwhile=(Step("hold", 2, frozenset("a"), 0.0),))]
        assert one.live("") if look == "live" else not one.hold(["a"])
        clock.forward(TTL - 1)
        assert two.held("a")
        assert one.hold(["a"]) == set()


def test_a_name_that_is_renewed_while_it_is_removed_as_void_stays(store: Store, two: Leases, clock: FakeClock) -> None:
    reach = Reach(store, clock, lambda step: two.hold(step.names))
    one = Leases(reach, owner="one", clock=clock, ttl=TTL)
    two.hold(["a"])
    one.live("a")
    clock.forward(TTL)
    reach.pauses = [Pause(), Pause(meanwhile=(Step("hold", 2, frozenset("a"), 0.0),))]
    assert one.prune("a") == set()
    assert one.hold(["a"]) == set()


def test_what_the_store_says_is_anothers_is_held_no_more_whatever_the_clock_says(store: Store, one: Leases) -> None:
    one.hold(["a", "b"])
    with store.write() as connection:  # as after a fail-over to a copy that was behind
        connection.execute(update(table).where(table.c.name == "a").values(owner="two", turn=7))
    assert one.hold(["a", "b"]) == {"b"}
    assert (one.held("a"), one.held("b")) == (False, True)


def test_all_shards_take_a_handful_of_statements(store: Store, one: Leases) -> None:
    one.hold(NAMES)
    statements: list[str] = []
    with store.write() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    assert one.hold(NAMES) == set(NAMES)
    assert len(statements) <= 3  # of which SQLite's BEGIN is one


def test_many_who_want_everything_at_once_never_hold_the_same(store: Store) -> None:
    holders: dict[str, str] = {}
    twice: list[str] = []
    guard = threading.Lock()

    def compete(owner: str) -> None:
        mine, rng = Leases(store, owner=owner, clock=SystemClock(), ttl=60.0), random.Random(owner)
        for _ in range(30):
            won = mine.hold(rng.sample(NAMES, 48))
            with guard:
                twice.extend(name for name in won if holders.setdefault(name, owner) != owner)
                for name in won:
                    del holders[name]
            mine.release(won)

    at_once(compete)
    assert twice == []


def test_two_who_write_the_same_rows_never_wait_for_each_other(store: Store) -> None:
    """With a lease of no length every row is anybody's at any time. PostgreSQL ends a deadlock with an error."""

    def compete(owner: str) -> None:
        mine, rng = Leases(store, owner=owner, clock=SystemClock(), ttl=0.0), random.Random(owner)
        for _ in range(60):
            mine.hold(rng.sample(NAMES, 48))

    at_once(compete)


def at_once(compete: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(3) as threads:
        for ended in [threads.submit(compete, f"owner {n}") for n in range(3)]:
            ended.result(60)


# -- any interleaving


@dataclass(frozen=True)
class Step:
    """``kind``: hold, release, live, prune, crash or wait; ``who`` is one of the owners."""

    kind: str
    who: int
    names: frozenset[str]
    seconds: float
    pauses: tuple["Pause", ...] = ()


@dataclass(frozen=True)
class Pause:
    """Somewhere on the way to the store or back: time passes, others act, and what was said may be lost."""

    seconds: float = 0.0
    meanwhile: tuple[Step, ...] = ()
    fails: bool = False


class Reach(Store):
    """The way of one process to the store, with a pause before and after each conversation."""

    def __init__(self, store: Store, clock: FakeClock, act: Callable[[Step], object] = lambda step: None) -> None:
        self._there = store
        self._clock = clock
        self._act = act
        self.pauses: list[Pause] = []

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self.pause()
        with self._there.read() as connection:
            yield connection
        self.pause()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.pause()
        with self._there.write() as connection:
            yield connection
        self.pause()

    def pause(self) -> None:
        if not self.pauses:
            return
        pause = self.pauses.pop(0)
        self._clock.forward(pause.seconds)
        for step in pause.meanwhile:
            self._act(step)
        if pause.fails:
            raise Unavailable("the network is away")


class Process:
    """One owner. Its clock also passes time whenever it is looked at, as when the thread has to wait for its turn."""

    def __init__(self, store: Store, owner: str, clock: FakeClock, act: Callable[[Step], object]) -> None:
        self.reach = Reach(store, clock, act)
        self.leases = Leases(self.reach, owner=owner, clock=Hesitating(clock, self.reach), ttl=TTL)
        self.busy = False

    def holds(self, name: str) -> bool:
        """At this very moment."""
        pauses, self.reach.pauses = self.reach.pauses, []
        held = self.leases.held(name)
        self.reach.pauses = pauses
        return held


class Hesitating(Clock):
    def __init__(self, clock: FakeClock, reach: Reach) -> None:
        self._clock = clock
        self._reach = reach

    def now(self) -> float:
        return self._clock.now()

    def monotonic(self) -> float:
        before = self._clock.monotonic()
        if self._reach.pauses:
            self._clock.forward(self._reach.pauses[0].seconds)
        return before


SECONDS = st.sampled_from([0.0, 0.5, 1.0, 3.0, TTL - 3, TTL - 1, TTL - 0.5, TTL, TTL + 1, 2 * TTL])
KINDS = ["hold", "hold", "hold", "release", "live", "prune", "wait", "wait", "crash"]


def steps(pauses: st.SearchStrategy[tuple[Pause, ...]]) -> st.SearchStrategy[Step]:
    names = st.sampled_from([frozenset("a"), frozenset("a"), frozenset("ab")])
    return st.builds(Step, st.sampled_from(KINDS), st.integers(0, 2), names, SECONDS, pauses)


def on_the_way(pause: st.SearchStrategy[Pause]) -> st.SearchStrategy[tuple[Pause, ...]]:
    return st.one_of(st.just(()), st.lists(pause, min_size=1, max_size=3).map(tuple))


MEANWHILE = st.lists(steps(on_the_way(st.builds(Pause, SECONDS))), max_size=4).map(tuple)
PAUSES = st.builds(Pause, st.sampled_from([0.0, 0.5, 3.0, TTL]), MEANWHILE, st.sampled_from([False] * 4 + [True]))


class AnyInterleaving(RuleBasedStateMachine):
    """At no moment do two owners hold one name, whatever is delayed, lost or killed."""

    open: Callable[[], Store]

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock()
        self.store = type(self).open()
        Leases(self.store, owner="nobody", clock=self.clock, ttl=TTL).clear()
        self.born = 0
        self.processes = [self.new() for _ in range(3)]

    def new(self) -> Process:
        self.born += 1
        return Process(self.store, f"owner {self.born}", self.clock, self.act)

    @rule(step=steps(on_the_way(PAUSES)))
    def step(self, step: Step) -> None:
        self.act(step)

    def act(self, step: Step) -> None:
        process = self.processes[step.who]
        if step.kind == "crash":
            self.processes[step.who] = self.new()
        elif step.kind == "wait":
            self.clock.forward(step.seconds)
        elif not process.busy:
            process.busy = True
            process.reach.pauses = list(step.pauses)
            try:
                self.ask(process.leases, step)
            except Unavailable:
                assert any(pause.fails for pause in step.pauses)
            process.reach.pauses = []
            process.busy = False
        self.one_owner_each()

    def ask(self, leases: Leases, step: Step) -> None:
        if step.kind == "hold":
            assert leases.hold(step.names) <= step.names
        elif step.kind == "release":
            leases.release(step.names)
        elif step.kind == "live":
            leases.live("")
        else:
            leases.prune("a")

    def one_owner_each(self) -> None:
        for name in "ab":
            assert sum(process.holds(name) for process in self.processes) <= 1

    def teardown(self) -> None:
        """Whoever is left alone gets everything, one ttl later."""
        last = Leases(self.store, owner="last", clock=self.clock, ttl=TTL)
        last.hold("ab")
        self.clock.forward(TTL)
        assert last.hold("ab") == {"a", "b"}


def test_at_no_moment_do_two_hold_one_name(store: Store) -> None:
    class OverStore(AnyInterleaving):
        open = staticmethod(lambda: store)

    run_state_machine_as_test(OverStore, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
