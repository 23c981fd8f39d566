"""Articles into matches.

article ─▶ texts (whole, title, passages) ─▶ rows ─▶ TopicIndex.search ─▶ candidates ─▶ judge ─▶ scores, matches
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from consumers.embedding import Embedder
from consumers.ids import match_id
from consumers.model import Article, Match, Topic
from consumers.passages import ArticleTexts, texts_of
from consumers.scoring import CANDIDATE, FLOOR, LINE, Verdict, explain, judge, terms_of
from consumers.topic_index import TopicIndex
from consumers.words import Terms, Word, query_words


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """A topic ready to be compared: its unit row of shape (d,), and the words of its query."""

    topic: Topic
    vector: NDArray[np.float32]
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one topic gave one article. ``passage`` is the number of the best one, from 1."""

    topic_id: str
    topic_version: int
    score: float
    passage: int
    matched: bool


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """An article with all that is archived of it.

    ``vectors``: float16 unit rows (whole, title, passages…), shape (2 + passages, d); (0, 0) for an article without
    any text. ``scores``: every one above the floor, matched or not, best first.
    """

    article: Article
    model: str
    vectors: NDArray[np.float16]
    scores: tuple[Score, ...]
    matches: tuple[Match, ...]


class Matcher:
    """One thread. The topics in force are those applied so far; a match names the version it was made with."""

    def __init__(self, embedder: Embedder, *, line: float = LINE, floor: float = FLOOR) -> None:
        self._embedder = embedder
        self._line = line
        self._floor = floor
        self._topics: dict[str, Topic] = {}  # the disabled ones too: they were applied
        self._watches: dict[str, Watch] = {}
        self._index = TopicIndex()

    @property
    def topics_in_force(self) -> Mapping[str, int]:
        """The version of every topic that was applied and not removed since."""
        return MappingProxyType({topic_id: topic.version for topic_id, topic in self._topics.items()})

    def apply(self, changes: Mapping[str, Topic | None]) -> None:
        """Put topics in force by id; ``None`` removes one. Only a changed wording is embedded."""
        wanted = [topic for topic in changes.values() if topic is not None and topic.enabled]
        fresh = {watch.topic.id: watch for watch in self._watches_of(wanted)}
        gone = [topic_id for topic_id in changes if topic_id not in fresh]
        moved: dict[str, tuple[NDArray[np.float32], float] | None] = {
            topic_id: (watch.vector, CANDIDATE)
            for topic_id, watch in fresh.items()
            if topic_id not in self._watches or self._watches[topic_id].vector is not watch.vector
        }
        moved.update((topic_id, None) for topic_id in gone if topic_id in self._watches)
        if moved:
            self._index = self._index.with_changes(moved)
        self._watches = {topic_id: watch for topic_id, watch in self._watches.items() if topic_id not in gone} | fresh
        self._topics = {topic_id: topic for topic_id, topic in (self._topics | dict(changes)).items() if topic}

    def _watches_of(self, topics: Sequence[Topic]) -> Iterator[Watch]:
        known = {
            topic.id: watch
            for topic in topics
            if (watch := self._watches.get(topic.id)) and _wording(watch.topic) == _wording(topic)
        }
        yield from watches_of([topic for topic in topics if topic.id not in known], self._embedder)
        for topic in topics:
            if topic.id in known:
                yield Watch(topic, known[topic.id].vector, known[topic.id].words)

    def match(self, articles: Sequence[Article]) -> list[Judged]:
        """Each article against every enabled topic in force, in the order given."""
        texts = [texts_of(article) if article.title.strip() or article.text.strip() else None for article in articles]
        flat = [text for each in texts if each for text in each.embedded]
        vectors = self._embedder.encode(flat).astype(np.float16)
        hits = self._index.search(vectors.astype(np.float32))
        judged, start = [], 0
        for article, each in zip(articles, texts, strict=True):
            if each is None:
                judged.append(Judged(article, self._embedder.model_id, np.zeros((0, 0), np.float16), (), ()))
                continue
            end = start + len(each.embedded)
            candidates = sorted({hit.topic_id for row in hits[start:end] for hit in row})
            judged.append(
                compare(
                    article,
                    each,
                    vectors[start:end],
                    [self._watches[topic_id] for topic_id in candidates],
                    model=self._embedder.model_id,
                    line=self._line,
                    floor=self._floor,
                )
            )
            start = end
        return judged


def compare(
    article: Article,
    texts: ArticleTexts,
    rows: NDArray[np.float16],
    watches: Sequence[Watch],
    *,
    model: str,
    line: float = LINE,
    floor: float = FLOOR,
) -> Judged:
    """One article with the topics that are candidates. ``rows``: its unit rows as they are archived, by ``model``."""
    if not watches:
        return Judged(article, model, rows, (), ())
    # from the archived rows, so that a back-test finds the same scores
    cosines = (np.stack([watch.vector for watch in watches]) @ rows.astype(np.float32).T).tolist()
    terms = terms_of(texts)
    scores: list[Score] = []
    matches: list[Match] = []
    for watch, of_topic in zip(watches, cosines, strict=True):
        verdict = judge(watch.words, of_topic, terms)
        if verdict.score < floor:
            continue
        matched = verdict.score >= line
        scores.append(
            Score(
                topic_id=watch.topic.id,
                topic_version=watch.topic.version,
                score=verdict.score,
                passage=texts.passages[verdict.passage].number,
                matched=matched,
            )
        )
        if matched:
            matches.append(_match(article, watch, texts, terms, verdict, line, rows[0].tobytes()))
    scores.sort(key=lambda score: -score.score)
    return Judged(article, model, rows, tuple(scores), tuple(matches))


def watches_of(topics: Sequence[Topic], embedder: Embedder) -> list[Watch]:
    """A description is averaged into the query's vector: it says what is meant, the query's words stay the words."""
    texts = [text for topic in topics for text in _wording(topic)]
    rows = iter(embedder.encode_queries(texts))
    watches = []
    for topic in topics:
        mean = np.mean(np.stack([next(rows) for _ in _wording(topic)]), axis=0)
        unit = np.asarray(mean / (np.linalg.norm(mean) or 1.0), dtype=np.float32)
        watches.append(Watch(topic, unit, query_words(topic.query)))
    return watches


def _wording(topic: Topic) -> tuple[str, ...]:
    return (topic.query, topic.description) if topic.description.strip() else (topic.query,)


def _match(
    article: Article,
    watch: Watch,
    texts: ArticleTexts,
    terms: Terms,
    verdict: Verdict,
    line: float,
    vector: bytes,
) -> Match:
    passage, reasons = explain(watch.words, texts, terms, verdict, line)
    return Match(
        id=match_id(article.id, watch.topic.id, watch.topic.epoch),
        topic_id=watch.topic.id,
        topic_version=watch.topic.version,
        article=article,
        score=verdict.score,
        passage=passage,
        reasons=reasons,
        vector=vector,
    )
