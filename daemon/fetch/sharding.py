"""Takes part in sharing the feeds among fetchers: claims what is ours by right, lets go of what is not.

::

    free ──claim──▶ owned ──read its feeds' states──▶ polled ──not ours by right──▶ let polls end ──release──▶ free
                                                         └──the lease ran out──▶ cancel polls

How long a shard rests, with a step every second: a few seconds when a fetcher joins or leaves in order, and one length
of a lease more when it was killed.
"""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from contextlib import suppress
from typing import Protocol, TypeVar

from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.fetch.shards import SHARDS, Move, fetcher_lease, fetchers_in, next_move, owners, shard_lease, shards_in
from daemon.store.leases import Leases

T = TypeVar("T")


class Polls(Protocol):
    """The dispatcher, as sharding sees it."""

    async def gain(self, shards: Collection[int]) -> None:
        """Their feeds are polled from now on, from what the store knows of them. Raises ``Unavailable``."""
        ...

    def leave(self, shards: Collection[int], *, cancel: bool = False) -> None:
        """No poll of their feeds begins from now on; with ``cancel`` those on their way end."""
        ...

    def busy(self) -> frozenset[int]:
        """Shards with a poll on its way."""
        ...

    async def stop(self, deadline: float) -> None: ...


class Sharding:
    """``check`` at every tick, ``step`` every second or so, on one event loop. Nothing raises ``Unavailable``.

    While the store is away leases run out, and what they covered is not polled until they are held again.
    """

    def __init__(
        self,
        *,
        leases: Leases,
        polls: Polls,
        worker: str,
        clock: Clock,
        threads: Executor,
        patience: float = 60.0,
    ) -> None:
        """``patience``: seconds for the polls of a shard that goes to somebody else; then they are cancelled."""
        self._leases = leases
        self._polls = polls
        self._worker = worker
        self._clock = clock
        self._threads = threads
        self._patience = patience
        self._turn = asyncio.Lock()
        self._fetchers: frozenset[str] = frozenset()
        self._right: frozenset[int] = frozenset()
        self._owned: frozenset[int] = frozenset()
        self._polled: frozenset[int] = frozenset()
        self._left: dict[int, float] = {}  # monotonic; shards whose polls may end before they are released

    @property
    def held(self) -> frozenset[int]:
        """The shards that are polled here."""
        return self._polled

    def check(self) -> None:
        """Stops at once what is no longer covered by a lease. By the clock alone: never waits."""
        lost = frozenset(shard for shard in self._owned if not self._leases.held(shard_lease(shard)))
        if lost:
            self._owned -= lost
            self._polled -= lost
            self._polls.leave(lost, cancel=True)

    async def step(self) -> None:
        async with self._turn:
            self.check()
            with suppress(Unavailable):  # the same again at the next step
                await self._agree()
            self.check()

    async def stop(self, deadline: float) -> None:
        """Everything is given back: what rests at once, the others when their polls have ended or were cancelled."""
        async with self._turn:
            self._polls.leave(self._polled)
            self._polled = frozenset()
            resting = frozenset(range(SHARDS)) - self._polls.busy()  # also what a step that was cut off has claimed
            await self._give_back([fetcher_lease(self._worker), *map(shard_lease, resting)])
            await self._polls.stop(deadline)
            await self._give_back([shard_lease(shard) for shard in range(SHARDS)])
            self._owned = frozenset()
            self._left.clear()

    async def _agree(self) -> None:
        alive = await self._blocking(self._leases.live, "")  # of the shards, too: since when their turns stand still
        await self._meet(fetchers_in(alive) | {self._worker})
        self._polls.leave(self._polled - self._right)
        move = next_move(right=self._right, owned=self._owned, polled=self._polled, busy=self._polls.busy())
        self._polled -= move.leave
        self._hurry(move.hold - self._right)
        self._owned = await self._blocking(self._exchange, move)
        gained = (self._owned & self._right) - self._polled - self._polls.busy()
        if gained:
            await self._polls.gain(gained)
            self._polled |= gained

    async def _meet(self, fetchers: frozenset[str]) -> None:
        if fetchers == self._fetchers:
            return
        if self._fetchers - fetchers:  # a name that was killed comes back as another one
            await self._blocking(self._leases.prune, fetcher_lease(""))
        self._right = frozenset(shard for shard, name in owners(fetchers).items() if name == self._worker)
        self._fetchers = fetchers

    def _hurry(self, leaving: frozenset[int]) -> None:
        """A poll has its own limits; what lasts beyond all patience is cancelled, which loses nothing."""
        now = self._clock.monotonic()
        self._left = {shard: self._left.get(shard, now) for shard in leaving}
        late = [shard for shard, since in self._left.items() if now - since >= self._patience]
        if late:
            self._polls.leave(late, cancel=True)

    def _exchange(self, move: Move) -> frozenset[int]:
        self._leases.release([shard_lease(shard) for shard in move.release])
        return shards_in(self._leases.hold([fetcher_lease(self._worker), *map(shard_lease, move.hold)]))

    async def _give_back(self, names: Collection[str]) -> None:
        with suppress(Unavailable):  # others have them when their time is over
            await self._blocking(self._leases.release, names)

    async def _blocking(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
