"""Matches that nobody reported, for the benchmarks: stories that go on, with copies, follow-ups and new numbers."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.invented import SYLLABLES, TOWNS, WORDS, surname
from consumers.ids import article_id, match_id
from consumers.model import Article, Match, Passage

SIZE = 384  # of a vector
OPEN = 40  # stories of a topic that are still reported on
SOURCES = 150
FURNITURE = "Advertisement\n\nSign up for our newsletter and never miss what matters\n\n"

# Of a hundred matches so many are a copy of a report, a report of its own, a newer version; the others begin a story.
COPY, FOLLOW_UP, NEWER = 20, 45, 5

SAYINGS = (
    "{name}, who led the {w} {of} the {w}, said that the {w} {of} {town} had been {w}.",
    "The {w} and the {w} were {w} on Tuesday, and nobody could say when the {w} would {w}.",
    "There was a {w} {of} the {w}, but it was not the {w} that people had {w} there before.",
    "“We did not think that a {w} would {w} the {w},” said {name}, a {w} {of} {town}.",
    "A {w} {of} the {w} would not say if the {w} had {w} or what that is to the {w}.",
    "The {w} {of} {town} is a {w} and {w} some {n} million euros a year to the {w}.",
    "In the {w} {name} and the {w} had {w} with a {w} {of} the {w} for as long as it was {w}.",
    "They have {w} the {w} that was {w} by a {w} {of} {town}, according to the {w}.",
)
OF = ("of", "in", "for", "near", "from", "at")
STATED = (
    "At least {n} people were killed and {m} were injured, the police said.",
    "More than {m} families left their homes, {name} said, and damage was put at {n} million euros.",
    "The police arrested {n} men in {town} and asked {m} others to come forward.",
)


@dataclass(slots=True)
class _Event:
    direction: NDArray[np.float64]
    words: Sequence[str]
    people: Sequence[str]
    town: str
    toll: int
    reports: list[Match]


class Newsroom:
    """Matches of one topic, without an end. The same seed gives the same ones."""

    def __init__(self, topic_id: str, seed: int = 1) -> None:
        self._topic_id = topic_id
        self._rng = random.Random(f"{topic_id} {seed}")
        self._noise = np.random.default_rng(self._rng.randrange(1 << 32))
        self._vocabulary = _vocabulary()
        self._about = _unit(self._noise.normal(size=SIZE))
        self._open: list[_Event] = []
        self._number = 0

    def next(self, at: float) -> Match:
        """What was published and read at that time, in seconds since the epoch."""
        kind = self._rng.randrange(100)
        self._number += 1
        if not self._open or kind >= COPY + FOLLOW_UP + NEWER:
            return self._first(at)
        event = self._open[min(int(self._rng.expovariate(0.15)), len(self._open) - 1)]  # the newest most of all
        if kind < COPY:
            return self._copy(event, at)
        return self._follow_up(event, at) if kind < COPY + FOLLOW_UP else self._newer(event, at)

    def _first(self, at: float) -> Match:
        rng = self._rng
        direction = 0.45 * self._about + _unit(self._noise.normal(size=SIZE))
        own = [self._word() for _ in range(25)]
        people = [f"{surname(rng)} {surname(rng)}" for _ in range(4)]
        event = _Event(direction, own, people, rng.choice(TOWNS), rng.randint(2, 40), [])
        self._open = [event, *self._open[: OPEN - 1]]
        return self._report(event, at)

    def _follow_up(self, event: _Event, at: float) -> Match:
        event.toll += self._rng.choice((0, 0, 0, 1, 4))
        return self._report(event, at)

    def _copy(self, event: _Event, at: float) -> Match:
        """The same text on another page, with other furniture around it."""
        original = self._rng.choice(event.reports)
        article = self._page(original.article.title, FURNITURE + original.article.text, at)
        return self._match(article, original.vector, original.title_vector)

    def _newer(self, event: _Event, at: float) -> Match:
        at_place = self._rng.randrange(len(event.reports))
        old = event.reports[at_place]
        event.toll += 1
        text = f"{self._stated(event)}\n\n{old.article.text}"
        article = replace(old.article, revision=old.article.revision + 1, seen=at, text=text)
        event.reports[at_place] = replace(old, article=article)
        return event.reports[at_place]

    def _report(self, event: _Event, at: float) -> Match:
        rng = self._rng
        title = f"{rng.choice(event.words)} {rng.choice(event.words)} in {event.town}: {rng.choice(event.words)}"
        title = f"{title} {rng.choice(WORDS)} {rng.choice(WORDS)}".capitalize()
        paragraphs, left = [self._stated(event)], rng.randint(400, 700)
        while left > 0:
            sentences = [self._sentence(event) for _ in range(rng.randint(1, 4))]
            paragraphs.append(" ".join(sentences))
            left -= len(paragraphs[-1].split())
        article = self._page(title, "\n\n".join(paragraphs), at)
        match = self._match(article, self._vector(event, 0.5), self._vector(event, 0.8))
        event.reports = [*event.reports[-11:], match]
        return match

    def _page(self, title: str, text: str, at: float) -> Article:
        source = f"source-{self._rng.randrange(SOURCES)}.example"
        name = f"{self._topic_id}/{self._number}"
        url = f"https://{source}/{name}"
        return Article(
            id=article_id(source, name),
            feed_id=source,
            source=source,
            url=url,
            title=title,
            text=text,
            published=at,
            seen=at,
            lang="en",
        )

    def _match(self, article: Article, vector: bytes, title_vector: bytes) -> Match:
        return Match(
            id=match_id(article.id, self._topic_id, 1),
            topic_id=self._topic_id,
            topic_version=1,
            article=article,
            score=0.8,
            passage=Passage(text=article.text[:400], number=1, of=6, marks=((4, 12),)),
            reasons=("an event of the kind asked for", "words: bridge, ferry"),
            vector=vector,
            title_vector=title_vector,
        )

    def _vector(self, event: _Event, noise: float) -> bytes:
        row = event.direction + noise * _unit(self._noise.normal(size=SIZE))
        return _unit(row).astype("<f2").tobytes()

    def _stated(self, event: _Event) -> str:
        return self._rng.choice(STATED).format(
            n=event.toll, m=event.toll * 3 + 1, name=self._rng.choice(event.people), town=event.town
        )

    def _sentence(self, event: _Event) -> str:
        told = self._rng.choice(SAYINGS)
        while "{w}" in told:
            word = self._rng.choice(event.words) if self._rng.random() < 0.3 else self._word()
            told = told.replace("{w}", word, 1)
        return told.format(
            n=self._rng.randint(2, 90), name=self._rng.choice(event.people), town=event.town, of=self._rng.choice(OF)
        )

    def _word(self) -> str:
        """Few are said often, most seldom."""
        return self._vocabulary[int(len(self._vocabulary) ** self._rng.random()) - 1]


def _vocabulary() -> Sequence[str]:
    rng = random.Random(3)
    return [*WORDS, *("".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(8_000))]


def _unit(row: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = row / np.linalg.norm(row)
    return unit
