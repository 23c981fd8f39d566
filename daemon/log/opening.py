"""From ``[log] url`` to an open log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from daemon.clock import Clock
from daemon.errors import Unusable
from daemon.log import Log, Quarantine


class OperatedLog(Log, Protocol):
    """A log with what those who run it need."""

    def trim(self, before: float) -> int:
        """Removes what was appended before that time and is done; returns how many records. Raises ``Unavailable``."""
        ...

    def lag(self) -> Mapping[tuple[str, str], int]:
        """By (stream, group): how many records the group has yet to commit. Raises ``Unavailable``."""
        ...


def open_log(url: str, data_dir: Path, *, quarantine: Quarantine, clock: Clock) -> OperatedLog:
    """``sqlite:`` is the file log.sqlite in the data directory. Raises ``Unusable``."""
    if url != "sqlite:":
        scheme = url.partition(":")[0]  # never the rest: it may hold a password
        raise Unusable(f'[log] url: "{scheme}:" is not understood; write url = "sqlite:" to keep the log in {data_dir}')
    from daemon.log.sqlite import SqliteLog

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(
            f"{data_dir} cannot be created ({error.strerror}): choose another [data] dir, or give Wirewatch's user "
            f"write access to {data_dir.parent}"
        ) from error
    return SqliteLog(data_dir / "log.sqlite", quarantine=quarantine, clock=clock)
