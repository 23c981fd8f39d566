"""How alike the articles of one topic are.

A sum over four kinds of evidence: the cosine of the vectors of the whole articles, that of their titles, and the
cosine of their words and of their titles' words, each word weighing its rarity *among these articles* (every article
about Syria says "Syria"). All of it is worked out from the articles that are held and from nothing else, so whoever
restores the same articles finds the same likeness.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.story_members import Member

WHOLE, TITLE, WORDS, TITLE_WORDS = 0.28, 0.28, 0.27, 0.17
SMOOTHING = 10.0  # articles without the word, so that rarity means something while a topic is young
LEAST_RARITY = 0.05

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


class StorySpace:
    """Articles by row, without gaps: the last row moves where one is removed. One thread."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._wholes, self._titles = _Vectors(), _Vectors()
        self._words, self._title_words = _Words(), _Words()

    def __len__(self) -> int:
        return len(self.members)

    def add(self, member: Member) -> None:
        """Takes the member's vectors over."""
        member.row = len(self.members)
        self.members.append(member)
        self._wholes.add(member.row, member.vector)
        self._titles.add(member.row, member.title_vector)
        self._words.add(member.words)
        self._title_words.add(member.title)
        member.vector = member.title_vector = _NOTHING

    def remove(self, member: Member) -> None:
        last = self.members.pop()
        for part in (self._wholes, self._titles, self._words, self._title_words):
            part.remove(member.row, len(self.members))
        if last is not member:
            self.members[member.row] = last
            last.row = member.row

    def cosines(self, member: Member) -> Floats:
        """Of the whole articles: of one that is not held with each that is."""
        return self._wholes.cosines(member.vector, len(self))

    def likeness(self, member: Member) -> Floats:
        """Of one that is not held with each that is; (len,), about 0 to 1."""
        count = len(self)
        return (
            WHOLE * self._wholes.cosines(member.vector, count)
            + TITLE * self._titles.cosines(member.title_vector, count)
            + WORDS * self._words.cosines(member.words)
            + TITLE_WORDS * self._title_words.cosines(member.title)
        )

    def sums(self, rows: Ids) -> Floats:
        """For each held article, the sum of its likeness to those in ``rows``; (len,)."""
        count = len(self)
        return (
            WHOLE * self._wholes.sums(rows, count)
            + TITLE * self._titles.sums(rows, count)
            + WORDS * self._words.sums(rows)
            + TITLE_WORDS * self._title_words.sums(rows)
        )

    def within(self, rows: Ids) -> float:
        """The sum of the likeness of all pairs in ``rows``, each pair once."""
        return (
            WHOLE * self._wholes.within(rows)
            + TITLE * self._titles.within(rows)
            + WORDS * self._words.within(rows)
            + TITLE_WORDS * self._title_words.within(rows)
        )


_NOTHING: NDArray[np.float32] = np.zeros(0, dtype=np.float32)


class _Vectors:
    """Unit rows, or zeros where an article has no vector of the size that is in use."""

    def __init__(self) -> None:
        self._rows: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)

    def add(self, row: int, vector: NDArray[np.float32]) -> None:
        """A vector of another size comes from a new model: the old ones say nothing any more."""
        size = len(vector)
        if size and size != self._rows.shape[1]:
            self._rows = np.zeros((max(8, len(self._rows)), size), dtype=np.float32)
        if row >= len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros((max(8, row), self._rows.shape[1]), np.float32)])
        self._rows[row] = vector if size else 0.0

    def remove(self, row: int, last: int) -> None:
        self._rows[row] = self._rows[last]

    def cosines(self, vector: NDArray[np.float32], count: int) -> Floats:
        if len(vector) != self._rows.shape[1]:
            return np.zeros(count)
        cosines: Floats = (self._rows[:count] @ vector).astype(np.float64)
        return cosines

    def sums(self, rows: Ids, count: int) -> Floats:
        sums: Floats = (self._rows[:count] @ self._rows[rows].sum(axis=0)).astype(np.float64)
        return sums

    def within(self, rows: Ids) -> float:
        chosen = self._rows[rows]
        whole = chosen.sum(axis=0)
        return float(whole @ whole - (chosen * chosen).sum()) / 2


@dataclass(frozen=True, slots=True)
class _Weights:
    """``squares``: of each word's inverse document frequency (Spärck Jones, 1972), smoothed; ``norms`` of each row."""

    squares: Floats
    norms: Floats


class _Words:
    """Sets of words by row, as runs of word numbers. Number 0 is no word: it keeps every run from being empty."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._rows: list[Ids] = []
        self._flat: Ids | None = None
        self._starts: Ids = np.zeros(0, dtype=np.int64)
        self._weights: _Weights | None = None

    def add(self, words: Sequence[str]) -> None:
        numbers = self._numbers
        run = [0, *(numbers.setdefault(word, len(numbers)) for word in words)]
        self._rows.append(np.array(run, dtype=np.int64))
        self._flat = None

    def remove(self, row: int, last: int) -> None:
        self._rows[row] = self._rows[last]
        self._rows.pop()
        self._flat = None

    def cosines(self, words: Sequence[str]) -> Floats:
        """Of one set that is not held with each that is; the held and this one say how rare a word is."""
        flat = self._flattened()
        own = np.array([self._numbers[word] for word in words if word in self._numbers], dtype=np.int64)
        containing = np.bincount(flat, minlength=len(self._numbers))
        containing[own] += 1
        squares = _squares(containing, len(self._rows) + 1)
        alone = len(words) - len(own)  # words that no held article has
        rarest = _squares(np.array([0, 1]), len(self._rows) + 1)[1]
        norm = np.sqrt(squares[own].sum() + alone * rarest)
        shared = np.zeros(len(self._numbers))
        shared[own] = squares[own]
        return _ratio(self._summed(shared), np.sqrt(self._summed(squares)) * norm)

    def sums(self, rows: Ids) -> Floats:
        weights = self._weighted()
        return _ratio(self._summed(weights.squares * self._spread(rows, weights)), weights.norms)

    def within(self, rows: Ids) -> float:
        weights = self._weighted()
        spread = self._spread(rows, weights)
        return float((weights.squares * spread**2).sum() - np.count_nonzero(weights.norms[rows])) / 2

    def _spread(self, rows: Ids, weights: _Weights) -> Floats:
        """For each word the sum over ``rows`` that have it of one by the row's norm."""
        runs = [self._rows[row] for row in rows]
        shares = _ratio(np.ones(len(rows)), weights.norms[rows])
        each = np.repeat(shares, [len(run) for run in runs])
        return np.bincount(np.concatenate(runs), weights=each, minlength=len(self._numbers)).astype(np.float64)

    def _weighted(self) -> _Weights:
        flat = self._flattened()
        if self._weights is None:
            containing = np.bincount(flat, minlength=len(self._numbers))
            squares = _squares(containing, len(self._rows))
            self._weights = _Weights(squares, np.sqrt(self._summed(squares)))
        return self._weights

    def _summed(self, values: Floats) -> Floats:
        """Over each row's words."""
        return np.add.reduceat(values[self._flattened()], self._starts) if self._rows else np.zeros(0)

    def _flattened(self) -> Ids:
        if self._flat is None:
            self._renumber()
            self._flat = np.concatenate(self._rows) if self._rows else np.zeros(0, dtype=np.int64)
            lengths = [len(run) for run in self._rows]
            self._starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths[:-1], dtype=np.int64)])
            self._weights = None
        return self._flat

    def _renumber(self) -> None:
        """Words that no article has any more lose their number, now and then."""
        if len(self._numbers) < 2_000 or len(self._numbers) < sum(map(len, self._rows)):
            return
        used = np.unique(np.concatenate(self._rows)) if self._rows else np.zeros(1, dtype=np.int64)
        new = np.zeros(len(self._numbers), dtype=np.int64)
        new[used] = np.arange(len(used))
        kept = set(used.tolist())
        self._numbers = {word: int(new[number]) for word, number in self._numbers.items() if number in kept}
        self._rows = [new[run] for run in self._rows]


def _squares(containing: NDArray[np.int64], articles: int) -> Floats:
    rarity = np.log((articles + SMOOTHING) / (containing + 1.0))
    squares: Floats = np.maximum(LEAST_RARITY, rarity) ** 2
    squares[0] = 0.0
    return squares


def _ratio(one: Floats, other: Floats) -> Floats:
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0)
