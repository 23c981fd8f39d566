"""Whose turn it is: due feeds wait here until their host may be asked again."""

import heapq
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Host:
    waiting: deque[str] = field(default_factory=deque)  # feed ids, first come first served
    running: int = 0
    free_at: float = 0.0  # when the next poll may start
    queued: bool = False


class Turns:
    """At most ``per_host`` polls of one host at once, their starts at least ``host_gap`` seconds apart.

    Hosts take turns in the order in which they become free, so one with a thousand feeds delays only its own. Times
    are monotonic seconds.
    """

    def __init__(self, *, per_host: int = 2, host_gap: float = 5.0) -> None:
        self._per_host = per_host
        self._host_gap = host_gap
        self._hosts: dict[str, _Host] = {}
        self._free: list[tuple[float, str]] = []
        self._host_of: dict[str, str] = {}  # of feeds that wait
        self._swept = 0.0

    def __len__(self) -> int:
        return len(self._host_of)

    def add(self, feed_id: str, host: str, now: float) -> None:
        if feed_id in self._host_of:
            return
        self._host_of[feed_id] = host
        place = self._hosts.setdefault(host, _Host())
        place.waiting.append(feed_id)
        self._queue(host, place, now)

    def take(self, now: float, room: int) -> list[tuple[str, str]]:
        """At most ``room`` (feed id, host) to be polled now; each is answered with ``done(host)``, once."""
        taken: list[tuple[str, str]] = []
        while self._free and self._free[0][0] <= now and len(taken) < room:
            _, host = heapq.heappop(self._free)
            place = self._hosts[host]
            place.queued = False
            if place.running < self._per_host and place.waiting:
                feed_id = place.waiting.popleft()
                del self._host_of[feed_id]
                place.running += 1
                place.free_at = now + self._host_gap
                taken.append((feed_id, host))
            self._queue(host, place, now)
        self._sweep(now)
        return taken

    def done(self, host: str, now: float) -> None:
        place = self._hosts[host]
        place.running -= 1
        self._queue(host, place, now)

    def _queue(self, host: str, place: _Host, now: float) -> None:
        if place.waiting and not place.queued and place.running < self._per_host:
            place.queued = True
            heapq.heappush(self._free, (max(now, place.free_at), host))

    def _sweep(self, now: float) -> None:
        """Hosts that nobody asks any more are forgotten, once in a while."""
        if now - self._swept < 600.0:
            return
        self._swept = now
        idle = [name for name, place in self._hosts.items() if not place.waiting and not place.running]
        for name in idle:
            if self._hosts[name].free_at <= now:
                del self._hosts[name]
