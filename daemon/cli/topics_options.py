"""The keys of a topic on the command line: as options, and as they are shown."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
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
    list[str] | None, typer.Option(help="A channel of wirewatch.toml; repeat for several [default: console]")
]


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
        return [item for item in typed if item.strip()] or None
    if key == "query" or typed != "":  # without its words there is no topic: the file says so
        return _stories(typed) if key == "alerts_per_day" else typed
    return None


def _stories(typed: str) -> float:
    try:
        number = float(typed)
    except ValueError:
        fail(f"--alerts-per-day {typed}: write a number of stories a day, as in 3 or 0.5", code=2)
    return int(number) if number.is_integer() else number


def toml(value: object) -> str:
    import tomlkit

    return tomlkit.item(value).as_string()


def keys(topic: "Topic") -> dict[str, Any]:
    """Every key of topics.toml, by the name it has there; ``max_age`` in seconds."""
    return {key: value for key, value in asdict(topic).items() if key not in ("version", "epoch")}


def differing(topic: "Topic") -> dict[str, str]:
    """The keys that are not at their default, for people."""
    shown = {}
    for field in fields(topic):
        value = getattr(topic, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if field.name not in ("version", "epoch") and value != default:
            shown[field.name] = _shown(field.name, value)
    return shown


def _shown(key: str, value: Any) -> str:
    from daemon.units import format_duration

    if key in ("require", "exclude"):
        return cell(_terms(value))
    return format_duration(value) if key == "max_age" else f"{value:g}" if key == "alerts_per_day" else cell(value)


def _terms(wanted: "Wanted") -> str:
    some = f"any of {', '.join(map(toml, wanted.any))}" if wanted.any else ""
    return "; ".join(filter(None, (some, f"all of {', '.join(map(toml, wanted.all))}" if wanted.all else "")))
