"""Every implementation of the log, behind one vocabulary for the contract."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from consumers.model import Stream
from daemon.log import Log
from daemon.log.sqlite import SqliteLog
from tests import fake_log
from tests.contract.kafka_logs import KafkaUnderTest
from tests.fake_log import FakeClock, FakeQuarantine, MemoryLog


class LogUnderTest(Protocol):
    """Opened as often as a test likes: every log opened sees the same records."""

    quarantine: FakeQuarantine

    def open(self, *, patient: bool = True) -> Log:
        """One that is not patient soon says that there is an outage."""
        ...

    def outage(self) -> AbstractContextManager[None]:
        """While it lasts nothing can be written."""
        ...

    def go_on(self, stream: Stream[Any], group: str) -> None:
        """Another reader of the group reads a record and commits it, whoever else holds it."""
        ...


def go_on(log: Log, stream: Stream[Any], group: str) -> None:
    reader = log.reader(stream, group)
    assert reader.read(1, 30.0)
    reader.commit()
    reader.close()
    log.close()


class SqliteUnderTest:
    def __init__(self, folder: Path) -> None:
        self.quarantine = FakeQuarantine()
        self._path = folder / "log.sqlite"

    def open(self, *, patient: bool = True) -> SqliteLog:
        patience = 30.0 if patient else 0.05
        return SqliteLog(
            self._path, quarantine=self.quarantine, clock=FakeClock(), patience=patience, quarantine_limit=5
        )

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Another program holds the file's lock."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def go_on(self, stream: Stream[Any], group: str) -> None:
        go_on(self.open(), stream, group)


class MemoryUnderTest:
    def __init__(self, folder: Path) -> None:
        self.quarantine = FakeQuarantine()
        self._broker = fake_log.Broker()

    def open(self, *, patient: bool = True) -> MemoryLog:
        return MemoryLog(self._broker, quarantine=self.quarantine, clock=FakeClock(), quarantine_limit=5)

    @contextmanager
    def outage(self) -> Iterator[None]:
        self._broker.down = True
        yield
        self._broker.down = False

    def go_on(self, stream: Stream[Any], group: str) -> None:
        go_on(self.open(), stream, group)


def over_kafka(request: pytest.FixtureRequest, _: Path) -> KafkaUnderTest:
    return KafkaUnderTest(request.getfixturevalue("kafka"))


IMPLEMENTATIONS: Mapping[str, Callable[[pytest.FixtureRequest, Path], LogUnderTest]] = {
    "sqlite": lambda _, folder: SqliteUnderTest(folder),
    "memory": lambda _, folder: MemoryUnderTest(folder),
    "kafka": over_kafka,
}
