"""The ledger in the store: written within the transaction of what it tells, read for people."""

from collections.abc import Collection, Iterator, Sequence
from typing import get_args

from sqlalchemy import Connection, select

from consumers.ledger import LedgerEvent, Step
from daemon.store import Store
from daemon.store.tables import alerts, deliveries, ledger
from daemon.store.upsert import insert_new

_EVENTS = get_args(LedgerEvent)
_CHUNK = 500  # ids in one IN: SQLite before 3.32 takes 999


def write(connection: Connection, steps: Sequence[Step]) -> None:
    """The same step twice is one."""
    rows = [{name: getattr(step, name) for name in Step.__slots__} for step in steps]
    insert_new(ledger, rows, connection=connection)


def tell(connection: Connection, delivery_ids: Collection[str], event: LedgerEvent, now: float, why: str = "") -> None:
    """One step of each of these deliveries. Notices and digests have no story, and no steps."""
    for ids in in_chunks(delivery_ids):
        query = (
            select(
                deliveries.c.id.label("delivery_id"),
                deliveries.c.alert_id,
                alerts.c.topic_id,
                alerts.c.story_id,
                deliveries.c.channel,
            )
            .join(alerts, alerts.c.id == deliveries.c.alert_id)
            .where(deliveries.c.id.in_(ids))
        )
        rows = connection.execute(query).all()
        write(connection, [Step(**row._asdict(), at=now, event=event, why=why) for row in rows])


def of_story(store: Store, story_id: str) -> tuple[Step, ...]:
    """In the order of time. Raises ``Unavailable``."""
    with store.read() as connection:
        rows = connection.execute(select(ledger).where(ledger.c.story_id == story_id))
        return tuple(sorted((Step(**row._asdict()) for row in rows), key=_place))


def _place(step: Step) -> tuple[float, int, str]:
    """Steps of one moment follow one another as their events do: what is held was decided before."""
    return step.at, _EVENTS.index(step.event), step.delivery_id


def in_chunks(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """In pieces that fit into one statement."""
    each = sorted(ids)
    for start in range(0, len(each), _CHUNK):
        yield each[start : start + _CHUNK]
