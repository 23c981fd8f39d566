"""The archive, or a part of it, ready to be compared with any topic: one pass over arrays instead of over texts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from consumers.bag import Bag, QueryTerm

PIECE = 4_096  # rows
ODD = 0.02  # of the articles


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Which articles say what, sorted by stem: ``articles[n]`` says ``stems[n]`` ``counts[n]`` times."""

    stems: NDArray[np.uint32]
    articles: NDArray[np.int32]
    counts: NDArray[np.uint8]
    lengths: NDArray[np.float32]  # words of each article

    def said(self, terms: Sequence[QueryTerm]) -> NDArray[np.float32]:
        """(terms, n); a query of nothing but signs has no terms."""
        return np.array([self.counted(term) for term in terms], np.float32).reshape(len(terms), len(self.lengths))

    def counted(self, term: QueryTerm) -> NDArray[np.float32]:
        """How often each article says a word of a query, as ``consumers.bag.counts_in`` counts it."""
        found = self._counted(term.number)
        if not term.others:
            return found
        joined = np.max([self._counted(other) for other in term.others], axis=0)
        return np.asarray(np.where(found > 0, found, joined), np.float32)

    def _counted(self, number: int) -> NDArray[np.float32]:
        found = np.zeros(len(self.lengths), np.float32)
        sought = np.uint32(number)  # of another type, all stems would be converted for each search
        start, end = np.searchsorted(self.stems, sought, "left"), np.searchsorted(self.stems, sought, "right")
        found[self.articles[start:end]] = self.counts[start:end]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Of one model. ``wholes`` and ``titles``: float16 unit rows, shape (n, d). ``at``: published, else seen.

    ``share`` of the articles of that time are in it, 0 to 1.
    """

    ids: tuple[str, ...]
    urls: tuple[str, ...]
    at: NDArray[np.float64]
    wholes: NDArray[np.float16]
    titles: NDArray[np.float16]
    words: Words
    share: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    def cosines(self, row: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of ``row`` (d,) with every whole and every title, each (n,)."""
        return _products(self.wholes, row), _products(self.titles, row)

    def whole_cosines(self, row: NDArray[np.float32]) -> NDArray[np.float32]:
        return _products(self.wholes, row)

    def places(self, ids: Sequence[str]) -> list[int | None]:
        """Of articles named by id or URL; None for one that is not in it."""
        known = {name: place for names in (self.urls, self.ids) for place, name in enumerate(names) if name}
        return [known.get(name) for name in ids]

    @property
    def days(self) -> float:
        """That it spans, at least a tenth: an archive of an hour tells little of a day.

        One article in fifty at either end does not count: a feed that is new brings a few that are years old.
        """
        if not len(self):
            return 0.0
        first, last = np.quantile(self.at, [ODD, 1 - ODD])
        return max(float(last - first) / (1 - 2 * ODD) / 86_400, 0.1)


@dataclass(slots=True, eq=False)
class CorpusBuilder:
    """Add articles in any order, then ask for the corpus; more can be added and asked for again."""

    ids: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    wholes: list[NDArray[np.float16]] = field(default_factory=list)
    titles: list[NDArray[np.float16]] = field(default_factory=list)
    bags: list[Bag] = field(default_factory=list)

    def add(
        self, article_id: str, url: str, at: float, whole: NDArray[np.float16], title: NDArray[np.float16], bag: Bag
    ) -> None:
        self.ids.append(article_id)
        self.urls.append(url)
        self.at.append(at)
        self.wholes.append(whole)
        self.titles.append(title)
        self.bags.append(bag)

    def corpus(self, share: float = 1.0) -> Corpus:
        return Corpus(
            tuple(self.ids),
            tuple(self.urls),
            np.array(self.at, np.float64),
            _stacked(self.wholes),
            _stacked(self.titles),
            _words(self.bags),
            share,
        )


def _products(rows: NDArray[np.float16], row: NDArray[np.float32]) -> NDArray[np.float32]:
    """In pieces: float16 has no matrix product of its own, and a copy of all in float32 would double the corpus."""
    parts = [rows[start : start + PIECE].astype(np.float32) @ row for start in range(0, len(rows), PIECE)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _stacked(rows: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    return np.stack(rows).astype(np.float16) if rows else np.zeros((0, 0), np.float16)


def _words(bags: Sequence[Bag]) -> Words:
    if not bags:
        return Words(np.zeros(0, np.uint32), np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.float32))
    stems = np.concatenate([bag.stems for bag in bags])
    order = np.argsort(stems, kind="stable")
    owners = np.repeat(np.arange(len(bags), dtype=np.int32), [len(bag.stems) for bag in bags])
    counts = np.concatenate([bag.counts for bag in bags])
    lengths = np.array([bag.length for bag in bags], np.float32)
    return Words(stems[order], owners[order], counts[order], lengths)
