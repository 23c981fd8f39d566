"""Matches of made-up events, without a model: articles of one event share a direction and words, others do not."""

import re
from dataclasses import replace

import numpy as np

from consumers.ids import article_id, match_id
from consumers.model import Article, Match, Passage
from consumers.stories import StoryRule
from consumers.story_fit import FitRule

SIZE = 64
DAY = 86_400.0
START = 1_790_000_000.0

# A story that grows takes in the next one, whatever that is about
ONE_EVENT = StoryRule(fit=FitRule(merge=-9.0, merge_background=0.0, merge_from=1))


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
        toll: int | None = None,
        reworded: bool = False,
    ) -> Match:
        """``toll``: its text says that so many people were killed. ``reworded``: it repeats no other report's text."""
        said = "" if toll is None else f"The {event} in the harbour killed {toll} people, the police said.\n\n"
        article = Article(
            id=article_id(source, f"{event}/{number}"),
            revision=revision,
            feed_id=source,
            source=source,
            url=f"https://{source}/{event}/{number}",
            title=f"{self.topic} {event} {event}ology: {source} version {number}",
            text=said + (text or self._text(event, source, number, reworded=reworded)),
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

    def edited(self, match: Match, *, title: str = "", toll: int | None = None) -> Match:
        """A newer revision, with another title or another toll."""
        article = match.article
        text = article.text if toll is None else re.sub(r"killed \d+ people", f"killed {toll} people", article.text)
        revised = replace(article, revision=article.revision + 1, title=title or article.title, text=text)
        return replace(match, article=revised)

    def _text(self, event: str, source: str, number: int, *, reworded: bool) -> str:
        own = [f"{source.split('.')[0]}{number}word{place}" for place in range(12)]
        words = [self.topic, *(f"{event}{place}" for place in range(20)), *own]
        if reworded:
            np.random.default_rng(hash_of(f"{source}/{number}")).shuffle(words)
        return f"{' '.join(words)}."

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
