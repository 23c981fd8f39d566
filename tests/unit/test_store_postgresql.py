"""The store on PostgreSQL: who is let in, what is refused with which sentence, and what many do at once."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, select, text

from consumers.matcher import Judged, Score
from consumers.model import Article
from daemon.errors import Unavailable, Unusable
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.migrations import SCHEMA
from daemon.store.opening import open_for_reading, open_store
from daemon.store.postgresql_opening import PostgresDatabase
from daemon.store.tables import articles, feeds, scores
from daemon.store.upsert import upsert
from tests.servers.ports import free_ports
from tests.servers.postgres import PostgresServer
from tests.stores import Place, PostgresPlaces

HERE = Path()


@pytest.fixture
def place(postgres_places: PostgresPlaces, tmp_path: Path) -> Iterator[Place]:
    yield postgres_places(tmp_path)
    postgres_places.give_back()


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database without anything in it."""
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server that asks the user "desk" for its password and lets "stranger" in nowhere."""
    folder = tmp_path_factory.mktemp("guarded")
    server = PostgresServer(folder, durable=False)
    try:
        server.start()
        rules = folder / "data" / "pg_hba.conf"
        asked = "host all desk 127.0.0.1/32 scram-sha-256\nhost all stranger 127.0.0.1/32 reject\n"
        rules.write_text(asked + rules.read_text())
        server_says(server.url("postgres"), "CREATE ROLE desk LOGIN PASSWORD 'open sesame'")
        server_says(server.url("postgres"), "CREATE DATABASE news OWNER desk")
        server_says(server.url("postgres"), "SELECT pg_reload_conf()")
        yield server
    finally:
        server.close()


def server_says(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(sql.SQL(statement))  # type: ignore[arg-type]


def as_user(url: str, user: str) -> str:
    return url.replace("wirewatch@", f"{user}@")


def no_port() -> int:
    (port,) = free_ports(1)
    return port


def opened_by(function: Callable[..., Store], url: str, password: str = "") -> str:
    """What it says against it."""
    with pytest.raises((Unusable, Unavailable)) as refusal:
        function(url, HERE, password=password).close()
    assert "\n" not in str(refusal.value)
    return f"{type(refusal.value).__name__}: {refusal.value}"


# -- the door


@pytest.mark.parametrize("door", [open_store, open_for_reading])
def test_the_right_password_is_let_in_and_every_other_is_refused_without_being_shown(
    guarded: PostgresServer, door: Callable[..., Store]
) -> None:
    url = as_user(guarded.url("news"), "desk")
    open_store(url, HERE, password="open sesame").close()
    door(url, HERE, password="open sesame").close()
    refusal = opened_by(door, url, "sesame open")
    assert "sesame" not in refusal
    assert refusal.startswith('Unusable: the database "news" on 127.0.0.1:')
    assert 'does not let the user "desk" in' in refusal
    assert "password_env or password_file" in refusal
    assert 'wants a password of the user "desk": name it with [store] password_env' in opened_by(door, url)


def test_a_user_whom_the_server_does_not_know_or_let_in_is_named(guarded: PostgresServer) -> None:
    for user in ("nobody-of-that-name", "stranger"):
        refusal = opened_by(open_store, as_user(guarded.url("news"), user))
        assert f'Unusable: the database "news" on 127.0.0.1:{guarded.port} does not let the user "{user}" in' in refusal


def test_a_password_in_the_url_is_refused_and_not_repeated(postgres: PostgresServer) -> None:
    for url in (as_user(postgres.url("x"), "desk:secret"), postgres.url("x?password=secret")):
        refusal = opened_by(open_store, url)
        assert "name it with password_env or password_file" in refusal
        assert "secret" not in refusal


def test_a_url_that_makes_no_sense_is_refused(postgres: PostgresServer) -> None:
    for url in ("postgresql://[", "postgresql://host/db?colour=blue", "postgresql://", "mysql://u:secret@host/db"):
        refusal = opened_by(open_store, url)
        assert "Unusable: [store] url" in refusal
        assert '"postgresql://user@host:5432/database"' in refusal
        assert "secret" not in refusal


def test_a_database_that_is_not_there_is_named_with_the_command_that_makes_it(postgres: PostgresServer) -> None:
    refusal = opened_by(open_store, postgres.url("no%20such"))
    assert f'Unusable: there is no database "no such" on 127.0.0.1:{postgres.port}: make it with CREATE DATABASE' in (
        refusal
    )


def test_a_host_that_is_not_there_is_named() -> None:
    refusal = opened_by(open_store, "postgresql://desk@no-such-host.invalid:5432/news")
    assert 'Unusable: [store] url: there is no host "no-such-host.invalid"' in refusal


def test_a_server_that_is_not_there_is_waited_for() -> None:
    refusal = opened_by(open_store, f"postgresql://desk@127.0.0.1:{no_port()}/news")
    assert "Unavailable: " in refusal
    assert "cannot be reached" in refusal


def test_a_server_without_a_free_connection_is_waited_for(postgres: PostgresServer, empty: str) -> None:
    server_says(empty, "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    refusal = opened_by(open_store, as_user(empty, "crowd"))
    server_says(empty, "DROP ROLE crowd")
    assert refusal.startswith("Unavailable: ")


def test_whoever_may_not_connect_make_tables_or_write_them_is_told_which(postgres: PostgresServer, empty: str) -> None:
    name = empty.rpartition("/")[2]
    server_says(empty, "CREATE ROLE guest LOGIN")
    guest = as_user(empty, "guest")
    assert 'Unusable: the user "guest" has no right to make and write its tables' in opened_by(open_store, guest)
    open_store(empty, HERE).close()
    server_says(empty, "GRANT SELECT ON alembic_version TO guest")
    assert "has no right to write the table alerts" in opened_by(open_store, guest)
    assert "has no right to read the table alerts" in opened_by(open_for_reading, guest)
    server_says(empty, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest")
    assert "has no right to write the table alerts" in opened_by(open_store, guest)
    open_for_reading(guest, HERE).close()
    server_says(empty, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    assert 'Unusable: the user "guest" has no right to connect' in opened_by(open_store, guest)
    server_says(empty, "DROP OWNED BY guest", "DROP ROLE guest")


def test_tables_of_another_program_are_left_alone(empty: str) -> None:
    server_says(empty, "CREATE TABLE recipes (name text)")
    for door in (open_store, open_for_reading):
        assert "holds tables of another program (recipes): give Wirewatch a database of its own" in opened_by(
            door, empty
        )
    server_says(empty, "CREATE TABLE alembic_version AS SELECT '0001' AS version_num")
    assert "tables of another program" in opened_by(open_store, empty)
    with psycopg.connect(empty) as connection:
        tables = connection.execute("SELECT relname FROM pg_stat_user_tables ORDER BY relname").fetchall()
    assert tables == [("alembic_version",), ("recipes",)]


def test_a_schema_of_its_own_is_enough(empty: str) -> None:
    server_says(empty, "CREATE TABLE recipes (name text)", "CREATE SCHEMA watch")
    url = f"{empty}?options=-csearch_path%3Dwatch"
    with closing(open_store(url, HERE)) as store, store.write() as connection:
        upsert(feeds, [{"feed_id": "a", "listed": True, "next_due": 0.0, "state": ""}], connection=connection)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT feed_id FROM watch.feeds").fetchall() == [("a",)]
    assert "has no schema where" in opened_by(open_store, f"{empty}?options=-csearch_path%3Dnowhere")


def test_a_store_written_by_a_newer_wirewatch_is_left_alone(empty: str) -> None:
    open_store(empty, HERE).close()
    server_says(empty, "UPDATE alembic_version SET version_num = '0999'")
    for door in (open_store, open_for_reading):
        refusal = opened_by(door, empty)
        assert f"written by a newer Wirewatch (its schema is 0999, this one knows up to {SCHEMA.head})" in refusal


def test_an_empty_database_is_not_made_by_somebody_who_only_reads(empty: str) -> None:
    assert "is still empty: start `wirewatch run` first" in opened_by(open_for_reading, empty)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT relname FROM pg_stat_user_tables").fetchall() == []


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: PostgresServer) -> None:
    server_says(postgres.url("postgres"), "CREATE DATABASE old ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    refusal = opened_by(open_store, postgres.url("old"))
    postgres.drop(postgres.url("old"))
    assert "holds text as LATIN1" in refusal
    assert "ENCODING 'UTF8'" in refusal


def test_a_server_that_is_too_old_is_refused(empty: str) -> None:
    with pytest.raises(Unusable, match="Wirewatch needs 99 or later"):
        PostgresDatabase(empty, "", 5, oldest=990_000).open(SCHEMA)


def test_a_database_that_only_reads_for_now_is_waited_for(empty: str) -> None:
    name = empty.rpartition("/")[2]
    server_says(empty, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "Unavailable: " in opened_by(open_store, empty)


def test_processes_that_start_at_once_make_the_tables_once(empty: str) -> None:
    code = (
        "import sys, pathlib; from daemon.store.opening import open_store; print('ready', flush=True);"
        "sys.stdin.readline(); open_store(sys.argv[1], pathlib.Path()).close()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, empty]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate()
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    open_for_reading(empty, HERE).close()


# -- many at once


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with closing(place.open()) as store:
        yield store


def feed(feed_id: str, next_due: float = 1.0) -> dict[str, object]:
    return {"feed_id": feed_id, "listed": True, "next_due": next_due, "state": "{}"}


def at_once(*work: Callable[[], None]) -> list[BaseException]:
    """What the threads raised."""
    barrier = threading.Barrier(len(work), timeout=30)
    raised: list[BaseException] = []

    def begin(one: Callable[[], None]) -> None:
        barrier.wait()
        try:
            one()
        except (Unavailable, Unusable) as error:
            raised.append(error)

    threads = [threading.Thread(target=begin, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_several_write_at_once(store: Store) -> None:
    meeting = threading.Barrier(3, timeout=30)

    def write(name: str) -> Callable[[], None]:
        def work() -> None:
            with store.write() as connection:
                upsert(feeds, [feed(name)], connection=connection)
                meeting.wait()  # nobody gets here while somebody else is kept waiting

        return work

    assert at_once(*(write(name) for name in "abc")) == []


def test_who_writes_the_same_rows_in_any_order_never_stands_in_each_others_way(store: Store) -> None:
    names = [str(number) for number in range(100)]

    def write(order: list[str]) -> Callable[[], None]:
        def work() -> None:
            for turn in range(15):
                with store.write() as connection:
                    upsert(feeds, [feed(name, float(turn)) for name in order], connection=connection)

        return work

    assert at_once(write(names), write(names[::-1]), write(names[50:] + names[:50])) == []


def test_a_deadlock_is_undone_for_one_of_the_two_who_may_do_it_again(store: Store) -> None:
    with store.write() as connection:
        upsert(feeds, [feed("a"), feed("b")], connection=connection)
    meeting = threading.Barrier(2, timeout=30)

    def write(first: str, second: str) -> Callable[[], None]:
        def work() -> None:
            with store.write() as connection:
                connection.execute(feeds.update().where(feeds.c.feed_id == first).values(state=first))
                meeting.wait()
                connection.execute(feeds.update().where(feeds.c.feed_id == second).values(state=first))

        return work

    (error,) = at_once(write("a", "b"), write("b", "a"))
    assert isinstance(error, Unavailable)
    with store.read() as connection:
        assert len(set(connection.scalars(select(feeds.c.state)))) == 1  # all of one, nothing of the other


def judged(id_: str, revision: int) -> Judged:
    article = Article(
        id=id_, feed_id="f", source="s", title=f"revision {revision}", text="", seen=1.0, revision=revision
    )
    score = Score(topic_id=f"topic-{revision}", topic_version=1, score=0.5, passage=1, matched=False)
    return Judged(article, f"model-{revision}", np.full((1, 4), revision, np.float16), (score,), ())


def test_the_newest_revision_wins_whoever_comes_last_and_takes_the_scores_of_the_others_along(store: Store) -> None:
    for number in range(25):
        ids = [f"{number}-{place}" for place in range(6)]

        def put(revision: int, ids: list[str] = ids) -> Callable[[], None]:
            return lambda: Archive(store).put([judged(id_, revision) for id_ in ids])

        assert at_once(put(1), put(3), put(2)) == []
        kept = Archive(store).by_id(ids)
        assert {(each.article.revision, each.model, float(each.vectors[0, 0])) for each in kept} == {(3, "model-3", 3)}
    with store.read() as connection:
        assert set(connection.scalars(select(scores.c.topic_id))) == {"topic-3"}
        assert connection.scalar(select(func.count()).select_from(scores)) == 25 * 6


def test_an_article_is_forgotten_whole_or_put_whole(store: Store) -> None:
    archive = Archive(store)
    ids = [str(number) for number in range(20)]

    def put() -> None:
        for revision in range(1, 30):
            archive.put([judged(id_, revision) for id_ in ids])

    def forget() -> None:
        for _ in range(60):
            archive.delete_before(10.0, 15)

    assert at_once(put, forget) == []
    with store.read() as connection:
        kept = set(connection.scalars(select(articles.c.id)))
        assert set(connection.scalars(select(scores.c.article_id))) == kept
    assert {each.article.id for each in archive.by_id(ids)} == kept


def test_what_is_written_is_on_disk_even_where_the_server_is_set_up_to_be_hasty(place: Place) -> None:
    name = place.url.rpartition("/")[2]
    setting = "SELECT current_setting('synchronous_commit'), current_setting('application_name')"
    for value, in_force in (("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")):
        server_says(place.url, f"ALTER DATABASE {name} SET synchronous_commit = {value}")
        with closing(place.open()) as store, store.write() as connection:
            assert tuple(connection.execute(text(setting)).one()) == (in_force, "wirewatch")
    server_says(place.url, f"ALTER DATABASE {name} RESET synchronous_commit")
