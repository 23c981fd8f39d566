"""The draft that a command line describes: a topic of its own, or a known one with some keys changed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from daemon.cli.context import config_dir, fail, load_settings

if TYPE_CHECKING:
    from consumers.model import Topic

DRAFT = "draft"
_OPTIONS = {"examples": "example", "counter_examples": "counter-example", "languages": "language"}
_OPTIONS |= {"sources": "source", "not_sources": "not-source", "channels": "channel"}


def typed_keys(ctx: typer.Context) -> dict[str, Any]:
    """The options of a command that are keys of topics.toml, as ``draft_of`` takes them."""
    from daemon.cli.topics_options import given

    named = {option.replace("-", "_"): key for key, option in _OPTIONS.items()}
    return given({named.get(name, name): typed for name, typed in ctx.params.items()})


def draft_of(ctx: typer.Context, words: str, typed: Mapping[str, Any]) -> "Topic":
    """``words``: a topic's id, or a query. ``typed``: keys of topics.toml; None takes one back to its default."""
    known = _known(ctx, words.strip())
    base, changed = _as_typed(words if known is None else known.query, typed), set(typed)
    if known is None:
        return replace(base, id=DRAFT)
    if changed & {"sensitivity", "alerts_per_day"}:  # one takes the place of the other
        changed |= {"sensitivity", "alerts_per_day"}
    return replace(known, **{key: getattr(base, key) for key in changed})


def _known(ctx: typer.Context, topic_id: str) -> "Topic | None":
    """As topics.toml has it, else as it is in force."""
    from daemon.cli.kept import if_any
    from daemon.store.topics import TopicVersions
    from daemon.topics_file import topics_file

    settings = load_settings(ctx)
    file = config_dir(ctx) / "topics.toml"
    listed = topics_file(file, settings.channel).load() if file.is_file() else ()
    found = next((topic for topic in listed if topic.id == topic_id), None)
    return found or (if_any(settings, lambda store: TopicVersions(store).in_force()) or {}).get(topic_id)


def _as_typed(query: str, typed: Mapping[str, Any]) -> "Topic":
    """Checked as topics.toml is."""
    from daemon.errors import ConfigError
    from daemon.toml_entries import add
    from daemon.topics_file import parse_topics

    values = {"id": DRAFT, "query": query, **{key: value for key, value in typed.items() if value is not None}}
    try:
        return parse_topics(add("", "topic", values), Path(), ("console",))[0]
    except ConfigError as error:
        key = error.key.removeprefix("topic[1].").partition("[")[0].partition(".")[0]
        option = "" if key == "query" else f"--{_OPTIONS.get(key, key).replace('_', '-')}: "
        fail(option + error.message, code=2)
