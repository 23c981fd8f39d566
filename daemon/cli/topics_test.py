"""``wirewatch topics test``: a draft of a topic on the archive, or on one article."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from daemon.cli.context import echo_json, fail, load_settings, open_read, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.embedding import Embedder
    from consumers.model import Article, Topic
    from daemon.draft import BackTest, Tried

DAY = 86_400.0
_QUOTED = 320  # characters of a passage


def try_topic(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help='What to watch for, in plain words: "Russian airstrikes Syria".')],
    days: Annotated[
        int | None, typer.Option(min=1, help="Try it on the articles of the last so many days; 7 if nothing is said.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Try it on this page.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Try it on this text, its first line the title, or on a saved page.", exists=True, dir_okay=False
        ),
    ] = None,
    kind: Annotated[Literal["event", "theme"], typer.Option(help="Something that happens, or a standing subject.")] = (
        "event"
    ),
    description: Annotated[str, typer.Option(help="What is meant, in a sentence or two.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try a topic before it is in force: what would it have matched? Nothing is changed or sent."""
    from consumers.model import Topic

    if not query.strip():
        fail("say what to watch for: the query is empty", 2)
    if sum(given is not None for given in (days, url, file)) > 1:
        fail("choose one of --days, --url and --file", 2)
    topic = Topic(id="draft", query=query, kind=kind, description=description)
    if url is not None or file is not None:
        article = _from_page(ctx, url) if url is not None else _from_file(file or Path())
        _show_article(topic, article, _embedder(ctx), as_json=json)
    else:
        _show_archive(ctx, topic, days or 7, as_json=json)


def _embedder(ctx: typer.Context) -> "Embedder":
    from consumers.embedding import open_embedder
    from consumers.errors import ModelUnusable

    model = load_settings(ctx).model
    try:
        return open_embedder(model.name, model.device)
    except ModelUnusable as error:
        fail(str(error))


# -- one article


def _from_file(file: Path) -> "Article":
    from daemon.page import file_text

    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    title, text = file_text(content)
    if not title.strip():
        fail(f"{file} is empty: its first line is the title, the rest the text")
    return _article(title.strip(), text, "")


def _article(title: str, text: str, url: str) -> "Article":
    import time

    from consumers.model import Article

    return Article(id="draft", feed_id="", source=url, url=url, title=title, text=text, seen=time.time())


def _from_page(ctx: typer.Context, url: str) -> "Article":
    import asyncio

    from daemon.clock import SystemClock
    from daemon.fetch.client import FeedClient
    from daemon.fetch.failure import PollFailed
    from daemon.fetch.guard import EgressGuard
    from daemon.page import read_page

    fetch = load_settings(ctx).fetch

    async def read() -> tuple[str, str]:
        client = FeedClient(
            guard=EgressGuard(fetch.allow_networks),
            clock=SystemClock(),
            user_agent=fetch.user_agent,
            timeout=fetch.timeout,
            max_wire=fetch.max_wire,
            max_decoded=fetch.max_decoded,
        )
        async with client:
            return await read_page(client, url)

    try:
        title, text = asyncio.run(read())
    except PollFailed as error:
        fail(f"{url} could not be read: {error.reason}")
    return _article(title, text, url)


def _show_article(topic: "Topic", article: "Article", embedder: "Embedder", *, as_json: bool) -> None:
    from daemon.draft import try_article

    tried = try_article(topic, article, embedder)
    if as_json:
        _print_json({"topic": asdict(topic), **_as_row(tried)})
        return
    typer.echo(plain(f"{topic.query} · {'matches' if tried.matched else 'does not match'} this article"))
    _show(tried)


# -- the archive


def _show_archive(ctx: typer.Context, topic: "Topic", days: int, *, as_json: bool) -> None:
    import time

    from daemon.draft import back_test
    from daemon.errors import Unavailable
    from daemon.store.archive import Archive

    with open_read(ctx) as store, _progress() as progress:
        archive = Archive(store)
        try:
            if not archive.count():
                fail("the archive is empty: start `wirewatch run` and let it read your feeds first")
            since = time.time() - days * DAY
            tested = back_test(topic, archive, _embedder(ctx), since=since, progress=progress)
        except Unavailable as error:
            fail(str(error))
    if as_json:
        _print_json(_back_test_row(tested))
    else:
        _print_back_test(tested, days)


@contextmanager
def _progress() -> "Iterator[Callable[[int], None]]":
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("loading the model") as status:
        yield lambda articles: status.update(f"{articles:,} articles")


def _print_back_test(tested: "BackTest", days: int) -> None:
    span = "day" if days == 1 else f"{days} days"
    typer.echo(plain(f"{tested.topic.query} · {tested.topic.kind} · {_articles(tested.articles)} of the last {span}"))
    if tested.other_model:
        typer.echo(f"{tested.other_model:,} of them were read with another model and are left out.")
    if not tested.articles:
        typer.echo("Nothing was read in that time: try more --days.")
        return
    a_day = tested.above / days
    typer.echo(f"{_articles(tested.above)} above the line, about {a_day:.1f} a day; {tested.near:,} just below it.")
    if tested.by_day:
        typer.echo("  " + " · ".join(f"{day} {count}" for day, count in tested.by_day[-14:]))
    for heading, samples in (
        ("Best", tested.best),
        ("Just above the line", tested.just_above),
        ("Just below the line: these would not alert", tested.just_below),
    ):
        if samples:
            typer.echo(f"\n{heading}")
            for tried in samples:
                _show(tried)


def _articles(count: int) -> str:
    return f"{count:,} {'article' if count == 1 else 'articles'}"


# -- printing


def _show(tried: "Tried") -> None:
    article = tried.article
    at = article.seen if article.published is None else article.published
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    where = " · ".join(part for part in (article.source, when, article.url) if part)
    typer.echo(plain(f"  {article.title or '(no title)'}"))
    if article.feed_id:
        typer.echo(plain(f"    {where}"))
    if tried.passage.text != article.title:
        typer.echo(plain(f"    “{_quoted(tried.passage.text, tried.passage.marks)}”"))
    typer.echo(plain(f"    Why: {'; '.join(tried.reasons)}"))


def _quoted(text: str, marks: tuple[tuple[int, int], ...]) -> str:
    """As much of the passage as fits, around the first mark."""
    first = marks[0][0] if marks else 0
    start = 0 if first < _QUOTED // 2 else text.rfind(" ", 0, first - _QUOTED // 4) + 1
    end = start + _QUOTED
    return ("… " if start else "") + " ".join(text[start:end].split()) + (" …" if end < len(text) else "")


def _as_row(tried: "Tried") -> dict[str, object]:
    article = tried.article
    return {
        "matched": tried.matched,
        "title": article.title,
        "source": article.source,
        "url": article.url,
        "published": article.published,
        "passage": asdict(tried.passage),
        "reasons": list(tried.reasons),
        "score": round(tried.score, 4),
    }


def _back_test_row(tested: "BackTest") -> dict[str, object]:
    return {
        "topic": asdict(tested.topic),
        "since": tested.since,
        "articles": tested.articles,
        "other_model": tested.other_model,
        "above": tested.above,
        "near": tested.near,
        "by_day": dict(tested.by_day),
        "best": [_as_row(tried) for tried in tested.best],
        "just_above": [_as_row(tried) for tried in tested.just_above],
        "just_below": [_as_row(tried) for tried in tested.just_below],
    }


def _print_json(value: object) -> None:
    echo_json(value)
