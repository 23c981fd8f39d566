"""The store: what must be queried. One write connection, any number of readers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from daemon.errors import Unavailable


class Store:
    """Threads may share a store. Every write is one transaction, and writes take turns.

    SQLite before 3.51.3 can corrupt its WAL when two connections write or checkpoint at once, so there is exactly
    one connection that does.
    """

    def __init__(self, reading: Engine, writing: Engine) -> None:
        self._reading = reading
        self._writing = writing
        self._turn = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Raises ``Unavailable``."""
        try:
            with self._reading.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise Unavailable(f"the store cannot be read: {error.orig}") from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, durable when the block ends and undone when it raises. Raises ``Unavailable``."""
        with self._turn:
            try:
                with self._writing.begin() as connection:
                    yield connection
            except DBAPIError as error:
                raise Unavailable(f"the store cannot be written: {error.orig}") from error

    def close(self) -> None:
        self._reading.dispose()
        self._writing.dispose()
