"""The order of a story on a channel: its first alert, then what was added to it, as it was decided.

An update goes out when all that was added before it is told, or goes with it: who claims one takes along what waits,
and waits for what can go with nothing. So the order does not hang on when each of them is due, nor on whose
clock says so. What is told at set times has an order of its own: that of the channel's other route.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from consumers.ids import delivery_id
from daemon.store.holds import FOR_GOOD
from daemon.store.outbox_rows import WAITING, with_alerts
from daemon.store.tables import alerts


def is_at_once(row: Row[Any]) -> bool:
    """A channel that is told at once and at set times has two deliveries of one alert: this is the first of them."""
    return bool(row.id == delivery_id(row.alert_id, row.channel))


def of_its_story(connection: Connection, row: Row[Any]) -> Sequence[Row[Any]]:
    """All that was or is to be told of the row's story on its route, in its order, the row itself among it.

    The story is the one that its alert belongs to *now*: since the row was read, it may have become another one.
    """
    story = select(alerts.c.story_id).where(alerts.c.id == row.alert_id).scalar_subquery()
    rows = connection.execute(with_alerts().where(alerts.c.story_id == story)).all()
    return [each for each in rows if each.channel == row.channel and is_at_once(each) == is_at_once(row)]


def is_blocked(connection: Connection, row: Row[Any], now: float, together: Collection[str] = ()) -> bool:
    """Something of the same story has to reach the channel before, and cannot go with it.

    ``together``: ids of what goes out with it.
    """
    if row.kind not in ("update", "escalation"):
        return False
    return any(_blocks(other, row, now) for other in of_its_story(connection, row) if other.id not in together)


def told_with(connection: Connection, row: Row[Any], now: float) -> Sequence[str] | None:
    """What else the row's message tells; ``None`` where something has come in between that blocks it.

    Several updates of a story are one message. Of what comes before, also what is held: a reason to wait that does not
    hold this one is none for the other. Of what comes after, as much as follows without a gap. Two first alerts are one
    where their stories became one before either was told.
    """
    story = of_its_story(connection, row)
    if any(_blocks(other, row, now) for other in story):
        return None
    others = [each for each in story if each.kind == row.kind and each.id != row.id]
    if row.kind != "update":
        return [each.id for each in others if _waits(each)]
    going = []
    for other in others:
        if _is_to_be_told(other) and other.carrier != row.id:
            if _is_before(row, other) and not _waits(other):
                break
            going.append(other.id)
    return going


def left_before(connection: Connection, row: Row[Any]) -> Sequence[str]:
    """Updates that are still to be told before this one, and can go with it."""
    if row.kind != "update":
        return []
    others = (each for each in of_its_story(connection, row) if each.kind == "update" and _is_before(each, row))
    return [each.id for each in others if _is_to_be_told(each) and _is_free(each)]


def _blocks(other: Row[Any], row: Row[Any], now: float) -> bool:
    if row.kind == "first" or other.id == row.id or other.carrier == row.id:
        return False
    if other.kind == "first":
        if other.state == "held" and other.carrier:
            return bool(row.kind == "update")
        return bool(other.state in (*WAITING, "sending") or _is_released(other, now))
    if row.kind != "update" or not _is_before(other, row):
        return False
    if other.kind == "escalation":
        return bool(other.state == "held" and other.carrier)
    return _is_to_be_told(other) and (not _is_free(other) or _is_released(other, now))


def _is_before(one: Row[Any], other: Row[Any]) -> bool:
    return bool((one.created, one.id) < (other.created, other.id))


def _is_to_be_told(row: Row[Any]) -> bool:
    if row.state == "held":
        return bool(row.carrier or row.due < FOR_GOOD)
    return bool(row.state not in ("sent", "dead"))


def _is_free(row: Row[Any]) -> bool:
    """Can be told by another one's message."""
    return bool(row.state != "sending" and not row.carrier and not row.in_doubt)


def _is_released(row: Row[Any], now: float) -> bool:
    """What waited with it comes with it, in a digest: that is made before."""
    return bool(row.state == "held" and row.due <= now)


def _waits(row: Row[Any]) -> bool:
    return bool(row.state in WAITING and _is_free(row))
