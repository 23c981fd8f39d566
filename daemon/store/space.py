"""How much room the store takes, and getting below a limit by forgetting the oldest articles.

SQLite knows its free pages, and gives them back. PostgreSQL does neither for a client: a deleted row keeps its room
until a vacuum, and the file keeps its size after that, so whoever went by the files would forget everything. There
the rows themselves are measured, once, and what is forgotten is counted off.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final, Protocol

from sqlalchemy import Column, Connection, Table, func, literal, select, text

from daemon.store import Store
from daemon.store.tables import article_vectors, article_words, articles, metadata, next_vectors, scores

Forget = Callable[[float, int], int]
"""(before, limit): forget at most ``limit`` of the oldest ones from before that time; how many they were."""

_PAGES = 256  # given back to the disk in one step: 1 MB
_SAMPLE: Final = 4_000  # pages of a table that are looked at: 32 MB, some 100 ms; the rest is taken to be alike
_ROW: Final = 32  # bytes of a row beside its columns: its header, and its place in the page
_ENTRY: Final = 24  # bytes of an index entry beside its columns, pages being filled to 70 to 90 %
_PAGE: Final = 8192


class Space(Protocol):
    def start(self) -> None:
        """A new sweep: what was measured before no longer counts."""
        ...

    def shrink(self, limit: int, forget: Forget, rows: int) -> bool:
        """Forget up to ``rows`` articles where the store takes more than ``limit`` bytes; whether it did.

        Raises ``Unavailable``.
        """
        ...

    def give_back(self, limit: int) -> bool:
        """Return a little of what is free to the disk; whether there was any. Raises ``Unavailable``."""
        ...


def space_of(store: Store) -> Space:
    return DatabaseSpace(store) if store.external else FileSpace(store)


class FileSpace:
    """SQLite's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self) -> None:
        pass

    def shrink(self, limit: int, forget: Forget, rows: int) -> bool:
        with self._store.read() as connection:
            pages, free, size = _pages(connection)
        return (pages - free) * size > limit and forget(inf, rows) > 0

    def give_back(self, limit: int) -> bool:
        """Free pages are used again by what comes next; only a file that is too large or mostly empty shrinks."""
        with self._store.read() as connection:
            pages, free, size = _pages(connection)
        if not free or (pages * size <= limit and free * 2 < pages):
            return False
        with self._store.write() as connection:
            for _ in range(_PAGES):  # one page each: Python's sqlite3 takes a single step of a larger number
                connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
            return _pages(connection)[0] < pages


class DatabaseSpace:
    """PostgreSQL's. Its autovacuum makes room for what comes next; the files never shrink."""

    def __init__(self, store: Store, *, sample: int = _SAMPLE) -> None:
        """``sample``: pages of a table that are looked at."""
        self._store = store
        self._sample = sample
        self._excess: float | None = None  # bytes still to be forgotten; None: not measured in this sweep

    def start(self) -> None:
        self._excess = None

    def shrink(self, limit: int, forget: Forget, rows: int) -> bool:
        if self._excess is None:
            self._excess = self._measured_excess(limit)
        if self._excess <= 0:
            return False
        with self._store.read() as connection:
            size = _size_of_the_oldest(connection, rows)
        forgotten = forget(inf, rows)
        self._excess -= size
        return forgotten > 0

    def give_back(self, limit: int) -> bool:
        return False

    def size(self) -> float:
        """Bytes that the rows that are there need. Raises ``Unavailable``."""
        with self._store.read() as connection:
            return sum(_size_of_rows(connection, table, self._sample) for table in metadata.sorted_tables)

    def _measured_excess(self, limit: int) -> float:
        with self._store.read() as connection:
            if _files(connection) <= limit:  # rows never take more than their files
                return 0.0
        return self.size() - limit


def _pages(connection: Connection) -> tuple[int, int, int]:
    """Pages of the file, how many of them are free, and bytes of one."""
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return pages, free, size


def _files(connection: Connection) -> int:
    """Bytes of the tables' files, with their indexes and long values, used or free."""
    tables = [table.name for table in metadata.sorted_tables]
    size = text("SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(CAST(:names AS text[])) AS name")
    return int(connection.execute(size, {"names": tables}).scalar_one())


def _size_of_rows(connection: Connection, table: Table, sample: int) -> float:
    """Bytes that the rows that are there need, with their index entries: long values as they are stored."""
    name = table.fullname
    pages = connection.execute(text(f"SELECT pg_relation_size('{name}') / {_PAGE}")).scalar_one()
    share = min(100.0, 100.0 * sample / pages) if pages else 100.0
    sampled = table.tablesample(func.system(share), name="sampled", seed=literal(1)) if share < 100.0 else table
    size = func.coalesce(func.sum(_row_size(table, sampled.c)), 0)
    return float(connection.execute(select(size)).scalar_one()) * 100.0 / share


def _size_of_the_oldest(connection: Connection, rows: int) -> float:
    """Bytes of the oldest ``rows`` articles, with all that belongs to them."""
    oldest = select(articles.c.id).order_by(articles.c.seen).limit(rows).subquery()
    ids = select(oldest.c.id)
    return float(
        sum(
            connection.execute(
                select(func.coalesce(func.sum(_row_size(column.table, column.table.c)), 0)).where(column.in_(ids))
            ).scalar_one()
            for column in (
                articles.c.id,
                article_vectors.c.article_id,
                article_words.c.article_id,
                next_vectors.c.article_id,
                scores.c.article_id,
            )
        )
    )


def _row_size(table: Table, columns: Any) -> Any:
    indexed: Sequence[Sequence[Column[Any]]] = [
        list(table.primary_key.columns),
        *(list(index.columns) for index in table.indexes),
    ]
    sizes = [func.coalesce(func.pg_column_size(columns[column.name]), 0) for column in table.columns]
    sizes += [func.coalesce(func.pg_column_size(columns[column.name]), 0) for index in indexed for column in index]
    return sum(sizes[1:], sizes[0]) + _ROW + _ENTRY * len(indexed)
