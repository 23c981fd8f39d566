"""``wirewatch run``: the daemon, in the foreground, until SIGTERM or Ctrl-C."""

from typing import Annotated

import typer

from daemon.cli.context import config_dir, fail, load_settings


def run(
    ctx: typer.Context,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Watch the feeds, match the topics, send the alerts."""
    from daemon.logs import LEVELS

    if log_level not in LEVELS:
        fail(f"--log-level is one of {', '.join(LEVELS)}", code=2)
    settings = load_settings(ctx)

    import threading

    from daemon.app import run_until
    from daemon.errors import Unusable

    try:
        run_until(threading.Event(), settings, config_dir(ctx), log_level=log_level)
    except Unusable as error:
        fail(str(error))
