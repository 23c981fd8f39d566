"""Which stories turned out to be one, and which ones people keep apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from consumers.ids import alert_id
from consumers.model import Story
from consumers.stories import StoryRule
from daemon.store.ledger import in_chunks
from daemon.store.tables import alerts, ledger, stories
from daemon.wire import from_json

_WINDOW = StoryRule().window  # seconds that two stories may be apart and still be one
_HOPS = 20  # stories that were merged into one another, before the chain is taken for a circle


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStory:
    """``alert_id`` is the first alert that told it, or empty. ``since``: when they became one, where that is known."""

    story_id: str
    title: str
    alert_id: str
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """What belongs to a story from others that were merged into it.

    ``root`` is the alert that the story is known by: its own first one, else the first one that is left; or empty.
    ``came_from`` names the story, as in ``absorbed``, that an alert told before the two were one.
    """

    root: str
    absorbed: tuple[OtherStory, ...]  # the one merged first before the others
    came_from: Mapping[str, str]  # by alert id; the story's own alerts are left out


def union(connection: Connection, story: Story, told: Sequence[Row[Any]]) -> Union:
    """``told``: the rows of the story's alerts, the oldest first."""
    merged = merged_at(connection, [row.id for row in told])
    absorbed = [_absorbed(each, told, merged) for each in _merged_into(connection, story)]
    by_first = {each.alert_id: each.story_id for each in absorbed if each.alert_id}
    came_from = {row.id: by_first.get(row.id) or _closest(absorbed, merged[row.id]) for row in told if row.id in merged}
    own = [row.id for row in told if row.id not in merged]
    return Union(
        root=next(iter(own or [row.id for row in told]), ""),
        absorbed=tuple(sorted(absorbed, key=lambda each: (each.since or 0.0, each.story_id))),
        came_from=came_from,
    )


def apart(connection: Connection, story: Story) -> tuple[OtherStory, ...]:
    """Those that people said are not this one, and that are still kept."""
    query = select(stories.c.id, stories.c.story).where(stories.c.id.in_(story.apart))
    found = [from_json(Story, row.story) for row in connection.execute(query.order_by(stories.c.id))]
    firsts = {each.id: alert_id(each.topic_id, each.id, "first", 1) for each in found}
    kept = kept_alerts(connection, list(firsts.values()))
    return tuple(
        OtherStory(story_id=each.id, title=each.title, alert_id=firsts[each.id] if firsts[each.id] in kept else "")
        for each in found
    )


def merged_at(connection: Connection, alert_ids: Sequence[str]) -> Mapping[str, float]:
    """When the stories of these alerts turned out to be others, by alert; alerts whose story did not are left out."""
    found: dict[str, float] = {}
    for ids in in_chunks(alert_ids):
        query = (
            select(ledger.c.alert_id, func.max(ledger.c.at).label("at"))
            .where(ledger.c.alert_id.in_(ids), ledger.c.event == "merged", ledger.c.channel != "")
            .group_by(ledger.c.alert_id)
        )
        found |= {row.alert_id: row.at for row in connection.execute(query)}
    return found


def kept_alerts(connection: Connection, alert_ids: Sequence[str]) -> frozenset[str]:
    """Those of them that there are."""
    return frozenset(
        found
        for ids in in_chunks(alert_ids)
        for found in connection.execute(select(alerts.c.id).where(alerts.c.id.in_(ids))).scalars()
    )


def _merged_into(connection: Connection, story: Story) -> Sequence[Story]:
    """Stories that became this one, also by way of another one that did; none where nothing was told of any."""
    steps = select(ledger.c.event).where(ledger.c.story_id == story.id, ledger.c.event == "merged")
    if connection.execute(steps.limit(1)).first() is None:
        return []
    found: dict[str, Story] = {}
    names = [story.id]
    for _ in range(_HOPS):
        rows = [
            text
            for name in names
            for text in connection.execute(
                # asked of the JSON as it lies there: a quotation mark within a text has a backslash before it
                select(stories.c.story).where(
                    stories.c.topic_id == story.topic_id,
                    stories.c.latest >= story.started - _WINDOW,  # the index narrows it: 10,000 stories take 0.2 s
                    stories.c.story.contains(f'"merged_into":"{name}"', autoescape=True),
                )
            ).scalars()
        ]
        new = {each.id: each for each in (from_json(Story, text) for text in rows) if each.id not in found}
        found |= new
        names = list(new)
        if not names:
            break
    found.pop(story.id, None)
    return list(found.values())


def _absorbed(story: Story, told: Sequence[Row[Any]], merged: Mapping[str, float]) -> OtherStory:
    first = alert_id(story.topic_id, story.id, "first", 1)
    known = first if any(row.id == first for row in told) else ""
    return OtherStory(story_id=story.id, title=story.title, alert_id=known, since=merged.get(first))


def _closest(absorbed: Sequence[OtherStory], at: float) -> str:
    """The story that was merged at this time."""
    return next((each.story_id for each in absorbed if each.since == at), "")
