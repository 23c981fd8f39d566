"""Matches into stories: which articles of one topic report the same event. One pass, in the order of arrival.

An article whose text repeats one that is there (a wire copy, an updated version) joins its story. Else it joins the
story that it fits best, where it fits well enough (``consumers/story_fit.py``); and where that makes two stories look
like one, they become one. What alike means is ``consumers/story_space.py``. All constants were measured with
benchmarks/grouping.py.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from consumers.copies import is_copy
from consumers.ids import story_id
from consumers.model import Match, Story
from consumers.story_fit import FitRule, Standing, best, gaps, one_story
from consumers.story_members import Boilerplate, Member, headline, member_of
from consumers.story_reports import same_page, with_copies, with_report
from consumers.story_space import Floats, StorySpace

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRule:
    """How stories fit, and how much is kept in memory."""

    fit: FitRule = field(default_factory=FitRule)
    window: float = 30 * DAY  # without a new report, by the time of reading, a story is forgotten; ``FitRule.decay``
    # goes by the time of publication, which feeds get wrong by years
    members: int = 24  # of a story that are compared with, the newest; about 6 kB each
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


REPEATS = 6  # articles most alike by their vectors, whose texts are compared word for word,
REPEAT_COSINE = 0.6  # where they are at least so much alike
MERGES = 3  # of one story at once

_NOBODY: Mapping[str, Member] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class _Warm:
    """A story that may still be joined, and the members it is compared by, oldest first.

    ``number``: of those that are warm at the same time no two have the same; it owns their rows in the space.
    """

    story: Story
    number: int
    members: list[Member] = field(default_factory=list)


class StoryTracker:
    """Stories of many topics. One thread. The same matches in the same order give the same stories.

    Bounded: see ``StoryRule``.
    """

    def __init__(self, rule: StoryRule | None = None) -> None:
        self._rule = rule or StoryRule()
        self._topics: dict[str, _TopicStories] = {}
        self._boilerplate = Boilerplate()
        self._next_sweep = -math.inf

    def restore(
        self, stories: Iterable[Story], joined: Iterable[Joined], forgotten: Mapping[str, Member] = _NOBODY
    ) -> None:
        """What was recorded of topics that nothing is remembered of: stories, and their newest matches.

        ``forgotten``: what ``forget`` returned for these topics; it saves reading the same texts again.
        """
        kept = {story.id: story for story in stories if not story.merged_into}
        members: dict[str, list[Member]] = {}
        for each in joined:
            self.know(each.match)
            if each.story_id in kept:
                members.setdefault(each.story_id, []).append(
                    member_of(each.match, each.at, forgotten.get(each.match.id), boilerplate=self._boilerplate)
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
        return self._topics.setdefault(topic_id, _TopicStories(self._rule, self._boilerplate))

    def _sweep(self, now: float) -> None:
        if now < self._next_sweep:
            return
        self._next_sweep = now + DAY
        for topic_id, topic in list(self._topics.items()):
            topic.forget(now)
            if not topic.matches:  # its vectors take memory: only what is known of it stays
                self._topics[topic_id] = _TopicStories(self._rule, self._boilerplate, topic.known)


class _TopicStories:
    """The stories of one topic that are still warm, the one that was quiet longest first."""

    def __init__(self, rule: StoryRule, boilerplate: Boilerplate, known: Iterable[int] = ()) -> None:
        self._rule = rule
        self._boilerplate = boilerplate
        self._warm: dict[str, _Warm] = {}
        self._space = StorySpace()
        self._free: list[int] = []  # numbers of stories that are not warm any more
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
        member = member_of(match, now, boilerplate=self._boilerplate)
        wholes = self._space.cosines(member)
        warm = self._repeated(member, wholes) or self._best(member, wholes)
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
                articles=1,
                backfill=match.article.backfill,
            )
            warm = _Warm(story, self._number())
        else:
            warm.story = with_report(warm.story, member.report, self._rule.reports)
        self._keep(warm, member)
        warm.story = with_copies(warm.story, warm.members, member)
        merged: tuple[Merged, ...] = ()
        if not founded:
            warm, merged = self._merge(warm, now)
        joined = Joined(match=match, story_id=warm.story.id, at=now, founded=founded)
        return Placed(story=warm.story, joined=joined, merged=merged)

    def revise(self, match: Match) -> Placed | None:
        warm = self.matches[match.id]
        old = next(member for member in warm.members if member.match_id == match.id)
        if match.article.revision == old.revision and old.backfill and not match.article.backfill:
            old.backfill = False
            return Placed(story=warm.story, joined=Joined(match=match, story_id=warm.story.id, at=old.joined))
        if match.article.revision <= old.revision:
            return None
        new = member_of(match, old.joined, boilerplate=self._boilerplate)
        latest = max(warm.story.latest, new.report.at)
        # An edit is dated anew by many sites: who wrote it first, and who copied it, stays.
        new.report = replace(new.report, at=min(old.report.at, new.report.at))
        story = warm.story
        first = story.id == story_id(match.id)
        warm.story = replace(
            story,
            title=headline(match) if first else story.title,
            latest=latest,
            reports=tuple(new.report if report == old.report else report for report in story.reports),
        )
        self._drop(warm, old)
        self._keep(warm, new, touch=False)
        warm.story = with_copies(warm.story, warm.members, new)
        return Placed(story=warm.story, joined=Joined(match=match, story_id=story.id, at=old.joined, again=True))

    def restore(self, story: Story, members: Sequence[Member]) -> None:
        """Stories come in the order in which they were joined last."""
        warm = _Warm(story, self._number())
        for member in members[-self._rule.members :]:
            listed = (report for report in story.reports if same_page(report, member.report))
            member.report = next(listed, member.report)
            self._keep(warm, member)
            warm.story = with_copies(warm.story, warm.members, member)

    def forget(self, now: float) -> None:
        """Stories that were quiet for the window; and those that were quiet longest, where there are too many."""
        while self._warm:
            oldest = next(iter(self._warm.values()))
            if oldest.members[-1].joined >= now - self._rule.window and len(self.matches) < self._rule.per_topic:
                return
            self._let_go(oldest)

    def _let_go(self, warm: _Warm) -> None:
        for member in list(warm.members):
            self._drop(warm, member)
        del self._warm[warm.story.id]
        self._free.append(warm.number)

    def _keep(self, warm: _Warm, member: Member, *, touch: bool = True) -> None:
        warm.members.append(member)
        warm.members.sort(key=lambda each: each.order)
        self.matches[member.match_id] = warm
        self._space.add(member, warm.number)
        if touch:
            self._touch(warm)
        self._trim(warm)

    def _number(self) -> int:
        return self._free.pop() if self._free else len(self._warm)

    def _touch(self, warm: _Warm) -> None:
        """It is the one that was joined last."""
        self._warm.pop(warm.story.id, None)
        self._warm[warm.story.id] = warm

    def _trim(self, warm: _Warm) -> None:
        while len(warm.members) > self._rule.members:
            self._drop(warm, warm.members[0])

    def _drop(self, warm: _Warm, member: Member) -> None:
        warm.members.remove(member)
        del self.matches[member.match_id]
        self._space.remove(member)

    # -- comparing

    def _repeated(self, member: Member, cosines: Floats) -> _Warm | None:
        """The story of an article whose text this one repeats, or is repeated in."""
        if not len(member.shingles) or not len(self._space):
            return None
        for row in np.argsort(-cosines, kind="stable")[:REPEATS]:
            if cosines[row] < REPEAT_COSINE:
                return None
            other = self._space.members[row]
            if is_copy(other.shingles, member.shingles) and not member.is_stranger(other):
                return self.matches[other.match_id]
        return None

    def _best(self, member: Member, wholes: Floats) -> _Warm | None:
        if not self._warm:
            return None
        rule = self._rule.fit
        warm, standing = self._standing()
        away = gaps(standing, member.report.at, member.report.at)
        alike = self._space.likeness(member, wholes)

        def is_strange(number: int) -> bool:
            nearest = sorted(warm[number].members, key=lambda other: -alike[other.row])[: rule.nearest]
            return all(map(member.is_stranger, nearest))

        found = best(self._space, alike, standing, away, is_strange, rule)
        return None if found is None else warm[found]

    def _merge(self, warm: _Warm, now: float) -> tuple[_Warm, tuple[Merged, ...]]:
        """What the story turned out to be once it had grown."""
        merged: list[Merged] = []
        while len(self._warm) > 1 and len(merged) < MERGES:
            stories, standing = self._standing()
            at = next(number for number, each in enumerate(stories) if each is warm)
            away = gaps(standing, warm.story.started, warm.story.latest)
            apart = [
                number
                for number, each in enumerate(stories)
                if each.story.id in warm.story.apart or warm.story.id in each.story.apart
            ]
            found = one_story(self._space, standing, at, away, apart, self._rule.fit)
            if found is None or _are_strange(warm, stories[found]):
                break
            warm, absorbed = sorted((warm, stories[found]), key=_seniority)
            merged.append(self._absorb(warm, absorbed, now))
        return warm, tuple(merged)

    def _absorb(self, warm: _Warm, absorbed: _Warm, now: float) -> Merged:
        story, other = warm.story, absorbed.story
        for report in other.reports:
            story = with_report(story, report, self._rule.reports)
        warm.story = replace(
            story,
            articles=warm.story.articles + other.articles,
            apart=tuple(sorted({*warm.story.apart, *other.apart})),
            backfill=story.backfill and other.backfill,
        )
        for member in absorbed.members:
            self.matches[member.match_id] = warm
            self._space.hand_over(member, warm.number)
        warm.members = sorted([*warm.members, *absorbed.members], key=lambda each: each.order)
        del self._warm[other.id]
        self._free.append(absorbed.number)
        self._touch(warm)
        for member in absorbed.members:
            warm.story = with_copies(warm.story, warm.members, member)
        self._trim(warm)
        return Merged(absorbed=replace(other, merged_into=warm.story.id), into=warm.story.id, at=now)

    def _standing(self) -> tuple[list[_Warm], Standing]:
        stories = list(self._warm.values())
        places = np.zeros(len(stories) + len(self._free), dtype=np.int64)
        places[[warm.number for warm in stories]] = np.arange(len(stories))
        return stories, Standing(
            owner=places[self._space.owners()],
            started=np.array([warm.story.started for warm in stories]),
            latest=np.array([warm.story.latest for warm in stories]),
            articles=np.array([max(warm.story.articles, len(warm.members)) for warm in stories]),
        )


def _are_strange(one: _Warm, other: _Warm) -> bool:
    """Most of their reports have nobody in common."""
    pairs = [first.is_stranger(second) for first in one.members for second in other.members]
    return 2 * sum(pairs) > len(pairs)


def _seniority(warm: _Warm) -> tuple[bool, float, str]:
    """Of two stories that are one, the one that was there first goes on; one that nobody was told of comes last."""
    return warm.story.backfill, warm.story.started, warm.story.id


def _short(match_id: str) -> int:
    """64 of the id's 128 bits: a quarter of its memory."""
    return int(match_id[:16], 16)
