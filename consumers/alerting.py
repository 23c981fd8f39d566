"""What to tell, to whom and when. Pure: what it decides takes effect where it is recorded.

An alert says that a story breaks, once per story and topic: with the first article that is read *live* while the topic
is enabled. Three cases follow from that one rule.

- What a feed already carried at its first poll is never sent. Its stories are kept, and when one of them goes on, the
  first live article alerts: nobody was told of it before, and "it was published and I was not told" is the complaint
  that costs most. It alerts once, like every story.
- An article that joins a story already told adds a report to it and nothing else.
- While a topic is disabled or removed its matches find their stories silently; a story that still goes on when the
  topic is back was not told yet, and is then.

What a replay brings is never sent either. It may overtake the live match of the same article, which then still tells
the story: a replay takes no alert away.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from consumers.ids import alert_id, delivery_id
from consumers.ledger import Step
from consumers.model import Alert, Match, Story, Topic
from consumers.stories import Joined, Merged, StoryRule, StoryTracker

BEST = 3  # stories named in what was already published

_NONE: Mapping[str, Joined] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An alert that is to go out on one channel, not before ``due``; ``held`` says for what it waits until then."""

    id: str
    alert_id: str
    channel: str
    due: float
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What one batch of matches changed, to be recorded as one. ``stories`` are as they now stand."""

    at: float
    stories: tuple[Story, ...] = ()
    joined: tuple[Joined, ...] = ()
    merged: tuple[Merged, ...] = ()
    alerts: tuple[Alert, ...] = ()
    deliveries: tuple[Due, ...] = ()
    released: tuple[str, ...] = ()  # deliveries that were held and go out now
    steps: tuple[Step, ...] = ()  # for the ledger

    @property
    def topics(self) -> frozenset[str]:
        """Those whose stories or alerts it changed."""
        return frozenset({joined.match.topic_id for joined in self.joined} | {alert.topic_id for alert in self.alerts})

    @property
    def founded(self) -> int:
        """How many of the stories are new."""
        return sum(joined.founded for joined in self.joined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was recorded of the stories of ``topics`` that may still go on."""

    topics: frozenset[str] = frozenset()
    stories: tuple[Story, ...] = ()
    joined: tuple[Joined, ...] = ()  # of these stories, the newest
    alerted: frozenset[str] = frozenset()  # ids of stories that were told


class Alerter:
    """One thread. ``settle`` seconds pass before an alert is due, so that reports of the same minute are in it.

    The caller records every ``Decisions`` before it decides again. Where it gives one up, it restores the topics: what
    was decided and not recorded would otherwise count as told. A topic is on its stream before any match of it, so
    whoever applied the changes of that stream after it read a match knows the topic, or the topic was removed.
    """

    def __init__(self, *, settle: float = 1.0, rule: StoryRule | None = None) -> None:
        self._settle = settle
        self._tracker = StoryTracker(rule)
        self._topics: dict[str, Topic | None] = {}
        self._alerted: dict[str, set[str]] = {}  # stories by topic

    def restore(self, remembered: Remembered) -> None:
        """In place of what it remembers of these topics: before their first decision, and when others decided."""
        forgotten = self._tracker.forget(remembered.topics)
        self._tracker.restore(remembered.stories, remembered.joined, forgotten)
        for topic_id in remembered.topics:
            self._alerted.pop(topic_id, None)
        for story in remembered.stories:
            if story.id in remembered.alerted:
                self._alerted.setdefault(story.topic_id, set()).add(story.id)

    def forget(self, topic_ids: Collection[str]) -> None:
        """What was decided about these topics; they are to be restored before the next decision about them."""
        self._tracker.forget(topic_ids)
        for topic_id in topic_ids:
            self._alerted.pop(topic_id, None)

    def apply_topics(self, changes: Mapping[str, Topic | None]) -> None:
        """``None``: removed."""
        self._topics.update(changes)

    def decide(self, matches: Sequence[Match], now: float, before: Mapping[str, Joined] = _NONE) -> Decisions:
        """A match that was decided on before changes nothing, unless its article is a newer revision.

        ``before``: what was recorded of these matches, by id; their stories may be forgotten by now.
        """
        stories: dict[str, Story] = {}
        joined: list[Joined] = []
        alerts: list[Alert] = []
        for each in before.values():
            self._tracker.know(each.match)
        for match in matches:
            placed = self._tracker.add(match, now)
            if placed is None:
                if (known := before.get(match.id)) and _read_live_since(known.match, match):
                    alerts += self._alert(match, known.story_id, now)
                continue
            story, how = placed.story, placed.joined
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
        told = self._alerted.setdefault(match.topic_id, set())
        topic = self._topics.get(match.topic_id)
        if story_id in told or topic is None or not topic.enabled:
            return ()
        told.add(story_id)
        warm = self._tracker.warm(match.topic_id)
        if len(told) > 2 * len(warm) + 100:
            told &= warm
        alert = Alert(
            id=alert_id(topic.id, story_id, "first", 1),
            topic_id=topic.id,
            story_id=story_id,
            kind="first",
            at=now,
            match_id=match.id,
            channels=tuple(dict.fromkeys(topic.channels)),
        )
        return (alert,)

    def _deliveries(self, alert: Alert) -> Iterator[Due]:
        for channel in alert.channels:
            yield Due(
                id=delivery_id(alert.id, channel), alert_id=alert.id, channel=channel, due=alert.at + self._settle
            )


def _read_live_since(known: Match, match: Match) -> bool:
    """``known`` came from a replay, which overtook the live reading of the same revision."""
    old, new = known.article, match.article
    return old.backfill and not new.backfill and old.revision == new.revision


# -- what was already published


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyPublished:
    """What backfill brought for one topic. ``best``: stories with the most sources, then the newest."""

    topic_id: str
    articles: int
    stories: int
    best: tuple[Story, ...]


@dataclass(slots=True)
class _Collected:
    since: float
    stories: dict[str, Story] = field(default_factory=dict)
    matches: set[str] = field(default_factory=set)


class BackfillSummary:
    """Collects what backfill brought and says it once per topic: when backfill has been quiet, or after a while.

    ``quiet`` and ``longest`` are seconds. One thread.
    """

    def __init__(self, *, quiet: float = 5.0, longest: float = 60.0) -> None:
        self._quiet = quiet
        self._longest = longest
        self._collected: dict[str, _Collected] = {}
        self._said: set[str] = set()
        self._latest = 0.0

    def add(self, decisions: Decisions, now: float) -> None:
        stories = {story.id: story for story in decisions.stories}
        for joined in decisions.joined:
            topic_id = joined.match.topic_id
            if not joined.match.article.backfill or topic_id in self._said:
                continue
            self._latest = now
            collected = self._collected.setdefault(topic_id, _Collected(now))
            collected.stories[joined.story_id] = stories[joined.story_id]
            collected.matches.add(joined.match.id)

    def ready(self, now: float) -> tuple[AlreadyPublished, ...]:
        """Each topic once in this object's life."""
        quiet = now - self._latest >= self._quiet
        ripe = [name for name, each in self._collected.items() if quiet or now - each.since >= self._longest]
        self._said.update(ripe)
        return tuple(_already(name, self._collected.pop(name)) for name in ripe)


def _already(topic_id: str, collected: _Collected) -> AlreadyPublished:
    stories = sorted(
        collected.stories.values(),
        key=lambda story: (-len({report.source for report in story.reports}), -story.latest, story.id),
    )
    return AlreadyPublished(
        topic_id=topic_id, articles=len(collected.matches), stories=len(stories), best=tuple(stories[:BEST])
    )


def lines(summary: AlreadyPublished, topic: str = "") -> list[str]:
    """Plain text for people: one line, then one for each of the best stories. ``topic`` is its query."""
    count = f"{_count(summary.articles, 'article', 'articles')} in {_count(summary.stories, 'story', 'stories')}"
    return [
        _printable(f"{topic or summary.topic_id} · already published: {count}"),
        *(f"  {_printable(_line(story))}" for story in summary.best),
    ]


def _line(story: Story) -> str:
    first = min(story.reports, key=lambda report: report.at)
    more = len({report.source for report in story.reports}) - 1
    when = datetime.fromtimestamp(first.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{story.title} · {first.source} {when}" + (
        f" and {_count(more, 'more source', 'more sources')}" if more else ""
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _printable(text: str) -> str:
    """Article text is hostile: no terminal escapes, no line of its own, no reversed reading direction."""
    return "".join(character if character.isprintable() else " " for character in text)
