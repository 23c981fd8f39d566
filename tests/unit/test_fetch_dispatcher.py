import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from daemon.feeds import Feed, FeedState
from daemon.fetch.dispatcher import Dispatcher
from daemon.fetch.poll import Polled
from daemon.fetch.shards import shard_of
from daemon.store import Store
from daemon.store.feeds import FeedStates
from tests.fake_feeds import SteadyClock


@dataclass
class FakePoller:
    """Records who is polled; each poll lasts until it is let go, unless ``instant``."""

    states: FeedStates
    clock: SteadyClock
    instant: bool = True
    interval: float = 60.0
    broken: bool = False
    started: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def poll(self, feed: Feed, state: FeedState) -> Polled:
        self.started.append(feed.url)
        if self.broken:
            raise RuntimeError("a bug")
        try:
            if not self.instant:
                await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(feed.id)
            raise
        now = self.clock.now()
        self.states.record(replace(state, next_due=now + self.interval, etag="e", succeeded=now))
        return Polled(feed_id=feed.id, outcome="unchanged", due=state.next_due, started=now, finished=now)


@dataclass
class World:
    dispatcher: Dispatcher
    poller: FakePoller
    states: FeedStates
    clock: SteadyClock
    polled: list[Polled]

    async def tick(self, seconds: float = 1.0) -> None:
        """Time passes, and whatever can end does."""
        self.clock.go(seconds)
        self.dispatcher.tick()
        await self.settle()

    async def settle(self) -> None:
        waiting = self.poller.instant or self.poller.go.is_set()
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
            while waiting and self.dispatcher.running:
                await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    clock, polled = SteadyClock(), list[Polled]()
    states = FeedStates(store)
    poller = FakePoller(states, clock)
    with ThreadPoolExecutor(1) as threads:
        dispatcher = Dispatcher(
            states=states, poller=poller, polled=polled.append, clock=clock, threads=threads, concurrency=5
        )
        yield World(dispatcher, poller, states, clock, polled)
        await dispatcher.stop(0.0)


def feed(name: str, *, host: str = "", **fields: object) -> Feed:
    return Feed(id=name, url=f"https://{host or name}.example/{name}", **fields)  # type: ignore[arg-type]


async def test_a_new_feed_is_polled_at_once_and_again_when_it_is_due(world: World) -> None:
    await world.dispatcher.set_feeds([feed("a")])
    await world.settle()
    assert len(world.poller.started) == 1
    await world.tick(59)
    assert len(world.poller.started) == 1
    await world.tick(1)
    assert len(world.poller.started) == 2
    assert [polled.feed_id for polled in world.polled] == ["a", "a"]


async def test_no_more_run_at_once_than_allowed(world: World) -> None:
    world.poller.instant = False
    await world.dispatcher.set_feeds([feed(f"f{n}") for n in range(8)])
    await world.settle()
    assert (world.dispatcher.running, world.dispatcher.waiting) == (5, 3)
    world.poller.go.set()
    await world.settle()
    await world.tick()
    assert len(world.poller.started) == 8


async def test_polls_that_last_leave_their_places_to_others_but_not_without_end(world: World) -> None:
    world.poller.instant = False
    await world.dispatcher.set_feeds([feed(f"f{n}") for n in range(20)])
    await world.tick(5)
    assert world.dispatcher.running == 5
    await world.tick(1)
    assert world.dispatcher.running == 10
    await world.tick(6)
    assert world.dispatcher.running == 10


async def test_feeds_of_one_host_take_turns(world: World) -> None:
    await world.dispatcher.set_feeds([feed(f"f{n}", host="h") for n in range(3)])
    for expected in (1, 1, 2, 2, 3):
        await world.settle()
        assert len(world.poller.started) == expected
        await world.tick(2.5)


async def test_a_removed_or_disabled_feed_is_polled_no_more(world: World) -> None:
    await world.dispatcher.set_feeds([feed("a"), feed("b")])
    await world.settle()
    await world.dispatcher.set_feeds([feed("b", enabled=False)])
    await world.tick(3_600)
    assert len(world.poller.started) == 2


async def test_a_feed_removed_while_it_waits_for_its_host_is_not_polled(world: World) -> None:
    await world.dispatcher.set_feeds([feed("a", host="h"), feed("b", host="h")])
    await world.settle()
    (first,) = world.poller.started
    kept = feed("a", host="h") if first.endswith("/a") else feed("b", host="h")
    await world.dispatcher.set_feeds([kept])
    await world.tick(10)
    assert world.poller.started == [first]


async def test_a_feed_that_was_somebody_elses_while_it_waited_for_its_host_is_polled_when_it_is_due(
    world: World,
) -> None:
    feeds, here = [feed("a", host="h"), feed("b", host="h")], {shard_of("h.example")}
    await world.dispatcher.set_feeds(feeds)
    await world.settle()
    assert (len(world.poller.started), world.dispatcher.waiting) == (1, 1)
    world.dispatcher.leave(here)
    for id_ in "ab":
        world.states.record(FeedState(feed_id=id_, host="h.example", next_due=world.clock.now() + 30, backfilled=True))
    await world.dispatcher.gain(here)
    await world.tick(10)
    assert len(world.poller.started) == 1
    await world.tick(20)
    await world.tick(5)
    assert len(world.poller.started) == 3


async def test_of_shards_that_are_left_no_poll_begins_and_one_on_its_way_ends_only_where_it_is_cancelled(
    world: World,
) -> None:
    world.poller.instant = False
    await world.dispatcher.set_feeds([feed("a")])
    await world.settle()
    here = {shard_of("a.example")}
    assert world.dispatcher.busy() == here
    world.dispatcher.leave(here)
    await world.tick()
    assert world.dispatcher.busy() == here
    world.dispatcher.leave(here, cancel=True)
    await world.tick(3_600)
    assert (world.poller.cancelled, world.dispatcher.running) == (["a"], 0)


async def test_an_edited_address_is_polled_at_once_and_a_new_name_is_no_reason(world: World) -> None:
    await world.dispatcher.set_feeds([feed("a"), feed("b")])
    await world.settle()
    world.clock.go(6)
    moved = replace(feed("a"), url="https://other.example/a")
    await world.dispatcher.set_feeds([moved, replace(feed("b"), name="B")])
    await world.settle()
    assert world.poller.started[2:] == ["https://other.example/a"]


async def test_a_feed_edited_while_it_is_polled_is_polled_again_without_what_the_old_address_taught(
    world: World,
) -> None:
    world.poller.instant = False
    await world.dispatcher.set_feeds([feed("a")])
    await world.settle()
    await world.dispatcher.set_feeds([replace(feed("a"), headers=(("x-key", "k"),))])
    world.poller.go.set()
    await world.settle()
    state = world.states.state("a")
    assert state is not None
    assert state.etag == ""
    await world.tick(6)
    assert len(world.poller.started) == 2


async def test_stopping_waits_then_cancels_and_starts_nothing_more(world: World) -> None:
    world.poller.instant = False
    await world.dispatcher.set_feeds([feed("a")])
    await world.settle()
    await world.dispatcher.stop(0.05)
    assert world.poller.cancelled == ["a"]
    world.clock.go(3_600)
    world.dispatcher.tick()
    assert world.dispatcher.running == 0


async def test_a_bug_in_a_poll_is_not_swallowed(world: World) -> None:
    world.poller.broken = True
    await world.dispatcher.set_feeds([feed("a")])
    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(world.dispatcher.crashed(), 60)


async def test_after_a_bug_a_restarted_dispatcher_polls_on(world: World) -> None:
    world.poller.broken = True
    await world.dispatcher.set_feeds([feed("a")])
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(world.dispatcher.crashed(), 60)
    await world.dispatcher.stop(0.0)
    world.poller.broken = False
    world.dispatcher.start()
    await world.tick(10)
    assert len(world.poller.started) == 2
    assert len(world.polled) == 1


async def test_a_feed_that_ends_the_role_with_every_poll_does_so_ever_more_rarely(world: World) -> None:
    world.poller.broken = True
    await world.dispatcher.set_feeds([feed("a")])
    for _ in range(86_400):
        await world.tick(1)
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(world.dispatcher.crashed(), 60)
    assert 10 <= len(world.poller.started) <= 15
