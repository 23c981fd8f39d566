"""``wirewatch models``: which model decides, which one is being prepared, and how far the two agree."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import echo_json, emit, fail, iso, load_settings, open_read, or_fail, plain, when

if TYPE_CHECKING:
    from consumers.agreement import Agreement, AgreementReport, Example
    from daemon.store.models import KnownModel

app = typer.Typer(help="What tells how near a text is to a topic: list, report, use.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_models(ctx: typer.Context, json: Json = False) -> None:
    """Show the model in force, the one that is being prepared, and those before."""
    rows = [
        {"id": model.id, "state": model.state, "since": iso(model.at) if json else when(model.at), "name": model.name}
        for model in _known(ctx)
    ]
    emit(rows, columns=("id", "state", "since", "name"), as_json=json, empty="No model has been used yet.")


@app.command()
def report(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="ID", help="Default: the latest.", show_default=False)] = "",
    json: Json = False,
) -> None:
    """Show how far a model agrees with the one before it, topic by topic."""
    from consumers.agreement import AgreementReport
    from daemon.wire import from_json

    found = next((known for known in _known(ctx) if known.report and model in ("", known.id)), None)
    if found is None:
        fail(
            f"there is no report of {model or 'a change of the model'}: `wirewatch status` shows whether one is coming"
        )
    shown = from_json(AgreementReport, found.report)
    if json:
        echo_json(_as_rows(shown))
    else:
        _print(shown)


@app.command()
def use(ctx: typer.Context, model: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Let the prepared model decide from now on, where [model] has `switch = "ask"`."""
    from daemon.cli.kept import change
    from daemon.errors import Unavailable

    settings = load_settings(ctx)
    try:
        or_fail(lambda: change(settings, "models.use", {"model": model}))
    except Unavailable as error:
        fail(str(error))
    typer.echo(plain(f"{model} is in force. Every matcher follows within a few seconds."))


def _known(ctx: typer.Context) -> "list[KnownModel]":
    from daemon.errors import Unavailable
    from daemon.store.models import Models

    with open_read(ctx) as store:
        try:
            return list(Models(store).all())
        except Unavailable as error:
            fail(str(error))


def _as_rows(shown: "AgreementReport") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(shown),
        "at": iso(shown.at),
        "share": shown.share,
        "topics": [{**asdict(topic), "share": topic.share} for topic in shown.topics],
    }


def _print(shown: "AgreementReport") -> None:
    typer.echo(plain(f"{shown.after} beside {shown.before}, over {shown.articles:,} articles, {when(shown.at)}"))
    typer.echo(f"They agree on {shown.share:.0%} of what either takes.")
    for topic in shown.topics:
        typer.echo("")
        typer.echo(plain(f"{topic.topic_id}: {topic.share:.0%} ({_counts(topic)})"))
        for sign, examples in (("-", topic.taken_before), ("+", topic.taken_after)):
            for example in examples:
                typer.echo(plain(f"  {sign} {_named(example)}"))


def _counts(topic: "Agreement") -> str:
    return f"both {topic.both:,}, no more {topic.only_before:,}, new {topic.only_after:,}"


def _named(example: "Example") -> str:
    return " ".join(part for part in (example.title or example.article_id, example.url) if part)
