"""What happens at its time: APScheduler on the event loop, and a watchdog beside it.

APScheduler drops a run that starts more than a second late unless told otherwise, and it goes by the wall clock: put
back by an hour, it would stay silent for an hour. The watchdog goes by the monotonic clock, notices both, and re-arms.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from daemon.clock import Clock

Job = Callable[[], Awaitable[None]] | Callable[[], None]

_JUMP = 5.0  # seconds that the two clocks may drift apart between two looks


@dataclass(slots=True)
class _Kept:
    seconds: float | None  # between two runs; None: at a time of day
    ran: float  # monotonic


class Schedule:
    """Jobs never overlap themselves and are never dropped for being late. One event loop.

    ``on_jump`` hears by how many seconds the wall clock was put forward (back, where negative). ``on_stall`` hears
    which job did not run, and for how many seconds; once a stall, and it is started again. What a job raises ends
    ``crashed``, which the composition root awaits.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        on_jump: Callable[[float], None],
        on_stall: Callable[[str, float], None],
        look: float = 2.0,
        stalled: float = 15.0,
    ) -> None:
        """``look``: seconds between two looks of the watchdog. ``stalled``: without a run of a job due more often."""
        self._clock = clock
        self._on_jump = on_jump
        self._on_stall = on_stall
        self._look = look
        self._stalled = stalled
        self._kept: dict[str, _Kept] = {}
        self._broken = asyncio.Event()
        self._error: BaseException | None = None
        self._watching: asyncio.Task[None] | None = None
        logging.getLogger("apscheduler").setLevel(logging.WARNING)  # it reports every run, that is every second
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_listener(self._ran, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def every(self, seconds: float, job: Job, *, name: str) -> None:
        """First ``seconds`` after now. A coroutine function runs on the loop, a function on a thread of its own."""
        self._add(job, IntervalTrigger(seconds=seconds, timezone=UTC), name, seconds)

    def daily(self, hour: int, minute: int, zone: ZoneInfo, job: Job, *, name: str) -> None:
        self._add(job, CronTrigger(hour=hour, minute=minute, timezone=zone), name, None)

    def start(self) -> None:
        """On the running loop."""
        self._scheduler.start()
        for kept in self._kept.values():
            kept.ran = self._clock.monotonic()
        wall, monotonic = self._clock.now(), self._clock.monotonic()
        self._watching = asyncio.create_task(self._watch(wall, monotonic), name="watchdog of the schedule")

    def stop(self) -> None:
        """Starts nothing more, and cancels what runs on the loop. Twice is fine."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
            self._scheduler.remove_all_jobs()
            self._scheduler.shutdown(wait=False)  # takes effect at the loop's next turn

    async def crashed(self) -> None:
        """Waits for a job that raises, and raises the same."""
        await self._broken.wait()
        if self._error is not None:
            raise self._error

    def _add(self, job: Job, trigger: Any, name: str, seconds: float | None) -> None:
        self._kept[name] = _Kept(seconds, self._clock.monotonic())
        self._scheduler.add_job(job, trigger, id=name, name=name, replace_existing=True)

    def _ran(self, event: JobExecutionEvent) -> None:
        if kept := self._kept.get(event.job_id):
            kept.ran = self._clock.monotonic()
        if event.exception is not None:
            self._error = self._error or event.exception
            self._broken.set()

    async def _watch(self, wall: float, monotonic: float) -> None:
        while True:
            await asyncio.sleep(self._look)
            now, moment = self._clock.now(), self._clock.monotonic()
            jump = (now - wall) - (moment - monotonic)
            wall, monotonic = now, moment
            if abs(jump) > _JUMP:
                self._rearm(self._kept)
                self._on_jump(jump)
            stalled = [name for name, kept in self._kept.items() if self._late(kept, moment)]
            for name in stalled:
                self._on_stall(name, moment - self._kept[name].ran)
                self._kept[name].ran = moment
            self._rearm(stalled)

    def _late(self, kept: _Kept, moment: float) -> bool:
        return kept.seconds is not None and moment - kept.ran > max(3 * kept.seconds, self._stalled)

    def _rearm(self, names: Iterable[str]) -> None:
        for name in names:
            seconds = self._kept[name].seconds
            if seconds is not None:
                soon = datetime.fromtimestamp(self._clock.now() + min(seconds, 1.0), UTC)
                self._scheduler.modify_job(name, next_run_time=soon)
