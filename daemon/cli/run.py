"""``wirewatch run``: the daemon, in the foreground, until SIGTERM or Ctrl-C."""

from enum import StrEnum
from typing import Annotated

import typer

from daemon.cli.context import FILES, config_dir, fail, load_settings


class LogLevel(StrEnum):
    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


def run(
    ctx: typer.Context,
    log_level: Annotated[LogLevel, typer.Option(help="What is written to stderr.")] = LogLevel.info,
) -> None:
    """Watch the feeds, match the topics, send the alerts."""
    folder = config_dir(ctx)
    if not any((folder / name).exists() for name in FILES):
        fail(f"there is no configuration in {folder.resolve()}: `wirewatch init` writes one, --config names its folder")
    settings = load_settings(ctx)

    import threading

    from daemon.app import run_until
    from daemon.errors import Unusable

    try:
        run_until(threading.Event(), settings, folder, log_level=log_level.value)
    except Unusable as error:
        fail(str(error))
