"""The archive in the order in which its articles were read, oldest first: how a replay goes through it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, or_, select

from daemon.store import Store
from daemon.store.archive import Archive, Archived
from daemon.store.tables import articles


@dataclass(frozen=True, slots=True)
class Place:
    """Of an article in the chronicle. ``seen``: when it was read, in seconds since the epoch."""

    seen: float
    id: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """The articles after ``after`` that were seen at ``until`` or earlier."""

    after: Place
    until: float


class Chronicle:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._archive = Archive(store)

    def count(self, span: Span) -> int:
        with self._store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(articles).where(_within(span))).scalar_one())

    def next(self, span: Span, limit: int) -> tuple[Sequence[Archived], Place | None]:
        """At most ``limit`` of them, oldest first, and the place of the last one; ``None`` at the end.

        An article without vectors is passed over.
        """
        query = select(articles.c.seen, articles.c.id).where(_within(span))
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(articles.c.seen, articles.c.id).limit(limit)).all()
        if not rows:
            return (), None
        return self._archive.by_id([row.id for row in rows]), Place(rows[-1].seen, rows[-1].id)


def _within(span: Span) -> ColumnElement[bool]:
    same = and_(articles.c.seen == span.after.seen, articles.c.id > span.after.id)
    return and_(or_(articles.c.seen > span.after.seen, same), articles.c.seen <= span.until)
