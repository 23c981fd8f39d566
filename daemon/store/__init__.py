"""The store: what must be queried. A file with one writer, or a server with many."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from consumers.errors import WirewatchError
from daemon.errors import Unavailable, Unusable

Meaning = Callable[[DBAPIError, str], WirewatchError | None]
"""(error, "read" or "written"): what the caller can do about it; ``None`` for a bug, such as a missing column."""


class Store:
    """Threads may share a store. Every write is one transaction.

    ``external``: a server, which several processes and threads write at once. Otherwise it is a file, and writes take
    turns: SQLite before 3.51.3 can corrupt its WAL when two connections write or checkpoint at once, so there is
    exactly one connection that does. A store opened for reading has none.
    """

    def __init__(self, reading: Engine, writing: Engine | None, *, meaning: Meaning, external: bool) -> None:
        """``reading`` gives each connection one view of all it reads; ``writing`` begins a transaction."""
        self.external = external
        self._reading = reading
        self._writing = writing
        self._meaning = meaning
        self._turn: AbstractContextManager[object] = nullcontext() if external else threading.Lock()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Raises ``Unavailable``, or ``Unusable`` where the data are damaged."""
        with self._translated("read"), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, durable when the block ends and undone when it raises.

        Raises ``Unavailable`` (a full disk, a lock, a server that is away: do the same again later), or ``Unusable``
        where the data are damaged. A server that goes away during the commit leaves open whether that was done:
        whatever is written must bear being written again.
        """
        if self._writing is None:
            raise Unusable("the store was opened for reading only")
        with self._turn, self._translated("written"), self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        self._reading.dispose()
        if self._writing is not None:
            self._writing.dispose()

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise Unavailable(f"the store cannot be {verb}: every connection is busy") from error
        except DBAPIError as error:
            if meaning := self._meaning(error, verb):
                raise meaning from error
            raise
