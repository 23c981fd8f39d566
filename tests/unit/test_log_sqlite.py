"""What only the SQLite log has: outages of a disk, other processes, killing this one, lag and trimming."""

import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.model import ARTICLES, MATCHES, TOPICS
from daemon.errors import Unavailable
from daemon.log import Tombstone
from daemon.log.sqlite import SqliteLog
from daemon.log.sqlite_file import LogFile
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
    log.append(ARTICLES, articles(10_000, "old", text="x" * 2_000))
    read_all(log)
    trimming = threading.Thread(target=log.trim, args=(clock.now() + 1,))
    trimming.start()
    appended = 0
    while trimming.is_alive():
        log.append(ARTICLES, [article(f"new{appended}")])
        appended += 1
    trimming.join()
    assert appended > 3  # it got its turn between the twenty steps
    log.trim(clock.now() + 1)
    assert read_all(log) == [f"new{number}" for number in range(appended)]
