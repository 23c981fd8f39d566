"""The store in one SQLite file: looked at, made, migrated, opened or refused."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from urllib.parse import quote

from sqlalchemy import URL, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from consumers.errors import WirewatchError
from daemon.errors import Unavailable, Unusable
from daemon.sqlite_codes import DAMAGED, PASSING, code_of
from daemon.store import Store
from daemon.store.migrate import migrate, revisions
from daemon.store.migrations import Schema

FILE = "store.sqlite"
APPLICATION_ID = 0x57_57_61_74  # "WWat" in the file's header: the file is ours
_WAIT = 5.0  # seconds for another process's lock, which is held for a moment only
_CHECK = 0.5  # seconds spent looking for damage at start-up: some 200 MB of file; `doctor` reads all of it
_READERS = 5  # connections kept open; more are made and dropped when needed
_MOST_READERS = 40  # FastAPI's and asyncio's thread pools together


@dataclass(frozen=True, slots=True)
class _Found:
    """What the file says of itself. ``version`` is empty before the first migration."""

    application_id: int = 0
    tables: int = 0
    version: str = ""

    @property
    def empty(self) -> bool:
        return self.application_id in (0, APPLICATION_ID) and self.tables == 0


class SqliteFile:
    """store.sqlite in the data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._path = data_dir / FILE

    def open(self, schema: Schema) -> Store:
        """Raises ``Unusable``, with nothing changed."""
        path = self._path
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = _look(path, budget=_CHECK)
        except OSError as error:
            raise Unusable(_cannot(path, error.strerror or str(error))) from error
        _refuse_strangers(path, found)
        if found.empty:
            _create(path)
        elif found.version != schema.head and found.version not in revisions(schema):
            raise Unusable(_newer(path, found.version, schema))
        writing = _writer(path)
        try:
            # takes the write lock: a read-only file fails here, not at the first alert
            with writing.begin() as connection:
                if found.version != schema.head:
                    migrate(connection, schema)
                    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
        except DBAPIError as error:
            writing.dispose()
            raise Unusable(_cannot_write(path, error.orig)) from error
        return Store(_readers(path), writing, meaning=meaning, external=False)

    def open_for_reading(self, schema: Schema) -> Store:
        """Raises ``Unusable``."""
        path = self._path
        if not path.exists():
            raise Unusable(f"there is no store in {self._data_dir} yet: start `wirewatch run` first")
        try:
            found = _look(path, budget=0.0)
        except OSError as error:
            raise Unusable(_cannot(path, error.strerror or str(error))) from error
        if found.empty:
            raise Unusable(f"the store in {self._data_dir} is still empty: start `wirewatch run` first")
        _refuse_strangers(path, found)
        if found.version == schema.head:
            return Store(_readers(path), None, meaning=meaning, external=False)
        if found.version not in revisions(schema):
            raise Unusable(_newer(path, found.version, schema))
        raise Unusable(f"{path} was written by an older Wirewatch: start `wirewatch run` once, it brings it up to date")


def meaning(error: DBAPIError, verb: str) -> WirewatchError | None:
    code = code_of(error.orig)
    if code in DAMAGED:
        return Unusable(
            f"the store cannot be {verb}, it is damaged ({error.orig}): stop Wirewatch, then restore a backup or move "
            "the file away"
        )
    if code in PASSING or (isinstance(error, OperationalError) and not code) or error.connection_invalidated:
        return Unavailable(f"the store cannot be {verb}: {error.orig}")
    return None


# -- looking


def _look(path: Path, *, budget: float) -> _Found:
    """Read-only: not a byte of the file changes. ``budget``: seconds to spend on looking for damage."""
    if not path.exists() or path.stat().st_size == 0:
        return _Found()
    try:
        with closing(sqlite3.connect(_uri(path), uri=True, timeout=_WAIT)) as connection:
            application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            version = ""
            if application_id == APPLICATION_ID:
                if "alembic_version" in names:
                    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
                    version = row[0] if row else ""
                _check(connection, path, budget)
            return _Found(application_id, len(names), version)
    except sqlite3.Error as error:
        code = code_of(error)
        if code == sqlite3.SQLITE_NOTADB:
            raise Unusable(f"{path} is not a database: {_aside(path)}") from error
        if code == sqlite3.SQLITE_CORRUPT:
            raise Unusable(_damaged(path, str(error))) from error
        raise Unusable(_cannot(path, str(error))) from error


def _check(connection: sqlite3.Connection, path: Path, budget: float) -> None:
    """``PRAGMA quick_check`` as far as the budget goes."""
    if not budget:
        return
    deadline = time.monotonic() + budget
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 20_000)
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    if verdict != "ok":
        raise Unusable(_damaged(path, str(verdict).splitlines()[-1]))


def _refuse_strangers(path: Path, found: _Found) -> None:
    if not found.empty and (found.application_id != APPLICATION_ID or not found.version):
        raise Unusable(f"{path} belongs to another program: {_aside(path)}")


def _create(path: Path) -> None:
    """Settings that hold for the life of the file, so that retention can give space back."""
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
        path.chmod(0o600)
    except sqlite3.Error as error:
        raise Unusable(_cannot_write(path, error)) from error


# -- engines


def _writer(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": _WAIT, "check_same_thread": False, "isolation_level": None},
    )
    _on_connect(engine, "PRAGMA synchronous = FULL", "PRAGMA journal_size_limit = 67108864")
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _readers(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=_uri(path), query={"uri": "true"}),
        poolclass=QueuePool,
        pool_size=_READERS,
        max_overflow=_MOST_READERS - _READERS,
        connect_args={"timeout": _WAIT, "check_same_thread": False, "isolation_level": None},
    )
    _on_connect(engine, "PRAGMA query_only = ON")
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _uri(path: Path) -> str:
    """``mode=ro`` also means that this connection never checkpoints."""
    return f"file:{quote(str(path.absolute()))}?mode=ro"


def _on_connect(engine: Engine, *pragmas: str) -> None:
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(pragma)

    event.listen(engine, "connect", configure)


# -- sentences


def _aside(path: Path) -> str:
    return f"move it away, or set [data] dir in wirewatch.toml to another directory; it was left as it is ({path.name})"


def _damaged(path: Path, why: str) -> str:
    return (
        f"{path} is damaged ({why}): restore a backup, or move it away and start again with an empty store; "
        "it was left as it is"
    )


def _newer(path: Path, version: str, schema: Schema) -> str:
    return (
        f"{path} was written by a newer Wirewatch (its schema is {version}, this one knows up to {schema.head}): "
        "install that version or a newer one; the file was left as it is"
    )


def _cannot(path: Path, why: str) -> str:
    return f"{path} cannot be opened ({why}): make {path.parent} a directory that this user can read and write"


def _cannot_write(path: Path, error: BaseException | None) -> str:
    code = code_of(error)
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        free = disk_usage(path.parent).free // 1_000_000
        return f"{path} cannot be written ({error}; {free} MB free): free some space, or set [data] dir to another disk"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return f"{path} cannot be written ({error}): give this user the right to write {path.parent} and what is in it"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is locked by another program: stop that one first"
    return f"{path} cannot be brought up to date ({error}): report this; the file was left as it was"
