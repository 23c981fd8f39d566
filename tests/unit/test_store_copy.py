"""An install moves to PostgreSQL: the same rows, whatever happens on the way, and nothing is left behind unsaid."""

import random
import signal
import string
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from sqlalchemy import Table, delete, insert, select, update
from typer.testing import CliRunner, Result

from consumers.model import ARTICLES, Article
from daemon.cli import store as store_commands
from daemon.clock import SystemClock
from daemon.control import own
from daemon.errors import Unusable
from daemon.log.opening import open_log
from daemon.store import Store
from daemon.store.copy import CHUNK, tables
from daemon.store.opening import open_for_reading, open_store
from daemon.store.tables import articles, feeds, leases, metadata, scores, seen_items, topics_applied, workers
from daemon.store.types import String
from daemon.store.upsert import upsert
from tests.servers.postgres import PostgresServer

ROWS = 2 * CHUNK + 7


@pytest.fixture
def target(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database."""
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of an install that has run: every kind of row, some kinds in several chunks."""
    folder = tmp_path / "data"
    chance = random.Random(7)
    with closing(open_store("sqlite:", folder)) as store, store.write() as connection:
        for table in metadata.sorted_tables:
            count = ROWS if table in (scores, seen_items) else 40
            upsert(table, [a_row(table, chance) for _ in range(count)], connection=connection)
    return folder


def a_row(table: Table, chance: random.Random) -> dict[str, Any]:
    letters = string.ascii_letters + string.digits + " _-%äßé中😀\n'\\"

    def value(column: Any) -> object:
        if isinstance(column.type, String):
            return "".join(chance.choices(letters, k=chance.randrange(1, 30)))
        kind = column.type.python_type
        if column.nullable and chance.random() < 0.3:
            return None
        if kind is bool:
            return chance.random() < 0.5
        if kind is bytes:
            return chance.randbytes(chance.randrange(50))
        return chance.randrange(10**6) if kind is int else chance.uniform(-1e9, 1e10)

    return {column.name: value(column) for column in table.columns}


def command(tmp_path: Path, *words: str) -> Result:
    """``wirewatch store``, with the configuration in ``tmp_path``."""
    app = typer.Typer()
    app.add_typer(store_commands.app, name="store")

    @app.callback()
    def root(_config: str = typer.Option("", "--config")) -> None:
        pass

    return CliRunner().invoke(app, ["--config", str(tmp_path), "store", *words])


def copied(tmp_path: Path, target: str, *words: str) -> Result:
    done = command(tmp_path, "copy", "--to", target, *words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def refused(tmp_path: Path, target: str, *words: str) -> str:
    done = command(tmp_path, "copy", "--to", target, *words)
    assert done.exit_code == 1, (done.output, done.exception)
    assert done.stderr.count("\n") == 1
    return done.stderr


def kept(store: Store, table: Table) -> Sequence[tuple[Any, ...]]:
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]


def assert_equal(data: Path, target: str) -> None:
    with closing(open_for_reading("sqlite:", data)) as old, closing(open_for_reading(target, data)) as new:
        for table in tables():
            assert kept(new, table) == kept(old, table), table.name
        for table in (workers, leases, topics_applied):
            assert kept(new, table) == []


def fingerprint(target: str) -> set[tuple[object, ...]]:
    """Changes with every row that is written, also with the same values."""
    with psycopg.connect(target) as connection:
        return {
            (table.name, *row)
            for table in tables()
            for row in connection.execute(f"SELECT ctid::text, xmin::text FROM {table.name}").fetchall()  # type: ignore[arg-type]
        }


def test_every_row_arrives_and_those_of_processes_stay(data: Path, target: str, tmp_path: Path) -> None:
    done = copied(tmp_path, target)
    assert_equal(data, target)
    assert "Now set [store] url" in done.stdout
    assert "rows (" in done.stderr  # no terminal: plain lines
    with closing(open_store(target, tmp_path)) as store, store.write() as connection:
        connection.execute(delete(feeds))  # it is a store like any other now


def test_copied_again_nothing_changes(data: Path, target: str, tmp_path: Path) -> None:
    copied(tmp_path, target)
    before = fingerprint(target)
    assert "nothing was changed" in copied(tmp_path, target).stdout
    assert fingerprint(target) == before


def test_characters_that_postgresql_cannot_hold_are_replaced_and_are_no_difference_afterwards(
    target: str, tmp_path: Path
) -> None:
    with closing(open_store("sqlite:", tmp_path / "data")) as store, store.write() as connection:
        connection.execute(insert(feeds).values(feed_id="a", listed=True, next_due=0.0, state="nul \0 here"))
    copied(tmp_path, target)
    assert "nothing was changed" in copied(tmp_path, target).stdout
    with closing(open_for_reading(target, tmp_path)) as store:
        assert kept(store, feeds) == [("a", True, 0.0, "nul \ufffd here")]


def test_killed_at_any_moment_it_goes_on_and_ends_equal(data: Path, target: str, tmp_path: Path) -> None:
    code = (
        "import sys; from daemon.cli import store; import typer\n"
        "app = typer.Typer(); app.add_typer(store.app, name='store')\n"
        "@app.callback()\n"
        "def root(_config: str = typer.Option('', '--config')): pass\n"
        "app()"
    )
    line = [sys.executable, "-c", code, "--config", str(tmp_path), "store", "copy", "--to", target]
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    sizes = []
    for wanted in (40, 1_000, ROWS + 200):
        process = subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and rows_in(target) < wanted and time.monotonic() < deadline:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        sizes.append(rows_in(target))
        if not is_whole(data, target):
            for door in (open_store, open_for_reading):
                with pytest.raises(Unusable, match=r"run `wirewatch store copy` once more"):
                    door(target, tmp_path)
    assert sizes == sorted(sizes)  # it went on
    copied(tmp_path, target)
    assert_equal(data, target)


def rows_in(target: str) -> int:
    with psycopg.connect(target) as connection:
        made = connection.execute("SELECT to_regclass('workers')").fetchall()
        if made == [(None,)]:
            return 0
        return sum(
            connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()[0][0]  # type: ignore[arg-type]
            for table in tables()
        )


def is_whole(data: Path, target: str) -> bool:
    with closing(open_for_reading("sqlite:", data)) as old:
        return rows_in(target) == sum(len(kept(old, table)) for table in tables())


def test_what_changed_between_two_attempts_is_brought_up_to_date(data: Path, target: str, tmp_path: Path) -> None:
    copied(tmp_path, target)
    with psycopg.connect(target, autocommit=True) as connection:  # as if the first attempt had been cut short
        row = connection.execute("SELECT obj_description('alembic_version'::regclass)").fetchall()
        assert row == [("Wirewatch",)]
        origin = store_commands._origin(data)
        connection.execute(f"COMMENT ON TABLE alembic_version IS 'Wirewatch, not finished: a copy of {origin}'")  # type: ignore[arg-type]
        connection.execute("DELETE FROM scores WHERE score > 0")
    with closing(open_store("sqlite:", data)) as old, old.write() as connection:
        connection.execute(update(feeds).values(state="polled again"))
        gone = select(seen_items.c.article_id).order_by(seen_items.c.article_id).limit(30)
        connection.execute(delete(seen_items).where(seen_items.c.article_id.in_(gone)))
        connection.execute(delete(articles))
        connection.execute(insert(feeds).values(feed_id="\x01first", listed=True, next_due=0.0, state=""))
        connection.execute(insert(feeds).values(feed_id="\U0010ffff last", listed=True, next_due=0.0, state=""))
    copied(tmp_path, target)
    assert_equal(data, target)


def test_a_store_that_has_a_life_of_its_own_is_not_written_over(data: Path, target: str, tmp_path: Path) -> None:
    with closing(open_store(target, tmp_path)) as store, store.write() as connection:
        connection.execute(insert(feeds).values(feed_id="its own", listed=True, next_due=0.0, state=""))
    before = fingerprint(target)
    assert "holds other data (in the table" in refused(tmp_path, target)
    assert fingerprint(target) == before
    with closing(open_store(target, tmp_path)):
        pass


def test_a_database_of_another_program_or_of_another_copy_is_refused(data: Path, target: str, tmp_path: Path) -> None:
    copied(tmp_path, target)
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("COMMENT ON TABLE alembic_version IS 'Wirewatch, not finished: a copy of something'")
    assert "a part of a copy of another store" in refused(tmp_path, target)
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("COMMENT ON TABLE alembic_version IS NULL")
    assert "tables of another program" in refused(tmp_path, target)


def test_a_store_that_was_made_and_never_used_is_a_good_target(data: Path, target: str, tmp_path: Path) -> None:
    open_store(target, tmp_path).close()
    copied(tmp_path, target)
    assert_equal(data, target)


def test_while_a_daemon_owns_the_folder_nothing_is_copied(data: Path, target: str, tmp_path: Path) -> None:
    with own(data, address="", clock=SystemClock()):
        assert "stop that one first" in refused(tmp_path, target)
    assert rows_in(target) == 0


def test_records_that_somebody_has_still_to_read_are_not_left_behind_unsaid(
    data: Path, target: str, tmp_path: Path
) -> None:
    def never(letters: object) -> None:
        raise AssertionError

    with closing(open_log("sqlite:", data, quarantine=never, clock=SystemClock())) as log:
        log.append(ARTICLES, [Article(id=id_, feed_id="f", source="s", title="t", seen=1.0) for id_ in "abcd"])
        with closing(log.reader(ARTICLES, "matcher")) as reader:
            reader.read(1, timeout=0.0)
            reader.commit()
    said = refused(tmp_path, target)
    assert "matcher has 3 of articles to do" in said
    assert "run the daemon once more until `wirewatch status` shows nothing behind, or give --yes" in said
    assert rows_in(target) == 0
    copied(tmp_path, target, "--yes")
    assert_equal(data, target)


def test_another_folder_can_be_named_and_one_without_a_store_is_refused(
    data: Path, target: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    data.rename(elsewhere)
    assert "there is no store in" in refused(tmp_path, target)
    copied(tmp_path, target, "--from", f"sqlite:{elsewhere}")
    assert_equal(elsewhere, target)


def test_a_password_on_the_command_line_is_refused(data: Path, target: str, tmp_path: Path) -> None:
    said = refused(tmp_path, target.replace("wirewatch@", "wirewatch:secret@"))
    assert "password_env or password_file" in said
    assert "secret" not in said


def test_the_password_of_the_settings_is_used_before_their_url_is_changed(
    data: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("guarded")
    server = PostgresServer(folder, durable=False)
    try:
        server.start()
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text("host all desk 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE desk LOGIN PASSWORD 'open sesame'")
            connection.execute("CREATE DATABASE news OWNER desk")
            connection.execute("SELECT pg_reload_conf()")
        url = server.url("news").replace("wirewatch@", "desk@")
        assert "wants a password" in refused(tmp_path, url)
        (tmp_path / "secret").write_text("open sesame\n")
        (tmp_path / "wirewatch.toml").write_text('[store]\npassword_file = "secret"\n')
        copied(tmp_path, url)
    finally:
        server.close()
