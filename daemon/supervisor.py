"""Keeps the roles running: the one place that catches what nobody expected.

A role that fails is restarted with back-off, for ever. Two errors are different: ``Unusable`` stops the daemon with
its sentence, because a restart cannot help; and a role that set aside too many records stays down and is shown,
because going on would set aside the whole stream.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from consumers.errors import WirewatchError
from daemon.clock import Clock
from daemon.errors import QuarantineLimitReached, Unusable
from daemon.health import Health

ThreadRole = Callable[[threading.Event], None]
AsyncRole = Callable[[asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait after the n-th failure in a row: ``first``, doubled each time, never more than ``longest``.

    A run of at least ``calm`` seconds was a healthy one: what fails after it counts from the beginning.
    """

    first: float = 1.0
    longest: float = 60.0
    calm: float = 300.0

    def wait(self, failures: int) -> float:
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 62))

    def count(self, failures: int, ran: float) -> int:
        """How many failures in a row there are with this one, which came after ``ran`` seconds."""
        return 1 if ran >= self.calm else failures + 1


@dataclass(frozen=True, slots=True)
class Restart:
    after: float  # seconds
    why: str
    expected: bool  # one of our own errors: its sentence is enough, nobody needs a traceback


@dataclass(frozen=True, slots=True)
class StayDown:
    why: str


@dataclass(frozen=True, slots=True)
class StopAll:
    error: Unusable


Verdict = Restart | StayDown | StopAll


def judge(error: Exception | None, failures: int, backoff: Backoff) -> Verdict:
    """What to do about a role that ended with ``error``, or by itself, as its ``failures``-th failure in a row."""
    if isinstance(error, Unusable):
        return StopAll(error)
    if isinstance(error, QuarantineLimitReached):
        return StayDown(str(error))
    after = backoff.wait(failures)
    if error is None:
        return Restart(after, "it ended by itself", expected=False)
    if isinstance(error, WirewatchError):
        return Restart(after, str(error), expected=True)
    return Restart(after, f"{type(error).__name__}: {error}", expected=False)


def _wait_thread(stop: threading.Event, seconds: float) -> None:
    stop.wait(seconds)


async def _wait_async(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


class Supervisor:
    """Runs roles, each in a thread or as a coroutine, by the same policy."""

    def __init__(
        self,
        *,
        health: Health,
        clock: Clock,
        restarted: Callable[[str], None],
        unusable: Callable[[Unusable], None],
        backoff: Backoff | None = None,
        wait_thread: Callable[[threading.Event, float], None] = _wait_thread,
        wait_async: Callable[[asyncio.Event, float], Awaitable[None]] = _wait_async,
    ) -> None:
        """``restarted`` is told the role's name each time; ``unusable`` stops the daemon, from any thread."""
        self._health = health
        self._clock = clock
        self._restarted = restarted
        self._unusable = unusable
        self._backoff = backoff or Backoff()
        self._wait_thread = wait_thread
        self._wait_async = wait_async
        self._log = structlog.get_logger("supervisor")

    def run(self, name: str, role: ThreadRole, stop: threading.Event) -> None:
        """Runs ``role`` in this thread until ``stop``, or until its verdict is to stay down. Never raises."""
        failures = 0
        while not stop.is_set():
            began = self._start(name)
            error = None
            try:
                role(stop)
            except Exception as caught:  # noqa: BLE001 - the supervisor is where unexpected errors end
                error = caught
            if stop.is_set() and error is None:
                break
            failures = self._backoff.count(failures, self._clock.monotonic() - began)
            wait = self._act(name, judge(error, failures, self._backoff), error, stopping=stop.is_set())
            if wait is None:
                break
            self._wait_thread(stop, wait)

    async def run_async(self, name: str, role: AsyncRole, stop: asyncio.Event) -> None:
        """The same for a coroutine. Cancelling it cancels the role."""
        failures = 0
        while not stop.is_set():
            began = self._start(name)
            error = None
            try:
                await role(stop)
            except Exception as caught:  # noqa: BLE001 - the supervisor is where unexpected errors end
                error = caught
            if stop.is_set() and error is None:
                break
            failures = self._backoff.count(failures, self._clock.monotonic() - began)
            wait = self._act(name, judge(error, failures, self._backoff), error, stopping=stop.is_set())
            if wait is None:
                break
            await self._wait_async(stop, wait)

    def start(self, name: str, role: ThreadRole, stop: threading.Event) -> threading.Thread:
        """``run`` in a new thread, named after the role."""
        thread = threading.Thread(target=self.run, args=(name, role, stop), name=name, daemon=True)
        thread.start()
        return thread

    def _start(self, name: str) -> float:
        self._health.starting(name)
        return self._clock.monotonic()

    def _act(self, name: str, verdict: Verdict, error: Exception | None, *, stopping: bool) -> float | None:
        """Seconds until the restart; None: there is none."""
        match verdict:
            case StopAll(error=unusable):
                self._health.down(name, str(unusable))
                self._unusable(unusable)
                return None
            case StayDown(why=why):
                self._health.down(name, why)
                self._log.error("the role stays down", role=name, why=why)
                return None
            case Restart(after=after, why=why, expected=expected):
                self._health.down(name, f"{why} (starts again in {after:.0f} s)")
                if stopping:
                    self._log.warning("the role failed while it stopped", role=name, why=why)
                    return None
                again = f"{after:.0f} s"
                if expected:
                    self._log.warning("the role failed", role=name, why=why, again_in=again)
                else:
                    self._log.error("the role failed", role=name, why=why, again_in=again, exc_info=error)
                self._restarted(name)
                return after
