"""A draft of a topic, tried before it is in force: on the archive, or on one article. Nothing is written or sent.

archive ─▶ corpus ─▶ calibrate ─▶ field ─▶ candidates ─▶ read, weighed with gates ─▶ tally, curve, samples
                                                                                      beside the version in force
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from consumers.asked import Asked, asked_of
from consumers.bag import Bag, bag_of
from consumers.calibration import calibrate
from consumers.corpus import Corpus
from consumers.embedding import Embedder
from consumers.model import Article, Calibration, Evidence, Passage, Sample, Topic
from consumers.passages import ArticleTexts, texts_of
from consumers.scoring import LINE
from consumers.tally import (
    Curve,
    Field,
    Page,
    Tally,
    candidates,
    curve_of,
    field_of,
    lines,
    pages_of,
    tally,
    told_apart,
)
from consumers.watch import Watch, Weighed
from daemon.store.archive import Archive, Archived

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a topic makes of one article."""

    article: Article
    matched: bool
    score: float
    passage: Passage
    reasons: tuple[str, ...]
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The version that a draft is compared with. ``calibration``: None where none was drawn for it yet."""

    topic: Topic
    calibration: Calibration | None = None
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Against the version in force, in pages. ``gained``: only the draft has them; ``lost``: only the version has.

    The samples of each are the strongest, of different stories where there are.
    """

    topic: Topic
    tally: Tally
    both: int
    gained: int
    lost: int
    samples_both: tuple[Tried, ...]
    samples_gained: tuple[Tried, ...]
    samples_lost: tuple[Tried, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """What a draft would have matched. ``articles``: looked at, the same page read from two feeds being one.

    ``days``: that they span. ``curve``: None where they are too few to tell anything of a day.
    """

    topic: Topic
    calibration: Calibration
    since: float
    articles: int
    days: float
    tally: Tally
    curve: Curve | None
    best: tuple[Tried, ...]  # the best of different stories, best first; then others
    just_above: tuple[Tried, ...]  # nearest to the line first; none that is among the best
    just_below: tuple[Tried, ...]  # nearest to the line first
    stopped: tuple[Tried, ...]  # above the line, and a gate failed; best first
    difference: Difference | None


def try_article(topic: Topic, article: Article, embedder: Embedder, calibration: Calibration | None = None) -> Tried:
    """The article is embedded as the matcher would do it. Without a ``calibration`` the shipped priors judge it."""
    rows = embedder.encode(texts_of(article).embedded).astype(np.float16).astype(np.float32)
    return try_archived(asked_of([topic], embedder)[0], calibration, article, rows, embedder.model_id)


def try_archived(
    asked: Asked, calibration: Calibration | None, article: Article, rows: NDArray[np.float32], model: str
) -> Tried:
    """``rows``: as they are archived, by ``model``, which made the topic's row, too. Every gate is judged."""
    texts = texts_of(article)
    return _tried(Watch(asked, calibration), _Read(article, texts, bag_of(texts), rows), model)


def back_test(
    topic: Topic,
    corpus: Corpus,
    archive: Archive,
    embedder: Embedder,
    *,
    since: float,
    now: float,
    samples: Sequence[Sample] = (),
    in_force: InForce | None = None,
    shown: int = 5,
) -> BackTest:
    """Calibrated by the whole corpus, counted on what was published at ``since`` or later. Raises ``Unavailable``.

    ``corpus``: of this archive and of the embedder's model. Only the topic's words are embedded.
    """
    model = embedder.model_id
    topics = [topic] if in_force is None else [topic, in_force.topic]
    asked = asked_of(topics, embedder)
    watch = Watch(asked[0], calibrate(asked[0], corpus, model=model, now=now, samples=samples))
    within = corpus.at >= since
    days = float(np.ptp(corpus.at[within])) / DAY if within.any() else 0.0
    scale = lines(watch, corpus)
    reader = _Reader(archive, corpus)
    drafted = _Judged(watch, corpus, within, reader, lowest=scale["more"].line)
    below = [page for page in drafted.pages if page.weighed.score < LINE]
    best = drafted.varied(drafted.matched)[:shown]
    above = [page for page in drafted.matched if page not in best]
    before = None
    if in_force is not None:
        calibration = in_force.calibration or calibrate(
            asked[1], corpus, model=model, now=now, samples=in_force.samples
        )
        before = _Judged(Watch(asked[1], calibration), corpus, within, reader)
    return BackTest(
        topic=topic,
        calibration=watch.calibration,
        since=since,
        articles=len({corpus.urls[place] or corpus.ids[place] for place in np.flatnonzero(within)}),
        days=days,
        tally=tally(corpus, drafted.pages, days, drafted.beyond),
        curve=curve_of(watch, corpus, drafted.field, drafted.pages, scale, days),
        best=drafted.shown(best),
        just_above=drafted.shown(above[-shown:][::-1]),
        just_below=drafted.shown(below[:shown]),
        stopped=drafted.shown([p for p in drafted.pages if p.weighed.score >= LINE and p.weighed.gate][:shown]),
        difference=None if before is None else _difference(drafted, before, days, shown),
    )


def _difference(drafted: "_Judged", before: "_Judged", days: float, shown: int) -> Difference:
    mine, theirs = drafted.by_page(), before.by_page()
    both = [page for key, page in mine.items() if key in theirs]
    gained = [page for key, page in mine.items() if key not in theirs]
    lost = [page for key, page in theirs.items() if key not in mine]
    return Difference(
        topic=before.watch.topic,
        tally=tally(before.corpus, before.pages, days, before.beyond),
        both=len(both),
        gained=len(gained),
        lost=len(lost),
        samples_both=drafted.shown(drafted.varied(both)[:shown]),
        samples_gained=drafted.shown(drafted.varied(gained)[:shown]),
        samples_lost=before.shown(before.varied(lost)[:shown]),
    )


# -- reading


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """``rows``: float32, as they are archived."""

    article: Article
    texts: ArticleTexts
    bag: Bag
    rows: NDArray[np.float32]


class _Reader:
    """Articles of a corpus by place, each read once for both versions of a topic."""

    def __init__(self, archive: Archive, corpus: Corpus) -> None:
        self._archive = archive
        self._corpus = corpus
        self._read: dict[int, _Read] = {}

    def get(self, places: Sequence[int]) -> Mapping[int, _Read]:
        """Those that are still kept. Raises ``Unavailable``."""
        missing = {self._corpus.ids[place]: place for place in places if place not in self._read}
        for archived in self._archive.by_id(list(missing)):
            if len(archived.vectors):
                self._read[missing[archived.article.id]] = _read(archived)
        return {place: self._read[place] for place in places if place in self._read}


def _read(archived: Archived) -> _Read:
    texts = texts_of(archived.article)
    return _Read(archived.article, texts, bag_of(texts), archived.vectors.astype(np.float32))


class _Judged:
    """What one version of a topic makes of the articles ``within``."""

    def __init__(
        self, watch: Watch, corpus: Corpus, within: NDArray[np.bool_], reader: _Reader, lowest: float = np.inf
    ) -> None:
        self.watch = watch
        self.corpus = corpus
        self.field: Field = field_of(watch, corpus)
        chosen = candidates(watch, corpus, self.field, within, lowest)
        self._read = reader.get(chosen.places.tolist())
        weighed = {place: watch.weigh(read.article, read.bag, read.rows) for place, read in self._read.items()}
        self.pages: Sequence[Page] = pages_of(corpus, weighed)
        self.beyond = chosen.beyond

    @property
    def matched(self) -> Sequence[Page]:
        return [page for page in self.pages if page.weighed.matched]

    def by_page(self) -> Mapping[str, Page]:
        return {self.corpus.urls[page.place] or self.corpus.ids[page.place]: page for page in self.matched}

    def varied(self, pages: Sequence[Page]) -> Sequence[Page]:
        """The best of each story before the others: five reports of one event tell less than five events."""
        story = told_apart(self.corpus, [page.place for page in pages])
        first = [n for n, number in enumerate(story) if number == n]
        return [pages[n] for n in (*first, *(n for n in range(len(pages)) if story[n] != n))]

    def shown(self, pages: Sequence[Page]) -> tuple[Tried, ...]:
        model = self.watch.calibration.model
        return tuple(_tried(self.watch, self._read[page.place], model, page.weighed) for page in pages)


def _tried(watch: Watch, read: _Read, model: str, weighed: Weighed | None = None) -> Tried:
    weighed = weighed or watch.weigh(read.article, read.bag, read.rows)
    passage, words = watch.quote(read.texts, None, read.rows)
    evidence = watch.evidence(weighed, read.rows, model)
    if not weighed.gates:  # so far below the line that they were not asked
        evidence = replace(evidence, gates=watch.gates.judge(read.article))
    return Tried(
        article=read.article,
        matched=weighed.matched,
        score=weighed.score,
        passage=passage,
        reasons=watch.reasons(weighed, passage, words, evidence.nearest),
        evidence=evidence,
    )
