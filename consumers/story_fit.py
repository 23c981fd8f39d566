"""Which story an article fits, and which two stories are one. Pure, over a ``StorySpace``.

How well an article fits a story is the mean of its likeness to the members most alike, less a decay with the days
between them, less a share of how well it fits the runners-up: an article that resembles every story a little belongs
to none. A story with many reports takes a new one more easily, as in a Chinese restaurant process (Aldous, 1985).
Average likeness says whether two stories are one, relative to how alike each one's own members are; a small story is
taken in by a great one more easily than two of a size become one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from consumers.story_space import Floats, Ids, StorySpace

DAY = 86_400.0
STRANGERS = 8  # stories about somebody else that are passed over


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRule:
    """``usual`` stands in for runners-up where a topic is too young to have them: the first two events of a war, told
    on one day, would else be one story. A story hidden behind another one is worse than a second alert.
    """

    line: float = 0.246
    nearest: int = 3  # members of a story that an article is compared with
    background: float = 0.42
    runners_up: int = 3
    usual: float = 0.3
    crowd: float = 0.02  # for each e-fold of reports beyond ``crowd_from``, up to ``crowd_most``
    crowd_from: int = 3
    crowd_most: int = 100
    decay: float = 0.17
    decay_days: float = 0.8
    most_decay: float = 0.24
    # two stories
    merge: float = 0.60
    merge_decay: float = 1.96
    merge_background: float = 0.5
    merge_runners_up: int = 5
    merge_from: int = 2  # reports that both have
    adopt: float = 0.40  # a story of at most ``small`` by one of at least ``great``
    small: int = 8
    great: int = 20
    loosest: float = 0.16  # a story's members are taken to be at least so much alike


@dataclass(frozen=True, slots=True)
class Standing:
    """The stories of a topic by number. ``owner``: of each row of the space; times in seconds."""

    owner: Ids
    started: Floats
    latest: Floats
    articles: Ids

    @property
    def sizes(self) -> Ids:
        return np.bincount(self.owner, minlength=len(self.started))


def gaps(standing: Standing, started: float, latest: float) -> Floats:
    """Days between each story and a span of time; 0 where they overlap."""
    return np.maximum(np.maximum(standing.started - latest, started - standing.latest), 0.0) / DAY


def best(
    space: StorySpace, alike: Floats, standing: Standing, away: Floats, is_strange: Callable[[int], bool], rule: FitRule
) -> int | None:
    """The story that an article belongs to. ``alike``: its likeness to each row; ``away``: days to each story.

    ``is_strange``: the story is about somebody else, however alike it reads.
    """
    fits = _nearest(alike, standing, rule.nearest) - _decay(away, rule)
    order = np.argsort(-fits, kind="stable")
    first = next((int(number) for number in order[:STRANGERS] if not is_strange(int(number))), None)
    if first is None:
        return None
    others = [float(fits[number]) for number in order[: 1 + rule.runners_up] if number != first][: rule.runners_up]
    others += [rule.usual] * (rule.runners_up - len(others))
    crowd = min(int(standing.articles[first]), rule.crowd_most)
    bonus = rule.crowd * math.log(crowd / rule.crowd_from) if crowd > rule.crowd_from else 0.0
    if fits[first] - rule.background * sum(others) / len(others) + bonus >= rule.line:
        return first
    found = _adopting(space, alike, standing, away, rule)
    return None if found is None or is_strange(found) else found


def _adopting(space: StorySpace, alike: Floats, standing: Standing, away: Floats, rule: FitRule) -> int | None:
    great = np.flatnonzero(standing.articles >= rule.great)
    if not len(great):
        return None
    sizes = standing.sizes
    means = np.bincount(standing.owner, weights=alike, minlength=len(sizes)) / np.maximum(sizes, 1)
    decay = rule.merge_decay * _decay(away, rule)
    close = great[means[great] / math.sqrt(rule.loosest) - decay[great] >= rule.adopt]
    if not len(close):
        return None
    values = [means[number] / math.sqrt(_own(space, standing, number, rule)) - decay[number] for number in close]
    at = int(np.argmax(values))
    return int(close[at]) if values[at] >= rule.adopt else None


def one_story(
    space: StorySpace, standing: Standing, at: int, away: Floats, apart: Sequence[int], rule: FitRule
) -> int | None:
    """The story that the one numbered ``at`` turned out to be, if any. ``apart``: those that it is not."""
    sizes = standing.sizes
    own = _own(space, standing, at, rule)
    sums = np.bincount(standing.owner, weights=space.sums(np.flatnonzero(standing.owner == at)), minlength=len(sizes))
    means = sums / (sizes[at] * np.maximum(sizes, 1))
    decay = rule.merge_decay * _decay(away, rule)
    highest = means / math.sqrt(own * rule.loosest) - decay  # whatever the other story's own likeness is
    highest[[at, *apart]] = -np.inf
    if highest.max() < min(rule.merge, rule.adopt):
        return None
    tried = np.argsort(-highest, kind="stable")[: rule.merge_runners_up + 3]
    tried = tried[np.isfinite(highest[tried])]
    values = np.array(
        [means[number] / math.sqrt(own * _own(space, standing, number, rule)) - decay[number] for number in tried]
    )
    order = np.argsort(-values, kind="stable")
    others = values[order[1 : 1 + rule.merge_runners_up]]
    background = rule.merge_background * float(others.mean()) if len(others) else 0.0
    first = int(tried[order[0]])
    if values[order[0]] - background >= rule.merge and min(standing.articles[[at, first]]) >= rule.merge_from:
        return first
    for number in order:
        few, many = sorted((standing.articles[at], standing.articles[tried[number]]))
        if values[number] >= rule.adopt and few <= rule.small and many >= rule.great:
            return int(tried[number])
    return None


def _own(space: StorySpace, standing: Standing, number: int, rule: FitRule) -> float:
    """How alike the members of a story are on average; one more pair, of full likeness, stands for what is unknown."""
    rows = np.flatnonzero(standing.owner == number)
    pairs = len(rows) * (len(rows) - 1) / 2
    total = space.within(rows) if pairs else 0.0
    return max((total + 1.0) / (pairs + 1.0), rule.loosest)


def _nearest(alike: Floats, standing: Standing, nearest: int) -> Floats:
    """For each story the mean over its members most alike."""
    order = np.lexsort((-alike, standing.owner))
    owner = standing.owner[order]
    sizes = standing.sizes
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)[:-1]])
    among = np.arange(len(owner)) - starts[owner] < nearest
    sums = np.bincount(owner[among], weights=alike[order][among], minlength=len(sizes))
    means: Floats = sums / np.minimum(np.maximum(sizes, 1), nearest)
    return means


def _decay(days: Floats, rule: FitRule) -> Floats:
    return np.minimum(rule.most_decay, rule.decay * np.log1p(days / rule.decay_days))
