"""What became of an article: what a topic gave it, which story it joined, what was told of that story."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from consumers.model import AlertKind, Match, Story
from daemon.store import Store
from daemon.store.tables import alerts, articles, scores, seen_items, stories, story_matches
from daemon.wire import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What one version of a topic gave an article. ``gate``: the first one that failed, or empty. ``at``: seen."""

    article_id: str
    topic_version: int
    score: float
    matched: bool
    gate: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One alert of a story. ``match_id``: the match that caused it."""

    alert_id: str
    kind: AlertKind
    at: float
    match_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A match that is part of a story since ``at``, with the story's alerts, oldest first."""

    match: Match
    story_id: str
    title: str  # of the story
    at: float
    alerts: tuple[Telling, ...]


class Fates:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def given(self, topic_id: str, article_ids: Collection[str]) -> Mapping[str, Given]:
        """By article. One far below the line has none."""
        which = (scores.c.topic_id == topic_id, scores.c.article_id.in_(article_ids))
        with self._store.read() as connection:
            return {row.article_id: _given(row) for row in connection.execute(select(scores).where(*which))}

    def joined(self, match_ids: Collection[str]) -> Sequence[Joining]:
        """Those of these matches whose story is still kept, the first one first."""
        query = (
            select(story_matches, stories.c.story)
            .outerjoin(stories, stories.c.id == story_matches.c.story_id)
            .where(story_matches.c.match_id.in_(match_ids))
            .order_by(story_matches.c.at, story_matches.c.match_id)
        )
        with self._store.read() as connection:
            rows = connection.execute(query).all()
            told = select(alerts).where(alerts.c.story_id.in_({row.story_id for row in rows})).order_by(alerts.c.at)
            tellings = [(row.story_id, _telling(row)) for row in connection.execute(told)]
        return [
            Joining(
                match=from_json(Match, row.match),
                story_id=row.story_id,
                title=from_json(Story, row.story).title if row.story else "",
                at=row.at,
                alerts=tuple(telling for story_id, telling in tellings if story_id == row.story_id),
            )
            for row in rows
        ]

    def remembered(self, article_ids: Collection[str]) -> float | None:
        """When one of these was last seen in its feed: the memory outlives the archive. None: it never was."""
        query = select(seen_items.c.last_seen).where(seen_items.c.article_id.in_(article_ids))
        with self._store.read() as connection:
            return max(connection.execute(query).scalars(), default=None)

    def last_of(self, source: str, since: float) -> float | None:
        """When the newest article of this source was seen; None where none was since then."""
        query = select(articles.c.seen).where(articles.c.seen >= since, articles.c.source == source)
        with self._store.read() as connection:
            return connection.execute(query.order_by(articles.c.seen.desc()).limit(1)).scalar_one_or_none()


def _given(row: Row[Any]) -> Given:
    return Given(
        article_id=row.article_id,
        topic_version=row.topic_version,
        score=row.score,
        matched=row.matched,
        gate=row.gate,
        at=row.at,
    )


def _telling(row: Row[Any]) -> Telling:
    return Telling(alert_id=row.id, kind=row.kind, at=row.at, match_id=row.match_id)
