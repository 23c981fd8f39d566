"""What polling has learned of every feed, and which items it has read."""

import heapq
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sqlalchemy import and_, delete, exists, not_, or_, select, tuple_, update

from daemon.feeds import Feed, FeedState, SeenItem
from daemon.fetch.urls import host_of
from daemon.store import Store
from daemon.store.tables import feeds as feeds_table
from daemon.store.tables import seen_items
from daemon.store.upsert import upsert
from daemon.wire import from_json, to_json

_STILL_THERE = 2 * 86_400.0  # seconds: of an item still in its feed it is written down once a day that it is
_ROWS = 500  # in one statement


class FeedStates:
    """The working copy is in memory, every change is in the store before it is in memory. Threads may share it.

    All but ``due``, ``postpone``, ``shift`` and ``states`` wait for the disk, and raise ``Unavailable``.
    """

    def __init__(self, store: Store, *, longest_wait: float = 86_400.0) -> None:
        """``longest_wait``: seconds; a due time beyond it was written by a clock that was wrong."""
        self._store = store
        self._longest_wait = longest_wait
        self._lock = threading.Lock()
        self._states: dict[str, FeedState] = {}  # of the feeds that are listed
        self._queue: list[tuple[float, str]] = []  # (due, feed id); an entry that is not in _waiting is void
        self._waiting: dict[str, float] = {}  # feed id → when it is due; absent while it is polled

    def sync(self, feeds: Sequence[Feed], now: float, changed: Collection[str] = ()) -> None:
        """Exactly ``feeds`` are polled from now on. A new one is due at once, and so is one in ``changed``.

        What is known of a feed that is no longer listed is kept, in case it comes back.
        """
        with self._store.read() as connection:
            rows = connection.execute(select(feeds_table.c.feed_id, feeds_table.c.listed, feeds_table.c.state)).all()
        kept = {row.feed_id: from_json(FeedState, row.state) for row in rows}
        listed = {row.feed_id for row in rows if row.listed}
        states = {
            feed.id: _renewed(kept.get(feed.id), feed, now, again=feed.id in changed or feed.id not in listed)
            for feed in feeds
        }
        fresh = {id_: state for id_, state in states.items() if id_ not in listed or state != kept[id_]}
        with self._store.write() as connection:
            gone = sorted(listed - states.keys())
            for start in range(0, len(gone), _ROWS):
                some = feeds_table.c.feed_id.in_(gone[start : start + _ROWS])
                connection.execute(update(feeds_table).where(some).values(listed=False))
            upsert(feeds_table, [_row(state) for state in fresh.values()], connection=connection)
        self._adopt(states, fresh, now)

    def due(self, now: float, limit: int) -> list[FeedState]:
        """The feeds whose time has come, longest due first. Each only once, until it is recorded or postponed."""
        found: list[FeedState] = []
        with self._lock:
            while self._queue and self._queue[0][0] <= now and len(found) < limit:
                at, feed_id = heapq.heappop(self._queue)
                if self._waiting.get(feed_id) == at:
                    del self._waiting[feed_id]
                    found.append(self._states[feed_id])
        return found

    def postpone(self, feed_id: str, until: float) -> None:
        """Nothing was learned: ask again then. In memory only."""
        with self._lock:
            if feed_id in self._states:
                self._wait(feed_id, until)

    def shift(self, seconds: float) -> None:
        """The wall clock was put forward by ``seconds`` (back, where negative): what was due in an hour still is."""
        with self._lock:
            self._states = {
                feed_id: replace(state, next_due=state.next_due + seconds) for feed_id, state in self._states.items()
            }
            waiting = {feed_id: at + seconds for feed_id, at in self._waiting.items()}
            self._queue, self._waiting = [], {}
            for feed_id, at in waiting.items():
                self._wait(feed_id, at)

    def states(self) -> list[FeedState]:
        with self._lock:
            return list(self._states.values())

    def state(self, feed_id: str) -> FeedState | None:
        with self._lock:
            return self._states.get(feed_id)

    def seen(self, feed_id: str, ids: Collection[str]) -> dict[str, SeenItem]:
        """What is known of these articles, by id."""
        table = seen_items.c
        columns = (table.article_id, table.content_hash, table.revision, table.last_seen)
        wanted = (table.feed_id == feed_id) & table.article_id.in_(list(ids))
        with self._store.read() as connection:
            rows = connection.execute(select(*columns).where(wanted)).all()
        return {row.article_id: SeenItem(**row._asdict()) for row in rows}

    def record(self, state: FeedState, seen: Iterable[SeenItem] = ()) -> None:
        """One transaction: the state, and the items read. The feed waits for its next due time."""
        items = [
            {
                "feed_id": state.feed_id,
                "article_id": item.article_id,
                "content_hash": item.content_hash,
                "revision": item.revision,
                "last_seen": item.last_seen,
            }
            for item in seen
        ]
        with self._store.write() as connection:
            upsert(seen_items, items, connection=connection)
            connection.execute(
                update(feeds_table)
                .where(feeds_table.c.feed_id == state.feed_id)
                .values(next_due=state.next_due, state=to_json(state).decode())
            )
        with self._lock:
            if state.feed_id in self._states:
                self._states[state.feed_id] = state
                self._wait(state.feed_id, state.next_due)

    def prune_seen(self, before: float, limit: int = 1_000) -> int:
        """Forget up to ``limit`` items last seen before ``before``; how many they were. One short transaction.

        Never one that may still be in its feed: a feed can stay the same for years, and none of its items is news then.
        """
        table, other = seen_items.c, seen_items.alias("other")
        passed = exists().where(other.c.feed_id == table.feed_id, other.c.last_seen > table.last_seen + _STILL_THERE)
        listed = exists().where(feeds_table.c.feed_id == table.feed_id, feeds_table.c.listed)
        old = (
            select(table.feed_id, table.article_id)
            .where(table.last_seen < before, or_(passed, not_(listed)))
            .order_by(table.last_seen)
            .limit(limit)
        )
        with self._store.read() as connection:
            ids = [tuple(row) for row in connection.execute(old).all()]
        if ids:
            with self._store.write() as connection:
                chosen = tuple_(table.feed_id, table.article_id).in_(ids)
                connection.execute(delete(seen_items).where(and_(chosen, table.last_seen < before)))
        return len(ids)

    def _adopt(self, states: dict[str, FeedState], fresh: Collection[str], now: float) -> None:
        """What was recorded while the store was read is newer than what was read."""
        with self._lock:
            polling = self._states.keys() - self._waiting.keys()
            kept = {feed_id: self._states[feed_id] for feed_id in states.keys() & self._states.keys() - set(fresh)}
            self._states = {**states, **kept}
            self._queue, self._waiting = [], {}
            for feed_id in self._states.keys() - polling:
                self._wait(feed_id, min(self._states[feed_id].next_due, now + self._longest_wait))

    def _wait(self, feed_id: str, at: float) -> None:
        self._waiting[feed_id] = at
        heapq.heappush(self._queue, (at, feed_id))


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


def _row(state: FeedState) -> dict[str, object]:
    return {
        "feed_id": state.feed_id,
        "listed": True,
        "next_due": state.next_due,
        "state": to_json(state).decode(),
    }
