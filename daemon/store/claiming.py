"""Claiming: the next delivery of a channel that goes out, after those that have to wait were put aside."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, or_, select, tuple_, update

from consumers.holding import Hold, Mute, Quiet
from daemon.store import ledger, mutes
from daemon.store.digests import carry
from daemon.store.holds import put_on_hold
from daemon.store.outbox_rows import Delivery, is_due, is_waiting, with_alerts
from daemon.store.releasing import end_mutes, release
from daemon.store.standing import decided, standing
from daemon.store.story_order import is_blocked, of_its_story, told_with
from daemon.store.tables import alerts, deliveries

_AT_ONCE = 100  # rows that are put aside in one transaction
_PAGE = 100

_column = deliveries.c


def claim(connection: Connection, channel: str, now: float, quiet: Quiet | None) -> Delivery | None:
    """The first due delivery of the channel that need not wait, now ``sending``; ``None`` where there is none."""
    aside = 0
    in_force = mutes.in_force(connection, now, locked=True)
    for row in _due(connection, channel, now):
        if row.in_doubt:  # it may have arrived: that is found out whatever is muted now
            return _take(connection, row, now)
        if is_blocked(connection, row, now) or _told_already(connection, row, now):
            continue
        if row.alert_id and end_mutes(connection, row, in_force, now):
            release(connection, channel, now)  # what they held comes before this one, where it is of the same story
            return claim(connection, channel, now, quiet)
        wait = _wait(connection, row, in_force, quiet, now)
        if wait is None:
            others = told_with(connection, row, now) if row.alert_id else ()
            if others is None:
                continue
            return _take(connection, row, now, others)
        aside += put_on_hold(connection, row, wait, now)
        if aside >= _AT_ONCE:
            return None
    return None


def _due(connection: Connection, channel: str, now: float) -> Iterator[Row[Any]]:
    """In the order in which alerts were raised."""
    place = tuple_(_column.created, _column.id)
    due = select(_column.id, _column.created).where(is_due(now), _column.channel == channel)
    query = due.order_by(_column.created, _column.id)
    found = connection.execute(query.limit(_PAGE)).all()
    while found:
        for each in found:
            yield from connection.execute(with_alerts().where(_column.id == each.id, is_waiting()))
        found = connection.execute(query.where(place > (found[-1].created, found[-1].id)).limit(_PAGE)).all()


def _take(connection: Connection, row: Row[Any], now: float, others: Sequence[str] = ()) -> Delivery | None:
    """``others``: ids of what it tells as well."""
    since = row.updated if row.in_doubt else now
    mine = (_column.id == row.id, _column.attempts == row.attempts, is_waiting())
    claimed = update(deliveries).where(*mine).values(state="sending", attempts=row.attempts + 1, updated=since)
    if not connection.execute(claimed).rowcount:
        return None  # somebody else was first
    if others and not row.carrier:  # what a digest failed to tell goes alone
        carry(connection, row.id, others)
    return Delivery(
        id=row.id,
        alert_id=row.alert_id,
        channel=row.channel,
        attempts=row.attempts + 1,
        in_doubt=row.in_doubt,
        since=since,
        at=now,
        waited=bool(row.held),
        notice=row.notice,
        carries=row.carries,
    )


def _told_already(connection: Connection, row: Row[Any], now: float) -> bool:
    """A first alert whose story turned out to be one that is told: it was merged while this one waited."""
    if row.kind != "first":
        return False
    told = [each for each in of_its_story(connection, row) if each.kind == "first" and each.state == "sent"]
    if not told:
        return False
    carrier = told[0].carrier or told[0].id
    values = {"state": "sent", "carrier": carrier, "provider_id": told[0].provider_id, "updated": now}
    mine = or_(and_(_column.id == row.id, is_waiting()), and_(_column.carrier == row.id, _column.state == "held"))
    ids = connection.execute(select(_column.id).where(mine)).scalars().all()  # with what it was to tell as well
    connection.execute(update(deliveries).where(mine).values(values))
    ledger.tell(connection, ids, "carried", now, "its story turned out to be one that was told")
    return True


def _wait(
    connection: Connection, row: Row[Any], in_force: Sequence[Mute], quiet: Quiet | None, now: float
) -> Hold | None:
    if row.notice is not None:
        return None
    if not row.alert_id:
        return _wait_of_digest(connection, row, quiet, now)
    stands = standing(connection, row)
    return decided(connection, row, stands, in_force, quiet, now) if stands else None


def _wait_of_digest(connection: Connection, row: Row[Any], quiet: Quiet | None, now: float) -> Hold | None:
    """A digest waits for the end of quiet hours, unless it carries something that does not."""
    end = quiet.until(now) if quiet else None
    loud = or_(alerts.c.severity == "urgent", alerts.c.kind == "escalation")
    carried = select(_column.id).join(alerts, alerts.c.id == _column.alert_id).where(_column.carrier == row.id, loud)
    if end is None or connection.execute(select(exists(carried))).scalar():
        return None
    return Hold(held="quiet hours", why="", until=end)
