"""From ``[log] url`` to an open log."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from daemon.clock import Clock
from daemon.errors import Unusable
from daemon.log import Log, Quarantine
from daemon.log.broker import Broker, StreamPlan
from daemon.log.streams import Survey, prepare

_logger = logging.getLogger(__name__)


class OperatedLog(Log, Protocol):
    """A log with what those who run it need."""

    def trim(self, before: float) -> int:
        """Removes what was appended before that time and is done; returns how many records. Raises ``Unavailable``."""
        ...

    def lag(self) -> Mapping[tuple[str, str], int]:
        """By (stream, group): how many records the group has yet to commit. Raises ``Unavailable``."""
        ...


def open_log(
    url: str,
    data_dir: Path,
    *,
    quarantine: Quarantine,
    clock: Clock,
    broker: Broker | None = None,
    plan: StreamPlan | None = None,
    create: bool = False,
) -> OperatedLog:
    """``sqlite:`` is the file log.sqlite in the data directory; ``kafka:`` is the cluster that ``broker`` names.

    With a ``plan`` the cluster is asked whether it keeps the streams so, and makes what is missing where ``create``
    allows it; without one nobody is asked. Raises ``Unusable``, and ``Unavailable`` where it was asked in vain.
    """
    scheme = url.partition(":")[0]  # never the rest: it may hold a password
    if scheme == "kafka" and broker is not None:
        from daemon.log.kafka import KafkaLog

        log = KafkaLog(broker, quarantine=quarantine, clock=clock)
        with ExitStack() as opened:
            opened.callback(log.close)
            if plan is not None:
                _warn(prepare(log, broker, plan, create=create))
            opened.pop_all()
        return log
    if url != "sqlite:":
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


def _warn(survey: Survey) -> None:
    """What is not as it should be and does no harm yet."""
    for finding in survey.findings:
        if not finding.makeable:
            _logger.warning("%s", finding)
