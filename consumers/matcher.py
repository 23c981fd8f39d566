"""Articles into matches.

article ─▶ texts ─▶ rows, bag ─▶ TopicIndex, WordIndex ─▶ candidates ─▶ weigh ─▶ scores, matches
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from consumers.asked import Asked, asked_of, wording
from consumers.bag import Bag, bag_of
from consumers.calibration import searched
from consumers.embedding import Embedder
from consumers.ids import match_id
from consumers.model import Article, Calibration, Match, Topic
from consumers.passages import ArticleTexts, texts_of
from consumers.scoring import FLOOR, terms_of
from consumers.topic_index import TopicIndex
from consumers.watch import Watch, Weighed
from consumers.word_index import WordIndex
from consumers.words import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one topic gave one article. ``gate``: the first one that failed, or empty."""

    topic_id: str
    topic_version: int
    score: float
    passage: int  # the number of the best one, from 1
    matched: bool
    gate: str = ""


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
    bag: Bag | None = None


class Matcher:
    """One thread. The topics in force are those applied so far; a match names the version it was made with."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._topics: dict[str, Topic] = {}  # the disabled ones too: they were applied
        self._calibrations: dict[str, Calibration] = {}
        self._watches: dict[str, Watch] = {}
        self._index = TopicIndex()
        self._words = WordIndex()

    @property
    def topics_in_force(self) -> Mapping[str, int]:
        """The version of every topic that was applied and not removed since."""
        return MappingProxyType({topic_id: topic.version for topic_id, topic in self._topics.items()})

    @property
    def watches(self) -> Mapping[str, Watch]:
        return MappingProxyType(self._watches)

    def apply(self, changes: Mapping[str, Topic | None]) -> None:
        """Put topics in force by id; ``None`` removes one. Only a changed wording is embedded."""
        for topic_id, topic in changes.items():
            if topic is None:
                self._topics.pop(topic_id, None)
            else:
                self._topics[topic_id] = topic
        wanted = [topic for topic in changes.values() if topic is not None and topic.enabled]
        fresh = {asked.topic.id: Watch(asked, self._calibration(asked.topic)) for asked in self._asked(wanted)}
        self._put({topic_id: fresh.get(topic_id) for topic_id in changes})

    def calibrate(self, changes: Mapping[str, Calibration | None]) -> None:
        """By topic id. Those of another model, or of another version than is in force, wait until theirs is."""
        for topic_id, calibration in changes.items():
            if calibration is None:
                self._calibrations.pop(topic_id, None)
            elif calibration.model == self._embedder.model_id:
                self._calibrations[topic_id] = calibration
        moved = [topic_id for topic_id in changes if topic_id in self._watches]
        self._put(
            {topic_id: watch.calibrated(self._calibration(watch.topic)) for topic_id, watch in self._these(moved)}
        )

    def _these(self, topic_ids: Sequence[str]) -> Iterator[tuple[str, Watch]]:
        return ((topic_id, self._watches[topic_id]) for topic_id in topic_ids)

    def _calibration(self, topic: Topic) -> Calibration | None:
        """An edit that leaves the wording alone goes on with the last one until its own comes."""
        found = self._calibrations.get(topic.id)
        if found is None or found.topic_version == topic.version:
            return found
        known = self._watches.get(topic.id)
        return found if known is not None and wording(known.topic) == wording(topic) else None

    def _asked(self, topics: Sequence[Topic]) -> Iterator[Asked]:
        known = {
            topic.id: watch.asked
            for topic in topics
            if (watch := self._watches.get(topic.id)) and wording(watch.topic) == wording(topic)
        }
        yield from asked_of([topic for topic in topics if topic.id not in known], self._embedder)
        for topic in topics:
            if topic.id in known:
                yield Asked(topic, known[topic.id].row, known[topic.id].words, known[topic.id].terms)

    def _put(self, changes: Mapping[str, Watch | None]) -> None:
        entries = {
            topic_id: None if watch is None else (watch.vector, watch.calibration.bar)
            for topic_id, watch in changes.items()
            if watch is not None or topic_id in self._watches
        }
        if entries:
            self._index = self._index.with_changes(entries)
        for topic_id, watch in changes.items():
            self._words.put(topic_id, watch.asked.terms if watch else (), watch.calibration.rarity if watch else ())
            if watch is None:
                self._watches.pop(topic_id, None)
            else:
                self._watches[topic_id] = watch

    def match(self, articles: Sequence[Article]) -> list[Judged]:
        """Each article against every enabled topic in force, in the order given."""
        texts = [texts_of(article) if article.title.strip() or article.text.strip() else None for article in articles]
        flat = [text for each in texts if each for text in each.embedded]
        vectors = self._embedder.encode(flat).astype(np.float16)
        starts = np.cumsum([0, *(len(each.embedded) for each in texts if each)])[:-1]
        heads = searched(vectors[starts].astype(np.float32), vectors[starts + 1].astype(np.float32))
        hits = iter(self._index.search(heads))
        judged, start = [], 0
        for article, each in zip(articles, texts, strict=True):
            if each is None:
                judged.append(Judged(article, self._embedder.model_id, np.zeros((0, 0), np.float16), (), ()))
                continue
            end = start + len(each.embedded)
            bag = bag_of(each)
            candidates = sorted({hit.topic_id for hit in next(hits)} | self._words.candidates(bag))
            watches = [self._watches[topic_id] for topic_id in candidates]
            judged.append(compare(article, each, vectors[start:end], watches, bag=bag, model=self._embedder.model_id))
            start = end
        return judged


def compare(
    article: Article,
    texts: ArticleTexts,
    rows: NDArray[np.float16],
    watches: Sequence[Watch],
    *,
    model: str,
    bag: Bag | None = None,
) -> Judged:
    """One article with the topics that are candidates. ``rows``: its unit rows as they are archived, by ``model``."""
    bag = bag or bag_of(texts)
    wide = rows.astype(np.float32)  # from the archived rows, so that a back-test finds the same scores
    terms: Terms | None = None
    scores: list[Score] = []
    matches: list[Match] = []
    for watch in watches:
        weighed = watch.weigh(article, bag, wide)
        if weighed.score < FLOOR:
            continue
        terms = terms or terms_of(texts)
        passage, words = watch.quote(texts, terms, wide)
        scores.append(
            Score(
                topic_id=watch.topic.id,
                topic_version=watch.topic.version,
                score=weighed.score,
                passage=passage.number,
                matched=weighed.matched,
                gate=weighed.gate,
            )
        )
        if weighed.matched:
            evidence = watch.evidence(weighed, wide, model)
            matches.append(
                Match(
                    id=match_id(article.id, watch.topic.id, watch.topic.epoch),
                    topic_id=watch.topic.id,
                    topic_version=watch.topic.version,
                    article=article,
                    score=weighed.score,
                    passage=passage,
                    reasons=watch.reasons(weighed, passage, words, evidence.nearest),
                    evidence=evidence,
                    vector=rows[0].tobytes(),
                )
            )
    scores.sort(key=lambda score: -score.score)
    return Judged(article, model, rows, tuple(scores), tuple(matches), bag)


__all__ = ["Judged", "Matcher", "Score", "Watch", "Weighed", "compare"]
