"""What Wirewatch is doing, for `wirewatch status`, the page and the API: one value, looked up once."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import disk_usage

from daemon.clock import Clock
from daemon.health import Part
from daemon.logs import neutralise
from daemon.model_change import WINDOW
from daemon.store import Store
from daemon.store.examples import Examples
from daemon.store.models import Models, under_way
from daemon.store.survey import DAY, HOUR, FailingFeed, Kept, survey, waiting_by_channel
from daemon.store.workers import Worker


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
    stranded: tuple[tuple[str, int], ...] = ()  # (channel that is not in the settings, deliveries that wait for it)
    workers: tuple[Worker, ...] = ()  # where several processes share the work
    lag: tuple[tuple[str, str, int], ...] = ()  # (stream, group, records not yet done), where no process was asked
    model: str = ""  # what a change of the model is at
    examples_unread: int = 0  # texts that topics name and that could not be read


class Recent:
    """A status that is looked up at most once in ``seconds``, however many ask. Threads may share it."""

    def __init__(self, look: Callable[[], Status], clock: Clock, seconds: float = 1.0) -> None:
        self._look = look
        self._clock = clock
        self._seconds = seconds
        self._known: tuple[float, Status] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Status:
        """Raises what ``look`` raises, and then asks again the next time."""
        with self._lock:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[0] >= self._seconds:
                self._known = (now, self._look())
            return self._known[1]


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
    lines += [_worker(worker, status.at) for worker in status.workers]
    lines.append(("feeds", _feeds(kept)))
    lines += [(f"! {feed.feed_id}", _failing(feed, status.at)) for feed in kept.worst]
    last = "" if kept.last_article is None else f", the last one {ago(status.at - kept.last_article)} ago"
    lines.append(("articles", f"{kept.articles_1h:,} in the last hour, {kept.articles_24h:,} in 24 hours{last}"))
    if status.model:
        lines.append(("model", status.model))
    if status.examples_unread:
        lines.append(("! examples", f"{status.examples_unread} could not be read: `wirewatch topics show ID` says why"))
    pending = f", {kept.topics_pending} not applied yet" if kept.topics_pending else ""
    lines.append(("topics", f"{kept.topics_in_force} in force{pending}"))
    lines.append(("alerts", f"{kept.alerts_24h} in 24 hours, from {plural(kept.matches_24h, 'match', 'matches')}"))
    dead = f", {kept.deliveries_dead} given up" if kept.deliveries_dead else ""
    held = f", {kept.deliveries_held} held: `wirewatch alerts list --held`" if kept.deliveries_held else ""
    lines.append(("deliveries", f"{kept.deliveries_waiting} waiting{dead}{held}"))
    lines += [(f"! {channel.name}", f"channel disabled: {channel.reason}") for channel in kept.channels_disabled]
    lines += [(f"! {name}", stranded(waiting)) for name, waiting in status.stranded]
    if kept.dead_letters:
        lines.append(("! dead letters", f"{kept.dead_letters}: see `wirewatch dead-letters list`"))
    if behind := (running.lag if running is not None else status.lag):
        lines.append(("behind", ", ".join(f"{group} on {stream}: {lag:,}" for stream, group, lag in behind)))
    if status.data_dir:
        lines.append(("disk", f"{status.disk_free / 1e9:,.1f} GB free in {status.data_dir}"))
    return "\n".join(f"{neutralise(label):<14} {neutralise(text)}" for label, text in lines)


def stranded(waiting: int) -> str:
    return (
        f"not in wirewatch.toml, and {plural(waiting, 'delivery waits', 'deliveries wait')} for it: put [channel.NAME] "
        "back and they go out"
    )


def _worker(worker: Worker, now: float) -> tuple[str, str]:
    said = f"{worker.id}, {worker.version}, up {ago(now - worker.since)}, http://{worker.listen}/"
    if not worker.ready:
        said += ", not ready: " + "; ".join(f"{part}: {why}" for part, why in worker.detail.waiting)
    return ("" if worker.ready else "! ") + " ".join(worker.roles), said


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


def report(
    store: Store,
    *,
    now: float,
    data_dir: Path | None,
    channels: Collection[str],
    running: Running | None,
    workers: Sequence[Worker] = (),
    lag: Sequence[tuple[str, str, int]] = (),
) -> Status:
    """``channels`` are the names in the settings; ``data_dir`` is None where nothing is kept in it.

    Raises ``Unavailable``.
    """
    return Status(
        at=now,
        kept=survey(store, now),
        running=running,
        data_dir=str(data_dir) if data_dir else "",
        disk_free=disk_usage(data_dir).free if data_dir else 0,
        workers=tuple(workers),
        lag=tuple(lag),
        model=under_way(Models(store), now - WINDOW),
        examples_unread=len(Examples(store).failed()),
        stranded=tuple((name, count) for name, count in waiting_by_channel(store).items() if name not in channels),
    )
