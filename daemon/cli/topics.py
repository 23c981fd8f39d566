"""``wirewatch topics``: what to watch for. The commands edit topics.toml; the daemon follows the file."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from daemon.cli.context import echo_json, emit, fail, iso, load_settings, plain
from daemon.cli.topics_applied import Json, TopicId, force_of, in_force_on, stored, topics_file_of, wait
from daemon.cli.topics_history import history, rollback
from daemon.cli.topics_options import (
    EVENT,
    THEME,
    AlertsPerDayOption,
    ChannelOption,
    CounterExampleOption,
    DescriptionOption,
    EscalateOption,
    ExampleOption,
    ExcludeOption,
    KindOption,
    LanguageOption,
    MaxAgeOption,
    MinSourcesOption,
    NotSourceOption,
    RequireOption,
    SensitivityOption,
    SeverityOption,
    SilenceOption,
    SourceOption,
    SpikeOption,
    UpdatesOption,
    YieldsToOption,
    differing,
    given,
    keys,
    told,
    toml,
)
from daemon.cli.topics_proposal import accept
from daemon.cli.topics_review import review
from daemon.cli.topics_test import try_topic

app = typer.Typer(help="What to watch for: list, add, edit, remove, show, test.", no_args_is_help=True)


@app.command("list")
def list_topics(ctx: typer.Context, as_json: Json = False) -> None:
    """Every topic of topics.toml, with the version in force."""
    versions = stored(ctx, lambda found: found.in_force()) or {}
    rows = []
    for topic in topics_file_of(ctx).load():
        known = versions.get(topic.id)
        shown = {} if as_json else {"channels": told(topic)}
        rows.append({**keys(topic), "version": known.version if known else None, **shown})
    columns = ("id", "query", "kind", "channels", "enabled", "version")
    emit(rows, columns=columns, as_json=as_json, empty='No topics yet: `wirewatch topics add "your words"`.')


@app.command()
def show(ctx: typer.Context, topic_id: TopicId, as_json: Json = False) -> None:
    """One topic: the keys that are not at their default, what it expects, its versions, and who has applied which."""
    from daemon.cli.kept import if_any
    from daemon.cli.topics_expected import calibration_of, lines, row, unread_of

    topic = topics_file_of(ctx).find(topic_id)
    history = stored(ctx, lambda found: found.history(topic_id)) or []
    workers = stored(ctx, lambda found: found.applied_by(topic_id)) or {}
    force = force_of(ctx, topic_id)
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
        typer.echo(f"{'in force':16} {in_force_on(force)}")


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
    updates: UpdatesOption = None,
    min_sources: MinSourcesOption = None,
    severity: SeverityOption = None,
    escalate: EscalateOption = None,
    yields_to: YieldsToOption = None,
    spike: SpikeOption = None,
    silence: SilenceOption = None,
) -> None:
    """Add a topic to topics.toml. Its words are enough; every option narrows or explains them."""
    from daemon.topics_file import slug

    typed = {key: value for key, value in _typed(ctx).items() if value is not None}
    values = {"id": topic_id or slug(query), "query": query, **typed}
    values.setdefault("channels", ["console"])
    file = topics_file_of(ctx)
    topic = file.add(values)
    typer.echo(f"Added to {file.file}:\n\n[[topic]]")
    for key, value in values.items():
        typer.echo(f"{key} = {toml(value)}")
    typer.echo("")
    if kind is None:
        typer.echo(f"Its kind is event: {EVENT}. For {THEME}: `wirewatch topics edit {topic.id} --kind theme`")
    wait(ctx, topic.id, topic)


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
    updates: UpdatesOption = None,
    min_sources: MinSourcesOption = None,
    severity: SeverityOption = None,
    escalate: EscalateOption = None,
    yields_to: YieldsToOption = None,
    spike: SpikeOption = None,
    silence: SilenceOption = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Watch for it, or pause it.")] = None,
) -> None:
    """Change keys of a topic; its comments and everything else in the file stay as they are.

    An option that can be repeated replaces the whole list; an empty text ("") takes a key back to its default.
    """
    values = _typed(ctx)
    if not values:
        fail("nothing to change: name at least one option, as in --query, --kind, --require, --disable", code=2)
    file = topics_file_of(ctx)
    topic = file.change(topic_id, values)
    said = ", ".join(f"{key} = {toml(value)}" for key, value in values.items() if value is not None)
    cleared = ", ".join(key for key, value in values.items() if value is None)
    typer.echo(
        f"Changed in {file.file}: " + "; ".join(filter(None, (said, cleared and f"back to the default: {cleared}")))
    )
    wait(ctx, topic.id, topic)


@app.command()
def remove(
    ctx: typer.Context,
    topic_id: TopicId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a topic out of topics.toml. What it found stays in the archive."""
    file = topics_file_of(ctx)
    topic = file.find(topic_id)
    if not yes and not typer.confirm(f'Remove "{topic.query}" ({topic.id})?'):
        fail("nothing was removed")
    file.remove(topic.id)
    typer.echo(f"Removed {topic.id} from {file.file}.")
    wait(ctx, topic.id, None)


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


app.command("test")(try_topic)
for verb in (review, accept, history, rollback):
    app.command()(verb)
