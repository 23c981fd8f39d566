"""What only the SQLite log has: the file, what is refused, killing the process, trimming, lag."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.model import ARTICLES, MATCHES, TOPICS
from daemon.errors import Unavailable, Unusable
from daemon.log import Tombstone
from daemon.log.opening import open_log
from daemon.log.sqlite import SqliteLog
from daemon.log.sqlite_file import APPLICATION_ID, LogFile
from tests.fake_log import FakeClock, FakeQuarantine, article, articles, topic


def opened(path: Path, clock: FakeClock | None = None) -> SqliteLog:
    return SqliteLog(path, quarantine=FakeQuarantine(), clock=clock or FakeClock(), patience=0.05)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def log(path: Path, clock: FakeClock) -> Iterator[SqliteLog]:
    log = opened(path, clock)
    yield log
    log.close()


def read_all(log: SqliteLog, group: str = "match") -> list[str]:
    with closing(log.reader(ARTICLES, group)) as reader:
        ids = [one.id for one in reader.read(10_000, 0.0)]
        reader.commit()
    return ids


# -- opening


def test_the_url_sqlite_is_a_file_in_the_data_directory(tmp_path: Path) -> None:
    log = open_log("sqlite:", tmp_path / "new" / "data", quarantine=FakeQuarantine(), clock=FakeClock())
    log.append(ARTICLES, articles(1))
    log.close()
    assert (tmp_path / "new" / "data" / "log.sqlite").is_file()


def test_another_url_is_refused_without_telling_its_password(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match='write url = "sqlite:"') as refusal:
        open_log("nats://user:hunter2@host", tmp_path, quarantine=FakeQuarantine(), clock=FakeClock())
    assert "hunter2" not in str(refusal.value)


def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="cannot be created"):
        open_log("sqlite:", tmp_path / "file" / "data", quarantine=FakeQuarantine(), clock=FakeClock())


def test_the_file_says_whose_it_is_and_is_written_safely(path: Path, log: SqliteLog) -> None:
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with closing(LogFile(path)) as other, other.write() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_the_file_says_whose_it_is_even_before_the_first_checkpoint(path: Path, log: SqliteLog) -> None:
    assert int.from_bytes(path.read_bytes()[68:72], "big") == APPLICATION_ID


@contextmanager
def refused_and_untouched(path: Path, match: str) -> Iterator[None]:
    before = path.read_bytes()
    with pytest.raises(Unusable, match=match) as refusal:
        yield
    assert path.read_bytes() == before
    assert "\n" not in str(refusal.value)


def test_a_text_file_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("my notes\n" * 100)
    with refused_and_untouched(path, "is not a Wirewatch log: move it away"):
        opened(path)


def test_the_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE bookmarks (url TEXT)")
    with refused_and_untouched(path, "belongs to another program"):
        opened(path)


def test_a_log_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 2")
    with refused_and_untouched(path, r"newer Wirewatch \(version 2, this one knows 1\): run the newer one"):
        opened(path)


def test_a_damaged_file_is_refused_and_left_alone(path: Path) -> None:
    log = opened(path)
    log.append(ARTICLES, articles(1_000))
    log.close()
    data = bytearray(path.read_bytes())
    data[100:] = b"\xa5" * (len(data) - 100)
    path.write_bytes(data)
    with refused_and_untouched(path, "is damaged: restore it from a backup, or move it"):
        opened(path)


def test_a_truncated_file_is_refused_and_left_alone(path: Path) -> None:
    log = opened(path)
    log.append(ARTICLES, articles(1_000))
    log.close()
    path.write_bytes(path.read_bytes()[:5_000])
    with refused_and_untouched(path, "is damaged"):
        opened(path)


def test_damage_that_is_met_later_says_what_to_do(path: Path) -> None:
    log = opened(path)
    log.append(ARTICLES, articles(2_000))
    log.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8 * 4096] = b"\xa5" * 8 * 4096
    path.write_bytes(data)
    log = opened(path)
    with pytest.raises(Unusable, match="is damaged"):
        read_all(log)
    log.close()


def test_an_empty_file_becomes_a_log(path: Path) -> None:
    path.touch()
    log = opened(path)
    log.append(ARTICLES, articles(1))
    assert read_all(log) == ["a0"]
    log.close()


def test_a_directory_in_the_file_s_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(Unusable, match="cannot be read"):
        opened(path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach: pytest's own are for one user."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def as_somebody_without_rights() -> Iterator[None]:
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_read_only_directory_is_refused(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with as_somebody_without_rights(), pytest.raises(Unusable, match="cannot be written: give Wirewatch's user"):
        opened(open_folder / "log.sqlite")
    assert list(open_folder.iterdir()) == []


def test_a_log_that_may_only_be_read_is_refused_and_left_alone(open_folder: Path) -> None:
    path = open_folder / "log.sqlite"
    log = opened(path)
    log.append(ARTICLES, articles(3))
    log.close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    with as_somebody_without_rights(), refused_and_untouched(path, "cannot be written"):
        opened(path)


def test_a_file_in_use_by_another_program_is_refused(path: Path) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unusable, match="in use by another program"):
            opened(path)


# -- outages


def test_a_full_database_is_an_outage_that_ends_when_there_is_room(path: Path) -> None:
    file = LogFile(path)
    with file.write() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 10}")
    insert = "INSERT INTO records (stream, appended, payload) VALUES ('articles', 0, zeroblob(200000))"
    with pytest.raises(Unavailable, match="full"), file.write() as connection:
        connection.execute(insert)
    with file.write() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    with file.write() as connection:
        connection.execute(insert)
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (1,)
    file.close()


@contextmanager
def disk_that_refuses_bytes_after(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_refuses_bytes_is_an_outage_that_loses_and_doubles_nothing(path: Path, log: SqliteLog) -> None:
    log.append(ARTICLES, articles(10, "before"))
    used = path.with_name("log.sqlite-wal").stat().st_size
    with disk_that_refuses_bytes_after(used + 10_000):
        for _ in range(3):
            with pytest.raises(Unavailable):
                log.append(ARTICLES, articles(200, "during", text="x" * 2_000))
    log.append(ARTICLES, articles(200, "during", text="x" * 2_000))
    log.append(ARTICLES, [article("after")])
    assert read_all(log) == [
        *(f"before{number}" for number in range(10)),
        *(f"during{number}" for number in range(200)),
        "after",
    ]


def test_a_closed_log_says_so(log: SqliteLog) -> None:
    reader = log.reader(ARTICLES, "match")
    log.close()
    with pytest.raises(Unavailable, match="closed"):
        log.append(ARTICLES, articles(1))
    with pytest.raises(Unavailable, match="closed"):
        reader.read(1, 0.0)


# -- other processes, and the end of this one

APPEND_UNTIL_KILLED = """
import sys
from pathlib import Path
from consumers.model import ARTICLES
from daemon.log.sqlite import SqliteLog
from tests.fake_log import FakeClock, FakeQuarantine, articles

log = SqliteLog(Path(sys.argv[1]), quarantine=FakeQuarantine(), clock=FakeClock())
for number in range(int(sys.argv[2])):
    log.append(ARTICLES, articles(5, f"batch{number}-", text="x" * 2_000))
    print(number, flush=True)
"""


def appending_process(path: Path, batches: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPEND_UNTIL_KILLED, str(path), str(batches)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.parametrize("acknowledgements", [1, 7, 150])
def test_what_was_acknowledged_survives_a_kill(path: Path, acknowledgements: int) -> None:
    with appending_process(path, 1_000_000) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(acknowledgements)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    log = opened(path)
    found = read_all(log)
    log.close()
    assert len(found) % 5 == 0  # an append is there whole or not at all
    assert found == [f"batch{number}-{one}" for number in range(len(found) // 5) for one in range(5)]
    assert len(found) // 5 >= len(acknowledged)


def test_a_reader_sees_what_another_process_appends(path: Path, log: SqliteLog) -> None:
    reader = log.reader(ARTICLES, "match")
    assert list(reader.read(10, 0.0)) == []
    with appending_process(path, 1) as process:
        assert [one.id for one in reader.read(10, 60.0)] == [f"batch0-{number}" for number in range(5)]
        assert process.wait(30) == 0


# -- lag and trim


def test_lag_counts_what_a_group_has_yet_to_commit(log: SqliteLog) -> None:
    assert log.lag() == {}
    reader = log.reader(ARTICLES, "match")
    reader.read(1, 0.0)
    log.append(ARTICLES, articles(5))
    reader.read(2, 0.0)
    assert log.lag() == {("articles", "match"): 5}
    reader.commit()
    log.reader(MATCHES, "alert").read(1, 0.0)
    assert log.lag() == {("articles", "match"): 3, ("matches", "alert"): 0}


def test_poison_at_the_end_of_a_stream_is_not_counted_as_lag(log: SqliteLog) -> None:
    reader = log.reader(ARTICLES, "match")
    reader.read(1, 0.0)
    log.append(replace(ARTICLES, schema=ARTICLES.schema + 1), [article("of a newer version")])
    assert list(reader.read(10, 0.0)) == []
    assert log.lag() == {("articles", "match"): 0}


def test_trim_removes_what_is_old_and_done(log: SqliteLog, clock: FakeClock) -> None:
    log.append(ARTICLES, articles(1_200, "old"))
    clock.forward(3_600)
    log.append(ARTICLES, articles(3, "new"))
    read_all(log)
    assert log.trim(clock.now() - 60) == 1_200
    assert log.trim(clock.now() - 60) == 0
    assert read_all(log, "audit") == ["new0", "new1", "new2"]


def test_trim_waits_for_the_slowest_group(log: SqliteLog, clock: FakeClock) -> None:
    log.append(ARTICLES, articles(10))
    read_all(log)
    slow = log.reader(ARTICLES, "audit")
    slow.read(4, 0.0)
    slow.commit()
    slow.close()
    assert log.trim(clock.now() + 1) == 4
    assert read_all(log, "audit") == [f"a{number}" for number in range(4, 10)]


def test_trim_leaves_what_nobody_has_ever_read(log: SqliteLog, clock: FakeClock) -> None:
    log.append(ARTICLES, articles(3))
    assert log.trim(clock.now() + 1) == 0
    assert len(read_all(log)) == 3


def test_a_group_that_trimming_emptied_reads_what_comes_next(path: Path, clock: FakeClock) -> None:
    log = opened(path, clock)
    log.append(ARTICLES, articles(3))
    read_all(log)
    assert log.trim(clock.now() + 1) == 3
    log.close()
    log = opened(path, clock)
    log.append(ARTICLES, [article("next")])
    assert read_all(log) == ["next"]
    log.close()


def test_trim_keeps_a_compacted_stream_and_drops_its_old_tombstones(log: SqliteLog, clock: FakeClock) -> None:
    log.append(TOPICS, [topic("floods"), topic("fires"), topic("fires", "again")])
    log.append(TOPICS, [Tombstone("floods")])
    clock.forward(3_600)
    log.append(TOPICS, [Tombstone("recent")])
    log.reader(TOPICS, "audit").read(10, 0.0)
    assert log.trim(clock.now() - 60) == 1
    assert log.table(TOPICS).changes(0.0) == {"fires": topic("fires", "again")}


def test_a_tombstone_needs_a_compacted_stream(log: SqliteLog) -> None:
    with pytest.raises(ValueError, match="not compacted"):
        log.append(ARTICLES, [Tombstone("a")])


def test_appending_goes_on_while_trimming(log: SqliteLog, clock: FakeClock) -> None:
    log.append(ARTICLES, articles(5_000, "old", text="x" * 2_000))
    read_all(log)
    trimming = threading.Thread(target=log.trim, args=(clock.now() + 1,))
    trimming.start()
    appended = 0
    while trimming.is_alive():
        log.append(ARTICLES, [article(f"new{appended}")])
        appended += 1
    trimming.join()
    assert appended > 5  # more than one between two steps of ten
    log.trim(clock.now() + 1)
    assert read_all(log) == [f"new{number}" for number in range(appended)]
