"""Stories in the store: what an alerter decided, kept in one transaction, and brought back for whoever goes on.

Several alerters may write. Each write of a topic raises the topic's *turn*, and names the turn that it follows; so
nobody records a decision that was made with older stories than those that are kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select, update

from consumers.alerting import Decisions, Remembered
from consumers.model import Alert, Match, Story
from consumers.stories import Joined, StoryRule
from daemon.errors import Fenced
from daemon.store import Store
from daemon.store.tables import alerts, deliveries, stories, story_matches, story_turns
from daemon.store.told import Progress, Told, deliveries_of, recent
from daemon.store.upsert import insert_new, upsert
from daemon.wire import from_json, to_json

_RULE = StoryRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDetail:
    """An alert with everything that belongs to it; without a story or a match where that is no longer kept."""

    alert: Alert
    story: Story | None
    match: Match | None  # that caused it
    deliveries: tuple[Progress, ...]


class Stories:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def turns(self, topic_ids: Collection[str]) -> Mapping[str, int]:
        """How often the stories of each of these topics were written."""
        query = select(story_turns).where(story_turns.c.topic_id.in_(topic_ids))
        with self._store.read() as connection:
            return dict.fromkeys(topic_ids, 0) | {row.topic_id: row.turn for row in connection.execute(query)}

    def record(self, decisions: Decisions, turns: Mapping[str, int]) -> Mapping[str, int]:
        """Keep all of it or nothing; returning means durable. Recording it again changes no story and no alert.

        ``turns``: of the stories that the decisions were made with. Returns the new ones of the topics that were
        written. Raises ``Fenced`` where somebody else has written one of them since.
        """
        written = {topic_id: turns[topic_id] for topic_id in sorted(decisions.topics)}
        if not written:
            return {}
        with self._store.write() as connection:
            for topic_id, turn in written.items():  # first and in order: two that write the same topics take turns
                _advance(connection, topic_id, turn)
            upsert(stories, [_story_row(story) for story in decisions.stories], connection=connection)
            upsert(story_matches, [_match_row(joined) for joined in decisions.joined], connection=connection)
            insert_new(alerts, [_alert_row(alert) for alert in decisions.alerts], connection=connection)
            insert_new(deliveries, _delivery_rows(decisions), connection=connection)
        return {topic_id: turn + 1 for topic_id, turn in written.items()}

    def recorded(self, match_ids: Collection[str]) -> Mapping[str, Joined]:
        """Those of these matches that are kept, by id."""
        query = select(story_matches.c.match, story_matches.c.story_id, story_matches.c.at)
        with self._store.read() as connection:
            rows = connection.execute(query.where(story_matches.c.match_id.in_(match_ids)))
            found = [Joined(match=from_json(Match, row.match), story_id=row.story_id, at=row.at) for row in rows]
        return {joined.match.id: joined for joined in found}

    def restore(self, since: float, topic_ids: Collection[str], *, members: int = _RULE.members) -> Remembered:
        """The stories of these topics joined since then, with their newest ``members`` matches.

        Whoever asks for the topics' ``turns`` first notices at ``record`` what was written meanwhile.
        """
        joined_since = story_matches.c.at >= since
        warm = select(stories.c.id).where(
            stories.c.topic_id.in_(topic_ids), exists().where(story_matches.c.story_id == stories.c.id, joined_since)
        )
        newest = (story_matches.c.at.desc(), story_matches.c.match_id.desc())
        place = func.row_number().over(partition_by=story_matches.c.story_id, order_by=newest).label("place")
        ranked = select(story_matches.c.match_id, place).where(story_matches.c.story_id.in_(warm)).subquery()
        kept = (
            select(story_matches.c.story_id, story_matches.c.at, story_matches.c.match)
            .join(ranked, ranked.c.match_id == story_matches.c.match_id)
            .where(ranked.c.place <= members)
            .order_by(story_matches.c.at, story_matches.c.match_id)
        )
        with self._store.read() as connection:
            return Remembered(
                topics=frozenset(topic_ids),
                stories=tuple(
                    from_json(Story, text)
                    for text in connection.execute(select(stories.c.story).where(stories.c.id.in_(warm))).scalars()
                ),
                joined=tuple(
                    Joined(match=from_json(Match, row.match), story_id=row.story_id, at=row.at)
                    for row in connection.execute(kept)
                ),
                alerted=frozenset(
                    connection.execute(select(alerts.c.story_id).where(alerts.c.story_id.in_(warm))).scalars()
                ),
            )

    def alerts(self, *, limit: int, since: float = 0.0, topic_id: str = "") -> Sequence[Told]:
        """The newest first."""
        return recent(self._store, limit=limit, since=since, topic_id=topic_id)

    def alert(self, alert_id: str) -> AlertDetail | None:
        query = (
            select(alerts, stories.c.story, story_matches.c.match)
            .outerjoin(stories, stories.c.id == alerts.c.story_id)
            .outerjoin(story_matches, story_matches.c.match_id == alerts.c.match_id)
            .where(alerts.c.id == alert_id)
        )
        with self._store.read() as connection:
            row = connection.execute(query).one_or_none()
        return _detail(row, deliveries_of(self._store, alert_id)) if row else None

    def recent_stories(self, topic_id: str, *, limit: int = 50) -> Sequence[Story]:
        """The one reported last first."""
        query = select(stories.c.story).where(stories.c.topic_id == topic_id)
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(stories.c.latest.desc(), stories.c.id).limit(limit)).scalars()
            return [from_json(Story, text) for text in rows]


def _advance(connection: Connection, topic_id: str, turn: int) -> None:
    if turn == 0:
        insert_new(story_turns, [{"topic_id": topic_id, "turn": 0}], connection=connection)
    expected = (story_turns.c.topic_id == topic_id, story_turns.c.turn == turn)
    if connection.execute(update(story_turns).where(*expected).values(turn=turn + 1)).rowcount != 1:
        raise Fenced(f"somebody else has written the stories of {topic_id}")


def _story_row(story: Story) -> dict[str, Any]:
    return {"id": story.id, "topic_id": story.topic_id, "latest": story.latest, "story": to_json(story).decode()}


def _match_row(joined: Joined) -> dict[str, Any]:
    return {
        "match_id": joined.match.id,
        "story_id": joined.story_id,
        "topic_id": joined.match.topic_id,
        "article_id": joined.match.article.id,
        "at": joined.at,
        "match": to_json(joined.match).decode(),
    }


def _alert_row(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "topic_id": alert.topic_id,
        "story_id": alert.story_id,
        "kind": alert.kind,
        "match_id": alert.match_id,
        "at": alert.at,
        "channels": to_json(alert.channels).decode(),
    }


def _delivery_rows(decisions: Decisions) -> list[dict[str, Any]]:
    return [
        {
            "id": due.id,
            "alert_id": due.alert_id,
            "channel": due.channel,
            "state": "pending",
            "due": due.due,
            "attempts": 0,
            "in_doubt": False,
            "provider_id": "",
            "reason": "",
            "notice": None,
            "created": decisions.at,
            "updated": decisions.at,
        }
        for due in decisions.deliveries
    ]


def _detail(row: Row[Any], progress: tuple[Progress, ...]) -> AlertDetail:
    return AlertDetail(
        alert=Alert(
            id=row.id,
            topic_id=row.topic_id,
            story_id=row.story_id,
            kind=row.kind,
            at=row.at,
            match_id=row.match_id,
            channels=tuple(from_json(list[str], row.channels)),
        ),
        story=from_json(Story, row.story) if row.story else None,
        match=from_json(Match, row.match) if row.match else None,
        deliveries=progress,
    )
