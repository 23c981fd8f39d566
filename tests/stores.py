"""Both kinds of store, behind one vocabulary: made empty for each test, and opened as often as it likes."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from daemon.store import Store
from daemon.store.migrations import SCHEMA, Schema
from daemon.store.opening import open_for_reading, open_store
from tests.servers.postgres import PostgresServer

KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Place:
    """Where a store is. Whatever is opened here sees the same rows."""

    url: str
    data_dir: Path

    def open(self, schema: Schema = SCHEMA) -> Store:
        return open_store(self.url, self.data_dir, schema)

    def open_for_reading(self, schema: Schema = SCHEMA) -> Store:
        return open_for_reading(self.url, self.data_dir, schema)

    @property
    def settings(self) -> str:
        """For wirewatch.toml."""
        return f'[store]\nurl = "{self.url}"\n'


Places = Callable[[Path], Place]
"""Makes a place; SQLite's file goes into the folder."""


def sqlite_places(folder: Path) -> Place:
    return Place("sqlite:", folder)


# Of the tables that a test has filled. A test may leave connections behind, whose locks would be waited for.
_EMPTY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
                AND relname <> 'alembic_version'
        LOOP EXECUTE format('TRUNCATE %I', name); END LOOP;
    END $$
"""


class PostgresPlaces:
    """A database for each, emptied and used again: making one takes ten times as long as a short test."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._template = server.database("wirewatch_template").rpartition("/")[2]
        self._taken: list[str] = []
        self._free: list[str] = []
        with closing(open_store(server.url(self._template), Path())):
            pass

    def __call__(self, folder: Path) -> Place:
        url = self._free.pop() if self._free else self._made()
        self._taken.append(url)
        return Place(url, folder)

    def give_back(self) -> None:
        for url in self._taken:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(_EMPTY)
                version = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            if version == [(SCHEMA.head,)]:
                self._free.append(url)
            else:
                self._server.drop(url)
        self._taken.clear()

    def _made(self) -> str:
        name = f"store_{uuid4().hex[:12]}"
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            names = map(sql.Identifier, (name, self._template))
            # the files as they are: a third faster than through the write-ahead log, for a database this small
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(*names))
        return self._server.url(name)
