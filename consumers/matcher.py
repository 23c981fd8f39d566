"""Articles into matches.

article ─▶ texts ─▶ rows, bag ─▶ TopicIndex, WordIndex ─▶ candidates ─▶ weigh ─▶ scores, matches
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from consumers.asked import Asked, asked_of, wording
from consumers.bag import Bag, bag_of
from consumers.calibration import searched
from consumers.embedding import Embedder
from consumers.ids import match_id
from consumers.model import Article, Calibration, Match, Passage, Topic
from consumers.passages import ArticleTexts, texts_of
from consumers.rerank import REASON, Candidate, Reranked
from consumers.scoring import FLOOR, LINE, terms_of
from consumers.topic_index import TopicIndex
from consumers.watch import Watch, Weighed
from consumers.word_index import WordIndex
from consumers.words import Terms

Rerank = Callable[[Sequence[Candidate]], list[Reranked]]


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

    def __init__(self, embedder: Embedder, rerank: Rerank | None = None) -> None:
        """``rerank`` takes a second look at what is near the line, a batch at a time."""
        self._embedder = embedder
        self._rerank = rerank
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
        """By topic id. Those of another model are ignored; those of a version that is not in force wait for it."""
        mine = {
            topic_id: each
            for topic_id, each in changes.items()
            if each is None or each.model == self._embedder.model_id
        }
        for topic_id, calibration in mine.items():
            if calibration is None:
                self._calibrations.pop(topic_id, None)
            else:
                self._calibrations[topic_id] = calibration
        self._put(
            {
                topic_id: watch.calibrated(calibration)
                for topic_id, calibration in mine.items()
                if (watch := self._watches.get(topic_id))
                and (calibration is None or calibration.topic_version == watch.topic.version)
            }
        )

    def _calibration(self, topic: Topic) -> Calibration | None:
        """An edit that leaves the wording alone goes on with the last one until its own comes."""
        found = self._calibrations.get(topic.id)
        if found is None or found.topic_version == topic.version:
            return found
        # Only of the one in force it is known that its words are these: an older one may be of other words.
        known = self._watches.get(topic.id)
        if known is None or wording(known.topic) != wording(topic):
            return None
        return known.calibration if known.calibration.model else None

    def _asked(self, topics: Sequence[Topic]) -> Iterator[Asked]:
        known = {
            topic.id: watch.asked
            for topic in topics
            if (watch := self._watches.get(topic.id)) and _alike(watch.topic, topic)
        }
        yield from asked_of([topic for topic in topics if topic.id not in known], self._embedder)
        for topic in topics:
            if topic.id in known:
                yield replace(known[topic.id], topic=topic)

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
        looks: list[_Look] = []
        start = 0
        for article, each in zip(articles, texts, strict=True):
            if each is None:
                looks.append(_Look(article, None, np.zeros((0, 0), np.float16), None, ()))
                continue
            end = start + len(each.embedded)
            bag = bag_of(each)
            near = {hit.topic_id for hit in next(hits) if self._watches[hit.topic_id].may_reach(hit.cosine, bag)}
            watches = [self._watches[topic_id] for topic_id in sorted(near | self._words.candidates(bag))]
            looks.append(_look(article, each, vectors[start:end], watches, bag))
            start = end
        if self._rerank is not None:
            looks = _looked_again(looks, self._rerank)
        return [_judged(look, self._embedder.model_id) for look in looks]


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
    return _judged(_look(article, texts, rows, watches, bag or bag_of(texts)), model)


def _alike(known: Topic, topic: Topic) -> bool:
    """Whether they are asked alike: their rows are made of the same texts, and of the same gates."""
    return known.kind == topic.kind and wording(known) == wording(topic)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one topic sees in an article: what it weighs, what to quote of it, and the words that carried it."""

    watch: Watch
    weighed: Weighed
    passage: Passage
    words: tuple[str, ...]
    again: bool = False  # a second look moved the score


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    article: Article
    texts: ArticleTexts | None
    rows: NDArray[np.float16]
    bag: Bag | None
    seen: tuple[_Seen, ...]


def _look(
    article: Article, texts: ArticleTexts, rows: NDArray[np.float16], watches: Sequence[Watch], bag: Bag
) -> _Look:
    wide = rows.astype(np.float32)  # from the archived rows, so that a back-test finds the same scores
    terms: Terms | None = None
    seen: list[_Seen] = []
    for watch in watches:
        weighed = watch.weigh(article, bag, wide)
        if weighed.score < FLOOR:
            continue
        terms = terms or terms_of(texts)
        seen.append(_Seen(watch, weighed, *watch.quote(texts, terms, wide)))
    return _Look(article, texts, rows, bag, tuple(seen))


def _looked_again(looks: Sequence[_Look], rerank: Rerank) -> list[_Look]:
    """Only where every gate was passed: a gate is its user's word."""
    asked = [(look, each) for look in looks for each in look.seen if not each.weighed.gate]
    found = rerank(
        [
            Candidate(
                key=f"{look.article.id} {each.watch.topic.id}",
                query=each.watch.topic.query,
                passage=f"{look.article.title}. {each.passage.text}",
                score=each.weighed.score,
            )
            for look, each in asked
        ]
    )
    moved = {
        (look.article.id, each.watch.topic.id): replace(
            each,
            weighed=replace(each.weighed, score=new.score, matched=new.score >= LINE),
            again=True,
        )
        for (look, each), new in zip(asked, found, strict=True)
        if new.shift is not None
    }
    return [
        replace(look, seen=tuple(moved.get((look.article.id, each.watch.topic.id), each) for each in look.seen))
        for look in looks
    ]


def _judged(look: _Look, model: str) -> Judged:
    scores = sorted((_score(each) for each in look.seen), key=lambda score: -score.score)
    matches = tuple(_match(look, each, model) for each in look.seen if each.weighed.matched)
    return Judged(look.article, model, look.rows, tuple(scores), matches, look.bag)


def _score(seen: _Seen) -> Score:
    return Score(
        topic_id=seen.watch.topic.id,
        topic_version=seen.watch.topic.version,
        score=seen.weighed.score,
        passage=seen.passage.number,
        matched=seen.weighed.matched,
        gate=seen.weighed.gate,
    )


def _match(look: _Look, seen: _Seen, model: str) -> Match:
    topic = seen.watch.topic
    evidence = seen.watch.evidence(seen.weighed, look.rows.astype(np.float32), model)
    reasons = seen.watch.reasons(seen.weighed, seen.passage, seen.words, evidence.nearest)
    return Match(
        id=match_id(look.article.id, topic.id, topic.epoch),
        topic_id=topic.id,
        topic_version=topic.version,
        article=look.article,
        score=seen.weighed.score,
        passage=seen.passage,
        reasons=(*reasons, REASON) if seen.again else reasons,
        evidence=evidence,
        vector=look.rows[0].tobytes(),
        title_vector=look.rows[1].tobytes(),
    )
