"""What Wirewatch is doing, for `wirewatch status`, the page and the API: one value, looked up once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage
from typing import Literal

from sqlalchemy import Column, Connection, func, select

from daemon.feeds import FeedState
from daemon.health import Part
from daemon.logs import neutralise
from daemon.store import Store, tables
from daemon.store.topics import TopicVersions
from daemon.wire import from_json

HOUR, DAY = 3600.0, 86400.0
WORST = 3
FeedCondition = Literal["healthy", "failing", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingFeed:
    feed_id: str
    error: str
    last_success: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisabledChannel:
    name: str
    reason: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the store knows, running or not. Counts "_24h" are over the last 24 hours."""

    feeds: int = 0
    feeds_due: int = 0
    feeds_new: int = 0  # not polled yet
    feeds_failing: int = 0
    worst: tuple[FailingFeed, ...] = ()  # the most failures first, at most three
    articles_1h: int = 0
    articles_24h: int = 0
    last_article: float | None = None
    topics_in_force: int = 0
    topics_pending: int = 0  # latest version not applied by any matcher yet
    matches_24h: int = 0
    alerts_24h: int = 0
    deliveries_waiting: int = 0
    deliveries_dead: int = 0
    channels_disabled: tuple[DisabledChannel, ...] = ()
    dead_letters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What only the running daemon knows."""

    pid: int
    since: float
    version: str
    listen: str = ""
    ready: bool = False
    parts: tuple[Part, ...] = ()
    lag: tuple[tuple[str, str, int], ...] = ()  # (stream, group, records not yet done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    at: float
    kept: Kept
    running: Running | None = None
    data_dir: str = ""
    disk_free: int = 0  # bytes


def condition(state: FeedState) -> FeedCondition:
    if state.polled is None:
        return "new"
    return "failing" if state.error else "healthy"


def survey(store: Store, now: float) -> Kept:
    """Everything the store knows of the present. Raises ``Unavailable``.

    Some 20 ms with 5,000 feeds, nearly all of it their states.
    """
    topics = TopicVersions(store).in_force()
    with store.read() as connection:
        states = feed_states(connection)
        applied = applied_versions(connection)
        failing = sorted((s for s in states if condition(s) == "failing"), key=lambda s: (-s.failures, s.feed_id))
        enabled = [topic for topic in topics.values() if topic.enabled]
        return Kept(
            feeds=len(states),
            feeds_due=sum(state.next_due <= now for state in states),
            feeds_new=sum(condition(state) == "new" for state in states),
            feeds_failing=len(failing),
            worst=tuple(
                FailingFeed(feed_id=s.feed_id, error=s.error, last_success=s.succeeded) for s in failing[:WORST]
            ),
            articles_1h=_count_since(connection, tables.articles.c.seen, now - HOUR),
            articles_24h=_count_since(connection, tables.articles.c.seen, now - DAY),
            last_article=connection.scalar(select(func.max(tables.articles.c.seen))),
            topics_in_force=len(enabled),
            topics_pending=sum(applied.get(topic.id, 0) < topic.version for topic in enabled),
            matches_24h=_count_since(connection, tables.story_matches.c.at, now - DAY),
            alerts_24h=_count_since(connection, tables.alerts.c.at, now - DAY),
            deliveries_waiting=_count_states(connection, "pending", "sending", "retry"),
            deliveries_dead=_count_states(connection, "dead"),
            channels_disabled=_disabled(connection),
            dead_letters=connection.scalar(select(func.count()).select_from(tables.dead_letters)) or 0,
        )


def feed_states(connection: Connection) -> tuple[FeedState, ...]:
    """Of the feeds that are listed and enabled. ``next_due`` is the column's: it is what the dispatcher goes by."""
    feeds = tables.feeds
    rows = connection.execute(select(feeds.c.state, feeds.c.next_due).where(feeds.c.listed)).all()
    return tuple(replace(from_json(FeedState, row.state), next_due=row.next_due) for row in rows)


def _count_since(connection: Connection, column: Column[float], since: float) -> int:
    return connection.scalar(select(func.count()).where(column > since)) or 0


def _count_states(connection: Connection, *states: str) -> int:
    return connection.scalar(select(func.count()).where(tables.deliveries.c.state.in_(states))) or 0


def _disabled(connection: Connection) -> tuple[DisabledChannel, ...]:
    channels = tables.channel_states
    rows = connection.execute(select(channels).where(channels.c.disabled).order_by(channels.c.channel)).all()
    return tuple(DisabledChannel(name=row.channel, reason=row.reason, since=row.at) for row in rows)


def applied_versions(connection: Connection) -> dict[str, int]:
    """The newest version of each topic that a matcher works with."""
    applied = tables.topics_applied
    rows = connection.execute(
        select(applied.c.topic_id, func.max(applied.c.version).label("version")).group_by(applied.c.topic_id)
    )
    return {row.topic_id: row.version for row in rows}


# -- for people


def render(status: Status) -> str:
    """A screenful of plain lines. What needs somebody's attention is marked with "!"."""
    kept, running = status.kept, status.running
    lines: list[tuple[str, str]] = []
    if running is not None:
        state = "ready" if running.ready else "not ready"
        lines.append(
            ("Wirewatch", f"{running.version}, {state}, up {ago(status.at - running.since)} (pid {running.pid})")
        )
        lines += [("! " + part.name, part.why or "not ready") for part in running.parts if not part.ready]
        if running.listen:
            lines.append(("page", f"http://{running.listen}/"))
    lines.append(("feeds", _feeds(kept)))
    lines += [(f"! {feed.feed_id}", _failing(feed, status.at)) for feed in kept.worst]
    last = "" if kept.last_article is None else f", the last one {ago(status.at - kept.last_article)} ago"
    lines.append(("articles", f"{kept.articles_1h:,} in the last hour, {kept.articles_24h:,} in 24 hours{last}"))
    pending = f", {kept.topics_pending} not applied yet" if kept.topics_pending else ""
    lines.append(("topics", f"{kept.topics_in_force} in force{pending}"))
    lines.append(("alerts", f"{kept.alerts_24h} in 24 hours, from {plural(kept.matches_24h, 'match', 'matches')}"))
    dead = f", {kept.deliveries_dead} given up" if kept.deliveries_dead else ""
    lines.append(("deliveries", f"{kept.deliveries_waiting} waiting{dead}"))
    lines += [(f"! {channel.name}", f"channel disabled: {channel.reason}") for channel in kept.channels_disabled]
    if kept.dead_letters:
        lines.append(("! dead letters", f"{kept.dead_letters}: see `wirewatch dead-letters list`"))
    if running is not None and running.lag:
        lines.append(("behind", ", ".join(f"{group} on {stream}: {lag:,}" for stream, group, lag in running.lag)))
    lines.append(("disk", f"{status.disk_free / 1e9:,.1f} GB free in {status.data_dir}"))
    return "\n".join(f"{neutralise(label):<14} {neutralise(text)}" for label, text in lines)


def _feeds(kept: Kept) -> str:
    parts = [f"{kept.feeds} watched", f"{kept.feeds_due} due now"]
    if kept.feeds_new:
        parts.append(f"{kept.feeds_new} not polled yet")
    if kept.feeds_failing:
        parts.append(f"{kept.feeds_failing} failing")
    return ", ".join(parts)


def _failing(feed: FailingFeed, now: float) -> str:
    since = "never read" if feed.last_success is None else f"last read {ago(now - feed.last_success)} ago"
    return f"{feed.error} ({since})"


def plural(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def ago(seconds: float) -> str:
    """A span in its largest unit: "12 s", "3 min", "5 h", "2 d"."""
    seconds = max(seconds, 0.0)
    for limit, unit, name in ((120.0, 1.0, "s"), (2 * HOUR, 60.0, "min"), (2 * DAY, HOUR, "h")):
        if seconds < limit:
            return f"{int(seconds / unit)} {name}"
    return f"{int(seconds / DAY)} d"


def stamp(at: float) -> str:
    """A moment in words, UTC; empty where it is no moment that a calendar knows."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return ""


def lag_rows(lag: Mapping[tuple[str, str], int]) -> tuple[tuple[str, str, int], ...]:
    """Groups that are behind, the furthest first."""
    behind = ((stream, group, records) for (stream, group), records in lag.items() if records)
    return tuple(sorted(behind, key=lambda row: (-row[2], row[0], row[1])))


def report(store: Store, *, now: float, data_dir: Path, running: Running | None) -> Status:
    """Raises ``Unavailable``."""
    return Status(
        at=now,
        kept=survey(store, now),
        running=running,
        data_dir=str(data_dir),
        disk_free=disk_usage(data_dir).free,
    )
