"""A digest is a delivery that carries others: how one comes about, and what it says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from sqlalchemy import Connection, func, or_, select, update

from consumers.holding import Mute
from consumers.ids import digest
from consumers.model import DigestReason, Story
from daemon.store.ledger import in_chunks
from daemon.store.outbox_rows import IS_FREE, new_row
from daemon.store.standing import story_of, topic_of
from daemon.store.tables import deliveries
from daemon.store.upsert import insert_new
from daemon.wire import to_json

OLDEST_NEAR_MISS = 7 * 86_400.0  # seconds before the digest that tells it

_column = deliveries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Carries:
    """What a digest says of itself. ``set_times``: those it is sent at, where it is one of set times.

    ``near_since`` and ``near_until``: its near misses were seen between them; the same at every attempt.
    """

    reason: DigestReason
    title: str
    lead: str
    set_times: str = ""
    near_since: float = 0.0
    near_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why alerts come together. ``key`` and the channel name the digest: the same cause twice makes one."""

    key: tuple[str, ...]
    reason: DigestReason
    what: str = ""  # the set times, the quiet hours, or what is said of the mute
    near_since: float = 0.0
    near_until: float = 0.0
    created: float | None = None  # its place in the queue; None: behind all others


def at_set_times(set_times: str, due: float, since: float) -> Cause:
    """Of the digest that is due then. ``since``: of its near misses."""
    key = (f"digest {set_times}", repr(due))
    return Cause(key=key, reason="times", what=set_times, near_since=since, near_until=due)


def begin(connection: Connection, channel: str, cause: Cause, now: float) -> bool:
    """A digest that carries nothing yet; False where there was one of this cause."""
    name = _name(channel, cause)
    if connection.execute(select(_column.id).where(_column.id == name)).first() is not None:
        return False
    insert_new(deliveries, [new_row(name, channel, now, carries=_told(cause, 0))], connection=connection)
    return True


def bring_together(connection: Connection, channel: str, cause: Cause, ids: Sequence[str], now: float) -> str:
    """One digest carries these rows, which no other one does. Its id; empty where none of them is free any more.

    One that is already on its way gets nothing added: what it said would not be what was recorded of it.
    """
    name, fresh = _open(connection, _name(channel, cause), now)
    if not carry(connection, name, ids):
        return ""
    number = connection.execute(select(func.count()).where(_column.carrier == name)).scalar_one()
    told = _told(cause, number)
    if fresh:
        created = now if cause.created is None else cause.created
        row = new_row(name, channel, now, carries=told, created=created)
        insert_new(deliveries, [row], connection=connection)
    else:
        connection.execute(update(deliveries).where(_column.id == name).values(carries=told))
    return name


def _name(channel: str, cause: Cause) -> str:
    return digest("digest", channel, *cause.key)


def _told(cause: Cause, number: int) -> str:
    return to_json(_carries(cause, number)).decode()


def _open(connection: Connection, name: str, now: float) -> tuple[str, bool]:
    """The id of a digest that can be added to, and whether it is new."""
    for number in count(1):
        mine = _column.id == name
        waiting = (mine, _column.state == "pending", _column.attempts == 0)
        if connection.execute(update(deliveries).where(*waiting).values(updated=now)).rowcount:
            return name, False  # nobody claims it before this transaction ends
        if not connection.execute(select(_column.id).where(mine)).first():
            return name, True
        name = digest("digest", name, str(number))
    raise AssertionError


def carry(connection: Connection, carrier: str, ids: Sequence[str]) -> int:
    """These rows, and what they carry themselves, are told by that delivery. How many were free."""
    moved = 0
    for some in in_chunks(ids):
        free = (_column.id.in_(some), IS_FREE, ~_column.in_doubt)
        unsent = or_(_column.state == "held", _column.state == "pending", _column.state == "retry")
        moved += connection.execute(
            update(deliveries).where(*free, unsent).values(state="held", carrier=carrier)
        ).rowcount
        inner = (_column.carrier.in_(some), _column.state == "held")
        connection.execute(update(deliveries).where(*inner).values(carrier=carrier))
    return moved


def about(connection: Connection, mute: Mute) -> str:
    """ "The mute of Ana on “Russian airstrikes Syria” ended"."""
    name = mute.target
    if mute.kind == "topic" and (topic := topic_of(connection, mute.target)):
        name = f"“{topic.query}”"
    elif mute.kind == "story":
        story: Story | None = story_of(connection, mute.target)
        name = f"“{story.title}”" if story else "a story"
    early = f" ({mute.ended_why})" if mute.ended is not None and mute.ended < mute.until and mute.ended_why else ""
    comment = f" ({mute.comment})" if mute.comment else ""
    return f"The mute of {mute.by} on {name}{comment} ended{early}"


def _carries(cause: Cause, number: int) -> Carries:
    alerts = "1 alert" if number == 1 else f"{number} alerts"
    match cause.reason:
        case "times":
            title = f"Digest of {cause.what}"
            lead = "What was reported since the digest before." if number else ""
        case "quiet hours":
            title = f"While it was quiet: {alerts}"
            lead = f"{alerts} came during the quiet hours."
        case "mute":
            title, lead = cause.what, f"It held {alerts}."
        case _:
            title = f"{alerts} at once"
            lead = f"{alerts} were waiting for this channel, so they come as one message."
    return Carries(
        reason=cause.reason,
        title=title,
        lead=lead,
        set_times=cause.what if cause.reason == "times" else "",
        near_since=cause.near_since,
        near_until=cause.near_until,
    )
