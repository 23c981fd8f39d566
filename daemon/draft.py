"""A draft of a topic, tried before it is in force: on the archive, or on one article. Nothing is written or sent."""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from consumers.embedding import Embedder
from consumers.matcher import Watch, watches_of
from consumers.model import Article, Passage, Topic
from consumers.passages import texts_of
from consumers.scoring import CANDIDATE, LINE, NEAR, Verdict, explain, judge, terms_of
from daemon.store.archive import Archive, Archived


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a draft makes of one article."""

    article: Article
    matched: bool
    score: float
    passage: Passage
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """What a draft would have matched. ``by_day``: (date in UTC, articles above the line), oldest first."""

    topic: Topic
    since: float
    articles: int  # looked at
    other_model: int  # left out: their vectors come from another model
    above: int
    near: int  # just below the line
    by_day: tuple[tuple[str, int], ...]
    best: tuple[Tried, ...]  # best first
    just_above: tuple[Tried, ...]  # nearest to the line first; none that is among the best
    just_below: tuple[Tried, ...]  # nearest to the line first


def try_article(topic: Topic, article: Article, embedder: Embedder) -> Tried:
    """The article is embedded as the matcher would do it."""
    texts = texts_of(article)
    rows = embedder.encode(texts.embedded).astype(np.float16)
    return _tried(_watch(topic, embedder), article, rows)


def back_test(
    topic: Topic,
    archive: Archive,
    embedder: Embedder,
    *,
    since: float,
    samples: int = 5,
    progress: Callable[[int], None] = lambda articles: None,
) -> BackTest:
    """Every archived article seen at ``since`` or later, by its archived vectors. Raises ``Unavailable``.

    ``progress`` is called now and then with the number of articles looked at so far.
    """
    watch = _watch(topic, embedder)
    best, above, below = _Nearest(samples), _Nearest(2 * samples), _Nearest(samples)
    days: Counter[str] = Counter()
    looked = other = near = 0
    for chunk in archive.recent(since):
        for archived, score in zip(chunk, _scores(watch, chunk, embedder.model_id), strict=True):
            other += archived.model != embedder.model_id
            if score >= LINE:
                days[_day(archived.article)] += 1
                best.offer(score, archived)
                above.offer(-score, archived)
            elif score >= NEAR:
                near += 1
                below.offer(score, archived)
        looked += len(chunk)
        progress(looked)
    top = best.kept()
    rest = [archived for archived in above.kept() if archived not in top][:samples]
    return BackTest(
        topic=topic,
        since=since,
        articles=looked,
        other_model=other,
        above=sum(days.values()),
        near=near,
        by_day=tuple(sorted(days.items())),
        best=tuple(_tried(watch, archived.article, archived.vectors) for archived in top),
        just_above=tuple(_tried(watch, archived.article, archived.vectors) for archived in rest),
        just_below=tuple(_tried(watch, archived.article, archived.vectors) for archived in below.kept()),
    )


def _watch(topic: Topic, embedder: Embedder) -> Watch:
    return watches_of([topic], embedder)[0]


def _scores(watch: Watch, chunk: Sequence[Archived], model: str) -> list[float]:
    return [
        _verdict(watch, archived.article, archived.vectors).score
        if archived.model == model and _is_candidate(watch, archived.vectors)
        else 0.0
        for archived in chunk
    ]


def _is_candidate(watch: Watch, rows: NDArray[np.float16]) -> bool:
    return bool(len(rows)) and max(_cosines(watch, rows)) >= CANDIDATE


def _verdict(watch: Watch, article: Article, rows: NDArray[np.float16]) -> Verdict:
    return judge(watch.words, _cosines(watch, rows), terms_of(texts_of(article)))


def _cosines(watch: Watch, rows: NDArray[np.float16]) -> list[float]:
    return [float(cosine) for cosine in rows.astype(np.float32) @ watch.vector]


def _tried(watch: Watch, article: Article, rows: NDArray[np.float16]) -> Tried:
    texts = texts_of(article)
    terms = terms_of(texts)
    verdict = judge(watch.words, _cosines(watch, rows), terms)
    passage, reasons = explain(watch.words, texts, terms, verdict)
    return Tried(article=article, matched=verdict.score >= LINE, score=verdict.score, passage=passage, reasons=reasons)


def _day(article: Article) -> str:
    at = article.seen if article.published is None else article.published
    return datetime.fromtimestamp(at, UTC).date().isoformat()


class _Nearest:
    """The ``size`` with the highest keys of all that were offered."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, str, Archived]] = []

    def offer(self, key: float, archived: Archived) -> None:
        heapq.heappush(self._heap, (key, archived.article.id, archived))
        if len(self._heap) > self._size:
            heapq.heappop(self._heap)

    def kept(self) -> list[Archived]:
        return [archived for _, _, archived in sorted(self._heap, reverse=True)]
