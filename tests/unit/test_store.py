"""The store: its two doors, its schema, and the rows that are written twice."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from daemon.errors import Unavailable, Unusable
from daemon.store import Store
from daemon.store.migrations import SCHEMA, Schema
from daemon.store.opening import FILE, open_for_reading, open_store
from daemon.store.tables import feeds, metadata, topics_applied
from daemon.store.upsert import insert_new, upsert

NEXT_STEP = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("feeds", sa.Column("colour", sa.String(), nullable=False, server_default="blue"))
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("sqlite:", tmp_path)
    yield store
    store.close()


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


def test_start_up_leaves_alembic_alone_when_the_schema_is_in_force(tmp_path: Path) -> None:
    open_store("sqlite:", tmp_path).close()
    code = (
        "import sys, pathlib; from daemon.store.opening import open_store;"
        "open_store('sqlite:', pathlib.Path(sys.argv[1])).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env=with_this_code())


def next_schema(folder: Path, step: str = NEXT_STEP) -> Schema:
    shutil.copytree(SCHEMA.steps, folder)
    (folder / "versions" / "0002_next.py").write_text(step)
    return Schema(folder, "0002")


def test_a_migration_keeps_what_is_in_the_store(tmp_path: Path) -> None:
    old = open_store("sqlite:", tmp_path)
    with old.write() as connection:
        upsert(feeds, [feed("a", 7.0)], connection=connection)
    old.close()
    new = open_store("sqlite:", tmp_path, next_schema(tmp_path / "100% steps"))
    with new.read() as connection:
        assert connection.execute(text("SELECT feed_id, next_due, colour FROM feeds")).all() == [("a", 7.0, "blue")]
    new.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    old = open_store("sqlite:", tmp_path)
    with old.write() as connection:
        upsert(feeds, [feed("a", 7.0)], connection=connection)
    old.close()
    before = (tmp_path / FILE).read_bytes()
    broken = next_schema(tmp_path / "steps", NEXT_STEP + '    op.execute("SELECT nonsense")\n')
    with pytest.raises(Unusable, match="was left as it was"):
        open_store("sqlite:", tmp_path, broken)
    assert (tmp_path / FILE).read_bytes() == before
    again = open_store("sqlite:", tmp_path)
    assert due(again) == {"a": 7.0}
    again.close()


def test_an_older_store_is_not_migrated_by_somebody_who_only_reads(tmp_path: Path) -> None:
    open_store("sqlite:", tmp_path).close()
    with pytest.raises(Unusable, match="older Wirewatch"):
        open_for_reading("sqlite:", tmp_path, next_schema(tmp_path / "steps"))
    open_for_reading("sqlite:", tmp_path).close()


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


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from daemon.store.opening import open_store; from daemon.store.tables import feeds\n"
        "store = open_store('sqlite:', pathlib.Path(sys.argv[1]))\n"
        "for number in range(10**9):\n"
        "    with store.write() as c: c.execute(feeds.insert().values("
        "feed_id=str(number), listed=True, next_due=0.0, state=''))\n"
        "    print(number, flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, env=with_this_code())
    assert child.stdout is not None
    for _ in range(20):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    reported = 20 + len(child.stdout.read().splitlines())
    child.wait()
    child.stdout.close()
    store = open_store("sqlite:", tmp_path)
    assert len(due(store)) in (reported, reported + 1)  # the last may have been written and not yet reported
    store.close()


def test_a_full_disk_is_waited_for_and_writes_go_on_when_there_is_space(store: Store) -> None:
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


def test_our_own_mistakes_are_not_waited_for(store: Store) -> None:
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(feeds.insert(), [feed("a"), feed("a")])
    with pytest.raises(OperationalError), store.read() as connection:
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


def test_a_store_opened_for_reading_cannot_write_and_sees_what_the_owner_writes(store: Store, tmp_path: Path) -> None:
    reader = open_for_reading("sqlite:", tmp_path)
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
