"""How far two models agree on what a topic takes from the same articles. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from consumers.scoring import margin_of, score_of
from consumers.tally import field_of

if TYPE_CHECKING:
    from consumers.corpus import Corpus
    from consumers.watch import Watch

EXAMPLES = 3  # of each kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    article_id: str
    title: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Numbers of articles, and the best of each kind."""

    topic_id: str
    both: int
    only_before: int
    only_after: int
    taken_by_both: tuple[Example, ...] = ()
    taken_before: tuple[Example, ...] = ()  # and no more
    taken_after: tuple[Example, ...] = ()  # and not before

    @property
    def share(self) -> float:
        """Of the articles that either takes, those that both take; 1 where neither takes any."""
        return share_of(self.both, self.only_before, self.only_after)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """``articles``: how many were compared; ``topics``: those with the least agreement first."""

    before: str
    after: str
    at: float
    articles: int
    topics: tuple[Agreement, ...]

    @property
    def share(self) -> float:
        """Over all topics."""
        return share_of(
            sum(topic.both for topic in self.topics),
            sum(topic.only_before for topic in self.topics),
            sum(topic.only_after for topic in self.topics),
        )


def share_of(both: int, only_before: int, only_after: int) -> float:
    either = both + only_before + only_after
    return both / either if either else 1.0


def taken(watch: "Watch", corpus: "Corpus") -> dict[str, float]:
    """The articles that have the evidence and the strength to match, by id, with their scores.

    As ``Watch.weigh`` finds them one by one; the gates that ask about an article's text or source are not passed yet,
    and what a person said of an article is left out: it holds with either model.
    """
    if not len(corpus):
        return {}
    field, calibration = field_of(watch, corpus), watch.calibration
    found = np.flatnonzero((field.strength >= calibration.line) & (field.evidence >= calibration.floor))
    margins = {n: margin_of(float(field.strength[n]), float(field.evidence[n]), calibration) for n in found}
    return {corpus.ids[n]: score_of(margin, 0.0, calibration.width) for n, margin in margins.items()}


def agreement(topic_id: str, before: Mapping[str, float], after: Mapping[str, float]) -> Agreement:
    """``before``, ``after``: the articles that the topic takes with the one model and the other, with their scores."""
    both = before.keys() & after.keys()
    return Agreement(
        topic_id=topic_id,
        both=len(both),
        only_before=len(before) - len(both),
        only_after=len(after) - len(both),
        taken_by_both=_best({each: min(before[each], after[each]) for each in both}),
        taken_before=_best({each: before[each] for each in before.keys() - both}),
        taken_after=_best({each: after[each] for each in after.keys() - both}),
    )


def least_first(agreements: Iterable[Agreement]) -> tuple[Agreement, ...]:
    return tuple(sorted(agreements, key=lambda each: (each.share, each.topic_id)))


def _best(scores: Mapping[str, float]) -> tuple[Example, ...]:
    order = sorted(scores, key=lambda each: (-scores[each], each))
    return tuple(Example(article_id=each) for each in order[:EXAMPLES])
