"""What happens in a made-up week: events, who reports them and when, and what they say."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from consumers.ids import match_id
from consumers.model import Escalation, Match, Scheduled, Topic
from tests.fake_events import Events

HOUR, DAY = 3600.0, 86_400.0
MONDAY = 1_792_360_800.0  # 2026-10-19 00:00 in Paris; the clocks go back on the Sunday after
PARIS = "Europe/Paris"
MORNING = f"07:00 {PARIS} weekdays"
NIGHT = f"22:00-07:00 {PARIS}"

TOPICS = (
    Topic(id="harbour", query="harbour", channels=("desk", "mail"), digests=(Scheduled(channel="mail", when=MORNING),)),
    Topic(id="port", query="port", channels=("desk",), updates="all"),
    Topic(
        id="fires",
        query="fires",
        channels=("night", "desk"),
        escalate=Escalation(sources=3, within=1800.0, channels=("pager",)),
    ),
    Topic(id="quakes", query="quakes", channels=("desk", "night"), min_sources=2),
    Topic(id="disasters", query="disasters", channels=("desk", "mail"), updates="all", yields_to=("quakes", "fires")),
    Topic(id="floods", query="floods", channels=("desk", "night"), updates="none"),
    Topic(id="alarms", query="alarms", channels=("night",), severity="urgent"),
    Topic(id="letters", query="letters", channels=(), digests=(Scheduled(channel="mail", when=MORNING),)),
)
NARROW = ("quakes", "fires")  # what they report is of the broad topic, too


@dataclass(frozen=True, order=True)
class Batch:
    """Matches that are read together."""

    at: float
    number: int
    matches: tuple[Match, ...]


class News:
    """``batches`` are of one week, in the order of time; the same seed brings the same ones."""

    def __init__(self, rng: random.Random, begin: float, *, events: int, days: float = 6.5) -> None:
        self._rng = rng
        self._begin = begin
        self._days = days
        self._events = {topic.id: Events(topic.id) for topic in TOPICS}
        self.batches = tuple(
            sorted(Batch(at, number, tuple(found)) for number, (at, found) in enumerate(self._all(events)))
        )

    def _all(self, events: int) -> Iterator[tuple[float, Sequence[Match]]]:
        for topic in TOPICS:
            for number in range(events):
                at = self._begin + self._rng.random() * self._days * DAY
                kind = self._rng.random()
                reports = self._twins(topic.id, number, at) if kind < 0.25 else self._event(topic.id, number, at)
                for match in reports:
                    yield match.article.seen, [match, *self._broad(match)]
        for number in range(2):
            yield from self._flood(number)
        yield from self._alarm()

    def _broad(self, match: Match) -> Iterator[Match]:
        if match.topic_id in NARROW:
            name = match_id(match.article.id, "disasters", 1)
            yield replace(match, id=name, topic_id="disasters")

    def _event(self, topic: str, number: int, at: float) -> Iterator[Match]:
        """A first report and what follows: copies, other texts, rising tolls, repeats, edits."""
        events, name, rng = self._events[topic], f"{topic}case{number}", self._rng
        toll = rng.choice([None, rng.randint(2, 9)])
        last = events.report(name, source(rng), at=at, number=0, toll=toll, reworded=True)
        yield last
        for follow in range(1, rng.randint(1, 9)):
            at += rng.choice([20.0, 300.0, 1200.0, 2 * HOUR, 9 * HOUR]) * (0.5 + rng.random())
            if toll is not None and rng.random() < 0.5:
                toll += rng.randint(1, 30)
            if rng.random() < 0.2:
                edited = events.edited(last, toll=toll)
                last = replace(edited, article=replace(edited.article, seen=at))
            else:
                last = events.report(name, source(rng), at=at, number=follow, toll=toll, reworded=rng.random() < 0.6)
            yield last

    def _twins(self, topic: str, number: int, at: float) -> Iterator[Match]:
        """Two events that turn out to be one when both were told."""
        events, rng = self._events[topic], self._rng
        one, other = f"{topic}left{number}", f"{topic}right{number}"
        for nth in range(2):
            for name in (one, other):
                at += 60 + rng.random() * HOUR
                yield events.report(name, source(rng), at=at, number=nth, toll=3 if nth else None, reworded=True)
        for nth in range(2, 2 + rng.randint(1, 5)):
            at += 60 + rng.random() * HOUR
            name = source(rng)
            yield mixed(
                *(events.report(each, name, at=at, number=nth, toll=3 + nth, reworded=True) for each in (one, other))
            )

    def _alarm(self) -> Iterator[tuple[float, Sequence[Match]]]:
        """Three sources within minutes."""
        at = self._begin + self._rng.random() * self._days * DAY
        for nth, name in enumerate(("a.example", "c.example", "e.example")):
            at += 30 + 200 * self._rng.random()
            yield at, [self._events["fires"].report("alarm", name, at=at, toll=3, number=nth, reworded=True)]

    def _flood(self, number: int) -> Iterator[tuple[float, Sequence[Match]]]:
        """More stories within seconds than a channel can show one by one."""
        at = self._begin + self._rng.random() * self._days * DAY
        events = self._events["port"]
        for nth in range(4):
            flood = [f"flood{number}x{nth}x{which}" for which in range(5)]
            yield at, [events.report(each, source(self._rng), at=at, toll=nth + 2, reworded=True) for each in flood]
            at += self._rng.random()


def source(rng: random.Random) -> str:
    return f"{rng.choice('abcdefgh')}.example"


def mixed(one: Match, other: Match) -> Match:
    """An article of both events, with the first one's id."""
    vectors = [np.frombuffer(each.vector, "<f2").astype(float) for each in (one, other)]
    vector = sum(vectors) / np.linalg.norm(sum(vectors))
    title = f"{one.article.title} {other.article.title}"
    article = replace(one.article, title=title, text=f"{one.article.text}\n\n{other.article.text}")
    return replace(one, article=article, vector=vector.astype("<f2").tobytes())
