"""Matches into stories: which articles of one topic report the same event. One pass, in the order of arrival.

How alike two articles are is a sum over three kinds of evidence: the cosine of their whole-article vectors, and the
overlap of their words and of their titles' words, both weighted by rarity *within the topic* (every article about Syria
says "Syria"). How well an article fits a story is the mean over the three members most alike, less a decay with the
time between them, less a share of how well it fits the runners-up: an article that resembles every story a little
belongs to none. The constants were measured with benchmarks/grouping.py.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from sys import intern

import numpy as np
from numpy.typing import NDArray

from consumers.copies import Shingles, is_copy, paragraphs, shingles, words_of
from consumers.ids import story_id
from consumers.model import Article, Match, Report, Story

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRule:
    """The constants of grouping, and how much is kept in memory."""

    vector: float = 0.50
    words: float = 0.30
    title: float = 0.20
    nearest: int = 3  # members of a story that an article is compared with
    background: float = 0.4
    runners_up: int = 5
    usual: float = 0.15  # stands in for a runner-up where there is none yet
    decay: float = 0.20
    decay_days: float = 0.7
    most_decay: float = 0.33
    line: float = 0.24
    window: float = 7 * DAY  # without a new report a story is forgotten
    members: int = 12  # of a story that are compared with, the newest; about 5 kB each
    per_topic: int = 1_000  # members of a topic; the stories that were quiet longest go first
    reports: int = 200  # listed in a story


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A match and the story it found, at ``at``."""

    match: Match
    story_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What one match changed: the story as it now stands."""

    story: Story
    joined: Joined
    founded: bool  # the match began the story
    again: bool  # a newer revision of a match that the story already had: not a report more


STOPWORDS = frozenset(
    "a about after all also an and any are as at be been before but by can could did do for from had has have he her "
    "his how i if in into is it its just like more most new no not now of on one or other our out over said say says "
    "she so some such than that the their them then there these they this those to told two up was we were what when "
    "where which while who why will with would year years you your".split()
)
COMPARED_WORDS = 250
TOP_ROWS = 48  # the members most alike by vector: the stories they belong to are compared in full
UNSEEN = 10  # articles that the rarity of words is smoothed with while a topic is young


@dataclass(slots=True, eq=False)
class _Member:
    """What is kept of a match: enough to compare, not its text."""

    match_id: str
    article_id: str
    revision: int
    joined: float
    report: Report
    title: frozenset[str]
    words: frozenset[str]
    shingles: Shingles
    row: int = -1

    @property
    def order(self) -> tuple[float, str]:
        return (self.joined, self.match_id)


@dataclass(slots=True, eq=False)
class _Told:
    """A story and the members it is compared by, oldest first."""

    story: Story
    members: list[_Member] = field(default_factory=list)

    @property
    def joined(self) -> float:
        return self.members[-1].joined


class _Vectors:
    """Rows of float32 without gaps: a removed row is filled with the last one."""

    def __init__(self) -> None:
        self._rows: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self.owners: list[tuple[_Told, _Member]] = []

    def add(self, told: _Told, member: _Member, vector: NDArray[np.float32]) -> None:
        member.row = len(self.owners)
        if not self._rows.shape[1]:
            self._rows = np.zeros((16, len(vector)), dtype=np.float32)
        elif member.row == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[member.row] = vector if len(vector) == self._rows.shape[1] else 0.0  # another model's: no evidence
        self.owners.append((told, member))

    def remove(self, member: _Member) -> None:
        last = self.owners.pop()
        if last[1] is not member:
            self._rows[member.row] = self._rows[last[1].row]
            self.owners[member.row] = last
            last[1].row = member.row
        member.row = -1

    def cosines(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(vector) != self._rows.shape[1]:
            return np.zeros(len(self.owners), dtype=np.float32)
        return self._rows[: len(self.owners)] @ vector


class _TopicStories:
    """The stories of one topic that are still warm."""

    def __init__(self, rule: StoryRule) -> None:
        self._rule = rule
        self.told: dict[str, _Told] = {}
        self.of_match: dict[str, tuple[_Told, _Member]] = {}
        self._vectors = _Vectors()
        self._df: Counter[str] = Counter()

    def rarity(self, word: str) -> float:
        return max(0.05, math.log((len(self._vectors.owners) + UNSEEN) / (self._df[word] + 1)))

    def best(self, member: _Member, vector: NDArray[np.float32]) -> tuple[float, _Told | None]:
        cosines = self._vectors.cosines(vector)
        if not len(cosines):
            return 0.0, None
        rows = np.argsort(-cosines, kind="stable")[:TOP_ROWS]
        near: dict[str, list[_Member]] = {}
        for row in rows:
            told, other = self._vectors.owners[row]
            near.setdefault(told.story.id, []).append(other)
        ranked = sorted(
            ((self._fit(member, self.told[name], cosines), name) for name in list(near)[:8]),
            key=lambda pair: (-pair[0], pair[1]),
        )
        others = [score for score, _ in ranked[1 : 1 + self._rule.runners_up]]
        others += [self._rule.usual] * (self._rule.runners_up - len(others))
        score, name = ranked[0]
        return score - self._rule.background * sum(others) / len(others), self.told[name]

    def _fit(self, member: _Member, told: _Told, cosines: NDArray[np.float32]) -> float:
        rule = self._rule
        nearest = sorted(told.members, key=lambda other: -cosines[other.row])[: rule.nearest]
        alike = [
            rule.vector * float(cosines[other.row])
            + rule.words * self._overlap(member.words, other.words)
            + rule.title * self._overlap(member.title, other.title)
            for other in nearest
        ]
        at = member.report.at
        days = max(told.story.started - at, at - told.story.latest, 0.0) / DAY
        return sum(alike) / len(alike) - min(rule.most_decay, rule.decay * math.log1p(days / rule.decay_days))

    def _overlap(self, one: frozenset[str], other: frozenset[str]) -> float:
        """Cosine of the two sets, each word weighing its rarity."""
        shared = sum(self.rarity(word) ** 2 for word in one & other)
        if not shared:
            return 0.0
        return shared / math.sqrt(
            sum(self.rarity(word) ** 2 for word in one) * sum(self.rarity(word) ** 2 for word in other)
        )

    def add(self, told: _Told, member: _Member, vector: NDArray[np.float32]) -> None:
        self.told[told.story.id] = told
        told.members.append(member)
        self.of_match[member.match_id] = (told, member)
        self._vectors.add(told, member, vector)
        self._df.update(member.words)
