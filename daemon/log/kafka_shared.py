"""A client that all threads share, and that is made anew when it has failed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, Protocol, TypeVar

from daemon.errors import Unavailable


class Closing(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closing)


class Shared(Generic[C]):
    """A client of all threads. One that failed is replaced: its own thread may have died, which nothing revives."""

    def __init__(self, make: Callable[[], C], ignored: type[Exception]) -> None:
        """``ignored``: what closing a client may raise."""
        self._make = make
        self._ignored = ignored
        self._turn = threading.Lock()
        self._client: C | None = None
        self.closed = False

    @contextmanager
    def used(self) -> Iterator[C]:
        with self._turn:
            if self.closed:
                raise Unavailable("the log is closed")
            if self._client is None:
                self._client = self._make()
            client = self._client
        well = False
        try:
            yield client
            well = True
        finally:
            if not well:
                self._drop(client)

    def close(self) -> None:
        with self._turn:
            self.closed = True
            client = self._client
        if client is not None:
            self._drop(client)

    def _drop(self, client: C) -> None:
        with self._turn:
            if self._client is not client:
                return
            self._client = None
        with suppress(self._ignored):
            client.close()
