"""``wirewatch mutes``: what is not told for a while, who asked for that, and until when."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import echo_json, emit, fail, iso, load_settings, open_read, or_fail, plain, user, when

if TYPE_CHECKING:
    from consumers.holding import Mute

app = typer.Typer(help="What is not told for a while: list, add, remove.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str, typer.Option(help="Whose name to keep [default: your login name].", show_default=False)]

_SHOWN = 12  # characters of an id in a list: no two of a million are alike
_FOR, _FOR_NEW_FACTS = "24h", "7d"
_COLUMNS = ("id", "mutes", "until", "by", "comment", "state")


@app.command("list")
def list_mutes(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    json: Json = False,
) -> None:
    """Show the mutes in force, those that end first before the others; with --all those that have ended, too."""
    import time

    from daemon.store.mutes import Mutes
    from daemon.store.story_names import titles

    now = time.time()
    with open_read(ctx) as store:
        known = or_fail(lambda: Mutes(store).all(limit=limit) if every else Mutes(store).in_force(now))
        mutes = known if every else sorted(known, key=lambda mute: mute.until)[:limit]
        named = or_fail(lambda: titles(store, {mute.target for mute in mutes if mute.kind == "story"}))
    if json:
        echo_json([_record(mute, now) | {"title": named.get(mute.target, "")} for mute in mutes])
        return
    rows = [
        {
            "id": mute.id[:_SHOWN],
            "mutes": _named(mute, named.get(mute.target, "")),
            "until": when(mute.until),
            "by": mute.by,
            "comment": mute.comment,
            "state": _state(mute, now),
        }
        for mute in mutes
    ]
    emit(rows, columns=_COLUMNS, as_json=False, empty="Nothing is muted.")


@app.command()
def add(
    ctx: typer.Context,
    story: Annotated[str, typer.Option(metavar="ID", help="The story with this id, or its first characters.")] = "",
    topic: Annotated[str, typer.Option(metavar="ID", help="Everything of the topic with this id.")] = "",
    source: Annotated[
        str, typer.Option(metavar="HOST", help='Stories that only this source reports; "*.example.org" for all below.')
    ] = "",
    for_: Annotated[
        str, typer.Option("--for", help="How long [default: 24h, with --until-new-facts 7d].", show_default=False)
    ] = "",
    until_new_facts: Annotated[
        bool, typer.Option("--until-new-facts", help="An update that brings new facts ends it early.")
    ] = False,
    comment: Annotated[str, typer.Option(help="Why, for others.")] = "",
    by: By = "",
    json: Json = False,
) -> None:
    """Hold what comes of a story, a topic or a source. When the mute ends, it is told what it held."""
    named = [(kind, value) for kind, value in (("story", story), ("topic", topic), ("source", source)) if value]
    if len(named) != 1:
        fail("name what to mute: one of --story, --topic and --source", code=2)
    kind, target = named[0]
    args = {
        "kind": kind,
        "target": target,
        "seconds": _seconds(for_ or (_FOR_NEW_FACTS if until_new_facts else _FOR)),
        "by": by or user(),
        "comment": comment,
        "until_new_facts": until_new_facts,
    }
    mute = _changed(ctx, "mutes.add", args)
    if json:
        echo_json(_record(mute, mute.since))
        return
    early = "; what is new ends it early" if mute.until_new_facts else ""
    typer.echo(plain(f"Muted {_named(mute, '')} until {when(mute.until)}{early}."))
    typer.echo(f"To end it: wirewatch mutes remove {mute.id[:_SHOWN]}")


@app.command()
def remove(
    ctx: typer.Context,
    mute_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or its first characters.")],
    by: By = "",
    json: Json = False,
) -> None:
    """End a mute now. What it held is told."""
    mute = _changed(ctx, "mutes.remove", {"id": mute_id, "by": by or user()})
    if json:
        echo_json(_record(mute, mute.ended or mute.since))
        return
    typer.echo(plain(f"The mute of {_named(mute, '')} has ended; what it held is told now."))


def _changed(ctx: typer.Context, verb: str, args: dict[str, Any]) -> "Mute":
    from consumers.holding import Mute
    from daemon.cli.kept import change
    from daemon.errors import Unavailable

    settings = load_settings(ctx)
    try:
        return Mute(**or_fail(lambda: change(settings, verb, args)))
    except Unavailable as error:
        fail(str(error))


def _seconds(text: str) -> float:
    from daemon.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        fail(f"--for: {error}", code=2)


def _named(mute: "Mute", title: str) -> str:
    shown = mute.target[:_SHOWN] if mute.kind == "story" else mute.target
    return f"the {mute.kind} {shown}" + (f" “{title}”" if title else "")


def _state(mute: "Mute", now: float) -> str:
    if mute.ended is not None:
        return mute.ended_why or "ended"
    if mute.until <= now:
        return "over"
    return "in force until new facts" if mute.until_new_facts else "in force"


def _record(mute: "Mute", now: float) -> dict[str, Any]:
    from dataclasses import asdict

    times = {"since": iso(mute.since), "until": iso(mute.until), "ended": iso(mute.ended) if mute.ended else None}
    return asdict(mute) | times | {"in_force": mute.ended is None and mute.until > now}
