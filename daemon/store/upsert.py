"""Insert or replace by primary key, and insert only what is new: the same on SQLite and PostgreSQL.

Rows are written in the order of their keys. Two who write the same rows at once then wait for one another; in any
other order each could hold what the other waits for, and PostgreSQL would undo one of the two.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(table: Table, rows: Sequence[Mapping[str, Any]], *, connection: Connection, newest: str = "") -> None:
    """Write each row; one with the same primary key gets its other columns replaced by those given.

    All rows name the same columns. The later of two rows with one key wins. With ``newest``, a column: only a row
    that is not less there replaces another, whoever wrote that one, and when.
    """
    if not rows:
        return
    statement = _insert(table, connection)
    keys = {column.name for column in table.primary_key}
    others = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=table.primary_key.columns,
            set_=others,
            where=statement.excluded[newest] >= table.c[newest] if newest else None,
        )
        if others
        else statement.on_conflict_do_nothing(),
        _in_order(table, rows),
    )


def insert_new(table: Table, rows: Sequence[Mapping[str, Any]], *, connection: Connection) -> None:
    """Write the rows whose primary key is not there yet; leave the others as they are."""
    if rows:
        connection.execute(_insert(table, connection).on_conflict_do_nothing(), _in_order(table, rows))


def _in_order(table: Table, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    keys = [column.name for column in table.primary_key]
    return [dict(row) for row in sorted(rows, key=lambda row: [row[key] for key in keys])]


def _insert(table: Table, connection: Connection) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
