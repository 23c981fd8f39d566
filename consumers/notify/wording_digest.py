"""A digest in words: by topic, by story, the newest facts first, near misses last. Bounded, whatever it holds.

Each channel puts its own markup around these, as with ``wording``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consumers.model import Digest, Fact, Message, NearMiss, TopicDigest
from consumers.notify.wording import (
    clock_time,
    counted,
    counter,
    earlier,
    escalated,
    kind,
    nothing,
    one_line,
    source_name,
    urgent,
)

NEAR = "Just under the line"
_LONG = 6  # stories


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How much a channel shows of a digest: of all topics together, and of each story."""

    stories: int = 100
    near_misses: int = 30
    facts: int = 4
    quote: int = 220  # characters, of a story that has no facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The stories of one topic as they are shown. ``more`` says how many are left out, or is empty."""

    topic: str
    counts: str  # "3 stories"
    stories: Sequence[Message]
    more: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """The same of its near misses."""

    topic: str
    misses: Sequence[NearMiss]
    more: str


def title(digest: Digest) -> str:
    return one_line(digest.title, 200) or "Digest"


def dateline(digest: Digest, now: float) -> str:
    """ "7 stories in 3 topics · 15:40 UTC"."""
    return " · ".join(filter(None, (tally(digest), f"{clock_time(digest.at, now)} UTC")))


def lead(digest: Digest) -> str:
    return one_line(digest.lead, 400)


def tally(digest: Digest) -> str:
    """ "7 stories in 3 topics, 2 urgent"; empty for a spike or a silence, which has none."""
    stories = [story for each in digest.topics for story in each.stories]
    if not stories:
        return nothing(digest)
    topics = sum(1 for each in digest.topics if each.stories)
    pressing = sum(map(urgent, stories))
    within = f" in {counted(topics, 'topic')}" if topics > 1 else ""
    return f"{counted(len(stories), 'story', 'stories')}{within}" + (f", {pressing} urgent" if pressing else "")


def sections(digest: Digest, detail: Detail) -> list[Section]:
    """By topic. A loud one leaves room for the others."""
    topics = [each for each in digest.topics if each.stories]
    allowed = shares([len(each.stories) for each in topics], detail.stories)
    return [
        Section(
            topic=_name(each),
            counts=counted(len(each.stories), "story", "stories"),
            stories=each.stories[:share],
            more=_more(len(each.stories) - share),
        )
        for each, share in zip(topics, allowed, strict=True)
        if share
    ]


def left_out(digest: Digest, shown: Sequence[Section]) -> str:
    """ "and 12 more topics"; empty where every topic has a section."""
    topics = sum(1 for each in digest.topics if each.stories) - len(shown)
    return f"and {counted(topics, 'more topic')}" if topics else ""


def near_misses(digest: Digest, detail: Detail) -> list[Near]:
    """By topic, after all stories."""
    topics = [each for each in digest.topics if each.near_misses]
    allowed = shares([len(each.near_misses) for each in topics], detail.near_misses)
    return [
        Near(topic=_name(each), misses=each.near_misses[:share], more=_more(len(each.near_misses) - share))
        for each, share in zip(topics, allowed, strict=True)
        if share
    ]


def long(shown: Sequence[Section]) -> bool:
    """It should say first what is in it."""
    return len(shown) > 1 and sum(len(each.stories) for each in shown) > _LONG


def byline(story: Message, now: float) -> str:
    """ "update · 14 reports, 6 sources · latest 15:40 UTC"."""
    return " · ".join(filter(None, ("" if escalated(story) else kind(story), counter(story, now))))


def facts(story: Message, most: int) -> tuple[Sequence[Fact], str]:
    """What the story added, the newest first, and "and 3 more": what is new in this digest, then what is older."""
    new = sorted(story.facts, key=lambda fact: -fact.at)
    found = [*new, *earlier(story)]
    return found[:most], _more(len(found) - most)


def near_miss(miss: NearMiss, now: float) -> str:
    """ "Ministry denies strike (site-two.example 13:57)"."""
    return f"{near_title(miss)} ({source_name(miss.source)} {clock_time(miss.at, now)})"


def near_title(miss: NearMiss) -> str:
    return one_line(miss.title, 200) or "(no headline)"


def _name(topic: TopicDigest) -> str:
    return one_line(topic.topic, 120) or one_line(topic.topic_id, 120)


def shares(sizes: Sequence[int], most: int) -> list[int]:
    """How much of each is shown: the small ones whole, the large ones alike, what is left over to the first of them."""
    granted = [0] * len(sizes)
    left = most
    while left and any(share < size for share, size in zip(granted, sizes, strict=True)):
        open_ = [at for at, size in enumerate(sizes) if granted[at] < size]
        each = max(1, left // len(open_))
        for at in open_[:left]:
            grant = min(each, sizes[at] - granted[at])
            granted[at] += grant
            left -= grant
    return granted


def _more(number: int) -> str:
    return f"and {number} more" if number > 0 else ""
