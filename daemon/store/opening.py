"""Opening the store: what is there is looked at first, and anything unexpected is refused and left as it is."""

from pathlib import Path
from typing import TYPE_CHECKING

from daemon.errors import Unusable
from daemon.store import Store
from daemon.store.migrations import SCHEMA, Schema
from daemon.store.sqlite import FILE, SqliteFile

if TYPE_CHECKING:
    from daemon.store.postgresql_opening import PostgresDatabase

__all__ = ["FILE", "database", "open_for_reading", "open_store"]

CONNECTIONS = 20  # FastAPI's threads and ours, of one process


def open_store(
    url: str, data_dir: Path, schema: Schema = SCHEMA, *, password: str = "", connections: int = CONNECTIONS
) -> Store:
    """Open for reading and writing; make or migrate it first.

    "sqlite:" is the file store.sqlite in ``data_dir``, which the caller owns. "postgresql://user@host:port/database"
    may be opened by many at once; ``password`` is for it, and ``connections`` how many it gets at most.

    Raises ``Unusable``, with nothing changed: damaged, somebody else's, newer, read-only, no space left, refused by
    the server. Raises ``Unavailable`` where the server cannot be reached: wait, and do the same again.
    """
    if url == "sqlite:":
        return SqliteFile(data_dir).open(schema)
    return database(url, password=password, connections=connections).open(schema)


def open_for_reading(
    url: str, data_dir: Path, schema: Schema = SCHEMA, *, password: str = "", connections: int = CONNECTIONS
) -> Store:
    """Open beside a running daemon, or without one: never makes, migrates or writes.

    Raises ``Unusable``, or ``Unavailable`` where the server cannot be reached.
    """
    if url == "sqlite:":
        return SqliteFile(data_dir).open_for_reading(schema)
    return database(url, password=password, connections=connections).open_for_reading(schema)


def database(url: str, *, password: str, connections: int) -> "PostgresDatabase":
    """What a URL that is not "sqlite:" names. Raises ``Unusable`` where it names nothing."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres") or not rest:  # never show the rest: it may hold a password
        raise Unusable(
            f'[store] url = "{scheme.partition(":")[0]}:…" is not known here: use "sqlite:" or '
            '"postgresql://user@host:5432/database"'
        )
    from daemon.store.postgresql_opening import PostgresDatabase

    return PostgresDatabase(url, password, connections)
