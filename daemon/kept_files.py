"""Whether the files that the daemon works on are still where they were.

A file that is deleted while it is open goes on working, and everything written to it is lost with the process; nothing
else would ever tell.
"""

from collections.abc import Iterable
from pathlib import Path

from daemon.errors import Unusable


class KeptFiles:
    """To be made when all of ``paths`` are open; those that are not there are not looked after."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._marks = {path: mark for path in paths if (mark := _mark(path)) is not None}

    def check(self) -> None:
        """Raises ``Unusable`` where one of them was deleted, moved or replaced."""
        for path, mark in self._marks.items():
            try:
                now = _mark(path)
            except OSError:  # the disk does not answer: that passes, or the next write says so
                continue
            if now != mark:
                raise Unusable(
                    f"{path} was deleted, moved or replaced while Wirewatch was using it; it stops, for what it would "
                    "write from now on would be lost: put the file back, or start again without it"
                )


def _mark(path: Path) -> tuple[int, int] | None:
    """Which file it is; ``None`` where there is none. Raises ``OSError``."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
