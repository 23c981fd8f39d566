"""A log in memory that keeps every promise of the real ones, and what stands around a log in tests.

A ``Broker`` outlives the logs opened on it, as a file or a cluster does; ``broker.down`` makes it unreachable.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from consumers.model import Article, Stream, Topic
from daemon.clock import Clock
from daemon.errors import Fenced, Unavailable
from daemon.log import DeadLetter, Quarantine, Tombstone
from daemon.log.codec import encode
from daemon.log.decoder import Decoder

T = TypeVar("T")


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FakeQuarantine:
    """Keeps one letter per (stream, group, position), as the real one does; ``down`` makes it unreachable."""

    letters: dict[tuple[str, str, str], DeadLetter] = field(default_factory=dict)
    down: bool = False

    def __call__(self, letters: Sequence[DeadLetter]) -> None:
        if self.down:
            raise Unavailable("the quarantine is down")
        for letter in letters:
            self.letters.setdefault((letter.stream, letter.group, letter.position), letter)

    def reasons(self) -> list[str]:
        return [letter.reason for letter in self.letters.values()]


@dataclass
class Broker:
    """Where records live. ``down``: nobody can reach it."""

    records: dict[str, list[tuple[str, bytes | None]]] = field(default_factory=lambda: defaultdict(list))
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    down: bool = False

    def check(self) -> None:
        if self.down:
            raise Unavailable("the broker is down")


class MemoryLog:
    def __init__(self, broker: Broker, *, quarantine: Quarantine, clock: Clock, quarantine_limit: int = 100) -> None:
        self._broker = broker
        self._quarantine = quarantine
        self._clock = clock
        self._limit = quarantine_limit
        self.closed = False

    def append(self, stream: Stream[T], records: Iterable[T | Tombstone]) -> None:
        rows = [
            (record.key, None) if isinstance(record, Tombstone) else (stream.key(record), encode(stream, record))
            for record in records
        ]
        with self._broker.changed:
            self._broker.check()
            self._broker.records[stream.name] += rows
            self._broker.changed.notify_all()

    def reader(self, stream: Stream[T], group: str) -> "MemoryReader[T]":
        return MemoryReader(self, self._broker, stream, group, self.decoder(stream, group))

    def table(self, stream: Stream[T]) -> "MemoryTable[T]":
        return MemoryTable(self, self._broker, stream, self.decoder(stream, "table"))

    def close(self) -> None:
        with self._broker.changed:
            self.closed = True
            self._broker.changed.notify_all()

    def decoder(self, stream: Stream[T], group: str) -> Decoder[T]:
        return Decoder(stream, group, quarantine=self._quarantine, clock=self._clock, limit=self._limit)

    def wait(self, stream: str, seen: int, deadline: float) -> bool:
        """True when there is more than ``seen`` records; to be called with the broker's lock held."""
        self._broker.changed.wait_for(
            lambda: self.closed or len(self._broker.records[stream]) > seen, max(0.0, deadline - time.monotonic())
        )
        return not self.closed and len(self._broker.records[stream]) > seen


class MemoryReader(Generic[T]):
    def __init__(self, log: MemoryLog, broker: Broker, stream: Stream[T], group: str, decoder: Decoder[T]) -> None:
        self._log = log
        self._broker = broker
        self._stream = stream
        self._place = (stream.name, group)
        self._decoder = decoder
        self._read = self._committed = broker.places.get(self._place, 0)

    def read(self, limit: int, timeout: float) -> Sequence[T]:
        deadline = time.monotonic() + timeout
        while True:
            with self._broker.changed:
                self._broker.check()
                self._check_place()
                if not self._log.wait(self._stream.name, self._read, deadline):
                    return []
                rows = self._broker.records[self._stream.name][self._read : self._read + limit]
            numbered = enumerate(rows, self._read)
            records = list(self._decoder.records((str(at), data) for at, (_, data) in numbered if data is not None))
            self._read += len(rows)
            if records:
                return records

    def commit(self) -> None:
        with self._broker.changed:
            self._broker.check()
            self._check_place()
            self._broker.places[self._place] = self._committed = self._read

    def close(self) -> None:
        self._read = self._committed

    def _check_place(self) -> None:
        if self._broker.places.get(self._place, 0) != self._committed:
            raise Fenced("another reader went on")


class MemoryTable(Generic[T]):
    def __init__(self, log: MemoryLog, broker: Broker, stream: Stream[T], decoder: Decoder[T]) -> None:
        self._log = log
        self._broker = broker
        self._stream = stream
        self._decoder = decoder
        self._read = -1

    @property
    def place(self) -> str:
        return str(max(self._read, 0))

    def changes(self, timeout: float) -> Mapping[str, T | None]:
        deadline = time.monotonic() + timeout
        while True:
            with self._broker.changed:
                self._broker.check()
                first = self._read < 0
                if not self._log.wait(self._stream.name, max(self._read, 0), time.monotonic() if first else deadline):
                    self._read = max(self._read, 0)
                    return {}
                rows = self._broker.records[self._stream.name][max(self._read, 0) :]
            changed: dict[str, T | None] = {}
            for at, (key, data) in enumerate(rows, max(self._read, 0)):
                for record in self._decoder.records([(str(at), data)] if data is not None else []):
                    changed[key] = record
                if data is None:
                    changed[key] = None
            self._read = max(self._read, 0) + len(rows)
            if first:
                return {key: record for key, record in changed.items() if record is not None}
            if changed:
                return changed

    def close(self) -> None:
        """Nothing is held."""


def article(name: str, text: str = "Text.") -> Article:
    return Article(id=name, feed_id="feed", source="example.org", title=f"Title of {name}", text=text, seen=1.0)


def articles(count: int, prefix: str = "a", text: str = "Text.") -> list[Article]:
    return [article(f"{prefix}{number}", text) for number in range(count)]


def topic(name: str, query: str = "floods") -> Topic:
    return Topic(id=name, query=query)
