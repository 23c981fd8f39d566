"""What people mean by the first characters of an id: an alert, a delivery, a story, or a message that tells several."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from consumers.model import Notice
from daemon.store import Store
from daemon.store.digests import Carries
from daemon.store.tables import alerts, deliveries, ledger, stories
from daemon.wire import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One thing that has the id: an alert, a story (no ``alert_id``), or a message (no ``story_id`` either)."""

    alert_id: str = ""
    story_id: str = ""
    message_id: str = ""  # of a digest or a notice
    title: str = ""  # the same
    carried: tuple[str, ...] = ()  # the alerts that a digest tells


def named(store: Store, prefix: str, *, limit: int = 10) -> list[Named]:
    """At most some ``limit`` of each. Raises ``Unavailable``."""
    with store.read() as connection:
        found: dict[tuple[str, str, str], Named] = {}
        for each in (
            *_alerts(connection, prefix, limit),
            *_stories(connection, prefix, limit),
            *_messages(connection, prefix, limit),
        ):
            found[each.alert_id, each.story_id, each.message_id] = each
    return list(found.values())


def _alerts(connection: Connection, prefix: str, limit: int) -> Iterable[Named]:
    """Also those that are not decided yet, since they wait for another source: only the ledger knows them."""
    begins = (alerts.c.id.startswith(prefix, autoescape=True), deliveries.c.id.startswith(prefix, autoescape=True))
    told = (
        select(alerts.c.id, alerts.c.story_id)
        .outerjoin(deliveries, deliveries.c.alert_id == alerts.c.id)
        .where(or_(*begins))
        .distinct()
        .limit(limit)
    )
    rows = connection.execute(told).all()
    yield from (Named(alert_id=row.id, story_id=row.story_id) for row in rows)
    if not rows:
        yield from (Named(story_id=row.story_id) for row in connection.execute(_meant(prefix, limit)))


def _meant(prefix: str, limit: int) -> Select[Any]:
    begins = (
        ledger.c.alert_id.startswith(prefix, autoescape=True),
        ledger.c.delivery_id.startswith(prefix, autoescape=True),
    )
    return select(ledger.c.story_id).where(or_(*begins)).distinct().limit(limit)


def _stories(connection: Connection, prefix: str, limit: int) -> Iterable[Named]:
    query = select(stories.c.id).where(stories.c.id.startswith(prefix, autoescape=True)).limit(limit)
    return [Named(story_id=name) for name in connection.execute(query).scalars()]


def _messages(connection: Connection, prefix: str, limit: int) -> Iterable[Named]:
    """Digests and notices."""
    query = select(deliveries).where(deliveries.c.id.startswith(prefix, autoescape=True), deliveries.c.alert_id == "")
    for row in connection.execute(query.limit(limit)).all():
        told = select(deliveries.c.alert_id).where(deliveries.c.carrier == row.id, deliveries.c.alert_id != "")
        yield Named(
            message_id=row.id,
            title=from_json(Carries, row.carries).title if row.carries else from_json(Notice, row.notice).title,
            carried=tuple(connection.execute(told.order_by(deliveries.c.created, deliveries.c.id)).scalars()),
        )
