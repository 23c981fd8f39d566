"""How a delivery stands when it is about to go out: what ``consumers.holding`` has to know of it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from consumers.holding import Hold, Mute, Standing, hold
from consumers.ids import match_id
from consumers.model import Fact, Story, Topic
from daemon.store.holds import FOR_GOOD
from daemon.store.ledger import in_chunks
from daemon.store.outbox_rows import of_story
from daemon.store.story_order import of_its_story
from daemon.store.tables import stories, story_matches, topic_versions
from daemon.wire import from_json

_HOPS = 20  # stories that were merged into one another, before the chain is taken for a circle
_PROMISES = 200  # articles of a story that are looked for in another topic's


def standing(connection: Connection, row: Row[Any]) -> Standing | None:
    """Of a row with its alert; ``None`` where its story is no longer kept."""
    story = story_of(connection, row.story_id)
    if story is None:
        return None
    return Standing(
        topic_id=row.topic_id,
        story_id=story.id,
        kind=row.kind,
        severity=row.severity,
        new_facts=bool(facts_of(row)),
        sources=frozenset(report.source for report in story.reports),
        told_by=_told_by(connection, row),
    )


def decided(
    connection: Connection, row: Row[Any], stands: Standing, mutes: Sequence[Mute], quiet: Any, now: float
) -> Hold | None:
    """Whether it waits: for a reason of its own, or since its story's first alert does."""
    return hold(stands, mutes, quiet, now) or _with_first(connection, row, now)


def story_of(connection: Connection, story_id: str) -> Story | None:
    """As it is now: where it turned out to be another one, that one."""
    for _ in range(_HOPS):
        text = connection.execute(select(stories.c.story).where(stories.c.id == story_id)).scalar()
        story = from_json(Story, text) if text else None
        if story is None or not story.merged_into:
            return story
        story_id = story.merged_into
    return None


def facts_of(row: Row[Any]) -> tuple[Fact, ...]:
    return from_json(tuple[Fact, ...], row.facts)


def topic_of(connection: Connection, topic_id: str) -> Topic | None:
    """As last written, also where it was removed since."""
    versions = select(topic_versions.c.topic).where(
        topic_versions.c.topic_id == topic_id, topic_versions.c.topic.is_not(None)
    )
    text = connection.execute(versions.order_by(topic_versions.c.version.desc()).limit(1)).scalar()
    return from_json(Topic, text) if text else None


def _with_first(connection: Connection, row: Row[Any], now: float) -> Hold | None:
    """What is added to a story waits with its first alert, so that both are told in their order."""
    if row.kind != "update":
        return None
    first = min(
        (
            each
            for each in of_its_story(connection, row)
            if each.kind == "first" and each.state == "held" and not each.carrier and each.due > now
            if not each.held.startswith("topic ")
        ),
        key=lambda each: each.due,
        default=None,
    )
    if first is None:
        return None
    return Hold(held=first.held, why="waits for the first alert of its story", until=first.due)


def _told_by(connection: Connection, row: Row[Any]) -> str:
    """A topic that this one yields to, and that has an article of the story told on the same channel.

    What will perhaps never be told there is no reason to be silent: what waits for corroboration, and what yields
    itself.
    """
    topic = topic_of(connection, row.topic_id)
    others = [topic_of(connection, each) for each in topic.yields_to] if topic else []
    if not any(others):
        return ""
    mine = select(story_matches.c.article_id).where(story_matches.c.story_id == row.story_id)
    articles = connection.execute(mine.order_by(story_matches.c.at.desc()).limit(_PROMISES)).scalars().all()
    for other in filter(None, others):
        for ids in in_chunks({match_id(article, other.id, other.epoch) for article in articles}):
            theirs = select(story_matches.c.story_id).where(story_matches.c.match_id.in_(ids)).distinct()
            for story_id in connection.execute(theirs).scalars().all():
                if any(map(_will_be_told, of_story(connection, story_id, row.channel))):
                    return other.id
    return ""


def _will_be_told(row: Row[Any]) -> bool:
    if row.state == "held":
        return bool(row.due < FOR_GOOD)
    return bool(row.state != "dead")
