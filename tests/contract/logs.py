"""Every implementation of the log, behind one vocabulary for the contract."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from daemon.log import Log
from daemon.log.sqlite import SqliteLog
from tests.fake_log import Broker, FakeClock, FakeQuarantine, MemoryLog


class LogUnderTest(Protocol):
    """Opened as often as a test likes: every log opened sees the same records."""

    quarantine: FakeQuarantine

    def open(self) -> Log: ...

    def outage(self) -> AbstractContextManager[None]:
        """While it lasts nothing can be written."""
        ...


class SqliteUnderTest:
    def __init__(self, folder: Path) -> None:
        self.quarantine = FakeQuarantine()
        self._path = folder / "log.sqlite"

    def open(self) -> SqliteLog:
        return SqliteLog(self._path, quarantine=self.quarantine, clock=FakeClock(), patience=0.05, quarantine_limit=5)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Another program holds the file's lock."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


class MemoryUnderTest:
    def __init__(self, folder: Path) -> None:
        self.quarantine = FakeQuarantine()
        self._broker = Broker()

    def open(self) -> MemoryLog:
        return MemoryLog(self._broker, quarantine=self.quarantine, clock=FakeClock(), quarantine_limit=5)

    @contextmanager
    def outage(self) -> Iterator[None]:
        self._broker.down = True
        yield
        self._broker.down = False


IMPLEMENTATIONS: Mapping[str, Callable[[Path], LogUnderTest]] = {"sqlite": SqliteUnderTest, "memory": MemoryUnderTest}
