"""What the keys of a ``[[topic]]`` may be written as: pydantic types whose refusals say what to write."""

import math
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)

from consumers.gates import check
from consumers.model import Escalation, Wanted
from consumers.set_times import set_times
from daemon.channel_settings import Section
from daemon.fetch.urls import canonical, host_of
from daemon.setting_types import Duration, Switch
from daemon.topic_routes import INSTANT, Route

MOST = 100  # items of a list
_LONGEST_TEXT = 20_000  # characters of an example
_SHORTEST_SILENCE, _LONGEST_SILENCE = 600.0, 30 * 86_400.0  # a feed may be polled every quarter of an hour
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:-[a-z0-9]{1,8})*")
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,62}")
_LANGUAGES = frozenset(  # ISO 639-1, with the old codes for Hebrew, Indonesian and Yiddish
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo "
    "es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it iu iw ja "
    "ji jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb "
    "nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq "
    "sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split()
)
_COUNTRIES = {"jp": "ja", "cn": "zh", "gr": "el", "cz": "cs", "dk": "da", "ua": "uk", "us": "en", "gb": "en"}


def _alerts_per_day(value: object) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 < number < math.inf:
        raise ValueError("write how many stories a day you want to hear of, more than 0, as in 3 or 0.5")
    return float(number)


def _example(value: str) -> str:
    value = value.strip()
    kind, colon, rest = value.partition(":")
    if colon and (kind == "text" or (kind == "article" and not re.search(r"\s", rest))) and rest.strip():
        if len(value) > _LONGEST_TEXT:
            raise ValueError(f"this text is too long for an example: at most {_LONGEST_TEXT:,} characters")
        return value
    if kind in ("http", "https"):
        if not canonical(value):
            raise ValueError("this is no address of a page: copy it whole, as in https://example.org/world/homs")
        return value
    raise ValueError('write "https://…", "text:…" with the words of an article, or "article:…" with its id')


def _language(value: str) -> str:
    code = value.strip().lower().replace("_", "-")
    found = _LANGUAGE.fullmatch(code)
    if not found:
        raise ValueError(f'"{value[:40]}" is no code of a language: write one as in "en" or "pt-br"')
    if len(found[1]) == 2 and found[1] not in _LANGUAGES:
        meant = _COUNTRIES.get(found[1])
        advice = f'did you mean "{meant}"?' if meant else 'write one as in "en" or "pt-br"'
        raise ValueError(f'there is no language "{found[1]}", {advice}')
    return code


def _host(value: str) -> str:
    """ "*.example.org" stays; "WWW.Example.org" is example.org, as the source of an article is."""
    host = value.strip().lower().rstrip(".")
    wild, bare = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    if not host.isascii():
        try:
            bare = bare.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ValueError(f'"{value[:80]}" is no host name: write one as in "example.org"') from error
    host = wild + bare.removeprefix("www.")
    if not _HOST.fullmatch(host):
        meant = host_of(value.strip())
        advice = (
            f'did you mean "{meant}"?' if meant else 'write one as in "example.org", or "*.example.org" for all of it'
        )
        raise ValueError(f'"{value[:80]}" is no host name, {advice}')
    return host


def _term(value: str) -> str:
    check(Wanted(any=(value,)))
    return value.strip()


def _few(value: tuple[str, ...]) -> tuple[str, ...]:
    """Each once."""
    if len(value) > MOST:
        raise ValueError(f"these are {len(value)}: at most {MOST}")
    return tuple(dict.fromkeys(value))


Terms = Annotated[tuple[Annotated[str, AfterValidator(_term)], ...], AfterValidator(_few)]


class WantedTable(Section):
    any: Terms = ()
    all: Terms = ()


_TERMS: TypeAdapter[tuple[str, ...]] = TypeAdapter(Terms)


def _wanted(value: object) -> Wanted:
    """A list is any-of. What is wrong inside keeps its place: pydantic adds it to the place of this key."""
    if isinstance(value, Mapping):
        table = WantedTable.model_validate(value)
        return Wanted(any=table.any, all=table.all)
    if isinstance(value, list | tuple):
        return Wanted(any=_TERMS.validate_python(value))
    raise ValueError('write a list, as in ["Russia", "Russian"], or { any = ["…"], all = ["…"] }')


def _time(value: str) -> str:
    """In its one spelling."""
    if value.strip().lower() == INSTANT:
        return INSTANT
    if not re.search("[0-9]", value):
        raise ValueError(f'write "{INSTANT}", or a time and its zone as in "07:00 Europe/Paris weekdays"')
    return set_times(value).text


_TIMES: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[Annotated[str, AfterValidator(_time)], ...])


def _times(value: object) -> tuple[str, ...]:
    """One may stand without a list."""
    if isinstance(value, str):
        return (_time(value),)
    if isinstance(value, list | tuple) and value:
        return tuple(dict.fromkeys(_TIMES.validate_python(value)))
    raise ValueError(f'write "{INSTANT}", a time as in "07:00 Europe/Paris weekdays", or a list of these')


def _channel(value: object) -> object:
    """A bare name is told at once."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping | RouteTable):
        return value
    raise ValueError('write the name of a channel, or { name = "desk", when = "07:00 Europe/Paris weekdays" }')


class RouteTable(Section):
    """One item of ``channels``."""

    name: str
    when: Annotated[tuple[str, ...], PlainValidator(_times)] = (INSTANT,)
    near_misses: Switch = False

    @property
    def value(self) -> Route:
        return Route(self.name, self.when, self.near_misses)

    @field_validator("near_misses")
    @classmethod
    def _in_a_digest(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("when") == (INSTANT,):
            raise ValueError('near misses come in a digest: add its time, as in when = "07:00 Europe/Paris weekdays"')
        return value


def _some(value: tuple[RouteTable, ...]) -> tuple[RouteTable, ...]:
    """Asked once each of them is right: a length that pydantic checks counts those that are, and is told first."""
    if not 1 <= len(value) <= MOST:
        raise ValueError(f'write at least 1 item and at most {MOST}, as in ["console"]')
    return value


def _table(value: object) -> object:
    if isinstance(value, Mapping | EscalateTable):
        return value
    raise ValueError('write a table, as in { sources = 3, within = "30m", channels = ["pager"] }')


def _between(least: int, most: int) -> AfterValidator:
    def within(value: int) -> int:
        if not least <= value <= most:
            raise ValueError(f"write a whole number from {least} to {most}")
        return value

    return AfterValidator(within)


class EscalateTable(Section):
    sources: Annotated[int, Field(strict=True), _between(2, 50)]
    within: Duration
    channels: Annotated[tuple[str, ...], AfterValidator(_few)] = ()

    @property
    def value(self) -> Escalation:
        return Escalation(sources=self.sources, within=self.within, channels=self.channels)


def _silence(value: float) -> float:
    if not _SHORTEST_SILENCE <= value <= _LONGEST_SILENCE:
        raise ValueError('write a duration from 10m to 30d, as in "6h"')
    return value


AlertsPerDay = Annotated[float, BeforeValidator(_alerts_per_day)]
Examples = Annotated[tuple[Annotated[str, AfterValidator(_example)], ...], AfterValidator(_few)]
Languages = Annotated[tuple[Annotated[str, AfterValidator(_language)], ...], AfterValidator(_few)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], AfterValidator(_few)]
WantedTerms = Annotated[Wanted, PlainValidator(_wanted)]
Routes = Annotated[tuple[Annotated[RouteTable, BeforeValidator(_channel)], ...], AfterValidator(_some)]
Sources = Annotated[int, Field(strict=True), _between(1, 20)]
Escalate = Annotated[EscalateTable, BeforeValidator(_table)]
TopicIds = Annotated[tuple[str, ...], AfterValidator(_few)]
Silence = Annotated[Duration, AfterValidator(_silence)]


def same_example(one: str) -> str:
    """What two spellings of an example have in common."""
    return canonical(one) or one
