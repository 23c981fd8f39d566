"""The log's file: what is opened, what is refused, and that nothing is overwritten."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from consumers.model import ARTICLES
from daemon.errors import Unusable
from daemon.log.opening import open_log
from daemon.log.sqlite import SqliteLog
from daemon.log.sqlite_file import APPLICATION_ID, LogFile
from tests.fake_log import FakeClock, FakeQuarantine, articles


def opened(path: Path) -> SqliteLog:
    return SqliteLog(path, quarantine=FakeQuarantine(), clock=FakeClock(), patience=0.05)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    log = opened(path)
    yield log
    log.close()


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
        log.reader(ARTICLES, "match").read(10_000, 0.0)
    log.close()


def test_an_empty_file_becomes_a_log(path: Path) -> None:
    path.touch()
    log = opened(path)
    log.append(ARTICLES, articles(1))
    assert log.reader(ARTICLES, "match").read(10, 0.0) == articles(1)
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
