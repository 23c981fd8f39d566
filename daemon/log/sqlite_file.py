"""One SQLite file that holds streams: opened or refused, written through one connection, read through others.

SQLite before 3.51.3 can corrupt its WAL when two connections write or checkpoint at once, so one connection does both
and every other one is opened read-only. https://sqlite.org/wal.html#walresetbug
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from daemon.errors import Unavailable, Unusable
from daemon.sqlite_codes import DAMAGED, PASSING, code_of

APPLICATION_ID = 0x57574C47  # "WWLG", in the file's header
VERSION = 1  # of the schema below, in PRAGMA user_version

# Positions come from one sequence for all streams. AUTOINCREMENT: a position is never given twice, so a group that
# committed up to 9 before record 9 was trimmed does not take the next one for something it has seen.
# ``key`` is null in ordinary streams; in compacted ones it is unique. A null payload is a tombstone.
SCHEMA = (
    """CREATE TABLE records (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        stream TEXT NOT NULL,
        appended REAL NOT NULL,
        key TEXT,
        payload BLOB
    )""",
    "CREATE INDEX records_in_order ON records (stream, position)",
    "CREATE UNIQUE INDEX records_latest ON records (stream, key) WHERE key IS NOT NULL",
    """CREATE TABLE groups (
        stream TEXT NOT NULL,
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (stream, name)
    ) WITHOUT ROWID""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)

_MAGIC = b"SQLite format 3\0"


class View:
    """A read-only connection, opened when it is first used. Closing it while another thread reads lets the read end."""

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Raises ``Unavailable``, also when closed."""
        with self._turn, translated(self._path):
            if self._closed:
                raise Unavailable(f"{self._path} is closed")
            if self._connection is None:
                self._connection = self._open()
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._turn:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=self._patience, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        return connection


class LogFile:
    """The open file. Threads may share it; ``patience`` is how many seconds to wait for another program's lock."""

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        """Makes the file where there is none. Raises ``Unusable``; then nothing was changed."""
        _check_header(path)
        self.path = path
        self._patience = patience
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = _opened(path, patience)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: durable when the block ends, undone when it raises. Raises ``Unavailable``."""
        with self._turn, translated(self.path):
            connection = self._connection
            if connection is None:
                raise Unavailable(f"{self.path} is closed")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def view(self) -> View:
        return View(self.path, self._patience)

    def close(self) -> None:
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What passes becomes ``Unavailable``, damage becomes ``Unusable``; a mistake of ours stays what it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = code_of(error)
        if code in DAMAGED:
            raise Unusable(_damaged(path)) from error
        if code in PASSING:
            raise Unavailable(f"{path}: {error}") from error
        raise


def _damaged(path: Path) -> str:
    return (
        f"{path} is damaged: restore it from a backup, or move it and the files {path.name}-wal and {path.name}-shm "
        "away to start with an empty log; nothing was changed"
    )


def _check_header(path: Path) -> None:
    """Refuses a file that is not ours before SQLite touches it. Layout: https://sqlite.org/fileformat.html"""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror}): give Wirewatch's user access to it") from error
    if not header:
        return
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise Unusable(
            f"{path} is not a Wirewatch log: move it away, or choose another [data] dir; nothing was changed"
        )
    version, application = header[60:64], header[68:72]
    _check_identity(path, int.from_bytes(application, "big"), int.from_bytes(version, "big"))


def _check_identity(path: Path, application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise Unusable(
            f"{path} belongs to another program: move it away, or choose another [data] dir; nothing was changed"
        )
    if version > VERSION:
        raise Unusable(
            f"{path} was written by a newer Wirewatch (version {version}, this one knows {VERSION}): run the newer "
            "one, or choose another [data] dir; nothing was changed"
        )


def _opened(path: Path, patience: float) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise Unusable(_refusal(path, error)) from error
    try:
        _prepare(path, connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise Unusable(_refusal(path, error)) from error
    except Unusable:
        connection.close()
        raise
    return connection


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """The schema is committed before WAL is switched on, so that the file's own header always tells whose it is."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        for statement in SCHEMA:
            connection.execute(statement)
    connection.execute("COMMIT")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    _check_identity(path, application, version)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    with closing(connection.execute("SELECT * FROM records ORDER BY position DESC LIMIT 1")) as newest:
        newest.fetchone()


def _refusal(path: Path, error: sqlite3.DatabaseError) -> str:
    code = code_of(error)
    if code in DAMAGED:
        return _damaged(path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return f"{path} cannot be written: give Wirewatch's user write access to {path.parent} and to the files in it"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is in use by another program: stop it, then start again"
    if code == sqlite3.SQLITE_FULL:
        return f"{path} cannot be written because the disk is full: free some space, then start again"
    return f"{path} cannot be opened ({error}): check the disk, then start again"
