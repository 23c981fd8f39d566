"""What a story's reports have stated so far, in few and short strings: names, acts, and numbers with their times.

Names and words are hashes in one string each, those of least value: where it is full, one whose hash lies beyond the
last that was kept counts as known, so that a story that has named thousands falls silent about names and never repeats
one. Everything else is plain: "act resign", "toll=19 1718000000". All that is kept depends on what was learned, not on
the order.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

MAX_WORDS = 1200
MAX_NAMES = 2000  # hashes of 24 bits: one name in 8,000 is taken for another when it is full
MAX_VALUES = 290
MAX_SAID = 100
VOTE, NTH = "vote", "nth"  # labels whose values are "52-48" and "third-woman"
IN_WORDS = frozenset({VOTE, NTH})
_CODES = re.compile(r".{1,4}", re.DOTALL)  # of one hash each
_FIGURE = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]{1,3})?", re.ASCII)
_NAMES, _WORDS = "names ", "words "

Value = tuple[str, str]  # label and figure: ("toll", "19"), ("vote", "61-39")


@dataclass(frozen=True, slots=True)
class Stated:
    """``at``: of the first report that stated it, in seconds. ``marks``: "<" lowered to, "~" vague, "-" long past."""

    at: int
    marks: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """``names`` and ``words`` are hashes."""

    names: frozenset[str]
    words: frozenset[str]  # of headlines and beginnings
    said: frozenset[str]
    values: Mapping[Value, Stated]

    def has_name(self, name: str) -> bool:
        return _has(self.names, _code(name), MAX_NAMES)

    def has_word(self, word: str) -> bool:
        return _has(self.words, _code(word), MAX_WORDS)

    def figures(self, label: str) -> list[tuple[float, Stated]]:
        """Without what happened long ago. Votes and ordinals are no figures."""
        return [
            (float(figure), stated)
            for (name, figure), stated in self.values.items()
            if name == label and label not in IN_WORDS and "-" not in stated.marks
        ]


@lru_cache(maxsize=256)  # a story's is asked for twice with every report
def read(known: tuple[str, ...]) -> Known:
    """Entries of another make are passed over."""
    hashes: dict[str, frozenset[str]] = {}
    said: set[str] = set()
    values: dict[Value, Stated] = {}
    for entry in known:
        if entry.startswith((_NAMES, _WORDS)):
            kind, _, codes = entry.partition(" ")
            hashes[f"{kind} "] = frozenset(_CODES.findall(codes))
        elif value := _value(entry):
            values[value[0]] = value[1]
        else:
            said.add(entry)
    return Known(hashes.get(_NAMES, frozenset()), hashes.get(_WORDS, frozenset()), frozenset(said), values)


def known_of(names: Iterable[str], words: Iterable[str], said: Iterable[str], values: Mapping[Value, Stated]) -> Known:
    """``names`` and ``words`` are not hashed yet."""
    return Known(frozenset(map(_code, names)), frozenset(map(_code, words)), frozenset(said), values)


def both(one: Known, other: Known) -> Known:
    values = dict(one.values)
    for value, stated in other.values.items():
        mine = values.get(value, stated)
        marks = "".join(mark for mark in "-<~" if _is_marked(mark, mine, stated))
        values[value] = Stated(min(mine.at, stated.at), marks)
    return Known(one.names | other.names, one.words | other.words, one.said | other.said, values)


def written(known: Known) -> tuple[str, ...]:
    """Bounded: the newest values, and names as the module says."""
    kept = sorted(known.values.items(), key=lambda item: (-item[1].at, item[0]))[:MAX_VALUES]
    return (
        _NAMES + "".join(sorted(known.names)[:MAX_NAMES]),
        _WORDS + "".join(sorted(known.words)[:MAX_WORDS]),
        *sorted(known.said)[:MAX_SAID],
        *sorted(f"{label}={figure} {stated.at}{stated.marks}" for (label, figure), stated in kept),
    )


def _has(hashes: frozenset[str], code: str, most: int) -> bool:
    return code in hashes or (len(hashes) >= most and code > _last(hashes))


@lru_cache(maxsize=64)
def _last(hashes: frozenset[str]) -> str:
    return max(hashes)


def _is_marked(mark: str, one: Stated, other: Stated) -> bool:
    return mark in one.marks and mark in other.marks if mark == "-" else mark in one.marks or mark in other.marks


@lru_cache(maxsize=16_384)  # a story that goes on is read again and again
def _value(entry: str) -> tuple[Value, Stated] | None:
    label, equals, rest = entry.partition("=")
    figure, _, at = rest.partition(" ")
    digits = at.rstrip("-<~")
    if not equals or not digits.lstrip("-").isascii() or not digits.lstrip("-").isdigit():
        return None
    if label not in IN_WORDS and not _FIGURE.fullmatch(figure):
        return None
    return (label, figure), Stated(int(digits), at[len(digits) :])


@lru_cache(maxsize=65_536)
def _code(name: str) -> str:
    return urlsafe_b64encode((crc32(name.encode("utf-8", "surrogatepass")) >> 8).to_bytes(3, "big")).decode("ascii")
