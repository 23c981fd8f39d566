"""What stands in a list of alerts and is none: messages that tell several of them, and stories that wait for more."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from consumers.model import DigestReason, Story
from daemon.store import Store
from daemon.store.digests import Carries
from daemon.store.ledger import in_chunks
from daemon.store.tables import deliveries, ledger, stories
from daemon.wire import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestRow:
    """A digest as it stands. ``at`` is when it was made."""

    id: str
    channel: str
    title: str
    reason: DigestReason
    at: float
    state: str
    held: str
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStory:
    """A story that waits for another source. ``alert_id`` is what its first alert will be called."""

    story: Story
    alert_id: str
    since: float
    channels: tuple[str, ...]
    why: str  # "waits for a second independent source"


def digests(store: Store, *, limit: int, since: float = 0.0, held: bool = False) -> Sequence[DigestRow]:
    """The newest first; spikes and silences of topics among them. Raises ``Unavailable``."""
    column = deliveries.c
    query = select(deliveries).where(column.carries.is_not(None), column.created >= since)
    if held:
        query = query.where(column.state == "held")
    with store.read() as connection:
        rows = connection.execute(query.order_by(column.created.desc(), column.id).limit(limit)).all()
    found = [(row, from_json(Carries, row.carries)) for row in rows]
    return [
        DigestRow(
            id=row.id,
            channel=row.channel,
            title=carries.title,
            reason=carries.reason,
            at=row.created,
            state=row.state,
            held=row.held,
            due=row.due,
        )
        for row, carries in found
    ]


def waiting_stories(store: Store, *, limit: int, topic_id: str = "", since: float = 0.0) -> Sequence[WaitingStory]:
    """The one reported last first. Raises ``Unavailable``."""
    # asked of the JSON as it lies there: a quotation mark within a text has a backslash before it
    query = select(stories.c.story).where(stories.c.story.contains('"stage":"waiting"', autoescape=True))
    if topic_id:
        query = query.where(stories.c.topic_id == topic_id)
    with store.read() as connection:
        texts = connection.execute(query.order_by(stories.c.latest.desc(), stories.c.id).limit(limit)).scalars().all()
        kept = [story for story in (from_json(Story, text) for text in texts) if not story.merged_into]
        steps = [
            step
            for ids in in_chunks({story.id for story in kept})
            for step in connection.execute(select(ledger).where(ledger.c.story_id.in_(ids), ledger.c.event == "held"))
        ]
    found = []
    for story in kept:
        mine = sorted((step for step in steps if step.story_id == story.id), key=lambda step: (step.at, step.channel))
        if mine and mine[0].at >= since:
            found.append(
                WaitingStory(
                    story=story,
                    alert_id=mine[0].alert_id,
                    since=mine[0].at,
                    channels=tuple(dict.fromkeys(step.channel for step in mine if step.channel)),
                    why=mine[-1].why,
                )
            )
    return found
