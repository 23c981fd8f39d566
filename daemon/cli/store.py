"""``wirewatch store``: moving what is kept to a server."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import fail, load_settings, or_fail

if TYPE_CHECKING:
    from daemon.settings import Settings
    from daemon.store.copy import Progress

app = typer.Typer(help="What is kept: move it to PostgreSQL.", no_args_is_help=True)

_EVERY = 5.0  # seconds between two lines where no terminal can show a bar


@app.command("copy")
def copy_store(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="postgresql://user@host:5432/database, an empty one.")],
    from_: Annotated[
        str,
        typer.Option("--from", metavar="URL", help="sqlite: is the data folder of the settings, sqlite:DIR another."),
    ] = "sqlite:",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Leave behind what the log still holds for somebody.")
    ] = False,
) -> None:
    """Copy the store of a stopped Wirewatch to PostgreSQL. Cut short, it goes on where it stopped.

    A password comes from [store] password_env or password_file, from PGPASSWORD or from ~/.pgpass.
    """
    from daemon.errors import Unavailable

    settings = load_settings(ctx)
    folder = _folder(from_, settings)
    try:
        rows, written = or_fail(lambda: _copied(folder, to, _password(settings), yes=yes))
    except Unavailable as error:
        fail(f"{error}; run the same command once more, it goes on where it stopped")
    if not written:
        typer.echo(f"{rows:,} rows were there already; nothing was changed.")
        return
    typer.echo(f"{rows:,} rows are in the new store, {written:,} of them written now.")
    typer.echo("Now set [store] url in wirewatch.toml to it, and start Wirewatch.")


def _folder(url: str, settings: "Settings") -> Path:
    scheme, _, path = url.partition(":")
    if scheme != "sqlite":
        fail("--from is sqlite: or sqlite:DIR, the data folder of a Wirewatch that has its store in a file", code=2)
    return Path(path).expanduser() if path else settings.data.dir


def _password(settings: "Settings") -> str:
    """Named in the settings, which may still have the old url."""
    from daemon.channel_settings import Secret

    named = Secret("password", settings.store.password_env, settings.store.password_file)
    return named.reveal() if named.given else ""


def _copied(folder: Path, to: str, password: str, *, yes: bool) -> tuple[int, int]:
    """(rows of the source, rows written). Raises ``Unusable`` or ``Unavailable``."""
    from daemon.clock import SystemClock
    from daemon.control import own
    from daemon.errors import Unusable
    from daemon.store.copy import copy
    from daemon.store.migrations import SCHEMA
    from daemon.store.opening import FILE, database, open_store

    if not (folder / FILE).exists():
        raise Unusable(f"there is no store in {folder}: name the data folder with --from sqlite:DIR")
    target = database(to, password=password, connections=2)
    with own(folder, address="", clock=SystemClock()):
        _refuse_what_is_left(folder, yes=yes)
        with closing(open_store("sqlite:", folder)) as source, _shown() as show:
            rows = 0

            def counted(progress: "Progress") -> None:
                nonlocal rows
                rows = progress.total
                show(progress)

            store, begun = target.open_for_copy(SCHEMA, origin=_origin(folder))
            with closing(store):
                written = copy(source, store, writing=begun, progress=counted)
            if begun:
                target.finish_copy()
    return rows, written


def _origin(folder: Path) -> str:
    """The same for the same folder of the same machine; in a comment of the database, so not in words."""
    import socket

    from consumers.ids import digest

    return digest("store", socket.gethostname(), str(folder.resolve()))


def _refuse_what_is_left(folder: Path, *, yes: bool) -> None:
    """What the log of the same folder still holds for somebody would be left behind. Raises ``Unusable``."""
    from daemon.cli.kept import nothing_is_read
    from daemon.clock import SystemClock
    from daemon.errors import Unusable
    from daemon.log.opening import open_log

    if yes or not (folder / "log.sqlite").exists():
        return

    with closing(open_log("sqlite:", folder, quarantine=nothing_is_read, clock=SystemClock())) as log:
        behind = [f"{group} has {count:,} of {stream} to do" for (stream, group), count in log.lag().items() if count]
    if behind:
        raise Unusable(
            f"the log in {folder} is not done ({'; '.join(sorted(behind))}), and would be left behind: run the daemon "
            "once more until `wirewatch status` shows nothing behind, or give --yes to do without it"
        )


@contextmanager
def _shown() -> "Iterator[Callable[[Progress], None]]":
    """A bar on a terminal, else a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description:>16}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda at: bar.update(task, description=at.table, completed=at.done, total=at.total)


def _lines() -> "Callable[[Progress], None]":
    last = time.monotonic()

    def show(at: "Progress") -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY or at.done == at.total:
            last = time.monotonic()
            typer.echo(f"{at.done:,} of {at.total:,} rows ({at.table})", err=True)

    return show
