import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from daemon.schedule import Schedule


@dataclass
class RealClock:
    """The system's time, with a wall clock that can be put forward or back."""

    moved: float = 0.0

    def now(self) -> float:
        return time.time() + self.moved

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Told:
    jumps: list[float] = field(default_factory=list)
    stalls: list[str] = field(default_factory=list)


@asynccontextmanager
async def running(
    *, told: Told | None = None, clock: RealClock | None = None, **watch: float
) -> AsyncIterator[Schedule]:
    told = told or Told()
    schedule = Schedule(
        clock=clock or RealClock(),
        on_jump=told.jumps.append,
        on_stall=lambda name, _: told.stalls.append(name),
        **watch,
    )
    schedule.start()
    try:
        yield schedule
    finally:
        schedule.stop()
        schedule.stop()


async def until(true: Callable[[], object], deadline: float = 60.0) -> None:
    async with asyncio.timeout(deadline):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_job_runs_again_and_again_on_the_loop() -> None:
    runs: list[int] = []

    async def job() -> None:
        runs.append(threading.get_ident())

    async with running() as schedule:
        schedule.every(0.02, job, name="tick")
        await until(lambda: len(runs) >= 3)
    assert set(runs) == {threading.get_ident()}


async def test_a_plain_function_runs_on_a_thread_of_its_own() -> None:
    runs: list[int] = []
    async with running() as schedule:
        schedule.every(0.02, lambda: runs.append(threading.get_ident()), name="prune")
        await until(lambda: runs)
    assert threading.get_ident() not in runs


async def test_a_job_never_overlaps_itself_and_is_not_dropped_for_being_late() -> None:
    inside, most, runs = 0, 0, 0

    async def slow() -> None:
        nonlocal inside, most, runs
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.05)
        inside -= 1
        runs += 1

    async with running() as schedule:
        schedule.every(0.01, slow, name="slow")
        await until(lambda: runs >= 4)
    assert most == 1


async def test_what_a_job_raises_is_not_swallowed() -> None:
    async def broken() -> None:
        raise LookupError("a bug")

    async with running() as schedule:
        schedule.every(0.01, broken, name="broken")
        with pytest.raises(LookupError, match="a bug"):
            await asyncio.wait_for(schedule.crashed(), 60)


async def test_a_wall_clock_that_is_put_back_is_noticed() -> None:
    told, clock = Told(), RealClock()
    async with running(told=told, clock=clock, look=0.02):
        clock.moved = -3_600.0
        await until(lambda: told.jumps)
        assert told.jumps[0] == pytest.approx(-3_600.0, abs=1.0)
        clock.moved = 0.0
        await until(lambda: len(told.jumps) == 2)
        assert told.jumps[1] == pytest.approx(3_600.0, abs=1.0)


async def test_a_job_that_does_not_come_back_is_told_of() -> None:
    told = Told()
    forever = asyncio.Event()

    async def stuck() -> None:
        await forever.wait()

    async with running(told=told, look=0.02, stalled=0.1) as schedule:
        schedule.every(0.01, stuck, name="stuck")
        await until(lambda: told.stalls)
    assert told.stalls[0] == "stuck"


async def test_no_job_runs_after_the_stop() -> None:
    runs: list[int] = []

    async def job() -> None:
        runs.append(1)

    async with running() as schedule:
        schedule.every(0.01, job, name="tick")
        await until(lambda: runs)
    await asyncio.sleep(0)  # what was started already
    before = len(runs)
    await asyncio.sleep(0.05)
    assert len(runs) == before
