"""Messages that live: what a channel shows of a story, and when it is to be brought up to date.

A change of the story raises ``wanted``; what was read of it when the message was edited becomes ``shown``. An edit that
is done twice changes nothing, so none is ever in doubt.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, delete, or_, select, update

from daemon.store.holds import look_again
from daemon.store.ledger import in_chunks
from daemon.store.tables import living_messages, mutes
from daemon.store.upsert import insert_new

_SETTLE = 5.0  # seconds from the first change to its edit, so that others of the same moment are in it
EVERY = 30.0  # least seconds between two edits of one message
_LONGEST_WAIT = 86400.0  # a time beyond it was written by a clock that was wrong

_column = living_messages.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A message that no longer shows its story as it stands. ``wanted``: of the story as it was when this was read."""

    delivery_id: str
    alert_id: str
    channel: str
    provider_id: str
    wanted: int


def raise_wanted(connection: Connection, story_ids: Collection[str], now: float) -> None:
    """These stories have changed, or what is said of them: their messages are edited, and what waits is looked at."""
    unchanged = _column.wanted == _column.shown
    soon = case((_column.due > now + _SETTLE, _column.due), else_=now + _SETTLE)
    for ids in in_chunks(story_ids):
        # A second change does not put the edit off: a story that never rests would never be edited
        connection.execute(
            update(living_messages)
            .where(_column.story_id.in_(ids))
            .values(wanted=_column.wanted + 1, due=case((unchanged, soon), else_=_column.due))
        )
    look_again(connection, story_ids, now)


def move(connection: Connection, from_story_id: str, to_story_id: str, now: float) -> None:
    """Two stories turned out to be one: the messages of one are now of the other, and so are its mutes."""
    connection.execute(update(living_messages).where(_column.story_id == from_story_id).values(story_id=to_story_id))
    connection.execute(
        update(mutes).where(mutes.c.kind == "story", mutes.c.target == from_story_id).values(target=to_story_id)
    )
    raise_wanted(connection, [to_story_id], now)


def begin(connection: Connection, row: Row[Any], provider_id: str, now: float, *, stale: bool) -> None:
    """The channel shows this delivery from now on. ``stale``: its story has moved on since the message was written."""
    values = {
        "delivery_id": row.id,
        "alert_id": row.alert_id,
        "channel": row.channel,
        "story_id": row.story_id,
        "provider_id": provider_id,
        "wanted": int(stale),
        "shown": 0,
        "due": now + _SETTLE,
        "updated": now,
    }
    insert_new(living_messages, [values], connection=connection)


def channels_to_edit(connection: Connection, now: float) -> frozenset[str]:
    return frozenset(connection.execute(select(_column.channel).where(*_due(now)).distinct()).scalars())


def next_edit(connection: Connection, channel: str, now: float) -> Edit | None:
    """The one that waits longest."""
    query = select(living_messages).where(*_due(now), _column.channel == channel)
    row = connection.execute(query.order_by(_column.due, _column.delivery_id).limit(1)).one_or_none()
    if row is None:
        return None
    return Edit(
        delivery_id=row.delivery_id,
        alert_id=row.alert_id,
        channel=row.channel,
        provider_id=row.provider_id,
        wanted=row.wanted,
    )


def edited(connection: Connection, edit: Edit, now: float) -> None:
    mine = _column.delivery_id == edit.delivery_id
    connection.execute(update(living_messages).where(mine).values(shown=edit.wanted, due=now + EVERY, updated=now))


def put_off(connection: Connection, edit: Edit, at: float) -> None:
    connection.execute(update(living_messages).where(_column.delivery_id == edit.delivery_id).values(due=at))


def gone(connection: Connection, edit: Edit) -> None:
    """It can no longer be edited."""
    connection.execute(delete(living_messages).where(_column.delivery_id == edit.delivery_id))


def _due(now: float) -> tuple[ColumnElement[bool], ...]:
    return _column.wanted > _column.shown, or_(_column.due <= now, _column.due > now + _LONGEST_WAIT)
