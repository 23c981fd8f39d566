"""A daemon whose files are taken away says so, instead of writing to nowhere."""

from pathlib import Path

import pytest

from daemon.errors import Unusable
from daemon.kept_files import KeptFiles


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "data" / "store.sqlite"
    file.parent.mkdir()
    file.write_text("rows")
    return file


def test_files_that_stay_are_fine_whatever_is_written_to_them(file: Path) -> None:
    kept = KeptFiles([file, file.with_name("never-there")])
    file.write_text("other rows")
    kept.check()


def test_a_file_that_is_deleted_moved_or_replaced_is_named(file: Path) -> None:
    kept = KeptFiles([file])
    elsewhere = file.rename(file.with_name("elsewhere"))
    with pytest.raises(Unusable, match=r"store\.sqlite was deleted, moved or replaced"):
        kept.check()
    file.write_text("rows")
    with pytest.raises(Unusable):
        kept.check()
    elsewhere.rename(file)
    kept.check()


def test_a_folder_that_is_taken_away_is_noticed(file: Path) -> None:
    kept = KeptFiles([file])
    file.parent.rename(file.parent.with_name("moved"))
    with pytest.raises(Unusable):
        kept.check()
