"""Deliveries that wait: for quiet hours, mutes, set times or corroboration. What they wait for is in ``held``.

A row in ``held`` is free, or another delivery carries it: then ``carrier`` names that one.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, or_, select, text, update

from consumers.holding import Hold
from daemon.store.ledger import in_chunks, tell
from daemon.store.outbox_rows import IS_FREE
from daemon.store.tables import alerts, deliveries, mutes

FOR_GOOD = 4e10  # ``due`` of what is never told
_MUTES = 0x57_57_6D_75  # key of the advisory lock

_column = deliveries.c
_FREE = or_(_column.state != "held", IS_FREE)


def take_turns(connection: Connection) -> None:
    """Whoever holds by mutes or changes them does it alone, until the transaction ends.

    So none ends while something is being held by it, which then nobody would release. Before any delivery is written:
    who writes several kinds of rows does it in one order, or two wait for one another for ever. It is: turns of topics,
    mutes, deliveries, messages that live, all else.
    """
    if connection.dialect.name == "postgresql":  # a file has one writer anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MUTES})


def put_on_hold(connection: Connection, row: Row[Any], hold: Hold, now: float) -> bool:
    """The row as it was read waits. False where somebody else has put it further since."""
    mine = (_column.id == row.id, _column.state == row.state, _column.attempts == row.attempts, ~_column.in_doubt)
    due = FOR_GOOD if hold.until is None else hold.until
    values = {"state": "held", "held": hold.held, "due": due, "carrier": ""}
    if not connection.execute(update(deliveries).where(*mine, _FREE).values(**values)).rowcount:
        return False
    if row.alert_id:  # what an update carries is looked at by itself again
        carried = (_column.carrier == row.id, _column.state == "held")
        connection.execute(update(deliveries).where(*carried).values(state="pending", due=now, carrier=""))
    if row.state != "held" or row.held != hold.held:
        tell(connection, [row.id], "held", now, hold.why)
    return True


def go(connection: Connection, delivery_id: str, now: float, why: str) -> None:
    """What it waited for has come: it goes out now, by itself."""
    free = (_column.id == delivery_id, _column.state == "held", IS_FREE)
    if connection.execute(update(deliveries).where(*free).values(state="pending", due=now)).rowcount:
        tell(connection, [delivery_id], "released", now, why)


def look_again(connection: Connection, story_ids: Collection[str], now: float) -> None:
    """These stories have changed: a mute of sources may no longer hold what is to be told of them.

    A sender that has read one as it was before, and holds by it, is waited for.
    """
    if connection.execute(select(mutes.c.id).where(mutes.c.ended.is_(None), mutes.c.kind == "source")).first() is None:
        return
    take_turns(connection)
    for ids in in_chunks(story_ids):
        query = select(_column.id, _column.state, _column.held).join(alerts, alerts.c.id == _column.alert_id)
        rows = connection.execute(query.where(alerts.c.story_id.in_(ids))).all()
        waiting = [row.id for row in rows if row.state == "held" and row.held.startswith("source mute ")]
        for some in in_chunks(waiting):
            connection.execute(update(deliveries).where(_column.id.in_(some), _FREE).values(due=now))
