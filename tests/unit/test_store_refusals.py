"""What is on disk is never overwritten: each refusal is one sentence, and every byte stays as it was.

Root may write everywhere, so the tests of missing rights run in a child process that gives its rights up first. A
full disk is a limit on the size of files there, which fails a write at the same place.
"""

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.errors import Unusable
from daemon.store.opening import FILE, open_for_reading, open_store
from daemon.store.tables import feeds
from daemon.store.upsert import upsert

Spoil = Callable[[Path], None]

CHILD = """
import os, resource, sys
from pathlib import Path
import alembic.command, alembic.config, alembic.script, sqlalchemy.dialects.sqlite.pysqlite
import alembic.ddl.sqlite, daemon.store.tables, daemon.store.migrations.versions
from daemon.errors import Unusable
from daemon.store.opening import open_for_reading, open_store

if sys.argv[2] == "no rights" and os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
if sys.argv[2] == "no space":
    resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))
try:
    open_store("sqlite:", Path(sys.argv[1]))
except Unusable as error:
    print(error)
else:
    print("opened")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where another user gets to: pytest's own folders are closed to everybody else."""
    with tempfile.TemporaryDirectory(prefix="wirewatch-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


def in_a_child(data_dir: Path, with_: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(
        [sys.executable, "-c", CHILD, data_dir, with_], check=True, env=environment, capture_output=True, text=True
    ).stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def filled(data_dir: Path) -> Path:
    store = open_store("sqlite:", data_dir)
    rows = [
        {"feed_id": str(number), "listed": True, "next_due": 0.0, "state": "x" * 3000 + str(number)}
        for number in range(100)
    ]
    with store.write() as connection:
        upsert(feeds, rows, connection=connection)
    store.close()
    return data_dir / FILE


def not_a_database(path: Path) -> None:
    path.write_text("Dear diary, nothing happened today. " * 100)


def a_short_note(path: Path) -> None:
    path.write_text("note to self")


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup');")


def of_another_program_with_its_own_mark(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA application_id = 7; CREATE TABLE recipes (name TEXT);")


def of_another_program_that_uses_alembic(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('0001');"
        )


def newer(path: Path) -> None:
    filled(path.parent)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("UPDATE alembic_version SET version_num = '0999'")


def cut_off(path: Path) -> None:
    whole = filled(path.parent).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def overwritten_at_the_start(path: Path) -> None:
    with filled(path.parent).open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(3000))


def overwritten_in_the_middle(path: Path) -> None:
    size = filled(path.parent).stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 20_000)


REFUSALS = [
    (not_a_database, "is not a database: move it away"),
    (a_short_note, "is not a database: move it away"),
    (of_another_program, "belongs to another program: move it away"),
    (of_another_program_with_its_own_mark, "belongs to another program: move it away"),
    (of_another_program_that_uses_alembic, "belongs to another program: move it away"),
    (newer, "written by a newer Wirewatch .*0999.*install that version"),
    (cut_off, "damaged .*restore a backup"),
    (overwritten_at_the_start, "damaged .*restore a backup"),
    (overwritten_in_the_middle, "damaged .*restore a backup"),
]


@pytest.mark.parametrize(("spoil", "sentence"), REFUSALS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_daemon_refuses_and_leaves_every_byte(spoil: Spoil, sentence: str, tmp_path: Path) -> None:
    spoil(tmp_path / FILE)
    before = contents(tmp_path)
    with pytest.raises(Unusable, match=sentence) as refusal:
        open_store("sqlite:", tmp_path)
    assert str(tmp_path / FILE) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert contents(tmp_path)[FILE] == before[FILE]


@pytest.mark.parametrize(
    ("spoil", "sentence"), REFUSALS[:-1], ids=lambda value: getattr(value, "__name__", "")
)  # who only reads does not search the whole file for damage
def test_a_command_that_only_reads_refuses_the_same(spoil: Spoil, sentence: str, tmp_path: Path) -> None:
    spoil(tmp_path / FILE)
    before = contents(tmp_path)
    with pytest.raises(Unusable, match=sentence):
        open_for_reading("sqlite:", tmp_path)
    assert contents(tmp_path)[FILE] == before[FILE]


def test_a_command_that_only_reads_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"no store .* yet: start `wirewatch run`"):
        open_for_reading("sqlite:", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_file_that_a_crash_left_empty_is_used(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with pytest.raises(Unusable, match="still empty"):
        open_for_reading("sqlite:", tmp_path)
    open_store("sqlite:", tmp_path).close()
    open_for_reading("sqlite:", tmp_path).close()


def test_an_unknown_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match='use "sqlite:"'):
        open_store("mysql://somewhere", tmp_path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unusable, match=r"store\.sqlite cannot be opened .*read and write"):
        open_store("sqlite:", tmp_path / "file" / "data")
    assert contents(tmp_path) == {"file": b"in the way"}


def test_a_directory_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    (tmp_path / FILE / "keep").write_text("me")
    with pytest.raises(Unusable, match="cannot be opened"):
        open_store("sqlite:", tmp_path)
    assert contents(tmp_path / FILE) == {"keep": b"me"}


def test_a_read_only_directory_is_refused(open_folder: Path) -> None:
    data_dir = open_folder / "data"
    data_dir.mkdir(mode=0o555)
    said = in_a_child(data_dir, "no rights")
    assert re.search(rf"cannot be written .*give this user the right to write {data_dir}", said)
    assert contents(data_dir) == {}


def test_a_store_that_may_only_be_read_is_refused(open_folder: Path) -> None:
    data_dir = open_folder / "data"
    path = filled(data_dir)
    before = contents(data_dir)
    path.chmod(0o444)
    data_dir.chmod(0o555)
    assert re.search(r"store\.sqlite cannot be opened .*can read and write", in_a_child(data_dir, "no rights"))
    assert contents(data_dir) == before


def test_a_full_disk_is_refused_and_the_next_start_with_space_works(tmp_path: Path) -> None:
    said = in_a_child(tmp_path / "data", "no space")
    assert re.search(r"store\.sqlite cannot be written .*MB free\): free some space", said)
    store = open_store("sqlite:", tmp_path / "data")
    with store.read() as connection:
        assert connection.execute(feeds.select()).all() == []
    store.close()
