"""What a topic's best articles and its examples have in common, and how far its examples move its line.

    pull = mix of (the archive's best twenty, the examples)      Rocchio (1971), with pseudo-relevance feedback
         + the direction that tells examples from counter-examples   logistic regression, L2
    line = the one that the archive gives, moved to the likeliest place for the examples   maximum a posteriori

Measured with ten verdicts a topic (`make eval`): moving the line gives most of the F1, the direction most of the rank.
A centroid of the counter-examples to be far from gave nothing beyond the direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.corpus import Corpus
from consumers.model import Sample

Row = NDArray[np.float32]

BEST, SHARPNESS = 20, 0.05  # articles, temperature of their weights
PULL = 0.9  # weight of what they share
TRUSTED = 2.0  # examples that weigh as much as the archive's best
DIRECTION, STEPS, RATE, SHIFT_RATE = 0.6, 100, 1.0, 0.3
UNSURE, STEADY = 0.15, 0.3  # of the distance between noise and line: width of a verdict, and of the line's own prior
FURTHEST = 0.8  # of that distance: the line moves no further


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The samples of a topic: ``rows`` (n, d), ``relevant`` (n,), and ``places`` in a corpus, -1 for none."""

    rows: Row
    relevant: NDArray[np.bool_]
    places: NDArray[np.intp]


def examples_of(samples: Sequence[Sample], corpus: Corpus) -> Examples:
    if not samples:
        return Examples(np.zeros((0, 0), np.float32), np.zeros(0, bool), np.zeros(0, np.intp))
    places = corpus.places([sample.ref.removeprefix("article:") for sample in samples])
    return Examples(
        np.array([np.frombuffer(sample.row, np.float16) for sample in samples], np.float32),
        np.array([sample.relevant for sample in samples], bool),
        np.array([-1 if place is None else place for place in places], np.intp),
    )


def pull_of(evidence: Row, corpus: Corpus, examples: Examples) -> Row:
    """(d,). ``evidence``: of each article; minus infinity for one that must not count."""
    usable = evidence.copy()
    usable[examples.places[~examples.relevant & (examples.places >= 0)]] = -np.inf
    best = np.argsort(-usable, kind="stable")[:BEST]
    if not np.isfinite(usable[best[0]]):  # every article that could count is a counter-example
        return pull_without_archive(examples, corpus.wholes.shape[1])
    weights = np.exp((usable[best] - usable[best[0]]) / SHARPNESS)
    archive = (weights / weights.sum()) @ corpus.wholes[best].astype(np.float32)
    return np.asarray(PULL * _mixed(archive, examples) + _direction(examples, len(archive)), np.float32)


def pull_without_archive(examples: Examples, dimension: int) -> Row:
    """The same before there is an archive."""
    nothing = np.zeros(dimension, np.float32)
    return np.asarray(PULL * _mixed(nothing, examples) + _direction(examples, dimension), np.float32)


def _mixed(archive: Row, examples: Examples) -> Row:
    count = int(examples.relevant.sum())
    if not count:
        return archive
    share = count / (count + TRUSTED)
    return np.asarray((1 - share) * archive + share * examples.rows[examples.relevant].mean(axis=0), np.float32)


def _direction(examples: Examples, dimension: int) -> Row:
    """Towards the examples, away from the counter-examples; nothing where one of the kinds is missing."""
    wanted = examples.relevant.astype(np.float32)
    if not 0 < wanted.sum() < len(wanted):
        return np.zeros(dimension, np.float32)
    rows = examples.rows - examples.rows.mean(axis=0)
    weights, shift = np.zeros(dimension, np.float32), 0.0
    for _ in range(STEPS):
        wrong = 1 / (1 + np.exp(-(rows @ weights + shift))) - wanted
        weights -= RATE / max(1.0, len(wanted) / 8) * (rows.T @ wrong + weights)
        shift -= SHIFT_RATE / max(1.0, len(wanted) / 8) * float(wrong.sum())
    return np.asarray(DIRECTION * weights, np.float32)


def moved_line(line: float, noise: float, strength: Row, examples: Examples) -> float:
    """``strength``: of each article of the corpus that ``examples.places`` points into."""
    known = examples.places >= 0
    distance = line - noise
    if not known.any() or distance <= 0:
        return line
    at, wanted = strength[examples.places[known]], examples.relevant[known]
    moves = np.linspace(-FURTHEST, FURTHEST, 321) * distance
    beyond = (at[None, :] - line - moves[:, None]) / (UNSURE * distance)
    doubt = np.logaddexp(0, np.where(wanted, -beyond, beyond)).sum(axis=1) + (moves / (STEADY * distance)) ** 2 / 2
    return float(line + moves[doubt.argmin()])
