"""Stories in the store: what an alerter decided, kept in one transaction, and brought back for whoever goes on.

Several alerters may write. Each write of a topic raises the topic's *turn*, and names the turn that it follows; so
nobody records a decision that was made with older stories than those that are kept.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from consumers.alerting import Decisions, Remembered
from consumers.model import Alert, Match, Story
from consumers.stories import Joined, StoryRule
from daemon.errors import Fenced
from daemon.store import Store, ledger
from daemon.store.ledger import in_chunks
from daemon.store.living import move_mutes, raise_wanted
from daemon.store.story_details import newest
from daemon.store.story_rows import alert_of, alert_row, delivery_row, match_row, merge, story_row
from daemon.store.tables import alerts, deliveries, stories, story_matches, story_turns
from daemon.store.told import Progress, Told, deliveries_of, recent
from daemon.store.upsert import insert_new, upsert
from daemon.wire import from_json

_RULE = StoryRule()
_UNSENT = ("pending", "held")


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
        written. Raises ``Fenced`` where somebody else has written one of them since, or where an alert went out that
        the decisions still add to.
        """
        written = {topic_id: turns[topic_id] for topic_id in sorted(decisions.topics)}
        if not written:
            return {}
        with self._store.write() as connection:
            for topic_id, turn in written.items():  # first and in order: two that write the same topics take turns
                advance(connection, topic_id, turn)
            for merged in decisions.merged:
                move_mutes(connection, merged.absorbed.id, merged.into)
            raise_wanted(connection, [story.id for story in decisions.stories], decisions.at)
            _refuse_sent(connection, decisions.unsent)
            upsert(stories, [story_row(story) for story in decisions.stories], connection=connection)
            upsert(story_matches, [match_row(joined) for joined in decisions.joined], connection=connection)
            insert_new(alerts, [alert_row(alert) for alert in decisions.alerts], connection=connection)
            rows = [delivery_row(due, decisions.at) for due in decisions.deliveries]
            insert_new(deliveries, rows, connection=connection)
            ledger.write(connection, decisions.steps)
            for merged in decisions.merged:
                merge(connection, merged)
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

        Of each topic those that were joined last, up to ``StoryRule.per_topic`` matches: no more are compared with.
        Whoever asks for the topics' ``turns`` first notices at ``record`` what was written meanwhile.
        """
        found: list[Story] = []
        joined: list[Joined] = []
        told: list[Alert] = []
        sent: set[str] = set()
        with self._store.read() as connection:
            for ids in in_chunks(_warm(connection, since, topic_ids, members)):
                texts = connection.execute(select(stories.c.story).where(stories.c.id.in_(ids))).scalars()
                found += (from_json(Story, text) for text in texts)
                joined += (
                    Joined(match=from_json(Match, row.match), story_id=row.story_id, at=row.at)
                    for row in connection.execute(_newest_matches(ids, members))
                )
                of_these = select(alerts).where(alerts.c.story_id.in_(ids)).order_by(alerts.c.at, alerts.c.id)
                told += (alert_of(row) for row in connection.execute(of_these))
                sent.update(connection.execute(_sent(ids)).scalars())
        return Remembered(
            topics=frozenset(topic_ids),
            stories=tuple(found),
            joined=tuple(joined),
            alerts=tuple(told),
            sent=frozenset(sent),
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
        """The one reported last first; without those that turned out to be another one."""
        return newest(self._store, topic_id=topic_id, limit=limit)


def advance(connection: Connection, topic_id: str, turn: int) -> None:
    """Raises ``Fenced`` where somebody else has written the topic's stories since that turn."""
    if turn == 0:
        insert_new(story_turns, [{"topic_id": topic_id, "turn": 0}], connection=connection)
    expected = (story_turns.c.topic_id == topic_id, story_turns.c.turn == turn)
    if connection.execute(update(story_turns).where(*expected).values(turn=turn + 1)).rowcount != 1:
        raise Fenced(f"somebody else has written the stories of {topic_id}")


def _refuse_sent(connection: Connection, alert_ids: Collection[str]) -> None:
    """What was to be in these alerts is not in them any more. Locked: nobody sends one before this is written."""
    for ids in in_chunks(alert_ids):
        query = select(deliveries.c.state).where(deliveries.c.alert_id.in_(ids)).order_by(deliveries.c.id)
        if any(state not in _UNSENT for state in connection.execute(query.with_for_update()).scalars()):
            raise Fenced("an alert that more was to be said in has gone out")


def _warm(connection: Connection, since: float, topic_ids: Collection[str], members: int) -> Sequence[str]:
    """One that was absorbed has no matches any more."""
    last = func.max(story_matches.c.at)
    query = (
        select(stories.c.id, stories.c.topic_id, func.count().label("matches"))
        .join(story_matches, story_matches.c.story_id == stories.c.id)
        .where(stories.c.topic_id.in_(topic_ids))
        .group_by(stories.c.id, stories.c.topic_id)
        .having(last >= since)
        .order_by(last.desc(), stories.c.id)
    )
    warm: list[str] = []
    compared: Counter[str] = Counter()
    for row in connection.execute(query).all():
        if compared[row.topic_id] < _RULE.per_topic:
            compared[row.topic_id] += min(row.matches, members)
            warm.append(row.id)
    return warm


def _newest_matches(story_ids: Sequence[str], members: int) -> Select[Any]:
    """Of each of these stories, in the order in which they joined."""
    newest = (story_matches.c.at.desc(), story_matches.c.match_id.desc())
    place = func.row_number().over(partition_by=story_matches.c.story_id, order_by=newest).label("place")
    ranked = select(story_matches.c.match_id, place).where(story_matches.c.story_id.in_(story_ids)).subquery()
    return (
        select(story_matches.c.story_id, story_matches.c.at, story_matches.c.match)
        .join(ranked, ranked.c.match_id == story_matches.c.match_id)
        .where(ranked.c.place <= members)
        .order_by(story_matches.c.at, story_matches.c.match_id)
    )


def _sent(story_ids: Sequence[str]) -> Select[Any]:
    """First alerts of these stories that went out on some channel, or are on their way."""
    query = select(deliveries.c.alert_id).join(alerts, alerts.c.id == deliveries.c.alert_id).distinct()
    return query.where(alerts.c.story_id.in_(story_ids), alerts.c.kind == "first", deliveries.c.state.not_in(_UNSENT))


def _detail(row: Row[Any], progress: tuple[Progress, ...]) -> AlertDetail:
    return AlertDetail(
        alert=alert_of(row),
        story=from_json(Story, row.story) if row.story else None,
        match=from_json(Match, row.match) if row.match else None,
        deliveries=progress,
    )
