"""Numbers as reports write them: "1,200", "2.5 million", "$3bn", "nineteen", "a dozen", "at least 19"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {word: 20 + 10 * n for n, word in enumerate(_TENS)}
_SMALL |= {f"{tens}-{unit}": _SMALL[tens] + _SMALL[unit] for tens in _TENS for unit in _UNITS[1:10]}
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "dozen": 12.0}
_SUFFIXES = {
    "k": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "mln": 1e6,
    "bn": 1e9,
    "b": 1e9,
    "tn": 1e12,
    "%": 1.0,
    "": 1.0,
}
_VAGUE = {"dozens": 24.0, "scores": 24.0, "hundreds": 200.0, "thousands": 2000.0}
_STARTS = frozenset({*_SMALL, *_VAGUE, "hundred", "thousand", "dozen", "million"})
CURRENCIES = {
    "dollars": "$", "dollar": "$", "euros": "€", "euro": "€", "pounds": "£", "yen": "¥", "rupees": "₹",
}  # fmt: skip
_ABOUT = frozenset("about around some nearly almost roughly approximately estimated up close".split())
_FLOOR = frozenset("least than over above exceeds passes pass tops past".split())
_CEILING = frozenset("fewer less under".split())
_PASSED = frozenset(
    "a an at more about around some nearly almost roughly approximately over the least than up estimated as many only "
    "just total another fewer less under further half".split()
)
_FIGURES = re.compile(r"([$€£¥₹]?)([0-9]+(?:[.,][0-9]+)*)(%|[^\W\d_]*)")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_DIGIT = re.compile(r"[0-9]")
_DIGITS = 15
_FIRST = frozenset("0123456789$€£¥₹")

Precision = Literal["exact", "about", "floor", "vague"]


@dataclass(frozen=True, slots=True)
class Number:
    """Words ``start`` to ``end`` of a sentence; ``first`` is where "at least" or "about" before them begins."""

    value: float
    start: int
    end: int
    first: int
    precision: Precision
    unit: str  # "%", a currency's sign, or empty


def may_count(text: str, words: tuple[str, ...]) -> bool:
    """Whether it is worth looking: most sentences have no number."""
    return _DIGIT.search(text) is not None or not _STARTS.isdisjoint(words)


def numbers(words: tuple[str, ...]) -> Iterator[Number]:
    """In order. ``words``: of one sentence, in lower case. Ordinals, clock times and years with an "s" are none."""
    end = 0
    for at, word in enumerate(words):
        if at < end:
            continue
        spelled = word in _STARTS
        if spelled or word[0] in _FIRST:
            found = _spelled(words, at) if spelled else _figures(words, at)
            if found is not None:
                yield found
                end = found.end


def shown(value: float) -> str:
    """ "1,200", "2.5 million", "6.4"."""
    for scale, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= scale:
            return f"{_plain(round(value / scale, 2))} {name}"
    return _plain(value)


def _plain(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,.2f}".rstrip("0")


def _figures(words: tuple[str, ...], at: int) -> Number | None:
    read = _FIGURES.fullmatch(words[at])
    if read is None or len(read[2]) > _DIGITS or read[3] not in _SUFFIXES:
        return None
    if _is_clock(words, at) or _is_clock(words, at + 2):
        return None
    value = _value(read[2])
    if value is None:
        return None
    unit = "%" if read[3] == "%" else read[1]
    if read[3] == "m" and not unit and value < 1000 and not read[1]:
        return None  # metres as often as millions
    return _scaled(words, at, at + 1, value * _SUFFIXES[read[3]], unit)


def _is_clock(words: tuple[str, ...], at: int) -> bool:
    """Or a score: "6:30"; not "Halden: 140 flights"."""
    around = words[max(0, at - 2) : at + 1]
    return around[-2:-1] == (":",) and around[0][0].isdigit() and around[-1][0].isdigit()


def _value(figures: str) -> float | None:
    if _GROUPED.fullmatch(figures):
        return float(figures.replace(",", ""))
    if figures.count(".") + figures.count(",") > 1:
        return None
    return float(figures.replace(",", "."))


def _spelled(words: tuple[str, ...], at: int) -> Number | None:
    word = words[at]
    if word in _VAGUE:
        value = _VAGUE[word]
        if words[at + 1 : at + 3] == ("of", "thousands"):
            return Number(value * 1000, at, at + 3, _before(words, at)[0], "vague", "")
        value *= 10 if words[max(0, at - 2) : at] == ("tens", "of") else 1
        return Number(value, at, at + 1, _before(words, at)[0], "vague", "")
    if word in _SCALES:
        if at and words[at - 1] == "a":
            return _scaled(words, at, at, 0.5 if words[max(0, at - 2)] == "half" else 1.0, "")
        return None
    value, end = float(_SMALL[word]), at + 1
    if words[end : end + 1] == ("hundred",):
        value, end = value * 100, end + 1
        rest = end + (words[end : end + 1] == ("and",))
        if rest < len(words) and 0 < _SMALL.get(words[rest], 0) < 100:
            value, end = value + _SMALL[words[rest]], rest + 1
    return _scaled(words, at, end, value, "")


def _scaled(words: tuple[str, ...], start: int, end: int, value: float, unit: str) -> Number:
    while end < len(words) and words[end] in _SCALES and end - start < 4:
        value *= _SCALES[words[end]]
        end += 1
        if words[end : end + 1] == ("-",) and words[end + 1 : end + 2] != ():
            break
    if not unit and end < len(words):
        if words[end] in ("percent", "pc"):
            unit, end = "%", end + 1
        elif words[end : end + 2] == ("per", "cent"):
            unit, end = "%", end + 2
        elif words[end] in CURRENCIES:
            unit, end = CURRENCIES[words[end]], end + 1
    first, precision = _before(words, start)
    if precision == "exact" and words[end - 1] == "dozen":
        precision = "about"
    return Number(value, start, end, first, precision, unit)


def _before(words: tuple[str, ...], start: int) -> tuple[int, Precision]:
    first = start
    precision: Precision = "exact"
    while first and start - first < 4 and (words[first - 1] in _PASSED or _is_up_to(words, first)):
        first -= 1
        if words[first] in _CEILING:
            precision = "about"
        elif words[first] in _FLOOR:
            precision = "floor"
        elif words[first] in _ABOUT and precision == "exact":
            precision = "about"
    return first, precision


def _is_up_to(words: tuple[str, ...], at: int) -> bool:
    return at > 1 and words[at - 1] == "to" and words[at - 2] in ("up", "close")
