"""Evidence into a score, the passage to quote, and reasons for people. Pure; the place where matching gets better."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from consumers.model import Passage
from consumers.passages import ArticleTexts
from consumers.words import Terms, Word

LINE = 0.60
NEAR = 0.50
FLOOR = 0.35
CANDIDATE = 0.2
CLEARLY = 0.08

WHOLE, TITLE, BEST = 0.5, 0.25, 0.25
COVERAGE, PRESENCE = 0.5, 0.2
K1 = 1.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passage`` is a place in the article's passages, from 0."""

    score: float
    passage: int


@dataclass(frozen=True, slots=True)
class ArticleTerms:
    """The words of an article's title and passages."""

    title: Terms
    passages: tuple[Terms, ...]

    @classmethod
    def of(cls, texts: ArticleTexts) -> "ArticleTerms":
        titled = bool(texts.title)
        passages = tuple(Terms(passage.text) for passage in texts.passages)
        return cls(Terms(texts.title if titled else ""), passages)


def judge(query: tuple[Word, ...], cosines: NDArray[np.float32], terms: ArticleTerms) -> Verdict:
    """``cosines``: the topic's with the article's rows, in their order (whole, title, passages), shape (2 + n,)."""
    inner = cosines[2:]
    presence_of = np.array([_presence(query, passage) for passage in terms.passages], dtype=np.float32)
    quoted = int(np.argmax(inner + COVERAGE / 2 * presence_of))
    dense = WHOLE * cosines[0] + TITLE * cosines[1] + BEST * inner.max()
    coverage, presence = coverage_of(query, terms)
    return Verdict(float(dense) + COVERAGE * coverage + PRESENCE * presence, quoted)


def _presence(query: tuple[Word, ...], terms: Terms) -> float:
    return sum(1 for spans in terms.spans(query) if spans) / len(query) if query else 0.0


def coverage_of(query: tuple[Word, ...], terms: ArticleTerms) -> tuple[float, float]:
    """How much of the query the article says: BM25's saturation over its maximum, and the share of words present."""
    if not query:
        return 0.0, 0.0
    counts = np.zeros(len(query))
    counts += [2 * len(spans) for spans in terms.title.spans(query)]
    for passage in terms.passages:
        counts += [len(spans) for spans in passage.spans(query)]
    saturated = counts / (counts + K1)
    return float(saturated.mean()), float((counts > 0).mean())


def explain(
    query: tuple[Word, ...], texts: ArticleTexts, terms: ArticleTerms, verdict: Verdict, line: float = LINE
) -> tuple[Passage, tuple[str, ...]]:
    """The passage to quote, with the query's words marked, and the reasons in a person's words."""
    passage = texts.passages[verdict.passage]
    quoted = terms.passages[verdict.passage].spans(query)
    headed = terms.title.spans(query)
    words = []
    for here, above in zip(quoted, headed, strict=True):
        source, spans = (passage.text, here) if here else (texts.title, above)
        if spans:
            start, end = spans[0]
            words.append(source[start:end])
    named = f"words {', '.join(dict.fromkeys(words))}" if words else "none of the words, but the same meaning"
    place = (f"passage {passage.number} of {passage.of}",) if passage.of > 1 else ()
    marks = tuple(sorted({span for spans in quoted for span in spans}))
    return replace(passage, marks=_disjoint(marks)), (named, *place, standing(verdict.score, line))


def standing(score: float, line: float = LINE) -> str:
    """Where a score stands, in a person's words: a raw score means nothing to anybody."""
    if score >= line:
        return "clearly above the line" if score >= line + CLEARLY else "just above the line"
    return "just below the line" if score >= line - (LINE - NEAR) else "below the line"


def _disjoint(spans: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return tuple(kept)
