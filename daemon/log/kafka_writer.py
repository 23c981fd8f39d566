"""Appending to a Kafka cluster: durable when it returns, with a bound on what is on its way. Imports no Kafka."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from daemon.errors import Unavailable

Row = tuple[bytes, bytes | None]
"""Key and value; no value removes the key."""

_AROUND = 100  # bytes that a record takes beside its key and value


class Sender(Protocol):
    """Threads share it. Raises ``Unavailable`` and ``Unusable``."""

    def deliver(self, topic: str, rows: Sequence[Row], seconds: float) -> None:
        """Returns when all are durable, in order per key; raises when each of them is either durable or given up."""
        ...

    @property
    def stuck(self) -> bool:
        """Some were neither when the time was over: it must be replaced."""
        ...

    def close(self) -> None: ...


class Writer:
    """Threads share it. Its sender is made when it is first needed."""

    def __init__(self, connect: Callable[[], Sender], *, room: int, patience: float) -> None:
        """``room``: bytes on their way, all threads together. ``patience``: seconds to wait for room, and then as long
        again for all of a part to arrive.
        """
        self._connect = connect
        self._room = room
        self._patience = patience
        self._freed = threading.Condition()
        self._free = room
        self._making = threading.Lock()
        self._sender: Sender | None = None
        self._closed = False

    def write(self, topic: str, rows: Sequence[Row]) -> None:
        """Returns when all are durable, in order per key. Raises ``Unavailable``, ``Unusable``.

        Nothing of it waits here afterwards, whether it returns or raises, so that a repeat overtakes nothing. (A
        broker that hangs may still write what it had received; a cluster with copies has another leader by then.)
        """
        for part, size in _parts(rows, self._room // 4):
            with self._taken(min(size, self._room)):
                self._deliver(topic, part)

    def close(self) -> None:
        with self._freed:
            self._closed = True
            self._freed.notify_all()
        self._drop(self._sender)

    def _deliver(self, topic: str, rows: Sequence[Row]) -> None:
        sender = self._opened()
        try:
            sender.deliver(topic, rows, self._patience)
        finally:
            if sender.stuck:
                self._drop(sender)

    def _opened(self) -> Sender:
        with self._making:
            if self._closed:
                raise Unavailable("the log is closed")
            if self._sender is None:
                self._sender = self._connect()
            return self._sender

    def _drop(self, sender: Sender | None) -> None:
        with self._making:
            if sender is None or self._sender is not sender:
                return
            self._sender = None
        sender.close()

    @contextmanager
    def _taken(self, size: int) -> Iterator[None]:
        with self._freed:
            if not self._freed.wait_for(lambda: self._closed or self._free >= size, self._patience):
                raise Unavailable("too much is on its way to the Kafka cluster already")
            if self._closed:
                raise Unavailable("the log is closed")
            self._free -= size
        try:
            yield
        finally:
            with self._freed:
                self._free += size
                self._freed.notify_all()


def _parts(rows: Sequence[Row], most: int) -> Iterator[tuple[Sequence[Row], int]]:
    """With their bytes: as many rows as ``most`` bytes take, at least one."""
    start, size = 0, 0
    for at, (key, value) in enumerate(rows):
        bytes_of = len(key) + len(value or b"") + _AROUND
        if at > start and size + bytes_of > most:
            yield rows[start:at], size
            start, size = at, 0
        size += bytes_of
    if start < len(rows):
        yield rows[start:], size
