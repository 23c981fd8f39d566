"""What a first poll would have alerted, in a few lines, once per topic."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from consumers.alerting import Decisions
from consumers.model import Story

BEST = 3  # stories named in what was already published


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
        for merged in decisions.merged:
            if of_topic := self._collected.get(merged.absorbed.topic_id):
                of_topic.stories.pop(merged.absorbed.id, None)

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
