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
_PASSING = {  # what another program, the disk or the operator can put right while we wait
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}


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
            if meaning := _meaning(error, "read"):
                raise meaning from error
            raise

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
                if meaning := _meaning(error, "written"):
                    raise meaning from error
                raise

    def close(self) -> None:
        self._reading.dispose()
        if self._writing is not None:
            self._writing.dispose()


def _meaning(error: DBAPIError | PoolTimeout, verb: str) -> WirewatchError | None:
    """What the caller can do about it; ``None`` for a bug, such as a column that is not there."""
    if isinstance(error, PoolTimeout):
        return Unavailable(f"the store cannot be {verb}: every connection is busy")
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the primary code; the rest is detail
    if code in _DAMAGED:
        return Unusable(
            f"the store cannot be {verb}, it is damaged ({error.orig}): stop Wirewatch, then restore a backup or move "
            "the file away"
        )
    if code in _PASSING or (isinstance(error, OperationalError) and not code) or error.connection_invalidated:
        return Unavailable(f"the store cannot be {verb}: {error.orig}")
    return None
