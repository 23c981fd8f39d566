"""Stories by the first characters of their ids, as people type them."""

from collections.abc import Collection, Mapping

from sqlalchemy import select

from consumers.model import Story
from daemon.store import Store
from daemon.store.tables import stories
from daemon.wire import from_json


def starting_with(store: Store, prefix: str, *, limit: int = 10) -> list[Story]:
    """At most ``limit`` of them. Raises ``Unavailable``."""
    query = select(stories.c.story).where(stories.c.id.startswith(prefix, autoescape=True)).order_by(stories.c.id)
    with store.read() as connection:
        return [from_json(Story, text) for text in connection.execute(query.limit(limit)).scalars()]


def titles(store: Store, story_ids: Collection[str]) -> Mapping[str, str]:
    """By id, of those that are kept. Raises ``Unavailable``."""
    query = select(stories.c.id, stories.c.story).where(stories.c.id.in_(story_ids))
    with store.read() as connection:
        return {row.id: from_json(Story, row.story).title for row in connection.execute(query)}
