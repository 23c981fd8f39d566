"""``wirewatch topics test``: a draft of a topic on the archive, or on one article."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    from collections.abc import Sequence

    from consumers.embedding import Embedder
    from consumers.model import Article, Calibration, Topic
    from consumers.tally import Tally
    from daemon.draft import BackTest, Difference, Tried
    from daemon.store import Store
    from daemon.trial import Tested

_DAYS_SHOWN = 14


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
        _try_article(ctx, topic, article, as_json=json)
    else:
        _try_archive(ctx, topic, days or 7, png, as_json=json)


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


def _try_article(ctx: typer.Context, topic: "Topic", article: "Article", *, as_json: bool) -> None:
    with _busy("loading the model"):
        tried, calibration = _tried(ctx, topic, article)
    if as_json:
        echo_json({"topic": asdict(topic), "line": _drawn_from(calibration), **as_row(tried)})
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


def _drawn_from(calibration: "Calibration | None") -> dict[str, object]:
    articles = calibration.articles if calibration else 0
    return {"drawn_from_articles": articles, "alerts_a_day": calibration.expected if calibration else None}


# -- the archive


def _try_archive(ctx: typer.Context, topic: "Topic", days: int, png: Path | None, *, as_json: bool) -> None:
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
    if as_json:
        echo_json(_as_json(found, days))
    else:
        _print(found, days)
        if png is not None:
            drawn = found.back_test.curve is not None
            typer.echo(f"\nThe curve is in {png}." if drawn else "\nToo few days for a curve: nothing was drawn.")


def _print(found: "Tested", days: int) -> None:
    from daemon.cli.topics_curve import print_curve

    tested = found.back_test
    span = "day" if days == 1 else f"{days} days"
    typer.echo(plain(f"{tested.topic.query} · {tested.topic.kind} · {_articles(tested.articles)} of the last {span}"))
    for line in _restrictions(found):
        typer.echo(plain(line))
    if not tested.articles:
        typer.echo("Nothing was read in that time: try more --days.")
        return
    typer.echo(f"{_a_day(tested.tally)} in {span}); {tested.tally.near:,} just below the line")
    if tested.tally.stopped:
        stopped = ", ".join(f"{gate} {count:,}" for gate, count in tested.tally.stopped.items())
        typer.echo(f"Above the line, and stopped by a gate: {stopped}")
    if tested.tally.by_day:
        typer.echo("  " + " · ".join(f"{day} {stories}" for day, _, stories in tested.tally.by_day[-_DAYS_SHOWN:]))
    if tested.curve is not None:
        typer.echo("")
        print_curve(tested.curve, tested.topic)
    if tested.difference is not None:
        _print_difference(tested, tested.difference)
    _print_samples("Best", tested.best)
    _print_samples("Just above the line", tested.just_above)
    _print_samples("Just below the line: these would not alert", tested.just_below)
    _print_samples("Above the line, and stopped by a gate", tested.stopped)


def _restrictions(found: "Tested") -> "Iterator[str]":
    if found.left_out:
        yield f"{found.left_out:,} of the archive were read with another model, or have no text, and are left out."
    if found.share < 1:
        yield f"The archive is large: {found.share:.0%} of its articles were looked at, evenly out of all of them."
    if found.back_test.tally.beyond:
        yield f"{found.back_test.tally.beyond:,} more are above the line and were not counted: narrow the topic."
    if not found.back_test.calibration.articles:
        yield "The archive is too small to draw a line for this topic: judged by the line that is shipped."
    for each in found.unread:
        yield f"The example {each.ref} does not count here: {each.why}."


def _a_day(tally: "Tally") -> str:
    """Without its last bracket, so that the days can be added."""
    from consumers.watch import about

    stories = f"{tally.stories:,} {'story' if tally.stories == 1 else 'stories'}"
    counted = f"({stories}, {_articles(tally.above)}"
    if tally.a_day is None:
        return f"too few days to say how many alerts a day {counted}"
    said = about(tally.a_day)
    alerts = "alert" if said.startswith(("about 1 a ", "less than one a ")) else "alerts"
    return f"{said.replace(' a ', f' {alerts} a ', 1)} {counted}"


def _print_difference(tested: "BackTest", difference: "Difference") -> None:
    from daemon.proposals import changes

    said = ", ".join(each.said for each in changes(difference.topic, tested.topic))
    typer.echo(plain(f"\nAgainst version {difference.topic.version}, which is in force ({said}):"))
    typer.echo(f"  in force: {_a_day(difference.tally)})")
    typer.echo(f"  {_articles(difference.both)} in both, {difference.gained:,} new, {difference.lost:,} no more")
    _print_samples("New with this draft", difference.samples_gained)
    _print_samples("No more with this draft", difference.samples_lost)


def _print_samples(heading: str, samples: "Sequence[Tried]") -> None:
    if samples:
        typer.echo(f"\n{heading}")
        for tried in samples:
            show(tried)


def _articles(count: int) -> str:
    return f"{count:,} {'article' if count == 1 else 'articles'}"


# -- JSON


def _as_json(found: "Tested", days: int) -> dict[str, object]:
    tested, difference = found.back_test, found.back_test.difference
    return {
        "topic": asdict(tested.topic),
        "days": days,
        "since": tested.since,
        "archived": found.archived,
        "share": found.share,
        "left_out": found.left_out,
        "unread_examples": [asdict(each) for each in found.unread],
        "articles": tested.articles,
        "line": _drawn_from(tested.calibration),
        **_tally_row(tested.tally),
        "curve": None if tested.curve is None else asdict(tested.curve),
        "best": _rows(tested.best),
        "just_above": _rows(tested.just_above),
        "just_below": _rows(tested.just_below),
        "stopped_samples": _rows(tested.stopped),
        "difference": None
        if difference is None
        else {
            "version": difference.topic.version,
            "in_force": _tally_row(difference.tally),
            "both": difference.both,
            "gained": difference.gained,
            "lost": difference.lost,
            "both_samples": _rows(difference.samples_both),
            "gained_samples": _rows(difference.samples_gained),
            "lost_samples": _rows(difference.samples_lost),
        },
    }


def _tally_row(tally: "Tally") -> dict[str, object]:
    return {
        "above": tally.above,
        "stories": tally.stories,
        "alerts_a_day": tally.a_day,
        "near": tally.near,
        "stopped": dict(tally.stopped),
        "beyond": tally.beyond,
        "by_day": [{"day": day, "articles": articles, "stories": stories} for day, articles, stories in tally.by_day],
    }


def _rows(samples: "Sequence[Tried]") -> list[dict[str, object]]:
    return [as_row(tried) for tried in samples]
