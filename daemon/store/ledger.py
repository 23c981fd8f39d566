"""The ledger in the store: written within the transaction of what it tells, read for people."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from consumers.ledger import Step
from daemon.store import Store
from daemon.store.tables import ledger
from daemon.store.upsert import insert_new


def write(connection: Connection, steps: Sequence[Step]) -> None:
    """The same step twice is one."""
    rows = [{name: getattr(step, name) for name in Step.__slots__} for step in steps]
    insert_new(ledger, rows, connection=connection)


def of_story(store: Store, story_id: str) -> tuple[Step, ...]:
    """In the order of time. Raises ``Unavailable``."""
    query = select(ledger).where(ledger.c.story_id == story_id).order_by(ledger.c.at, ledger.c.delivery_id)
    with store.read() as connection:
        return tuple(Step(**row._asdict()) for row in connection.execute(query))
