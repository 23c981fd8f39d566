"""``wirewatch status``: what the running daemon is doing; without one, what the store knows."""

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import NOT_RUNNING, echo_json, fail, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.settings import Settings
    from daemon.status import Status


def status(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """What the daemon is doing. Exit code 3 where none is running; what the store knows is shown all the same."""
    settings = load_settings(ctx)

    from daemon.control import NotRunning
    from daemon.errors import Unavailable, Unusable

    shown, why, code = None, "", 0
    try:
        shown, why = _cluster(settings) if settings.shared else (_ask(settings.data.dir), "")
        code = 1 if why else 0
    except NotRunning as error:
        why, code = str(error), NOT_RUNNING
    except (Unavailable, Unusable) as error:
        why, code = str(error), 1
    if shown is None:
        shown = _kept(settings)
    elif settings.shared and not shown.workers:
        why, code = "no wirewatch is running on this store: start one with `wirewatch run`", NOT_RUNNING
    if shown is not None:
        _print(shown, as_json=as_json)
    elif as_json:
        typer.echo("null")
    if code:
        fail(why, code=code)


def _ask(data_dir: "Path") -> "Status":
    import json

    from daemon.control import ask
    from daemon.errors import Unusable
    from daemon.status import Status
    from daemon.wire import from_json

    try:
        return from_json(Status, json.dumps(ask(data_dir, "status")))
    except ValueError as error:
        raise Unusable("the running wirewatch is of another version: restart it") from error


def _kept(settings: "Settings") -> "Status | None":
    """From the store alone; None while there is none."""
    import time

    from daemon.cli.kept import if_any
    from daemon.status import report

    folder = None if settings.shared else settings.data.dir
    return if_any(
        settings,
        lambda store: report(store, now=time.time(), data_dir=folder, channels=settings.channel.keys(), running=None),
    )


def _cluster(settings: "Settings") -> "tuple[Status, str]":
    """What all processes say of themselves and the store knows; and why the log could not be asked, or nothing.

    Raises ``Unavailable``, ``Unusable``.
    """
    import time
    from contextlib import closing

    from daemon.cli.kept import open_to_ask, open_to_read, workers
    from daemon.errors import Unavailable
    from daemon.status import lag_rows, report

    lag: tuple[tuple[str, str, int], ...] = ()
    why = ""
    try:
        with closing(open_to_ask(settings)) as log:
            lag = lag_rows(log.lag())
    except Unavailable as error:
        why = str(error)
    with closing(open_to_read(settings)) as store:
        shown = report(
            store,
            now=time.time(),
            data_dir=None,
            channels=settings.channel.keys(),
            running=None,
            workers=workers(settings),
            lag=lag,
        )
    return shown, why


def _print(shown: "Status", *, as_json: bool) -> None:
    from daemon.status import render
    from daemon.wire import to_json

    if as_json:
        import json

        echo_json(json.loads(to_json(shown)))
    else:
        typer.echo(render(shown))
