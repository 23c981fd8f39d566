"""Words of a query found in a text, however they are inflected or joined.

A light stem: plurals, -ing and -ed, and the endings that make a country's name an adjective (Russia, Russian; Iran,
Iranian; China, Chinese). "airstrikes" and "air strikes" find each other. No word list of any language but English's
function words; words of other languages are compared almost as they are.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(r"(?:[^\W\d_]\.){2,}|[^\W_]+(?:[.,]\d+)*")
_AMERICA = frozenset({"US", "U.S.", "USA", "U.S.A."})
FUNCTION_WORDS = frozenset(
    "a about after against all an and any are as at be because been before being between both but by can could did do "
    "does during each for from had has have he her his how i if in into is it its more most my near new no not of off "
    "on or our out over own she should so some such than that the their them then there these they this those through "
    "to under until up us was we were what when where which while who whom why will with within without would you your "
    "s t re ve ll d".split()
)
_MIN_PART = 3  # letters of each half of a joined word


@dataclass(frozen=True, slots=True)
class Word:
    """``stem`` of ``text[start:end]``; ``lower`` is the word as written, in lower case."""

    stem: str
    lower: str
    start: int
    end: int


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """``word`` in lower case. First the steps of Porter (1980) that matter most, then the endings of nations."""
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("sses", "ches", "shes", "xes", "zes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 5 and word.endswith("ing"):
        word = _undoubled(word[:-3])
    elif len(word) > 5 and word.endswith("ed"):
        word = _undoubled(word[:-2])
    if len(word) > 6 and word.endswith("ese"):
        word = word[:-3]
    if len(word) > 4 and word.endswith(("many", "taly")):
        word = word[:-1]
    word = _without_last_vowels(word)
    if len(word) > 5 and word.endswith("an"):
        word = _without_last_vowels(word[:-2])
    return word


def _without_last_vowels(word: str) -> str:
    while len(word) > 4 and word[-1] in "aeio":
        word = word[:-1]
    return word


def _undoubled(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls" else word


def words_of(text: str) -> tuple[Word, ...]:
    found = []
    for match in _WORD.finditer(text):
        key, lower = _read(match.group())
        found.append(Word(key, lower, *match.span()))
    return tuple(found)


@lru_cache(maxsize=16_384)
def _read(written: str) -> tuple[str, str]:
    """A word's stem, and the word in lower case."""
    if written in _AMERICA:
        return "u.s.", "u.s."
    lower = written.lower().replace(".", "") if written[-1] == "." else written.lower()
    return stem(lower), lower


_RUN_TOGETHER = re.compile(r"(?<![^\W_])(?:[A-Z][a-z]+){3,}(?![^\W_])")


def spelled_out(query: str) -> str:
    """ "#BlackLivesMatter" is written in three words; names such as YouTube and McDonald stay as they are."""
    return _RUN_TOGETHER.sub(lambda run: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", run.group()), query)


def query_words(text: str) -> tuple[Word, ...]:
    """The words of a query that carry meaning, each stem once; all of them where none does ("The Who")."""
    every = words_of(text)
    meant = [word for word in every if word.lower not in FUNCTION_WORDS] or list(every)
    return tuple({word.stem: word for word in reversed(meant)}.values())[::-1]


def meant_stems(text: str) -> Iterable[str]:
    """The stems of ``query_words``, in whatever order, in a fifth of the time."""
    read = [_read(written) for written in _WORD.findall(text)]
    meant = [stem for stem, lower in read if lower not in FUNCTION_WORDS] or [stem for stem, _ in read]
    return dict.fromkeys(meant)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """``start`` to ``end`` of a section of the text."""

    section: int
    start: int
    end: int


class Terms:
    """The words of a text in sections (a title and its passages), ready to be looked up."""

    __slots__ = ("_by_stem", "_found", "_words")

    def __init__(self, sections: Sequence[str]) -> None:
        self._words = [(number, word) for number, section in enumerate(sections) for word in words_of(section)]
        self._by_stem: dict[str, list[int]] = {}
        self._found: dict[str, tuple[Place, ...]] = {}  # many topics share their words
        for n, (_, word) in enumerate(self._words):
            self._by_stem.setdefault(word.stem, []).append(n)

    def __len__(self) -> int:
        return len(self._words)

    def places(self, query: Sequence[Word]) -> tuple[tuple[Place, ...], ...]:
        """For each word of the query the places where it is found, in order."""
        found = [self._anyhow(word.stem) for word in query]
        for n, (first, second) in enumerate(pairwise(query)):
            if first.end + 1 < second.start or (found[n] and found[n + 1]):
                continue
            joined = self._alone(first.lower + second.stem)
            found[n], found[n + 1] = found[n] or joined, found[n + 1] or joined
        return tuple(found)

    def _anyhow(self, key: str) -> tuple[Place, ...]:
        known = self._found.get(key)
        if known is None:
            known = self._found[key] = tuple(sorted((*self._alone(key), *self._split(key))))
        return known

    def _alone(self, key: str) -> tuple[Place, ...]:
        return tuple(self._place(n, n) for n in self._by_stem.get(key, ()))

    def _split(self, key: str) -> tuple[Place, ...]:
        """ "airstrik" as two neighbouring words, "air" and "strik"."""
        return tuple(
            self._place(n - 1, n)
            for cut in range(_MIN_PART, len(key) - _MIN_PART + 1)
            for n in self._by_stem.get(key[cut:], ())
            if n and self._words[n - 1][1].lower == key[:cut] and self._words[n - 1][0] == self._words[n][0]
        )

    def _place(self, first: int, last: int) -> Place:
        section, word = self._words[first]
        return Place(section, word.start, self._words[last][1].end)
