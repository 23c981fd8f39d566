"""The daemon's end of one process that parses (the other end: parse_child.py)."""

import asyncio
import json
import os
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from daemon.fetch.parsed import NotAFeed, ParsedFeed
from daemon.wire import from_json

_MOST_ANSWER = 256_000_000  # bytes; far above what the caps of parse.py allow
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")  # no token of ours among them


class Died(Exception):
    """The process ended, or said something that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one process. ``timeout`` (seconds by the clock) and ``cpu`` (whole seconds) are for one body."""

    timeout: float
    cpu: int
    memory: int  # bytes of address space
    max_entries: int
    nice: int = 0


class ParseProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("both ends must be pipes")
        self._process, self._input, self._output = process, process.stdin, process.stdout
        self.pid = process.pid
        self.parses = 0

    @classmethod
    async def start(cls, limits: Limits) -> "ParseProcess":
        """Raises ``OSError``."""
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        numbers = (limits.memory, limits.cpu, limits.max_entries, limits.nice)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "daemon.fetch.parse_child", *map(str, numbers),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=environment, limit=1 << 20,
            start_new_session=True,  # Ctrl-C in the terminal is the daemon's to handle
        )  # fmt: skip
        return cls(process)

    async def ready(self) -> None:
        """Raises ``Died``."""
        if await self._read() != b"ready":
            raise Died

    async def ask(self, body: bytes, url: str, headers: Mapping[str, str]) -> ParsedFeed | NotAFeed:
        """Raises ``Died``. Not to be asked again after anything was raised."""
        self.parses += 1
        head = json.dumps({"url": url, "headers": dict(headers)}).encode("ascii")
        try:
            for part in (head, body):
                self._input.write(struct.pack(">I", len(part)))
                self._input.write(part)
            await self._input.drain()
        except OSError as error:
            raise Died from error
        try:
            return _understood(await self._read(), await self._read())
        except Died:
            if not self._output.at_eof():
                self.kill()  # it goes on, with nothing to say: nobody would see it end
            raise

    async def _read(self) -> bytes:
        try:
            size: int = struct.unpack(">I", await self._output.readexactly(4))[0]
            if size > _MOST_ANSWER:
                raise Died
            return await self._output.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Died from error

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        self._input.close()

    async def ended(self) -> int:
        """Its exit status; minus the number of the signal that ended it. Nothing of it is left then."""
        with suppress(OSError, RuntimeError):  # asyncio's word for "somebody else is reading it to its end"
            while await self._output.read(1 << 20):  # a pipe that is full is never seen to close
                pass
        return await self._process.wait()


def _understood(name: bytes, value: bytes) -> ParsedFeed | NotAFeed:
    try:
        return from_json(ParsedFeed, value) if name == b"ParsedFeed" else from_json(NotAFeed, value)
    except ValueError as error:
        raise Died from error
