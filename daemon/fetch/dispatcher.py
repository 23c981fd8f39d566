"""Starts the polls that are due, within what the machine and each host can take."""

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.feeds import Feed, FeedState
from daemon.fetch.poll import Polled
from daemon.fetch.shards import shard_of
from daemon.fetch.turns import Turns
from daemon.store.feeds import FeedStates

T = TypeVar("T")

_AGAIN = 10.0  # seconds, after a poll that was cut off; doubled each time that nobody expected why
_MOST_DOUBLINGS = 13  # to a day
_SOON = 5.0  # seconds in which a poll should be over


class Polling(Protocol):
    async def poll(self, feed: Feed, state: FeedState) -> Polled: ...


@dataclass(frozen=True, slots=True)
class _Running:
    task: asyncio.Task[None]
    host: str
    since: float  # monotonic


class Dispatcher:
    """``tick`` every second does everything; one event loop.

    At most ``concurrency`` polls run at once; those that last longer than 5 s leave their place to others, up to as
    many again: they wait for a server and cost next to nothing, and a hundred of them must not hold up the rest.

    ``polled`` hears of every finished poll (telemetry). What nobody expected ends ``crashed``, which the composition
    root awaits.
    """

    def __init__(
        self,
        *,
        states: FeedStates,
        poller: Polling,
        polled: Callable[[Polled], None],
        clock: Clock,
        threads: Executor,
        concurrency: int = 100,
        per_host: int = 2,
        host_gap: float = 5.0,
    ) -> None:
        self._states = states
        self._poller = poller
        self._polled = polled
        self._clock = clock
        self._threads = threads
        self._concurrency = concurrency
        self._turns = Turns(per_host=per_host, host_gap=host_gap)
        self._feeds: dict[str, Feed] = {}
        self._running: dict[str, _Running] = {}
        self._edited: set[str] = set()  # while they were polled
        self._crashes: Counter[str] = Counter()  # in a row, by feed
        self._stopping = False
        self._broken = asyncio.Event()
        self._error: BaseException | None = None

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Due, and waiting for room or for their host."""
        return len(self._turns)

    def start(self) -> None:
        """Polls begin again after a ``stop``; a new dispatcher is started already."""
        self._stopping = False

    async def set_feeds(self, feeds: Sequence[Feed]) -> None:
        """From now on these are polled, those that are enabled. New and edited ones at once.

        Raises ``Unavailable``: nothing changed, call again.
        """
        wanted = {feed.id: feed for feed in feeds if feed.enabled}
        edited = {
            feed.id for feed in wanted.values() if feed.id in self._feeds and _differs(self._feeds[feed.id], feed)
        }
        await self._blocking(self._states.sync, list(wanted.values()), self._clock.now(), edited)
        self._feeds = wanted
        self._edited |= edited & self._running.keys()
        self.tick()

    async def gain(self, shards: Collection[int]) -> None:
        """Their feeds are polled from now on, from what the store knows of them. Raises ``Unavailable``."""
        await self._blocking(self._states.gain, shards, self._clock.now())

    def leave(self, shards: Collection[int], *, cancel: bool = False) -> None:
        """No poll of their feeds begins from now on; with ``cancel`` those on their way end."""
        if not shards:
            return
        self._states.lose(shards)
        for running in self._running.values():
            if cancel and shard_of(running.host) in shards:
                running.task.cancel()

    def busy(self) -> frozenset[int]:
        """Shards with a poll on its way."""
        return frozenset(shard_of(running.host) for running in self._running.values())

    def tick(self) -> None:
        """Start what is due and has its turn. Never waits."""
        if self._stopping:
            return
        moment = self._clock.monotonic()
        for state in self._states.due(self._clock.now(), limit=len(self._feeds)):
            if state.feed_id in self._feeds:
                self._turns.add(state.feed_id, state.host, moment)
        for feed_id, host in self._turns.take(moment, self._room(moment)):
            self._start(feed_id, host)

    async def crashed(self) -> None:
        """Waits for what nobody expected, and raises it, once: the role then ends, and is started again."""
        await self._broken.wait()
        error, self._error = self._error, None
        self._broken.clear()
        if error is not None:
            raise error

    async def stop(self, deadline: float) -> None:
        """No new polls; those on the way get ``deadline`` seconds, then they are cancelled, and lose nothing."""
        self._stopping = True
        tasks = {running.task for running in self._running.values()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=deadline)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _room(self, moment: float) -> int:
        slow = sum(moment - running.since > _SOON for running in self._running.values())
        return self._concurrency - (len(self._running) - min(slow, self._concurrency))

    def _start(self, feed_id: str, host: str) -> None:
        feed, state = self._feeds.get(feed_id), self._states.taken(feed_id)
        if feed is None or state is None:  # removed while it waited for its turn, or somebody else's in between
            self._turns.done(host, self._clock.monotonic())
        elif feed_id in self._running:  # removed and added again while it is polled
            self._turns.done(host, self._clock.monotonic())
            self._edited.add(feed_id)
        else:
            task = asyncio.create_task(self._run(feed, state), name=f"poll {feed_id}")
            self._running[feed_id] = _Running(task, host, self._clock.monotonic())
            task.add_done_callback(functools.partial(self._ended, feed_id, host))

    async def _run(self, feed: Feed, state: FeedState) -> None:
        self._polled(await self._poller.poll(feed, state))
        self._crashes.pop(feed.id, None)
        if feed.id in self._edited:
            await self._poll_again(feed.id)

    async def _poll_again(self, feed_id: str) -> None:
        """What was just learned came from the feed as it was before the edit."""
        self._edited.discard(feed_id)
        now = self._clock.now()
        try:
            await self._blocking(self._states.sync, list(self._feeds.values()), now, {feed_id})
        except Unavailable:
            self._edited.add(feed_id)
        self._states.postpone(feed_id, now)

    def _ended(self, feed_id: str, host: str, task: asyncio.Task[None]) -> None:
        del self._running[feed_id]
        self._turns.done(host, self._clock.monotonic())
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            doublings = min(self._crashes[feed_id], _MOST_DOUBLINGS)
            self._states.postpone(feed_id, self._clock.now() + _AGAIN * 2.0**doublings)
        if error is not None:
            self._crashes[feed_id] += 1  # one feed that ends the role with every poll must not end all others' for good
            self._error = self._error or error
            self._broken.set()

    async def _blocking(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _differs(before: Feed, after: Feed) -> bool:
    """In what is fetched: a new name or tag is no reason to ask again."""
    return any(getattr(before, name) != getattr(after, name) for name in ("url", "headers", "basic_auth_file", "proxy"))
