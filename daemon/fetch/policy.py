"""When a feed is polled next: a pure function of what is known of it and what the last poll brought."""

from dataclasses import dataclass, replace

from daemon.feeds import FeedState
from daemon.fetch.failure import FailureKind

FEW_KNOWN = 0.33  # below: items may have come and gone between two polls
MOST_KNOWN = 0.67  # above, twice in a row: the feed changes more slowly than we look
_ON_TIME = 0.25  # share of the interval; a later poll says nothing about the interval
_ON_TIME_LEAST = 60.0  # seconds
_LONGER = 1.5
_SPREAD = 0.25
_JITTER = 0.1  # share of the wait that is left to chance, so that feeds do not march in step

WEIGHTS: dict[FailureKind, float] = {
    "timeout": 0.5,
    "unreachable": 0.5,
    "server": 0.5,
    "throttled": 0.5,
    "dns": 1.0,
    "tls": 1.0,
    "answer": 2.0,
    "denied": 2.0,
    "too_large": 2.0,
    "unreadable": 2.0,
    "not_a_feed": 2.0,
    "settings": 2.0,
    "refused": 4.0,
    "missing": 4.0,
    "gone": 8.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """Seconds. Every wait lies between ``min_interval`` and ``max_interval``."""

    min_interval: float = 60.0
    default_interval: float = 900.0
    max_interval: float = 86_400.0
    idle_interval: float = 3_600.0  # the longest wait that silence alone earns: news may break in a quiet feed
    publisher_interval: float = 3_600.0  # the longest that ttl and max-age are believed; some say a year

    def clamp(self, seconds: float) -> float:
        return min(max(seconds, self.min_interval), self.max_interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A poll that worked. ``items`` is 0 where nothing was read because the body had not changed."""

    items: int = 0
    known: int = 0  # of them, already read before
    first: bool = False  # nothing to compare with
    ttl: float | None = None  # what the feed says of itself (``ttl``, ``sy:updatePeriod``), seconds
    max_age: float | None = None  # Cache-Control, seconds

    @property
    def overlap(self) -> float:
        return self.known / self.items if self.items else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    kind: FailureKind
    retry_after: float | None = None  # seconds


def after_success(
    policy: PollPolicy, state: FeedState, brought: Brought, *, now: float, jitter: float, every: float | None = None
) -> FeedState:
    """``state`` with its next due time, interval and overlaps; failures forgotten. ``jitter`` is in [0, 1).

    Few items known: half the interval. Most items known on two on-time polls in a row: half as long again, but a feed
    that brings anything new is never polled more rarely than by default, because latency is what users notice, and
    one that brings nothing waits for ``idle_interval`` at most. A wish (``every``) replaces the observed interval and
    the feed's own ttl; max-age is honoured all the same, for until then a cache gives the same answer.
    """
    interval, overlap = _observed(policy, state, brought, now)
    floor = min(max(brought.max_age or 0.0, 0.0 if every else brought.ttl or 0.0), policy.publisher_interval)
    if every:
        interval, overlap = policy.clamp(every), ()
    if brought.first or not _on_time(state, now):
        # after a start or a pause everything was due at once: from here on it is spread over the interval
        soonest = max(interval * _SPREAD, policy.min_interval)
        wait = policy.clamp(max(soonest + interval * (1.0 - _SPREAD) * jitter, floor))
    else:
        wait = _jittered(policy, max(interval, floor), jitter)
    return replace(
        state,
        next_due=now + wait,
        interval=interval,
        overlap=overlap,
        failures=0.0,
        error="",
        polled=now,
        succeeded=now,
    )


def after_failure(
    policy: PollPolicy, state: FeedState, failed: Failed, *, now: float, jitter: float, every: float | None = None
) -> FeedState:
    """``state`` with its next due time and failures. The wait grows with the weighted failures, up to the longest one.

    A feed is never given up: at the longest interval it is still asked, and one success forgets every failure. A
    Retry-After is honoured up to ``max_interval``.
    """
    failures = state.failures + WEIGHTS[failed.kind]
    interval = policy.clamp(every or state.interval or policy.default_interval)
    wait = max(interval * max(1.0, failures), failed.retry_after or 0.0)
    return replace(
        state,
        next_due=now + _jittered(policy, wait, jitter),
        interval=interval,
        overlap=(),
        failures=failures,
        polled=now,
    )


def _observed(policy: PollPolicy, state: FeedState, brought: Brought, now: float) -> tuple[float, tuple[float, ...]]:
    interval = policy.clamp(state.interval or policy.default_interval)
    if brought.first or not _on_time(state, now):
        return interval, state.overlap
    overlap = brought.overlap
    if overlap < FEW_KNOWN:
        return policy.clamp(interval / 2), ()
    fresh = brought.known < brought.items
    ceiling = policy.clamp(policy.default_interval if fresh else policy.idle_interval)
    if overlap <= MOST_KNOWN:
        return min(interval, ceiling), ()
    if not state.overlap:
        return min(interval, ceiling), (overlap,)
    return min(interval * _LONGER, ceiling), ()


def _on_time(state: FeedState, now: float) -> bool:
    """After a pause, or a failure, the items known say nothing about the interval."""
    if state.succeeded is None or state.polled != state.succeeded:
        return False
    return now - state.next_due <= max(_ON_TIME * state.interval, _ON_TIME_LEAST)


def _jittered(policy: PollPolicy, wait: float, jitter: float) -> float:
    """Longer only, so that no server's wish is undercut; the longest wait stays the longest."""
    return policy.clamp(policy.clamp(wait) * (1.0 + _JITTER * jitter))
