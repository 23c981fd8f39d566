"""``wirewatch stories``: which articles are one story, and what people make of that."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import echo_json, emit, fail, iso, load_settings, open_read, or_fail, plain, user, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.ledger import Step
    from consumers.model import Story
    from daemon.store import Store
    from daemon.store.story_details import StoryDetail

app = typer.Typer(help="What is one story: list, show, split, merge.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str, typer.Option(help="Whose name to keep [default: your login name].", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Named = Annotated[str, typer.Argument(metavar="ID", help="The story's id, or its first characters.")]

_SHOWN = 12  # characters of an id in a list: no two of a million are alike
_STAGES = {"new": "not told", "waiting": "waits for more sources", "told": "told", "escalated": "told, escalated"}


@app.command("list")
def list_stories(
    ctx: typer.Context,
    topic: Annotated[str, typer.Option(help="Only of the topic with this id.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the one reported last first.")] = 50,
    json: Json = False,
) -> None:
    """Show the stories, the one reported last first."""
    from daemon.store.story_details import newest

    with open_read(ctx) as store:
        found = or_fail(lambda: newest(store, topic_id=topic, limit=limit))
    rows = [_row(story) for story in found]
    if not json:
        rows = [
            {**row, "id": each.id[:_SHOWN], "latest": when(each.latest)} for row, each in zip(rows, found, strict=True)
        ]
    columns = ("id", "latest", "topic", "title", "sources", "independent", "articles", "state")
    emit(rows, columns=columns, as_json=json, empty="No stories yet.")


@app.command()
def show(ctx: typer.Context, story: Named, json: Json = False) -> None:
    """Show one story: what was added to it, its articles, and what was told of it when and why."""
    with open_read(ctx) as store:
        found = _detail(store, _only(store, story))
    if json:
        echo_json(_record(found))
        return
    _show(found)


@app.command()
def split(
    ctx: typer.Context,
    story: Named,
    articles: Annotated[
        list[str],
        typer.Argument(metavar="ARTICLE…", help="Ids as `wirewatch stories show` prints them, or their beginnings."),
    ],
    by: By = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Make a story of its own of some of its articles. Nobody is alerted; messages that live say it."""
    with open_read(ctx) as store:
        found = _detail(store, _only(store, story))
    chosen = [_article(found, each) for each in articles]
    if not yes:
        typer.echo(plain(f"From “{found.story.title}” these would become a story of their own:"), err=True)
        for each in found.joined:
            if each.match.article.id in chosen:
                typer.echo(plain(f"  {each.match.article.source}: {each.match.article.title}"), err=True)
        typer.confirm("Split them off?", abort=True, err=True)
    done = _change(ctx, "stories.split", {"story": found.story.id, "articles": chosen, "by": by})
    if json:
        echo_json(done)
        return
    moved = "1 article is" if done["moved"] == 1 else f"{done['moved']} articles are"
    typer.echo(f"{moved} the story {done['split_off'][:_SHOWN]} now.")
    typer.echo(f"To undo it: wirewatch stories merge {done['story'][:_SHOWN]} {done['split_off'][:_SHOWN]}")


@app.command()
def merge(
    ctx: typer.Context,
    story: Named,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The story that becomes part of it.")],
    by: By = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Make two stories one. Nobody is alerted; messages that live say it."""
    with open_read(ctx) as store:
        into, absorbed = (_detail(store, _only(store, each)).story for each in (story, other))
    if not yes:
        typer.echo(plain(f"“{absorbed.title}” would become part of “{into.title}”."), err=True)
        typer.confirm("Merge them?", abort=True, err=True)
    done = _change(ctx, "stories.merge", {"story": into.id, "other": absorbed.id, "by": by})
    if json:
        echo_json(done)
        return
    typer.echo(f"They are the story {done['story'][:_SHOWN]} now, with {done['articles']} articles.")


def _only(store: "Store", prefix: str) -> str:
    from daemon.store.story_names import starting_with

    wanted = prefix.strip().lower()
    found = or_fail(lambda: starting_with(store, wanted)) if wanted else []
    if not found:
        fail(f'no story has an id that begins with "{prefix}": see `wirewatch stories list`')
    if len(found) > 1:
        fail(f'{len(found)} stories have an id that begins with "{prefix}": give more of it')
    return found[0].id


def _detail(store: "Store", story_id: str) -> "StoryDetail":
    from daemon.store.story_details import detail

    found = or_fail(lambda: detail(store, story_id))
    if found is None:
        fail(f"the story {story_id[:_SHOWN]} is no longer kept")
    return found


def _article(found: "StoryDetail", prefix: str) -> str:
    ids = {each.match.article.id for each in found.joined if each.match.article.id.startswith(prefix.strip().lower())}
    if not prefix.strip() or not ids:
        fail(f'no article of the story has an id that begins with "{prefix}": see `wirewatch stories show`')
    if len(ids) > 1:
        fail(f'{len(ids)} articles of the story have an id that begins with "{prefix}": give more of it')
    return ids.pop()


def _change(ctx: typer.Context, verb: str, args: dict[str, Any]) -> dict[str, Any]:
    from daemon.cli.kept import change
    from daemon.errors import Unavailable

    settings = load_settings(ctx)
    try:
        return or_fail(lambda: change(settings, verb, args | {"by": args["by"] or user()}))
    except Unavailable as error:
        fail(str(error))


# -- showing


def _row(story: "Story") -> dict[str, object]:
    return {
        "id": story.id,
        "latest": iso(story.latest),
        "topic": story.topic_id,
        "title": story.title,
        "sources": len({report.source for report in story.reports}),
        "independent": story.independent,
        "articles": max(story.articles, len(story.reports)),
        "state": _STAGES[story.stage],
    }


def _show(found: "StoryDetail") -> None:
    from consumers.notify.wording import counted

    story = found.story
    row = _row(story)
    typer.echo(plain(story.title))
    typer.echo(plain(f"{story.id} · {story.topic_id} · {row['state']} · latest {when(story.latest)}"))
    if story.merged_into:
        typer.echo(f"Part of the story {story.merged_into} now.")
    for other in story.apart:
        typer.echo(f"Not the story {other}: somebody said so.")
    sources = counted(len({report.source for report in story.reports}), "source")
    typer.echo(f"Articles: {row['articles']}, {sources}, {story.independent} of them independent")
    copies = {(report.source, report.url): report.copy_of for report in story.reports}
    for each in found.joined:
        article = each.match.article
        copy_of = copies.get((article.source, article.url), "")
        copied = f" (copy of {copy_of})" if copy_of else ""
        at = article.seen if article.published is None else article.published
        typer.echo(plain(f"  {article.id[:_SHOWN]}  {when(at)}  {article.source}{copied}: {article.title}"))
    if story.facts:
        typer.echo("Added since")
        for fact in story.facts:
            typer.echo(plain(f"  {when(fact.at)}  {fact.text} ({fact.source}): {fact.quote}"))
    if found.steps:
        typer.echo("Told")
        for line in _history(found.steps):
            typer.echo(plain(f"  {line}"))


def _history(steps: "Sequence[Step]") -> list[str]:
    return [
        f"{when(step.at)}  {step.channel or 'nobody yet'}: {step.event}{f', {step.why}' if step.why else ''}"
        for step in steps
    ]


def _record(found: "StoryDetail") -> dict[str, object]:
    from dataclasses import asdict

    story = asdict(found.story)
    del story["known"]
    articles = [
        {
            "article_id": each.match.article.id,
            "match_id": each.match.id,
            "source": each.match.article.source,
            "url": each.match.article.url,
            "title": each.match.article.title,
            "joined": iso(each.at),
        }
        for each in found.joined
    ]
    return {**_row(found.story), **story, "matches": articles, "ledger": [asdict(step) for step in found.steps]}
