"""A few processes that parse, each with limits; one that hangs, grows or crashes is killed and replaced.

    body ─▶ up to 2 MB? ─▶ quick lane: 1 s of CPU, ``workers`` processes ─▶ ParsedFeed
                 │               │ too costly
                 └───────────────┴▶ slow lane: all of the time allowed, one process of low priority ─▶ ParsedFeed

Without the second lane two hostile feeds hold up everybody for 20 s each: with 50 of them among 5,000, polls were
minutes late. A feed of 100 items takes some 20 ms.
"""

import asyncio
import math
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from daemon.errors import Unavailable
from daemon.fetch.failure import PollFailed
from daemon.fetch.parse_child import OUT_OF_MEMORY
from daemon.fetch.parse_process import Died, Limits, ParseProcess
from daemon.fetch.parsed import NotAFeed, ParsedFeed

_QUICK = 1  # seconds of CPU; CPU and not the clock, because a busy machine makes every feed slow
_SMALL = 2_000_000  # bytes
_MOST_SLOW = 4  # bodies in the slow lane; the next one fails for now
_MOST_WAITING = 128_000_000  # bytes of all bodies in the quick lane; the next one comes again later
_START = 60.0  # seconds for a new process to be ready, on a machine that is busy with something else
_PARSES = 2_000  # of one process: what feedparser's caches and the allocator keep is then given back


class _TooCostly(Exception):
    """The CPU time allowed was spent."""


class ParserPool:
    """Started lazily, up to ``workers`` processes and one more. One event loop; an async context manager.

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
        whole = Limits(timeout=timeout, cpu=math.ceil(timeout), memory=memory, max_entries=max_entries, nice=10)
        self._timeout = timeout
        self._quick = _Lane(workers, replace(whole, cpu=min(_QUICK, whole.cpu), nice=0))
        self._slow = _Lane(1, whole)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def parse(self, body: bytes, url: str, headers: Mapping[str, str]) -> ParsedFeed:
        """Raises ``PollFailed`` (this feed), or ``Unavailable`` where no process can be started or too much waits."""
        if len(body) > _SMALL:
            return _feed(await self._parse_slowly(body, url, headers))
        if self._quick.bytes and self._quick.bytes + len(body) > _MOST_WAITING:
            raise Unavailable("too much is waiting to be parsed")
        try:
            return _feed(await self._quick.parse(body, url, headers))
        except _TooCostly:
            return _feed(await self._parse_slowly(body, url, headers))

    @property
    def pids(self) -> tuple[int, ...]:
        return (*self._quick.pids, *self._slow.pids)

    async def close(self) -> None:
        """Ends every process at once. Twice is fine."""
        await self._quick.close()
        await self._slow.close()

    async def _parse_slowly(self, body: bytes, url: str, headers: Mapping[str, str]) -> ParsedFeed | NotAFeed:
        if self._slow.bodies >= _MOST_SLOW:
            raise PollFailed("unreadable", "it is large or slow to read, and too many others like it wait already")
        try:
            return await self._slow.parse(body, url, headers)
        except _TooCostly as error:
            raise PollFailed("unreadable", f"reading it took longer than {self._timeout:g} s") from error


def _feed(answer: ParsedFeed | NotAFeed) -> ParsedFeed:
    if isinstance(answer, NotAFeed):
        raise PollFailed("unreadable" if answer.broken else "not_a_feed", answer.reason, discovered=answer.discovered)
    return answer


class _Lane:
    """Processes with the same limits, and the bodies that wait for them."""

    def __init__(self, workers: int, limits: Limits) -> None:
        self._limits = limits
        self._places: asyncio.LifoQueue[ParseProcess | None] = asyncio.LifoQueue()
        self._processes: set[ParseProcess] = set()
        self._ending: set[asyncio.Task[int]] = set()
        self._closed = False
        self.bodies = 0  # waiting or being parsed
        self.bytes = 0
        for _ in range(workers):
            self._places.put_nowait(None)

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self._processes)

    async def parse(self, body: bytes, url: str, headers: Mapping[str, str]) -> ParsedFeed | NotAFeed:
        """Raises ``_TooCostly``, ``PollFailed`` or ``Unavailable``."""
        if self._closed:
            raise Unavailable("the parser is closed")
        self.bodies += 1
        self.bytes += len(body)
        try:
            place = await self._places.get()
            usable = None
            try:
                place = place or await self._started()
                answer = await self._asked(place, body, url, headers)
                usable = place if place.parses < _PARSES else None
                return answer
            finally:
                if usable is None:  # cancelled, too: what it would say next is the answer to this body
                    self._drop(place)
                self._places.put_nowait(usable)
        finally:
            self.bodies -= 1
            self.bytes -= len(body)

    async def close(self) -> None:
        self._closed = True
        for process in tuple(self._processes):
            self._drop(process)
        await asyncio.gather(*self._ending)

    async def _started(self) -> ParseProcess:
        if self._closed:  # while it waited for its place
            raise Unavailable("the parser is closed")
        try:
            process = await ParseProcess.start(self._limits)
        except OSError as error:
            raise Unavailable(f"no process could be started to parse feeds ({error})") from error
        self._processes.add(process)
        try:
            async with asyncio.timeout(_START):
                await process.ready()
        except (TimeoutError, Died) as error:
            self._drop(process)
            raise Unavailable("the process that parses feeds did not start: see `wirewatch doctor`") from error
        except asyncio.CancelledError:
            self._drop(process)
            raise
        return process

    async def _asked(
        self, process: ParseProcess, body: bytes, url: str, headers: Mapping[str, str]
    ) -> ParsedFeed | NotAFeed:
        try:
            async with asyncio.timeout(self._limits.timeout):
                return await process.ask(body, url, headers)
        except TimeoutError as error:
            raise PollFailed("unreadable", f"reading it took longer than {self._limits.timeout:g} s") from error
        except Died as error:
            status = await process.ended()
            if status == -signal.SIGXCPU:
                raise _TooCostly from error
            if status == OUT_OF_MEMORY:
                needed = f"reading it needed more than {self._limits.memory // 1_000_000} MB of memory"
                raise PollFailed("unreadable", needed) from error
            raise PollFailed("unreadable", "reading it crashed the parser") from error

    def _drop(self, process: ParseProcess | None) -> None:
        if process is not None and process in self._processes:
            self._processes.discard(process)
            process.kill()
            ending = asyncio.create_task(process.ended())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
