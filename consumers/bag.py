"""What an article says, word by word, small enough to be kept beside its vectors.

A back-test over a month has to know which articles say a query's words without reading their texts again: a stem is
its CRC-32, with the number of times it is said. Two words that could be written as one ("air strikes") are kept
joined, too. One stem of a million shares its number with another one; the archive of a year has a handful of those.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from consumers.passages import ArticleTexts
from consumers.words import FUNCTION_WORDS, Word, words_of

TITLE = 2  # times that a word of the title counts
MOST = 255
_JOINED = range(6, 15)  # letters of two words that may be one
_PART = 3  # letters of each


@dataclass(frozen=True, eq=False)
class Bag:
    """``stems``: uint32, ascending, each once; ``counts``: uint8; ``length``: words of title and text."""

    stems: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    length: int

    @cached_property
    def counted(self) -> dict[int, int]:
        """Made when it is first asked for: the words of an article are looked up for hundreds of topics."""
        return dict(zip(self.stems.tolist(), self.counts.tolist(), strict=True))

    def to_bytes(self) -> bytes:
        """Little-endian: length, stems, counts."""
        return np.array([self.length], "<u4").tobytes() + self.stems.astype("<u4").tobytes() + self.counts.tobytes()


def from_bytes(data: bytes) -> Bag:
    entries = (len(data) - 4) // 5
    stems = np.frombuffer(data, "<u4", entries, 4).astype(np.uint32)
    return Bag(stems, np.frombuffer(data, np.uint8, entries, 4 + 4 * entries), int(np.frombuffer(data, "<u4", 1)[0]))


def bag_of(texts: ArticleTexts) -> Bag:
    """A title that is all there is to read counts once, like a text."""
    bodies = [passage.text for passage in texts.passages]
    sections = (
        [(1, texts.title)] if bodies == [texts.title] else [(TITLE, texts.title), *((1, body) for body in bodies)]
    )
    counts: dict[int, int] = {}
    length = 0
    for worth, section in sections:
        words = words_of(section)
        length += len(words)
        for word in words:
            key = number_of(word.stem)
            counts[key] = counts.get(key, 0) + worth
        for joined in _joined(words):
            key = number_of(joined)
            counts[key] = counts.get(key, 0) + worth
    stems = sorted(counts)
    return Bag(np.array(stems, np.uint32), np.array([min(counts[key], MOST) for key in stems], np.uint8), length)


@lru_cache(maxsize=262_144)
def number_of(stem: str) -> int:
    return zlib.crc32(stem.encode())


def _joined(words: Sequence[Word]) -> list[str]:
    return [
        first.lower + second.stem
        for first, second in pairwise(words)
        if second.start - first.end <= 1
        and len(first.lower) >= _PART <= len(second.stem)
        and len(first.lower) + len(second.stem) in _JOINED
        and first.lower not in FUNCTION_WORDS
        and second.lower not in FUNCTION_WORDS
        and first.lower.isalpha()
        and second.lower.isalpha()
    ]


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A word of a query, found as ``number`` or as one of ``others`` (joined with a neighbour)."""

    number: int
    others: tuple[int, ...] = ()


def query_terms(words: Sequence[Word]) -> tuple[QueryTerm, ...]:
    """In the order of the words. "air strikes" is found in a text that writes "airstrikes"."""
    others: list[list[int]] = [[] for _ in words]
    for n, (first, second) in enumerate(pairwise(words)):
        if second.start - first.end <= 1:
            joined = number_of(first.lower + second.stem)
            others[n].append(joined)
            others[n + 1].append(joined)
    return tuple(QueryTerm(number_of(word.stem), tuple(joined)) for word, joined in zip(words, others, strict=True))


def counts_in(bag: Bag, terms: Sequence[QueryTerm]) -> list[int]:
    """How often the text says each; the title counts ``TITLE`` times."""
    counted = bag.counted
    return [
        counted.get(term.number) or max((counted.get(other, 0) for other in term.others), default=0) for term in terms
    ]
