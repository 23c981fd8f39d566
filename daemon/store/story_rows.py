"""Rows of stories, their matches and their alerts, and what moves when two stories turn out to be one."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from consumers.model import Alert, Fact, Story
from consumers.routes import Due
from consumers.stories import Joined, Merged
from daemon.store import ledger, living
from daemon.store.outbox_rows import new_row
from daemon.store.tables import alerts, deliveries, stories, story_matches
from daemon.store.tables import ledger as ledger_table
from daemon.store.upsert import upsert
from daemon.wire import from_json, to_json


def story_row(story: Story) -> dict[str, Any]:
    return {"id": story.id, "topic_id": story.topic_id, "latest": story.latest, "story": to_json(story).decode()}


def match_row(joined: Joined) -> dict[str, Any]:
    return {
        "match_id": joined.match.id,
        "story_id": joined.story_id,
        "topic_id": joined.match.topic_id,
        "article_id": joined.match.article.id,
        "at": joined.at,
        "match": to_json(joined.match).decode(),
    }


def alert_row(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "topic_id": alert.topic_id,
        "story_id": alert.story_id,
        "kind": alert.kind,
        "match_id": alert.match_id,
        "at": alert.at,
        "channels": to_json(alert.channels).decode(),
        "why": alert.why,
        "facts": to_json(alert.facts).decode(),
        "severity": alert.severity,
    }


def alert_of(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        topic_id=row.topic_id,
        story_id=row.story_id,
        kind=row.kind,
        at=row.at,
        match_id=row.match_id,
        channels=tuple(from_json(list[str], row.channels)),
        why=row.why,
        facts=from_json(tuple[Fact, ...], row.facts) if row.facts != "[]" else (),
        severity=row.severity,
    )


def delivery_row(due: Due, now: float) -> Mapping[str, Any]:
    held = {"held": due.held, "state": "held"} if due.held else {}
    return new_row(due.id, due.channel, now, alert_id=due.alert_id, due=due.due, **held)


def merge(connection: Connection, merged: Merged, *, by: str = "") -> None:
    """What belongs to the absorbed story belongs to the other one from here on; its own row says so.

    Nobody is told: the messages of both show one story. ``by`` is whoever said so; empty: the alerter did.
    """
    absorbed, into = merged.absorbed, merged.into
    upsert(stories, [story_row(absorbed)], connection=connection)
    ids = told(connection, absorbed.id)
    for table in (story_matches, alerts, ledger_table):
        connection.execute(update(table).where(table.c.story_id == absorbed.id).values(story_id=into))
    why = f"merged{f' by {by}' if by else ''} with: {absorbed.title}"
    ledger.tell(connection, ids, "merged", merged.at, why)
    living.move(connection, absorbed.id, into, merged.at)


def told(connection: Connection, story_id: str) -> Sequence[str]:
    """The deliveries of the story's alerts, in whatever state they are."""
    query = select(deliveries.c.id).join(alerts, alerts.c.id == deliveries.c.alert_id)
    return connection.execute(query.where(alerts.c.story_id == story_id)).scalars().all()
