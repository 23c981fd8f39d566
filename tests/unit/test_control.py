"""The data directory has one owner, and a command can ask it."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from consumers.errors import Retry
from daemon.control import AlreadyRunning, ControlServer, NotRunning, Owner, ask, own, owner
from daemon.errors import Unavailable, Unusable

Verbs = dict[str, Callable[[dict[str, Any]], dict[str, Any]]]

FOUR_PAST_TWO = 1_795_269_720.0  # 14:02 UTC
HOLDER = """
import sys, pathlib
from daemon.clock import SystemClock
from daemon.control import own

with own(pathlib.Path(sys.argv[1]), address="127.0.0.1:8470", clock=SystemClock()):
    print("mine", flush=True)
    sys.stdin.read()
"""


class At:
    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def another_process_on(data_dir: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, data_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"mine\n"
    return child


def ended(child: subprocess.Popen[bytes]) -> None:
    child.communicate()


# -- ownership


def test_the_owner_is_known_while_it_lasts_and_not_after(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    assert owner(data_dir) is None
    with own(data_dir, address="127.0.0.1:8470", clock=At(FOUR_PAST_TWO)):
        first = owner(data_dir)
        assert first == Owner(
            pid=os.getpid(),
            started=FOUR_PAST_TWO,
            address="127.0.0.1:8470",
            socket=str(data_dir / "control.sock"),
        )
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert owner(data_dir) is None


def test_a_second_one_is_told_who_the_first_is(tmp_path: Path) -> None:
    with own(tmp_path, address="127.0.0.1:8470", clock=At(FOUR_PAST_TWO)):
        with pytest.raises(AlreadyRunning) as refusal, own(tmp_path, address="", clock=At(FOUR_PAST_TWO + 60)):
            pass
        with pytest.raises(AlreadyRunning, match="since 2026-11-21 14:02"), own(tmp_path, address="", clock=At(1.9e9)):
            pass
    for part in (f"pid {os.getpid()}", "since 14:02 UTC", "127.0.0.1:8470", f"is using {tmp_path}"):
        assert part in str(refusal.value)


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    child = another_process_on(tmp_path)
    with pytest.raises(AlreadyRunning, match=f"pid {child.pid}"), own(tmp_path, address="", clock=At(1.0)):
        pass
    ended(child)
    with own(tmp_path, address="", clock=At(1.0)):
        pass


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    child = another_process_on(tmp_path)
    child.send_signal(signal.SIGKILL)
    ended(child)
    assert owner(tmp_path) is None
    with pytest.raises(NotRunning):
        ask(tmp_path, "anything")
    with own(tmp_path, address="", clock=At(1.0)):
        assert owner(tmp_path) is not None


def test_looking_for_the_owner_never_keeps_anybody_from_starting(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            owner(tmp_path)

    watchers = [threading.Thread(target=look) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(50):
            with own(tmp_path, address="", clock=At(1.0)):
                pass
    finally:
        stop.set()
        for watcher in watchers:
            watcher.join()


def test_a_directory_that_cannot_be_made_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match="cannot be used"), own(tmp_path / "file" / "data", address="", clock=At(1.0)):
        pass


# -- asking


@asynccontextmanager
async def serving(data_dir: Path, verbs: Verbs) -> AsyncIterator[Path]:
    with own(data_dir, address="", clock=At(1.0)) as me:
        path = Path(me.socket)
        stop = asyncio.Event()
        server = asyncio.create_task(ControlServer(path, verbs).run(stop))
        async with asyncio.timeout(60):
            while not path.exists():
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        try:
            yield path
        finally:
            stop.set()
            await server


async def test_a_command_asks_and_gets_the_answer(tmp_path: Path) -> None:
    async with serving(tmp_path, {"double": lambda args: {"twice": args["number"] * 2}}):
        assert await asyncio.to_thread(ask, tmp_path, "double", number=21) == {"twice": 42}


async def test_long_answers_and_many_askers_are_served(tmp_path: Path) -> None:
    async with serving(tmp_path, {"long": lambda args: {"text": args["letter"] * 2_000_000}}):
        answers = await asyncio.gather(*(asyncio.to_thread(ask, tmp_path, "long", letter=name) for name in "abcdefgh"))
        assert [answer["text"][0] for answer in answers] == list("abcdefgh")


async def test_a_slow_verb_does_not_hold_up_another(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(args: dict[str, Any]) -> dict[str, Any]:
        return {"released": release.wait(10)}

    def quick(args: dict[str, Any]) -> dict[str, Any]:
        release.set()
        return {}

    async with serving(tmp_path, {"slow": slow, "quick": quick}):
        waiting = asyncio.create_task(asyncio.to_thread(ask, tmp_path, "slow"))
        await asyncio.to_thread(ask, tmp_path, "quick")
        assert await waiting == {"released": True}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(Unusable("no such letter"), Unusable), (Unavailable("disk full"), Unavailable), (Retry("later"), Unavailable)],
)
async def test_what_the_owner_cannot_do_comes_back_as_its_sentence(
    tmp_path: Path, raised: Exception, expected: type[Exception]
) -> None:
    def refuse(args: dict[str, Any]) -> dict[str, Any]:
        raise raised

    async with serving(tmp_path, {"do": refuse}):
        with pytest.raises(expected, match=str(raised)):
            await asyncio.to_thread(ask, tmp_path, "do")


async def test_an_unknown_verb_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, {}):
        with pytest.raises(Unusable, match='does not know "dance"'):
            await asyncio.to_thread(ask, tmp_path, "dance")


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[]\n", b'{"verb": 1, "args": 2}\n', b"\xff\n", b"x" * 2_000_000])
async def test_nonsense_is_answered_and_the_server_goes_on(tmp_path: Path, line: bytes) -> None:
    def send(path: Path) -> dict[str, Any]:
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.settimeout(60)
            client.connect(str(path))
            try:
                client.sendall(line)
            except BrokenPipeError:
                return {"error": "it hung up"}
            with client.makefile("rb") as lines:
                try:
                    return dict(json.loads(lines.readline() or b'{"error": "it hung up"}'))
                except ConnectionResetError:
                    return {"error": "it hung up"}

    async with serving(tmp_path, {"ping": lambda args: {"pong": True}}) as path:
        assert "error" in await asyncio.to_thread(send, path)
        assert await asyncio.to_thread(ask, tmp_path, "ping") == {"pong": True}


async def test_only_the_same_user_may_ask(tmp_path: Path) -> None:
    async with serving(tmp_path, {}) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_socket_left_by_a_killed_owner_is_in_nobodys_way(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(tmp_path / "control.sock"))
    async with serving(tmp_path, {"ping": lambda args: {}}):
        assert await asyncio.to_thread(ask, tmp_path, "ping") == {}
    assert not (tmp_path / "control.sock").exists()


async def test_a_very_long_data_directory_works_too(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 90) / ("b" * 90)
    async with serving(deep, {"ping": lambda args: {}}) as path:
        assert await asyncio.to_thread(ask, deep, "ping") == {}
    assert not path.parent.exists()


def test_an_owner_that_does_not_listen_yet_is_worth_another_try(tmp_path: Path) -> None:
    with own(tmp_path, address="", clock=At(1.0)), pytest.raises(Unavailable, match="try again in a moment"):
        ask(tmp_path, "ping")


async def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    release = threading.Event()

    def hang(args: dict[str, Any]) -> dict[str, Any]:
        return {"released": release.wait(30)}

    async with serving(tmp_path, {"hang": hang}):
        with pytest.raises(Unavailable, match="did not answer"):
            await asyncio.to_thread(ask, tmp_path, "hang", 0.2)
        release.set()
