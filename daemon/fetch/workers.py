"""A few processes that parse, each with limits; one that hangs, grows or crashes is killed and replaced."""

import asyncio
import json
import math
import os
import signal
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from daemon.errors import Unavailable
from daemon.fetch.failure import PollFailed
from daemon.fetch.parse_child import OUT_OF_MEMORY
from daemon.fetch.parsed import NotAFeed, ParsedFeed
from daemon.wire import from_json

_START = 60.0  # seconds for a new process to be ready, on a machine that is busy with something else
_MOST_ANSWER = 256_000_000  # bytes; far above what the caps of parse.py allow
_PARSES = 2_000  # of one process: what feedparser's caches and the allocator keep is then given back
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")  # no token of ours among them


class _Died(Exception):
    """The process ended, or said something that makes no sense."""


class ParserPool:
    """Started lazily, up to ``workers`` processes. One event loop; an async context manager that ends them.

    ``timeout``: seconds for one body, by the clock and of CPU. ``memory``: bytes of address space of one process.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        timeout: float = 20.0,
        memory: int = 512_000_000,
        max_entries: int = 500,
    ) -> None:
        self._timeout = timeout
        self._memory = memory
        self._arguments = (str(memory), str(math.ceil(timeout)), str(max_entries))
        self._places: asyncio.LifoQueue[_Worker | None] = asyncio.LifoQueue()
        self._workers: set[_Worker] = set()
        self._closed = False
        for _ in range(workers):
            self._places.put_nowait(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def parse(self, body: bytes, url: str, headers: Mapping[str, str]) -> ParsedFeed:
        """Raises ``PollFailed`` (this feed), or ``Unavailable`` where no process can be started."""
        worker = await self._places.get()
        usable = None
        try:
            if worker is None:
                worker = await self._started()
            answer = await self._asked(worker, body, url, headers)
            usable = worker if worker.parses < _PARSES else None
        finally:
            if worker is not None and usable is None:
                self._workers.discard(worker)
                worker.kill()
            self._places.put_nowait(usable)
        if isinstance(answer, NotAFeed):
            raise PollFailed(
                "unreadable" if answer.broken else "not_a_feed", answer.reason, discovered=answer.discovered
            )
        return answer

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(worker.pid for worker in self._workers)

    async def close(self) -> None:
        """Ends every process at once. Twice is fine."""
        self._closed = True
        workers, self._workers = self._workers, set()
        for worker in workers:
            worker.kill()
        for worker in workers:
            await worker.ended()

    async def _started(self) -> "_Worker":
        if self._closed:
            raise Unavailable("the parser is closed")
        try:
            worker = await _Worker.start(self._arguments)
        except OSError as error:
            raise Unavailable(f"no process could be started to parse feeds ({error})") from error
        self._workers.add(worker)
        try:
            async with asyncio.timeout(_START):
                await worker.ready()
        except (TimeoutError, _Died) as error:
            self._drop(worker)
            raise Unavailable("the process that parses feeds did not start: see `wirewatch doctor`") from error
        except asyncio.CancelledError:
            self._drop(worker)
            raise
        return worker

    def _drop(self, worker: "_Worker") -> None:
        self._workers.discard(worker)
        worker.kill()

    async def _asked(
        self, worker: "_Worker", body: bytes, url: str, headers: Mapping[str, str]
    ) -> ParsedFeed | NotAFeed:
        try:
            async with asyncio.timeout(self._timeout):
                return await worker.ask(body, url, headers)
        except TimeoutError as error:
            raise PollFailed("unreadable", f"reading it took longer than {self._timeout:g} s") from error
        except _Died as error:
            status = await worker.ended()
            raise PollFailed("unreadable", self._cause(status)) from error

    def _cause(self, status: int) -> str:
        if status == OUT_OF_MEMORY:
            return f"reading it needed more than {self._memory // 1_000_000} MB of memory"
        if status == -signal.SIGXCPU:
            return f"reading it took longer than {self._timeout:g} s"
        return "reading it crashed the parser"


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("both ends must be pipes")
        self._process, self._input, self._output = process, process.stdin, process.stdout
        self.pid = process.pid
        self.parses = 0

    @classmethod
    async def start(cls, arguments: tuple[str, ...]) -> "_Worker":
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "daemon.fetch.parse_child", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=environment, limit=1 << 20,
            start_new_session=True,  # Ctrl-C in the terminal is the daemon's to handle
        )  # fmt: skip
        return cls(process)

    async def ready(self) -> None:
        if await self._read() != b"ready":
            raise _Died

    async def ask(self, body: bytes, url: str, headers: Mapping[str, str]) -> ParsedFeed | NotAFeed:
        self.parses += 1
        head = json.dumps({"url": url, "headers": dict(headers)}).encode("ascii")
        try:
            for part in (head, body):
                self._input.write(struct.pack(">I", len(part)))
                self._input.write(part)
            await self._input.drain()
        except OSError as error:
            raise _Died from error
        return _understood(await self._read(), await self._read())

    async def _read(self) -> bytes:
        try:
            size: int = struct.unpack(">I", await self._output.readexactly(4))[0]
            if size > _MOST_ANSWER:
                raise _Died
            return await self._output.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise _Died from error

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._input.close()

    async def ended(self) -> int:
        return await self._process.wait()


def _understood(name: bytes, value: bytes) -> ParsedFeed | NotAFeed:
    try:
        return from_json(ParsedFeed, value) if name == b"ParsedFeed" else from_json(NotAFeed, value)
    except ValueError as error:
        raise _Died from error
