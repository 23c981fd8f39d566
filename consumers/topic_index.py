"""Topics as vectors in FAISS: exact inner product, and a bar of its own for each topic.

A topic's bar is one more dimension of its vector, and each row that is searched has a 1 there::

    (row, 1) · (vector, -bar)  =  row · vector - bar  ≥  0

Reads may run side by side, but a write during a search corrupts memory or crashes (faiss-cpu 1.15), so an index never
changes: an edit makes a new one, and the caller swaps the reference. At 100,000 topics of 384 dimensions that copies
154 MB, some 0.1 s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Entry = tuple[Rows, float]  # a unit row of shape (d,), and the cosine that is a hit

# A product of unit rows is rounded by up to 3e-7, in another way for each number of rows: what is exactly at the bar
# stays a hit.
_ROUNDING = 1e-6
# FAISS compares a batch of fewer than 128,000 numbers row by row. Measured, one thread, 100,000 topics of 384
# dimensions: 5.3 ms a row in that way, and with BLAS 1.7 ms in batches of 20, 1.05 ms in batches of 64.
_BLAS_FROM = 8  # rows


@dataclass(frozen=True, slots=True)
class Hit:
    """A topic whose cosine with a row reaches the topic's bar."""

    topic_id: str
    cosine: float


class TopicIndex:
    """Immutable; threads may share it. An empty one fits vectors of any dimension."""

    def __init__(self, vectors: Mapping[str, Entry] | None = None) -> None:
        """``vectors``: by topic id a unit row of shape (d,), and the topic's bar."""
        self._places: Mapping[str, int] = {}
        self._ids: Sequence[str] = ()  # by place
        self._index: Any = None
        if vectors:
            self._index = _flat(_augmented(vectors))
            self._name(tuple(vectors))

    def __len__(self) -> int:
        return len(self._ids)

    def with_changes(self, changes: Mapping[str, Entry | None]) -> "TopicIndex":
        """A new index in which these topics have these rows and bars; None removes one. Unknown removals are fine."""
        if self._index is None:
            return TopicIndex({topic_id: entry for topic_id, entry in changes.items() if entry is not None})
        changed = {topic_id: entry for topic_id, entry in changes.items() if entry is not None}
        gone = [self._places[topic_id] for topic_id in changes if topic_id not in changed and topic_id in self._places]
        if len(gone) == len(self) and not changed:
            return TopicIndex()
        moved = {topic_id: entry for topic_id, entry in changed.items() if topic_id in self._places}
        added = {topic_id: entry for topic_id, entry in changed.items() if topic_id not in self._places}
        new = TopicIndex()
        new._index = _copy(self._index)
        if moved:
            _content(new._index)[[self._places[topic_id] for topic_id in moved]] = _augmented(moved)
        if gone:
            new._index.remove_ids(np.array(gone, dtype=np.int64))
        if added:
            new._index.add(_augmented(added))
        if gone or added:
            left = set(gone)
            new._name((*(each for place, each in enumerate(self._ids) if place not in left), *added))
        else:
            new._ids, new._places = self._ids, self._places
        return new

    def search(self, rows: Rows) -> Sequence[Sequence[Hit]]:
        """For each unit row of ``rows`` (n, d) the topics whose bar its cosine reaches, best first."""
        if self._index is None or not len(rows):
            return [()] * len(rows)
        _tune(self._index.d)
        asked = np.ones((len(rows), self._index.d), dtype=np.float32)
        asked[:, :-1] = rows
        limits, above, places = self._index.range_search(asked, -_ROUNDING)
        cosines = above - _content(self._index)[places, -1]
        found = []
        for start, end in pairwise(limits.tolist()):
            order = start + np.argsort(-cosines[start:end], kind="stable")
            found.append(tuple(Hit(self._ids[places[n]], float(cosines[n])) for n in order))
        return found

    def _name(self, ids: tuple[str, ...]) -> None:
        self._ids = ids
        self._places = {topic_id: place for place, topic_id in enumerate(ids)}


def _augmented(entries: Mapping[str, Entry]) -> Rows:
    """(n, d + 1): in the order of ``entries``, each row with its bar below zero behind it."""
    rows = np.empty((len(entries), 1 + len(next(iter(entries.values()))[0])), dtype=np.float32)
    for place, (row, bar) in enumerate(entries.values()):
        rows[place, :-1] = row
        rows[place, -1] = -bar
    return rows


def _flat(rows: Rows) -> Any:
    import faiss

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index


def _tune(dimension: int) -> None:
    """For the calling thread: OpenMP keeps the number of threads for each one that calls."""
    import faiss

    # two were no faster (128 rows by 100,000 topics: 1.1 s), and waiting for each other cost up to 0.1 s a search
    faiss.omp_set_num_threads(1)
    faiss.cvar.distance_compute_blas_threshold = _BLAS_FROM * dimension  # it counts numbers, not rows


def _copy(index: Any) -> Any:
    import faiss

    return faiss.clone_index(index)


def _content(index: Any) -> Rows:
    """The rows inside the index, not a copy: to be written before the index is shared, and good while it lives."""
    import faiss

    content: Rows = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
    return content
