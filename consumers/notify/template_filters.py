"""What a template can do to a value, each time for a price. The sum bounds the work of one rendering.

A thread that runs away cannot be ended, so nothing here may run away: loops and filters pay for every item before they
look at it, and no filter makes a text longer than ``LONGEST``. Those of Jinja that cannot promise it (``center``,
``format``, ``round``, ``replace``, ``wordwrap``, ``indent`` and the like) are not there.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Undefined, filters, pass_context
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context

from consumers.notify import wording

LONGEST = 20_000  # characters of any text, the rendered one too
BUDGET = 200_000  # steps: one for each node of a loop's body each time round, one for each item of a filter
METER, EACH = "_meter", "_each"  # no name of a template begins with "_"
_OF_TEXTS = ("upper", "lower", "capitalize", "trim")
_OF_LISTS = ("length", "count", "first", "last", "map", "sort", "unique", "reverse")


class TooMuchError(TemplateRuntimeError):
    """The template does more work than an alert is worth."""


class Meter:
    """Of one rendering."""

    def __init__(self) -> None:
        self._left = BUDGET

    def pay(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooMuchError("it loops too often")


def available() -> Mapping[str, Callable[..., Any]]:
    """By name; those that begin with "_" are for the compiled template alone."""
    library = filters.FILTERS
    metered = {name: _metered(name) for name in (*_OF_TEXTS, *_OF_LISTS)}
    behind = {f"_{name}": library[name] for name in metered}
    own = {"join": join, "truncate": truncate, "time": time, "date": date, EACH: each}
    return {**metered, **behind, **own, "default": library["default"], "d": library["default"]}


@pass_context
def each(context: Context, items: object, weight: int) -> list[object]:
    """What a loop goes through, paid for; ``weight`` is the size of its body."""
    found = _listed(items)
    context[METER].pay(weight * len(found) + 1)
    return found


@pass_context
def join(context: Context, items: object, separator: str = "", attribute: str | None = None) -> str:
    found = _listed(items)
    context[METER].pay(len(found) + 1)
    if attribute is not None:
        found = [value for item in found for value in [_attribute(context, item, attribute)]]
    texts = [_text(item) for item in found]
    if sum(map(len, texts)) + len(texts) * len(_text(separator)) > LONGEST:
        raise TooMuchError("it makes too long a text")
    return _text(separator).join(texts)


@pass_context
def truncate(context: Context, text: object, length: int = 80) -> str:
    """Cut at a word, with "…" at the end."""
    context[METER].pay(1 + len(_text(text)) // 20)
    return wording.cut(_text(text), max(2, int(length)))


def time(at: float, zone: str = "UTC") -> str:
    """ "14:02"."""
    return f"{_moment(at, zone):%H:%M}"


def date(at: float, zone: str = "UTC") -> str:
    """ "21 Nov 2025"."""
    then = _moment(at, zone)
    return f"{then.day} {then:%b %Y}"


def _moment(at: float, zone: str) -> datetime:
    then = datetime.fromtimestamp(min(max(at, 0.0), 4e10), UTC)
    try:
        return then.astimezone(ZoneInfo(zone))
    except (LookupError, OSError, ValueError) as error:
        raise TemplateRuntimeError(f'there is no zone "{zone}": one looks like Europe/Paris') from error


def _metered(name: str) -> Callable[..., Any]:
    """Jinja's own filter of this name, after its price is paid."""

    @pass_context
    def filtered(context: Context, value: object, *args: Any, **kwargs: Any) -> Any:
        value = _text(value) if name in _OF_TEXTS else value if isinstance(value, str) else _listed(value)
        context[METER].pay(1 + (len(value) // 20 if name in _OF_TEXTS else len(value)))
        done = context.environment.call_filter(f"_{name}", value, args, kwargs, context)
        return list(done) if isinstance(done, Iterator) else done

    return filtered


def _attribute(context: Context, item: object, path: str) -> object:
    for part in path.split("."):
        item = context.environment.getitem(item, part)
    return item


def _listed(items: object) -> list[object]:
    if isinstance(items, Undefined):
        return list(items)  # says what is undefined
    if not isinstance(items, (tuple, list)):
        raise TemplateRuntimeError("only a list has items")
    return list(islice(items, LONGEST))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Undefined) or (isinstance(value, int | float) and abs(value) < 1e15):
        return str(value)  # an undefined one says what is undefined
    raise TemplateRuntimeError("a list has to be looped over or joined, and of anything else a field named")
