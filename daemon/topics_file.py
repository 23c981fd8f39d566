"""topics.toml: what a user watches for, read with positions and edited without losing a comment."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from consumers.ids import digest
from consumers.model import Kind, Sensitivity, Severity, Topic, Updates, Wanted
from daemon.channel_settings import Section
from daemon.config_errors import did_you_mean, refused, validated
from daemon.entry_file import EntryFile
from daemon.setting_types import Duration, Switch
from daemon.toml_file import Document, read_toml
from daemon.topic_keys import (
    AlertsPerDay,
    Escalate,
    EscalateTable,
    Examples,
    Hosts,
    Languages,
    Routes,
    RouteTable,
    Silence,
    Sources,
    TopicIds,
    WantedTable,
    WantedTerms,
    same_example,
)
from daemon.topic_routes import divided
from daemon.topics_reader import TopicsReader

TOPIC_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def slug(query: str) -> str:
    """ "Russian airstrikes Syria" is russian-airstrikes-syria; a query without Latin letters is named by its digest."""
    latin = unicodedata.normalize("NFKD", query).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", latin).strip("-")[:60].rstrip("-")
    return words or f"topic-{digest(query)[:8]}"


def _topic_id(value: str) -> str:
    if not TOPIC_ID.fullmatch(value):
        raise ValueError("an id is made of a-z, 0-9, -, _ and ., begins with a letter or digit, at most 80 of them")
    return value


def _words(value: str) -> str:
    if not value.strip():
        raise ValueError("say in plain words what to watch for")
    return " ".join(value.split())


class TopicEntry(Section):
    """One ``[[topic]]``."""

    id: Annotated[str, AfterValidator(_topic_id)] | None = None
    query: Annotated[str, AfterValidator(_words), Field(max_length=1000)]
    kind: Kind = "event"
    description: Annotated[str, Field(max_length=5000)] = ""
    sensitivity: Sensitivity | None = None  # "balanced", unless alerts_per_day takes its place
    alerts_per_day: AlertsPerDay | None = None
    examples: Examples = ()
    counter_examples: Examples = ()
    require: WantedTerms = Wanted()
    exclude: WantedTerms = Wanted()
    languages: Languages = ()
    sources: Hosts = ()
    not_sources: Hosts = ()
    max_age: Duration | None = None
    channels: Routes = (RouteTable(name="console"),)
    updates: Updates = "new-facts"
    min_sources: Sources = 1
    severity: Severity = "normal"
    escalate: Escalate | None = None
    yields_to: TopicIds = ()
    spike: Switch = False
    silence: Silence | None = None
    enabled: Switch = True

    @field_validator("alerts_per_day")
    @classmethod
    def _one_of_two(cls, value: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("sensitivity"):
            raise ValueError("this takes the place of sensitivity: keep one of the two")
        return value

    @field_validator("counter_examples")
    @classmethod
    def _not_both(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        examples = {same_example(ref) for ref in info.data.get("examples", ())}
        for ref in value:
            if same_example(ref) in examples:
                raise ValueError(f'"{ref[:80]}" is one of the examples, too: keep one of the two')
        return value

    @field_validator("not_sources")
    @classmethod
    def _not_wanted(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for host in value:
            if host in info.data.get("sources", ()):
                raise ValueError(f'"{host}" is one of the sources, too: nothing could come from it')
        return value


class TopicsFile(Section):
    topic: tuple[TopicEntry, ...] = ()


def _fields_of(where: tuple[str | int, ...], document: Document) -> type[Section] | None:
    if len(where) == 3 and where[2] in ("require", "exclude"):
        return WantedTable
    if len(where) == 3 and where[2] == "escalate":
        return EscalateTable
    if len(where) == 4 and where[2] == "channels":
        return RouteTable
    levels: dict[int, type[Section]] = {0: TopicsFile, 2: TopicEntry}
    return levels.get(len(where))


def topic_of(entry: TopicEntry) -> Topic:
    """Its version is the publisher's to give."""
    channels, digests = divided(route.value for route in entry.channels)
    return Topic(
        id=entry.id or slug(entry.query),
        query=entry.query,
        kind=entry.kind,
        description=entry.description.strip(),
        sensitivity=entry.sensitivity or "balanced",
        alerts_per_day=entry.alerts_per_day,
        examples=entry.examples,
        counter_examples=entry.counter_examples,
        require=entry.require,
        exclude=entry.exclude,
        languages=entry.languages,
        sources=entry.sources,
        not_sources=entry.not_sources,
        max_age=entry.max_age,
        channels=channels,
        digests=digests,
        updates=entry.updates,
        min_sources=entry.min_sources,
        severity=entry.severity,
        escalate=entry.escalate.value if entry.escalate else None,
        yields_to=entry.yields_to,
        spike=entry.spike,
        silence=entry.silence,
        enabled=entry.enabled,
    )


Reader = Callable[[str], tuple[Topic, ...]]


def parse_topics(text: str, file: Path, channels: Collection[str]) -> tuple[Topic, ...]:
    """In the order of the file. ``channels`` are the names that exist. Raises ``ConfigError``."""
    return _agreeing(_each(text, file, channels), text, file)


def topics_reader(file: Path, channels: Collection[str]) -> Reader:
    """What ``parse_topics`` gives, or raises, for one text after the other; quicker where they differ little."""
    reader = TopicsReader(lambda text: _each(text, file, channels))
    return lambda text: _agreeing(reader.read(text), text, file)


def topics_file(file: Path, channels: Collection[str]) -> EntryFile[Topic]:
    """``channels`` are the names that exist."""
    return EntryFile(file, "topic", lambda text: _each(text, file, channels), topics_reader(file, channels))


def _each(text: str, file: Path, channels: Collection[str]) -> tuple[Topic, ...]:
    """Each by itself: what one says of another is not looked at."""
    document = read_toml(text, file)
    entries = validated(TopicsFile, document, text=text, file=file, fields_of=_fields_of).topic
    topics = tuple(topic_of(entry) for entry in entries)
    problem = _repeated_id(topics) or next(_unknown_channels(entries, channels), None)
    if problem:
        where, message = problem
        raise refused(message, where, text=text, file=file)
    return topics


def _agreeing(topics: tuple[Topic, ...], text: str, file: Path) -> tuple[Topic, ...]:
    """The same, where all the topics that they yield to exist."""
    problem = next(_yields_to_nobody(topics), None)
    if problem:
        where, message = problem
        raise refused(message, where, text=text, file=file)
    return topics


Problem = tuple[tuple[str | int, ...], str]


def _repeated_id(topics: tuple[Topic, ...]) -> Problem | None:
    first: dict[str, int] = {}
    for index, topic in enumerate(topics):
        if first.setdefault(topic.id, index) != index:
            return ("topic", index, "id"), (
                f'topic {first[topic.id] + 1} has the id "{topic.id}" already: give this one an id of its own'
            )
    return None


def _unknown_channels(entries: tuple[TopicEntry, ...], channels: Collection[str]) -> Iterator[Problem]:
    for index, entry in enumerate(entries):
        named: list[tuple[tuple[str | int, ...], str]] = []
        named += [(("channels", place), route.name) for place, route in enumerate(entry.channels)]
        if entry.escalate:
            named += [(("escalate", "channels", place), name) for place, name in enumerate(entry.escalate.channels)]
        for where, name in named:
            if name not in channels:
                message = f'there is no channel "{name}" in wirewatch.toml, {did_you_mean(name, channels)}'
                yield ("topic", index, *where), message


def _yields_to_nobody(topics: tuple[Topic, ...]) -> Iterator[Problem]:
    yielding = [index for index, topic in enumerate(topics) if topic.yields_to]
    ids = {topic.id for topic in topics} if yielding else set()
    for index in yielding:
        for place, other in enumerate(topics[index].yields_to):
            if other == topics[index].id:
                yield ("topic", index, "yields_to", place), "a topic cannot yield to itself: name another one"
            elif other not in ids:
                close = get_close_matches(other, ids - {topics[index].id}, n=1)
                advice = f'did you mean "{close[0]}"?' if close else "`wirewatch topics list` shows them all"
                yield ("topic", index, "yields_to", place), f'there is no topic "{other}", {advice}'
