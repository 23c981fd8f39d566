"""Which reports repeat one another's text word for word: copies of one wire text are one voice, not several.

Texts are compared by their shingles, the runs of ``SHINGLE`` consecutive words inside one paragraph (Broder, "On the
resemblance and containment of documents", 1997). Short lines give no shingle and page furniture is left out, so a
"Share" or a cookie notice that two pages have in common weighs nothing.
"""

import re
from binascii import crc32
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from consumers.passages import is_furniture

SHINGLE = 6  # words: shorter runs are set phrases ("the president of the United States")
LEAST = 15  # shingles, a sentence or two: what is shorter cannot show whose text it is
COPY = 0.5  # most of a text. Pairs of reports on one event: quotes in common reach 0.43, wire copies begin at 0.5
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
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


def shingles(text: str) -> Shingles:
    """Hashes of the first ``WORDS`` words' shingles; empty where no paragraph has ``SHINGLE`` words."""
    found: list[NDArray[np.uint64]] = []
    left = WORDS
    for paragraph in paragraphs(text):
        words = words_of(paragraph)[:left]
        left -= len(words)
        if len(words) >= SHINGLE:
            hashes = np.array([crc32(word.encode("utf-8", "surrogatepass")) for word in words], dtype=np.uint64)
            found.append(sliding_window_view(hashes, SHINGLE) @ _FACTORS)
        if left <= 0:
            break
    if not found:
        return np.zeros(0, dtype=np.uint32)
    return np.unique((np.concatenate(found) >> np.uint64(32)).astype(np.uint32))


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
