"""A topic between its file and the matchers: the entry, its versions, who has applied it, and waiting for that."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import config_dir, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.model import Topic
    from daemon.entry_file import EntryFile
    from daemon.store.topics import TopicVersions
    from daemon.store.workers import Applied

PATIENCE = 3.0  # seconds to wait until an edit is in force; two are promised

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
TopicId = Annotated[str, typer.Argument(metavar="ID", help="As in `wirewatch topics list`.")]


def topics_file_of(ctx: typer.Context) -> "EntryFile[Topic]":
    from daemon.topics_file import topics_file

    return topics_file(config_dir(ctx) / "topics.toml", load_settings(ctx).channel)


def force_of(ctx: typer.Context, topic_id: str) -> "Applied | None":
    from daemon.cli.kept import if_any
    from daemon.store.workers import Workers

    return if_any(load_settings(ctx), lambda store: Workers(store).in_force(topic_id))


def in_force_on(force: "Applied") -> str:
    """ "on 3/3 matchers since 1.4 s"; how long ago the last of them applied it, by this machine's clock."""
    since = "" if force.since is None else f" since {_span(max(0.0, time.time() - force.since))}"
    behind = f", not yet on {', '.join(force.behind)}" if force.behind else ""
    return f"on {force.on}/{force.of} {'matcher' if force.of == 1 else 'matchers'}{since}{behind}"


def _span(seconds: float) -> str:
    from daemon.status import ago

    return f"{seconds:.1f} s" if seconds < 10 else ago(seconds)


def stored(ctx: typer.Context, ask: "Callable[[TopicVersions], Any]") -> Any:
    """What the store says, or None while there is none."""
    from daemon.cli.kept import if_any
    from daemon.store.topics import TopicVersions

    return if_any(load_settings(ctx), lambda store: ask(TopicVersions(store)))


def wait(ctx: typer.Context, topic_id: str, wanted: "Topic | None") -> None:
    """Says when the edit is in force. The file is written already, so waiting in vain is no failure."""
    from daemon.cli.kept import is_running

    if not is_running(load_settings(ctx)):
        typer.echo("No wirewatch is running: it takes effect at the next start.")
        return
    started = time.monotonic()
    while time.monotonic() - started < PATIENCE:
        # in this order: asked the other way round, the version before may be in force and the wanted one come just then
        force = force_of(ctx, topic_id) if stored(ctx, lambda found: _newest_is(found, topic_id, wanted)) else None
        if force and force.everywhere:
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
