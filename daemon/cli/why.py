"""``wirewatch why``: why an article alerted, or why it did not."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import config_dir, echo_json, fail, iso, open_read, plain, when
from daemon.cli.one_article import from_page
from daemon.cli.topics_test import open_model
from daemon.cli.tried import as_row, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.draft import Tried
    from daemon.feeds import Feed
    from daemon.why import Copy, Why


def why(
    ctx: typer.Context,
    article: Annotated[str, typer.Argument(metavar="URL", help="Of the article, or its id.")],
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's id, as in `wirewatch topics list`.")],
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Read the page now where it is not in the archive, and judge it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Why, or why not: what a topic made of an article, what it makes of it now, and what became of that."""
    import time

    from daemon.errors import Unavailable, Unusable
    from daemon.why import why as explain

    feeds = _feeds(ctx)
    with open_read(ctx) as store:

        def found(page: Any = None) -> "Why":
            def load() -> Any:
                return open_model(ctx, store)

            return explain(store, article, topic, load=load, feeds=feeds, now=time.time(), fetched=page)

        try:
            answer = found()
            if fetch and not answer.copies:
                answer = found(from_page(ctx, article))
        except (Unusable, Unavailable) as error:
            fail(str(error))
    if json:
        echo_json(_as_json(answer))
    else:
        _print(answer)


def _feeds(ctx: typer.Context) -> "Sequence[Feed]":
    """None where the file is missing or wrong: what is archived can be told all the same."""
    from daemon.errors import ConfigError
    from daemon.feeds_file import feeds_file

    file = config_dir(ctx) / "feeds.toml"
    if not file.is_file():
        return ()
    try:
        return feeds_file(file).load()
    except ConfigError as error:
        typer.echo(plain(f"{error}"), err=True)
        return ()


def _print(found: "Why") -> None:
    from daemon.why_told import happened, state_of

    state = state_of(found.topic, removed=found.removed)
    typer.echo(plain(f"{found.topic.query} · version {found.topic.version}, {state}"))
    if found.copies:
        typer.echo(plain(f"{found.copies[0].article.title or '(no title)'}"))
        for copy in found.copies:
            typer.echo(plain(f"  {_seen(copy)}"))
    typer.echo("")
    for sentence in happened(found):
        typer.echo(plain(sentence))
    if found.now is not None:
        _print_now(found, found.now)


def _seen(copy: "Copy") -> str:
    article = copy.article
    revision = f", revision {article.revision}" if article.revision > 1 else ""
    published = "" if article.published is None else f", published {when(article.published)}"
    return f"read {when(article.seen)} from the feed {article.feed_id}{revision}{published} · {article.id[:12]}"


def _print_now(found: "Why", tried: "Tried") -> None:
    from consumers.scoring import standing
    from daemon.why_told import GATES, carried, line_of

    typer.echo(
        f"\nNow it {'matches' if tried.matched else 'does not match'}: {standing(tried.score)} ({line_of(found)})"
    )
    place = f"passage {tried.passage.number} of {tried.passage.of}"
    typer.echo(plain(f"  {place}: “{quoted(tried.passage.text, tried.passage.marks)}”"))
    typer.echo(plain(f"  {tried.reasons[0]}"))
    typer.echo(f"  carried by {carried(tried.evidence.parts)}")
    for gate in tried.evidence.gates:
        result = "passed" if gate.passed else "FAILED"
        typer.echo(plain(f"  gate, {GATES.get(gate.gate, gate.gate)}: {result}{f' ({gate.why})' if gate.why else ''}"))
    if tried.evidence.nearest:
        typer.echo(plain(f"  nearest example: “{tried.evidence.nearest}”"))
    typer.echo(plain(f"  model: {found.model}"))


# -- JSON


def _as_json(found: "Why") -> dict[str, Any]:
    from daemon.why_told import carried, happened, line_of, state_of

    tried = found.now
    return {
        "asked": found.named,
        "topic": {
            "id": found.topic.id,
            "query": found.topic.query,
            "version": found.topic.version,
            "state": state_of(found.topic, removed=found.removed),
        },
        "happened": list(happened(found)),
        "articles": [_copy_row(copy) for copy in found.copies],
        "absent": None if found.absent is None else asdict(found.absent),
        "fetched": found.fetched,
        "now": None
        if tried is None
        else {**as_row(tried), "carried": carried(tried.evidence.parts), "line": line_of(found), "model": found.model},
    }


def _copy_row(copy: "Copy") -> dict[str, Any]:
    article, given, joining = copy.article, copy.given, copy.joining
    return {
        "id": article.id,
        "feed": article.feed_id,
        "seen": iso(article.seen),
        "published": None if article.published is None else iso(article.published),
        "revision": article.revision,
        "backfill": article.backfill,
        "then": None
        if given is None
        else {
            "version": given.topic_version,
            "matched": given.matched,
            "gate": given.gate,
            "score": round(given.score, 4),
            "at": iso(given.at),
        },
        "story": None
        if joining is None
        else {
            "id": joining.story_id,
            "title": joining.title,
            "joined": iso(joining.at),
            "reasons": list(joining.match.reasons),
            "alerts": [
                {
                    "id": each.alert_id,
                    "kind": each.kind,
                    "at": iso(each.at),
                    "by_this_article": each.match_id == joining.match.id,
                }
                for each in joining.alerts
            ],
        },
    }
