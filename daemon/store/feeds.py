"""What polling has learned of every feed, and which items it has read."""

import heapq
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import (
    Connection,
    String,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from daemon.feeds import Feed, FeedState, SeenItem
from daemon.fetch.listing import Plan, Stored, plan
from daemon.fetch.shards import SHARDS, shard_lease, shard_of
from daemon.fetch.urls import host_of
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.store.tables import feeds as feeds_table
from daemon.store.tables import seen_items
from daemon.store.upsert import insert_new, upsert
from daemon.wire import to_json

_STILL_THERE = 2 * 86_400.0  # seconds: of an item still in its feed it is written down once a day that it is
_ROWS = 500  # in one statement


class FeedStates:
    """The working copy is in memory, every change is in the store before it is in memory. Threads may share it.

    With ``leases`` it is of the shards that were gained and not lost, and what is written of a feed is written only
    while its shard is leased: somebody else may know it better by now.

    All but ``due``, ``postpone``, ``shift``, ``lose``, ``state``, ``taken`` and ``states`` wait for the store, and
    raise ``Unavailable``.
    """

    def __init__(self, store: Store, *, longest_wait: float = 86_400.0, leases: Leases | None = None) -> None:
        """``longest_wait``: seconds; a due time beyond it was written by a clock that was wrong."""
        self._store = store
        self._longest_wait = longest_wait
        self._leases = leases
        self._changing = threading.Lock()  # which feeds are polled: one change after the other
        self._listed: dict[str, Feed] = {}
        self._edited: set[str] = set()  # while their shard was somebody else's, who may not have known
        self._lock = threading.Lock()
        self._shards: frozenset[int] = frozenset(range(SHARDS)) if leases is None else frozenset()
        self._states: dict[str, FeedState] = {}  # of the feeds that are listed, in our shards
        self._queue: list[tuple[float, str]] = []  # (due, feed id); an entry that is not in _waiting is void
        self._waiting: dict[str, float] = {}  # feed id → when it is due; absent while it is polled

    def sync(self, feeds: Sequence[Feed], now: float, changed: Collection[str] = ()) -> None:
        """Exactly ``feeds`` are polled from now on. A new one is due at once, and so is one in ``changed``.

        What is known of a feed that is no longer listed is kept, in case it comes back.
        """
        with self._changing:
            with self._store.read() as connection:
                rows = connection.execute(select(feeds_table.c.feed_id, feeds_table.c.listed, feeds_table.c.state))
                stored = {row.feed_id: Stored(row.listed, row.state) for row in rows}
            listed = {feed.id: feed for feed in feeds}
            edited = self._edited | set(changed)
            change = plan(listed.values(), stored, now, edited=edited, shards=self._shards)
            gone = sorted(feed_id for feed_id, known in stored.items() if known.listed and feed_id not in listed)
            with self._store.write() as connection:
                self._write(connection, change)
                _take_off(connection, gone)
            self._listed = listed
            self._edited = {feed_id for feed_id in edited & listed.keys() if feed_id not in change.states}
            self._adopt(change.states, change.fresh, now)

    def gain(self, shards: Collection[int], now: float) -> None:
        """Their feeds are polled from now on, from where whoever polled them last has left off."""
        with self._changing:
            feeds = [feed for feed in self._listed.values() if shard_of(host_of(feed.url)) in shards]
            ids = sorted(feed.id for feed in feeds)
            stored: dict[str, Stored] = {}
            with self._store.read() as connection:
                for start in range(0, len(ids), _ROWS):
                    some = feeds_table.c.feed_id.in_(ids[start : start + _ROWS])
                    for row in connection.execute(select(feeds_table).where(some)):
                        stored[row.feed_id] = Stored(row.listed, row.state)
            change = plan(feeds, stored, now, edited=self._edited, shards=shards)
            if change.fresh:
                with self._store.write() as connection:
                    self._write(connection, change)
            self._edited -= change.states.keys()
            with self._lock:
                self._shards |= frozenset(shards)
                self._states.update(change.states)
                for feed_id, state in change.states.items():
                    self._wait(feed_id, min(state.next_due, now + self._longest_wait))

    def lose(self, shards: Collection[int]) -> None:
        """Their feeds are no longer due here. A poll that is on its way may still be recorded, while it is leased."""
        with self._lock:
            self._shards -= frozenset(shards)
            kept = {id_: state for id_, state in self._states.items() if shard_of(state.host) in self._shards}
            for feed_id in self._states.keys() - kept.keys():
                self._waiting.pop(feed_id, None)
            self._states = kept

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

    def taken(self, feed_id: str) -> FeedState | None:
        """The state of a feed that was handed out as due, and is not waiting again since."""
        with self._lock:
            return None if feed_id in self._waiting else self._states.get(feed_id)

    def seen(self, feed_id: str, ids: Collection[str]) -> dict[str, SeenItem]:
        """What is known of these articles, by id."""
        table = seen_items.c
        columns = (table.article_id, table.content_hash, table.revision, table.last_seen)
        wanted = (table.feed_id == feed_id) & table.article_id.in_(list(ids))
        with self._store.read() as connection:
            rows = connection.execute(select(*columns).where(wanted)).all()
        return {row.article_id: SeenItem(**row._asdict()) for row in rows}

    def record(self, state: FeedState, seen: Iterable[SeenItem] = ()) -> None:
        """One transaction: the state, and the items read. The feed waits for its next due time.

        Nothing is written of a feed whose lease has run out: whoever polls it now reads the same items, under the same
        ids.
        """
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
        lease = shard_lease(shard_of(state.host))
        if self._leases is not None and not self._leases.held(lease):
            return
        change = update(feeds_table).where(feeds_table.c.feed_id == state.feed_id)
        if self._leases is not None:
            change = change.where(self._leases.ours(lease))
        with self._store.write() as connection:
            changed = connection.execute(change.values(next_due=state.next_due, state=to_json(state).decode())).rowcount
            if self._leases is not None and not changed:
                return
            upsert(seen_items, items, connection=connection)
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

    def _write(self, connection: Connection, change: Plan) -> None:
        """Others may be writing the same list: what they have written, or polled since, stays.

        New ones first: an insert waits for whoever updates a row of that key.
        """
        insert_new(feeds_table, [_row(state) for state in change.new], connection=connection)
        this = feeds_table.c.feed_id == bindparam("this")
        values = {"next_due": bindparam("due"), "state": bindparam("text"), "listed": True}
        _change(connection, update(feeds_table).where(this, not_(feeds_table.c.listed)).values(values), change.back)
        renewed = update(feeds_table).where(this).values(values)
        if self._leases is not None:
            owned = self._leases.ours(bindparam("lease", type_=String))
            _change(connection, renewed.where(owned), change.renewed, leased=True)
        else:
            _change(connection, renewed, change.renewed)

    def _adopt(self, states: Mapping[str, FeedState], fresh: Collection[str], now: float) -> None:
        """What was recorded while the store was read is newer than what was read."""
        with self._lock:
            polling = self._states.keys() - self._waiting.keys()
            kept = {feed_id: self._states[feed_id] for feed_id in states.keys() & self._states.keys() - set(fresh)}
            here = {**states, **kept}.items()
            self._states = {feed_id: state for feed_id, state in here if shard_of(state.host) in self._shards}
            self._queue, self._waiting = [], {}
            for feed_id in self._states.keys() - polling:
                self._wait(feed_id, min(self._states[feed_id].next_due, now + self._longest_wait))

    def _wait(self, feed_id: str, at: float) -> None:
        self._waiting[feed_id] = at
        heapq.heappush(self._queue, (at, feed_id))


def _row(state: FeedState) -> dict[str, object]:
    return {
        "feed_id": state.feed_id,
        "listed": True,
        "next_due": state.next_due,
        "state": to_json(state).decode(),
    }


def _take_off(connection: Connection, gone: Sequence[str]) -> None:
    """``gone`` in order, and locked in it: others may be taking off the same."""
    for start in range(0, len(gone), _ROWS):
        some = feeds_table.c.feed_id.in_(gone[start : start + _ROWS])
        still = select(feeds_table.c.feed_id).where(some, feeds_table.c.listed)
        ordered = still.order_by(feeds_table.c.feed_id).with_for_update()
        connection.execute(update(feeds_table).where(feeds_table.c.feed_id.in_(ordered)).values(listed=False))


def _change(connection: Connection, statement: Update, states: Sequence[FeedState], *, leased: bool = False) -> None:
    if states:
        connection.execute(
            statement,
            [
                {"this": state.feed_id, "due": state.next_due, "text": to_json(state).decode()}
                | ({"lease": shard_lease(shard_of(state.host))} if leased else {})
                for state in sorted(states, key=lambda state: state.feed_id)
            ],
        )
