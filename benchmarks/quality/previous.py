"""The scoring of the release before topics were calibrated: one line for all of them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.measures import Scores
from benchmarks.quality.sets import EvaluationSet
from benchmarks.quality.vectors import Rows
from consumers.asked import Asked
from consumers.passages import texts_of
from consumers.scoring import terms_of
from consumers.words import Terms, Word

LINE = 0.44
CANDIDATE = 0.2
WHOLE, TITLE, BEST, COVERAGE, TOGETHER, SATURATION, LENGTH, SHORT = 0.5, 0.25, 0.25, 0.3, 0.2, 1.2, 0.08, 20


def previous(chosen: EvaluationSet, asked: Sequence[Asked], queries: NDArray[np.float32], rows: Rows) -> list[Scores]:
    terms = [terms_of(texts_of(article)) for article in chosen.articles]
    scores = []
    for judged, each, query in zip(chosen.judgements, asked, queries, strict=True):
        of_topic = np.empty(len(judged.places))
        for n, place in enumerate(judged.places):
            cosines = rows[place] @ query
            near = cosines.max() >= CANDIDATE
            of_topic[n] = _judge(each.words, cosines.tolist(), terms[place]) if near else cosines.max() - 1
        scores.append(of_topic)
    return scores


def _judge(query: Sequence[Word], cosines: Sequence[float], terms: Terms) -> float:
    whole, title, *inner = cosines
    places = terms.places(query)
    counts = [sum(2 if place.section == 0 else 1 for place in each) for each in places]
    coverage = sum(count / (count + SATURATION) for count in counts) / max(len(counts), 1)
    presence = sum(map(bool, places)) / max(len(places), 1)
    means = WHOLE * whole + TITLE * title + BEST * max(inner)
    return means + COVERAGE * coverage + TOGETHER * presence**2 - LENGTH * math.log1p(len(terms) / SHORT)
