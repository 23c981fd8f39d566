"""How alike the articles of one topic are.

A sum over four kinds of evidence: the cosine of the vectors of the whole articles, that of their titles, and the
cosine of their words and of their titles' words, each word weighing its rarity *among these articles* (every article
about Syria says "Syria"); less, where both begin with nations and have none in common: floods in Italy are not those
in Croatia, however alike they read. All of it is worked out from the articles that are held and from nothing else, so
whoever restores the same articles finds the same likeness.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from consumers.story_members import Member

WHOLE, TITLE, WORDS, TITLE_WORDS = 0.28, 0.28, 0.27, 0.17
ELSEWHERE = (
    0.25  # from here on short reports of floods in two countries are two stories; labelled sets lose .005 at most
)
SMOOTHING = 10.0  # articles without the word, so that rarity means something while a topic is young
LEAST_RARITY = 0.05
_ROOM = 4  # an array that is full grows by a fourth

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


class StorySpace:
    """Articles by row, without gaps: the last row moves where one is removed. One thread."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._wholes, self._titles = _Vectors(), _Vectors()
        self._words, self._title_words = _Words(), _Words()
        self._nations = _Nations()
        self._owners: Ids = np.zeros(8, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.members)

    def add(self, member: Member, owner: int) -> None:
        """Takes the member's vectors over. ``owner``: a number of whatever it belongs to."""
        member.row = len(self.members)
        if member.row == len(self._owners):
            self._owners = np.concatenate([self._owners, np.zeros(max(8, member.row // _ROOM), dtype=np.int64)])
        self._owners[member.row] = owner
        self.members.append(member)
        self._wholes.add(member.row, member.vector)
        self._titles.add(member.row, member.title_vector)
        self._words.add(member.words)
        self._title_words.add(member.title)
        self._nations.add(member.nations)
        member.vector = member.title_vector = _NOTHING

    def remove(self, member: Member) -> None:
        last = self.members.pop()
        for part in (self._wholes, self._titles, self._words, self._title_words, self._nations):
            part.remove(member.row, len(self.members))
        if last is not member:
            self.members[member.row] = last
            self._owners[member.row] = self._owners[last.row]
            last.row = member.row

    def owners(self) -> Ids:
        """Of each row."""
        return self._owners[: len(self)]

    def hand_over(self, member: Member, owner: int) -> None:
        self._owners[member.row] = owner

    def cosines(self, member: Member) -> Floats:
        """Of the whole articles: of one that is not held with each that is."""
        return self._wholes.cosines(member.vector, len(self))

    def likeness(self, member: Member, wholes: Floats) -> Floats:
        """Of one that is not held with each that is; (len,), about 0 to 1. ``wholes``: its ``cosines``."""
        count = len(self)
        return (
            WHOLE * wholes
            + TITLE * self._titles.cosines(member.title_vector, count)
            + WORDS * self._words.cosines(member.words)
            + TITLE_WORDS * self._title_words.cosines(member.title)
            - ELSEWHERE * self._nations.apart(member.nations)
        )

    def sums(self, rows: Ids) -> Floats:
        """For each held article, the sum of its likeness to those in ``rows``; (len,)."""
        count = len(self)
        return (
            WHOLE * self._wholes.sums(rows, count)
            + TITLE * self._titles.sums(rows, count)
            + WORDS * self._words.sums(rows)
            + TITLE_WORDS * self._title_words.sums(rows)
            - ELSEWHERE * self._nations.sums(rows)
        )

    def within(self, rows: Ids) -> float:
        """The sum of the likeness of all pairs in ``rows``, each pair once."""
        return (
            WHOLE * self._wholes.within(rows)
            + TITLE * self._titles.within(rows)
            + WORDS * self._words.within(rows)
            + TITLE_WORDS * self._title_words.within(rows)
            - ELSEWHERE * self._nations.within(rows)
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
            room = np.zeros((max(8, row // _ROOM), self._rows.shape[1]), np.float32)
            self._rows = np.concatenate([self._rows, room])
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


class _Nations:
    """Which articles begin with nations and have none in common with another one. Few sets of them occur."""

    def __init__(self) -> None:
        self._sets: dict[frozenset[str], int] = {}
        self._rows: list[int] = []

    def add(self, nations: frozenset[str]) -> None:
        if len(self._sets) > len(self._rows) + 1_000:  # sets that no article has any more
            held = list(self._sets)
            kept = [held[number] for number in self._rows]
            self._sets = {each: number for number, each in enumerate(dict.fromkeys(kept))}
            self._rows = [self._sets[each] for each in kept]
        self._rows.append(self._sets.setdefault(nations, len(self._sets)))

    def remove(self, row: int, last: int) -> None:
        self._rows[row] = self._rows[last]
        self._rows.pop()

    def apart(self, nations: frozenset[str]) -> Floats:
        if not nations:
            return np.zeros(len(self._rows))
        apart = np.array([_apart(nations, other) for other in self._sets], dtype=np.float64)
        return apart[self._rows] if self._rows else np.zeros(0)

    def sums(self, rows: Ids) -> Floats:
        found = np.zeros(len(self._rows))
        for nations, count in self._counted(rows):
            found += count * self.apart(nations)
        return found

    def within(self, rows: Ids) -> float:
        return float(sum(n * m for (one, n), (other, m) in combinations(self._counted(rows), 2) if _apart(one, other)))

    def _counted(self, rows: Ids) -> list[tuple[frozenset[str], int]]:
        sets = list(self._sets)
        return [(sets[number], count) for number, count in Counter(self._rows[row] for row in rows).items()]


def _apart(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one and other) and one.isdisjoint(other)


@dataclass(frozen=True, slots=True)
class _Weights:
    """``squares``: of each word's inverse document frequency (Spärck Jones, 1972), smoothed; ``norms`` of each row."""

    squares: Floats
    norms: Floats


class _Words:
    """Sets of words by row, as numbers of words. Number 0 is no word: it fills the rows up and weighs nothing."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._containing = np.zeros(256, dtype=np.int64)  # rows, by word; some room ahead
        self._rows = np.zeros((8, 8), dtype=np.int64)
        self._count = 0
        self._weights: _Weights | None = None
        self._ahead: tuple[Sequence[str], _Weights] | None = None  # as they will be once these words are added

    def add(self, words: Sequence[str]) -> None:
        run = self._numbered(words)
        self._make_room(len(run))
        self._rows[self._count, : len(run)] = run
        self._containing[run] += 1
        self._count += 1
        self._weights = self._ahead[1] if self._ahead and self._ahead[0] is words else None
        self._ahead = None

    def remove(self, row: int, last: int) -> None:
        self._containing[self._rows[row]] -= 1
        self._containing[0] = 0
        self._rows[row] = self._rows[last]
        self._rows[last] = 0
        self._count = last
        self._weights = self._ahead = None
        self._renumber()

    def cosines(self, words: Sequence[str]) -> Floats:
        """Of one set that is not held with each that is; the held and this one say how rare a word is."""
        own = self._numbered(words)
        self._containing[own] += 1
        squares = self._squares(self._count + 1)
        self._containing[own] -= 1
        shared = np.zeros(len(squares))
        shared[own] = squares[own]
        norms = np.sqrt(self._summed(squares))
        norm = np.sqrt(squares[own].sum())
        self._ahead = words, _Weights(squares, np.append(norms, norm))
        return _ratio(self._summed(shared), norms * norm)

    def sums(self, rows: Ids) -> Floats:
        weights = self._weighted()
        words, shares = self._shares(rows, weights)
        spread = np.bincount(words, weights=shares, minlength=len(weights.squares))
        return _ratio(self._summed(weights.squares * spread), weights.norms)

    def within(self, rows: Ids) -> float:
        weights = self._weighted()
        words, shares = self._shares(rows, weights)
        spread = np.bincount(words, weights=shares)[words]
        return float((weights.squares[words] * spread * shares).sum() - np.count_nonzero(weights.norms[rows])) / 2

    def _shares(self, rows: Ids, weights: _Weights) -> tuple[Ids, Floats]:
        """The words of these rows, one row after the other, and of each one by the norm of its row."""
        words = self._rows[rows]
        shares = _ratio(np.ones(len(rows)), weights.norms[rows])
        return words.ravel(), np.repeat(shares, words.shape[1])

    def _weighted(self) -> _Weights:
        if self._weights is None:
            squares = self._squares(self._count)
            self._weights = _Weights(squares, np.sqrt(self._summed(squares)))
        return self._weights

    def _squares(self, articles: int) -> Floats:
        """Of each word; worked out for each number of articles that may contain it."""
        containing = self._containing[: len(self._numbers)]
        rarity = np.log((articles + SMOOTHING) / (np.arange(articles + 1) + 1.0))
        squares: Floats = (np.maximum(LEAST_RARITY, rarity) ** 2)[containing]
        squares[0] = 0.0
        return squares

    def _summed(self, values: Floats) -> Floats:
        """Over each row's words."""
        summed: Floats = values[self._rows[: self._count]].sum(axis=1)
        return summed

    def _numbered(self, words: Sequence[str]) -> Ids:
        numbers = self._numbers
        own = np.array([numbers.setdefault(word, len(numbers)) for word in words], dtype=np.int64)
        if len(numbers) > len(self._containing):
            self._containing = np.concatenate([self._containing, np.zeros(len(numbers), dtype=np.int64)])
        return own

    def _make_room(self, words: int) -> None:
        most, width = self._rows.shape
        if self._count == most or words > width:
            room = np.zeros((max(most, self._count + max(8, self._count // _ROOM)), max(width, words)), dtype=np.int64)
            room[: self._count, :width] = self._rows[: self._count]
            self._rows = room

    def _renumber(self) -> None:
        """Words that no article has any more lose their number, now and then."""
        containing = self._containing[: len(self._numbers)]
        kept = containing > 0
        kept[0] = True
        if len(containing) < 2_000 or len(containing) < 2 * np.count_nonzero(kept):
            return
        new = np.cumsum(kept) - 1
        self._numbers = {word: int(new[number]) for word, number in self._numbers.items() if kept[number]}
        self._containing = containing[kept]
        self._rows = new[self._rows]


def _ratio(one: Floats, other: Floats) -> Floats:
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0)
