"""The work of calibrating for one model: the archive as it was read last, and what is drawn from it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from consumers.asked import Asked
from consumers.calibration import ENOUGH
from consumers.corpus import Corpus
from consumers.embedding import Embedder
from consumers.model import Calibration, Sample, Topic
from daemon.calibration_plan import DAY, Plan, has_grown
from daemon.clock import Clock
from daemon.store.archive import Archive
from daemon.store.calibrations import Calibrations, Drawn

CORPUS_ARTICLES = 30_000  # 75 MB; read in 2 s of processor time
CORPUS_DAYS = 30
REREAD = 900.0  # seconds; an older corpus is read anew
LOOK = 30.0  # seconds between two looks whether the archive has grown
LOOK_YOUNG = 2.0  # the same before there is enough of it
TOGETHER = 0.5  # seconds of drawing, after which what was drawn is published
UNREAD = 50  # topics whose examples are looked for again at one look


class Calibrate(Protocol):
    """Pure, and the same for the same arguments. ``consumers.calibration.calibrate`` is one."""

    def __call__(
        self,
        asked: Asked,
        corpus: Corpus,
        /,
        *,
        model: str,
        now: float,
        samples: Sequence[Sample],
        previous: Calibration | None,
    ) -> Calibration: ...


Ask = Callable[[Sequence[Topic], Embedder], Sequence[Asked]]


def _no_samples(_: Topic) -> Sequence[Sample]:
    return ()


@dataclass(frozen=True, slots=True)
class Served:
    """A model that topics are calibrated for. Other threads may use its embedder meanwhile."""

    embedder: Embedder
    samples_of: Callable[[Topic], Sequence[Sample]] = _no_samples


@dataclass(frozen=True, slots=True)
class Fresh:
    """``articles`` and ``samples``: so many it was drawn from."""

    drawn: Drawn
    articles: int
    samples: int


class Desk:
    """One thread. Its methods raise ``Unavailable``, and may be called again then."""

    def __init__(
        self,
        served: Served,
        *,
        archive: Archive,
        calibrations: Calibrations,
        clock: Clock,
        ask: Ask,
        calibrate: Calibrate,
        round_took: Callable[[float], None],
    ) -> None:
        self.model = served.embedder.model_id
        self.plan = Plan()
        self._served = served
        self._archive = archive
        self._calibrations = calibrations
        self._clock = clock
        self._ask = ask
        self._calibrate = calibrate
        self._round_took = round_took
        self._corpus: Corpus | None = None
        self._counted = 0  # articles that there were when it was read
        self._read = self._looked = float("-inf")  # monotonic
        self._began: float | None = None  # this round

    def look(self) -> None:
        """Now and then: has the archive grown, and can examples be read that could not be before?"""
        now = self._clock.monotonic()
        if now - self._looked < (LOOK if self._counted else LOOK_YOUNG):
            return
        since = self._clock.now() - CORPUS_DAYS * DAY
        count = self._archive.count_since(since)
        old = self._corpus is None or now - self._read >= REREAD or has_grown(self._counted, count)
        if count >= ENOUGH and old:
            self._corpus = None  # two at once would be twice the memory
            corpus = self._archive.corpus(self.model, since, CORPUS_ARTICLES)
            self._counted, self._read = count, now
            if len(corpus) >= ENOUGH:
                self._corpus = corpus
                self.plan.look(len(corpus), self._clock.now())
        for topic, before in self.plan.unread(UNREAD):
            if len(self._served.samples_of(topic)) != before:
                self.plan.again(topic.id)
        self._looked = now
        self._note_round()

    def draw(self, topics: Sequence[Topic], others: Collection[str]) -> list[Fresh]:
        """The first few of them, as many as are drawn in a moment; none where the archive tells too little.

        ``others``: topics that another model has calibrated.
        """
        corpus = self._corpus
        if corpus is None or not topics:
            return []
        now, ids, started = self._clock.now(), [topic.id for topic in topics], self._clock.monotonic()
        before = self._calibrations.latest(self.model, ids)
        came = self._calibrations.came(ids, now)
        fresh: list[Fresh] = []
        for asked in self._ask(topics, self._served.embedder):
            if not fresh or self._clock.monotonic() - started < TOGETHER:
                fresh.append(self._fresh(asked, corpus, now, before.get(asked.topic.id), came, others))
        return fresh

    def _fresh(
        self,
        asked: Asked,
        corpus: Corpus,
        now: float,
        before: Calibration | None,
        came: Mapping[str, float],
        others: Collection[str],
    ) -> Fresh:
        topic = asked.topic
        samples = self._served.samples_of(topic)
        made = self._calibrate(asked, corpus, model=self.model, now=now, samples=samples, previous=before)
        why = self.plan.why(before, made, other_model=topic.id in others)
        drawn = Drawn(calibration=replace(made, came=came.get(topic.id)), why=why)
        return Fresh(drawn, articles=len(corpus), samples=len(samples))

    def done(self, published: Sequence[Fresh]) -> None:
        for fresh in published:
            self.plan.done(fresh.drawn.calibration, articles=fresh.articles, samples=fresh.samples)
        self._note_round()

    def _note_round(self) -> None:
        now = self._clock.monotonic()
        if self.plan.is_done and self._began is not None:
            self._round_took(now - self._began)
            self._began = None
        elif not self.plan.is_done and self._corpus is not None and self._began is None:
            self._began = now
