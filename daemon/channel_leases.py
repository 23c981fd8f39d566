"""Which channels this process may send on: those whose lease it holds. Others send on the rest.

A lease is asked for when there is something to send, renewed while there is something left to send, and given back
when there was nothing for a while. One that was lost is asked for again, but not while a message that went out under
it is still on the wire: its answer comes first.
"""

import asyncio
from collections.abc import Collection

from daemon.clock import Clock
from daemon.store.leases import Leases

_AGAIN = 1.0  # seconds between two attempts to get what somebody else holds


def _name(channel: str) -> str:
    return f"send/{channel}"


class ChannelLeases:
    """On the asyncio loop; the store is reached from threads."""

    def __init__(self, leases: Leases, *, clock: Clock, ttl: float) -> None:
        """``ttl``: seconds, as of ``leases``."""
        self._leases = leases
        self._clock = clock
        self._ttl = ttl
        self._mine: frozenset[str] = frozenset()  # channels
        self._wanted: dict[str, float] = {}  # monotonic; when each of them was wanted last
        self._again: dict[str, float] = {}  # monotonic; when to ask again for what somebody else has
        self._renew_at = 0.0  # monotonic

    def held(self, channel: str) -> bool:
        """May be relied on now, by the clock alone."""
        return channel in self._mine and self._leases.held(_name(channel))

    async def keep(
        self, wanted: Collection[str], *, waiting: Collection[str], working: Collection[str]
    ) -> frozenset[str]:
        """Ask for the wanted channels, renew what is held; those that were got now and not held before.

        ``waiting``: channels with something to send later; ``working``: with a message on the wire. Neither is asked
        for, but what is held of them is kept. Raises ``Unavailable``.
        """
        now = self._clock.monotonic()
        self._mine = frozenset(channel for channel in self._mine if self.held(channel))
        self._wanted |= dict.fromkeys([*wanted, *waiting, *working], now)
        await self._give_back([channel for channel in self._mine if now - self._wanted.get(channel, now) > self._ttl])
        asked = {
            channel
            for channel in wanted
            if channel not in self._mine and channel not in working and now >= self._again.get(channel, now)
        }
        if not asked and (not self._mine or now < self._renew_at):
            return frozenset()
        got = await self._hold(self._mine | asked)
        self._again |= dict.fromkeys(asked - got, now + _AGAIN)
        self._mine = got
        self._renew_at = now + self._ttl / 3
        return got & asked

    async def give_back_all(self) -> None:
        """Raises ``Unavailable``; others then get them when their time is over."""
        await self._give_back(self._mine)

    async def _give_back(self, channels: Collection[str]) -> None:
        if channels:
            self._mine -= frozenset(channels)
            for channel in channels:
                self._wanted.pop(channel, None)
            await asyncio.to_thread(self._leases.release, [_name(channel) for channel in channels])

    async def _hold(self, channels: Collection[str]) -> frozenset[str]:
        names = {_name(channel): channel for channel in channels}
        return frozenset(names[name] for name in await asyncio.to_thread(self._leases.hold, list(names)))
