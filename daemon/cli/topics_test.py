"""``wirewatch topics test``: a draft of a topic on the archive, or on one article."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.back_test_report import as_json, drawn_from, print_report
from daemon.cli.context import echo_json, fail, load_settings, open_read, plain
from daemon.cli.one_article import from_file, from_page
from daemon.cli.topics_draft import draft_of, typed_keys
from daemon.cli.topics_options import (
    AlertsPerDayOption,
    CounterExampleOption,
    DescriptionOption,
    ExampleOption,
    ExcludeOption,
    KindOption,
    LanguageOption,
    MaxAgeOption,
    NotSourceOption,
    RequireOption,
    SensitivityOption,
    SourceOption,
)
from daemon.cli.tried import as_row, show

if TYPE_CHECKING:
    from consumers.embedding import Embedder
    from consumers.model import Article, Calibration, Topic
    from daemon.draft import Tried
    from daemon.store import Store


def try_topic(
    ctx: typer.Context,
    words: Annotated[
        str,
        typer.Argument(
            metavar="QUERY|ID",
            help='What to watch for, in plain words, or the id of a topic: "Russian airstrikes Syria".',
        ),
    ],
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
    kind: KindOption = None,
    description: DescriptionOption = None,
    sensitivity: SensitivityOption = None,
    alerts_per_day: AlertsPerDayOption = None,
    example: ExampleOption = None,
    counter_example: CounterExampleOption = None,
    require: RequireOption = None,
    exclude: ExcludeOption = None,
    language: LanguageOption = None,
    source: SourceOption = None,
    not_source: NotSourceOption = None,
    max_age: MaxAgeOption = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw alerts a day against sensitivity into this picture.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try a topic before it is in force: what would it have matched? Nothing is changed or sent.

    With the id of a topic, its options change the draft only, and it is compared with the version in force.
    """
    if not words.strip():
        fail("say what to watch for: the query is empty", 2)
    if sum(given is not None for given in (days, url, file)) > 1:
        fail("choose one of --days, --url and --file", 2)
    if png is not None and (url is not None or file is not None):
        fail("--png draws a back-test: leave out --url and --file", 2)
    topic = draft_of(ctx, words, typed_keys(ctx))
    if url is not None or file is not None:
        article = from_page(ctx, url) if url is not None else from_file(file or Path())
        _try_article(ctx, topic, article, json=json)
    else:
        _try_archive(ctx, topic, days or 7, png, json=json)


@contextmanager
def _busy(doing: str) -> "Iterator[None]":
    from rich.console import Console

    with Console(stderr=True).status(doing):
        yield


def open_model(ctx: typer.Context, store: "Store | None" = None) -> "Embedder":
    """The model that decides, by what the store says; the configured one without a store."""
    from consumers.embedding import open_embedder
    from consumers.errors import ModelUnusable
    from daemon.topics_in_force import TopicsInForce

    model = load_settings(ctx).model
    name = model.name if store is None else TopicsInForce(store).model_name(model.name)
    try:
        return open_embedder(name, model.device)
    except ModelUnusable as error:
        fail(str(error))


# -- one article


def _try_article(ctx: typer.Context, topic: "Topic", article: "Article", *, json: bool) -> None:
    with _busy("loading the model"):
        tried, calibration = _tried(ctx, topic, article)
    if json:
        echo_json({"topic": asdict(topic), "line": drawn_from(calibration), **as_row(tried)})
        return
    typer.echo(plain(f"{topic.query} · {'matches' if tried.matched else 'does not match'} this article"))
    show(tried)
    if not calibration or not calibration.articles:
        typer.echo("    Judged by the line that is shipped: the archive is too small to draw one for this topic.")


def _tried(ctx: typer.Context, topic: "Topic", article: "Article") -> "tuple[Tried, Calibration | None]":
    import time
    from contextlib import closing

    from daemon.cli.kept import open_to_read
    from daemon.draft import try_article
    from daemon.errors import Unavailable, Unusable
    from daemon.trial import on_article

    try:
        store = open_to_read(load_settings(ctx))
    except (Unusable, Unavailable):  # there is none yet
        return try_article(topic, article, open_model(ctx)), None
    with closing(store):
        return on_article(store, topic, article, open_model(ctx, store), now=time.time())


# -- the archive


def _try_archive(ctx: typer.Context, topic: "Topic", days: int, png: Path | None, *, json: bool) -> None:
    import time

    from daemon.cli.topics_curve import write_png
    from daemon.errors import Unavailable
    from daemon.proposals import changes
    from daemon.store.archive import Archive
    from daemon.store.topics import TopicVersions
    from daemon.trial import on_archive

    with open_read(ctx) as store:
        try:
            if not Archive(store).count():
                fail("the archive is empty: start `wirewatch run` and let it read your feeds first")
            in_force = TopicVersions(store).in_force().get(topic.id)
            if in_force is not None and not changes(in_force, topic):
                in_force = None
            with _busy("reading the archive"):
                embedder = open_model(ctx, store)
                found = on_archive(store, topic, embedder, days=days, now=time.time(), in_force=in_force)
        except Unavailable as error:
            fail(str(error))
    if png is not None and found.back_test.curve is not None:
        write_png(found.back_test.curve, topic, png)
    if json:
        echo_json(as_json(found, days))
    else:
        print_report(found, days)
        if png is not None:
            drawn = found.back_test.curve is not None
            typer.echo(f"\nThe curve is in {png}." if drawn else "\nToo few days for a curve: nothing was drawn.")
