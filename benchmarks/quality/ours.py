"""What this build decides, by its own code: corpus, calibration, candidates, gates."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.sets import EvaluationSet, Judgement
from benchmarks.quality.vectors import Rows
from consumers.asked import Asked
from consumers.bag import Bag, bag_of
from consumers.calibration import calibrate, searched
from consumers.corpus import Corpus, CorpusBuilder
from consumers.model import Sample
from consumers.passages import texts_of
from consumers.watch import Watch
from consumers.word_index import WordIndex


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """Of the judged articles of a topic, in the order of its places."""

    strength: NDArray[np.float64]
    matched: NDArray[np.bool_]


class Archived:
    """A set as it lies in the archive."""

    def __init__(self, chosen: EvaluationSet, rows: Rows) -> None:
        self.chosen = chosen
        self.rows = rows
        self.bags = [bag_of(texts_of(article)) for article in chosen.articles]
        self.seen = np.array([article.seen for article in chosen.articles])

    def corpus(self, places: Sequence[int] | NDArray[np.intp]) -> Corpus:
        builder = CorpusBuilder()
        for place in places:
            article, rows = self.chosen.articles[place], self.rows[place].astype(np.float16)
            builder.add(article.id, article.url, article.seen, rows[0], rows[1], self.bags[place])
        return builder.corpus()

    def decide(self, watch: Watch, places: NDArray[np.intp]) -> Decided:
        """What the matcher makes of these articles."""
        index = WordIndex()
        index.put("t", watch.asked.terms, watch.calibration.rarity)
        strength, matched = np.empty(len(places)), np.zeros(len(places), bool)
        for n, place in enumerate(places):
            rows, bag = self.rows[place], self.bags[place]
            weighed = watch.weigh(self.chosen.articles[place], bag, rows)
            strength[n] = weighed.strength
            matched[n] = weighed.matched and _looked_at(watch, index, bag, rows)
        return Decided(strength, matched)


def _looked_at(watch: Watch, index: WordIndex, bag: Bag, rows: NDArray[np.float32]) -> bool:
    head = searched(rows[0:1], rows[1:2])[0]
    return bool(head @ watch.vector >= watch.calibration.bar) or bool(index.candidates(bag))


Archive = Callable[[Judgement], Corpus]
SamplesOf = Callable[[Judgement], Sequence[Sample]]


def decided(
    archived: Archived, asked: Sequence[Asked], archive: Archive, samples: SamplesOf = lambda _: ()
) -> Iterator[Decided]:
    """``archive``: what there is to calibrate from, for each topic."""
    for judged, each in zip(archived.chosen.judgements, asked, strict=True):
        calibration = calibrate(each, archive(judged), model="", now=0.0, samples=samples(judged))
        yield archived.decide(Watch(each, calibration), judged.places)
