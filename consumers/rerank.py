"""A second look at what is near the line, by a model that reads the query and the passage together. Off by default.

A cross-encoder is slow, some milliseconds a pair, and sees what two vectors cannot: who did what to whom. It gets the
pairs whose score is near the line, the nearest first, until its time is spent, and moves each score a little:

    score + 2 · SHIFT · (relevance - ½),  relevance from 0 to 1

so that it decides what is close and never what is clear. It fails open: a model that cannot be loaded or cannot
compute, or a budget that is spent, leaves the scores as they were.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from consumers.embedding import readable
from consumers.errors import WirewatchError
from consumers.scoring import LINE

NEAR = 0.25  # on either side of the line; what is farther is not asked
SHIFT = 0.15  # at most
GROUP = 8  # pairs in one pass: between two of them the time is looked at
REASON = "re-rank"  # what a changed score has among its reasons

Trouble = Callable[[str], None]


class RerankerFailed(WirewatchError):
    """It cannot be loaded, or could not score these pairs. The message says what to do."""


class Reranker(Protocol):
    """Used by one thread at a time."""

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """How relevant each passage is, 0 to 1, in their order. Raises ``RerankerFailed``."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A topic and an article that passed its gates: the query, the passage to compare with it, and the score so far.

    ``key`` names the pair, the same whichever articles come along with it.
    """

    key: str
    query: str
    passage: str
    score: float


@dataclass(frozen=True, slots=True)
class Reranked:
    """``shift`` is what was added to the score; None where the pair was not asked about."""

    score: float
    shift: float | None = None


def reranked(candidate: Candidate, relevance: float | None) -> Reranked:
    """Pure. None, and what is no number, change nothing; a score stays between 0 and 1."""
    if relevance is None or not 0.0 <= relevance <= 1.0:
        return Reranked(candidate.score)
    moved = min(1.0, max(0.0, candidate.score + 2 * SHIFT * (relevance - 0.5)))
    return Reranked(moved, moved - candidate.score)


def is_near(candidate: Candidate) -> bool:
    return abs(candidate.score - LINE) <= NEAR


class Reranking:
    """Within ``budget`` seconds for each call, by the clock ``now``. One thread.

    ``trouble`` hears once of a kind of failure why scores stay as they are, and "" when they are asked about again.
    """

    def __init__(
        self, load: Callable[[], Reranker], *, budget: float, now: Callable[[], float], trouble: Trouble
    ) -> None:
        """``load`` is called with the first candidates; where it raises ``RerankerFailed`` it is not called again."""
        self._load = load
        self._budget = budget
        self._now = now
        self._trouble = trouble
        self._reranker: Reranker | None = None
        self._unusable = False
        self._said = ""
        self._pair = 0.0  # seconds, as of late

    def __call__(self, candidates: Sequence[Candidate]) -> list[Reranked]:
        """In the order given. Which of them are asked about does not depend on it. Never raises for want of a model."""
        relevance: dict[str, float] = {}
        near = sorted(filter(is_near, candidates), key=lambda each: (abs(each.score - LINE), each.key))
        if near and not self._unusable:
            try:
                self._ask(near, relevance)
            except RerankerFailed as error:
                self._unusable = self._reranker is None
                self._say(f"scores are not re-ranked: {error}")
        return [reranked(each, relevance.get(each.key)) for each in candidates]

    def _ask(self, near: Sequence[Candidate], relevance: dict[str, float]) -> None:
        reranker = self._loaded()
        ends = self._now() + self._budget
        left = list(near)
        while left:
            group = _one_query(left[: self._fitting(ends)])
            if not group:
                self._pair /= 2  # a slow moment must not be remembered for ever
                self._say(f"the time for re-ranking was spent, {len(left)} of {len(near)} scores stay as they were")
                return
            started = self._now()
            found = reranker.score(group[0].query, [each.passage for each in group])
            self._pair = (self._now() - started) / len(group)
            relevance.update((each.key, float(value)) for each, value in zip(group, found, strict=True))
            left = left[len(group) :]
        self._say("")

    def _loaded(self) -> Reranker:
        """Loading is no part of a budget: it comes once."""
        if self._reranker is None:
            self._reranker = self._load()
        return self._reranker

    def _fitting(self, ends: float) -> int:
        left = ends - self._now()
        if left <= 0:
            return 0
        return GROUP if self._pair <= 0 else min(GROUP, int(left / self._pair))

    def _say(self, why: str) -> None:
        kind = why.partition(":")[0].partition(",")[0]
        if kind != self._said:
            self._said = kind
            self._trouble(why)


def _one_query(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """The first ones that ask the same."""
    for n, each in enumerate(candidates):
        if each.query != candidates[0].query:
            return candidates[:n]
    return candidates


class CrossEncoderReranker:
    """``folder`` holds a sentence-transformers cross-encoder with one label. Nothing is fetched from anywhere."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Raises ``RerankerFailed``."""
        if not (folder / "config.json").is_file():
            raise RerankerFailed(f"there is no cross-encoder in {folder}; correct `rerank` under [model]")
        from consumers.reference_encoder import QUIET

        os.environ.update(QUIET)
        from sentence_transformers import CrossEncoder
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            self._model: CrossEncoder = CrossEncoder(
                str(folder), device=None if device == "auto" else device, local_files_only=True, trust_remote_code=False
            )
            labels = self._model.num_labels
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise RerankerFailed(f"the cross-encoder in {folder} cannot be loaded: {error}") from error
        if labels != 1:
            raise RerankerFailed(f"the model in {folder} has {labels} labels where a cross-encoder for ranking has one")

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        """Raises ``RerankerFailed``."""
        pairs = [(readable(query), readable(passage)) for passage in passages]
        try:
            # some models are saved with a sigmoid at their end and some without: a number from 0 to 1 is wanted
            found = self._model.predict(pairs, activation_fn=lambda logits: logits.sigmoid(), show_progress_bar=False)
        except (ValueError, RuntimeError, IndexError) as error:
            raise RerankerFailed(f"the cross-encoder cannot score: {error}") from error
        return np.asarray(found, dtype=np.float32)
