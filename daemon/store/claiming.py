"""Claiming: the next delivery of a channel that goes out, after those that have to wait were put aside."""

from typing import Any

from sqlalchemy import Connection, Row, exists, or_, select, update

from consumers.holding import Hold, Mute, Quiet
from daemon.store import mutes
from daemon.store.digests import carry
from daemon.store.holds import put_on_hold
from daemon.store.outbox_rows import Delivery, is_blocked, is_due, is_waiting, with_alerts
from daemon.store.releasing import end_mutes, release
from daemon.store.standing import decided, standing
from daemon.store.tables import alerts, deliveries

_AT_ONCE = 100  # rows that are put aside in one transaction

_column = deliveries.c


def claim(connection: Connection, channel: str, now: float, quiet: Quiet | None) -> Delivery | None:
    """The first due delivery of the channel that need not wait, now ``sending``; ``None`` where there is none."""
    query = with_alerts().where(is_due(now), _column.channel == channel, ~is_blocked(now)).limit(1)
    for _ in range(_AT_ONCE):
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.in_doubt:  # it may have arrived: that is found out whatever is muted now
            return _take(connection, row, now)
        if row.alert_id and end_mutes(connection, row, now):
            release(connection, channel, now)  # what they held comes before this one, where it is of the same story
            continue
        wait = _wait(connection, row, quiet, now)
        if wait is None:
            _take_along(connection, row, now)
            return _take(connection, row, now)
        if not put_on_hold(connection, row, wait, now):
            return None
    return None


def _take(connection: Connection, row: Row[Any], now: float) -> Delivery | None:
    since = row.updated if row.in_doubt else now
    mine = (_column.id == row.id, _column.attempts == row.attempts, is_waiting())
    claimed = update(deliveries).where(*mine).values(state="sending", attempts=row.attempts + 1, updated=since)
    if not connection.execute(claimed).rowcount:
        return None  # somebody else was first
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


def _wait(connection: Connection, row: Row[Any], quiet: Quiet | None, now: float) -> Hold | None:
    if row.notice is not None:
        return None
    if not row.alert_id:
        return _wait_of_digest(connection, row, quiet, now)
    in_force: tuple[Mute, ...] = tuple(mutes.in_force(connection, now, locked=True))
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


def _take_along(connection: Connection, row: Row[Any], now: float) -> None:
    """What else is due of the same kind and story is told by the same message.

    Several updates are one; two first alerts are one where their stories were merged before either was told.
    """
    if not row.alert_id or row.carrier:
        return
    same = (alerts.c.story_id == row.story_id, alerts.c.kind == row.kind)
    route = (_column.channel == row.channel, ~_column.held.startswith("digest "), _column.carrier == "")
    others = (
        select(_column.id)
        .join(alerts, alerts.c.id == _column.alert_id)
        .where(*same, *route, is_due(now), ~_column.in_doubt, _column.id != row.id)
    )
    if not row.held.startswith("digest ") and (ids := connection.execute(others).scalars().all()):
        carry(connection, row.id, ids)
