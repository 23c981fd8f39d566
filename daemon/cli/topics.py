"""``wirewatch topics``: what to watch for. The commands edit topics.toml; the daemon follows the file."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import cell, config_dir, echo_json, emit, fail, iso, load_settings, plain
from daemon.cli.topics_history import history, rollback
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
KindOption = Annotated[str | None, typer.Option(help='"event": something that happens; "theme": a standing subject.')]
DescriptionOption = Annotated[str | None, typer.Option(help="A sentence or two more about what is meant.")]
ChannelOption = Annotated[
    list[str] | None, typer.Option(help="A channel of wirewatch.toml; repeat for several [default: console]")
]


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
        rows.append({**_keys(topic), "version": known.version if known else None})
    columns = ("id", "query", "kind", "channels", "enabled", "version")
    emit(rows, columns=columns, as_json=as_json, empty='No topics yet: `wirewatch topics add "your words"`.')


@app.command()
def show(ctx: typer.Context, topic_id: TopicId, as_json: Json = False) -> None:
    """One topic: its keys, its versions, and the version each worker has applied."""
    topic = _file(ctx).find(topic_id)
    history = _stored(ctx, lambda found: found.history(topic_id)) or []
    workers = _stored(ctx, lambda found: found.applied_by(topic_id)) or {}
    force = _force(ctx, topic_id)
    versions = [
        {"version": one.version, "at": iso(one.at), "query": one.topic.query if one.topic else None} for one in history
    ]
    applied = [{"worker": worker, "version": version, "at": iso(at)} for worker, (version, at) in workers.items()]
    if as_json:
        echo_json(
            {**_keys(topic), "versions": versions, "applied": applied, "in_force": asdict(force) if force else None}
        )
        return
    for key, value in _keys(topic).items():
        typer.echo(f"{key:12} {cell(value)}")
    for one in versions:
        typer.echo(f"version {one['version']:<4} {one['at']}  {plain(one['query'] or 'removed')}")
    for worker in applied:
        typer.echo(f"applied      version {worker['version']} by {worker['worker']} since {worker['at']}")
    if force is None or not force.of:
        typer.echo("not in force yet: it takes effect when `wirewatch run` starts")
    else:
        typer.echo(f"in force     {_said(force)}")


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
    channel: ChannelOption = None,
) -> None:
    """Add a topic to topics.toml."""
    from daemon.topics_file import slug

    values: dict[str, Any] = {"id": topic_id or slug(query), "query": query}
    values |= _given(kind=kind, description=description)
    values["channels"] = channel or ["console"]
    file = _file(ctx)
    topic = file.add(values)
    typer.echo(f"Added to {file.file}:\n\n[[topic]]")
    for key in values:
        typer.echo(f"{key} = {_toml(values[key])}")
    typer.echo("")
    _wait(ctx, topic.id, topic)


@app.command()
def edit(
    ctx: typer.Context,
    topic_id: TopicId,
    query: Annotated[str | None, typer.Option(help="New words.")] = None,
    kind: KindOption = None,
    description: DescriptionOption = None,
    channel: ChannelOption = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Watch for it, or pause it.")] = None,
) -> None:
    """Change keys of a topic; its comments and everything else in the file stay as they are."""
    values = _given(query=query, kind=kind, description=description, channels=channel, enabled=enabled)
    if not values:
        fail("nothing to change: name at least one of --query, --kind, --description, --channel, --disable", code=2)
    file = _file(ctx)
    topic = file.change(topic_id, values)
    typer.echo(f"Changed in {file.file}: " + ", ".join(f"{key} = {_toml(value)}" for key, value in values.items()))
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


def _given(**options: object) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value not in (None, [])}


def _toml(value: object) -> str:
    import tomlkit

    return tomlkit.item(value).as_string()


def _keys(topic: "Topic") -> dict[str, Any]:
    return {
        "id": topic.id,
        "query": topic.query,
        "kind": topic.kind,
        "description": topic.description,
        "channels": list(topic.channels),
        "enabled": topic.enabled,
    }


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
