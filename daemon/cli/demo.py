"""``wirewatch demo``: the main job in a minute, offline, on made-up sites."""

import typer

from daemon.cli.context import program


def demo() -> None:
    """Four made-up news sites on this machine, one topic, one alert. No network, no account."""
    from daemon.demo.play import play
    from daemon.errors import Unusable

    try:
        told = play(typer.echo, program())
    except Unusable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(0 if told else 1)
