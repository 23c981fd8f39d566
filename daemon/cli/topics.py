"""``wirewatch topics``: what to watch for. The commands edit topics.toml; the daemon follows the file."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import cell, config_dir, echo_json, emit, fail, iso, load_settings, plain
from daemon.cli.topics_test import test_topic
from daemon.errors import Unavailable, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.model import Topic
    from daemon.entry_file import EntryFile
    from daemon.store.topics import TopicVersions

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
    versions = [
        {"version": one.version, "at": iso(one.at), "query": one.topic.query if one.topic else None} for one in history
    ]
    applied = [{"worker": worker, "version": version, "at": iso(at)} for worker, (version, at) in workers.items()]
    if as_json:
        echo_json({**_keys(topic), "versions": versions, "applied": applied})
        return
    for key, value in _keys(topic).items():
        typer.echo(f"{key:12} {cell(value)}")
    for one in versions:
        typer.echo(f"version {one['version']:<4} {one['at']}  {plain(one['query'] or 'removed')}")
    for worker in applied:
        typer.echo(f"in force     version {worker['version']} on {worker['worker']} since {worker['at']}")
    if not versions:
        typer.echo("not in force yet: it takes effect when `wirewatch run` starts")


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
    from daemon.store.opening import open_for_reading
    from daemon.store.topics import TopicVersions

    settings = load_settings(ctx)
    try:
        store = open_for_reading(settings.store.url, settings.data.dir)
    except Unusable:
        return None
    try:
        return ask(TopicVersions(store))
    except Unavailable:
        return None
    finally:
        store.close()


def _wait(ctx: typer.Context, topic_id: str, wanted: "Topic | None") -> None:
    """Says when the edit is in force. The file is written already, so waiting in vain is no failure."""
    from daemon.control import owner

    if owner(load_settings(ctx).data.dir) is None:
        typer.echo("No wirewatch is running: it takes effect at the next start.")
        return
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        version = _stored(ctx, lambda found: _in_force(found, topic_id, wanted))
        if version:
            typer.echo(f"In force after {time.monotonic() - started:.1f} s, version {version}.")
            return
        time.sleep(0.1)
    typer.echo("Saved, but not in force yet: `wirewatch status` says what the daemon is doing.")


def _in_force(versions: "TopicVersions", topic_id: str, wanted: "Topic | None") -> int:
    """The version that says what is wanted and that a worker has applied, else 0."""
    from dataclasses import replace

    history = versions.history(topic_id)
    newest = history[0] if history else None
    applied = [version for version, _ in versions.applied_by(topic_id).values()]
    if newest is None:
        return 0
    if wanted is None or newest.topic is None:
        return newest.version if wanted is newest.topic and not applied else 0
    same = replace(wanted, version=newest.version, epoch=newest.topic.epoch) == newest.topic
    return newest.version if same and newest.version in applied else 0


app.command("test")(test_topic)
