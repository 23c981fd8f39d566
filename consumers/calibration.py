"""What an archive says of a topic: how rare its words are, what its best articles have in common, where its line lies.

    corpus ─▶ evidence of every article ─▶ pull (consumers/feedback.py) ─▶ strengths ─▶ line, width, stories a day

One line for all topics loses more than anything else: a topic's scores depend on how it is worded. So the line is set
between the noise (the mean of the archive) and the topic's own best articles:

    line = mean + cut · (mean of the three best - mean), at least two standard deviations above the mean

``cut`` is higher for events, whose few articles are alike, than for themes. It needs no labels. Relative lines fail
while the event has not happened: then the best of the archive are noise. Hence ``evidence_floor``, an absolute one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from consumers.asked import Asked
from consumers.corpus import Corpus
from consumers.feedback import Examples, examples_of, moved_line, pull_of, pull_without_archive
from consumers.model import Calibration, Kind, Sample, Sensitivity, Topic
from consumers.scoring import dense, lexical, said

ENOUGH = 100  # articles of an archive that can tell; below, the shipped priors do
COPY = 0.95  # cosine with the query from which on an article only repeats it: it tells nothing new
BEST, SIGMAS = 3, 2.0
WIDTHS = 4.0  # between the noise and the line
NARROWEST = 0.02  # width
CUT: dict[Kind, dict[Sensitivity, float]] = {
    "event": {"fewer": 0.82, "balanced": 0.72, "more": 0.60},
    "theme": {"fewer": 0.56, "balanced": 0.43, "more": 0.32},
}
# Evidence of the three best articles: below the first an archive tells nothing of a topic, which then goes by the
# shipped line and is pulled nowhere; from the second on it is trusted in full.
TELLING: dict[Kind, tuple[float, float]] = {"event": (0.25, 0.5), "theme": (0.1, 0.25)}
SHORTEST = 20.0  # words of an article, on average: an archive of headlines without words must not make all others long
# Between the noise and the three best: a quarter of the labelled topics stay below, and most archives in which the
# event has not happened yet. There the best articles are noise in part: a theme's line trusts them in part, and an
# event needs more evidence of its own, up to FARTHER. Calibrated before the event and judged after it, macro F1 of two
# sets of events .796 → .810 and .800 → .816; calibrated with it .867 → .864 and .855 → .851.
USUAL: dict[Kind, float] = {"event": 1.2, "theme": 1.0}
QUIET = 0.6  # a reach at which nothing of the topic is in the archive
TRUSTED: dict[Kind, float] = {"event": 1.0, "theme": 0.7}
FARTHER: dict[Kind, float] = {"event": 0.2, "theme": 0.0}
EVIDENCE: dict[Kind, dict[Sensitivity, float]] = {  # of dense and words, without the pull
    "event": {"fewer": 0.55, "balanced": 0.45, "more": 0.35},
    "theme": {"fewer": 0.25, "balanced": 0.15, "more": 0.10},
}
# Lines before there is an archive, where a strength is evidence alone. Macro F1 for events .81, .79, .93 and .88 on
# four sets (at .75: .82, .78, .93, .92), with 11, 8, 4 and 5 matches in a thousand articles before the event (5, 4, 4,
# 1); for themes .60, .30 and .61. The lower one: it finds reports cut to a summary, and soon there is an archive.
PRIOR: dict[Kind, dict[Sensitivity, float]] = {
    "event": {"fewer": 0.76, "balanced": 0.65, "more": 0.55},
    "theme": {"fewer": 0.66, "balanced": 0.55, "more": 0.45},
}
SMOOTHING = 0.3  # how far a known calibration moves towards what the archive says today
YOUNG = 2_000  # articles below which it follows at once
PRIOR_WIDTH = 0.1
PRIOR_BAR: dict[Kind, float] = {"event": 0.25, "theme": 0.18}
BAR_MARGIN, LOWEST_BAR = 0.05, 0.1
SOME_WORDS = 0.45  # of the .7 that all of them are worth
SAME_STORY, SAME_DAYS = 0.7, 3.0  # cosine and days within which two articles of a topic are counted as one story
DAY = 86_400.0  # seconds
COUNTED = 500  # articles of a topic that are grouped into stories


@dataclass(frozen=True, slots=True, eq=False)
class Strengths:
    """Of every article of a corpus. ``evidence``: without the pull. ``original``: not a copy of the query itself."""

    evidence: NDArray[np.float32]
    total: NDArray[np.float32]
    original: NDArray[np.bool_]
    pull: NDArray[np.float16]  # (d,)
    rarity: NDArray[np.float32]
    length: float
    examples: Examples
    complete: NDArray[np.bool_]  # it says all words of the query
    trust: float  # in what the archive says of the topic, 0 to 1

    @property
    def archive(self) -> NDArray[np.float32]:
        """The totals of all but copies of the query."""
        return self.total[self.original]

    @property
    def noise(self) -> float:
        return float(self.archive.mean())

    @property
    def best(self) -> float:
        return float(np.sort(self.archive)[-BEST:].mean())


def evidence_floor(topic: Topic, found: Strengths | None = None) -> float:
    """What an article needs of its own. ``found``: in an archive, which may have nothing of the topic yet."""
    least = EVIDENCE[topic.kind][topic.sensitivity]
    if found is None:
        return least
    usual = USUAL[topic.kind]
    missing = (usual - found.best + found.noise) / (usual - QUIET)
    return least + found.trust * FARTHER[topic.kind] * min(max(missing, 0.0), 1.0)


def priors(topic: Topic, model: str, now: float = 0.0) -> Calibration:
    """Before an archive can tell."""
    return Calibration(
        topic_id=topic.id,
        topic_version=topic.version,
        model=model,
        at=now,
        line=PRIOR[topic.kind][topic.sensitivity],
        floor=evidence_floor(topic),
        width=PRIOR_WIDTH,
        bar=PRIOR_BAR[topic.kind],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What each article of a corpus says of a topic, before rarities are known: cosines (n,), counts (terms, n)."""

    wholes: NDArray[np.float32]
    titles: NDArray[np.float32]
    counts: NDArray[np.float32]
    lengths: NDArray[np.float32]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """It says all words of the query."""
        return np.asarray((self.counts > 0).all(axis=0) & (len(self.counts) > 0), np.bool_)

    def evidence(self, rarity: NDArray[np.float32], length: float) -> NDArray[np.float32]:
        """All of the strength but the pull, as ``Watch.weigh`` sums it up for one article."""
        words = lexical(*said(self.counts, rarity, self.lengths, length))
        return np.asarray(dense(self.wholes, self.titles) + words, np.float32)


def reading_of(asked: Asked, corpus: Corpus) -> Reading:
    return Reading(*corpus.cosines(asked.row), corpus.words.said(asked.terms), corpus.words.lengths)


def strengths(
    asked: Asked, corpus: Corpus, *, samples: Sequence[Sample] = (), previous: Calibration | None = None
) -> Strengths:
    """``previous``: of the same version and model; the pull then moves slowly."""
    read = reading_of(asked, corpus)
    frequency = (read.counts > 0).sum(axis=1)
    rarity = np.log1p((len(corpus) - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    length = max(float(corpus.words.lengths.mean()), SHORTEST)
    evidence = read.evidence(rarity, length)
    original = np.maximum(read.wholes, read.titles) <= COPY
    if not original.any():
        original = np.ones_like(original)
    examples = examples_of(samples, corpus)
    trust = _trust(asked.topic, evidence[original]) if not len(examples.rows) else 1.0
    pull = trust * pull_of(np.where(original, evidence, -np.inf), corpus, examples)
    if previous is not None and previous.pull:
        pull += (1 - SMOOTHING) * (np.frombuffer(previous.pull, np.float16).astype(np.float32) - pull)
    rounded = pull.astype(np.float16)
    total = evidence + corpus.whole_cosines(rounded.astype(np.float32))
    return Strengths(evidence, total, original, rounded, rarity, length, examples, read.complete, trust)


def _trust(topic: Topic, evidence: NDArray[np.float32]) -> float:
    """How far an archive can tell of a topic, 0 to 1."""
    nothing, all_of_it = TELLING[topic.kind]
    best = float(np.sort(evidence)[-BEST:].mean())
    return min(max((best - nothing) / (all_of_it - nothing), 0.0), 1.0)


def calibrate(
    asked: Asked,
    corpus: Corpus,
    *,
    model: str,
    now: float,
    samples: Sequence[Sample] = (),
    previous: Calibration | None = None,
) -> Calibration:
    """``previous``: the calibration in force; where it is of the same version and model, the new one stays near it."""
    topic = asked.topic
    if len(corpus) < ENOUGH:
        return _before_an_archive(asked, corpus, model, now, samples)
    known = previous if _is_of(previous, topic, model, samples) and len(corpus) >= YOUNG else None
    found = strengths(asked, corpus, samples=samples, previous=known)
    floor = evidence_floor(topic, found)
    counted = stories(corpus, found, floor)
    noise = found.noise
    line = _line(topic, found, counted, corpus.days)
    if known is not None:
        line = noise + WIDTHS * known.width + SMOOTHING * (line - noise - WIDTHS * known.width)
    width = max((line - noise) / WIDTHS, NARROWEST)  # examples may have moved the line nearer
    return Calibration(
        topic_id=topic.id,
        topic_version=topic.version,
        model=model,
        at=now,
        articles=len(corpus),
        rarity=tuple(float(each) for each in found.rarity),
        length=found.length,
        pull=found.pull.tobytes(),
        line=line,
        floor=floor,
        width=width,
        bar=_bar(asked, corpus, found, line - width, floor - width),
        expected=counted.a_day(line, corpus.days) if corpus.days >= 1 else None,
        samples=tuple(samples),
    )


def _before_an_archive(asked: Asked, corpus: Corpus, model: str, now: float, samples: Sequence[Sample]) -> Calibration:
    prior = replace(priors(asked.topic, model, now), samples=tuple(samples))
    if not samples:
        return prior
    examples = examples_of(samples, corpus)
    pull = pull_without_archive(examples, len(asked.row)).astype(np.float16)
    # what an example itself gains, a stranger does not: halfway between lies the line
    own = float((examples.rows[examples.relevant] @ pull).mean()) if examples.relevant.any() else 0.0
    return replace(prior, pull=pull.tobytes(), line=prior.line + own / 2)


def _is_of(previous: Calibration | None, topic: Topic, model: str, samples: Sequence[Sample]) -> bool:
    return (
        previous is not None
        and (previous.topic_version, previous.model) == (topic.version, model)
        and previous.articles >= YOUNG
        and [sample.ref for sample in previous.samples] == [sample.ref for sample in samples]
    )


def _line(topic: Topic, found: Strengths, counted: "Stories", days: float) -> float:
    noise = found.noise
    lowest = noise + max(SIGMAS * float(found.archive.std()), WIDTHS * NARROWEST)
    if topic.alerts_per_day is not None:
        return max(lowest, counted.line_for(topic.alerts_per_day, days))
    reach = found.best - noise
    if reach < USUAL[topic.kind]:
        reach += (1 - TRUSTED[topic.kind]) * (USUAL[topic.kind] - reach)
    own = noise + CUT[topic.kind][topic.sensitivity] * reach
    line = found.trust * own + (1 - found.trust) * PRIOR[topic.kind][topic.sensitivity]
    return moved_line(max(lowest, line), noise, found.total, found.examples)


def _bar(asked: Asked, corpus: Corpus, found: Strengths, near: float, evidence: float) -> float:
    """What the index gives the weakest article that is worth a look, less a margin.

    One that says all words is looked at anyhow. Where the archive has no other, it is what an article needs that says
    some of the words.
    """
    worth = (found.total >= near) & (found.evidence >= evidence) & ~found.complete
    bar = near - SOME_WORDS
    if worth.any():
        rows = searched(corpus.wholes[worth].astype(np.float32), corpus.titles[worth].astype(np.float32))
        bar = min(bar, float((rows @ indexed(asked.row, found.pull)).min()) - BAR_MARGIN)
    return max(LOWEST_BAR, bar)


def searched(wholes: NDArray[np.float32], titles: NDArray[np.float32]) -> NDArray[np.float32]:
    """The one row of each article that the index of topics is searched with, (n, d)."""
    return np.asarray(dense(wholes, titles) / dense(1.0, 1.0), np.float32)


def indexed(row: NDArray[np.float32], pull: NDArray[np.float16] | None) -> NDArray[np.float32]:
    """A topic's vector in the index: its product with an article's row is nearly all of the strength but the words."""
    vector = dense(1.0, 1.0) * row
    return np.asarray(vector if pull is None else vector + pull.astype(np.float32), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Stories:
    """The strength of the strongest article of each story that a topic would find, strongest first."""

    leaders: NDArray[np.float32]
    share: float = 1.0  # of the articles of that time that were looked at

    def a_day(self, line: float, days: float) -> float:
        return float((self.leaders >= line).sum() / days / self.share)

    def line_for(self, a_day: float, days: float) -> float:
        """The line that so many stories a day reach; minus infinity where there are fewer."""
        wanted = round(a_day * days * self.share)
        if wanted >= len(self.leaders):
            return -math.inf
        return float(self.leaders[max(wanted, 1) - 1] + self.leaders[wanted]) / 2


def stories(corpus: Corpus, found: Strengths, least: float = -np.inf) -> Stories:
    """Counts without telling stories apart for good: an article belongs to the story of any stronger one near it.

    ``least``: evidence of its own; with less of it an article is no alert, however strong.
    """
    usable = np.where(found.original & (found.evidence >= least), found.total, -np.inf)
    order = np.argsort(-usable, kind="stable")[:COUNTED]
    order = order[usable[order] >= found.noise + found.archive.std()]
    leads = ~np.tril(same_story(corpus, order), -1).any(axis=1)
    return Stories(found.total[order][leads], corpus.share)


def same_story(corpus: Corpus, places: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of these articles are counted as reports of the same event as which, (n, n)."""
    rows, at = corpus.wholes[places].astype(np.float32), corpus.at[places]
    return np.asarray((rows @ rows.T >= SAME_STORY) & (np.abs(at[:, None] - at[None, :]) <= SAME_DAYS * DAY))
