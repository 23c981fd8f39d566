"""Times that people set: of digests ("07:00 Europe/Paris weekdays") and of quiet hours ("22:00-07:00 Europe/Paris").

Wall-clock times in their zone, through the changes of its offset, as ``consumers.wall_clock`` reads them. A zone is
always named: a desk whose people sit in two cities would guess differently.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from consumers.wall_clock import day_of, moment

DAY = 1440  # minutes
_ONE_DAY = timedelta(days=1)
_KEPT = 4096  # texts whose times are remembered: they are asked for with every alert

_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ALL = tuple(range(7))
_DAYS: dict[str, tuple[int, ...]] = {"weekdays": _ALL[:5], "weekends": _ALL[5:], "daily": _ALL}
_DAYS |= {name: (day,) for day, long in enumerate(_LONG) for name in (long[:3], long, f"{long}s")}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class SetTimes:
    """``text`` as people wrote it, in one spelling."""

    text: str
    minutes: tuple[int, ...]  # after midnight, ascending
    days: frozenset[int]  # 0 is Monday
    zone: ZoneInfo

    def next(self, after: float) -> float:
        """The first of these times later than ``after``; seconds since the epoch, as everywhere."""
        day = day_of(after, self.zone)
        while True:
            for minutes in self.minutes if day.weekday() in self.days else ():
                at = moment(day, minutes, self.zone)
                if at > after:
                    return at
            day += _ONE_DAY


@dataclass(frozen=True, slots=True)
class QuietHours:
    """``days`` are those on which the hours begin: those of Friday may end on Saturday."""

    text: str
    spans: tuple[tuple[int, int], ...]  # minutes after midnight of the day they begin on
    days: frozenset[int]  # 0 is Monday
    zone: ZoneInfo

    def until(self, now: float) -> float | None:
        """When the quiet hours that ``now`` lies in end; ``None`` where it lies in none.

        Hours that follow one another without a pause are one: those of a weekend end on Monday.
        """
        end = now
        while (later := self._end(end)) is not None:
            end = later
        return end if end > now else None

    def _end(self, at: float) -> float | None:
        """Of the span that ``at`` lies in. It may have begun a day before, or with a day that the clock left again."""
        today = day_of(at, self.zone)
        ends = [
            moment(day, end, self.zone)
            for day in (today + each * _ONE_DAY for each in (-1, 0, 1))
            if day.weekday() in self.days
            for start, end in self.spans
            if moment(day, start, self.zone) <= at
        ]
        return max((end for end in ends if end > at), default=None)


@lru_cache(_KEPT)
def set_times(text: str) -> SetTimes:
    """Raises ``ValueError`` with a sentence that says how it is written."""
    example = 'as in "07:00,18:30 Europe/Paris weekdays"'
    clocks, days, zone = _parts(text, example)
    minutes = tuple(sorted({_minutes(clock, DAY - 1, example) for clock in clocks}))
    return SetTimes(_written(map(_clock, minutes), days, zone), minutes, days, zone)


@lru_cache(_KEPT)
def quiet_hours(text: str) -> QuietHours:
    """Raises ``ValueError`` with a sentence that says how it is written."""
    example = 'as in "22:00-07:00 Europe/Paris"'
    clocks, days, zone = _parts(text, example)
    spans = tuple(sorted({_span(clock, example) for clock in clocks}))
    week = {
        minute % (7 * DAY)
        for day in days
        for start, end in spans
        for minute in range(day * DAY + start, day * DAY + end)
    }
    if len(week) == 7 * DAY:
        raise ValueError(f"these hours never end, so nothing would ever be told: leave some of the week out, {example}")
    written = (f"{_clock(start)}-{_clock(end if end == DAY else end % DAY)}" for start, end in spans)
    return QuietHours(_written(written, days, zone), spans, days, zone)


# -- what is written


def _parts(text: str, example: str) -> tuple[Sequence[str], frozenset[int], ZoneInfo]:
    """Clock times or spans, days and zone, in whatever order they stand."""
    joined = re.sub(r"\s*([,-])\s*", r"\1", text.replace("–", "-").strip())
    words = [part for word in joined.split() for part in word.split(",")]  # commas part what they stand between
    clocks = [word for word in words if word[:1].isdigit()]
    named = [word for word in words if not word or word.lower().split("-")[0] in _DAYS]
    zone = [word for word in words if word not in clocks and word not in named]
    if not clocks:
        raise ValueError(f"name the time of day, {example}")
    if not zone:
        raise ValueError(f"name the zone that the time is of, {example}")
    days = frozenset(day for word in named for day in _of_week(word))
    return clocks, days or frozenset(_ALL), _zone(zone, example)


def _minutes(clock: str, most: int, example: str) -> int:
    found = _CLOCK.fullmatch(clock)
    minutes = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else DAY + 1
    if minutes > most:
        raise ValueError(f'"{clock[:40]}" is no time of day: write hours and minutes, {example}')
    return minutes


def _span(written: str, example: str) -> tuple[int, int]:
    first, dash, last = written.partition("-")
    if not dash:
        raise ValueError(f'"{written[:40]}" has no end: write from when to when, {example}')
    start, end = _minutes(first, DAY - 1, example), _minutes(last, DAY, example)
    if start == end:
        raise ValueError(f'"{written[:40]}" ends when it begins: a whole day is "00:00-24:00", else {example}')
    return start, end if end > start else end + DAY


def _of_week(written: str) -> Sequence[int]:
    first, dash, last = written.partition("-")
    for name in (first, last) if dash else (first,):
        if len(_DAYS.get(name.lower(), ())) not in ((1,) if dash else (1, 2, 5, 7)):
            raise ValueError(f'"{name[:40]}" is no day: write "weekdays", "weekends", or as in "Mon,Thu" or "Mon-Fri"')
    start, *others = _DAYS[first.lower()]
    if not dash:
        return (start, *others)
    return [(start + more) % 7 for more in range((_DAYS[last.lower()][0] - start) % 7 + 1)]


@lru_cache(1)
def _zones() -> dict[str, str]:
    """The IANA names by their lower-case spelling, without the two that do not name a place."""
    return {name.lower(): name for name in sorted(available_timezones() - {"localtime", "Factory"})}


def _zone(words: Sequence[str], example: str) -> ZoneInfo:
    zones = _zones()
    whole = "_".join(words)  # "America/New York", as people write it
    if whole.lower() in zones:
        return ZoneInfo(zones[whole.lower()])
    name = next((word for word in words if word.lower() not in zones), whole)
    city = [zone for lower, zone in zones.items() if lower.rpartition("/")[2] in (name.lower(), whole.lower())]
    near = city or [zones[each] for each in difflib.get_close_matches(name.lower(), zones, 1, 0.8)]
    advice = f'did you mean "{near[0]}"?' if near else f'write an IANA name or "UTC", {example}'
    raise ValueError(f'"{name[:40]}" is {"no zone" if len(words) == 1 else "neither a day nor a zone"}, {advice}')


# -- the one spelling


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _written(clocks: Iterable[str], days: frozenset[int], zone: ZoneInfo) -> str:
    named = next((name for name in ("weekdays", "weekends") if days == set(_DAYS[name])), "")
    some = named or ",".join(_NAMES[day] for day in sorted(days))
    return " ".join(filter(None, (",".join(clocks), zone.key, "" if len(days) == 7 else some)))
