"""The command line: one file per noun, light to import, so that ``--help`` and completion answer at once."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from consumers.errors import WirewatchError
from daemon import __version__
from daemon.cli import (
    alerts,
    channels,
    config,
    dead_letters,
    demo,
    doctor,
    feeds,
    init,
    models,
    mutes,
    replay,
    run,
    status,
    store,
    stories,
    streams,
    topics,
    why,
)
from daemon.cli.context import fail


class Root(TyperGroup):
    """What Wirewatch raises on purpose is a sentence for the user; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WirewatchError as error:
            fail(str(error))


app = typer.Typer(
    name="wirewatch",
    cls=Root,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: importing rich would take longer than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wirewatch {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="DIR",
            help="Folder of the configuration files [default: $WIREWATCH_CONFIG, else ./config, else .]",
            show_default=False,
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Wirewatch watches the news for you: one alert per story, with the sentence that matched and the reason."""


for verb in (run.run, demo.demo, init.init, status.status, doctor.doctor, why.why, replay.replay):
    app.command()(verb)
for name, noun in (
    ("topics", topics),
    ("feeds", feeds),
    ("alerts", alerts),
    ("stories", stories),
    ("mutes", mutes),
    ("channels", channels),
    ("models", models),
    ("dead-letters", dead_letters),
    ("streams", streams),
    ("store", store),
    ("config", config),
):
    app.add_typer(noun.app, name=name)
