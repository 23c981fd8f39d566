"""What every command shares: where the configuration is, how to say no, how to print a list."""

import getpass
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from daemon.errors import Unusable

if TYPE_CHECKING:
    from daemon.settings import Settings
    from daemon.store import Store

T = TypeVar("T")

FILES = ("wirewatch.toml", "topics.toml", "feeds.toml")
NOT_RUNNING = 3
_WIDEST = 10_000  # columns; a table is measured within the width of its console
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def fail(message: str, code: int = 1) -> NoReturn:
    """One sentence on stderr, and out. Codes: 1 failed, 2 wrong use, 3 not running."""
    typer.echo(" ".join(plain(message).splitlines()), err=True)
    raise typer.Exit(code)


def or_fail(work: Callable[[], T]) -> T:
    """The result of ``work``; what it finds unusable becomes one sentence on stderr and exit code 1."""
    try:
        return work()
    except Unusable as error:
        fail(str(error))


def program() -> str:
    """How this user starts Wirewatch: by its name where that is on the PATH, else by the path that was used now."""
    used = Path(sys.argv[0])
    if shutil.which("wirewatch") or not used.exists() or used.name != "wirewatch":
        return "wirewatch"
    return os.path.relpath(used)


def user() -> str:
    """Whose name is kept with what a command changes, where none is given."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return str(os.getuid())


def plain(text: str) -> str:
    """Text from outside, safe for a terminal: no escape sequences, no reordering of what is shown."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def default_config_dir() -> Path:
    """$WIREWATCH_CONFIG, else ./config where that holds a configuration, else the current folder."""
    if named := os.environ.get("WIREWATCH_CONFIG"):
        return Path(named)
    config = Path("config")
    holds_one = any((config / name).is_file() for name in ("wirewatch.toml", "topics.toml"))
    return config if holds_one else Path()


def config_dir(ctx: typer.Context) -> Path:
    """The folder named with --config, else the default one."""
    named = ctx.find_root().params.get("_config")
    return Path(named) if named else default_config_dir()


def load_settings(ctx: typer.Context) -> "Settings":
    """The settings in force for this command line; exits with code 1 where the file is wrong."""
    from daemon.settings import load_settings as load

    return or_fail(lambda: load(config_dir(ctx) / "wirewatch.toml"))


@contextmanager
def open_read(ctx: typer.Context) -> "Iterator[Store]":
    """The store, for reading only. Exits with code 1 where there is none yet."""
    from daemon.cli.kept import open_to_read

    settings = load_settings(ctx)
    store = or_fail(lambda: open_to_read(settings))
    try:
        yield store
    finally:
        store.close()


def echo_json(value: object) -> None:
    """On stdout. What a terminal would obey is written as an escape: JSON itself escapes only half of it."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    typer.echo(CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def emit(rows: Sequence[Mapping[str, object]], *, columns: Sequence[str], as_json: bool, empty: str) -> None:
    """``rows`` as a JSON array, or as a table of ``columns``, or the sentence ``empty`` where there are none.

    JSON carries every key of a row; the table shows the columns only, "_" as a space. Numbers align right; None is
    shown as nothing.
    """
    if as_json:
        echo_json(list(rows))
        return
    if not rows:
        typer.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        numbers = all(isinstance(row.get(column), int | float | None) for row in rows)
        name = column.replace("_", " ")
        table.add_column(name, justify="right" if numbers else "left", overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*(Text(cell(row.get(column))) for column in columns))
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)  # a pipe has no edge to wrap at
    console.print(table)


def cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return plain(str(value))


def when(at: float) -> str:
    """A time for people: "2026-11-21 14:02 UTC"."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def iso(at: float) -> str:
    """A time for programs: "2026-11-21T14:02:09Z"."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


__all__ = [
    "FILES",
    "NOT_RUNNING",
    "config_dir",
    "default_config_dir",
    "echo_json",
    "emit",
    "fail",
    "iso",
    "load_settings",
    "open_read",
    "or_fail",
    "plain",
    "program",
    "user",
    "when",
]
