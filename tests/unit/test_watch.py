"""Every way in which a file changes under a running daemon."""

import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.errors import Unavailable
from daemon.watch import FolderWatch

PROMISE = 2.0  # seconds until an edit is in force
QUIET = 0.6  # seconds without a call that count as none


class Told:
    """What ``on_change`` was called with, and what the file held then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: queue.Queue[tuple[str, str]] = queue.Queue()
        self.unavailable = 0

    def on_change(self, name: str) -> None:
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable("the store is busy")
        file = self.folder / name
        self.calls.put((name, file.read_text() if file.exists() else "gone"))

    def expect(self, name: str, content: str) -> None:
        started = time.monotonic()
        assert self.calls.get(timeout=PROMISE * 3) == (name, content)  # the promise is for an idle machine
        assert time.monotonic() - started < PROMISE * 3

    def expect_nothing(self) -> None:
        with pytest.raises(queue.Empty):
            self.calls.get(timeout=QUIET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "topics.toml").write_text("one")
    return folder


@contextmanager
def watching(folder: Path) -> Iterator[Told]:
    told = Told(folder)
    watch = FolderWatch(folder, ["topics.toml", "feeds.toml"], told.on_change)
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(5.0)
        assert not thread.is_alive()


def test_a_file_that_is_written_in_place_is_told_once(folder: Path) -> None:
    with watching(folder) as told:
        (folder / "topics.toml").write_text("two")
        told.expect("topics.toml", "two")
        told.expect_nothing()


def test_a_file_that_an_editor_replaces_is_told_again_and_again(folder: Path) -> None:
    with watching(folder) as told:
        for content in ("two", "three", "four"):
            (folder / "4913~").write_text(content)
            (folder / "4913~").rename(folder / "topics.toml")
            told.expect("topics.toml", content)


def test_a_file_that_is_emptied_first_is_told_when_it_is_whole(folder: Path) -> None:
    with watching(folder) as told:
        with (folder / "topics.toml").open("w") as file:
            file.flush()
            os.fsync(file.fileno())
            file.write("whole")
        told.expect("topics.toml", "whole")


def test_a_file_that_is_deleted_and_made_again_is_told(folder: Path) -> None:
    with watching(folder) as told:
        (folder / "topics.toml").unlink()
        told.expect("topics.toml", "gone")
        (folder / "topics.toml").write_text("back")
        told.expect("topics.toml", "back")


def test_a_file_that_comes_later_is_told(folder: Path) -> None:
    with watching(folder) as told:
        (folder / "feeds.toml").write_text("first")
        told.expect("feeds.toml", "first")


def test_a_save_that_changes_nothing_and_other_files_are_not_told(folder: Path) -> None:
    with watching(folder) as told:
        (folder / "topics.toml").write_text("one")
        (folder / ".topics.toml.swp").write_text("x")
        told.expect_nothing()


def test_a_link_whose_target_changes_elsewhere_is_told(tmp_path: Path, folder: Path) -> None:
    real = tmp_path / "elsewhere.toml"
    real.write_text("one")
    (folder / "feeds.toml").symlink_to(real)
    with watching(folder) as told:
        real.write_text("two")
        told.expect("feeds.toml", "two")


def test_a_folder_that_kubernetes_swaps_is_told(folder: Path) -> None:
    for version in ("v1", "v2"):
        (folder / version).mkdir()
        (folder / version / "feeds.toml").write_text(version)
    (folder / "..data").symlink_to("v1")
    (folder / "feeds.toml").symlink_to("..data/feeds.toml")
    with watching(folder) as told:
        (folder / "..new").symlink_to("v2")
        (folder / "..new").rename(folder / "..data")
        told.expect("feeds.toml", "v2")


def test_a_folder_that_is_replaced_as_a_whole_is_still_watched(tmp_path: Path, folder: Path) -> None:
    with watching(folder) as told:
        folder.rename(tmp_path / "old")
        told.expect("topics.toml", "gone")
        folder.mkdir()
        (folder / "topics.toml").write_text("new")
        told.expect("topics.toml", "new")
        (folder / "topics.toml").write_text("newer")
        told.expect("topics.toml", "newer")


def test_an_edit_between_start_up_and_the_first_look_is_told(folder: Path) -> None:
    told = Told(folder)
    watch = FolderWatch(folder, ["topics.toml"], told.on_change)
    (folder / "topics.toml").write_text("two")
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    told.expect("topics.toml", "two")
    stop.set()
    thread.join(5.0)


def test_an_edit_that_could_not_be_taken_yet_is_told_again(folder: Path) -> None:
    with watching(folder) as told:
        told.unavailable = 2
        (folder / "topics.toml").write_text("two")
        told.expect("topics.toml", "two")
