"""What answers: the page or, without the role ``web``, health and metrics alone; and the control socket."""

import json
import os
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from daemon import __version__
from daemon.app.process import Process
from daemon.sender import Sender
from daemon.status import Running, Status, lag_rows, report
from daemon.upkeep import Lag
from daemon.verbs import Verb, verbs
from daemon.wire import to_json

if TYPE_CHECKING:
    from pathlib import Path


def status_of(
    process: Process,
    *,
    since: float,
    listen: str,
    data_dir: "Path | None",
    channels: Collection[str],
    lag: Callable[[], Lag],
) -> Status:
    ready, parts = process.health.ready()
    return report(
        process.store,
        now=process.clock.now(),
        data_dir=data_dir,
        channels=channels,
        workers=() if process.alone else tuple(process.workers.all()),
        running=Running(
            pid=os.getpid(),
            since=since,
            version=__version__,
            listen=listen,
            ready=ready,
            parts=parts,
            lag=lag_rows(lag()),
        ),
    )


def verbs_of(process: Process, *, status: Callable[[], Status], sender: Sender | None) -> Mapping[str, Verb]:
    """What commands ask the owner of the data directory for."""

    def enable(args: dict[str, Any]) -> dict[str, Any]:
        if sender is not None:
            sender.enable(str(args["name"]))
        return {}

    return {
        **verbs(process.store, process.log, process.clock),
        "status": lambda _: dict(json.loads(to_json(status()))),
        "channels.enable": enable,
    }
