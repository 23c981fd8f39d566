"""Forgetting by age and by size, in steps so small that nobody waits for them.

A step is one transaction over at most ``rows`` rows of one kind. What is still needed is never forgotten: a delivery
that is not finished keeps its story, also one that waits, an item that is still in its feed keeps its seen id.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, or_, select, tuple_

from consumers.stories import StoryRule
from daemon.clock import Clock
from daemon.store import Store
from daemon.store.holds import FOR_GOOD
from daemon.store.space import Forget, space_of
from daemon.store.tables import (
    alerts,
    dead_letters,
    deliveries,
    ledger,
    line_moves,
    living_messages,
    mutes,
    stories,
    story_matches,
)

FINISHED: Final = ("sent", "dead")


class Retention:
    """One thread. ``articles`` and ``seen`` are ages in seconds, ``max_size`` bytes of the store.

    ``articles`` covers what comes from articles too: stories, alerts, deliveries, the ledger, mutes, dead letters;
    ``seen`` how the topics' lines moved.
    ``delete_articles`` takes all that belongs to them along; ``delete_seen`` spares what may still be in its feed.
    """

    def __init__(
        self,
        store: Store,
        *,
        delete_articles: Forget,
        delete_seen: Forget,
        articles: float,
        seen: float,
        max_size: int,
        rows: int = 100,  # 5 to 10 ms for articles of 3 kB with 10 vectors and 5 scores each
    ) -> None:
        self._store = store
        self._space = space_of(store)
        self._delete_articles = delete_articles
        self._delete_seen = delete_seen
        self._articles = articles
        self._seen = seen
        self._max_size = max_size
        self._rows = rows
        self._kind = 0  # where the sweep is

    def sweep(self, clock: Clock, stop: threading.Event) -> None:
        """Steps until nothing is left to forget or ``stop`` is set.

        Pauses after each step as long as the step took, so that others write at least half of the time.
        Raises ``Unavailable``.
        """
        self._kind = 0
        self._space.start()  # another process may have forgotten much since
        more = True
        while more and not stop.is_set():
            started = clock.monotonic()
            more = self.step(clock.now())
            stop.wait(max(clock.monotonic() - started, 0.001))

    def step(self, now: float) -> bool:
        """Forget a little; whether there is more to forget at once. Raises ``Unavailable``.

        One kind after the other, each asked until it has no more, so that a long sweep does not ask all of them at
        every step.
        """
        old, rows = now - self._articles, self._rows
        kinds: Sequence[Callable[[], bool]] = (
            lambda: self._delete_articles(old, rows) == rows,
            lambda: self._old_stories(min(old, now - StoryRule().window)),  # one that may go on is still needed
            lambda: self._old(deliveries, deliveries.c.alert_id == "", deliveries.c.updated < old, _finished()),
            lambda: self._old_steps(old),
            lambda: self._old(mutes, func.coalesce(mutes.c.ended, mutes.c.until) < old),
            lambda: self._old(dead_letters, dead_letters.c.at < old),
            lambda: self._delete_seen(now - self._seen, rows) == rows,
            lambda: self._old_moves(now - self._seen),
            lambda: self._space.shrink(self._max_size, self._delete_articles, rows),
            lambda: self._space.give_back(self._max_size),
        )
        while self._kind < len(kinds):
            if kinds[self._kind]():
                return True
            self._kind += 1
        self._kind = 0
        self._space.start()
        return False

    def _old_stories(self, before: float) -> bool:
        """A story goes when nothing is left to send about it and nothing joined it or was told of it since then.

        When its articles were published says nothing: feeds carry old ones, and whoever forgets that a story was told
        tells it again. Its matches go first, step by step, itself last.
        """
        with self._store.write() as connection:
            found = connection.scalars(
                select(stories.c.id)
                .where(*_forgettable(before))
                .order_by(stories.c.latest)
                .limit(self._rows // 10 or 1)
            ).all()
            # Locked, so that no alerter adds to them from here on, and asked again, as one may have before
            locked = select(stories.c.id).where(stories.c.id.in_(found)).order_by(stories.c.id).with_for_update()
            connection.execute(locked)
            ids = connection.scalars(select(stories.c.id).where(stories.c.id.in_(found), *_forgettable(before))).all()
            if not ids:
                return False
            if not self._delete(connection, story_matches, story_matches.c.story_id.in_(ids)):
                told = connection.scalars(select(alerts.c.id).where(alerts.c.story_id.in_(ids))).all()
                connection.execute(delete(deliveries).where(deliveries.c.alert_id.in_(told)))
                connection.execute(delete(living_messages).where(living_messages.c.story_id.in_(ids)))
                connection.execute(delete(ledger).where(ledger.c.story_id.in_(ids)))
                connection.execute(delete(alerts).where(alerts.c.id.in_(told)))
                connection.execute(delete(stories).where(stories.c.id.in_(ids)))
        return True

    def _old_moves(self, before: float) -> bool:
        return self._old(line_moves, line_moves.c.at < before)

    def _old_steps(self, before: float) -> bool:
        """Of stories that are no longer kept; the others keep their history."""
        kept = exists().where(stories.c.id == ledger.c.story_id)
        return self._old(ledger, ledger.c.at < before, ~kept)

    def _old(self, table: Table, *which: ColumnElement[bool]) -> bool:
        with self._store.write() as connection:
            return self._delete(connection, table, *which)

    def _delete(self, connection: Connection, table: Table, *which: ColumnElement[bool]) -> bool:
        """At most ``rows`` of them; whether that many were there."""
        key = table.primary_key.columns.values()
        found = connection.execute(select(*key).where(*which).limit(self._rows)).all()
        mine = key[0].in_([row[0] for row in found])
        if len(key) > 1:
            mine = tuple_(*key).in_([tuple(row) for row in found])
        connection.execute(delete(table).where(mine))
        return len(found) == self._rows


def _forgettable(before: float) -> Sequence[ColumnElement[bool]]:
    """Of a story: nothing joined it or was told of it since then, and nothing is left to send about it."""
    unfinished = (
        select(alerts.c.id)
        .join(deliveries, deliveries.c.alert_id == alerts.c.id)
        .where(alerts.c.story_id == stories.c.id, ~_finished())
    )
    joined = exists().where(story_matches.c.story_id == stories.c.id, story_matches.c.at >= before)
    told_of = exists().where(alerts.c.story_id == stories.c.id, alerts.c.at >= before)
    return stories.c.latest < before, ~joined, ~told_of, ~exists(unfinished)


def _finished() -> ColumnElement[bool]:
    """Sent, given up, or told by another topic in its place."""
    never = and_(deliveries.c.state == "held", deliveries.c.carrier == "", deliveries.c.due >= FOR_GOOD)
    return or_(deliveries.c.state.in_(FINISHED), never)
