"""Average precision, F1, and the line that other sets would have chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Truth = NDArray[np.bool_]

LINES = np.arange(0.0, 1.6, 0.01)


class Counts(NamedTuple):
    found: int
    false: int
    missed: int


def counted(matched: Truth, positive: Truth) -> Counts:
    return Counts(int((matched & positive).sum()), int((matched & ~positive).sum()), int((~matched & positive).sum()))


def micro_macro(topics: Sequence[Counts]) -> tuple[float, float]:
    """F1 over all topics together, and the mean of each topic's."""
    counts = np.array(topics, dtype=np.float64).T
    return float(_f1(counts.sum(axis=1))), float(_f1(counts).mean())


@dataclass(frozen=True, slots=True)
class Curve:
    """How one way of scoring does on one set: mAP, and F1 at each of ``LINES``, micro and macro over topics."""

    mean_average_precision: float
    micro: Scores
    macro: Scores

    def at(self, line: float) -> tuple[float, float]:
        place = int(np.argmin(np.abs(LINES - line)))
        return float(self.micro[place]), float(self.macro[place])


def average_precision(scores: Scores, positive: Truth) -> float:
    """Ties are broken by the order given."""
    hits = positive[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def curve(topics: Sequence[tuple[Scores, Truth]]) -> Curve:
    """One pair of scores and truth per topic, each with at least one positive."""
    counts = np.array([_counts(scores, positive) for scores, positive in topics])
    return Curve(
        mean_average_precision=float(np.mean([average_precision(scores, positive) for scores, positive in topics])),
        micro=_f1(counts.sum(axis=0)),
        macro=_f1(counts.swapaxes(0, 1)).mean(axis=0),
    )


def line_without(name: str, curves: Mapping[str, Curve]) -> float:
    """The line with the best mean macro F1 over every set but ``name``; over all where there is no other."""
    others = [each.macro for other, each in curves.items() if other != name] or [curves[name].macro]
    return float(LINES[np.mean(others, axis=0).argmax()])


def _counts(scores: Scores, positive: Truth) -> NDArray[np.int64]:
    """True positives, false positives and false negatives at each line, shape (3, lines)."""
    yes, no = np.sort(scores[positive]), np.sort(scores[~positive])
    found = len(yes) - np.searchsorted(yes, LINES)
    return np.array([found, len(no) - np.searchsorted(no, LINES), len(yes) - found])


def _f1(counts: NDArray[np.int64] | Scores) -> Scores:
    found, false, missed = counts
    return np.asarray(2 * found / np.maximum(2 * found + false + missed, 1), dtype=np.float64)
