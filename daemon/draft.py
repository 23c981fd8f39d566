"""A draft of a topic, tried before it is in force: on the archive, or on one article. Nothing is written or sent."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumers.asked import asked_of
from consumers.bag import bag_of
from consumers.embedding import Embedder
from consumers.matcher import Watch, Weighed
from consumers.model import Article, Passage, Topic
from consumers.passages import texts_of
from consumers.scoring import LINE, NEAR
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
    articles: int  # looked at; the same page read from two feeds is one
    other_model: int  # left out: their vectors come from another model
    above: int
    near: int  # just below the line
    by_day: tuple[tuple[str, int], ...]
    best: tuple[Tried, ...]  # best first
    just_above: tuple[Tried, ...]  # nearest to the line first; none that is among the best
    just_below: tuple[Tried, ...]  # nearest to the line first


class _Page(NamedTuple):
    """The best of the articles that one page was read as."""

    score: float
    article_id: str
    day: str


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
    looked: set[int] = set()  # hashes: a year of URLs would not fit
    pages: dict[str, _Page] = {}
    other = 0
    for chunk in archive.recent(since):
        for archived, score in zip(chunk, _scores(watch, chunk, embedder.model_id), strict=True):
            page = archived.article.url or archived.article.id
            other += archived.model != embedder.model_id and hash(page) not in looked
            looked.add(hash(page))
            if score >= NEAR and (page not in pages or score > pages[page].score):
                pages[page] = _Page(score, archived.article.id, _day(archived.article))
        progress(len(looked))
    ranked = sorted(pages.values(), reverse=True)
    above = [page for page in ranked if page.score >= LINE]
    below = ranked[len(above) :]

    def shown(some: Sequence[_Page]) -> tuple[Tried, ...]:
        found = archive.by_id([page.article_id for page in some])
        return tuple(_tried(watch, archived.article, archived.vectors) for archived in found)

    return BackTest(
        topic=topic,
        since=since,
        articles=len(looked),
        other_model=other,
        above=len(above),
        near=len(below),
        by_day=tuple(sorted(Counter(page.day for page in above).items())),
        best=shown(above[:samples]),
        just_above=shown(above[samples:][-samples:][::-1]),
        just_below=shown(below[:samples]),
    )


def _watch(topic: Topic, embedder: Embedder) -> Watch:
    return Watch(asked_of([topic], embedder)[0], None)


def _scores(watch: Watch, chunk: Sequence[Archived], model: str) -> list[float]:
    return [
        _weighed(watch, archived.article, archived.vectors).score
        if archived.model == model and len(archived.vectors)
        else 0.0
        for archived in chunk
    ]


def _weighed(watch: Watch, article: Article, rows: NDArray[np.float16]) -> Weighed:
    return watch.weigh(article, bag_of(texts_of(article)), rows.astype(np.float32))


def _tried(watch: Watch, article: Article, rows: NDArray[np.float16]) -> Tried:
    texts = texts_of(article)
    weighed = _weighed(watch, article, rows)
    passage, words = watch.quote(texts, None, rows.astype(np.float32))
    return Tried(
        article=article,
        matched=weighed.matched,
        score=weighed.score,
        passage=passage,
        reasons=watch.reasons(weighed, passage, words, ""),
    )


def _day(article: Article) -> str:
    at = article.seen if article.published is None else article.published
    return datetime.fromtimestamp(at, UTC).date().isoformat()
