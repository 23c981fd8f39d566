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

    running, why, code = None, "", 0
    try:
        running = _ask(settings.data.dir)
    except NotRunning as error:
        why, code = str(error), NOT_RUNNING
    except (Unavailable, Unusable) as error:
        why, code = str(error), 1
    shown = running or _kept(settings)
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

    from daemon.errors import Unavailable, Unusable
    from daemon.status import report
    from daemon.store.opening import open_for_reading

    try:
        store = open_for_reading(settings.store.url, settings.data.dir)
    except Unusable:
        return None
    try:
        return report(
            store, now=time.time(), data_dir=settings.data.dir, channels=settings.channel.keys(), running=None
        )
    except Unavailable:
        return None
    finally:
        store.close()


def _print(shown: "Status", *, as_json: bool) -> None:
    from daemon.status import render
    from daemon.wire import to_json

    if as_json:
        import json

        echo_json(json.loads(to_json(shown)))
    else:
        typer.echo(render(shown))
