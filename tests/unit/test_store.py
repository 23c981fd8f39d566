"""The store: its two doors, its schema, and the rows that are written twice."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, func, inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from daemon.errors import Unavailable, Unusable
from daemon.store import Store
from daemon.store.migrations import SCHEMA, Schema
from daemon.store.opening import FILE, open_store
from daemon.store.tables import feeds, leases, metadata, scores, topics_applied
from daemon.store.types import String
from daemon.store.upsert import insert_new, upsert
from tests.stores import Place, PostgresPlaces

NEXT = f"{int(SCHEMA.head) + 1:04}"
NEXT_STEP = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{SCHEMA.head}"


def upgrade() -> None:
    op.add_column("feeds", sa.Column("colour", sa.String(), nullable=False, server_default="blue"))
"""
FIRST_RELEASE = "0001"


def feed(feed_id: str, next_due: float = 1.0) -> dict[str, object]:
    return {"feed_id": feed_id, "listed": True, "next_due": next_due, "state": "{}"}


def due(store: Store) -> dict[str, float]:
    with store.read() as connection:
        return {row.feed_id: row.next_due for row in connection.execute(select(feeds))}


# -- schema


def test_the_migrations_make_exactly_the_tables_of_tables_py(store: Store) -> None:
    with store.read() as connection:
        missing = produce_migrations(MigrationContext.configure(connection), metadata).upgrade_ops
        assert missing is not None
        assert missing.is_empty(), f"write a migration:\n{render_python_code(missing)}"


def test_the_newest_step_is_the_one_that_start_up_compares_with() -> None:
    assert ScriptDirectory(str(SCHEMA.steps)).get_current_head() == SCHEMA.head


def test_text_is_sorted_and_compared_by_code_point_whatever_the_order_of_the_database(store: Store) -> None:
    ids = [
        "a",
        "B",
        "_",
        "-a",
        "a b",
        "ab",
        "Ä",
        "ä",
        "\u00e9",
        "e\u0301",
        "\U0001f600",
        "\uffee",
        "ss",
        "ß",
        "10",
        "9",
    ]
    with store.write() as connection:
        upsert(feeds, [feed(id_) for id_ in ids], connection=connection)
    with store.read() as connection:
        assert connection.scalars(select(feeds.c.feed_id).order_by(feeds.c.feed_id)).all() == sorted(ids)
        between = feeds.c.feed_id.between("B", "a b")
        assert set(connection.scalars(select(feeds.c.feed_id).where(between))) == {"B", "_", "a", "a b"}


def test_every_text_column_of_postgresql_has_that_order(postgres_places: PostgresPlaces, tmp_path: Path) -> None:
    with psycopg.connect(postgres_places(tmp_path).url) as connection:
        other = connection.execute(
            "SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'"
            " AND attcollation NOT IN (0, 'pg_catalog.\"C\"'::regcollation)"
        ).fetchall()
    postgres_places.give_back()
    assert other == []


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(st.characters(exclude_categories=("Cs",)) | st.just("\0")))
def test_any_text_comes_back_but_for_nul_where_it_cannot_be_held(store: Store, words: str) -> None:
    with store.write() as connection:
        upsert(feeds, [feed("a") | {"state": words}], connection=connection)
    held = words.replace("\0", "\ufffd") if store.external else words
    with store.read() as connection:
        assert connection.scalar(select(feeds.c.state)) == held
        assert connection.scalar(select(feeds.c.feed_id).where(feeds.c.state == words)) == "a"


def test_start_up_leaves_alembic_alone_when_the_schema_is_in_force(place: Place) -> None:
    place.open().close()
    code = (
        "import sys, pathlib; from daemon.store.opening import open_store;"
        "open_store(sys.argv[1], pathlib.Path(sys.argv[2])).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, place.url, place.data_dir], check=True, env=with_this_code())


def test_a_file_needs_no_driver_of_a_server(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from daemon.store.opening import open_store;"
        "open_store('sqlite:', pathlib.Path(sys.argv[1])).close(); assert 'psycopg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env=with_this_code())


def next_schema(folder: Path, step: str = NEXT_STEP) -> Schema:
    shutil.copytree(SCHEMA.steps, folder)
    (folder / "versions" / f"{NEXT}_next.py").write_text(step)
    return Schema(folder, NEXT)


def schema_of_the_first_release(folder: Path) -> Schema:
    shutil.copytree(SCHEMA.steps, folder)
    for step in (folder / "versions").glob("*.py"):
        if not step.name.startswith(FIRST_RELEASE):
            step.unlink()
    return Schema(folder, FIRST_RELEASE)


def test_a_store_of_the_first_release_is_brought_up_to_date_with_all_that_it_holds(tmp_path: Path) -> None:
    old = open_store("sqlite:", tmp_path, schema_of_the_first_release(tmp_path / "steps"))
    with old.read() as connection:
        known = {
            name: {column["name"] for column in inspect(connection).get_columns(name)}
            for name in inspect(connection).get_table_names()
        }
    assert "leases" not in known
    assert "gate" not in known["scores"]
    tables = [table for table in metadata.sorted_tables if table.name in known]
    filled = {table: [a_row(table, known[table.name], number) for number in range(3)] for table in tables}
    with old.write() as connection:
        for table, rows in filled.items():
            upsert(table, rows, connection=connection)
    old.close()
    with closing(open_store("sqlite:", tmp_path)) as new, new.read() as connection:
        for table, rows in filled.items():
            columns = [column for column in table.columns if column.name in known[table.name]]
            kept = connection.execute(select(*columns).order_by(*table.primary_key.columns)).mappings().all()
            assert [dict(row) for row in kept] == rows, table.name
        assert set(connection.scalars(select(scores.c.gate))) == {""}
        assert connection.execute(select(leases)).all() == []


def a_row(table: Table, known: set[str], number: int) -> dict[str, object]:
    kinds: dict[type, object] = {int: number, float: number / 7, bool: True, bytes: b"\0\xff"}
    return {
        column.name: f"text {number}" if isinstance(column.type, String) else kinds[column.type.python_type]
        for column in table.columns
        if column.name in known
    }


def test_a_migration_keeps_what_is_in_the_store(place: Place, tmp_path: Path) -> None:
    old = place.open()
    with old.write() as connection:
        upsert(feeds, [feed("a", 7.0)], connection=connection)
    old.close()
    new = place.open(next_schema(tmp_path / "100% steps"))
    with new.read() as connection:
        assert connection.execute(text("SELECT feed_id, next_due, colour FROM feeds")).all() == [("a", 7.0, "blue")]
    new.close()


def test_a_migration_that_fails_changes_nothing(place: Place, tmp_path: Path) -> None:
    old = place.open()
    with old.write() as connection:
        upsert(feeds, [feed("a", 7.0)], connection=connection)
    old.close()
    before = (tmp_path / FILE).read_bytes() if place.url == "sqlite:" else b""
    broken = next_schema(tmp_path / "steps", NEXT_STEP + '    op.execute("SELECT nonsense")\n')
    with pytest.raises(Unusable, match="was left as it was"):
        place.open(broken)
    if before:
        assert (tmp_path / FILE).read_bytes() == before
    again = place.open()
    with again.read() as connection:
        assert "colour" not in {column["name"] for column in inspect(connection).get_columns("feeds")}
    assert due(again) == {"a": 7.0}
    again.close()


def test_an_older_store_is_not_migrated_by_somebody_who_only_reads(place: Place, tmp_path: Path) -> None:
    place.open().close()
    with pytest.raises(Unusable, match="older Wirewatch"):
        place.open_for_reading(next_schema(tmp_path / "steps"))
    place.open_for_reading().close()


# -- reading and writing


def test_a_write_that_raises_is_undone(store: Store) -> None:
    def fail_half_way() -> None:
        with store.write() as connection:
            upsert(feeds, [feed("a")], connection=connection)
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert due(store) == {}


def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(store: Store) -> None:
    with store.write() as connection:
        upsert(feeds, [feed("a")], connection=connection)
    with store.read() as reading:
        count = select(func.count()).select_from(feeds)
        assert reading.scalar(count) == 1
        with store.write() as connection:
            upsert(feeds, [feed("b")], connection=connection)
        assert reading.scalar(count) == 1
    assert due(store).keys() == {"a", "b"}


def test_writes_take_turns_and_none_is_lost(store: Store) -> None:
    with store.write() as connection:
        upsert(feeds, [feed("a", 0.0)], connection=connection)

    def add() -> None:
        for _ in range(25):
            with store.write() as connection:
                connection.execute(feeds.update().values(next_due=feeds.c.next_due + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert due(store) == {"a": 100.0}


def test_what_was_written_is_there_after_a_kill(place: Place) -> None:
    code = (
        "import sys, pathlib; from daemon.store.opening import open_store; from daemon.store.tables import feeds\n"
        "store = open_store(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
        "for number in range(10**9):\n"
        "    with store.write() as c: c.execute(feeds.insert().values("
        "feed_id=str(number), listed=True, next_due=0.0, state=''))\n"
        "    print(number, flush=True)\n"
    )
    command = [sys.executable, "-c", code, place.url, place.data_dir]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=with_this_code())
    assert child.stdout is not None
    for _ in range(20):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    reported = 20 + len(child.stdout.read().splitlines())
    child.wait()
    child.stdout.close()
    store = place.open()
    assert len(due(store)) in (reported, reported + 1)  # the last may have been written and not yet reported
    store.close()


def test_a_full_disk_is_waited_for_and_writes_go_on_when_there_is_space(tmp_path: Path) -> None:
    store = open_store("sqlite:", tmp_path)
    with store.write() as connection:
        upsert(feeds, [feed("a")], connection=connection)
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    large = [feed(str(number)) | {"state": "x" * 4000} for number in range(50)]
    with pytest.raises(Unavailable, match="full"), store.write() as connection:
        upsert(feeds, large, connection=connection)
    assert due(store).keys() == {"a"}
    with store.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    with store.write() as connection:
        upsert(feeds, large, connection=connection)
    assert len(due(store)) == 51
    store.close()


def test_our_own_mistakes_are_not_waited_for(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(feeds.insert(), [feed("a"), feed("a")])
    with pytest.raises((OperationalError, ProgrammingError), match="nonsense"), store.read() as connection:
        connection.exec_driver_sql("SELECT nonsense")


def test_damage_that_shows_later_stops_the_work_with_a_sentence(tmp_path: Path) -> None:
    store = open_store("sqlite:", tmp_path)
    with store.write() as connection:
        upsert(feeds, [feed(str(number)) | {"state": "x" * 4000} for number in range(50)], connection=connection)
    store.close()
    store = open_store("sqlite:", tmp_path)
    path = tmp_path / FILE
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * (path.stat().st_size - 4096 * 2))
    with pytest.raises(Unusable, match="damaged"):
        due(store)
    store.close()


def test_a_store_opened_for_reading_cannot_write_and_sees_what_others_write(store: Store, place: Place) -> None:
    reader = place.open_for_reading()
    with store.write() as connection:
        upsert(feeds, [feed("a")], connection=connection)
    assert due(reader).keys() == {"a"}
    with pytest.raises(Unusable), reader.write():
        pass
    with pytest.raises(Unavailable), reader.read() as connection:
        connection.execute(feeds.delete())
    reader.close()
    assert due(store).keys() == {"a"}


def test_many_threads_read_at_once(store: Store) -> None:
    barrier = threading.Barrier(20, timeout=30)
    seen: list[int] = []

    def look() -> None:
        with store.read() as connection:
            barrier.wait()
            seen.append(len(connection.execute(select(feeds)).all()))

    threads = [threading.Thread(target=look) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [0] * 20


# -- rows written twice


def test_upsert_replaces_the_columns_it_names_and_keeps_the_others(store: Store) -> None:
    with store.write() as connection:
        upsert(feeds, [feed("a", 1.0) | {"state": "old"}, feed("b", 1.0)], connection=connection)
        upsert(feeds, [feed("a", 2.0) | {"state": "new"}, feed("a", 3.0) | {"state": "newest"}], connection=connection)
        upsert(feeds, [], connection=connection)
    assert due(store) == {"a": 3.0, "b": 1.0}
    with store.read() as connection:
        assert connection.scalar(select(feeds.c.state).where(feeds.c.feed_id == "a")) == "newest"


def test_insert_new_leaves_what_is_there(store: Store) -> None:
    with store.write() as connection:
        insert_new(feeds, [feed("a", 1.0)], connection=connection)
        insert_new(feeds, [feed("a", 2.0), feed("b", 2.0)], connection=connection)
        insert_new(feeds, [], connection=connection)
    assert due(store) == {"a": 1.0, "b": 2.0}


def test_upsert_keeps_what_is_newer(store: Store) -> None:
    with store.write() as connection:
        for version in (2.0, 1.0):
            upsert(feeds, [feed("a", version) | {"state": str(version)}], connection=connection, newest="next_due")
        upsert(feeds, [feed("b", 3.0), feed("b", 2.0)], connection=connection, newest="next_due")
        upsert(feeds, [feed("a", 2.0) | {"state": "same"}], connection=connection, newest="next_due")
    assert due(store) == {"a": 2.0, "b": 3.0}
    with store.read() as connection:
        assert connection.scalar(select(feeds.c.state).where(feeds.c.feed_id == "a")) == "same"


def test_upsert_knows_keys_of_several_columns(store: Store) -> None:
    row = {"worker": "w", "topic_id": "t", "version": 1, "at": 1.0}
    with store.write() as connection:
        upsert(topics_applied, [row, row | {"topic_id": "u"}], connection=connection)
        upsert(topics_applied, [row | {"version": 2}], connection=connection)
    with store.read() as connection:
        assert set(connection.execute(select(topics_applied.c.topic_id, topics_applied.c.version)).all()) == {
            ("t", 2),
            ("u", 1),
        }


def with_this_code() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
