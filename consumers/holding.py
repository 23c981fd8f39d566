"""Whether a delivery goes out now or waits, and why. Pure: whoever claims one asks first.

Urgent alerts and escalations wait for no quiet hours, and an escalation yields to no other topic. A mute holds what it
names until it ends; one that is to end early on new facts holds no update that brings some, and ``ends`` names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from consumers.model import AlertKind, Severity

MuteKind = Literal["story", "topic", "source"]


class Quiet(Protocol):
    """Hours in which nothing ordinary is told; ``consumers.set_times.QuietHours`` are some."""

    @property
    def text(self) -> str: ...

    def until(self, now: float) -> float | None:
        """When the quiet hours that ``now`` lies in end; ``None`` where it lies in none."""
        ...


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
    """``held`` is stored with the delivery: "mute ID", "source mute ID", "quiet hours", "topic ID".

    ``until`` None: for good.
    """

    held: str
    why: str  # for people: "muted by Ana until 14:02 UTC: covered already"
    until: float | None


def hold(standing: Standing, mutes: Sequence[Mute], quiet: Quiet | None, now: float) -> Hold | None:
    """``None``: it goes out now. ``mutes`` are those in force at ``now``."""
    if standing.told_by and standing.kind != "escalation":
        return Hold(held=f"topic {standing.told_by}", why=f"told by the topic {standing.told_by}", until=None)
    holding = [mute for mute in mutes if applies(mute, standing) and not _ended_by(mute, standing)]
    if holding:
        longest = max(holding, key=lambda mute: (mute.until, mute.id))
        return Hold(held=held_by(longest), why=muted_by(longest, now), until=longest.until)
    if quiet is None or standing.severity == "urgent" or standing.kind == "escalation":
        return None
    end = quiet.until(now)
    return None if end is None else Hold(held="quiet hours", why=f"quiet hours {quiet.text}", until=end)


def ends(standing: Standing, mutes: Sequence[Mute]) -> tuple[Mute, ...]:
    """The mutes in force that this delivery brings to their early end."""
    return tuple(mute for mute in mutes if applies(mute, standing) and _ended_by(mute, standing))


def applies(mute: Mute, standing: Standing) -> bool:
    """A source is muted for a story as long as everything that reports it is."""
    match mute.kind:
        case "story":
            return mute.target == standing.story_id
        case "topic":
            return mute.target == standing.topic_id
        case "source":
            return bool(standing.sources) and all(_covers(mute.target, source) for source in standing.sources)


def held_by(mute: Mute) -> str:
    """What ``Hold.held`` says of this mute."""
    return f"source mute {mute.id}" if mute.kind == "source" else f"mute {mute.id}"


def muted_by(mute: Mute, now: float) -> str:
    """ "muted by Ana until 14:02 UTC: covered already"; "… until new facts, 14:02 UTC at the latest"."""
    until = moment(mute.until, now)
    said = f"muted by {mute.by} until {f'new facts, {until} at the latest' if mute.until_new_facts else until}"
    return f"{said}: {mute.comment}" if mute.comment else said


def moment(at: float, now: float) -> str:
    """ "14:02 UTC", with its day where that is another one than now."""
    when, today = datetime.fromtimestamp(at, UTC), datetime.fromtimestamp(now, UTC)
    return f"{when:%H:%M} UTC" if when.date() == today.date() else f"{when:%d %b %H:%M} UTC"


def _ended_by(mute: Mute, standing: Standing) -> bool:
    return mute.until_new_facts and standing.kind == "update" and standing.new_facts


def _covers(target: str, source: str) -> bool:
    """ "*.example.org" is example.org and all below it, as in a topic's ``sources``."""
    above = target.removeprefix("*.")
    return source == above or (above != target and source.endswith(f".{above}"))
