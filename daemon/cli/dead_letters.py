"""``wirewatch dead-letters``: what was set aside, why, and what to do with it."""

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import echo_json, emit, fail, iso, load_settings, open_read, or_fail, plain, when

if TYPE_CHECKING:
    from daemon.store.dead_letters import Kept

app = typer.Typer(help="Records that could not be handled: list, show, replay, drop.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(help="The ids, or their first characters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every one of them.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_SHOWN = 12  # characters of an id in a list: no two of a million are alike


@app.command("list")
def list_letters(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    json: Json = False,
) -> None:
    """Show what was set aside, newest first."""
    from daemon.store.dead_letters import DeadLetters

    with open_read(ctx) as store:
        found = or_fail(lambda: DeadLetters(store).list(limit))
    rows = [_row(kept) for kept in found]
    if not json:
        rows = [
            {**row, "id": kept.id[:_SHOWN], "at": when(kept.letter.at)} for row, kept in zip(rows, found, strict=True)
        ]
    emit(rows, columns=("id", "at", "stream", "group", "reason"), as_json=json, empty="No dead letters.")


@app.command()
def show(ctx: typer.Context, letter: Annotated[str, typer.Argument(metavar="ID")], json: Json = False) -> None:
    """Show one with everything that is known, its payload too."""
    from daemon.store.dead_letters import DeadLetters

    with open_read(ctx) as store:
        kept = or_fail(lambda: DeadLetters(store).get(letter))
    row = _row(kept) | {"payload": kept.letter.payload.decode("utf-8", "backslashreplace")}
    if json:
        echo_json(row)
        return
    for name, value in row.items():
        typer.echo(plain(f"{name + ':':<10}{value}"))


@app.command()
def replay(ctx: typer.Context, ids: Ids = None, every: All = False, json: Json = False) -> None:
    """Append them to their stream again, then forget them."""
    _change(ctx, "dead-letters.replay", _chosen(ids, every), "replayed", as_json=json)


@app.command()
def drop(ctx: typer.Context, ids: Ids = None, every: All = False, yes: Yes = False, json: Json = False) -> None:
    """Forget them for good."""
    chosen = _chosen(ids, every)
    if not yes:
        what = f"{len(chosen)} of them" if chosen else "all dead letters"
        typer.confirm(f"Drop {what}? They cannot be brought back.", abort=True, err=True)
    _change(ctx, "dead-letters.drop", chosen, "dropped", as_json=json)


def _chosen(ids: list[str] | None, every: bool) -> list[str]:
    """Empty means all of them."""
    if bool(ids) == every:
        fail("name the ids that you mean, or give --all (and not both)", code=2)
    return ids or []


def _change(ctx: typer.Context, verb: str, ids: list[str], done: str, *, as_json: bool) -> None:
    from daemon.cli.kept import change
    from daemon.errors import Unavailable

    settings = load_settings(ctx)
    try:
        answer = or_fail(lambda: change(settings, verb, {"ids": ids}))
    except Unavailable as error:
        fail(str(error))
    if as_json:
        echo_json(answer)
    else:
        typer.echo(f"{answer['done']} {done}.")
        for reason in answer["failed"]:
            typer.echo(plain(reason), err=True)
    if answer["failed"]:
        raise typer.Exit(1)


def _row(kept: "Kept") -> dict[str, object]:
    letter = kept.letter
    return {
        "id": kept.id,
        "at": iso(letter.at),
        "stream": letter.stream,
        "group": letter.group,
        "position": letter.position,
        "reason": letter.reason,
        "bytes": len(letter.payload),
    }
