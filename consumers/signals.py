"""When a topic is told of as a whole: far more is reported of it than usual, or nothing any more. Pure.

How much is usual is counted over a week of hours in which the feeds brought anything at all: an hour in which nothing
was read says nothing. It is the larger of two means, of all these hours and of those around the same time of day, as
many topics sleep at night. How unlikely an hour is then is read off the Poisson distribution. A spike that has begun
ends only where the hour would be no surprise: one that is told, over and told again within minutes helps nobody.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

HOUR = 3600.0
WEEK = 7 * 24  # hours that are looked back on

_WATCHED = 48  # hours to know before anything is unusual
_AROUND = 6  # hours around the same time of day, from which on they are believed
_ARTICLES, _SOURCES = 5, 3  # of a spike, at least: one site that publishes its archive is none
_BEGINS, _ENDS = 1e-4, 1e-2  # how likely an hour like this is


@dataclass(frozen=True, slots=True)
class LastHour:
    """What matched: live articles, and the sources they came from."""

    articles: int = 0
    sources: int = 0


def usual(counts: Mapping[int, int], watched: Collection[int], hour: int) -> float | None:
    """Articles an hour; ``None`` where too few hours were watched to tell.

    Hours are counted since the epoch; ``counts`` are the matches in each, ``watched`` those before ``hour`` in which
    the feeds brought something. Never less than one article in all of them: "never" is not known of anything.
    """
    if len(watched) < _WATCHED:
        return None
    around = [each for each in watched if (each - hour + 1) % 24 < 3]
    means = [_mean(counts, watched)] + [_mean(counts, around)] * (len(around) >= _AROUND)
    return max(*means, 1 / len(watched))


def _mean(counts: Mapping[int, int], hours: Collection[int]) -> float:
    return sum(counts.get(hour, 0) for hour in hours) / len(hours)


def is_spike(last: LastHour, usually: float | None, *, going_on: bool) -> bool:
    """``going_on``: it was one a minute ago, and was told."""
    if usually is None:
        return False
    if going_on:
        return at_least(last.articles, usually) < _ENDS
    return may_be_spike(last) and at_least(last.articles, usually) < _BEGINS


def may_be_spike(last: LastHour) -> bool:
    """Whether what is usual has to be known at all."""
    return last.articles >= _ARTICLES and last.sources >= _SOURCES


def is_silence(now: float, since: float, longest: float, watched: Collection[int]) -> bool:
    """Nothing matched after ``since``, though the feeds went on for the ``longest`` that this may last, until now.

    An hour without any article is the silence of the feeds, or of whoever reads them: it does not count.
    """
    if now - since < longest:
        return False
    first, last = int(since // HOUR), int(now // HOUR)
    heard = [hour for hour in watched if first <= hour <= last]
    return len(heard) >= max(1, int(longest // HOUR)) and max(heard) >= last - 1


def at_least(number: int, mean: float) -> float:
    """How likely ``number`` or more are where ``mean`` are usual, by Poisson; 1 where ``number`` is not above it."""
    if number <= mean:
        return 1.0
    term = math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))
    total, more = 0.0, number
    while term > total * 1e-12:
        total += term
        more += 1
        term *= mean / more
    return total
