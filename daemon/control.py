"""Who owns the data directory, and how a command asks the owner to do something.

The directory has one owner at a time: whoever holds the lock on ``lock``, where its pid and address are written too.
The kernel drops the lock with the process, however it ends. A command that changes state asks the owner over a Unix
socket, one JSON line each way; where nobody runs it takes the lock itself.
"""

import asyncio
import fcntl
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consumers.errors import WirewatchError
from daemon.clock import Clock
from daemon.errors import Unavailable, Unusable

Verb = Callable[[dict[str, Any]], dict[str, Any]]

_LONGEST_SOCKET = 100  # bytes; the kernel takes 108 on Linux and 104 on macOS, with the final zero
_LONGEST_LINE = 1 << 20  # bytes of a request
_LOOK = 0.3  # seconds; `owner` holds the lock for an instant, which is no reason to refuse to start
_AT_ONCE = 4  # requests that are worked on
_PATIENCE = 10.0  # seconds for a client to send its line


class AlreadyRunning(Unusable):
    """Somebody else owns the data directory; the message names them."""


class NotRunning(Unusable):
    """Nobody owns the data directory, so there is nobody to ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who holds the data directory. ``socket`` is where it listens, ``address`` its web page or empty."""

    pid: int
    started: float
    address: str
    socket: str


# -- ownership


@contextmanager
def own(data_dir: Path, *, address: str, clock: Clock) -> Iterator[Owner]:
    """Hold the data directory for the length of the block; make it first (mode 0700) where it is missing.

    Raises ``AlreadyRunning``, or ``Unusable`` where the directory cannot be made or locked.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unusable(
            f"{data_dir} cannot be used ({error.strerror}): make it a directory that this user can write, "
            "or set [data] dir in wirewatch.toml to another one"
        ) from error
    try:
        _take(lock, data_dir, clock.now())
        with _socket_path(data_dir) as path:
            owner = Owner(pid=os.getpid(), started=clock.now(), address=address, socket=str(path))
            _write(lock, json.dumps(asdict(owner)).encode())
            try:
                yield owner
            finally:
                _write(lock, b"")  # emptied, not removed: a second file of the same name would be a second lock
    finally:
        os.close(lock)


def owner(data_dir: Path) -> Owner | None:
    """Who owns the directory now; ``None`` where nobody does. A record left by a killed owner does not count."""
    try:
        lock = os.open(data_dir / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"{data_dir}/lock cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(lock) or Owner(pid=0, started=0.0, address="", socket="")
    else:
        return None
    finally:
        os.close(lock)


def _take(lock: int, data_dir: Path, now: float) -> None:
    deadline = time.monotonic() + _LOOK
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise AlreadyRunning(_busy(_read(lock), data_dir, now)) from error
            time.sleep(0.02)
        except OSError as error:
            raise Unusable(f"{data_dir} cannot be locked ({error.strerror}): put [data] dir on a local disk") from error
        else:
            return


def _busy(first: Owner | None, data_dir: Path, now: float) -> str:
    if first is None:
        return f"another wirewatch is using {data_dir}: try again in a moment"
    started, today = (datetime.fromtimestamp(at, UTC) for at in (first.started, now))
    since = f"{started:%H:%M} UTC" if started.date() == today.date() else f"{started:%Y-%m-%d %H:%M} UTC"
    page = f", page {first.address}" if first.address else ""
    return f"another wirewatch (pid {first.pid}, since {since}{page}) is using {data_dir}: stop that one first"


def _write(lock: int, record: bytes) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, record, 0)


def _read(lock: int) -> Owner | None:
    """``None`` while the owner is just writing it."""
    try:
        return Owner(**json.loads(os.pread(lock, 4096, 0)))
    except (ValueError, TypeError):
        return None


@contextmanager
def _socket_path(data_dir: Path) -> Iterator[Path]:
    path = data_dir.absolute() / "control.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        yield path
        return
    short = Path(tempfile.mkdtemp(prefix="wirewatch-"))  # mode 0700, and nobody can guess its name before it exists
    try:
        yield short / "control.sock"
    finally:
        shutil.rmtree(short, ignore_errors=True)


# -- the owner's side


class ControlServer:
    """Answers one JSON line, ``{"verb": …, "args": {…}}``, with one: ``{"result": {…}}`` or ``{"error", "kind"}``.

    Verbs are plain functions and run in a thread. What they raise on purpose travels back as a sentence.
    """

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        self._path = path
        self._verbs = verbs
        self._threads = ThreadPoolExecutor(_AT_ONCE, "control")  # its own: the loop's default one may be all busy
        self._serving: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop``. The caller owns the directory, so a socket that is already there is a dead one's."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        os.fchmod(listener.fileno(), 0o600)  # before bind: Linux gives the file this mode from its first moment
        listener.bind(str(self._path))
        self._path.chmod(0o600)
        server = await asyncio.start_unix_server(self._connected, sock=listener, limit=_LONGEST_LINE)
        try:
            await stop.wait()
        finally:
            server.close()
            self._path.unlink(missing_ok=True)
            for task in self._serving:
                task.cancel()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A coroutine in this place would be wrapped by asyncio, which in 3.11 logs a traceback when it is cancelled.
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError):  # the client has gone away: nobody is left to tell
            try:
                line = await _line(reader)
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
            finally:
                writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            name, args = str(request["verb"]), dict(request.get("args", {}))
        except (ValueError, TypeError, KeyError):
            return _refusal(Unusable("that was not a request"))
        verb = self._verbs.get(name)
        if verb is None:
            return _refusal(Unusable(f'the running wirewatch does not know "{name}": restart it after an upgrade'))
        try:
            return {"result": await asyncio.get_running_loop().run_in_executor(self._threads, verb, args)}
        except WirewatchError as error:
            return _refusal(error)


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Empty where the client sends more than a request can be."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await reader.readline()
    except ValueError:  # longer than the limit
        return b""


def _refusal(error: WirewatchError) -> dict[str, Any]:
    return {"error": str(error), "kind": type(error).__name__}


# -- the asking side


def ask(data_dir: Path, verb: str, timeout: float = 10.0, **args: Any) -> dict[str, Any]:
    """Let the owner do it and return its answer.

    Raises ``NotRunning``, ``Unavailable`` (the owner is busy or just starting) or ``Unusable`` with its sentence.
    """
    holder = owner(data_dir)
    if holder is None:
        raise NotRunning(f"no wirewatch is running on {data_dir}: start it with `wirewatch run`")
    request = json.dumps({"verb": verb, "args": args}).encode() + b"\n"
    try:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
            connection.settimeout(timeout)
            connection.connect(holder.socket)
            connection.sendall(request)
            with connection.makefile("rb") as lines:
                line = lines.readline()
    except TimeoutError as error:
        raise Unavailable(f"wirewatch (pid {holder.pid}) did not answer within {timeout:g} s: try again") from error
    except OSError as error:
        raise Unavailable(f"wirewatch (pid {holder.pid}) does not take requests yet: try again in a moment") from error
    if not line.endswith(b"\n"):
        raise Unavailable(f'wirewatch (pid {holder.pid}) gave up on "{verb}": its log says why')
    answer = json.loads(line)
    if "error" in answer:
        kind = Unavailable if answer.get("kind") in {"Unavailable", "Retry"} else Unusable
        raise kind(str(answer["error"]))
    return dict(answer["result"])
