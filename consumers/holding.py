"""Whether a delivery goes out now or waits, and why. Pure: the sender asks when it has one in its hand.

Urgent alerts and escalations wait for no quiet hours. A mute holds what it names until it ends; one that is to end
early on new facts ends with the first update that brings some.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from consumers.model import AlertKind, Severity
from consumers.set_times import QuietHours

MuteKind = Literal["story", "topic", "source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """``target`` is a story's or topic's id, or a host name ("*.example.org" for all below one)."""

    id: str
    kind: MuteKind
    target: str
    since: float
    until: float
    by: str
    comment: str = ""
    until_new_facts: bool = False
    ended: float | None = None
    ended_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What has to be known of a delivery to say whether it goes out."""

    topic_id: str
    story_id: str
    kind: AlertKind
    severity: Severity
    new_facts: bool
    sources: frozenset[str]  # of the story's reports
    told_by: str = ""  # a topic that this one yields to, and that has told the same story on this channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """``held`` is stored with the delivery: "mute ID", "quiet hours", "topic ID". ``until`` None: for good."""

    held: str
    why: str  # for people: "held by the mute of Ana until 14:02 UTC: covered already"
    until: float | None


def hold(standing: Standing, mutes: Sequence[Mute], quiet: QuietHours | None, now: float) -> Hold | None:
    """``None``: it goes out now. ``mutes`` are those in force at ``now``."""
    raise NotImplementedError
