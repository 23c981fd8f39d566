"""Matches into stories: which articles of one topic report the same event. One pass, in the order of arrival.

How alike two articles are is a sum over three kinds of evidence: the cosine of their whole-article vectors, and the
overlap of their words and of their titles' words, each word weighing its rarity *within the topic* (every article about
Syria says "Syria"). How well an article fits a story is the mean over the members most alike, less a decay with the
time between them, less a share of how well it fits the runners-up: an article that resembles every story a little
belongs to none. The constants were measured with benchmarks/grouping.py.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from consumers.copies import is_copy
from consumers.ids import story_id
from consumers.model import Match, Report, Story
from consumers.story_members import Member, Rows, headline, member_of

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRule:
    """The constants of grouping, and how much is kept in memory.

    ``usual`` and ``line`` go together. A topic begins without runners-up, and there the line is ``line + background *
    usual`` = 0.444: reports of one event by different desks fitted with 0.48 and more, also when cut to 60 words;
    other events of the same war, on the same day, with 0.43 at most. A story hidden behind another one is worse than
    a second alert, so the line is higher than B³ alone would have it.
    """

    vector: float = 0.60
    words: float = 0.30
    title: float = 0.10
    strangers: float = 0.12  # less, where both name somebody or some place and share no name
    nearest: int = 2  # members of a story that an article is compared with
    background: float = 0.4
    runners_up: int = 2
    usual: float = 0.35  # a runner-up's fit, where there are not yet as many
    decay: float = 0.06
    decay_days: float = 0.7
    most_decay: float = 0.15
    line: float = 0.304
    window: float = 7 * DAY  # without a new report a story is forgotten
    members: int = 12  # of a story that are compared with, the newest; about 5 kB each
    per_topic: int = 1_000  # members of a topic; the stories that were quiet longest go first
    reports: int = 200  # listed in a story
    known: int = 1_000  # newest ids of a topic's matches: one that comes again after its story is forgotten is no news


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A match and the story it belongs to, since ``at``.

    ``founded``: it began the story. ``again``: a newer revision of a match that the story already had. Neither: a
    report more, or the live reading of an article that a replay had brought before.
    """

    match: Match
    story_id: str
    at: float
    founded: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Two stories turned out to be one: ``absorbed`` is now part of ``into``, with its matches and its alerts."""

    absorbed: Story  # with ``merged_into`` set
    into: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a match belongs: its story as it now stands, how it joined, and the stories that it made one."""

    story: Story
    joined: Joined
    merged: tuple[Merged, ...] = ()  # each ``into`` is ``story``


NEAR_ROWS = 48  # the members most alike by vector; the stories they belong to are compared in full,
NEAR_STORIES = 8  # up to so many
SMOOTHING = 10  # articles without the word, so that rarity means something while a topic is young
LEAST_RARITY = 0.05

_NOBODY: Mapping[str, Member] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class _Warm:
    """A story that may still be joined, and the members it is compared by, oldest first."""

    story: Story
    members: list[Member] = field(default_factory=list)


class StoryTracker:
    """Stories of many topics. One thread. The same matches in the same order give the same stories.

    Bounded: see ``StoryRule``.
    """

    def __init__(self, rule: StoryRule | None = None) -> None:
        self._rule = rule or StoryRule()
        self._topics: dict[str, _TopicStories] = {}
        self._next_sweep = -math.inf

    def restore(
        self, stories: Iterable[Story], joined: Iterable[Joined], forgotten: Mapping[str, Member] = _NOBODY
    ) -> None:
        """What was recorded of topics that nothing is remembered of: stories, and their newest matches.

        ``forgotten``: what ``forget`` returned for these topics; it saves reading the same texts again.
        """
        kept = {story.id: story for story in stories}
        members: dict[str, list[Member]] = {}
        for each in joined:
            self.know(each.match)
            if each.story_id in kept:
                members.setdefault(each.story_id, []).append(
                    member_of(each.match, each.at, forgotten.get(each.match.id))
                )
        for of_story in members.values():
            of_story.sort(key=lambda member: member.order)
        for name in sorted(members, key=lambda name: members[name][-1].order):
            self._topic(kept[name].topic_id).restore(kept[name], members[name])

    def know(self, match: Match) -> None:
        """It was recorded. Where its story is forgotten it changes nothing any more."""
        self._topic(match.topic_id).remember(match.id)

    def forget(self, topic_ids: Iterable[str]) -> Mapping[str, Member]:
        """Everything of these topics. Returns what was compared with, by match."""
        gone = [self._topics.pop(topic_id) for topic_id in topic_ids if topic_id in self._topics]
        return {member.match_id: member for topic in gone for member in topic.members()}

    def add(self, match: Match, now: float) -> Placed | None:
        """``None`` where the match changes nothing."""
        self._sweep(now)
        topic = self._topic(match.topic_id)
        if match.id in topic.matches:
            return topic.revise(match)
        if _short(match.id) in topic.known:
            return None
        topic.remember(match.id)
        return topic.place(match, now)

    def put(self, story: Story) -> None:
        """What the caller knows of a story, kept with it. One that is not warm any more is left alone."""
        if (topic := self._topics.get(story.topic_id)) is not None:
            topic.put(story)

    def warm(self, topic_id: str) -> Set[str]:
        """Ids of the topic's stories that may still be joined."""
        topic = self._topics.get(topic_id)
        return topic.stories() if topic else frozenset()

    def __len__(self) -> int:
        """Matches that are compared with."""
        return sum(len(topic.matches) for topic in self._topics.values())

    def _topic(self, topic_id: str) -> "_TopicStories":
        return self._topics.setdefault(topic_id, _TopicStories(self._rule))

    def _sweep(self, now: float) -> None:
        if now < self._next_sweep:
            return
        self._next_sweep = now + self._rule.window / 100
        for topic_id, topic in list(self._topics.items()):
            topic.forget(now)
            if not topic.matches:  # its vectors take memory: only what is known of it stays
                self._topics[topic_id] = _TopicStories(self._rule, topic.known)


class _TopicStories:
    """The stories of one topic that are still warm, the one that was quiet longest first."""

    def __init__(self, rule: StoryRule, known: Iterable[int] = ()) -> None:
        self._rule = rule
        self._warm: dict[str, _Warm] = {}
        self._rows = Rows[_Warm]()
        self._containing: Counter[str] = Counter()  # articles by word
        self._squares: dict[int, float] = {}
        self.matches: dict[str, _Warm] = {}
        self.known: dict[int, None] = dict.fromkeys(known)

    def members(self) -> Iterable[Member]:
        return (member for warm in self._warm.values() for member in warm.members)

    def stories(self) -> Set[str]:
        return self._warm.keys()

    # -- changing

    def put(self, story: Story) -> None:
        if (warm := self._warm.get(story.id)) is not None:
            warm.story = story

    def remember(self, match_id: str) -> None:
        self.known[_short(match_id)] = None
        if len(self.known) > self._rule.known:
            del self.known[next(iter(self.known))]

    def place(self, match: Match, now: float) -> Placed:
        self.forget(now)
        member = member_of(match, now)
        warm = self._best(member)
        founded = warm is None
        if warm is None:
            name = story_id(match.id)
            at = member.report.at
            story = Story(
                id=name,
                topic_id=match.topic_id,
                title=headline(match),
                started=at,
                latest=at,
                reports=(member.report,),
                backfill=match.article.backfill,
            )
            warm = _Warm(story)
        else:
            warm.story = _with_report(warm.story, member.report, self._rule.reports)
        self._keep(warm, member)
        self._name_copies(warm, member)
        joined = Joined(match=match, story_id=warm.story.id, at=now, founded=founded)
        return Placed(story=warm.story, joined=joined)

    def revise(self, match: Match) -> Placed | None:
        warm = self.matches[match.id]
        old = next(member for member in warm.members if member.match_id == match.id)
        if match.article.revision == old.revision and old.backfill and not match.article.backfill:
            old.backfill = False
            return Placed(story=warm.story, joined=Joined(match=match, story_id=warm.story.id, at=old.joined))
        if match.article.revision <= old.revision:
            return None
        new = member_of(match, old.joined)
        story = warm.story
        first = story.id == story_id(match.id)
        warm.story = replace(
            story,
            title=headline(match) if first else story.title,
            reports=tuple(new.report if report == old.report else report for report in story.reports),
        )
        self._drop(warm, old)
        self._keep(warm, new, touch=False)
        self._name_copies(warm, new)
        return Placed(story=warm.story, joined=Joined(match=match, story_id=story.id, at=old.joined, again=True))

    def restore(self, story: Story, members: Sequence[Member]) -> None:
        """Stories come in the order in which they were joined last."""
        warm = _Warm(story)
        for member in members[-self._rule.members :]:
            listed = (report for report in story.reports if _same(report, member.report))
            member.report = next(listed, member.report)
            self._keep(warm, member)
            self._name_copies(warm, member)

    def forget(self, now: float) -> None:
        """Stories that were quiet for the window; and those that were quiet longest, where there are too many."""
        while self._warm:
            oldest = next(iter(self._warm.values()))
            if oldest.members[-1].joined >= now - self._rule.window and len(self.matches) < self._rule.per_topic:
                return
            for member in list(oldest.members):
                self._drop(oldest, member)
            del self._warm[oldest.story.id]

    def _keep(self, warm: _Warm, member: Member, *, touch: bool = True) -> None:
        if touch:
            self._warm.pop(warm.story.id, None)
            self._warm[warm.story.id] = warm
        warm.members.append(member)
        warm.members.sort(key=lambda each: each.order)
        self.matches[member.match_id] = warm
        self._rows.add(warm, member)
        self._containing.update(member.words)
        self._squares.clear()
        if len(warm.members) > self._rule.members:
            self._drop(warm, warm.members[0])

    def _drop(self, warm: _Warm, member: Member) -> None:
        warm.members.remove(member)
        del self.matches[member.match_id]
        self._rows.remove(member)
        self._squares.clear()
        for word in member.words:
            self._containing[word] -= 1
            if not self._containing[word]:
                del self._containing[word]

    def _name_copies(self, warm: _Warm, member: Member) -> None:
        """Reports that repeat one text are copies of the one that was published first."""
        voices = {other.voice for other in warm.members if is_copy(other.shingles, member.shingles)}
        group = [other for other in warm.members if other.voice in voices]
        if len(group) < 2:
            return
        first = min(group, key=lambda each: (*_place(each.report), each.match_id))
        reports = list(warm.story.reports)
        for each in group:
            each.voice = first.match_id
            copy_of = first.report.source if each.report.source != first.report.source else ""
            told = replace(each.report, copy_of=copy_of)
            reports = [told if report == each.report else report for report in reports]
            each.report = told
        warm.story = replace(warm.story, reports=tuple(reports))

    # -- comparing

    def _best(self, member: Member) -> _Warm | None:
        rule = self._rule
        cosines = self._rows.cosines(member.vector)
        near: dict[str, _Warm] = {}
        for row in np.argsort(-cosines, kind="stable")[:NEAR_ROWS]:
            warm = self._rows.owners[row][0]
            near[warm.story.id] = warm
        candidates = list(near.values())[:NEAR_STORIES]
        if not candidates:
            return None
        fits = [self._fit(member, warm, cosines) for warm in candidates]
        ranked = sorted(zip(fits, candidates, strict=True), key=lambda pair: (-pair[0], pair[1].story.id))
        others = [fit for fit, _ in ranked[1 : 1 + rule.runners_up]]
        others += [rule.usual] * (rule.runners_up - len(others))
        fit, best = ranked[0]
        return best if fit - rule.background * sum(others) / len(others) >= rule.line else None

    def _fit(self, member: Member, warm: _Warm, cosines: NDArray[np.float32]) -> float:
        rule = self._rule
        nearest = sorted(warm.members, key=lambda other: (-cosines[other.row], other.match_id))[: rule.nearest]
        alike = [
            rule.vector * float(cosines[other.row])
            + rule.words * self._overlap(member.words, other.words)
            + rule.title * self._overlap(member.title, other.title)
            - rule.strangers * _strangers(member.names, other.names)
            for other in nearest
        ]
        at, story = member.report.at, warm.story
        days = max(story.started - at, at - story.latest, 0.0) / DAY
        return sum(alike) / len(alike) - min(rule.most_decay, rule.decay * math.log1p(days / rule.decay_days))

    def _overlap(self, one: frozenset[str], other: frozenset[str]) -> float:
        """Cosine of two sets of words, each word weighing its rarity; 0 to 1."""
        shared = self._weight(one & other)
        return shared / math.sqrt(self._weight(one) * self._weight(other)) if shared else 0.0

    def _weight(self, words: Iterable[str]) -> float:
        """Sum of the squared inverse document frequencies (Spärck Jones, 1972), smoothed."""
        containing, squares = self._containing, self._squares
        return sum(squares[count] if (count := containing[word]) in squares else self._square(count) for word in words)

    def _square(self, count: int) -> float:
        """Of the rarity of a word that ``count`` articles contain; few counts occur, so each is worked out once."""
        rarity = max(LEAST_RARITY, math.log((len(self.matches) + SMOOTHING) / (count + 1)))
        return self._squares.setdefault(count, rarity**2)


def _strangers(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one and other) and one.isdisjoint(other)


def _place(report: Report) -> tuple[float, str, str]:
    """Where a report stands in its story; of one moment's reports, the first listed is the original."""
    return report.at, report.source, report.url


def _with_report(story: Story, report: Report, most: int) -> Story:
    """One more report, in the order of time. The same page read from two feeds is one report."""
    listed = story.reports
    if len(listed) < most and not any(_same(report, other) for other in listed):
        listed = tuple(sorted((*listed, report), key=_place))
    return replace(story, started=min(story.started, report.at), latest=max(story.latest, report.at), reports=listed)


def _same(one: Report, other: Report) -> bool:
    return one.source == other.source and (one.url == other.url if one.url or other.url else one.title == other.title)


def _short(match_id: str) -> int:
    """64 of the id's 128 bits: a quarter of its memory."""
    return int(match_id[:16], 16)
