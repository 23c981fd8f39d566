"""What a list of feeds means for what is known of them. Pure.

Many fetchers read the same list, each at its own time. Whoever polls a feed decides what its state is; all others only
see to it that it has one.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from daemon.feeds import Feed, FeedState
from daemon.fetch.shards import shard_of
from daemon.fetch.urls import host_of
from daemon.wire import from_json


@dataclass(frozen=True, slots=True)
class Stored:
    """A feed's row. ``state`` is a FeedState as JSON."""

    listed: bool
    state: str


@dataclass(slots=True)
class Plan:
    """What a list of feeds means for the store, and for the working copy (``states``)."""

    new: list[FeedState] = field(default_factory=list)
    back: list[FeedState] = field(default_factory=list)  # listed again
    renewed: list[FeedState] = field(default_factory=list)
    states: dict[str, FeedState] = field(default_factory=dict)

    @property
    def fresh(self) -> frozenset[str]:
        return frozenset(state.feed_id for state in (*self.new, *self.back, *self.renewed))


def plan(
    feeds: Iterable[Feed],
    stored: Mapping[str, Stored],
    now: float,
    *,
    edited: Collection[str],
    shards: Collection[int],
) -> Plan:
    """``shards`` are those polled here, and ``edited`` the ids of feeds whose validators are void."""
    made = Plan()
    for feed in feeds:
        known, ours = stored.get(feed.id), shard_of(host_of(feed.url)) in shards
        if known is not None and known.listed and not ours:
            continue
        before = from_json(FeedState, known.state) if known else None
        back = known is not None and not known.listed
        state = _renewed(before, feed, now, again=back or feed.id in edited)
        if known is None:
            made.new.append(state)
        elif back:
            made.back.append(state)
        elif state != before:
            made.renewed.append(state)
        if ours:
            made.states[feed.id] = state
    return made


def _renewed(known: FeedState | None, feed: Feed, now: float, *, again: bool) -> FeedState:
    """Validators belong to an address: at another one they would hide what it has."""
    host = host_of(feed.url)
    if known is None:
        return FeedState(feed_id=feed.id, host=host, next_due=now)
    if again or known.host != host:
        return replace(
            known, host=host, etag="", last_modified="", body_hash="", moved_to="", failures=0.0, next_due=now
        )
    return known
