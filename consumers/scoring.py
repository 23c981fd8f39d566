"""Evidence into strength, strength into a score, and reasons for people. Pure; the place where matching gets better.

    strength = .6 whole·query + .3 title·query                      what it means
             + .5 coverage + .2 presence                            which of the query's words it says, rare ones first
             + whole·pull                                           how near it is to the topic's best articles
    score    = 1 / (1 + exp(-(strength - line) / width))            ½ at the topic's own line

``coverage`` is BM25 (Robertson and Zaragoza, 2009) as a share of the most that the query could reach. ``pull`` is
pseudo-relevance feedback (Rocchio, 1971): see consumers/calibration.py. Measured with `make eval`: no weight between
half and twice these moves the mean average precision of any set by more than .01. What was tried and did not help:
the best passage's cosine (+.001), a contrast with the query less one word (-.005), nearest neighbours in place of
one centroid (-.002).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from consumers.model import Calibration, Passage
from consumers.passages import ArticleTexts
from consumers.words import Place, Terms, Word

WHOLE, TITLE = 0.6, 0.3
COVERAGE, PRESENCE = 0.5, 0.2
K1, B = 1.2, 0.5  # b is .75 as a rule; news has long articles because it has much to say (reuters: mAP +.006)
LINE = 0.5  # of a score
CLEARLY = 0.75
NEAR = 0.25  # a near miss from here on
FLOOR = 0.12  # scores from here on are archived
_UNSAID = "none of the words, but the same meaning"

Floats = TypeVar("Floats", float, NDArray[np.float32])


def dense(whole: Floats, title: Floats) -> Floats:
    """From the query's cosines with an article's whole and title."""
    return WHOLE * whole + TITLE * title


def said(
    counts: NDArray[np.float32], rarity: NDArray[np.float32], lengths: NDArray[np.float32], mean_length: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coverage and presence, shape (n,). ``counts``: of each word in each article, (words, n); ``lengths``: (n,)."""
    norm = K1 * (1 - B + B * lengths / max(mean_length, 1.0))
    weights = (rarity / max(float(rarity.sum()), 1e-9))[:, None]
    coverage = (weights * counts / (counts + norm)).sum(axis=0)
    presence = (weights * (counts > 0)).sum(axis=0)
    return coverage, presence


def weights_of(rarity: Sequence[float]) -> tuple[float, ...]:
    """Of each word of a query, for ``said_by_one``."""
    every = max(sum(rarity), 1e-9)
    return tuple(each / every for each in rarity)


def said_by_one(
    counts: Sequence[int], weights: Sequence[float], length: int, mean_length: float
) -> tuple[float, float]:
    """As ``said``, of one article: 2 µs without arrays, 17 µs with them, for each topic that is looked at."""
    norm = K1 * (1 - B + B * length / max(mean_length, 1.0))
    coverage = presence = 0.0
    for count, weight in zip(counts, weights, strict=True):
        if count:
            coverage += weight * count / (count + norm)
            presence += weight
    return coverage, presence


def lexical(coverage: NDArray[np.float32], presence: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(COVERAGE * coverage + PRESENCE * presence, np.float32)


def margin_of(strength: float, evidence: float, calibration: Calibration) -> float:
    """How far beyond the line an article is, and beyond the floor of evidence: the weaker of the two decides.

    So of what only the archive speaks for, 20 scores an article are kept with a thousand topics, and not 70.
    """
    return min(strength - calibration.line, evidence - calibration.floor)


def score_of(strength: float, line: float, width: float) -> float:
    """0 to 1, ½ at the line."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, (strength - line) / width))))


def quoted(
    query: Sequence[Word], texts: ArticleTexts, terms: Terms, cosines: Sequence[float]
) -> tuple[Passage, tuple[str, ...]]:
    """The passage to quote, the query's words marked in it, and the words found there or in the title.

    It is the one that is near in meaning (``cosines``, one for each passage) and says the words.
    """
    places = terms.places(query)
    number = _best_passage(cosines, places)
    passage = texts.passages[number]
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for each in places:
        here = [place for place in each if place.section == number + 1]
        spans.extend((place.start, place.end) for place in here)
        if here:
            words.append(passage.text[here[0].start : here[0].end])
        elif each and each[0].section == 0:
            words.append(texts.title[each[0].start : each[0].end])
    return replace(passage, marks=_joined(spans)), tuple(dict.fromkeys(words))


def terms_of(texts: ArticleTexts) -> Terms:
    """Section 0 is the title, section n the passage at place n - 1; a title alone is told once."""
    bodies = [passage.text for passage in texts.passages]
    return Terms(["", texts.title] if bodies == [texts.title] else [texts.title, *bodies])


def _best_passage(cosines: Sequence[float], places: Sequence[Sequence[Place]]) -> int:
    worth = list(cosines)
    for each in places:
        for section in {place.section for place in each if place.section}:
            worth[section - 1] += 0.3 / len(places)
    return worth.index(max(worth))


def named(words: Sequence[str]) -> str:
    return f"{'words' if len(words) > 1 else 'word'} {', '.join(words)}" if words else _UNSAID


def standing(score: float) -> str:
    """Where a score stands, in a person's words: a raw score means nothing to anybody."""
    if score >= LINE:
        return "clearly above the line" if score >= CLEARLY else "just above the line"
    return "just below the line" if score >= NEAR else "below the line"


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return tuple(kept)
