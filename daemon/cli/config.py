"""``wirewatch config``: are the files right?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import config_dir, emit
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.channel_settings import Secret
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
    """One row per file, or one for each thing that is wrong. Of settings that are wrong, the channels' names count."""
    from consumers.notify.wording import counted
    from daemon.feeds_file import feeds_file
    from daemon.settings import load_settings

    rows: list[dict[str, str | list[str]]] = []
    file = folder / "wirewatch.toml"
    try:
        settings = load_settings(file)
    except ConfigError as error:
        rows.append(_row(file, error=str(error)))
        channels = _named_in(file)
    else:
        holds = f"channels {', '.join(sorted(settings.channel))}"
        problems = _unusable(settings, file)
        rows += [_row(file, error=problem) for problem in problems] or [
            _row(file, holds=holds, notes=_absent(settings))
        ]
        rows += _templates(settings)
        channels = settings.channel
    rows.append(_topics(folder / "topics.toml", channels))
    file = folder / "feeds.toml"
    try:
        rows.append(_row(file, holds=counted(len(feeds_file(file).load()), "feed")))
    except ConfigError as error:
        rows.append(_row(file, error=str(error)))
    return rows


def _topics(file: Path, channels: "Collection[str] | None") -> "dict[str, str | list[str]]":
    from consumers.notify.wording import counted
    from daemon.topics_file import topics_file

    if channels is None:
        return _row(
            file, error=f"{file}: not checked: the channels that it names are in wirewatch.toml, mend that first"
        )
    try:
        return _row(file, holds=counted(len(topics_file(file, channels).load()), "topic"))
    except ConfigError as error:
        return _row(file, error=str(error))


def _named_in(file: Path) -> "Collection[str] | None":
    """The channels of settings that are wrong somewhere; ``None`` where they cannot be told."""
    from daemon.toml_file import read_text, read_toml

    try:
        channels = read_toml(read_text(file), file).get("channel", {})
    except ConfigError:
        return None
    return {"console", *channels} if isinstance(channels, dict) else None


def _row(file: Path, *, holds: str = "", error: str = "", notes: list[str] | None = None) -> dict[str, str | list[str]]:
    return {"file": str(file), "holds": holds, "error": error, "notes": notes or []}


def _absent(settings: "Settings") -> list[str]:
    """Secrets that this shell cannot see. The daemon's own environment may differ, so it is a note and no error."""
    absent = [(name, _absence(secret)) for name, channel in settings.channel.items() for secret in channel.secrets]
    return [f"channel {name}: {why}" for name, why in absent if why]


def _unusable(settings: "Settings", file: Path) -> list[str]:
    """Channels that the daemon could not make of these settings: an address that is none, an extra that is missing."""
    import asyncio

    from daemon.channels import unusable
    from daemon.config_errors import refused
    from daemon.toml_file import read_text

    seen = {name: each for name, each in settings.channel.items() if not any(map(_absence, each.secrets))}
    wrong = asyncio.run(unusable(seen)).items()
    return [str(refused(error.message, ("channel", name), text=read_text(file), file=file)) for name, error in wrong]


def _absence(secret: "Secret") -> str:
    """Why its value cannot be seen from here; empty where it can."""
    try:
        secret.reveal()
    except ConfigError as error:
        return str(error)
    return ""


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
