"""The store in a PostgreSQL database: looked at, made, migrated, opened or refused."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from daemon.errors import Unavailable, Unusable
from daemon.store import Store
from daemon.store.migrate import migrate, revisions
from daemon.store.migrations import Schema
from daemon.store.postgresql import PATIENCE, is_passing, meaning, pooled, said, single
from daemon.store.postgresql_probe import NEEDS_PASSWORD, refusal
from daemon.store.tables import metadata

OLDEST: Final = 130_000  # PostgreSQL 13, as server_version_num
_OURS: Final = "Wirewatch"  # the comment on alembic_version: the tables are ours
_COPYING: Final = "Wirewatch, not finished: a copy of "  # and of which store
_MIGRATING: Final = 0x57_57_61_74  # key of the advisory lock under which one process at a time migrates

_LOOK = text("""
    SELECT current_schema() AS schema, current_setting('server_version_num')::int AS server,
           current_setting('server_version') AS server_name, getdatabaseencoding() AS encoding,
           pg_is_in_recovery() AS standby
""")
_TABLES = text("""
    SELECT relname AS name, obj_description(oid, 'pg_class') AS comment,
           has_table_privilege(oid, 'SELECT') AS readable,
           has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE')
               AND has_table_privilege(oid, 'DELETE') AS writable
    FROM pg_class AS c
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
    ORDER BY relname
""")  # without those of extensions such as PostGIS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the database says of itself. ``version`` is empty before the first migration."""

    tables: int = 0
    version: str = ""
    copy_of: str = ""  # the store that is being copied to it
    unreadable: str = ""  # a table that this user may not read
    unwritable: str = ""


class PostgresDatabase:
    """One database, or one schema of it, which holds the tables of Wirewatch and no others."""

    def __init__(
        self, url: str, password: str, connections: int, *, patience: float = PATIENCE, oldest: int = OLDEST
    ) -> None:
        """``patience``: seconds to wait for an answer; ``oldest``: server_version_num.

        Raises ``Unusable`` for a URL that libpq does not understand, or that carries a password.
        """
        try:
            address = dict(conninfo_to_dict(url))
        except psycopg.ProgrammingError:
            sentence = '[store] url cannot be understood: write "postgresql://user@host:5432/database"'
            raise Unusable(sentence) from None  # libpq repeats a part of it, which may be a password
        if "password" in address:
            raise Unusable("[store] url holds a password: name it with password_env or password_file instead")
        self._address: Mapping[str, Any] = address | ({"password": password} if password else {})
        self._connections = connections
        self._patience = patience
        self._oldest = oldest

    def open(self, schema: Schema) -> Store:
        """Raises ``Unusable``, with nothing changed, or ``Unavailable``."""
        with self._connected() as connection:
            found = self._look(connection, writing=True)
            self._refuse_half_a_copy(found)
            if found.version != schema.head:
                self._bring_up_to_date(connection, schema)
            elif found.unreadable or found.unwritable:
                raise Unusable(self._no_right(f"write the table {found.unreadable or found.unwritable}"))
        return self._store(writing=True)

    def open_for_reading(self, schema: Schema) -> Store:
        """Raises ``Unusable`` or ``Unavailable``."""
        with self._connected() as connection:
            found = self._look(connection, writing=False)
        self._refuse_half_a_copy(found)
        if not found.tables:
            raise Unusable(f"the store in {self._name} is still empty: start `wirewatch run` first")
        if found.unreadable:
            raise Unusable(self._no_right(f"read the table {found.unreadable}"))
        if found.version != schema.head:
            if found.version not in revisions(schema):
                raise Unusable(self._newer(found.version, schema))
            raise Unusable(
                f"{self._name} was written by an older Wirewatch: start `wirewatch run` once, it brings it up to date"
            )
        return self._store(writing=False)

    # -- as the target of a copy

    def open_for_copy(self, schema: Schema, origin: str) -> tuple[Store, bool]:
        """The store, and whether it may be written: it was empty, or holds a part of a copy of ``origin``.

        Until ``finish_copy`` nobody else can open it. Raises as ``open`` does.
        """
        with self._connected() as connection:
            found = self._look(connection, writing=True)
            if found.copy_of not in ("", origin):
                raise Unusable(
                    f"{self._name} holds a part of a copy of another store: make an empty database for this one"
                )
            if found.version != schema.head:
                self._bring_up_to_date(connection, schema)
            begun = bool(found.copy_of) or _is_empty(connection)
            if begun:
                _mark(connection, _COPYING + origin)
        return self._store(writing=True), begun

    def finish_copy(self) -> None:
        """It is a store like any other from now on. Raises ``Unavailable``."""
        with self._connected() as connection:
            _mark(connection, _OURS)

    def _store(self, *, writing: bool) -> Store:
        engine = pooled(self._address, self._connections, self._patience)
        viewing = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        changing = engine.execution_options(isolation_level="READ COMMITTED", postgresql_readonly=None)
        return Store(viewing, changing if writing else None, meaning=meaning, external=True)

    def _refuse_half_a_copy(self, found: _Found) -> None:
        if found.copy_of:
            raise Unusable(
                f"{self._name} holds a copy that was not finished: run `wirewatch store copy` once more, it goes on "
                "where it stopped"
            )

    # -- looking

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """One transaction. What goes wrong in it becomes a sentence."""
        engine = single(self._address)
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise self._refused(error) from error
        finally:
            engine.dispose()

    def _look(self, connection: Connection, *, writing: bool) -> _Found:
        """Raises ``Unusable`` for a server, database or schema that cannot be ours."""
        about = connection.execute(_LOOK).one()
        if about.server < self._oldest:
            raise Unusable(
                f"{self._name} is on PostgreSQL {about.server_name}: Wirewatch needs {self._oldest // 10_000} or later"
            )
        if about.encoding != "UTF8":
            raise Unusable(
                f"{self._name} holds text as {about.encoding}, which cannot take every article: "
                "use one that was created with ENCODING 'UTF8'"
            )
        if about.schema is None:
            raise Unusable(
                f"{self._name} has no schema where this user's tables would go: create one, or name it at the end of "
                "[store] url with ?options=-csearch_path%3Dwirewatch"
            )
        if writing and about.standby:
            raise Unavailable(f"{self._name} is a standby, which cannot be written until it takes over")
        tables = connection.execute(_TABLES).all()
        return self._refuse_strangers(connection, {row.name: row for row in tables})

    def _refuse_strangers(self, connection: Connection, tables: Mapping[str, Any]) -> _Found:
        if not tables:
            return _Found()
        mark = tables.get("alembic_version")
        comment = (mark.comment or "") if mark else ""
        if mark is None or (comment != _OURS and not comment.startswith(_COPYING)):
            raise Unusable(
                f"{self._name} holds tables of another program ({next(iter(tables))}): give Wirewatch a database of "
                "its own; this one was left as it is"
            )
        if not mark.readable:
            raise Unusable(self._no_right("read the table alembic_version"))
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""
        return _Found(
            tables=len(tables),
            version=version,
            copy_of=comment.removeprefix(_COPYING) if comment != _OURS else "",
            unreadable=next((name for name, row in tables.items() if not row.readable), ""),
            unwritable=next((name for name, row in tables.items() if not row.writable and row is not mark), ""),
        )

    # -- making and migrating

    def _bring_up_to_date(self, connection: Connection, schema: Schema) -> None:
        """Of several processes that start at once the first migrates, and the others find it done."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        found = self._look(connection, writing=True)
        if found.version == schema.head:
            return
        if found.version and found.version not in revisions(schema):
            raise Unusable(self._newer(found.version, schema))
        migrate(connection, schema)
        if not found.tables:
            _mark(connection, _OURS)

    # -- sentences

    @property
    def _name(self) -> str:
        host, port = self._address.get("host", "localhost"), self._address.get("port", "5432")
        return f'the database "{self._database}" on {host}:{port}'

    @property
    def _database(self) -> str:
        return str(self._address.get("dbname") or self._user)

    @property
    def _user(self) -> str:
        return str(self._address.get("user") or "")

    def _refused(self, error: DBAPIError) -> Unusable | Unavailable:
        cause = error.orig
        state = getattr(cause, "sqlstate", None) or ""
        if state == "42501":
            return Unusable(self._no_right(f"make and write its tables ({said(cause)})"))
        if not state and is_passing(error):
            return self._shut_out(error)
        if is_passing(error):
            return Unavailable(f"{self._name} cannot be used now: {said(cause)}")
        return Unusable(
            f"{self._name} cannot be brought up to date ({said(cause)}): report this; it was left as it was"
        )

    def _shut_out(self, error: DBAPIError) -> Unusable | Unavailable:
        """It was the connection that failed."""
        if isinstance(error.orig, psycopg.errors.ConnectionTimeout):
            return Unavailable(f"{self._name} does not answer")
        if unknown := self._unknown_host():
            return Unusable(f'[store] url: there is no host "{unknown}": correct its name')
        state = refusal(self._address)
        if state == NEEDS_PASSWORD:
            return Unusable(
                f'{self._name} wants a password of the user "{self._user}": name it with [store] password_env or '
                "password_file"
            )
        if state[:2] == "28":
            return Unusable(
                f'{self._name} does not let the user "{self._user}" in ({said(error.orig)}): correct [store] '
                "password_env or password_file, or the server's pg_hba.conf"
            )
        if state == "3D000":
            return Unusable(
                f'there is no database "{self._database}" on {self._name.rpartition(" ")[2]}: '
                f'make it with CREATE DATABASE "{self._database}"'
            )
        if state == "42501":
            return Unusable(self._no_right("connect"))
        return Unavailable(f"{self._name} cannot be reached: {said(error.orig)}")

    def _unknown_host(self) -> str:
        """The first host of the URL whose name means nothing; none where names cannot be resolved just now."""
        for host in str(self._address.get("host") or "").split(","):
            if not host or host.startswith("/"):
                continue
            try:
                socket.getaddrinfo(host, None)
            except socket.gaierror as error:
                if error.errno == socket.EAI_NONAME:
                    return host
            except UnicodeError:  # a label that is too long
                return host
        return ""

    def _no_right(self, what: str) -> str:
        return (
            f'the user "{self._user}" has no right to {what} in {self._name}: make it the owner of the database, or '
            "grant it the right"
        )

    def _newer(self, version: str, schema: Schema) -> str:
        return (
            f"{self._name} was written by a newer Wirewatch (its schema is {version}, this one knows up to "
            f"{schema.head}): install that version or a newer one; it was left as it is"
        )


def _mark(connection: Connection, words: str) -> None:
    connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{words}'")


def _is_empty(connection: Connection) -> bool:
    return not any(connection.execute(select(table).limit(1)).first() for table in metadata.sorted_tables)
