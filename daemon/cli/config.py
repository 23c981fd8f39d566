"""``wirewatch config``: are the files right?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import config_dir, emit
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from daemon.settings import Settings

app = typer.Typer(help="Check the configuration files.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Check the configuration files."""


@app.command()
def check(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False
) -> None:
    """Read every file as the daemon would; exit code 1 where one of them would be refused."""
    rows = check_files(config_dir(ctx))
    if as_json:
        emit(rows, columns=(), as_json=True, empty="")
    else:
        for row in rows:
            typer.echo(row["error"] or f"{row['file']}: ok, {row['holds']}", err=bool(row["error"]))
            for note in row["notes"]:
                typer.echo(f"  note: {note}")
    raise typer.Exit(1 if any(row["error"] for row in rows) else 0)


def check_files(folder: Path) -> "list[dict[str, str | list[str]]]":
    """One row per file. A topic's channels are compared with the settings, with the defaults where those are wrong."""
    from daemon.feeds_file import feeds_file
    from daemon.settings import load_settings, parse_settings
    from daemon.topics_file import topics_file

    rows: list[dict[str, str | list[str]]] = []
    file = folder / "wirewatch.toml"
    try:
        settings = load_settings(file)
    except ConfigError as error:
        rows.append(_row(file, error=str(error)))
        settings = parse_settings("", file)
    else:
        rows.append(_row(file, holds=f"channels {', '.join(sorted(settings.channel))}", notes=_absent(settings)))
        rows += _templates(settings)
    file = folder / "topics.toml"
    try:
        rows.append(_row(file, holds=f"{len(topics_file(file, settings.channel).load())} topics"))
    except ConfigError as error:
        rows.append(_row(file, error=str(error)))
    file = folder / "feeds.toml"
    try:
        rows.append(_row(file, holds=f"{len(feeds_file(file).load())} feeds"))
    except ConfigError as error:
        rows.append(_row(file, error=str(error)))
    return rows


def _row(file: Path, *, holds: str = "", error: str = "", notes: list[str] | None = None) -> dict[str, str | list[str]]:
    return {"file": str(file), "holds": holds, "error": error, "notes": notes or []}


def _absent(settings: "Settings") -> list[str]:
    """Secrets that this shell cannot see. The daemon's own environment may differ, so it is a note and no error."""
    notes = []
    for name, channel in settings.channel.items():
        for secret in channel.secrets:
            try:
                secret.reveal()
            except ConfigError as error:
                notes.append(f"channel {name}: {error}")
    return notes


def _templates(settings: "Settings") -> "list[dict[str, str | list[str]]]":
    """A row for each; they are tried on samples as the daemon does."""
    from daemon.channel_templates import of_channel, render_for

    rows = []
    for name, channel in settings.channel.items():
        if channel.template is None:
            continue
        try:
            render_for(channel)
        except ConfigError as error:
            rows.append(_row(channel.template, error=str(of_channel(name, error))))
        else:
            rows.append(_row(channel.template, holds=f"the template of {name}"))
    return rows
