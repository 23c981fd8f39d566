"""The clock on the wall of a zone, and the moments at which it shows what people name.

A wall clock is set forward and back, so a time of a day may be missing or come twice. Everything here rests on one
rule: a named time happens at the first moment when the clock shows it or a later one. So a time that was left out
happens when the clock jumped over it, one that comes twice happens the first time, and a later name never comes before
an earlier one.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

MIDNIGHT = datetime.min.time()


def day_of(at: float, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at, zone).date()


def moment(day: date, minutes: int, zone: ZoneInfo) -> float:
    """``minutes`` after midnight of ``day``, where a whole day has 1440, whatever was done to the clock."""
    wall = datetime.combine(day, MIDNIGHT) + timedelta(minutes=minutes)
    first = wall.replace(tzinfo=zone).timestamp()  # by the offset before a change, so the first of two
    if _shown(first, zone) == wall:
        return first
    before, after = wall.replace(tzinfo=zone, fold=1).timestamp(), first  # the clock jumped between these two
    while after - before > 1:  # zones change at whole seconds
        middle = (before + after) // 2
        before, after = (middle, after) if _shown(middle, zone) < wall else (before, middle)
    return after


def _shown(at: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)
