"""Which reports repeat one another's text word for word: copies of one wire text are one voice, not several.

Texts are compared by their shingles, the runs of ``SHINGLE`` consecutive words inside one paragraph (Broder, "On the
resemblance and containment of documents", 1997). Short lines give no shingle and page furniture is left out, so a
"Share" or a cookie notice that two pages have in common weighs nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from consumers.passages import is_furniture

SHINGLE = 6  # words: shorter runs are set phrases ("the president of the United States")
LEAST = 15  # shingles, a sentence or two: what is shorter cannot show whose text it is
COPY = 0.5  # most of a text. Pairs of reports on one event: quotes in common reach 0.43, wire copies begin at 0.5
PARAGRAPH = 20  # words of a paragraph that is somebody's own
WORDS = 600  # of an article that are compared

_WORD = re.compile(r"\w+(?:['’]\w+)*")

# Powers of an odd constant (Knuth's golden ratio for 64 bits), modulo 2**64: the order of the words counts.
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, n, 1 << 64) for n in range(1, SHINGLE + 1)], dtype=np.uint64)

Shingles = NDArray[np.uint32]  # sorted, each once


def paragraphs(text: str) -> Iterator[str]:
    """The lines of a text that belong to its article."""
    for line in text.splitlines():
        spoken = " ".join(line.split())
        if spoken and not is_furniture(spoken):
            yield spoken


def words_of(text: str) -> list[str]:
    """In lower case, without punctuation; typographic and typewriter apostrophes are one."""
    return _WORD.findall(text.casefold().replace("’", "'"))


def shingles(text: str) -> Shingles:
    """Hashes of the first ``WORDS`` words' shingles; empty where no paragraph has ``SHINGLE`` words."""
    return shingles_of(map(words_of, paragraphs(text)))


def shingles_of(spoken: Iterable[Sequence[str]]) -> Shingles:
    """The same of the words of paragraphs that are known to belong to their article."""
    hashes: list[int] = []
    ends: list[int] = []
    left = WORDS
    for paragraph in spoken:
        words = paragraph[:left]
        left -= len(words)
        if len(words) >= SHINGLE:
            hashes += map(hash, words)  # the same in one process only, like whatever is compared with it
            ends.append(len(hashes))
        if left <= 0:
            break
    if not ends:
        return np.zeros(0, dtype=np.uint32)
    words_in_row, count = np.array(hashes, dtype=np.int64).view(np.uint64), len(hashes) - SHINGLE + 1
    runs = np.zeros(count, dtype=np.uint64)
    for place, factor in enumerate(_FACTORS):
        runs += words_in_row[place : place + count] * factor
    within = np.ones(count, dtype=bool)  # no run goes from one paragraph into the next
    for end in ends[:-1]:
        within[end - SHINGLE + 1 : end] = False
    found: Shingles = np.sort((runs[within] >> np.uint64(32)).astype(np.uint32))
    once: Shingles = found[np.append(True, found[1:] != found[:-1])]  # ``np.unique`` takes ten times as long
    return once


def shared(one: Shingles, other: Shingles) -> float:
    """How much of the shorter text stands in the longer one, 0 to 1; 0 where one is too short to tell.

    The shorter one decides, because a feed that carries only the beginning of a wire text still carries that text.
    """
    least = min(len(one), len(other))
    if least < LEAST:
        return 0.0
    return len(np.intersect1d(one, other, assume_unique=True)) / least


def is_copy(one: Shingles, other: Shingles) -> bool:
    return shared(one, other) >= COPY


def long_paragraphs(spoken: Iterable[Sequence[str]]) -> frozenset[int]:
    """Hashes of the paragraphs, given by their words, that nobody writes twice by chance.

    Two sites that share one have one source for it.
    """
    return frozenset(hash(tuple(words)) for words in spoken if len(words) >= PARAGRAPH)
