"""Evidence into a score, the passage to quote, and reasons for people. Pure; the place where matching gets better."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from consumers.model import Passage
from consumers.passages import ArticleTexts
from consumers.words import Place, Terms, Word

LINE = 0.70  # an article is a match from here on
NEAR = 0.60  # a near miss from here on
CLEARLY = 0.08  # so far above the line is "clearly"
FLOOR = 0.35  # scores from here on are archived
CANDIDATE = 0.2  # a topic is looked at where one of the article's rows reaches this cosine

WHOLE, TITLE, BEST = 0.5, 0.25, 0.25
COVERAGE, PRESENCE = 0.3, 0.2
SATURATION = 1.2  # Robertson's k1: said this often, a word counts half


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passage``: the place of the best one in the article's passages, from 0."""

    score: float
    passage: int


def terms_of(texts: ArticleTexts) -> Terms:
    """Section 0 is the title, section n the passage at place n - 1; a title alone is told once."""
    bodies = [passage.text for passage in texts.passages]
    return Terms(["", texts.title] if bodies == [texts.title] else [texts.title, *bodies])


def judge(query: Sequence[Word], cosines: NDArray[np.float32], terms: Terms) -> Verdict:
    """``cosines``: the topic's with the article's rows, in their order (whole, title, passages), shape (2 + n,)."""
    inner = cosines[2:]
    places = terms.places(query)
    dense = float(WHOLE * cosines[0] + TITLE * cosines[1] + BEST * inner.max())
    coverage, presence = coverage_of(places)
    return Verdict(dense + COVERAGE * coverage + PRESENCE * presence, _best_passage(inner, places))


def coverage_of(places: Sequence[Sequence[Place]]) -> tuple[float, float]:
    """How much of the query the article says, 0 to 1: BM25's saturation, the title counted twice; the share present."""
    if not places:
        return 0.0, 0.0
    counts = np.array([sum(2 if place.section == 0 else 1 for place in each) for each in places], dtype=np.float64)
    return float((counts / (counts + SATURATION)).mean()), float((counts > 0).mean())


def _best_passage(cosines: NDArray[np.float32], places: Sequence[Sequence[Place]]) -> int:
    """The one to quote: near in meaning, and it says the words."""
    said = np.zeros(len(cosines))
    for each in places:
        for section in {place.section for place in each if place.section}:
            said[section - 1] += 1 / len(places)
    return int(np.argmax(cosines + COVERAGE * said))


def explain(
    query: Sequence[Word], texts: ArticleTexts, terms: Terms, verdict: Verdict, line: float = LINE
) -> tuple[Passage, tuple[str, ...]]:
    """The passage to quote, with the query's words marked, and the reasons in a person's words."""
    passage = texts.passages[verdict.passage]
    section = verdict.passage + 1
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for each in terms.places(query):
        quoted = [place for place in each if place.section == section]
        spans.extend((place.start, place.end) for place in quoted)
        if quoted:
            words.append(passage.text[quoted[0].start : quoted[0].end])
        elif each and each[0].section == 0:
            words.append(texts.title[each[0].start : each[0].end])
    named = f"words {', '.join(dict.fromkeys(words))}" if words else "none of the words, but the same meaning"
    place = (f"passage {passage.number} of {passage.of}",) if passage.of > 1 else ()
    return replace(passage, marks=_joined(spans)), (named, *place, standing(verdict.score, line))


def standing(score: float, line: float = LINE) -> str:
    """Where a score stands, in a person's words: a raw score means nothing to anybody."""
    if score >= line:
        return "clearly above the line" if score >= line + CLEARLY else "just above the line"
    return "just below the line" if score >= line - (LINE - NEAR) else "below the line"


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return tuple(kept)
