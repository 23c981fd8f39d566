"""Digests that have near misses alone: whoever asked for these hears of them on a morning without alerts, too."""

from collections.abc import Sequence

from consumers.set_times import SetTimes, set_times
from daemon.store import Store
from daemon.store.digests import OLDEST_NEAR_MISS
from daemon.store.near_misses import Asking, NearMisses

GRACE = 120.0  # seconds after a set time, in which what was held until then has gone out, with the near misses
_DAY = 86_400.0


class NearDigests:
    """One thread. Several processes may each have one: a digest is made once."""

    def __init__(self, store: Store) -> None:
        self._rows = NearMisses(store)
        self._next: dict[tuple[str, str], float] = {}  # when to look again, by channel and set times

    def round(self, now: float) -> int:
        """How many digests were made. To be called every minute or so; raises ``Unavailable``: call again."""
        asking = self._rows.topics(now)
        wanted = {(each.channel, each.when) for one in asking for each in one.topic.digests if each.near_misses}
        self._next = {key: at for key, at in self._next.items() if key in wanted}
        made = 0
        for channel, when in sorted(wanted):
            if now >= self._next.get((channel, when), 0.0):
                times = set_times(when)
                due = _last(times, now - GRACE)
                made += self._make(channel, when, [each for each in asking if each.asks(channel, when)], due, now)
                self._next[channel, when] = times.next(due) + GRACE
        return made

    def _make(self, channel: str, when: str, asking: Sequence[Asking], due: float, now: float) -> bool:
        """Nobody is told of a time at which it was not asked for yet."""
        then = [each for each in asking if each.changed < due]
        if not then:
            return False
        told = self._rows.told_until(channel, when, due)
        since = max(min(each.changed for each in then) if told is None else told, due - OLDEST_NEAR_MISS)
        found = self._rows.found([each.topic for each in then], since, due)
        return bool(found) and self._rows.begin(channel, when, since, due, now)


def _last(times: SetTimes, until: float) -> float:
    """The last of these times, that moment included; each day of the week is within the eight days before it."""
    at = times.next(until - 8 * _DAY)
    while (later := times.next(at)) <= until:
        at = later
    return at
