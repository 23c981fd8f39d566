"""Alerts as people are shown them: each with its story as it now stands, its passage and its deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from consumers.ids import alert_id
from consumers.model import Fact, Match, Passage, Severity, Story
from consumers.notify.wording import safe_url
from daemon.store import Store, tables
from daemon.store.standing import facts_of
from daemon.store.story_history import linked
from daemon.store.story_unions import OtherStory, kept_alerts, merged_at
from daemon.store.topics import TopicVersions
from daemon.wire import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    source: str
    url: str  # http or https, or empty
    title: str
    at: float
    copy_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    id: str
    channel: str
    state: str
    attempts: int
    due: float
    updated: float
    provider_id: str
    reason: str
    in_doubt: bool
    held: str = ""  # what it waits for until ``due``, or waited for last
    carrier: str = ""  # the delivery that tells it as well


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCard:
    """One alert as it was decided, with the story as it stands now. Addresses are links, or empty.

    ``headline`` is of the article that caused the alert, ``title`` of its story: empty where that is no longer kept.

    ``merged_into``: what its story turned out to be since it was told, where it did.
    """

    id: str
    topic_id: str
    topic: str
    kind: str
    at: float
    headline: str
    url: str
    sources: tuple[SourceLine, ...]
    independent: int
    passage: str
    marks: tuple[tuple[int, int], ...]
    passage_number: int
    passages: int
    reasons: tuple[str, ...]
    deliveries: tuple[DeliveryLine, ...]
    story_id: str = ""
    why: str = ""
    severity: Severity = "normal"
    facts: tuple[Fact, ...] = ()  # that it tells, the newest first
    title: str = ""
    articles: int = 0  # of the story, listed or not
    merged_into: OtherStory | None = None


class AlertCards:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self, *, limit: int, topic_id: str = "", before: float | None = None) -> tuple[AlertCard, ...]:
        """Newest first. ``before``, in seconds since the epoch: only older ones, for the next page."""
        alerts = tables.alerts
        query = select(alerts).order_by(alerts.c.at.desc(), alerts.c.id).limit(limit)
        if topic_id:
            query = query.where(alerts.c.topic_id == topic_id)
        if before is not None:
            query = query.where(alerts.c.at < before)
        topics = self._queries()
        with self._store.read() as connection:
            return _cards(connection, connection.execute(query).all(), topics)

    def find(self, alert_id: str) -> AlertCard | None:
        topics = self._queries()
        with self._store.read() as connection:
            rows = connection.execute(select(tables.alerts).where(tables.alerts.c.id == alert_id)).all()
            cards = _cards(connection, rows, topics)
        return cards[0] if cards else None

    def _queries(self) -> dict[str, str]:
        """What each topic in topics.toml watches for, in its user's words."""
        return {topic_id: topic.query for topic_id, topic in TopicVersions(self._store).in_force().items()}


def _cards(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], topics: Mapping[str, str]
) -> tuple[AlertCard, ...]:
    stories_table, matches_table, deliveries_table = tables.stories, tables.story_matches, tables.deliveries
    stories = {
        row.id: from_json(Story, row.story)
        for row in connection.execute(select(stories_table).where(stories_table.c.id.in_({r.story_id for r in rows})))
    }
    matches = {
        row.match_id: from_json(Match, row.match)
        for row in connection.execute(
            select(matches_table).where(matches_table.c.match_id.in_({r.match_id for r in rows}))
        )
    }
    deliveries: dict[str, list[DeliveryLine]] = {}
    for row in connection.execute(
        select(deliveries_table)
        .where(deliveries_table.c.alert_id.in_({r.id for r in rows}))
        .order_by(deliveries_table.c.channel)
    ):
        deliveries.setdefault(row.alert_id, []).append(_delivery(row))
    into = _merged_into(connection, rows, stories)
    return tuple(
        replace(
            _card(row, stories.get(row.story_id), matches.get(row.match_id), topics, tuple(deliveries.get(row.id, ()))),
            merged_into=into.get(row.id),
        )
        for row in rows
    )


def _merged_into(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], stories: Mapping[str, Story]
) -> Mapping[str, OtherStory]:
    since = merged_at(connection, [row.id for row in rows])
    merged = [row for row in rows if row.id in since and row.story_id in stories]
    firsts = {row.story_id: alert_id(row.topic_id, row.story_id, "first", 1) for row in merged}
    told = kept_alerts(connection, list(firsts.values()))
    return {
        row.id: OtherStory(
            story_id=row.story_id,
            title=stories[row.story_id].title,
            alert_id=first if (first := firsts[row.story_id]) in told and first != row.id else "",
            since=since[row.id],
        )
        for row in merged
    }


def _card(
    row: Row[*tuple[Any, ...]],
    story: Story | None,
    match: Match | None,
    topics: Mapping[str, str],
    deliveries: tuple[DeliveryLine, ...],
) -> AlertCard:
    passage = match.passage if match else Passage(text="", number=1, of=1)
    return AlertCard(
        id=row.id,
        topic_id=row.topic_id,
        topic=topics.get(row.topic_id, row.topic_id),
        kind=row.kind,
        at=row.at,
        headline=(match.article.title if match else "") or (story.title if story else "") or "(no headline)",
        url=safe_url(match.article.url if match else ""),
        sources=_sources(story),
        independent=story.independent if story else 0,
        passage=passage.text,
        marks=passage.marks,
        passage_number=passage.number,
        passages=passage.of,
        reasons=match.reasons if match else (),
        deliveries=deliveries,
        story_id=row.story_id,
        why=row.why,
        severity=row.severity,
        facts=tuple(sorted(linked(facts_of(row)), key=lambda fact: -fact.at)),
        title=story.title if story else "",
        articles=max(story.articles, len(story.reports)) if story else 0,
    )


def _sources(story: Story | None) -> tuple[SourceLine, ...]:
    return tuple(
        SourceLine(source=r.source, url=safe_url(r.url), title=r.title, at=r.at, copy_of=r.copy_of)
        for r in (story.reports if story else ())
    )


def _delivery(row: Row[*tuple[Any, ...]]) -> DeliveryLine:
    return DeliveryLine(
        id=row.id,
        channel=row.channel,
        state=row.state,
        attempts=row.attempts,
        due=row.due,
        updated=row.updated,
        provider_id=row.provider_id,
        reason=row.reason,
        in_doubt=row.in_doubt,
        held=row.held,
        carrier=row.carrier,
    )
