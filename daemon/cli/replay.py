"""``wirewatch replay``: compare what is in the archive with the topics once more."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import echo_json, fail, iso, load_settings, plain
from daemon.errors import Unavailable, Unusable

if TYPE_CHECKING:
    from daemon.cli.kept import Ask
    from daemon.settings import Settings


@dataclass(slots=True)
class _Done:
    of: int = 0
    articles: int = 0
    matches: int = 0
    other_model: int = 0
    place: float = 0.0  # when the last article that is done was read


def replay(
    ctx: typer.Context,
    since: Annotated[
        str, typer.Option(help='Articles read since then: "7d", "12h", "2026-11-14".', show_default=False)
    ],
    topic: Annotated[str, typer.Option(metavar="ID", help="Compare with this topic only.", show_default=False)] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare archived articles with the topics in force once more. Nothing of it alerts; repeating it is harmless."""
    from daemon.cli.kept import whoever_may

    settings = load_settings(ctx)
    done = _Done()
    try:
        with ExitStack() as stack:
            ask = stack.enter_context(whoever_may(settings))
            _run(settings, ask, since, topic, done)
    except KeyboardInterrupt:
        fail(f"stopped: {_go_on(done, topic)}", code=130)
    except (Unavailable, Unusable) as error:
        fail(f"{error}; {_go_on(done, topic)}" if done.articles else str(error))
    if json:
        echo_json(
            {"articles": done.articles, "other_model": done.other_model}
            | ({"topic": topic, "matches": done.matches} if topic else {})
        )
    else:
        _say(done, topic)


def _run(settings: "Settings", ask: "Ask", since: str, topic: str, done: _Done) -> None:
    import time

    from daemon.replay import since as since_of

    begin = since_of(since, time.time())
    whom = _topic_row(settings, topic) if topic else {}
    span = ask("replay.begin", {"since": begin})
    done.of, after = span["articles"], [begin, ""]
    with _progress(done) as progress:
        while after:
            step = ask("replay", {"after": after, "until": span["until"], **whom})
            done.articles += step["articles"]
            done.matches += step["matches"]
            done.other_model += step["other_model"]
            after = step["after"]
            done.place = after[0] if after else done.place
            progress()


def _topic_row(settings: "Settings", topic_id: str) -> dict[str, Any]:
    """Embedded here: whoever is asked may have no model, and the matcher's is busy."""
    from contextlib import closing

    from consumers.asked import asked_of
    from consumers.embedding import open_embedder
    from consumers.errors import ModelUnusable
    from daemon.cli.kept import open_to_read
    from daemon.topics_in_force import TopicsInForce

    with closing(open_to_read(settings)) as store:
        in_force = TopicsInForce(store)
        topic, name = in_force.enabled(topic_id), in_force.model_name(settings.model.name)
    try:
        embedder = open_embedder(name, settings.model.device)
    except ModelUnusable as error:
        raise Unusable(str(error)) from error
    (asked,) = asked_of([topic], embedder)
    return {
        "topic": topic.id,
        "version": topic.version,
        "model": embedder.model_id,
        "row": [float(number) for number in asked.row],
    }


@contextmanager
def _progress(done: _Done) -> "Iterator[Callable[[], None]]":
    from rich.console import Console

    with Console(stderr=True).status(f"0 of {done.of:,} articles") as status:
        yield lambda: status.update(f"{done.articles:,} of {done.of:,} articles")


def _go_on(done: _Done, topic: str) -> str:
    if not done.articles:
        return "nothing was replayed"
    only = f" --topic {topic}" if topic else ""
    return f"{_articles(done)} done, go on with `wirewatch replay --since {iso(done.place)}{only}`"


def _articles(done: _Done) -> str:
    return f"{done.articles:,} {'article' if done.articles == 1 else 'articles'}"


def _say(done: _Done, topic: str) -> None:
    if not done.articles:
        typer.echo("Nothing was read in that time.")
    elif topic:
        typer.echo(
            plain(f"{_articles(done)} compared with {topic}: {done.matches:,} above the line. Nothing of it alerts.")
        )
        if done.other_model:
            typer.echo(f"{done.other_model:,} of them were read with another model and are left out.")
    else:
        typer.echo(f"{_articles(done)} handed over, to be compared with every topic in force. Nothing of it alerts.")
        typer.echo("`wirewatch status` shows how many are still waiting.")
