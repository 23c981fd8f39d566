"""The outbox: every alert on every channel is a row here until the channel has accepted it.

::

    held ──release──▶ pending ──claim──▶ sending ──▶ sent
                        ▲  hold│          ▲   ├────▶ retry ──claim──▶ sending
                        └──────┘          │   └────▶ dead, with a reason for people
                                       claim

``sending`` is committed before the first byte leaves. A row that another sender has left in it is *in doubt*: it may
have arrived. A sender that is late has its answer recorded as long as nobody has made a new attempt; that a message
was sent is recorded in any case.

A delivery may carry others: a digest, or an update with those that came after it. They wait in ``held`` until it is
sent, and are sent with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, or_, select, update

from consumers.holding import Quiet
from consumers.model import Digest, Message, Notice
from daemon.store import Store, living, mutes
from daemon.store.claiming import claim
from daemon.store.composing import Setting, message
from daemon.store.composing_digests import compose_digest
from daemon.store.digests import Carries
from daemon.store.holds import FOR_GOOD
from daemon.store.ledger import tell as write_down
from daemon.store.living import Edit
from daemon.store.outbox_rows import WAITING, Delivery, is_due, is_released, is_waiting, new_row
from daemon.store.releasing import gather, has_released, is_flood, release
from daemon.store.tables import alerts, channel_states, deliveries
from daemon.store.upsert import insert_new, upsert
from daemon.wire import from_json, to_json

__all__ = ["Delivery", "Disabled", "Edit", "Outbox", "Queue", "Tell"]

_CUT_SHORT = "Wirewatch stopped while this was on the wire"
_STARTED = ("sending", "retry")


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
    held: int = 0  # of which the time has not come; what is told elsewhere is not among them
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
        on_wire = (deliveries.c.channel == channel, deliveries.c.state == "sending")
        with self._store.write() as connection:
            ids = connection.execute(select(deliveries.c.id).where(*on_wire)).scalars().all()
            write_down(connection, ids, "in doubt", now, _CUT_SHORT)
            values = {"state": "retry", "in_doubt": True, "due": now, "reason": _CUT_SHORT}
            return connection.execute(update(deliveries).where(*on_wire).values(**values)).rowcount

    def due_channels(self, now: float) -> frozenset[str]:
        """Channels with something to send, to release or to edit now."""
        with self._store.read() as connection:
            due = select(deliveries.c.channel).where(or_(is_due(now), is_released(now))).distinct()
            return frozenset(connection.execute(due).scalars()) | living.channels_to_edit(connection, now)

    def unfinished(self) -> Mapping[str, bool]:
        """Channels with something to send, now or later; true where something is on the wire."""
        on_wire = func.max(case((deliveries.c.state == "sending", 1), else_=0)).label("on_wire")
        waiting = deliveries.c.state.in_((*WAITING, "sending"))
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
            return connection.execute(select(func.min(deliveries.c.due)).where(is_waiting())).scalar()

    def release(self, now: float, channel: str) -> None:
        """What was held on the channel and is due goes on: by itself, or together in a digest."""
        with self._store.read() as connection:
            if not has_released(connection, channel, now):
                return
        with self._store.write() as connection:
            release(connection, channel, now)

    def gather(self, now: float, channel: str, quiet: Quiet | None = None) -> bool:
        """For a channel that needs a pause between two messages: of what is too much for it, a part becomes one.

        False where nothing is too much (any more).
        """
        with self._store.read() as connection:
            if not is_flood(connection, channel, now):
                return False
        with self._store.write() as connection:
            return gather(connection, channel, now, quiet)

    def claim(self, now: float, channel: str, quiet: Quiet | None = None) -> Delivery | None:
        """The oldest due delivery of the channel that need not wait, now ``sending``; ``None`` where there is none.

        Those before it that have to wait are put aside.
        """
        with self._store.write() as connection:
            return claim(connection, channel, now, quiet)

    def end_mutes(self, now: float) -> None:
        """Those whose time is over."""
        with self._store.read() as connection:
            over = mutes.over(connection, now)
        for mute_id in over:
            with self._store.write() as connection:
                mutes.expire(connection, mute_id, now)

    def absent(self, delivery: Delivery, now: float) -> None:
        """The channel was asked and does not have it: it is due again, and no longer in doubt."""
        with self._store.write() as connection:
            _set(connection, delivery, state="retry", due=now, in_doubt=False, updated=now)

    def sent(
        self,
        delivery_id: str,
        provider_id: str,
        now: float,
        *,
        note: str = "",
        living: Message | None = None,
        stale: bool = False,
    ) -> None:
        """With all that it carries. The first receipt is the one kept.

        ``living``: the channel can edit it, and shows this now; ``stale``: or something older.
        """
        accepted = (deliveries.c.id == delivery_id, deliveries.c.state != "sent")
        values = {"state": "sent", "provider_id": provider_id, "in_doubt": False, "reason": note, "updated": now}
        with self._store.write() as connection:
            if not connection.execute(update(deliveries).where(*accepted).values(**values, carrier="")).rowcount:
                return
            write_down(connection, [delivery_id], "sent", now)
            carried = _carried(connection, delivery_id)
            write_down(connection, carried, "carried", now, _carrier_of(connection, delivery_id))
            _with(connection, delivery_id, **values)
            if living and provider_id and (living.kind == "first" or not living.thread):
                self._begin(connection, living, provider_id, now, stale=stale)

    def retry(self, delivery: Delivery, at: float, reason: str, *, in_doubt: bool) -> None:
        """Due again ``at``."""
        with self._store.write() as connection:
            if _set(connection, delivery, state="retry", due=at, reason=reason, in_doubt=in_doubt):
                write_down(connection, [delivery.id], "in doubt" if in_doubt else "retried", delivery.at, reason)

    def hasten(self, channel: str, now: float) -> None:
        """The channel works again: what waits for another attempt is due."""
        with self._store.write() as connection:
            waiting = (deliveries.c.channel == channel, deliveries.c.state == "retry", deliveries.c.due > now)
            connection.execute(update(deliveries).where(*waiting).values(due=now))

    def dead(
        self, delivery: Delivery, reason: str, now: float, *, tell: Tell | None = None, apart: bool = False
    ) -> None:
        """Given up, and the operator told of it, in one. ``apart``: what it carries is tried by itself, one by one."""
        with self._store.write() as connection:
            values = {"state": "dead", "reason": reason, "in_doubt": False, "updated": now}
            if not _set(connection, delivery, **values):
                return
            write_down(connection, [delivery.id], "dead", now, reason)
            carried = _carried(connection, delivery.id)
            if apart:
                _with(connection, delivery.id, state="pending", due=now)
            else:
                write_down(connection, carried, "dead", now, reason)
                _with(connection, delivery.id, **values)
            if tell and not (apart and carried):
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
                    .where(deliveries.c.channel == delivery.channel, deliveries.c.notice.is_not(None), is_waiting())
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
        waiting, sent = column.state.in_((*WAITING, "sending")), column.state == "sent"
        waits = and_(column.state == "held", column.due < FOR_GOOD)
        query = select(
            column.channel,
            func.sum(case((waiting, 1), else_=0)).label("waiting"),
            func.sum(case((waits, 1), else_=0)).label("held"),
            func.sum(case((column.state == "dead", 1), else_=0)).label("dead"),
            func.sum(case((sent, 1), else_=0)).label("sent"),
            func.min(case((waiting, column.created))).label("oldest"),
            func.max(case((sent, column.updated))).label("last_sent"),
        ).group_by(column.channel)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        return {
            row.channel: Queue(**{name: value for name, value in row._asdict().items() if name != "channel"})
            for row in rows
        }

    # -- composing

    def compose(self, delivery: Delivery) -> Message | Digest | Notice:
        """From the stories as they stand now. Raises ``Reject`` where they are no longer kept."""
        if delivery.notice is not None:
            return from_json(Notice, delivery.notice)
        if delivery.carries is not None:
            return compose_digest(self._store, delivery, self._page)
        return self.message(delivery.alert_id, delivery_id=delivery.id, channel=delivery.channel, now=delivery.at)

    def message(self, alert_id: str, *, delivery_id: str = "", channel: str = "", now: float | None = None) -> Message:
        """Raises ``Reject`` where the alert or its story is no longer kept."""
        setting = Setting(page=self._page, channel=channel, delivery_id=delivery_id, now=now)
        with self._store.read() as connection:
            return message(connection, alert_id, setting)

    # -- messages that live

    def next_edit(self, now: float, channel: str) -> Edit | None:
        with self._store.read() as connection:
            return living.next_edit(connection, channel, now)

    def shown(self, edit: Edit, now: float) -> Message:
        """What the message is to show. Raises ``Reject`` where its story is no longer kept."""
        return self.message(edit.alert_id, delivery_id=edit.delivery_id, channel=edit.channel, now=now)

    def edited(self, edit: Edit, now: float) -> None:
        with self._store.write() as connection:
            living.edited(connection, edit, now)

    def put_off(self, edit: Edit, at: float) -> None:
        with self._store.write() as connection:
            living.put_off(connection, edit, at)

    def gone(self, edit: Edit) -> None:
        """It cannot be edited any more."""
        with self._store.write() as connection:
            living.gone(connection, edit)

    def _begin(self, connection: Connection, shown: Message, provider_id: str, now: float, *, stale: bool) -> None:
        row = connection.execute(_told(shown.delivery_id)).one_or_none()
        if row is None:
            return
        setting = Setting(page=self._page, channel=row.channel, delivery_id=shown.delivery_id, now=now)
        stale = stale or message(connection, row.alert_id, setting) != replace(shown, possible_repeat=False)
        living.begin(connection, row, provider_id, now, stale=stale)


def _told(delivery_id: str) -> Select[Any]:
    of_alert = alerts.c.id == deliveries.c.alert_id
    query = select(deliveries.c.id, deliveries.c.alert_id, deliveries.c.channel, alerts.c.story_id)
    return query.join(alerts, of_alert).where(deliveries.c.id == delivery_id)


def _carried(connection: Connection, carrier: str) -> Sequence[str]:
    mine = (deliveries.c.carrier == carrier, deliveries.c.state == "held")
    return connection.execute(select(deliveries.c.id).where(*mine)).scalars().all()


def _with(connection: Connection, carrier: str, **values: object) -> None:
    """The same becomes of what it carries."""
    mine = (deliveries.c.carrier == carrier, deliveries.c.state == "held")
    connection.execute(update(deliveries).where(*mine).values(**values))


def _carrier_of(connection: Connection, delivery_id: str) -> str:
    """What a delivery is, for the ledger of those that it carries."""
    carries = connection.execute(select(deliveries.c.carries).where(deliveries.c.id == delivery_id)).scalar()
    return f"in the message “{from_json(Carries, carries).title}”" if carries else "with another one of its story"


def _set(connection: Connection, delivery: Delivery, **values: object) -> bool:
    """False where this attempt is not the last one any more: somebody else has put the delivery further."""
    mine = (
        deliveries.c.id == delivery.id,
        deliveries.c.attempts == delivery.attempts,
        deliveries.c.state.in_(_STARTED),
    )
    return connection.execute(update(deliveries).where(*mine).values(**values)).rowcount == 1


def _queue(connection: Connection, tell: Tell, now: float) -> None:
    row = new_row(tell.notice.delivery_id, tell.channel, now, notice=to_json(tell.notice).decode())
    insert_new(deliveries, [row], connection=connection)
