"""What this build decides, by its own code: corpus, calibration, candidates, gates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.measures import Counts, average_precision, counted
from benchmarks.quality.sets import EvaluationSet
from benchmarks.quality.vectors import Rows
from consumers.asked import Asked
from consumers.bag import Bag, bag_of
from consumers.calibration import calibrate, searched
from consumers.corpus import Corpus, CorpusBuilder
from consumers.ids import match_id
from consumers.model import Calibration, Match, Passage, Sample
from consumers.passages import texts_of
from consumers.stories import StoryTracker
from consumers.watch import Watch
from consumers.word_index import WordIndex

Places = NDArray[np.intp]
DAY = 86_400.0  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Of some articles, in the order asked for. ``score`` orders them."""

    score: NDArray[np.float64]
    matched: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one topic."""

    precision: float  # average precision
    counts: Counts


class Archived:
    """A set as it lies in the archive."""

    def __init__(self, chosen: EvaluationSet, rows: Rows) -> None:
        self.chosen = chosen
        self.rows = rows
        self.bags = [bag_of(texts_of(article)) for article in chosen.articles]
        self.seen = np.array([article.seen for article in chosen.articles])
        self.ids = {article.id: place for place, article in enumerate(chosen.articles)}
        self._whole: Corpus | None = None

    @property
    def whole(self) -> Corpus:
        """Every article of the set."""
        if self._whole is None:
            self._whole = self.corpus(np.arange(len(self.chosen.articles)))
        return self._whole

    def corpus(self, places: Places) -> Corpus:
        builder = CorpusBuilder()
        for place in places:
            article, rows = self.chosen.articles[place], self.rows[place].astype(np.float16)
            builder.add(article.id, article.url, article.seen, rows[0], rows[1], self.bags[place])
        return builder.corpus()

    def decide(self, watch: Watch, places: Places) -> Decided:
        """What the matcher makes of these articles. A verdict decides, and orders: it is what its user wants."""
        index = WordIndex()
        index.put("t", watch.asked.terms, watch.calibration.rarity)
        score, matched = np.empty(len(places)), np.zeros(len(places), bool)
        for n, place in enumerate(places):
            article, rows, bag = self.chosen.articles[place], self.rows[place], self.bags[place]
            weighed = watch.weigh(article, bag, rows)
            score[n] = weighed.strength
            matched[n] = weighed.matched and _looked_at(watch, index, bag, rows)
        verdicts = {sample.ref.removeprefix("article:"): sample.relevant for sample in watch.calibration.samples}
        for n, place in enumerate(places):
            verdict = verdicts.get(self.chosen.articles[place].id)
            if verdict is not None:
                score[n] = 100.0 if verdict else -100.0
        return Decided(score, matched)

    def sample(self, place: int, *, relevant: bool) -> Sample:
        article = self.chosen.articles[place]
        row = self.rows[place][0].astype(np.float16).tobytes()
        return Sample(ref=f"article:{article.id}", title=article.title, relevant=relevant, row=row)


def _looked_at(watch: Watch, index: WordIndex, bag: Bag, rows: NDArray[np.float32]) -> bool:
    head = searched(rows[0:1], rows[1:2])[0]
    return bool(head @ watch.vector >= watch.calibration.bar) or bool(index.candidates(bag))


def outcome(decided: Decided, positive: NDArray[np.bool_]) -> Outcome:
    return Outcome(average_precision(decided.score, positive), counted(decided.matched, positive))


def whole_archive(archived: Archived, asked: Sequence[Asked]) -> Iterator[Outcome]:
    """The set is archived when the topic is added; every article is compared with it."""
    for judged, each in zip(archived.chosen.judgements, asked, strict=True):
        watch = Watch(each, _calibrated(each, archived.whole))
        yield outcome(archived.decide(watch, judged.places), judged.positive)


@dataclass(frozen=True, slots=True)
class Causal:
    """Of one topic, on the second half of a set by time. ``half``: calibrated on the first; ``all``: on the whole set;
    ``running``: on what came before, drawn anew ten times as the daemon does.
    """

    half: Outcome
    running: Outcome
    all: Outcome


def causal(archived: Archived, asked: Sequence[Asked]) -> Iterator[Causal]:
    """Only topics with a positive article in the second half."""
    order = np.argsort(archived.seen, kind="stable")
    middle = len(order) // 2
    first, second = order[:middle], order[middle:]
    half = archived.corpus(first)
    blocks = [
        (archived.corpus(order[: block[0]]), order[block])
        for block in np.array_split(np.arange(middle, len(order)), 10)
    ]
    for judged, each in zip(archived.chosen.judgements, asked, strict=True):
        later = np.isin(judged.places, second)
        if judged.positive[later].any():
            places, positive = judged.places[later], judged.positive[later]
            yield Causal(
                outcome(archived.decide(Watch(each, _calibrated(each, half)), places), positive),
                outcome(_running(archived, each, blocks, places), positive),
                outcome(archived.decide(Watch(each, _calibrated(each, archived.whole)), places), positive),
            )


def _running(archived: Archived, each: Asked, blocks: Sequence[tuple[Corpus, Places]], places: Places) -> Decided:
    """Its order is that of the score, since strengths of different calibrations cannot be compared."""
    score, matched = np.zeros(len(places)), np.zeros(len(places), bool)
    calibration: Calibration | None = None
    for corpus, block in blocks:
        calibration = calibrate(each, corpus, model="", now=0.0, previous=calibration)
        here = np.isin(places, block)
        if here.any():
            decided = archived.decide(Watch(each, calibration), places[here])
            score[here] = (decided.score - calibration.line) / calibration.width
            matched[here] = decided.matched
    return Decided(score, matched)


@dataclass(frozen=True, slots=True)
class Cold:
    """A topic whose event has not happened: matches among the articles that came before."""

    none: int  # with no archive at all
    half: int  # calibrated on the older half of what came before, judged on the newer
    judged: int  # articles that came before


def cold(archived: Archived, asked: Sequence[Asked], least: int = 100) -> Iterator[Cold]:
    """Topics before whose first positive article there are at least ``least`` others."""
    for judged, each in zip(archived.chosen.judgements, asked, strict=True):
        begins = archived.seen[judged.places[judged.positive]].min()
        before = np.flatnonzero(archived.seen < begins)
        before = before[np.argsort(archived.seen[before], kind="stable")]
        if len(before) < least:
            continue
        newer = before[len(before) // 2 :]
        prior = archived.decide(Watch(each, None), before)
        calibrated = Watch(each, _calibrated(each, archived.corpus(before[: len(before) // 2])))
        yield Cold(int(prior.matched.sum()), int(archived.decide(calibrated, newer).matched.sum()), len(before))


def with_verdicts(archived: Archived, asked: Sequence[Asked], count: int) -> Iterator[Outcome]:
    """Its user has judged ``count`` articles: half of them matches, evenly out of all, the rest just under the line.

    Judged articles count: the topic knows them.
    """
    for judged, each in zip(archived.chosen.judgements, asked, strict=True):
        before = _calibrated(each, archived.whole)
        first = archived.decide(Watch(each, before), judged.places)
        samples = [
            archived.sample(int(judged.places[n]), relevant=bool(judged.positive[n])) for n in _reviewed(first, count)
        ]
        watch = Watch(each, _calibrated(each, archived.whole, samples))
        yield outcome(archived.decide(watch, judged.places), judged.positive)


def _reviewed(decided: Decided, count: int) -> Places:
    order = np.argsort(-decided.score, kind="stable")
    above, below = order[decided.matched[order]], order[~decided.matched[order]]
    some = (
        above[np.linspace(0, len(above) - 1, min(count // 2, len(above))).round().astype(int)] if len(above) else above
    )
    return np.concatenate([some, below[: count - len(some)]])


def promised(archived: Archived, asked: Sequence[Asked], wanted: float | None) -> Iterator[tuple[float, float]]:
    """(stories a day promised from the first half, stories a day that the alerter tells of in the second).

    ``wanted``: alerts a day that the topic asks for; None: its sensitivity is "balanced".
    """
    order = np.argsort(archived.seen, kind="stable")
    first, second = archived.corpus(order[: len(order) // 2]), order[len(order) // 2 :]
    days = float(np.ptp(archived.seen[second])) / DAY
    for _, each in zip(archived.chosen.judgements, asked, strict=True):
        wants = replace(each, topic=replace(each.topic, alerts_per_day=wanted))
        calibration = _calibrated(wants, first)
        watch = Watch(wants, calibration)
        matched = second[archived.decide(watch, second).matched]
        yield calibration.expected or 0.0, _stories(archived, each.topic.id, matched) / days


def _stories(archived: Archived, topic_id: str, places: Places) -> int:
    """As the alerter groups them, in the order of their stamps."""
    tracker = StoryTracker()
    founded = 0
    for place in places:
        article, rows = archived.chosen.articles[place], archived.rows[place]
        match = Match(
            id=match_id(article.id, topic_id, 1),
            topic_id=topic_id,
            topic_version=1,
            article=article,
            score=1.0,
            passage=Passage(text=article.title, number=1, of=1),
            vector=rows[0].astype(np.float16).tobytes(),
        )
        added = tracker.add(match, article.seen)
        founded += added is not None and added[1].founded
    return founded


def _calibrated(asked: Asked, corpus: Corpus, samples: Sequence[Sample] = ()) -> Calibration:
    return calibrate(asked, corpus, model="", now=0.0, samples=samples)
