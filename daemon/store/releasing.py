"""What waited and is due: back into the queue by itself, or together as a digest. And what is too much at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from consumers.holding import Mute, Quiet, ends, held_by
from daemon.store import mutes
from daemon.store.digests import OLDEST_NEAR_MISS, Cause, about, at_set_times, bring_together
from daemon.store.holds import go, put_on_hold
from daemon.store.ledger import tell
from daemon.store.outbox_rows import IS_FREE, is_due, is_released, with_alerts
from daemon.store.standing import decided, facts_of, standing
from daemon.store.story_order import is_at_once, is_blocked, left_before
from daemon.store.tables import alerts, deliveries

FLOOD = 10  # due deliveries; more than these come as one message where a channel needs a pause between two
_AT_ONCE = 500  # rows in one transaction: some 0.5 s
_AT_ONCE_IN_A_FLOOD = 100  # one message cannot show more
_DAY = 86_400.0

_column = deliveries.c


def has_released(connection: Connection, channel: str, now: float) -> bool:
    return (
        connection.execute(select(_column.id).where(is_released(now), _column.channel == channel)).first() is not None
    )


def release(connection: Connection, channel: str, now: float) -> None:
    """What was held on the channel and is due goes on. What a mute in force holds as well goes on waiting."""
    query = with_alerts().where(is_released(now), _column.channel == channel).limit(_AT_ONCE)
    in_force = mutes.in_force(connection, now, locked=True)
    rows = connection.execute(query).all()
    ended = [end_mutes(connection, row, in_force, now) for row in rows if row.alert_id]
    if any(ended):
        rows = connection.execute(query).all()  # with what those held
        in_force = mutes.in_force(connection, now, locked=True)
    going: list[Row[Any]] = []
    together = {row.id for row in rows}
    for row in rows:
        if not row.alert_id:
            go(connection, row.id, now, "")
            continue
        stands = standing(connection, row)
        again = decided(connection, row, stands, in_force, None, now) if stands else None
        if again and put_on_hold(connection, row, again, now):
            continue
        if is_blocked(connection, row, now, together):
            go(connection, row.id, now, "")
            continue
        going.append(row)
    for (held, due), group in _grouped(going, in_force).items():
        _release(connection, channel, held, due, group, in_force, now)


def _grouped(rows: Sequence[Row[Any]], in_force: Sequence[Mute]) -> Mapping[tuple[str, float], Sequence[Row[Any]]]:
    """By what held them until when; but a story goes as one on its route, or the later part may come first.

    Where a mute that has ended is among what held it, as that says: people are told how much a mute held.
    """
    still = {held_by(mute) for mute in in_force}
    causes: dict[tuple[str, bool], tuple[str, float]] = {}
    for row in sorted(rows, key=lambda row: "mute " not in row.held or row.held in still):
        causes.setdefault((row.story_id, is_at_once(row)), (row.held, row.due))
    groups: dict[tuple[str, float], list[Row[Any]]] = {}
    for row in rows:
        groups.setdefault(causes[row.story_id, is_at_once(row)], []).append(row)
    return groups


def _release(
    connection: Connection,
    channel: str,
    held: str,
    due: float,
    group: Sequence[Row[Any]],
    in_force: Sequence[Mute],
    now: float,
) -> None:
    cause, why = _cause(connection, channel, held, due, in_force)
    if cause is None or (held == "quiet hours" and len(group) == 1):
        for row in group:
            go(connection, row.id, now, why)
        return
    ids = [row.id for row in group]
    if bring_together(connection, channel, cause, [*_before(connection, group), *ids], now):
        tell(connection, ids, "released", now, why)


def _before(connection: Connection, rows: Sequence[Row[Any]]) -> Sequence[str]:
    """What was to be told of these stories before, and waits for another attempt or another time: it goes with them."""
    return [*dict.fromkeys(each for row in rows for each in left_before(connection, row))]


def _cause(
    connection: Connection, channel: str, held: str, due: float, in_force: Sequence[Mute]
) -> tuple[Cause | None, str]:
    """Why these come together, where they do; and why they go on."""
    key = (held, repr(due))
    if held.startswith("digest "):
        what = held.removeprefix("digest ")
        since = max(_last_digest(connection, channel, held, due), due - OLDEST_NEAR_MISS)
        return at_set_times(what, due, since), f"it is time: {what}"
    if held == "quiet hours":
        return Cause(key=key, reason="quiet hours"), "waited for the end of the quiet hours"
    if any(held == held_by(mute) for mute in in_force):
        return None, "waited for a source that is not muted"
    if mute := mutes.find(connection, held.rpartition(" ")[2]):
        said = about(connection, mute)
        return Cause(key=key, reason="mute", what=said), said
    return None, ""


def _last_digest(connection: Connection, channel: str, held: str, due: float) -> float:
    """When the one before was due; a day before where there was none."""
    before = and_(_column.channel == channel, _column.held == held, _column.due < due)
    return connection.execute(select(func.max(_column.due)).where(before)).scalar() or due - _DAY


def end_mutes(connection: Connection, row: Row[Any], in_force: Sequence[Mute], now: float) -> bool:
    """Those that were to end with the first new facts; whether there was one."""
    some = [mute for mute in in_force if mute.until_new_facts]
    stands = standing(connection, row) if some and row.kind == "update" else None
    if stands is None:
        return False
    over = ends(stands, some)
    for mute in over:
        mutes.end(connection, mute.id, now, _new_facts(row))
    return bool(over)


def _new_facts(row: Row[Any]) -> str:
    facts = facts_of(row)
    return f"new: {facts[0].text}" if facts else "new facts"


# -- floods


def is_flood(connection: Connection, channel: str, now: float) -> bool:
    query = select(_column.id).where(is_due(now), _column.channel == channel, *_ORDINARY).limit(FLOOD + 1)
    return len(connection.execute(query).all()) > FLOOD


def gather(connection: Connection, channel: str, now: float, quiet: Quiet | None) -> bool:
    """Where more is due than a channel can show one by one, it becomes one message, in the place of the first.

    An escalation goes alone: it is to be noticed. So does what a digest before failed to tell. False: there is no flood
    any more.
    """
    query = with_alerts().where(is_due(now), _column.channel == channel, *_ORDINARY, alerts.c.kind != "escalation")
    in_force = mutes.in_force(connection, now, locked=True)
    rows = connection.execute(query.limit(_AT_ONCE_IN_A_FLOOD)).all()
    if len(rows) <= FLOOD:
        return False
    ended = [end_mutes(connection, row, in_force, now) for row in rows]
    if any(ended):
        release(connection, channel, now)
        in_force = mutes.in_force(connection, now, locked=True)
    together, going = {row.id for row in rows}, []
    for row in rows:
        stands = standing(connection, row)
        wait = decided(connection, row, stands, in_force, quiet, now) if stands else None
        if not (wait and put_on_hold(connection, row, wait, now)):
            going.append(row)
    told = [row for row in going if not is_blocked(connection, row, now, together)]
    if len(told) <= FLOOD:
        return len(going) < len(rows)
    cause = Cause(key=("flood", told[0].id), reason="flood", created=told[0].created)
    return bool(
        bring_together(connection, channel, cause, [*_before(connection, told), *(row.id for row in told)], now)
    )


_ORDINARY = (_column.alert_id != "", IS_FREE, ~_column.in_doubt)
