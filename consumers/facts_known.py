"""What a story's reports have stated so far, in few and short strings: names, acts, and numbers with their times.

Names and words are hashes in one string each, those of least value: where it is full, one whose hash lies beyond the
last that was kept counts as known, so that a story that has named thousands falls silent about names and never repeats
one. Everything else is plain: "act resign", "toll=19 1718000000". All that is kept depends on what was learned, not on
the order.

Reading and writing these strings anew for every report took a third of all that novelty takes. So hashes stay in their
order, where a few more are put in at once, and what was written last is read again without a look at its strings.
"""

import re
from base64 import urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from zlib import crc32

MAX_WORDS = 1200
MAX_NAMES = 2000  # hashes of 24 bits: one name in 8,000 is taken for another when it is full
MAX_VALUES = 290
MAX_SAID = 100
VOTE, NTH = "vote", "nth"  # labels whose values are "52-48" and "third-woman"
BARE = "figure"  # label of numbers that nothing tells of what they are
IN_WORDS = frozenset({VOTE, NTH})
_CODE = 4  # characters of one hash
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
    """``names`` and ``words`` are hashes in their order, ``lines`` the ``values`` as they are written."""

    names: tuple[str, ...]
    words: tuple[str, ...]  # of headlines and beginnings
    said: frozenset[str]
    values: Mapping[Value, Stated]
    lines: Mapping[Value, str]

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


class _Recent:
    """What was written or read last, by its strings."""

    MOST = 256

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Known] = {}
        self._lock = Lock()  # stories are told on one thread and edited on another

    def get(self, entries: tuple[str, ...]) -> Known | None:
        return self._known.get(entries)

    def put(self, entries: tuple[str, ...], known: Known) -> None:
        with self._lock:
            self._known.pop(entries, None)
            self._known[entries] = known
            if len(self._known) > self.MOST:
                del self._known[next(iter(self._known))]


_recent = _Recent()


def read(entries: tuple[str, ...]) -> Known:
    """Entries of another make are passed over."""
    known = _recent.get(entries)
    if known is None:
        known = _read(entries)
        _recent.put(entries, known)
    return known


def _read(entries: tuple[str, ...]) -> Known:
    hashes: dict[str, tuple[str, ...]] = {}
    said: set[str] = set()
    values: dict[Value, Stated] = {}
    for entry in entries:
        if entry.startswith((_NAMES, _WORDS)):
            kind, _, codes = entry.partition(" ")
            hashes[f"{kind} "] = _sorted(codes[at : at + _CODE] for at in range(0, len(codes), _CODE))
        elif value := _value(entry):
            values[value[0]] = value[1]
        else:
            said.add(entry)
    return _known(hashes.get(_NAMES, ()), hashes.get(_WORDS, ()), frozenset(said), values)


def known_of(names: Iterable[str], words: Iterable[str], said: Iterable[str], values: Mapping[Value, Stated]) -> Known:
    """``names`` and ``words`` are not hashed yet."""
    return _known(_sorted(map(_code, names)), _sorted(map(_code, words)), frozenset(said), values)


def both(one: Known, other: Known) -> Known:
    values, lines = dict(one.values), dict(one.lines)
    for value, stated in other.values.items():
        mine = values.get(value, stated)
        marks = "".join(mark for mark in "-<~" if _is_marked(mark, mine, stated))
        values[value] = Stated(min(mine.at, stated.at), marks)
        lines[value] = _line(value, values[value])
    return Known(_merged(one.names, other.names), _merged(one.words, other.words), one.said | other.said, values, lines)


def written(known: Known) -> tuple[str, ...]:
    """Bounded: the newest values, and names as the module says."""
    values, lines, said = known.values, known.lines, sorted(known.said)[:MAX_SAID]
    if len(values) > MAX_VALUES:
        values = dict(sorted(values.items(), key=lambda item: (-item[1].at, item[0]))[:MAX_VALUES])
        lines = {value: lines[value] for value in values}
    kept = Known(known.names[:MAX_NAMES], known.words[:MAX_WORDS], frozenset(said), values, lines)
    entries = (_NAMES + "".join(kept.names), _WORDS + "".join(kept.words), *said, *sorted(lines.values()))
    _recent.put(entries, kept)
    return entries


def _known(
    names: tuple[str, ...], words: tuple[str, ...], said: frozenset[str], values: Mapping[Value, Stated]
) -> Known:
    return Known(names, words, said, values, {value: _line(value, stated) for value, stated in values.items()})


def _line(value: Value, stated: Stated) -> str:
    return f"{value[0]}={value[1]} {stated.at}{stated.marks}"


def _sorted(hashes: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(hashes)))


def _merged(hashes: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    kept = list(hashes)
    for code in more:
        at = bisect_left(kept, code)
        if at == len(kept) or kept[at] != code:
            kept.insert(at, code)
    return tuple(kept)


def _has(hashes: tuple[str, ...], code: str, most: int) -> bool:
    at = bisect_left(hashes, code)
    return len(hashes) >= most if at == len(hashes) else hashes[at] == code


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
