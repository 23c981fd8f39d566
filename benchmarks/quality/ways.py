"""Ways of scoring a topic's articles that Wirewatch is measured against."""

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.measures import Scores
from benchmarks.quality.sets import EvaluationSet
from benchmarks.quality.vectors import Rows
from consumers.embedding import Embedder
from consumers.model import Article
from consumers.words import query_words, words_of

K1, B = 1.2, 0.75


def plain_rows(chosen: EvaluationSet, embedder: Embedder) -> NDArray[np.float32]:
    """Of each query as it is, (topics, d)."""
    return embedder.encode_queries([judged.topic.query for judged in chosen.judgements])


def cosine(chosen: EvaluationSet, queries: NDArray[np.float32], rows: Rows) -> list[Scores]:
    """The plain model: query against title and text in one vector."""
    wholes = np.stack([row[0] for row in rows])
    return [
        np.asarray(wholes[judged.places] @ query, dtype=np.float64)
        for judged, query in zip(chosen.judgements, queries, strict=True)
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
