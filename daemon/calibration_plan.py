"""Which topics are calibrated next, by one model, and why. Pure: no clock, no store.

a version without a calibration, or with examples that could be read since ──▶ waiting, the newest edit first
one whose archive has grown, or that is a day old ──▶ due, the oldest first, when nobody waits
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from consumers.model import Calibration, Topic
from daemon.store.calibrations import Why

GROWN = 1.1  # times the articles of the last time
AND_BY = 200  # articles
DAY = 86_400.0  # seconds; a calibration is not older


def has_grown(before: int, now: int) -> bool:
    """Whether an archive of so many articles is worth to be drawn from anew."""
    return now >= before * GROWN and now - before >= AND_BY


@dataclass(slots=True)
class _Drawn:
    version: int
    at: float
    articles: int
    samples: int


@dataclass(slots=True, eq=False)
class Plan:
    """Of one model. Topics and calibrations are told in any order."""

    _topics: dict[str, Topic] = field(default_factory=dict)  # enabled
    _drawn: dict[str, _Drawn] = field(default_factory=dict)
    _waiting: dict[str, None] = field(default_factory=dict)  # the newest edit last
    _due: deque[str] = field(default_factory=deque)
    _again: set[str] = field(default_factory=set)  # waiting although their version has one
    _unread: dict[str, None] = field(default_factory=dict)  # with examples that were not there the last time
    _early: set[str] = field(default_factory=set)  # those that waited for the archive
    _oldest: float | None = None
    _changed: bool = False  # since that was looked up: it takes 20 ms of 100,000 topics

    @property
    def waiting(self) -> int:
        """Topics in force without a calibration of their version."""
        return len(self._waiting)

    @property
    def is_done(self) -> bool:
        return not self._waiting and not self._due

    @property
    def oldest(self) -> float | None:
        """When the oldest calibration in force was made; None where there is none."""
        if self._changed:
            self._oldest = min((self._drawn[key].at for key in self._topics if key in self._drawn), default=None)
            self._changed = False
        return self._oldest

    def put_topics(self, changes: Mapping[str, Topic | None]) -> None:
        """None: removed. A disabled topic is compared with nothing and needs no calibration."""
        for topic_id, topic in changes.items():
            self._waiting.pop(topic_id, None)
            if topic is None or not topic.enabled:
                self._topics.pop(topic_id, None)
            else:
                self._topics[topic_id] = topic
            self._judge(topic_id)

    def put_calibration(self, topic_id: str, made: Calibration | None) -> None:
        """As the stream has it, whoever made it."""
        if made is None:
            self._drawn.pop(topic_id, None)
        elif (known := self._drawn.get(topic_id)) is None or (known.version, known.at) != (made.topic_version, made.at):
            self._drawn[topic_id] = _Drawn(made.topic_version, made.at, made.articles, len(made.samples))
        self._judge(topic_id)

    def unread(self, limit: int) -> list[tuple[Topic, int]]:
        """Some of the topics with examples that could not be read, others each time; how many of each could be."""
        some = list(islice(self._unread, limit))
        for topic_id in some:
            self._unread[topic_id] = self._unread.pop(topic_id)
        return [(self._topics[topic_id], self._drawn[topic_id].samples) for topic_id in some]

    def again(self, topic_id: str) -> None:
        """More of its examples can be read now."""
        if topic_id in self._topics:
            self._again.add(topic_id)
            self._judge(topic_id)

    def look(self, articles: int, now: float) -> None:
        """The archive was read anew and has so many articles: who is due is asked again."""
        found = [
            (drawn.at, topic_id)
            for topic_id in self._topics
            if (drawn := self._drawn.get(topic_id)) and (has_grown(drawn.articles, articles) or now - drawn.at >= DAY)
        ]
        self._due = deque(topic_id for _, topic_id in sorted(found))

    def next_waiting(self, limit: int) -> list[Topic]:
        """They go on waiting until they are done."""
        if not self._drawn:
            self._early.update(self._waiting)
        return [self._topics[topic_id] for topic_id in islice(reversed(self._waiting), limit)]

    def next_due(self, limit: int) -> list[Topic]:
        """They stay due until they are done."""
        while self._due and (self._due[0] not in self._topics or self._due[0] in self._waiting):
            self._due.popleft()
        some = islice(self._due, limit)
        return [self._topics[key] for key in some if key in self._topics and key not in self._waiting]

    def done(self, made: Calibration, *, articles: int, samples: int) -> None:
        """It was published, drawn from so many articles and so many samples."""
        topic_id = made.topic_id
        self._drawn[topic_id] = _Drawn(made.topic_version, made.at, articles, samples)
        self._early.discard(topic_id)
        self._again.discard(topic_id)
        if topic_id in self._due:
            self._due.remove(topic_id)
        self._waiting.pop(topic_id, None)
        self._judge(topic_id)

    def why(self, before: Calibration | None, made: Calibration, *, other_model: bool) -> Why:
        """``before`` is the last one by this model; ``other_model``: another one has calibrated the topic."""
        if before is None and made.topic_id in self._early and not other_model:
            return "first archive"
        return why_of(before, made, other_model=other_model)

    def _judge(self, topic_id: str) -> None:
        self._changed = True
        topic, drawn = self._topics.get(topic_id), self._drawn.get(topic_id)
        served = drawn is not None and topic is not None and drawn.version == topic.version
        if topic is None or (served and topic_id not in self._again):
            self._again.discard(topic_id)
            self._waiting.pop(topic_id, None)
        elif topic_id not in self._waiting:
            self._waiting[topic_id] = None
        if topic is not None and drawn is not None and drawn.samples < len({*topic.examples, *topic.counter_examples}):
            self._unread.setdefault(topic_id)
        else:
            self._unread.pop(topic_id, None)


def why_of(before: Calibration | None, made: Calibration, *, other_model: bool) -> Why:
    """What a person is told of a new calibration."""
    if before is None:
        return "new model" if other_model else "new version"
    if before.topic_version != made.topic_version:
        return "new version"
    if [(each.ref, each.relevant) for each in before.samples] != [(each.ref, each.relevant) for each in made.samples]:
        return "examples"
    return "drift"
