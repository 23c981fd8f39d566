"""The outbox: every alert on every channel is a row here until the channel has accepted it.

::

    pending ──claim──▶ sending ──▶ sent
                        ▲   ├────▶ retry ──claim──▶ sending
                        │   └────▶ dead, with a reason for people
                     claim

``sending`` is committed before the first byte leaves. A row that another sender has left in it is *in doubt*: it may
have arrived. A sender that is late has its answer recorded as long as nobody has made a new attempt; that a message
was sent is recorded in any case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, or_, select, update

from consumers.errors import Reject
from consumers.model import Match, Message, Notice, Story, Topic
from daemon.store import Store
from daemon.store.tables import alerts, channel_states, deliveries, stories, story_matches, topic_versions
from daemon.store.upsert import insert_new, upsert
from daemon.wire import from_json, to_json

_WAITING = ("pending", "retry")
_LONGEST_RETRY = 2 * 3600.0  # seconds; a due time beyond it was written by a clock that was wrong
_LONGEST_WAIT = 86400.0  # the same for a first attempt, which waits for its alert to settle
_CUT_SHORT = "Wirewatch stopped while this was on the wire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A row on its way out. ``since`` is when it was last put on the wire, where it is ``in_doubt``."""

    id: str
    alert_id: str  # empty for a notice
    channel: str
    attempts: int  # this one included
    in_doubt: bool
    since: float
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disabled:
    """A channel that refused. ``settings_hash`` is of the settings that it refused with."""

    reason: str
    at: float
    settings_hash: str


@dataclass(frozen=True, slots=True)
class Tell:
    """A notice and the channel that it goes to."""

    channel: str
    notice: Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What one channel has and had to send. ``oldest`` is when the longest waiting delivery was created."""

    waiting: int = 0
    dead: int = 0
    sent: int = 0
    oldest: float | None = None
    last_sent: float | None = None


class Outbox:
    """One writer at a time, through the store. Every method raises ``Unavailable``."""

    def __init__(self, store: Store, *, page: str = "") -> None:
        """``page`` is the address of Wirewatch's own page, without a final slash, or empty."""
        self._store = store
        self._page = page

    # -- sending

    def recover(self, now: float, channel: str) -> int:
        """Before the first claim of whoever takes the channel over: what was on the wire is in doubt, and due.

        Returns how many.
        """
        with self._store.write() as connection:
            return connection.execute(
                update(deliveries)
                .where(deliveries.c.channel == channel, deliveries.c.state == "sending")
                .values(state="retry", in_doubt=True, due=now, reason=_CUT_SHORT)
            ).rowcount

    def due_channels(self, now: float) -> frozenset[str]:
        """Channels with something to send now."""
        with self._store.read() as connection:
            found = connection.execute(select(deliveries.c.channel).where(*_due(now)).distinct())
            return frozenset(found.scalars())

    def unfinished(self) -> Mapping[str, bool]:
        """Channels with something to send, now or later; true where something is on the wire."""
        on_wire = func.max(case((deliveries.c.state == "sending", 1), else_=0)).label("on_wire")
        waiting = deliveries.c.state.in_((*_WAITING, "sending"))
        with self._store.read() as connection:
            rows = connection.execute(
                select(deliveries.c.channel, on_wire).where(waiting).group_by(deliveries.c.channel)
            )
            return {row.channel: bool(row.on_wire) for row in rows}

    def last_sent(self, channel: str) -> float | None:
        """When the channel accepted something last."""
        sent = select(func.max(deliveries.c.updated)).where(
            deliveries.c.channel == channel, deliveries.c.state == "sent"
        )
        with self._store.read() as connection:
            return connection.execute(sent).scalar()

    def next_due(self) -> float | None:
        with self._store.read() as connection:
            return connection.execute(select(func.min(deliveries.c.due)).where(_is_waiting())).scalar()

    def claim(self, now: float, channel: str) -> Delivery | None:
        """The oldest due delivery of the channel, now ``sending``; ``None`` where there is none."""
        oldest = select(deliveries).where(*_due(now), deliveries.c.channel == channel)
        with self._store.write() as connection:
            row = connection.execute(oldest.order_by(deliveries.c.created, deliveries.c.id).limit(1)).one_or_none()
            if row is None:
                return None
            on_wire = row.updated if row.in_doubt else now
            claimed = connection.execute(
                update(deliveries)
                .where(deliveries.c.id == row.id, deliveries.c.attempts == row.attempts, _is_waiting())
                .values(state="sending", attempts=row.attempts + 1, updated=on_wire)
            )
            if not claimed.rowcount:
                return None  # somebody else was first
        return Delivery(
            id=row.id,
            alert_id=row.alert_id,
            channel=row.channel,
            attempts=row.attempts + 1,
            in_doubt=row.in_doubt,
            since=row.updated if row.in_doubt else now,
            notice=row.notice,
        )

    def absent(self, delivery: Delivery, now: float) -> None:
        """The channel was asked and does not have it: it goes on the wire again, and is no longer in doubt."""
        with self._store.write() as connection:
            _set(connection, delivery, in_doubt=False, updated=now)

    def sent(self, delivery_id: str, provider_id: str, now: float, *, note: str = "") -> None:
        accepted = (deliveries.c.id == delivery_id, deliveries.c.state != "sent")  # the first receipt is the one kept
        values = {"state": "sent", "provider_id": provider_id, "in_doubt": False, "reason": note, "updated": now}
        with self._store.write() as connection:
            connection.execute(update(deliveries).where(*accepted).values(values))

    def retry(self, delivery: Delivery, at: float, reason: str, *, in_doubt: bool) -> None:
        """Due again ``at``."""
        with self._store.write() as connection:
            _set(connection, delivery, state="retry", due=at, reason=reason, in_doubt=in_doubt)

    def hasten(self, channel: str, now: float) -> None:
        """The channel works again: what waits for another attempt is due."""
        with self._store.write() as connection:
            waiting = (deliveries.c.channel == channel, deliveries.c.state == "retry", deliveries.c.due > now)
            connection.execute(update(deliveries).where(*waiting).values(due=now))

    def dead(self, delivery: Delivery, reason: str, now: float, *, tell: Tell | None = None) -> None:
        """Given up, and the operator told of it, in one."""
        with self._store.write() as connection:
            if _set(connection, delivery, state="dead", reason=reason, in_doubt=False, updated=now) and tell:
                _queue(connection, tell, now)

    def notify(self, tell: Tell, now: float) -> None:
        """Queue a notice. Where one with its id was queued before, nothing changes."""
        with self._store.write() as connection:
            _queue(connection, tell, now)

    # -- channels

    def refuse(self, delivery: Delivery, disabled: Disabled, now: float, *, tell: Tell | None = None) -> None:
        """The channel takes nothing: disable it, keep what it was to send, tell the operator. All or nothing.

        Notices that wait for it go to the channel that is told instead, or nobody would read them.
        """
        row = {"channel": delivery.channel, "disabled": True, "reason": disabled.reason, "at": disabled.at}
        with self._store.write() as connection:
            _set(connection, delivery, state="retry", due=now, reason=disabled.reason)  # in doubt or not, as it was
            upsert(channel_states, [{**row, "settings_hash": disabled.settings_hash}], connection=connection)
            if tell:
                connection.execute(
                    update(deliveries)
                    .where(deliveries.c.channel == delivery.channel, deliveries.c.alert_id == "", _is_waiting())
                    .values(channel=tell.channel, due=now)
                )
                _queue(connection, tell, now)

    def enable(self, channel: str, now: float) -> None:
        with self._store.write() as connection:
            connection.execute(
                update(channel_states)
                .where(channel_states.c.channel == channel)
                .values(disabled=False, reason="", at=now)
            )

    def disabled(self) -> Mapping[str, Disabled]:
        with self._store.read() as connection:
            rows = connection.execute(select(channel_states).where(channel_states.c.disabled)).all()
        return {row.channel: Disabled(reason=row.reason, at=row.at, settings_hash=row.settings_hash) for row in rows}

    def queues(self) -> Mapping[str, Queue]:
        """By channel, removed ones included."""
        column = deliveries.c
        waiting, sent = column.state.in_((*_WAITING, "sending")), column.state == "sent"
        query = select(
            column.channel,
            func.sum(case((waiting, 1), else_=0)).label("waiting"),
            func.sum(case((column.state == "dead", 1), else_=0)).label("dead"),
            func.sum(case((sent, 1), else_=0)).label("sent"),
            func.min(case((waiting, column.created))).label("oldest"),
            func.max(case((sent, column.updated))).label("last_sent"),
        ).group_by(column.channel)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return {
            row.channel: Queue(
                waiting=row.waiting, dead=row.dead, sent=row.sent, oldest=row.oldest, last_sent=row.last_sent
            )
            for row in rows
        }

    # -- composing

    def compose(self, delivery: Delivery) -> Message | Notice:
        """The message from the story as it stands now. Raises ``Reject`` where it is no longer kept."""
        if delivery.notice is not None:
            return from_json(Notice, delivery.notice)
        return self.message(delivery.alert_id, delivery_id=delivery.id)

    def message(self, alert_id: str, *, delivery_id: str = "") -> Message:
        """Raises ``Reject`` where the alert or its story is no longer kept."""
        with self._store.read() as connection:
            row = connection.execute(_told(alert_id)).one_or_none()
            if row is None:
                raise Reject("its story is no longer kept")
            return _message(delivery_id, row, _topic(connection, row.topic_id), self._page)


def _due(now: float) -> tuple[ColumnElement[bool], ...]:
    too_late = now + case((deliveries.c.state == "retry", _LONGEST_RETRY), else_=_LONGEST_WAIT)
    return _is_waiting(), or_(deliveries.c.due <= now, deliveries.c.due > too_late)


def _is_waiting() -> ColumnElement[bool]:
    return deliveries.c.state.in_(_WAITING)


def _set(connection: Connection, delivery: Delivery, **values: object) -> bool:
    """False where this attempt is not the last one any more: somebody else has put the delivery further."""
    mine = (
        deliveries.c.id == delivery.id,
        deliveries.c.attempts == delivery.attempts,
        deliveries.c.state.in_(("sending", "retry")),
    )
    return connection.execute(update(deliveries).where(*mine).values(**values)).rowcount == 1


def _queue(connection: Connection, tell: Tell, now: float) -> None:
    row = {
        "id": tell.notice.delivery_id,
        "alert_id": "",
        "channel": tell.channel,
        "state": "pending",
        "due": now,
        "attempts": 0,
        "in_doubt": False,
        "provider_id": "",
        "reason": "",
        "notice": to_json(tell.notice).decode(),
        "created": now,
        "updated": now,
    }
    insert_new(deliveries, [row], connection=connection)


def _told(alert_id: str) -> Select[tuple[object, ...]]:
    return (
        select(alerts, stories.c.story, story_matches.c.match)
        .join(stories, stories.c.id == alerts.c.story_id)
        .join(story_matches, story_matches.c.match_id == alerts.c.match_id)
        .where(alerts.c.id == alert_id)
    )


def _topic(connection: Connection, topic_id: str) -> str:
    """Its query as last written; its id where it has none."""
    versions = select(topic_versions.c.topic).where(
        topic_versions.c.topic_id == topic_id, topic_versions.c.topic.is_not(None)
    )
    text = connection.execute(versions.order_by(topic_versions.c.version.desc()).limit(1)).scalar()
    return from_json(Topic, text).query if text else topic_id


def _message(delivery_id: str, row: Row[Any], topic: str, page: str) -> Message:
    story, match = from_json(Story, row.story), from_json(Match, row.match)
    return Message(
        delivery_id=delivery_id,
        topic_id=row.topic_id,
        topic=topic,
        kind=row.kind,
        at=row.at,
        headline=story.title,
        url=match.article.url or next((report.url for report in story.reports if report.url), ""),
        reports=story.reports,
        independent=story.independent,
        passage=match.passage,
        reasons=match.reasons,
        alert_id=row.id,
        story_id=story.id,
        page=f"{page}/alerts/{row.id}" if page else "",
    )
