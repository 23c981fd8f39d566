"""PostgreSQL goes away, hangs or restarts under an open store: nobody waits for ever, and it goes on by itself."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import func, select, text

from daemon.errors import Unavailable
from daemon.store import Store
from daemon.store.migrations import SCHEMA, Schema
from daemon.store.opening import open_store
from daemon.store.postgresql_opening import PostgresDatabase
from daemon.store.tables import feeds
from daemon.store.upsert import upsert
from tests.servers.postgres import PostgresServer

PATIENCE = 1.0  # seconds; ten in use
CONNECT = 5.0  # seconds for a new connection


class Patient:
    """A server of this file's own, to be hurt."""

    def __init__(self, folder: Path) -> None:
        self.server = PostgresServer(folder, durable=False)
        self._pid_file = folder / "data" / "postmaster.pid"

    def make_standby(self) -> None:
        """One of a server that is gone: it only reads."""
        self.server.stop()
        (self._pid_file.parent / "standby.signal").touch()
        self.server.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Every process of it is stopped; the kernel still answers for it."""
        main = psutil.Process(int(self._pid_file.read_text().split()[0]))
        processes = [main, *main.children(recursive=True)]
        _signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(processes, signal.SIGCONT)


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):  # the process of a connection that has ended
            os.kill(process.pid, number)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    patient = Patient(tmp_path_factory.mktemp("patient"))
    try:
        patient.server.start()
        yield patient
    finally:
        patient.server.close()


@pytest.fixture
def url(patient: Patient) -> Iterator[str]:
    url = patient.server.database()
    yield url
    patient.server.drop(url)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(PostgresDatabase(url, "", 5, patience=PATIENCE).open(SCHEMA)) as store:
        yield store


def put(store: Store, name: str, *, and_then: Callable[[], object] = lambda: None) -> None:
    """``and_then`` is done before the commit."""
    with store.write() as connection:
        upsert(feeds, [{"feed_id": name, "listed": True, "next_due": 0.0, "state": ""}], connection=connection)
        and_then()


def count(store: Store) -> int:
    with store.read() as connection:
        return connection.scalar(select(func.count()).select_from(feeds)) or 0


def process_of(store: Store) -> int:
    """Of the server: another one for another connection."""
    with store.read() as connection:
        return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def fill_the_pool(store: Store) -> None:
    """Every connection is open, and waits to be used again."""
    meeting = threading.Barrier(5, timeout=30)

    def hold() -> None:
        with store.read() as connection:
            connection.execute(text("SELECT 1"))
            meeting.wait()

    threads = [threading.Thread(target=hold) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def end_connections(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).rowcount


def test_connections_that_were_closed_while_they_waited_are_noticed_by_nobody(store: Store, url: str) -> None:
    fill_the_pool(store)
    assert end_connections(url) == 5
    for number in range(10):
        put(store, str(number))
    assert count(store) == 10


def test_a_restart_is_noticed_only_by_those_who_were_at_it(store: Store, patient: Patient) -> None:
    fill_the_pool(store)

    def restart() -> None:
        patient.server.stop()
        patient.server.start()

    with pytest.raises(Unavailable):
        put(store, "lost", and_then=restart)
    assert count(store) == 0
    put(store, "a")
    fill_the_pool(store)
    assert count(store) == 1


def test_after_a_restart_nobody_is_told_twice(store: Store, patient: Patient) -> None:
    """Whoever was at it is told once; whatever is begun when the server is back succeeds."""
    fill_the_pool(store)
    stop, back = threading.Event(), threading.Event()
    told: list[bool] = []  # whether the server was back when the work began
    done = threading.Semaphore(0)

    def work(name: str) -> None:
        while not stop.is_set():
            begun_after = back.is_set()
            try:
                put(store, name)
            except Unavailable:
                told.append(begun_after)
            else:
                done.release()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert done.acquire(timeout=30)
    patient.server.stop()
    patient.server.start()
    back.set()
    for _ in range(200):
        assert done.acquire(timeout=30)
    stop.set()
    for thread in threads:
        thread.join()
    assert False in told
    assert True not in told
    assert count(store) == 4


def test_what_was_written_is_there_after_kill_9_of_the_server(store: Store, patient: Patient) -> None:
    """This one is set up to answer first, and to write its log ten seconds later."""
    with psycopg.connect(patient.server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        connection.execute("SELECT pg_reload_conf()")
    for number in range(30):
        put(store, str(number))
    patient.server.kill()
    patient.server.start()
    assert count(store) == 30
    with psycopg.connect(patient.server.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")


def test_while_the_server_is_away_everybody_is_told_at_once_and_afterwards_all_goes_on(
    store: Store, patient: Patient
) -> None:
    put(store, "before")
    patient.server.stop()
    try:
        for _ in range(3):
            before = time.monotonic()
            with pytest.raises(Unavailable):
                put(store, "meanwhile")
            with pytest.raises(Unavailable):
                count(store)
            assert time.monotonic() - before < 2 * PATIENCE
    finally:
        patient.server.start()
    put(store, "after")
    assert count(store) == 2


def test_a_server_that_hangs_in_a_statement_or_before_one_is_given_up(store: Store, patient: Patient) -> None:
    put(store, "before")
    before = time.monotonic()

    def delete_while_it_hangs() -> None:
        with store.write() as connection:
            connection.execute(feeds.delete())
            with patient.paused():
                connection.execute(feeds.delete())

    with pytest.raises(Unavailable):
        delete_while_it_hangs()
    with patient.paused(), pytest.raises(Unavailable):
        put(store, "meanwhile")
    assert time.monotonic() - before < CONNECT + 3 * PATIENCE
    assert count(store) == 1
    put(store, "after")
    assert count(store) == 2


def test_a_server_that_hangs_at_the_commit_is_given_up(store: Store, patient: Patient) -> None:
    with ExitStack() as stack, pytest.raises(Unavailable):
        put(store, "a", and_then=lambda: stack.enter_context(patient.paused()))
    put(store, "a")  # whether it was done is open, so it is done again
    assert count(store) == 1


def test_a_server_that_hangs_at_the_start_is_waited_for(url: str, patient: Patient) -> None:
    before = time.monotonic()
    with patient.paused(), pytest.raises(Unavailable, match="does not answer"):
        open_store(url, Path())
    assert time.monotonic() - before < 10


def test_a_statement_that_takes_too_long_is_stopped_by_the_server(store: Store, url: str) -> None:
    with pytest.raises(Unavailable, match="statement timeout"), store.read() as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    with psycopg.connect(url) as connection:
        busy = "SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        assert connection.execute(busy + " AND datname = current_database()").fetchall() == []


def test_a_lock_that_is_held_too_long_is_waited_for_and_the_work_undone(store: Store, url: str) -> None:
    put(store, "a")
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM feeds FOR UPDATE")
        with pytest.raises(Unavailable):
            put(store, "a")
    put(store, "a")


def test_more_who_ask_than_connections_wait_their_turn_and_no_longer_than_patience(store: Store) -> None:
    held = threading.Barrier(6, timeout=30)
    released = threading.Event()

    def hold() -> None:
        with store.read():
            held.wait()
            released.wait(30)

    threads = [threading.Thread(target=hold) for _ in range(5)]
    for thread in threads:
        thread.start()
    held.wait()
    with pytest.raises(Unavailable, match="every connection is busy"):
        count(store)
    released.set()
    for thread in threads:
        thread.join()
    assert count(store) == 0


def test_a_standby_is_read_and_waited_for_until_it_takes_over(store: Store, patient: Patient, url: str) -> None:
    put(store, "before")
    patient.make_standby()
    first = process_of(store)
    assert process_of(store) == first
    with pytest.raises(Unavailable):
        put(store, "meanwhile")
    assert process_of(store) != first  # whoever has taken over may be reached by a new connection only
    assert count(store) == 1
    with pytest.raises(Unavailable, match="is a standby"):
        open_store(url, Path())
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_promote()").fetchall() == [(True,)]
    put(store, "after")
    assert count(store) == 2


def test_a_migration_may_take_longer_than_patience(url: str, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    shutil.copytree(SCHEMA.steps, steps)
    head = f"{int(SCHEMA.head) + 1:04}"
    (steps / "versions" / "slow.py").write_text(
        f'from alembic import op\n\nrevision = "{head}"\ndown_revision = "{SCHEMA.head}"\n\n\n'
        f'def upgrade() -> None:\n    op.execute("SELECT pg_sleep({2 * PATIENCE})")\n'
    )
    PostgresDatabase(url, "", 5, patience=PATIENCE).open(Schema(steps, head)).close()
