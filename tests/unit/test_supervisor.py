import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consumers.errors import Retry
from daemon.errors import QuarantineLimitReached, Unavailable, Unusable
from daemon.health import Health
from daemon.supervisor import Backoff, Restart, StayDown, StopAll, Supervisor, judge
from tests.kept_rows import HeldClock


class Scene:
    """A supervisor whose waits take no time; ``waited`` tells how long they would have been."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.health = Health(self.clock)
        self.waited: list[float] = []
        self.restarted: list[str] = []
        self.unusable: list[Unusable] = []
        self.supervisor = Supervisor(
            health=self.health,
            clock=self.clock,
            restarted=self.restarted.append,
            unusable=self.unusable.append,
            wait_thread=lambda _stop, seconds: self._pass_by(seconds),
            wait_async=self._wait_async,
        )

    def _pass_by(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.pass_by(seconds)

    async def _wait_async(self, _stop: asyncio.Event, seconds: float) -> None:
        self._pass_by(seconds)
        await asyncio.sleep(0)

    def run_thread(self, *runs: Callable[[], None]) -> int:
        """Runs a role that does each of these in turn and then stops; how often it was started."""
        stop, left, starts = threading.Event(), list(runs), 0

        def role(stop: threading.Event) -> None:
            nonlocal starts
            starts += 1
            if not left:
                stop.set()
                return
            left.pop(0)()

        self.supervisor.run("match", role, stop)
        return starts

    async def run_async(self, *runs: Callable[[], None]) -> int:
        stop, left, starts = asyncio.Event(), list(runs), 0

        async def role(stop: asyncio.Event) -> None:
            nonlocal starts
            starts += 1
            if not left:
                stop.set()
                return
            left.pop(0)()

        await self.supervisor.run_async("match", role, stop)
        return starts

    def why(self) -> str:
        return self.health.ready()[1][0].why


def fails_with(error: Exception) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    with capture_logs() as lines:
        yield cast("list[dict[str, Any]]", lines)


@pytest.fixture
def scene(logged: list[dict[str, Any]]) -> Scene:
    return Scene()


@pytest.fixture(params=["thread", "asyncio"])
def run(request: pytest.FixtureRequest, scene: Scene) -> Callable[..., int]:
    if request.param == "thread":
        return scene.run_thread
    return lambda *runs: asyncio.run(scene.run_async(*runs))


def test_a_role_that_fails_is_started_again_and_again(scene: Scene, run: Callable[..., int]):
    starts = run(*[fails_with(KeyError("bug"))] * 9)
    assert starts == 10
    assert scene.waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert scene.restarted == ["match"] * 9


def test_a_role_that_ends_by_itself_is_started_again(scene: Scene, run: Callable[..., int]):
    assert run(lambda: None) == 2
    assert scene.waited == [1]


def test_what_fails_after_a_long_healthy_run_counts_from_the_beginning(scene: Scene, run: Callable[..., int]):
    def long_run() -> None:
        scene.clock.pass_by(301)
        raise Unavailable("the disk went away")

    run(*[fails_with(Unavailable("x"))] * 3, long_run)
    assert scene.waited == [1, 2, 4, 1]


def test_what_cannot_be_used_stops_the_daemon_with_its_sentence(scene: Scene, run: Callable[..., int]):
    error = Unusable("the model is damaged: reinstall it")
    assert run(fails_with(error)) == 1
    assert scene.unusable == [error]
    assert scene.waited == []


def test_a_role_that_set_aside_too_much_stays_down_and_is_shown(scene: Scene, run: Callable[..., int]):
    assert run(fails_with(QuarantineLimitReached("101 records in a row were rejected"))) == 1
    assert scene.why() == "101 records in a row were rejected"
    assert scene.unusable == []
    assert scene.health.alive()[0], "nobody restarts a process for a role that stays down on purpose"


def test_the_reason_and_the_next_start_are_shown_while_it_waits(scene: Scene):
    seen: list[str] = []
    supervisor = Supervisor(
        health=scene.health,
        clock=scene.clock,
        restarted=lambda _name: None,
        unusable=lambda _error: None,
        wait_thread=lambda stop, _seconds: (seen.append(scene.why()), stop.set())[1],
    )

    def role(_stop: threading.Event) -> None:
        raise Retry("no space left")

    supervisor.run("match", role, threading.Event())
    assert seen == ["no space left (starts again in 1 s)"]


def test_a_failure_while_stopping_is_not_followed_by_a_restart(scene: Scene):
    stop = threading.Event()

    def role(stop: threading.Event) -> None:
        stop.set()
        raise Unavailable("closed")

    scene.supervisor.run("match", role, stop)
    assert scene.waited == []
    assert scene.restarted == []


def test_a_wait_ends_when_the_daemon_stops():
    clock, stop = HeldClock(), threading.Event()
    failed = threading.Event()
    supervisor = Supervisor(
        health=Health(clock),
        clock=clock,
        restarted=lambda _name: failed.set(),
        unusable=lambda _error: None,
        backoff=Backoff(first=600.0, longest=600.0),
    )
    thread = supervisor.start("match", lambda _stop: None, stop)
    assert failed.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


async def test_cancelling_the_supervisor_cancels_the_role(scene: Scene):
    began, ended = asyncio.Event(), asyncio.Event()

    async def role(stop: asyncio.Event) -> None:
        began.set()
        try:
            await stop.wait()
        finally:
            ended.set()

    task = asyncio.create_task(scene.supervisor.run_async("send", role, asyncio.Event()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


@given(failures=st.integers(1, 10_000), first=st.floats(0.01, 10), longest=st.floats(10, 1000))
def test_a_wait_never_shrinks_with_more_failures_and_has_a_limit(failures: int, first: float, longest: float):
    backoff = Backoff(first=first, longest=longest)
    assert first <= backoff.wait(failures) <= backoff.wait(failures + 1) <= longest


def test_only_what_nobody_expected_gets_a_traceback(scene: Scene, logged: list[dict[str, Any]]):
    bug = KeyError("x")
    scene.run_thread(fails_with(Unavailable("the disk is full")), fails_with(bug))
    assert [(line["log_level"], line.get("exc_info")) for line in logged] == [("warning", None), ("error", bug)]


def test_a_verdict_follows_from_the_error_alone():
    assert judge(Unavailable("x"), 1, Backoff()) == Restart(1.0, "x", expected=True)
    assert judge(KeyError("x"), 1, Backoff()) == Restart(1.0, "KeyError: 'x'", expected=False)
    assert isinstance(judge(QuarantineLimitReached("x"), 1, Backoff()), StayDown)
    assert isinstance(judge(Unusable("x"), 1, Backoff()), StopAll)
