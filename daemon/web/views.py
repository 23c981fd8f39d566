"""What the page and the API show, read from the store. Nothing here writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, func, select

from consumers.model import Match, Passage, Story
from daemon.clock import Clock
from daemon.feeds import Feed
from daemon.health import Part
from daemon.status import DAY, FeedCondition, Status, applied_versions, condition, feed_states
from daemon.store import Store, tables
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
    channel: str
    state: str
    attempts: int
    due: float
    updated: float
    provider_id: str
    reason: str
    in_doubt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCard:
    """One alert as it was decided, with the story as it stands now."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicLine:
    """``applied`` is the newest version that a matcher works with; 0: none yet."""

    id: str
    query: str
    kind: str
    enabled: bool
    version: int
    applied: int
    since: float
    channels: tuple[str, ...]
    matches_24h: int
    alerts_24h: int
    last_alert: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLine:
    id: str
    name: str
    url: str
    condition: FeedCondition
    polled: float | None
    next_due: float
    interval: float
    error: str
    last_success: float | None
    moved_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLine:
    name: str
    kind: str
    disabled: bool
    reason: str
    waiting: int
    sent_24h: int
    dead: int
    last_sent: float | None


class Views:
    """Threads may share it."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        status: Callable[[], Status],
        feeds: Callable[[], Mapping[str, Feed]],
        channels: Mapping[str, str],
        config_parts: Sequence[str] = ("settings-file", "topics-file", "feeds-file"),
    ) -> None:
        """``feeds`` are those in force, by id; ``channels`` is each channel's kind by name."""
        self._store = store
        self._clock = clock
        self.status = status
        self._feeds = feeds
        self._channels = channels
        self._config_parts = frozenset(config_parts)

    @property
    def now(self) -> float:
        return self._clock.now()

    def config_errors(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        return tuple(part for part in parts if part.name in self._config_parts and not part.ready)

    def alerts(self, *, limit: int = 30, topic_id: str = "", before: float | None = None) -> tuple[AlertCard, ...]:
        """Newest first. ``before``: only older ones, for the next page."""
        alerts = tables.alerts
        query = select(alerts).order_by(alerts.c.at.desc(), alerts.c.id).limit(limit)
        if topic_id:
            query = query.where(alerts.c.topic_id == topic_id)
        if before is not None:
            query = query.where(alerts.c.at < before)
        topics = self._queries()
        with self._store.read() as connection:
            return _cards(connection, connection.execute(query).all(), topics)

    def alert(self, alert_id: str) -> AlertCard | None:
        topics = self._queries()
        with self._store.read() as connection:
            rows = connection.execute(select(tables.alerts).where(tables.alerts.c.id == alert_id)).all()
            cards = _cards(connection, rows, topics)
        return cards[0] if cards else None

    def _queries(self) -> dict[str, str]:
        """What each topic in topics.toml watches for, in its user's words."""
        return {topic_id: topic.query for topic_id, topic in TopicVersions(self._store).in_force().items()}

    def topics(self) -> tuple[TopicLine, ...]:
        """Those that are in topics.toml, the busiest first."""
        since = self.now - DAY
        alerts, matches = tables.alerts, tables.story_matches
        latest = TopicVersions(self._store).latest()
        with self._store.read() as connection:
            applied = applied_versions(connection)
            matched = _by_key(
                connection.execute(
                    select(matches.c.topic_id, func.count()).where(matches.c.at > since).group_by(matches.c.topic_id)
                ).all()
            )
            alerted = _by_key(
                connection.execute(
                    select(alerts.c.topic_id, func.count()).where(alerts.c.at > since).group_by(alerts.c.topic_id)
                ).all()
            )
            last = _by_key(
                connection.execute(select(alerts.c.topic_id, func.max(alerts.c.at)).group_by(alerts.c.topic_id)).all()
            )
        lines = (
            TopicLine(
                id=topic.id,
                query=topic.query,
                kind=topic.kind,
                enabled=topic.enabled,
                version=found.version,
                applied=applied.get(topic.id, 0),
                since=found.at,
                channels=topic.channels,
                matches_24h=int(matched.get(topic.id, 0)),
                alerts_24h=int(alerted.get(topic.id, 0)),
                last_alert=last.get(topic.id),
            )
            for found in latest.values()
            for topic in (found.topic,)
            if topic is not None
        )
        return tuple(sorted(lines, key=lambda line: (-line.alerts_24h, -line.matches_24h, line.query.casefold())))

    def feeds(self) -> tuple[FeedLine, ...]:
        """Those that fail first, then by name."""
        known = self._feeds()
        with self._store.read() as connection:
            states = feed_states(connection)
        lines = (
            FeedLine(
                id=state.feed_id,
                name=(feed.name if feed else "") or state.title or (feed.url if feed else state.feed_id),
                url=feed.url if feed else "",
                condition=condition(state),
                polled=state.polled,
                next_due=state.next_due,
                interval=state.interval,
                error=state.error,
                last_success=state.succeeded,
                moved_to=state.moved_to,
            )
            for state in states
            for feed in (known.get(state.feed_id),)
        )
        return tuple(sorted(lines, key=lambda line: (line.condition != "failing", line.name.casefold())))

    def channels(self) -> tuple[ChannelLine, ...]:
        deliveries, states = tables.deliveries, tables.channel_states
        with self._store.read() as connection:
            counted = connection.execute(
                select(deliveries.c.channel, deliveries.c.state, func.count().label("n"))
                .where((deliveries.c.state != "sent") | (deliveries.c.updated > self.now - DAY))
                .group_by(deliveries.c.channel, deliveries.c.state)
            ).all()
            last = _by_key(
                connection.execute(
                    select(deliveries.c.channel, func.max(deliveries.c.updated))
                    .where(deliveries.c.state == "sent")
                    .group_by(deliveries.c.channel)
                ).all()
            )
            disabled = {
                row.channel: row.reason for row in connection.execute(select(states).where(states.c.disabled)).all()
            }
        counts: dict[str, dict[str, int]] = {}
        for row in counted:
            counts.setdefault(row.channel, {})[row.state] = row.n
        return tuple(
            ChannelLine(
                name=name,
                kind=kind,
                disabled=name in disabled,
                reason=disabled.get(name, ""),
                waiting=sum(counts.get(name, {}).get(state, 0) for state in ("pending", "sending", "retry")),
                sent_24h=counts.get(name, {}).get("sent", 0),
                dead=counts.get(name, {}).get("dead", 0),
                last_sent=last.get(name),
            )
            for name, kind in sorted(self._channels.items())
        )


def web_link(url: str) -> str:
    """``url`` where a browser may follow it from the page: http or https with a host, else nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname else ""


def segments(passage: str, marks: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The passage in pieces, each marked or not. Spans that overlap or leave the text are cut to fit."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in sorted(marks):
        start, end = max(start, at), min(end, len(passage))
        if start >= end:
            continue
        if start > at:
            pieces.append((passage[at:start], False))
        pieces.append((passage[start:end], True))
        at = end
    if at < len(passage):
        pieces.append((passage[at:], False))
    return pieces


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
    return tuple(
        _card(row, stories.get(row.story_id), matches.get(row.match_id), topics, tuple(deliveries.get(row.id, ())))
        for row in rows
    )


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
        url=web_link(match.article.url if match else ""),
        sources=_sources(story),
        independent=story.independent if story else 0,
        passage=passage.text,
        marks=passage.marks,
        passage_number=passage.number,
        passages=passage.of,
        reasons=match.reasons if match else (),
        deliveries=deliveries,
    )


def _sources(story: Story | None) -> tuple[SourceLine, ...]:
    return tuple(
        SourceLine(source=r.source, url=web_link(r.url), title=r.title, at=r.at, copy_of=r.copy_of)
        for r in (story.reports if story else ())
    )


def _delivery(row: Row[*tuple[Any, ...]]) -> DeliveryLine:
    return DeliveryLine(
        channel=row.channel,
        state=row.state,
        attempts=row.attempts,
        due=row.due,
        updated=row.updated,
        provider_id=row.provider_id,
        reason=row.reason,
        in_doubt=row.in_doubt,
    )


def _by_key(rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, float]:
    return {row[0]: row[1] for row in rows}
