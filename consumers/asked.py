"""A topic as the matcher sees it: its row, and its words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.actors import without_names
from consumers.bag import QueryTerm, query_terms
from consumers.embedding import Embedder
from consumers.model import Topic
from consumers.words import Word, query_words, spelled_out

# A bare keyword says little to a model of sentences. A theme's is averaged over sentences around it, as CLIP does with
# its prompts (Radford and others, 2021): mAP of short keywords .437 → .446; headlines lose by it, so events have none.
AROUND = ("{}", "News about {}", "{} news", "This article is about {}.", "latest report: {}")
SHORT = 3  # words of a query that is a keyword


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """``row``: the unit row (d,) of the query, the description averaged in; ``words`` and ``terms``: of the query.

    ``without``: the unit rows of the query less each nation that it names by a noun; see consumers/actors.py.
    """

    topic: Topic
    row: NDArray[np.float32]
    words: tuple[Word, ...]
    terms: tuple[QueryTerm, ...]
    without: tuple[NDArray[np.float32], ...] = ()


def asked_of(topics: Sequence[Topic], embedder: Embedder) -> list[Asked]:
    """A description says what is meant; the query's words stay the words."""
    less = [tuple((text,) for text in without_names(topic)) for topic in topics]
    wordings = [wording(topic) for topic in topics]
    rows = embedder.encode_queries(
        [text for each in zip(wordings, less, strict=True) for groups in each for group in groups for text in group]
    )
    asked, start = [], 0
    for topic, groups, without in zip(topics, wordings, less, strict=True):
        means = []
        for group in (*groups, *without):
            means.append(_unit(rows[start : start + len(group)].mean(axis=0)))
            start += len(group)
        words = query_words(spelled_out(topic.query))
        row, description = _unit(np.mean(means[: len(groups)], axis=0)), means[1 : len(groups)]
        rest = tuple(_unit(np.mean([each, *description], axis=0)) for each in means[len(groups) :])
        asked.append(Asked(topic, row, words, query_terms(words), rest))
    return asked


def wording(topic: Topic) -> tuple[tuple[str, ...], ...]:
    """The texts that a topic's row is made of, in groups of equal weight. Equal wordings have equal rows."""
    query = spelled_out(topic.query)
    short = topic.kind == "theme" and len(query_words(query)) <= SHORT
    queries = tuple(around.format(query) for around in AROUND) if short else (query,)
    return (queries, (topic.description,)) if topic.description.strip() else (queries,)


def _unit(row: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(row / (np.linalg.norm(row) or 1.0), np.float32)
