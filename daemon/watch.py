"""Says which files of a folder changed, within a second or two, wherever they lie.

The kernel's notice is only what makes it quick. What counts is a look at the files themselves, at least once a second:
network file systems, bind mounts and the targets of symbolic links (Kubernetes swaps a link to a whole folder) give no
notice at all.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from watchfiles import watch

from daemon.errors import Unavailable

LOOK = 1.0  # seconds between looks without notice
SETTLE = 0.1  # seconds that a file has to stay the same: some editors empty it first and write it then
STEADY = 20  # looks after which a file that never rests is taken as it is

Mark = tuple[int, int, int] | None  # None: there is no such file


def _nothing() -> None:
    """Where nobody counts the looks."""


class FolderWatch:
    """Calls ``on_change(name)`` from the thread that runs it, one call at a time.

    To be made before the files are read for the first time: then no edit falls between. A call that raises
    ``Unavailable`` is made again at the next look.
    """

    def __init__(self, folder: Path, names: Sequence[str], on_change: Callable[[str], None]) -> None:
        self._folder = folder
        self._names = tuple(names)
        self._on_change = on_change
        self._marks = {name: self._mark(name) for name in self._names}
        self._told = {name: self._digest(name) for name in self._names}

    def run(self, stop: threading.Event, *, each_look: Callable[[], None] = _nothing) -> None:
        """Until ``stop`` is set. What changed since this object was made is told at once.

        ``each_look()`` is called after every look, at least every few seconds.
        """
        for _ in self._wake_ups(stop):
            if stop.is_set():
                return
            for name in self._names:
                self._look(name, stop)
            each_look()

    def _wake_ups(self, stop: threading.Event) -> Iterator[None]:
        yield
        while not stop.is_set():
            try:
                for _ in watch(
                    self._folder,
                    watch_filter=None,
                    debounce=100,
                    step=20,
                    rust_timeout=int(LOOK * 1000),
                    yield_on_timeout=True,
                    stop_event=stop,
                    recursive=False,
                    raise_interrupt=False,
                ):
                    yield
                    if not self._folder.is_dir():
                        break
            except (OSError, RuntimeError):  # no such folder, or no more watches to be had: look without notice
                pass
            stop.wait(LOOK)
            yield

    def _look(self, name: str, stop: threading.Event) -> None:
        mark = self._mark(name)
        if mark == self._marks[name]:
            return
        for _ in range(STEADY):
            if stop.wait(SETTLE):
                return
            now = self._mark(name)
            if now == mark:
                break
            mark = now
        digest = self._digest(name)
        if digest != self._told[name]:
            try:
                self._on_change(name)
            except Unavailable:
                return
        self._marks[name], self._told[name] = mark, digest

    def _mark(self, name: str) -> Mark:
        try:
            found = (self._folder / name).stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _digest(self, name: str) -> bytes:
        try:
            return blake2b((self._folder / name).read_bytes(), digest_size=16).digest()
        except OSError:
            return b""
