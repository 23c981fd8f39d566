"""Reading the log's SQLite file: a group's place in a stream, and a compacted stream as a table."""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from consumers.model import Stream
from daemon.errors import Fenced
from daemon.log.decoder import Decoder
from daemon.log.sqlite_file import LogFile, View

T = TypeVar("T")

_LOOK_AGAIN = 0.5  # seconds; appends of this process wake their readers at once, those of another one are seen by then

_READ = "SELECT position, payload FROM records WHERE stream = ? AND position > ? ORDER BY position LIMIT ?"
_FOLLOW = "SELECT position, key, payload FROM records WHERE stream = ? AND position > ? ORDER BY position"
_PLACE = "SELECT position FROM groups WHERE stream = ? AND name = ?"
_JOIN = "INSERT OR IGNORE INTO groups (stream, name, position) VALUES (?, ?, 0)"
_COMMIT = "UPDATE groups SET position = ? WHERE stream = ? AND name = ? AND position = ?"


class Bell:
    """Rung when something was appended to a stream, and when the log closes; readers wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rung: Counter[str] = Counter()
        self._closed = False

    def heard(self, stream: str) -> int:
        """To be asked before looking, so that no ring between the look and the wait is missed."""
        with self._changed:
            return self._rung[stream]

    def ring(self, stream: str) -> None:
        with self._changed:
            self._rung[stream] += 1
            self._changed.notify_all()

    def wait(self, stream: str, heard: int, timeout: float) -> bool:
        """False when there is no use in looking again: the log is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._rung[stream] != heard, timeout)
            return not self._closed

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class SqliteReader(Generic[T]):
    """Keeps every promise of ``Reader``. Two readers of a group read the same records; only one can commit them."""

    def __init__(
        self, stream: Stream[T], group: str, *, file: LogFile, view: View, bell: Bell, decoder: Decoder[T]
    ) -> None:
        self._stream = stream
        self._group = group
        self._file = file
        self._view = view
        self._bell = bell
        self._decoder = decoder
        self._committed: int | None = None  # what this reader knows the group's place to be
        self._read = 0

    def read(self, limit: int, timeout: float) -> Sequence[T]:
        deadline = time.monotonic() + timeout  # not the injected clock: a thread really waits here
        while True:
            heard = self._bell.heard(self._stream.name)
            committed = self._place()
            nothing_in_hand = self._read == committed
            rows = self._view.rows(_READ, (self._stream.name, self._read, limit))
            records = list(self._decoder.records((str(at), payload) for at, payload in rows if payload is not None))
            if rows:
                self._read = rows[-1][0]
            if records:
                return records
            if rows:
                if nothing_in_hand:
                    self.commit()  # all of them are in quarantine or were tombstones: nobody has to do them again
                continue
            wait = min(deadline - time.monotonic(), _LOOK_AGAIN)
            if wait <= 0 or not self._bell.wait(self._stream.name, heard, wait):
                return []

    def commit(self) -> None:
        if self._committed is None or self._read == self._committed:
            return
        place = (self._stream.name, self._group)
        with self._file.write() as connection:
            moved = connection.execute(_COMMIT, (self._read, *place, self._committed)).rowcount
            if moved != 1:
                raise self._fenced()
        self._committed = self._read

    def close(self) -> None:
        self._view.close()

    def _place(self) -> int:
        """Where the group stands; raises ``Fenced`` when that is no longer where this reader left it."""
        place = (self._stream.name, self._group)
        rows = self._view.rows(_PLACE, place)
        if not rows:
            with self._file.write() as connection:
                connection.execute(_JOIN, place)
            rows = self._view.rows(_PLACE, place)
        position: int = rows[0][0]
        if self._committed is None:
            self._committed = self._read = position
        if position != self._committed:
            raise self._fenced()
        return position

    def _fenced(self) -> Fenced:
        return Fenced(f"another reader of the group {self._group} went on in the stream {self._stream.name}")


class SqliteTable(Generic[T]):
    """Keeps every promise of ``Table``. A record that cannot be decoded leaves its key as it was."""

    def __init__(self, stream: Stream[T], *, view: View, bell: Bell, decoder: Decoder[T]) -> None:
        self._stream = stream
        self._view = view
        self._bell = bell
        self._decoder = decoder
        self._read = -1  # nothing yet, not even the whole table

    @property
    def place(self) -> str:
        return str(max(self._read, 0))

    def changes(self, timeout: float) -> Mapping[str, T | None]:
        deadline = time.monotonic() + timeout
        while True:
            heard = self._bell.heard(self._stream.name)
            rows = self._view.rows(_FOLLOW, (self._stream.name, self._read))
            changed: dict[str, T | None] = {}
            for position, key, payload in rows:
                if payload is None:
                    changed[key] = None
                for record in self._decoder.records([(str(position), payload)] if payload is not None else []):
                    changed[key] = record
            first, self._read = self._read < 0, rows[-1][0] if rows else max(self._read, 0)
            if first:
                return {key: record for key, record in changed.items() if record is not None}
            wait = min(deadline - time.monotonic(), _LOOK_AGAIN)
            if changed or wait <= 0 or not self._bell.wait(self._stream.name, heard, wait):
                return changed

    def close(self) -> None:
        self._view.close()
