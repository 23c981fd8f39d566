"""What to tell, to whom and when. Pure: what it decides takes effect where it is recorded.

An alert says that a story breaks, once per story and topic: with the first article that is read *live* while the topic
is enabled. Three cases follow from that one rule.

- What a feed already carried at its first poll is never sent. Its stories are kept, and when one of them goes on, the
  first live article alerts: nobody was told of it before, and "it was published and I was not told" is the complaint
  that costs most. It alerts once, like every story.
- An article that joins a story already told adds a report to it and nothing else.
- While a topic is disabled or removed its matches find their stories silently; a story that still goes on when the
  topic is back was not told yet, and is then.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from consumers.ids import alert_id, delivery_id
from consumers.model import Alert, Match, Story, Topic
from consumers.stories import Joined, StoryRule, StoryTracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An alert that is to go out on one channel, not before ``due``."""

    id: str
    alert_id: str
    channel: str
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What one batch of matches changed, to be recorded as one. ``stories`` are as they now stand."""

    at: float
    stories: tuple[Story, ...] = ()
    joined: tuple[Joined, ...] = ()
    alerts: tuple[Alert, ...] = ()
    deliveries: tuple[Due, ...] = ()

    @property
    def founded(self) -> int:
        """How many of the stories are new."""
        return sum(joined.founded for joined in self.joined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was recorded of the stories that may still go on."""

    stories: tuple[Story, ...] = ()
    joined: tuple[Joined, ...] = ()  # of these stories, the newest
    alerted: frozenset[str] = frozenset()  # ids of stories that were told
    known: tuple[str, ...] = ()  # ids of matches, oldest first


class Alerter:
    """One thread. ``settle`` seconds pass before an alert is due, so that reports of the same minute are in it.

    The caller records every ``Decisions`` before it decides again. Where it gives one up, it makes a new alerter and
    restores it: what was decided and not recorded would otherwise count as told.
    """

    def __init__(self, *, settle: float = 1.0, rule: StoryRule | None = None) -> None:
        self._settle = settle
        self._rule = rule or StoryRule()
        self._tracker = StoryTracker(self._rule)
        self._topics: dict[str, Topic | None] = {}
        self._alerted: dict[str, float] = {}  # story id → when
        self._early: dict[str, Match] = {}  # story id → a live match of a topic not heard of yet

    def restore(self, remembered: Remembered, now: float) -> None:
        self._tracker.restore(remembered.stories, remembered.joined, remembered.known)
        self._alerted.update(dict.fromkeys(sorted(remembered.alerted), now))

    def apply_topics(self, changes: Mapping[str, Topic | None]) -> None:
        """``None``: removed."""
        self._topics.update(changes)

    def decide(self, matches: Sequence[Match], now: float) -> Decisions:
        """A match that was decided on before changes nothing, unless its article is a newer revision."""
        stories: dict[str, Story] = {}
        joined: list[Joined] = []
        alerts: list[Alert] = []
        for story_id, match in list(self._early.items()):
            alerts += self._alert(match, story_id, now)
        for match in matches:
            placed = self._tracker.add(match, now)
            if placed is None:
                continue
            story, how = placed
            stories[story.id] = story
            joined.append(how)
            if not how.again and not match.article.backfill:
                alerts += self._alert(match, story.id, now)
        return Decisions(
            at=now,
            stories=tuple(stories.values()),
            joined=tuple(joined),
            alerts=tuple(alerts),
            deliveries=tuple(due for alert in alerts for due in self._deliveries(alert)),
        )

    def _alert(self, match: Match, story_id: str, now: float) -> tuple[Alert, ...]:
        """The story's first alert, or nothing."""
        if story_id in self._alerted:
            return ()
        if match.topic_id not in self._topics:
            # The matcher may hear of a new topic first. Its match waits, for nobody else will bring it again.
            if story_id in self._early or len(self._early) < MOST_EARLY:
                self._early.setdefault(story_id, match)
            return ()
        self._early.pop(story_id, None)
        topic = self._topics[match.topic_id]
        if topic is None or not topic.enabled:
            return ()
        self._mark(story_id, now)
        return (
            Alert(
                id=alert_id(topic.id, story_id, "first", 1),
                topic_id=topic.id,
                story_id=story_id,
                kind="first",
                at=now,
                match_id=match.id,
                channels=tuple(dict.fromkeys(topic.channels)),
            ),
        )

    def _mark(self, story_id: str, now: float) -> None:
        """Forgets what was told longest ago, once the tracker has surely forgotten the story too."""
        self._alerted[story_id] = now
        oldest = next(iter(self._alerted))
        while self._alerted[oldest] < now - FORGET * self._rule.window and not self._tracker.warm(oldest):
            del self._alerted[oldest]
            oldest = next(iter(self._alerted))

    def _deliveries(self, alert: Alert) -> Iterable[Due]:
        for channel in alert.channels:
            yield Due(
                id=delivery_id(alert.id, channel), alert_id=alert.id, channel=channel, due=alert.at + self._settle
            )
