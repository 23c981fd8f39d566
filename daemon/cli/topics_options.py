"""The keys of a topic on the command line: as options, and as they are shown."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import cell, fail

if TYPE_CHECKING:
    from consumers.model import Topic, Wanted

EVENT = "one thing that happens, reported for a few days"
THEME = "a standing subject, or a running story with many reports"

KindOption = Annotated[str | None, typer.Option(help=f'"event": {EVENT}; "theme": {THEME} [default: event]')]
DescriptionOption = Annotated[str | None, typer.Option(help="A sentence or two more about what is meant.")]
SensitivityOption = Annotated[
    str | None, typer.Option(help='"fewer", "balanced" or "more" alerts; or name a number with --alerts-per-day.')
]
AlertsPerDayOption = Annotated[
    str | None, typer.Option(metavar="STORIES", help="About so many stories a day, as in 3 or 0.5.")
]
ExampleOption = Annotated[
    list[str] | None,
    typer.Option(metavar="EXAMPLE", help='What is meant: "https://…", "text:…" or "article:ID"; repeat for several.'),
]
CounterExampleOption = Annotated[
    list[str] | None, typer.Option(metavar="EXAMPLE", help="What is near and not meant; repeat for several.")
]
RequireOption = Annotated[
    list[str] | None,
    typer.Option(metavar="TERM", help='An article has to say one of these: a word, a phrase or "re:PATTERN".'),
]
ExcludeOption = Annotated[
    list[str] | None, typer.Option(metavar="TERM", help="An article that says one of these is left out.")
]
LanguageOption = Annotated[
    list[str] | None, typer.Option(metavar="CODE", help='Only articles in these languages, as in "en" or "pt-br".')
]
SourceOption = Annotated[
    list[str] | None, typer.Option(metavar="HOST", help='Only from these, as in "example.org" or "*.example.org".')
]
NotSourceOption = Annotated[list[str] | None, typer.Option(metavar="HOST", help="Never from these.")]
MaxAgeOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help='Read no later than this after publication, as in "7d".')
]
ChannelOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[=WHEN]",
        help='A channel of wirewatch.toml, told at once, or "desk=07:00 Europe/Paris weekdays"; repeat for several '
        "[default: console]",
    ),
]
UpdatesOption = Annotated[
    str | None,
    typer.Option(help='Of a story that was told: "all" reports, "new-facts" or "none" [default: new-facts]'),
]
MinSourcesOption = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Wait for so many independent sources [default: 1]")
]
SeverityOption = Annotated[str | None, typer.Option(help='"normal", or "urgent": told in quiet hours, too.')]
EscalateOption = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN", help='Tell a story again, louder: "3 within 30m" sources, or "3 within 30m to pager,mail".'
    ),
]
YieldsToOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ID", help="What this topic tells on a channel is not told there again; repeat for several."),
]
SpikeOption = Annotated[
    bool | None, typer.Option("--spike/--no-spike", help="Tell when far more is reported than usual.")
]
SilenceOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help='Tell when nothing was reported for so long, as in "6h".')
]
_ESCALATE = re.compile(r"\s*([0-9]{1,4})(?:\s+sources)?\s+within\s+(\S+)(?:\s+to\s+(.+?))?\s*")


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were typed, as keys of topics.toml in its order. An empty text means the default: None.

    ``options`` are by key: None, or a list without items, where nothing was typed.

    A sensitivity takes the place of a number of alerts, and the other way round, where only one of them is typed.
    """
    from consumers.model import Topic

    typed = {field.name: options.get(field.name) for field in fields(Topic)}
    values = {key: _value(key, value) for key, value in typed.items() if value not in (None, (), [])}
    for one, other in (("sensitivity", "alerts_per_day"), ("alerts_per_day", "sensitivity")):
        if values.get(one) is not None:
            values.setdefault(other, None)
    return values


def _value(key: str, typed: Any) -> Any:
    if isinstance(typed, list | tuple):
        items = [item for item in typed if item.strip()]
        return (_channels(items) if key == "channels" else items) or None
    if key != "query" and typed == "":  # without its words there is no topic: the file says so
        return None
    read = {"alerts_per_day": _stories, "min_sources": _sources, "escalate": _escalate}.get(key)
    return read(typed) if read else typed


def _channels(typed: Sequence[str]) -> Sequence[object]:
    """As topics.toml has them; a channel that was named with several times has one table."""
    from daemon.topic_routes import INSTANT, Route, written

    named: dict[str, dict[str, None]] = {}
    for item in typed:
        name, told, when = item.partition("=")
        named.setdefault(name.strip(), {})[when.strip() if told else INSTANT] = None
    return written(Route(name, tuple(times)) for name, times in named.items())


def _stories(typed: str) -> float:
    try:
        number = float(typed)
    except ValueError:
        fail(f"--alerts-per-day {typed}: write a number of stories a day, as in 3 or 0.5", code=2)
    return int(number) if number.is_integer() else number


def _sources(typed: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", typed.strip()):
        fail(f"--min-sources {typed}: write how many independent sources to wait for, as in 2", code=2)
    return int(typed)


def _escalate(typed: str) -> Mapping[str, object]:
    found = _ESCALATE.fullmatch(typed)
    if not found:
        fail(f'--escalate {typed}: write sources and a time, as in "3 within 30m" or "3 within 30m to pager"', code=2)
    channels = [name for name in re.split(r"[,\s]+", found[3] or "") if name]
    return {"sources": int(found[1]), "within": found[2], **({"channels": channels} if channels else {})}


def toml(value: object) -> str:
    from daemon.toml_entries import rendered

    return rendered(value)


def keys(topic: "Topic") -> dict[str, Any]:
    """Every key of topics.toml, by the name it has there; ``max_age`` and ``silence`` in seconds."""
    from daemon.proposals import NO_KEYS
    from daemon.topic_routes import joined, written

    values = {key: value for key, value in asdict(topic).items() if key not in NO_KEYS}
    return {**values, "channels": written(joined(topic))}


def differing(topic: "Topic") -> dict[str, str]:
    """The keys that are not at their default, for people."""
    from consumers.model import Topic
    from daemon.proposals import NO_KEYS, key_of

    shown, default = {}, Topic(id="", query="")
    for key in (field.name for field in fields(topic) if field.name not in NO_KEYS):
        value = key_of(topic, key)
        if value != key_of(default, key):
            shown[key] = told(topic) if key == "channels" else _shown(key, value)
    return shown


def told(topic: "Topic") -> str:
    """ "desk · boss at 07:00 Europe/Paris weekdays"."""
    from daemon.topic_routes import told_on

    return cell(" · ".join(told_on(topic)))


_UPDATES = {"all": "every report of a story is told", "none": "a story is told once, and never again"}


def _shown(key: str, value: Any) -> str:
    from daemon.topic_routes import louder
    from daemon.units import format_duration

    if key in ("require", "exclude"):
        return cell(_terms(value))
    if key == "updates":
        return f"{value}: {_UPDATES.get(value, 'what is new in a story is told')}"
    said: Mapping[str, Callable[[Any], str]] = {
        "max_age": format_duration,
        "alerts_per_day": "{:g}".format,
        "min_sources": "{} independent sources before anybody is told".format,
        "severity": "{}, told in quiet hours, too".format,
        "escalate": louder,
        "yields_to": lambda ids: f"{', '.join(ids)}: what is told there is not told here again",
        "spike": lambda _: "told when far more is reported than usual",
        "silence": lambda seconds: f"told when nothing was reported for {format_duration(seconds)}",
    }
    return cell(said[key](value) if key in said else value)


def _terms(wanted: "Wanted") -> str:
    some = f"any of {', '.join(map(toml, wanted.any))}" if wanted.any else ""
    return "; ".join(filter(None, (some, f"all of {', '.join(map(toml, wanted.all))}" if wanted.all else "")))
