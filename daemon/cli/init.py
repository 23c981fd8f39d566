"""``wirewatch init``: a working configuration to start from."""

from pathlib import Path
from typing import Annotated

import typer

import daemon
from daemon.cli.context import FILES, fail, program


def starter() -> Path:
    """The annotated files: inside the installed package, or beside it in a checkout."""
    package = Path(daemon.__file__).parent
    installed = package / "starter"
    return installed if installed.is_dir() else package.parent / "config"


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; it is made where it is missing.")],
) -> None:
    """Write an annotated, working configuration into a folder."""
    there = [name for name in FILES if (folder / name).exists()]
    if there:
        fail(f"{folder} holds {' and '.join(there)} already: name another folder, or move them away first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            with (folder / name).open("xb") as new:
                new.write((starter() / name).read_bytes())
    except OSError as error:
        fail(f"{folder} cannot be written ({error.strerror}): name a folder that you may write to")
    typer.echo(NEXT.format(program=program(), folder=folder, files=", ".join(FILES)))


NEXT = """Wrote {files} to {folder}.

Next:
  {program} --config {folder} run                       start watching; alerts appear on this terminal
  {program} --config {folder} topics add "your words"   say what you care about
  {program} --config {folder} feeds add URL             add a feed to read
Every key is explained where it stands in the files; an edit is in force two seconds after you save it."""
