"""The store: what must be queried. One write connection, any number of readers."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from consumers.errors import WirewatchError
from daemon.errors import Unavailable, Unusable

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_OUR_MISTAKE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE}  # "no such column" is a bug: waiting does not help


class Store:
    """Threads may share a store. Every write is one transaction, and writes take turns.

    SQLite before 3.51.3 can corrupt its WAL when two connections write or checkpoint at once, so there is exactly
    one connection that does. A store opened for reading has none.
    """

    def __init__(self, reading: Engine, writing: Engine | None) -> None:
        self._reading = reading
        self._writing = writing
        self._turn = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Raises ``Unavailable``, or ``Unusable`` where the file is damaged."""
        try:
            with self._reading.connect() as connection:
                yield connection
        except (DBAPIError, PoolTimeout) as error:
            raise _meaning(error, "read") from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, durable when the block ends and undone when it raises.

        Raises ``Unavailable`` (a full disk, a lock: do the same again later), or ``Unusable`` where the file is
        damaged.
        """
        if self._writing is None:
            raise Unusable("the store was opened for reading only")
        with self._turn:
            try:
                with self._writing.begin() as connection:
                    yield connection
            except (DBAPIError, PoolTimeout) as error:
                raise _meaning(error, "written") from error

    def close(self) -> None:
        self._reading.dispose()
        if self._writing is not None:
            self._writing.dispose()


def _meaning(error: DBAPIError | PoolTimeout, verb: str) -> WirewatchError | DBAPIError:
    """What the caller can do about it; a broken constraint or statement stays what it is: a bug."""
    if isinstance(error, PoolTimeout):
        return Unavailable(f"the store cannot be {verb}: every connection is busy")
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return Unusable(f"the store cannot be {verb}, it is damaged ({error.orig}): stop and run `wirewatch doctor`")
    if (isinstance(error, OperationalError) and code not in _OUR_MISTAKE) or error.connection_invalidated:
        return Unavailable(f"the store cannot be {verb}: {error.orig}")
    return error
