"""Evidence into a score, the passage to quote, and reasons for people. Pure; the place where matching gets better."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from consumers.model import Passage
from consumers.passages import ArticleTexts
from consumers.words import Place, Terms, Word

# Chosen on five labelled sets (events, first stories, keywords; 10 to 800 words an article). Macro F1 of each set
# with the line that is best on the four others, by `python -m benchmarks.quality`: g5w1h .91, basil .89,
# allsides2021 .76, uci36h .70, nyt201804 .26; the whole's cosine alone .88, .76, .70, .64, .12.
# The mean over the sets is best at .41 (.72); here it is .71, with fewer false alarms.
LINE = 0.44  # an article is a match from here on
NEAR = 0.34  # a near miss from here on
CLEARLY = 0.12  # so far above the line is "clearly"
FLOOR = 0.25  # scores from here on are archived
CANDIDATE = 0.2  # a topic is looked at where one of the article's rows reaches this cosine

WHOLE, TITLE, BEST = 0.5, 0.25, 0.25
COVERAGE, TOGETHER = 0.3, 0.2
SATURATION = 1.2  # Robertson's k1: said this often, a word counts half
# A long text reaches any score more easily: without this term one line cannot serve headlines and full texts
# (macro F1 as above: mean .60 against .70, basil .67 against .89; mAP loses .005 by it).
LENGTH, SHORT = 0.08, 20
_UNSAID = "none of the words, but the same meaning"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passage``: the place of the best one in the article's passages, from 0."""

    score: float
    passage: int


def terms_of(texts: ArticleTexts) -> Terms:
    """Section 0 is the title, section n the passage at place n - 1; a title alone is told once."""
    bodies = [passage.text for passage in texts.passages]
    return Terms(["", texts.title] if bodies == [texts.title] else [texts.title, *bodies])


def judge(query: Sequence[Word], cosines: Sequence[float], terms: Terms) -> Verdict:
    """``cosines``: the topic's with the article's rows, in their order (whole, title, passages)."""
    whole, title, *inner = cosines
    places = terms.places(query)
    dense = WHOLE * whole + TITLE * title + BEST * max(inner)
    lexical = COVERAGE * coverage(places) + TOGETHER * presence(places) ** 2  # squared: all words, not just some
    score = dense + lexical - LENGTH * math.log1p(len(terms) / SHORT)
    return Verdict(score, _best_passage(inner, places))


def coverage(places: Sequence[Sequence[Place]]) -> float:
    """How much the article says the query's words, 0 to 1: BM25's saturation, the title counted twice."""
    counts = [sum(2 if place.section == 0 else 1 for place in each) for each in places]
    return sum(count / (count + SATURATION) for count in counts) / max(len(counts), 1)


def presence(places: Sequence[Sequence[Place]]) -> float:
    """The share of the query's words that the article says at all, 0 to 1."""
    return sum(map(bool, places)) / max(len(places), 1)


def _best_passage(cosines: Sequence[float], places: Sequence[Sequence[Place]]) -> int:
    """The one to quote: near in meaning, and it says the words."""
    worth = list(cosines)
    for each in places:
        for section in {place.section for place in each if place.section}:
            worth[section - 1] += COVERAGE / len(places)
    return worth.index(max(worth))


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
    said = list(dict.fromkeys(words))
    named = f"{'words' if len(said) > 1 else 'word'} {', '.join(said)}" if said else _UNSAID
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
