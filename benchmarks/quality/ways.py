"""Ways of scoring a topic's articles: Wirewatch's own, and the two it is measured against."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.measures import Scores
from benchmarks.quality.sets import EvaluationSet
from consumers.matcher import Watch
from consumers.model import Article
from consumers.passages import texts_of
from consumers.scoring import CANDIDATE, judge, terms_of
from consumers.words import query_words, words_of

Rows = Sequence[NDArray[np.float32]]
K1, B = 1.2, 0.75


def wirewatch(chosen: EvaluationSet, watches: Sequence[Watch], rows: Rows) -> list[Scores]:
    """What the matcher computes; an article that is no candidate gets its best cosine less one, below every line."""
    terms = [terms_of(texts_of(article)) for article in chosen.articles]
    scores = []
    for judged, watch in zip(chosen.judgements, watches, strict=True):
        of_topic = np.empty(len(judged.places))
        for n, place in enumerate(judged.places):
            cosines = rows[place] @ watch.vector
            if cosines.max() >= CANDIDATE:
                of_topic[n] = judge(watch.words, cosines.tolist(), terms[place]).score
            else:
                of_topic[n] = cosines.max() - 1
        scores.append(of_topic)
    return scores


def cosine(chosen: EvaluationSet, watches: Sequence[Watch], rows: Rows) -> list[Scores]:
    """The plain model: query against title and text in one vector."""
    wholes = np.stack([row[0] for row in rows])
    return [
        np.asarray(wholes[judged.places] @ watch.vector, dtype=np.float64)
        for judged, watch in zip(chosen.judgements, watches, strict=True)
    ]


def bm25(chosen: EvaluationSet) -> list[Scores]:
    """Robertson and Zaragoza (2009), as a share of the most a text could reach."""
    bags = [_bag(article) for article in chosen.articles]
    lengths = np.array([bag.total() for bag in bags], dtype=np.float64)
    frequency = Counter(stem for bag in bags for stem in bag)
    norms = K1 * (1 - B + B * lengths / lengths.mean())
    scores = []
    for judged in chosen.judgements:
        of_all, most = np.zeros(len(bags)), 0.0
        for word in query_words(judged.topic.query):
            seen = frequency[word.stem]
            rarity = math.log(1 + (len(bags) - seen + 0.5) / (seen + 0.5))
            counts = np.array([bag[word.stem] for bag in bags], dtype=np.float64)
            of_all += rarity * counts * (K1 + 1) / (counts + norms)
            most += rarity * (K1 + 1)
        scores.append(of_all[judged.places] / max(most, 1e-9))
    return scores


def _bag(article: Article) -> Counter[str]:
    return Counter(word.stem for word in words_of(f"{article.title} {article.text}"))
