"""One store into another, row by row: to move a running install to a server.

Tables are walked in the order of their keys, a chunk at a time, and compared with what the other store has between
the same keys. Only what differs is written. So a copy that was cut short goes on where it stopped, and one that is
complete changes nothing; no place needs to be remembered, and everything has been compared at the end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, select, tuple_

from daemon.errors import Unusable
from daemon.store import Store
from daemon.store.tables import leases, metadata, topics_applied, workers
from daemon.store.types import String
from daemon.store.upsert import upsert

CHUNK = 1_000  # rows in a transaction; 8 MB of vectors
_OF_PROCESSES = (workers, leases, topics_applied)  # who runs, owns and applies what: never true anywhere else

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` rows have been compared; ``table`` is where."""

    table: str
    done: int
    total: int


def tables() -> Sequence[Table]:
    """Those that are copied."""
    return [table for table in metadata.sorted_tables if table not in _OF_PROCESSES]


def copy(source: Store, target: Store, *, writing: bool, progress: Callable[[Progress], None]) -> int:
    """Make ``target`` equal to ``source``, which nobody changes meanwhile; returns how many rows had to be written.

    Not ``writing``: only compare. Raises ``Unusable`` where they differ then, or still do at the end. Raises
    ``Unavailable``: do it again, it goes on where it stopped.
    """
    counts = {table: _count(source, table) for table in tables()}
    total, done, written = sum(counts.values()), 0, 0
    for table, count in counts.items():
        for chunk in _chunks(source, table):
            written += _settle(table, chunk, target, writing=writing)
            done += len(chunk.rows)
            progress(Progress(table.name, done, total))
        if _count(target, table) != count:
            raise Unusable(f"the table {table.name} was changed by somebody else meanwhile: copy once more")
    return written


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The rows with keys above ``above`` and up to ``to``; open at that end where there is no key."""

    above: tuple[Any, ...] | None
    to: tuple[Any, ...] | None
    rows: Sequence[Row]

    def between(self, table: Table) -> ColumnElement[bool]:
        key = tuple_(*table.primary_key.columns)
        return and_(
            True,
            *([key > self.above] if self.above is not None else []),
            *([key <= self.to] if self.to is not None else []),
        )


def _chunks(source: Store, table: Table) -> Iterator[_Chunk]:
    """Together they cover every key there can be."""
    above: tuple[Any, ...] | None = None
    while True:
        rows = _read(source, table, _Chunk(above, None, ()), limit=CHUNK)
        to = _key(table, rows[-1]) if len(rows) == CHUNK else None
        yield _Chunk(above, to, [_as_held(table, row) for row in rows])
        if to is None:
            return
        above = to


def _settle(table: Table, chunk: _Chunk, target: Store, *, writing: bool) -> int:
    """Make the target's rows between the chunk's keys the chunk's; how many had to be written."""
    there = {_key(table, row): row for row in _read(target, table, chunk)}
    missing = [row for row in chunk.rows if there.get(_key(table, row)) != row]
    extra = sorted(there.keys() - {_key(table, row) for row in chunk.rows})
    if not missing and not extra:
        return 0
    if not writing:
        raise Unusable(
            f"the database holds other data (in the table {table.name}): make an empty one for the copy; "
            "this one was left as it is"
        )
    with target.write() as connection:
        upsert(table, missing, connection=connection)
        if extra:
            connection.execute(delete(table).where(tuple_(*table.primary_key.columns).in_(extra)))
    return len(missing)


def _read(store: Store, table: Table, chunk: _Chunk, *, limit: int | None = None) -> Sequence[Row]:
    query = select(table).where(chunk.between(table)).order_by(*table.primary_key.columns).limit(limit)
    with store.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _count(store: Store, table: Table) -> int:
    with store.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key.columns)


def _as_held(table: Table, row: Row) -> Row:
    """As the other store gives it back: one of the two cannot hold the character NUL."""
    texts = {column.name for column in table.columns if isinstance(column.type, String)}
    return {
        name: value.replace("\0", "\N{REPLACEMENT CHARACTER}") if name in texts and value is not None else value
        for name, value in row.items()
    }
