"""What polling has learned, for a command that stands beside the daemon."""

from sqlalchemy import func, select

from daemon.feeds import FeedState
from daemon.store import Store
from daemon.store.tables import feeds, seen_items
from daemon.wire import from_json


def polled(store: Store) -> dict[str, tuple[FeedState, int]]:
    """By feed id: its state, and how many of its items were read and are remembered. Raises ``Unavailable``."""
    counted = select(seen_items.c.feed_id, func.count().label("items")).group_by(seen_items.c.feed_id)
    with store.read() as connection:
        items = {row.feed_id: row.items for row in connection.execute(counted)}
        states = connection.execute(select(feeds.c.feed_id, feeds.c.state)).all()
    return {row.feed_id: (from_json(FeedState, row.state), items.get(row.feed_id, 0)) for row in states}
