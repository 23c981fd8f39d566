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


class Role(StrEnum):
    fetch = "fetch"
    match = "match"
    alert = "alert"
    web = "web"


def run(
    ctx: typer.Context,
    role: Annotated[
        list[Role] | None,
        typer.Option(
            help="What this process does; repeat for several. In any number of processes, on Kafka and PostgreSQL.",
            show_default="all of them",
        ),
    ] = None,
    listen: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS:PORT",
            help="Where health, metrics and, with the role web, the page are served "
            "[default: [web] listen; without the role web any free port there]",
            show_default=False,
        ),
    ] = "",
    log_level: Annotated[LogLevel, typer.Option(help="What is written to stderr.")] = LogLevel.info,
) -> None:
    """Watch the feeds, match the topics, send the alerts."""
    folder = config_dir(ctx)
    if not any((folder / name).exists() for name in FILES):
        fail(f"there is no configuration in {folder.resolve()}: `wirewatch init` writes one, --config names its folder")
    settings = load_settings(ctx)
    roles = tuple(dict.fromkeys(role)) if role else tuple(Role)
    if set(roles) != set(Role) and not settings.shared:
        fail(
            "some roles alone need a log and a store that several processes share: set [log] url to kafka://… and "
            "[store] url to postgresql://… in wirewatch.toml, or leave --role out",
            code=2,
        )

    import threading

    from daemon.app import run_until
    from daemon.errors import Unusable

    try:
        run_until(
            threading.Event(),
            settings,
            folder,
            roles=[one.value for one in roles],
            listen=listen,
            log_level=log_level.value,
        )
    except Unusable as error:
        fail(str(error))
