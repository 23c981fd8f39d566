"""What every process does beside its roles: signs of life, elections, retention, a look at the log and the files."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from daemon.app.process import Process
from daemon.app.waiting import first_of
from daemon.errors import Unavailable
from daemon.kept_files import KeptFiles
from daemon.schedule import Schedule
from daemon.settings import RetentionSettings
from daemon.store.archive import Archive
from daemon.store.feeds import FeedStates
from daemon.store.retention import Retention
from daemon.store.workers import Worker
from daemon.upkeep import Always, Election, Lag, Upkeep

LOOK = 1.0  # seconds between two looks at the store and at the elections
LOOK_ALONE = 30.0  # the same where nobody watches: each is a write, which waits for the disk
LOOK_AT_LOG = 2.0  # the same for the log, which may be many brokers
LOOK_AT_FILES = 1.0
LOOK_FOR_DIGESTS = 60.0
SWEEP = 3600.0  # seconds between two rounds of retention

logger = structlog.get_logger("wirewatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """``run`` is the role; ``lag`` is what the log said at the last look.

    ``enrol`` is called once before any role runs: what a worker says it has applied has a worker then, and the topics
    are in force before the first feed is polled. It raises ``Unavailable``.
    """

    run: Callable[[asyncio.Event], Awaitable[None]]
    lag: Callable[[], Lag]
    enrol: Callable[[], None]


def keeping(
    settings: RetentionSettings,
    process: Process,
    *,
    elections: list[Election | Always],
    archive: Archive,
    me: Callable[[], Worker],
    new: Callable[[], None],
    silent: float,
    kept_files: KeptFiles,
    digests: Mapping[str, Callable[[float], object]],
) -> Keeping:
    """``me`` is what this process says of itself; ``new`` is called when the others did not know it (any more).

    Another process that said nothing for ``silent`` seconds is taken for gone. ``digests`` look for what is told
    beside stories, by its name, where this process tells.
    """
    sweeps = Always() if process.alone else Election(process.leases, "housekeeping")

    def beat() -> None:
        if not process.workers.beat(me()):
            new()
        for gone in process.workers.prune(process.clock.monotonic(), silent):
            logger.warning("a worker is gone", worker=gone)

    upkeep = Upkeep(
        beat=beat,
        elections=[sweeps, *elections],
        lag=process.log.lag,
        health=process.health,
    )
    retention = Retention(
        process.store,
        delete_articles=archive.delete_before,
        delete_seen=FeedStates(process.store).prune_seen,
        articles=settings.articles,
        seen=settings.seen,
        max_size=settings.max_size,
    )

    def sweep() -> None:
        if not sweeps.won():
            return
        try:
            retention.sweep(process.clock, process.stop)
            process.log.trim(process.clock.now() - settings.log)
        except Unavailable as error:
            logger.warning("housekeeping waits for the store", why=str(error))

    def look_for(what: str, look: Callable[[float], object]) -> None:
        try:
            look(process.clock.now())
        except Unavailable as error:
            logger.warning("what is told beside stories waits for the store", what=what, why=str(error))

    async def run(ended: asyncio.Event) -> None:
        schedule = Schedule(clock=process.clock, on_jump=lambda _: None, on_stall=process.observer.stalled)
        schedule.every(LOOK_ALONE if process.alone else LOOK, upkeep.look_at_the_store, name="store and elections")
        schedule.every(LOOK_AT_LOG, upkeep.look_at_the_log, name="log")
        schedule.every(LOOK_AT_FILES, kept_files.check, name="files in place")
        schedule.every(SWEEP, sweep, name="retention")
        for what, look in digests.items():
            schedule.every(LOOK_FOR_DIGESTS, partial(look_for, what, look), name=what)
        schedule.start()
        try:
            await first_of(ended.wait(), schedule.crashed())
        finally:
            schedule.stop()
            await asyncio.to_thread(_leave, process, elections=[sweeps, *elections])

    return Keeping(run=run, lag=upkeep.lag, enrol=upkeep.step)


def _leave(process: Process, *, elections: list[Election | Always]) -> None:
    """Others take over at once; where the store is away they do when the leases have run out."""
    with suppress(Unavailable):
        for election in elections:
            election.resign()
        process.workers.gone(process.id)
