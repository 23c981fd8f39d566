"""``wirewatch topics history`` and ``rollback``: what a topic was, and back to that."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import echo_json, fail, iso, open_read, plain, program, when
from daemon.cli.topics_applied import Json, TopicId, topics_file_of, wait

if TYPE_CHECKING:
    from consumers.model import Topic
    from daemon.store.calibrations import LineMove
    from daemon.store.topics import TopicVersion


def history(ctx: typer.Context, topic_id: TopicId, json: Json = False) -> None:
    """Every version of a topic and what changed in it, and how its line moved; newest first."""
    from daemon.store.calibrations import Calibrations

    versions = _versions(ctx, topic_id)
    with open_read(ctx) as store:
        moves = Calibrations(store).history(topic_id)
    changed = [_changed(each, before) for each, before in zip(versions, [*versions[1:], None], strict=True)]
    if json:
        rows = [
            {"version": each.version, "at": iso(each.at), "removed": each.topic is None, "changes": list(said)}
            for each, said in zip(versions, changed, strict=True)
        ]
        echo_json({"topic": topic_id, "versions": rows, "line": [_move_row(each) for each in moves]})
        return
    told = [
        (each.at, f"version {each.version}: {', '.join(said)}") for each, said in zip(versions, changed, strict=True)
    ]
    told += [(each.at, _move(each)) for each in moves]
    for at, line in sorted(told, key=lambda each: -each[0]):
        typer.echo(plain(f"{when(at)}  {line}"))


def rollback(
    ctx: typer.Context,
    topic_id: TopicId,
    version: Annotated[
        int | None,
        typer.Option(
            min=1, help="As `topics history` counts them [default: the last one that was different]", show_default=False
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Write an earlier version of a topic back into topics.toml. It becomes the next version."""
    from daemon.proposals import changes, to_write

    versions = _versions(ctx, topic_id)
    file = topics_file_of(ctx)
    now = file.find(topic_id)
    earlier = _earlier(versions, now, version)
    said = [each.said for each in changes(now, earlier)]
    if not said:
        fail(f"{topic_id} is as it was in version {earlier.version}: nothing to change")
    if not json:
        typer.echo(plain(f"Back to version {earlier.version} of {topic_id}: {', '.join(said)}"))
    if not yes:
        typer.confirm("Write this into topics.toml?", abort=True, err=True)
    topic = file.change(topic_id, to_write(now, earlier))
    if json:
        echo_json({"topic": topic_id, "version": earlier.version, "changes": said})
        return
    typer.echo(f"Written into {file.file}.")
    wait(ctx, topic_id, topic)


def _versions(ctx: typer.Context, topic_id: str) -> "Sequence[TopicVersion]":
    """Newest first; at least one."""
    from daemon.store.topics import TopicVersions

    with open_read(ctx) as store:
        versions = TopicVersions(store).history(topic_id)
    if not versions:
        topics_file_of(ctx).find(topic_id)  # says what to do where the id is a wrong one
        fail(f"{topic_id} was never in force: it takes effect when `{program()} run` starts")
    return versions


def _earlier(versions: "Sequence[TopicVersion]", now: "Topic", number: int | None) -> "Topic":
    """The version wanted, else the newest that is not what the file says: an edit need not be in force yet."""
    from daemon.proposals import changes

    found = [
        each.topic
        for each in versions
        if each.topic is not None and (changes(now, each.topic) if number is None else each.version == number)
    ]
    if not found:
        which = "was never different" if number is None else f"has no version {number} to go back to"
        fail(f"{now.id} {which}: see `{program()} topics history {now.id}`")
    return found[0]


def _changed(version: "TopicVersion", before: "TopicVersion | None") -> Sequence[str]:
    from daemon.proposals import changes

    if version.topic is None:
        return ("removed",)
    if before is None or before.topic is None:
        return (f'added, query "{version.topic.query}"',)
    return [each.said for each in changes(before.topic, version.topic)] or ("matched again",)


def _move(move: "LineMove") -> str:
    """A line is a sum of cosines and words: how many stories it lets through says more."""
    came = "" if move.came is None else f", {_a_day(move.came)} came"
    expected = "too few to say how many it lets through" if move.expected is None else f"about {_a_day(move.expected)}"
    return f"line of version {move.topic_version} drawn ({move.why}) from {move.articles:,} articles: {expected}{came}"


def _a_day(stories: float) -> str:
    return f"{stories:.1f} a day"


def _move_row(move: "LineMove") -> dict[str, object]:
    return {
        "at": iso(move.at),
        "version": move.topic_version,
        "model": move.model,
        "articles": move.articles,
        "expected_a_day": move.expected,
        "came_a_day": move.came,
        "why": move.why,
    }
