"""Forgetting by age and by size, in steps so small that nobody waits for them.

A step is one transaction over at most ``rows`` rows of one kind. What is still needed is never forgotten: a delivery
that is not finished keeps its story, an item that is still in its feed keeps its seen id.
"""

import threading
from collections.abc import Callable
from math import inf
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, select, tuple_

from daemon.clock import Clock
from daemon.store import Store
from daemon.store.tables import (
    alerts,
    dead_letters,
    deliveries,
    feeds,
    seen_items,
    stories,
    story_matches,
)

FINISHED: Final = ("sent", "dead")
_PAGES = 256  # given back to the disk in one step: 1 MB
_START = (0.0, "", "")  # before the first (last_seen, feed_id, article_id)


class Retention:
    """One thread. ``articles`` and ``seen`` are ages in seconds, ``max_size`` bytes of the store's file.

    ``articles`` covers what comes from articles too: stories, alerts, deliveries, dead letters.
    ``delete_articles(before, limit)`` forgets the oldest ones with all that belongs to them and says how many.
    """

    def __init__(
        self,
        store: Store,
        *,
        delete_articles: Callable[[float, int], int],
        articles: float,
        seen: float,
        max_size: int,
        rows: int = 100,  # 5 to 10 ms for articles of 3 kB with 10 vectors and 5 scores each
    ) -> None:
        self._store = store
        self._delete_articles = delete_articles
        self._articles = articles
        self._seen = seen
        self._max_size = max_size
        self._rows = rows
        self._place = _START

    def sweep(self, clock: Clock, stop: threading.Event) -> None:
        """Steps until nothing is left to forget or ``stop`` is set.

        Pauses after each step as long as the step took, so that others write at least half of the time.
        Raises ``Unavailable``.
        """
        more = True
        while more and not stop.is_set():
            started = clock.monotonic()
            more = self.step(clock.now())
            stop.wait(max(clock.monotonic() - started, 0.001))

    def step(self, now: float) -> bool:
        """Forget a little; whether there is more to forget at once. Raises ``Unavailable``."""
        old = now - self._articles
        return (
            self._delete_articles(old, self._rows) == self._rows
            or self._old_stories(old)
            or self._old(deliveries, deliveries.c.updated < old, _finished(deliveries), deliveries.c.alert_id == "")
            or self._old(dead_letters, dead_letters.c.at < old)
            or self._old_seen(now - self._seen)
            or self._too_large()
            or self._give_back()
        )

    def _old_stories(self, before: float) -> bool:
        """A story goes when nothing is left to send about it: its matches first, step by step, itself last."""
        unfinished = (
            select(alerts.c.id)
            .join(deliveries, deliveries.c.alert_id == alerts.c.id)
            .where(alerts.c.story_id == stories.c.id, deliveries.c.state.not_in(FINISHED))
        )
        with self._store.write() as connection:
            ids = connection.scalars(
                select(stories.c.id)
                .where(stories.c.latest < before, ~exists(unfinished))
                .order_by(stories.c.latest)
                .limit(self._rows // 10 or 1)
            ).all()
            if not ids:
                return False
            if not self._delete(connection, story_matches, story_matches.c.story_id.in_(ids)):
                told = connection.scalars(select(alerts.c.id).where(alerts.c.story_id.in_(ids))).all()
                connection.execute(delete(deliveries).where(deliveries.c.alert_id.in_(told)))
                connection.execute(delete(alerts).where(alerts.c.id.in_(told)))
                connection.execute(delete(stories).where(stories.c.id.in_(ids)))
        return True

    def _old(self, table: Table, *which: ColumnElement[bool]) -> bool:
        with self._store.write() as connection:
            return self._delete(connection, table, *which)

    def _delete(self, connection: Connection, table: Table, *which: ColumnElement[bool]) -> bool:
        """At most ``rows`` of them; whether that many were there."""
        key = table.primary_key.columns.values()[0]
        ids = connection.scalars(select(key).where(*which).limit(self._rows)).all()
        connection.execute(delete(table).where(key.in_(ids)))
        return len(ids) == self._rows

    def _old_seen(self, before: float) -> bool:
        """One stretch of the walk over all old seen ids; what must stay is walked over once a sweep, not for ever."""
        order = (seen_items.c.last_seen, seen_items.c.feed_id, seen_items.c.article_id)
        with self._store.read() as connection:
            stretch = connection.execute(
                select(*order)
                .where(tuple_(*order) > self._place, seen_items.c.last_seen < before)
                .order_by(*order)
                .limit(self._rows)
            ).all()
            latest = _latest_listings(connection, {row.feed_id for row in stretch})
        gone = [row for row in stretch if row.last_seen < latest.get(row.feed_id, inf)]
        if gone:
            with self._store.write() as connection:
                connection.execute(delete(seen_items).where(tuple_(*order).in_([tuple(row) for row in gone])))
        more = len(stretch) == self._rows
        self._place = _place(stretch[-1]) if more else _START
        return more

    def _too_large(self) -> bool:
        with self._store.read() as connection:
            pages, free, size = _pages(connection)
        return (pages - free) * size > self._max_size and self._delete_articles(inf, self._rows) > 0

    def _give_back(self) -> bool:
        """Free pages are used again by what comes next; only a file that is too large or mostly empty shrinks."""
        with self._store.read() as connection:
            pages, free, size = _pages(connection)
        if not free or (pages * size <= self._max_size and free * 2 < pages):
            return False
        with self._store.write() as connection:
            for _ in range(_PAGES):  # one page each: Python's sqlite3 takes a single step of a larger number
                connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
        return True


def _latest_listings(connection: Connection, feed_ids: set[str]) -> dict[str, float]:
    """When each feed that is still read was last seen to list anything.

    What was listed then may be listed still: a feed can stay unchanged, or unreachable, for years.
    """
    rows = connection.execute(
        select(seen_items.c.feed_id, func.max(seen_items.c.last_seen))
        .where(seen_items.c.feed_id.in_(select(feeds.c.feed_id).where(feeds.c.feed_id.in_(feed_ids), feeds.c.listed)))
        .group_by(seen_items.c.feed_id)
    )
    return {row[0]: row[1] for row in rows}


def _pages(connection: Connection) -> tuple[int, int, int]:
    """Pages of the file, how many of them are free, and bytes of one."""
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return pages, free, size


def _finished(table: Table) -> ColumnElement[bool]:
    return table.c.state.in_(FINISHED)


def _place(row: Any) -> tuple[float, str, str]:
    return (row.last_seen, row.feed_id, row.article_id)
