"""Stories for people to read: which there are, and everything that is kept of one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select

from consumers.ledger import Step
from consumers.model import Match, Story
from consumers.stories import Joined
from daemon.store import Store, ledger
from daemon.store.tables import stories, story_matches
from daemon.wire import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryDetail:
    """A story with its matches, the first that joined first, and the history of what was told of it."""

    story: Story
    joined: tuple[Joined, ...]
    steps: tuple[Step, ...]


def newest(store: Store, *, topic_id: str = "", limit: int = 50) -> Sequence[Story]:
    """The one reported last first; without those that turned out to be another one. Raises ``Unavailable``."""
    query = select(stories.c.story).where(exists().where(story_matches.c.story_id == stories.c.id))
    if topic_id:
        query = query.where(stories.c.topic_id == topic_id)
    with store.read() as connection:
        rows = connection.execute(query.order_by(stories.c.latest.desc(), stories.c.id).limit(limit)).scalars()
        return [from_json(Story, text) for text in rows]


def detail(store: Store, story_id: str) -> StoryDetail | None:
    """Raises ``Unavailable``."""
    matches = select(story_matches.c.match, story_matches.c.at).where(story_matches.c.story_id == story_id)
    with store.read() as connection:
        text = connection.execute(select(stories.c.story).where(stories.c.id == story_id)).scalar()
        rows = connection.execute(matches.order_by(story_matches.c.at, story_matches.c.match_id)).all()
    if text is None:
        return None
    return StoryDetail(
        story=from_json(Story, text),
        joined=tuple(Joined(match=from_json(Match, row.match), story_id=story_id, at=row.at) for row in rows),
        steps=ledger.of_story(store, story_id),
    )
