"""``wirewatch topics``: what to watch for. The commands edit topics.toml; the daemon follows the file."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import config_dir, echo_json, emit, fail, iso, load_settings, plain
from daemon.cli.topics_history import history, rollback
from daemon.cli.topics_options import (
    EVENT,
    THEME,
    AlertsPerDayOption,
    ChannelOption,
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
    differing,
    given,
    keys,
    toml,
)
from daemon.cli.topics_proposal import accept
from daemon.cli.topics_review import review
from daemon.cli.topics_test import try_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.model import Topic
    from daemon.entry_file import EntryFile
    from daemon.store.topics import TopicVersions
    from daemon.store.workers import Applied

app = typer.Typer(help="What to watch for: list, add, edit, remove, show, test.", no_args_is_help=True)

PATIENCE = 3.0  # seconds to wait until an edit is in force; two are promised

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
TopicId = Annotated[str, typer.Argument(metavar="ID", help="As in `wirewatch topics list`.")]


def _file(ctx: typer.Context) -> "EntryFile[Topic]":
    from daemon.topics_file import topics_file

    return topics_file(config_dir(ctx) / "topics.toml", load_settings(ctx).channel)


@app.command("list")
def list_topics(ctx: typer.Context, as_json: Json = False) -> None:
    """Every topic of topics.toml, with the version in force."""
    versions = _stored(ctx, lambda found: found.in_force()) or {}
    rows = []
    for topic in _file(ctx).load():
        known = versions.get(topic.id)
        rows.append({**keys(topic), "version": known.version if known else None})
    columns = ("id", "query", "kind", "channels", "enabled", "version")
    emit(rows, columns=columns, as_json=as_json, empty='No topics yet: `wirewatch topics add "your words"`.')


@app.command()
def show(ctx: typer.Context, topic_id: TopicId, as_json: Json = False) -> None:
    """One topic: the keys that are not at their default, what it expects, its versions, and who has applied which."""
    from daemon.cli.kept import if_any
    from daemon.cli.topics_expected import calibration_of, lines, row, unread_of

    topic = _file(ctx).find(topic_id)
    history = _stored(ctx, lambda found: found.history(topic_id)) or []
    workers = _stored(ctx, lambda found: found.applied_by(topic_id)) or {}
    force = _force(ctx, topic_id)
    versions = [
        {"version": one.version, "at": iso(one.at), "query": one.topic.query if one.topic else None} for one in history
    ]
    applied = [{"worker": worker, "version": version, "at": iso(at)} for worker, (version, at) in workers.items()]
    settings = load_settings(ctx)
    calibration = if_any(settings, lambda store: calibration_of(store, topic_id))
    unread = if_any(settings, lambda store: unread_of(store, topic)) or ()
    if as_json:
        in_force = asdict(force) if force else None
        more = row(calibration, unread)
        echo_json({**keys(topic), "versions": versions, "applied": applied, "in_force": in_force, **more})
        return
    for key, value in differing(topic).items():
        typer.echo(f"{key:16} {value}")
    for line in lines(calibration, unread) if force is not None else ():
        typer.echo(line)
    for one in versions:
        typer.echo(f"version {one['version']:<8} {one['at']}  {plain(one['query'] or 'removed')}")
    for worker in applied:
        typer.echo(f"{'applied':16} version {worker['version']} by {worker['worker']} since {worker['at']}")
    if force is None or not force.of:
        typer.echo("not in force yet: it takes effect when `wirewatch run` starts")
    else:
        typer.echo(f"{'in force':16} {_said(force)}")


def _force(ctx: typer.Context, topic_id: str) -> "Applied | None":
    from daemon.cli.kept import if_any
    from daemon.store.workers import Workers

    return if_any(load_settings(ctx), lambda store: Workers(store).in_force(topic_id))


def _said(force: "Applied") -> str:
    """ "on 3/3 matchers since 1.4 s"; how long ago the last of them applied it, by this machine's clock."""
    since = "" if force.since is None else f" since {_span(max(0.0, time.time() - force.since))}"
    behind = f", not yet on {', '.join(force.behind)}" if force.behind else ""
    return f"on {force.on}/{force.of} {'matcher' if force.of == 1 else 'matchers'}{since}{behind}"


def _span(seconds: float) -> str:
    from daemon.status import ago

    return f"{seconds:.1f} s" if seconds < 10 else ago(seconds)


@app.command()
def add(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help='Plain words: "Russian airstrikes Syria".')],
    topic_id: Annotated[str | None, typer.Option("--id", help="[default: made from the query]")] = None,
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
    channel: ChannelOption = None,
) -> None:
    """Add a topic to topics.toml. Its words are enough; every option narrows or explains them."""
    from daemon.topics_file import slug

    typed = {key: value for key, value in _typed(ctx).items() if value is not None}
    values = {"id": topic_id or slug(query), "query": query, **typed}
    values.setdefault("channels", ["console"])
    file = _file(ctx)
    topic = file.add(values)
    typer.echo(f"Added to {file.file}:\n\n[[topic]]")
    for key, value in values.items():
        typer.echo(f"{key} = {toml(value)}")
    typer.echo("")
    if kind is None:
        typer.echo(f"Its kind is event: {EVENT}. For {THEME}: `wirewatch topics edit {topic.id} --kind theme`")
    _wait(ctx, topic.id, topic)


@app.command()
def edit(
    ctx: typer.Context,
    topic_id: TopicId,
    query: Annotated[str | None, typer.Option(help="New words.")] = None,
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
    channel: ChannelOption = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Watch for it, or pause it.")] = None,
) -> None:
    """Change keys of a topic; its comments and everything else in the file stay as they are.

    An option that can be repeated replaces the whole list; an empty text ("") takes a key back to its default.
    """
    values = _typed(ctx)
    if not values:
        fail("nothing to change: name at least one option, as in --query, --kind, --require, --disable", code=2)
    file = _file(ctx)
    topic = file.change(topic_id, values)
    said = ", ".join(f"{key} = {toml(value)}" for key, value in values.items() if value is not None)
    cleared = ", ".join(key for key, value in values.items() if value is None)
    typer.echo(
        f"Changed in {file.file}: " + "; ".join(filter(None, (said, cleared and f"back to the default: {cleared}")))
    )
    _wait(ctx, topic.id, topic)


@app.command()
def remove(
    ctx: typer.Context,
    topic_id: TopicId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a topic out of topics.toml. What it found stays in the archive."""
    file = _file(ctx)
    topic = file.find(topic_id)
    if not yes and not typer.confirm(f'Remove "{topic.query}" ({topic.id})?'):
        fail("nothing was removed")
    file.remove(topic.id)
    typer.echo(f"Removed {topic.id} from {file.file}.")
    _wait(ctx, topic.id, None)


_KEYS = {
    "example": "examples",
    "counter_example": "counter_examples",
    "language": "languages",
    "source": "sources",
    "not_source": "not_sources",
    "channel": "channels",
}


def _typed(ctx: typer.Context) -> dict[str, Any]:
    """The options of this command that are keys of a topic."""
    return given({_KEYS.get(name, name): typed for name, typed in ctx.params.items() if name != "topic_id"})


def _stored(ctx: typer.Context, ask: "Callable[[TopicVersions], Any]") -> Any:
    """What the store says, or None while there is none."""
    from daemon.cli.kept import if_any
    from daemon.store.topics import TopicVersions

    return if_any(load_settings(ctx), lambda store: ask(TopicVersions(store)))


def _wait(ctx: typer.Context, topic_id: str, wanted: "Topic | None") -> None:
    """Says when the edit is in force. The file is written already, so waiting in vain is no failure."""
    from daemon.cli.kept import is_running

    if not is_running(load_settings(ctx)):
        typer.echo("No wirewatch is running: it takes effect at the next start.")
        return
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        force = _force(ctx, topic_id)
        if force and force.everywhere and _stored(ctx, lambda found: _newest_is(found, topic_id, wanted)):
            others = f" on all {force.of} matchers" if force.of > 1 else ""
            typer.echo(f"In force after {time.monotonic() - started:.1f} s{others}, version {force.version}.")
            return
        time.sleep(0.1)
    typer.echo("Saved, but not in force yet: `wirewatch status` says what the daemon is doing.")


def _newest_is(versions: "TopicVersions", topic_id: str, wanted: "Topic | None") -> bool:
    """Whether the newest version says what is wanted; None: that it is removed."""
    from dataclasses import replace

    history = versions.history(topic_id)
    newest = history[0].topic if history else None
    if not history or wanted is None or newest is None:
        return bool(history) and wanted is newest
    return replace(wanted, version=newest.version, epoch=newest.epoch) == newest


app.command("test")(try_topic)
for verb in (review, accept, history, rollback):
    app.command()(verb)
