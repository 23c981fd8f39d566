"""Messages that live: what a channel shows of a story, and when it is to be brought up to date.

A change of the story raises ``wanted``; what was read of it when the message was edited becomes ``shown``. An edit that
is done twice changes nothing, so none is ever in doubt.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, case, delete, func, select, update

from daemon.store.holds import look_again, take_turns
from daemon.store.ledger import in_chunks
from daemon.store.tables import living_messages, mutes
from daemon.store.upsert import insert_new

_SETTLE = 5.0  # seconds from the first change to its edit, so that others of the same moment are in it
EVERY = 30.0  # least seconds between two edits of one message
_DAY = 86400.0  # a time beyond it was written by a clock that was wrong
_NEVER = 4e10  # ``due`` of what shows its story as it stands

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
    """These stories have changed, or what is said of them: their messages are edited, and what waits is looked at.

    Early in a transaction, for the reason that ``take_turns`` gives.
    """
    again = case((_column.updated + EVERY > now + _DAY, now + _SETTLE), else_=_column.updated + EVERY)
    soon = case((again > now + _SETTLE, again), else_=now + _SETTLE)
    # A second change does not put the edit off: a story that never rests would never be edited
    waits = and_(_column.wanted > _column.shown, _column.due < now + _DAY)
    look_again(connection, story_ids, now)
    for ids in in_chunks(story_ids):
        mine = select(_column.delivery_id).where(_column.story_id.in_(ids)).order_by(_column.delivery_id)
        connection.execute(mine.with_for_update())  # in this order: somebody who mutes a topic writes some of them, too
        connection.execute(
            update(living_messages)
            .where(_column.story_id.in_(ids))
            .values(wanted=_column.wanted + 1, due=case((waits, _column.due), else_=soon))
        )


def move(connection: Connection, from_story_id: str, to_story_id: str, now: float) -> None:
    """Two stories turned out to be one: the messages of one are now of the other, and so are its mutes."""
    move_mutes(connection, from_story_id, to_story_id)
    raise_wanted(connection, [from_story_id, to_story_id], now)
    connection.execute(update(living_messages).where(_column.story_id == from_story_id).values(story_id=to_story_id))


def move_mutes(connection: Connection, from_story_id: str, to_story_id: str) -> None:
    mine = (mutes.c.kind == "story", mutes.c.target == from_story_id)
    if connection.execute(select(mutes.c.id).where(*mine)).first() is not None:
        take_turns(connection)
        connection.execute(update(mutes).where(*mine).values(target=to_story_id))


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
        "due": now + _SETTLE if stale else _NEVER,
        "updated": 0.0,  # it was not edited yet
    }
    insert_new(living_messages, [values], connection=connection)


def channels_to_edit(connection: Connection, now: float) -> frozenset[str]:
    """Asked several times a second: from one channel to the next in the index, whatever the number of messages."""
    found = set()
    channel = connection.execute(select(func.min(_column.channel))).scalar()
    while channel is not None:
        if next_edit(connection, channel, now):
            found.add(channel)
        channel = connection.execute(select(func.min(_column.channel)).where(_column.channel > channel)).scalar()
    return frozenset(found)


def next_edit(connection: Connection, channel: str, now: float) -> Edit | None:
    """The one that waits longest."""
    query = select(living_messages).where(_column.channel == channel, _column.due <= now)
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
    due = case((_column.wanted > edit.wanted, now + EVERY), else_=_NEVER)
    connection.execute(update(living_messages).where(mine).values(shown=edit.wanted, due=due, updated=now))


def put_off(connection: Connection, edit: Edit, at: float) -> None:
    connection.execute(update(living_messages).where(_column.delivery_id == edit.delivery_id).values(due=at))


def gone(connection: Connection, edit: Edit) -> None:
    """It can no longer be edited."""
    connection.execute(delete(living_messages).where(_column.delivery_id == edit.delivery_id))
