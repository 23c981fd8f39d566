"""Rows of the outbox: which of them may go out, and in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, or_, select

from daemon.store.tables import alerts, deliveries

WAITING: Final = ("pending", "retry")
_LONGEST_RETRY = 2 * 3600.0  # seconds; a due time beyond it was written by a clock that was wrong
_LONGEST_WAIT = 86400.0  # the same for a first attempt, which waits for its alert to settle

_column = deliveries.c

# Nearly every row is free: an index on ``carrier``, which databases take where they may, would find them all
IS_FREE: Final = func.length(_column.carrier) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A row on its way out. ``since`` is when it was last put on the wire, where it is ``in_doubt``."""

    id: str
    alert_id: str  # empty for a notice and for a digest
    channel: str
    attempts: int  # this one included
    in_doubt: bool
    since: float
    at: float = 0.0  # of this attempt
    waited: bool = False  # on purpose: it was held, or it carries what was
    notice: str | None = None
    carries: str | None = None  # of a digest


def new_row(delivery_id: str, channel: str, now: float, **more: object) -> Mapping[str, Any]:
    """One that is due now."""
    row = {
        "id": delivery_id,
        "alert_id": "",
        "channel": channel,
        "state": "pending",
        "due": now,
        "attempts": 0,
        "in_doubt": False,
        "provider_id": "",
        "reason": "",
        "notice": None,
        "created": now,
        "updated": now,
        "held": "",
        "carrier": "",
        "carries": None,
    }
    return row | more


def is_waiting() -> ColumnElement[bool]:
    return _column.state.in_(WAITING)


def is_due(now: float) -> ColumnElement[bool]:
    """May be sent now, as far as the row itself says."""
    too_late = now + case((_column.state == "retry", _LONGEST_RETRY), else_=_LONGEST_WAIT)
    return and_(is_waiting(), or_(_column.due <= now, _column.due > too_late))


def is_released(now: float) -> ColumnElement[bool]:
    """Was held, and what it waited for has come."""
    return and_(_column.state == "held", IS_FREE, _column.due <= now)


def with_alerts() -> Select[Any]:
    """Rows with what their alerts say; in the order in which they are told."""
    told = (alerts.c.topic_id, alerts.c.story_id, alerts.c.kind, alerts.c.severity, alerts.c.facts, alerts.c.match_id)
    first = case((alerts.c.kind == "first", 0), else_=1)
    query = select(deliveries, *told).outerjoin(alerts, alerts.c.id == _column.alert_id)
    return query.order_by(_column.created, first, _column.id)


def of_story(connection: Connection, story_id: str, channel: str) -> Sequence[Row[Any]]:
    """All that was or is to be told of a story on a channel, in its order.

    The channel is sorted out here: asked for it, SQLite walks through everything that the channel was ever sent.
    """
    rows = connection.execute(with_alerts().where(alerts.c.story_id == story_id)).all()
    return [row for row in rows if row.channel == channel]
