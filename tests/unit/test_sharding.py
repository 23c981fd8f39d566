"""Several fetchers over one store. What is promised is seen from outside: which host is asked by whom, and when."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import Connection, select

from daemon.errors import Unavailable
from daemon.feeds import Feed, FeedState
from daemon.fetch.dispatcher import Dispatcher
from daemon.fetch.poll import Polled
from daemon.fetch.sharding import Sharding
from daemon.fetch.shards import SHARDS, fetchers_in, owners, shard_of
from daemon.fetch.urls import host_of
from daemon.store import Store
from daemon.store.feeds import FeedStates
from daemon.store.leases import Leases
from daemon.store.tables import feeds as feeds_table
from daemon.store.tables import leases as leases_table
from daemon.wire import from_json
from tests.fake_feeds import SteadyClock

TTL = 10.0
INTERVAL = 20.0
PATIENCE = 15.0
FEEDS = [Feed(id=f"f{n}", url=f"https://h{n // 2}.example/{n}") for n in range(80)]  # two of each host


class Link(Store):
    """The way of one fetcher to the store."""

    def __init__(self, store: Store) -> None:
        self._there = store
        self.down = False

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self.check()
        with self._there.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.check()
        with self._there.write() as connection:
            yield connection

    def check(self) -> None:
        if self.down:
            raise Unavailable("the store is away")


@dataclass
class Sites:
    """What the hosts see, and what is wrong with it."""

    store: Store
    clock: SteadyClock
    asked: list[tuple[float, str, str]] = field(default_factory=list)  # when, by whom, for which feed
    asking: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # host → fetcher
    wrong: list[str] = field(default_factory=list)

    def ask(self, name: str, feed: Feed, state: FeedState) -> None:
        self.asked.append((self.clock.now(), name, feed.id))
        others = sorted(+self.asking[host_of(feed.url)] - Counter({name: 99}))
        if others:
            self.wrong.append(f"{feed.url} is asked by {name} and {others}")
        with self.store.read() as connection:
            stored = connection.scalar(select(feeds_table.c.state).where(feeds_table.c.feed_id == feed.id))
        if stored is None or from_json(FeedState, stored).etag != state.etag:
            self.wrong.append(f"{name} asks for {feed.id} with {state.etag!r}, the store has {stored}")

    def by(self, since: float = 0.0) -> dict[str, set[str]]:
        """Which fetchers have asked for each feed since then."""
        found: dict[str, set[str]] = defaultdict(set)
        for at, name, feed_id in self.asked:
            if at >= since:
                found[feed_id].add(name)
        return found

    def longest_pause(self, feed_id: str) -> float:
        times = [at for at, _, asked in self.asked if asked == feed_id]
        return max((b - a for a, b in zip(times, [*times[1:], self.clock.now()], strict=True)), default=float("inf"))


class Fetcher:
    """One process, as the composition root makes it, with polls that are not real."""

    def __init__(self, name: str, sites: Sites, store: Store, clock: SteadyClock) -> None:
        self.name, self._sites, self._clock = name, sites, clock
        self.link = Link(store)
        self.gate: asyncio.Event | None = None  # where there is one, a poll lasts until it is set
        self.stubborn = False  # a poll that is cancelled goes on until then, as while it hands over
        self.leases = Leases(self.link, owner=name, clock=clock, ttl=TTL)
        self.states = FeedStates(self.link, leases=self.leases)
        self.threads = ThreadPoolExecutor(1)
        self.dispatcher = Dispatcher(
            states=self.states,
            poller=self,
            polled=lambda polled: None,
            clock=clock,
            threads=self.threads,
            per_host=2,
            host_gap=0.0,
        )
        self.sharding = Sharding(
            leases=self.leases,
            polls=self.dispatcher,
            worker=name,
            clock=clock,
            threads=self.threads,
            patience=PATIENCE,
        )

    async def poll(self, feed: Feed, state: FeedState) -> Polled:
        host = host_of(feed.url)
        self._sites.ask(self.name, feed, state)
        self._sites.asking[host][self.name] += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            if self.gate is not None and self.stubborn:
                await self.gate.wait()
            raise
        finally:
            self._sites.asking[host][self.name] -= 1
        now = self._clock.now()
        try:
            self.states.record(replace(state, etag=f"{self.name} {now}", next_due=now + INTERVAL))
        except Unavailable:
            self.states.postpone(feed.id, now + 10)
        return Polled(feed_id=feed.id, outcome="unchanged", due=0.0, started=now, finished=now)

    async def second(self) -> None:
        self.sharding.check()
        self.dispatcher.tick()
        await self.sharding.step()
        self.dispatcher.tick()
        while self.gate is None and self.dispatcher.running:
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def kill(self) -> None:
        """Nothing is given back, and nothing that is on its way is recorded."""
        self.link.down = True
        await self.dispatcher.stop(0.0)


@dataclass
class World:
    store: Store
    clock: SteadyClock
    sites: Sites
    fetchers: dict[str, Fetcher] = field(default_factory=dict)
    ever: list[Fetcher] = field(default_factory=list)

    async def join(self, name: str) -> Fetcher:
        fetcher = self.fetchers[name] = Fetcher(name, self.sites, self.store, self.clock)
        self.ever.append(fetcher)
        await fetcher.dispatcher.set_feeds(FEEDS)
        return fetcher

    async def leave(self, name: str, deadline: float = 0.0) -> None:
        await self.fetchers.pop(name).sharding.stop(deadline)

    async def kill(self, name: str) -> None:
        await self.fetchers.pop(name).kill()

    async def seconds(self, number: float) -> None:
        for _ in range(int(number)):
            self.clock.go(1)
            for fetcher in list(self.fetchers.values()):
                await fetcher.second()

    def covered(self) -> bool:
        """Every shard is polled by exactly one, who is the one by right."""
        held = {shard: name for name, fetcher in self.fetchers.items() for shard in fetcher.sharding.held}
        count = sum(len(fetcher.sharding.held) for fetcher in self.fetchers.values())
        return count == SHARDS and held == owners(list(self.fetchers))

    async def until_covered(self, most: int) -> int:
        for second in range(most + 1):
            if self.covered():
                return second
            await self.seconds(1)
        raise AssertionError({name: len(fetcher.sharding.held) for name, fetcher in self.fetchers.items()})


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    clock = SteadyClock()
    world = World(store, clock, Sites(store, clock))
    yield world
    for fetcher in world.ever:
        await fetcher.kill()
        fetcher.threads.shutdown()
    assert world.sites.wrong == []


async def test_who_is_alone_polls_everything_at_once(world: World) -> None:
    await world.join("a")
    await world.seconds(1)
    assert set(world.sites.by()) == {feed.id for feed in FEEDS}
    assert world.covered()


async def test_every_feed_is_polled_by_exactly_one_of_three(world: World) -> None:
    for name in "abc":
        await world.join(name)
    await world.until_covered(3)
    start = world.clock.now()
    await world.seconds(3 * INTERVAL)
    by = world.sites.by(start)
    assert {feed.id: by[feed.id] for feed in FEEDS} == {
        feed.id: {owners("abc")[shard_of(host_of(feed.url))]} for feed in FEEDS
    }


async def test_who_joins_gets_only_its_share_and_polls_on_where_the_others_left_off(world: World) -> None:
    for name in "ab":
        await world.join(name)
    await world.seconds(5)
    before = {shard: name for name, fetcher in world.fetchers.items() for shard in fetcher.sharding.held}
    await world.join("c")
    joined = world.clock.now()
    assert await world.until_covered(3) <= 3
    after = {shard: name for name, fetcher in world.fetchers.items() for shard in fetcher.sharding.held}
    assert {shard for shard in before if before[shard] != after[shard]} == world.fetchers["c"].sharding.held
    assert world.sites.by(joined + 1) == {}  # nothing is due: whoever had a feed has said when it is
    await world.seconds(2 * INTERVAL)
    assert max(world.sites.longest_pause(feed.id) for feed in FEEDS) <= INTERVAL + 3


async def test_what_a_fetcher_gives_back_is_polled_by_the_others_one_second_later(world: World) -> None:
    for name in "abc":
        await world.join(name)
    await world.seconds(INTERVAL)
    await world.leave("b")
    assert await world.until_covered(1) <= 1
    await world.seconds(2 * INTERVAL)
    assert max(world.sites.longest_pause(feed.id) for feed in FEEDS) <= INTERVAL + 2


async def test_what_a_killed_fetcher_had_is_polled_by_the_others_one_lease_later(world: World) -> None:
    for name in "abc":
        await world.join(name)
    await world.seconds(INTERVAL)
    world.fetchers["b"].gate = asyncio.Event()  # killed in the middle of its polls
    await world.seconds(5)
    await world.kill("b")
    assert TTL - 1 <= await world.until_covered(int(TTL) + 2) <= TTL + 1
    await world.seconds(2 * INTERVAL)
    assert max(world.sites.longest_pause(feed.id) for feed in FEEDS) <= INTERVAL + TTL + 5 + 3


async def test_what_is_being_polled_when_a_fetcher_stops_follows_as_soon_as_its_polls_have_ended(world: World) -> None:
    leaving = await world.join("a")
    leaving.gate = asyncio.Event()
    await world.seconds(1)
    busy = leaving.dispatcher.busy()
    assert busy
    await world.join("b")
    stopped = asyncio.create_task(world.leave("a", deadline=60.0))
    while fetchers_in(leaving.leases.live("")):
        await asyncio.sleep(0.01)
    await world.seconds(1)
    assert world.fetchers["b"].sharding.held == set(range(SHARDS)) - busy
    leaving.gate.set()
    await stopped
    await world.seconds(1)
    assert world.covered()


async def test_a_shard_that_comes_back_is_not_polled_before_its_last_poll_here_has_ended(world: World) -> None:
    fetcher = await world.join("a")
    fetcher.gate, fetcher.stubborn = asyncio.Event(), True
    await world.seconds(1)
    busy = fetcher.dispatcher.busy()
    fetcher.link.down = True
    await world.seconds(TTL)
    fetcher.link.down = False
    await world.seconds(3)
    assert fetcher.dispatcher.busy() == busy
    assert fetcher.sharding.held == set(range(SHARDS)) - busy
    fetcher.gate.set()
    await world.seconds(1)
    assert world.covered()


async def test_the_name_of_a_killed_fetcher_does_not_stay_in_the_store_for_ever(world: World) -> None:
    for name in "ab":
        await world.join(name)
    await world.seconds(3)
    await world.kill("b")
    await world.seconds(TTL + 2)
    with world.store.read() as connection:
        assert fetchers_in(set(connection.execute(select(leases_table.c.name)).scalars())) == {"a"}


async def test_a_host_is_not_handed_over_while_it_is_being_asked(world: World) -> None:
    first = await world.join("a")
    first.gate = asyncio.Event()
    await world.seconds(1)
    assert first.dispatcher.running
    second = await world.join("b")
    await world.seconds(4)
    moving = {shard for shard, name in owners("ab").items() if name == "b"}
    busy = {shard_of(host_of(feed.url)) for feed in FEEDS}
    assert second.sharding.held == moving - busy
    first.gate.set()
    await world.seconds(2)
    assert second.sharding.held == moving


async def test_a_poll_without_end_is_cancelled_when_its_host_is_somebody_elses_by_right(world: World) -> None:
    first = await world.join("a")
    first.gate = asyncio.Event()
    await world.seconds(1)
    await world.join("b")
    await world.seconds(PATIENCE + 3)
    assert world.covered()
    assert first.dispatcher.busy() <= first.sharding.held


async def test_a_fetcher_that_cannot_reach_the_store_polls_nothing_once_its_leases_have_run_out(world: World) -> None:
    cut_off = await world.join("a")
    await world.join("b")
    await world.until_covered(3)
    await world.seconds(INTERVAL - 3)
    cut_off.gate = asyncio.Event()
    await world.seconds(3)
    assert cut_off.dispatcher.running
    cut_off.link.down = True
    await world.seconds(TTL)
    assert cut_off.sharding.held == set()
    assert cut_off.dispatcher.running == 0
    start = world.clock.now()
    await world.seconds(2 * INTERVAL)
    assert set().union(*world.sites.by(start).values()) == {"b"}
    cut_off.link.down, cut_off.gate = False, None
    assert await world.until_covered(3) <= 3


async def test_while_the_store_is_away_for_less_than_a_lease_nobody_stops_polling(world: World) -> None:
    for name in "ab":
        await world.join(name)
    await world.until_covered(3)
    for fetcher in world.fetchers.values():
        fetcher.link.down = True
    await world.seconds(TTL - 2)
    for fetcher in world.fetchers.values():
        fetcher.link.down = False
    assert world.covered()
    await world.seconds(1)
    assert world.covered()


async def test_a_process_that_was_asleep_for_longer_than_its_leases_polls_nothing_with_them(world: World) -> None:
    asleep = await world.join("a")
    await world.join("b")
    await world.until_covered(3)
    del world.fetchers["a"]
    await world.seconds(2 * TTL)
    world.clock.go(INTERVAL)
    asleep.sharding.check()
    asleep.dispatcher.tick()
    assert asleep.sharding.held == set()
    assert asleep.dispatcher.running == 0
    world.fetchers["a"] = asleep
    assert await world.until_covered(4) <= 4


async def test_a_fetcher_that_stops_while_the_store_is_away_stops_all_the_same(world: World) -> None:
    fetcher = await world.join("a")
    await world.seconds(1)
    fetcher.link.down = True
    await asyncio.wait_for(world.leave("a"), 60)
    assert fetcher.sharding.held == set()
    await world.join("b")
    await world.seconds(TTL + 2)
    assert world.covered()


async def test_a_fetcher_that_was_stopped_can_start_again(world: World) -> None:
    fetcher = await world.join("a")
    await world.seconds(1)
    await fetcher.sharding.stop(0.0)
    fetcher.dispatcher.start()
    await world.seconds(1)
    assert world.covered()


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_comes_and_goes_no_host_is_asked_by_two_and_no_feed_is_forgotten(
    world: World, seed: int
) -> None:
    rng, born = random.Random(seed), 0
    for _ in range(25):
        choice, names = rng.choice(["join", "leave", "kill", "cut", "mend", "slow", "fast"]), list(world.fetchers)
        if (choice == "join" and len(names) < 4) or not names:
            born += 1
            await world.join(f"n{born}")
        elif choice == "leave":
            await world.leave(rng.choice(names))
        elif choice == "kill":
            await world.kill(rng.choice(names))
        elif choice in ("cut", "mend"):
            world.fetchers[rng.choice(names)].link.down = choice == "cut"
        elif choice == "slow":
            fetcher = world.fetchers[rng.choice(names)]
            fetcher.gate = fetcher.gate or asyncio.Event()
        elif (fetcher := world.fetchers[rng.choice(names)]).gate is not None:
            fetcher.gate.set()
            fetcher.gate = None
        await world.seconds(rng.choice([1, 1, 2, 3, TTL / 2, TTL, 2 * TTL]))
    for fetcher in world.fetchers.values():
        fetcher.link.down = False
        if fetcher.gate is not None:
            fetcher.gate.set()
            fetcher.gate = None
    if not world.fetchers:
        await world.join("last")
    await world.until_covered(int(TTL) + 3)
    start = world.clock.now()
    await world.seconds(INTERVAL + 10)
    assert set(world.sites.by(start)) == {feed.id for feed in FEEDS}
