"""Mutes in the store."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, and_, case, select, update

from consumers.holding import Mute
from daemon.store import Store
from daemon.store.holds import take_turns
from daemon.store.living import raise_wanted
from daemon.store.outbox_rows import IS_FREE
from daemon.store.tables import alerts, deliveries, living_messages, mutes
from daemon.store.upsert import insert_new

_OVER = "its time was over"

_column = mutes.c


class Mutes:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, mute: Mute) -> None:
        """The same one again changes nothing."""
        with self._store.write() as connection:
            take_turns(connection)
            insert_new(mutes, [asdict(mute)], connection=connection)
            _show(connection, mute, mute.since)

    def end(self, mute_id: str, now: float, why: str) -> bool:
        """What it holds is due now. False where there is none with this id, or it has ended."""
        with self._store.write() as connection:
            return end(connection, mute_id, now, why)

    def in_force(self, now: float) -> Sequence[Mute]:
        with self._store.read() as connection:
            return in_force(connection, now)

    def all(self, *, limit: int = 200) -> Sequence[Mute]:
        """Those in force first, then the newest."""
        ended_last = case((_column.ended.is_(None), 0), else_=1)
        query = select(mutes).order_by(ended_last, _column.since.desc(), _column.id).limit(limit)
        with self._store.read() as connection:
            return [_mute(row) for row in connection.execute(query)]


def in_force(connection: Connection, now: float, *, locked: bool = False) -> Sequence[Mute]:
    """``locked``: none of them ends before this transaction does."""
    query = select(mutes).where(_column.ended.is_(None), _column.since <= now, _column.until > now)
    query = query.order_by(_column.id)
    rows = connection.execute(query).all()
    if locked and rows:
        take_turns(connection)
        rows = connection.execute(query).all()
    return [_mute(row) for row in rows]


def find(connection: Connection, mute_id: str) -> Mute | None:
    row = connection.execute(select(mutes).where(_column.id == mute_id)).one_or_none()
    return _mute(row) if row else None


def end(connection: Connection, mute_id: str, now: float, why: str) -> bool:
    """See ``Mutes.end``.

    What it held was due when it began, as far as the rows say: whoever claims with a clock that is behind this one sees
    that the mute is over, and has to see that they come first.
    """
    take_turns(connection)
    mine = (_column.id == mute_id, _column.ended.is_(None))
    if not connection.execute(update(mutes).where(*mine).values(ended=now, ended_why=why)).rowcount:
        return False
    held = deliveries.c.held.in_((f"mute {mute_id}", f"source mute {mute_id}"))
    free = and_(deliveries.c.state == "held", IS_FREE)
    mute = find(connection, mute_id)
    connection.execute(update(deliveries).where(held, free).values(due=min(now, mute.since) if mute else now))
    if mute:
        _show(connection, mute, now)
    return True


def over(connection: Connection, now: float) -> Sequence[str]:
    """Mutes whose time is over and which have not ended."""
    return connection.execute(select(_column.id).where(_column.ended.is_(None), _column.until <= now)).scalars().all()


def expire(connection: Connection, mute_id: str, now: float) -> None:
    """Its time is over."""
    end(connection, mute_id, now, _OVER)


def _show(connection: Connection, mute: Mute, now: float) -> None:
    """Messages that live say whether they are muted."""
    if mute.kind == "story":
        raise_wanted(connection, [mute.target], now)
    elif mute.kind == "topic":
        of_topic = alerts.c.id == living_messages.c.alert_id, alerts.c.topic_id == mute.target
        told = select(living_messages.c.story_id).join(alerts, of_topic[0]).where(of_topic[1]).distinct()
        raise_wanted(connection, connection.execute(told).scalars().all(), now)


def _mute(row: Row[Any]) -> Mute:
    return Mute(**row._asdict())
