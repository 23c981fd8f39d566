"""Topics, feeds and channels, one line each: what is in force, how it goes, what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select

from daemon.feeds import Feed
from daemon.store import Store, tables
from daemon.store.survey import DAY, HELD, UNFINISHED, FeedCondition, applied_versions, condition, feed_states
from daemon.store.topics import TopicVersions
from daemon.topic_routes import told_on


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
    channels: tuple[str, ...]  # "boss at 07:00 Europe/Paris weekdays" where it is told at set times
    matches_24h: int
    alerts_24h: int
    last_alert: float | None
    min_sources: int = 1


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
    """``kind`` is empty where the channel is no longer in the settings and deliveries still wait for it."""

    name: str
    kind: str
    disabled: bool
    reason: str
    waiting: int
    held: int  # on purpose, until their time comes
    sent_24h: int
    dead: int
    last_sent: float | None


def topic_lines(store: Store, now: float) -> tuple[TopicLine, ...]:
    """Those that are in topics.toml, the busiest first. Raises ``Unavailable``."""
    alerts, matches = tables.alerts, tables.story_matches
    latest = TopicVersions(store).latest()
    matched_since = select(matches.c.topic_id, func.count()).where(matches.c.at > now - DAY)
    alerted_since = select(alerts.c.topic_id, func.count()).where(alerts.c.at > now - DAY)
    last_alert = select(alerts.c.topic_id, func.max(alerts.c.at))
    with store.read() as connection:
        applied = applied_versions(connection)
        matched = _by_key(connection.execute(matched_since.group_by(matches.c.topic_id)).all())
        alerted = _by_key(connection.execute(alerted_since.group_by(alerts.c.topic_id)).all())
        last = _by_key(connection.execute(last_alert.group_by(alerts.c.topic_id)).all())
    lines = (
        TopicLine(
            id=topic.id,
            query=topic.query,
            kind=topic.kind,
            enabled=topic.enabled,
            version=found.version,
            applied=applied.get(topic.id, 0),
            since=found.at,
            channels=told_on(topic),
            matches_24h=int(matched.get(topic.id, 0)),
            alerts_24h=int(alerted.get(topic.id, 0)),
            last_alert=last.get(topic.id),
            min_sources=topic.min_sources,
        )
        for found in latest.values()
        for topic in (found.topic,)
        if topic is not None
    )
    return tuple(sorted(lines, key=lambda line: (-line.alerts_24h, -line.matches_24h, line.query.casefold())))


def feed_lines(store: Store, feeds: Mapping[str, Feed], limit: int | None = None) -> tuple[FeedLine, ...]:
    """Those that fail first, then by name. ``feeds`` are those in force, by id. Raises ``Unavailable``."""
    with store.read() as connection:
        states = feed_states(connection, limit=limit)
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
        for feed in (feeds.get(state.feed_id),)
    )
    return tuple(sorted(lines, key=lambda line: (line.condition != "failing", line.name.casefold())))


def channel_lines(store: Store, kinds: Mapping[str, str], now: float) -> tuple[ChannelLine, ...]:
    """By name. ``kinds``: the kind of each channel of the settings, by name; others that wait are listed too.

    Raises ``Unavailable``.
    """
    deliveries, states = tables.deliveries, tables.channel_states
    counted = (
        select(deliveries.c.channel, deliveries.c.state, func.count().label("n"))
        .where((deliveries.c.state != "sent") | (deliveries.c.updated > now - DAY))
        .where((deliveries.c.state != "held") | HELD)
        .group_by(deliveries.c.channel, deliveries.c.state)
    )
    last_sent = (
        select(deliveries.c.channel, func.max(deliveries.c.updated))
        .where(deliveries.c.state == "sent")
        .group_by(deliveries.c.channel)
    )
    with store.read() as connection:
        counts = {(row.channel, row.state): int(row.n) for row in connection.execute(counted)}
        last = _by_key(connection.execute(last_sent).all())
        disabled = {row.channel: row.reason for row in connection.execute(select(states).where(states.c.disabled))}
    stranded = {name: "" for name, state in counts if state in (*UNFINISHED, "held")}
    return tuple(
        ChannelLine(
            name=name,
            kind=kind,
            disabled=name in disabled,
            reason=disabled.get(name, ""),
            waiting=sum(counts.get((name, state), 0) for state in UNFINISHED),
            held=counts.get((name, "held"), 0),
            sent_24h=counts.get((name, "sent"), 0),
            dead=counts.get((name, "dead"), 0),
            last_sent=last.get(name),
        )
        for name, kind in sorted((stranded | dict(kinds)).items())
    )


def _by_key(rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, float]:
    return {row[0]: row[1] for row in rows}
