"""Matches of made-up events, without a model: articles of one event share a direction and words, others do not."""

from dataclasses import replace

import numpy as np

from consumers.ids import article_id, match_id
from consumers.model import Article, Match, Passage

SIZE = 64
DAY = 86_400.0
START = 1_790_000_000.0


class Events:
    """``report("fire", "a.example")`` is a match of topic ``topic`` about the fire, read by ``a.example``.

    Every article is about the topic a little, about its event a lot, and a little about nothing at all.
    """

    def __init__(self, topic: str = "harbour", *, noise: float = 0.25) -> None:
        self.topic = topic
        self._noise = noise
        self._names: dict[str, int] = {}

    def report(
        self,
        event: str,
        source: str = "wire.example",
        *,
        at: float = START,
        text: str = "",
        backfill: bool = False,
        revision: int = 1,
        number: int = 0,
    ) -> Match:
        article = Article(
            id=article_id(source, f"{event}/{number}"),
            revision=revision,
            feed_id=source,
            source=source,
            url=f"https://{source}/{event}/{number}",
            title=f"{self.topic} {event} {event}ology: {source} version {number}",
            text=text or self._text(event, source, number),
            published=at,
            seen=at,
            backfill=backfill,
        )
        return Match(
            id=match_id(article.id, self.topic, 1),
            topic_id=self.topic,
            topic_version=1,
            article=article,
            score=0.7,
            passage=Passage(text=f"The {event} was seen.", number=1, of=3),
            reasons=("words harbour",),
            vector=self._vector(event, f"{source}/{number}"),
        )

    def edited(self, match: Match, *, title: str) -> Match:
        revised = replace(match.article, revision=match.article.revision + 1, title=title)
        return replace(match, article=revised)

    def _text(self, event: str, source: str, number: int) -> str:
        own = [f"{source.split('.')[0]}{number}word{place}" for place in range(12)]
        return f"{self.topic} {' '.join(f'{event}{place}' for place in range(20))} {' '.join(own)}."

    def _vector(self, event: str, article: str) -> bytes:
        rng = np.random.default_rng(abs(hash_of(article)))
        direction = np.zeros(SIZE)
        direction[0] = 0.5
        direction[1 + self._names.setdefault(event, len(self._names)) % (SIZE - 1)] = 1.0
        noise = rng.normal(size=SIZE)
        vector = direction + self._noise * noise / np.linalg.norm(noise)
        return (vector / np.linalg.norm(vector)).astype("<f2").tobytes()


def hash_of(text: str) -> int:
    """The same in every process, unlike ``hash``."""
    return int.from_bytes(text.encode()[-16:].rjust(16, b"\0"), "big") + len(text)
