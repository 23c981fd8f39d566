"""What became of an alert on a channel, in words: for the command and the page. Pure."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol, TypeVar

from consumers.holding import moment
from consumers.ledger import Step
from consumers.model import Fact, Story
from consumers.notify.wording import added, fact_text, one_line, reported, source_name, told, unusual
from daemon.store.holds import FOR_GOOD
from daemon.store.story_history import Telling
from daemon.store.told import Told

Stamp = Callable[[float], str]  # how the caller writes a time

KINDS = {"first": "first report", "update": "update", "escalation": "escalation", "digest": "digest"}
MOST_REPORTS = 12  # that added nothing
_STATES = {
    "pending": "waiting",
    "sending": "being sent",
    "retry": "waiting, to be tried again",
    "sent": "sent",
    "dead": "given up",
}
_EVENTS = {
    "carried": "told",
    "retried": "not accepted, to be tried again",
    "in doubt": "perhaps sent",
    "dead": "given up",
    "merged": "its story is one with another from here on",
    "split": "split by hand",
}
_MOST_FACTS = 3  # in a list


def news(alert: Told) -> Sequence[str]:
    """What an alert told beside its story: "3 independent sources within 30 minutes", "toll 12 → 19 (b.example)".

    An update that adds no fact names the report that it told. Empty for an ordinary first report.
    """
    facts, more = told(alert.facts, _MOST_FACTS)
    lines = [unusual(alert.why), *(f"{fact_text(fact)} ({source_name(fact.source)})" for fact in facts), more]
    if alert.kind == "update" and alert.article and not alert.facts:
        lines.append(f"another report: {reported(alert.article)}")
    return [line for line in lines if line]


def kind(telling: Telling) -> str:
    return KINDS.get(telling.kind, telling.kind)


def facts(telling: Telling) -> Sequence[str]:
    """ "New: toll 12 → 19 (site-two.example)", a line each; the newest first."""
    return [added(fact) for fact in sorted(telling.facts, key=lambda fact: -fact.at)]


def stands(telling: Telling, stamp: Stamp, *, story: Story | None = None) -> str:
    """Where it stands now: "held until 2026-11-21 18:00 UTC: muted by Ana until 18:00 UTC: covered already"."""
    waits = f": {telling.waits}" if telling.waits else ""
    tries = "1 attempt" if telling.attempts == 1 else f"{telling.attempts} attempts"
    match telling.state:
        case "":
            return _meant(telling, story)
        case "held" if telling.forever:
            return f"not told here{waits}"
        case "held" if telling.carrier or telling.waits.startswith("muted by "):  # which say until when
            return f"held{waits}"
        case "held":
            return f"held until {stamp(telling.due)}{waits}"
        case "sending":
            return f"being sent since {stamp(telling.updated)}"
        case "retry":
            return _with_reason(f"waiting since {stamp(telling.created)}, {tries}, next {stamp(telling.due)}", telling)
        case "sent":
            how = f", {tries}" if telling.attempts else ", carried by another message"
            known = f" as {telling.provider_id}" if telling.provider_id else ""
            return _with_reason(f"sent {stamp(telling.updated)}{how}{known}", telling)
        case "dead":
            return _with_reason(f"given up {stamp(telling.updated)}, {tries}", telling)
    return f"waiting since {stamp(telling.created)}"


def steps(telling: Telling, stamp: Stamp) -> Sequence[tuple[float, str]]:
    """(when, what) of each step, in the order of time; what was repeated at once is one, with how often."""
    told = []
    for what, same in groupby(telling.steps, key=lambda step: event(step, telling)):
        first, *others = [step.at for step in same]
        told.append((first, f"{what} ({len(others) + 1} times, last {stamp(others[-1])})" if others else what))
    return told


def event(step: Step, telling: Telling) -> str:
    """ "held: quiet hours 22:00-07:00 Europe/Paris", "sent as 1763733720.0001"."""
    said = _EVENTS.get(step.event, step.event)
    if step.event == "sent" and telling.provider_id:
        return f"sent as {telling.provider_id}"
    if step.event == "carried":
        known = f", as {telling.provider_id}" if telling.provider_id else ""
        return f"{said} {one_line(step.why, 300)}{known}"
    if step.event == "split":
        return one_line(step.why, 300) or said
    why = "" if step.event == "merged" else one_line(step.why, 300)
    return f"{said}: {why}" if why else said


def brief(state: str, *, held: str, carrier: str, due: float, now: float) -> str:
    """For a list: "sent", "held until 07:00 UTC (quiet hours)", "muted until 18:00 UTC", "told by the topic flood"."""
    if state != "held":
        return _STATES.get(state, state)
    if carrier:
        return "held, to come with others"
    kind, _, name = held.partition(" ")
    until = "" if due >= FOR_GOOD else f" until {moment(due, now)}"
    match kind:
        case "mute":
            return f"muted{until}"
        case "source":
            return f"source muted{until}"
        case "digest":
            return f"held{until} (digest of {name})"
        case "topic":
            return f"told by the topic {name}"
    return f"held{until} ({held})" if held else f"held{until}"


def told_with(fact: Fact, tellings: Sequence[Telling]) -> tuple[str, ...]:
    """The channels that were sent it as news, in the order of their names."""
    sent = (each for each in tellings if each.state == "sent" and any(known.key == fact.key for known in each.facts))
    return tuple(sorted({each.channel for each in sent}))


class Listed(Protocol):
    """A report as it is listed somewhere."""

    @property
    def source(self) -> str: ...

    @property
    def url(self) -> str: ...


R = TypeVar("R", bound=Listed)


def divided(reports: Sequence[R], facts: Sequence[Fact]) -> tuple[Sequence[R], Sequence[R]]:
    """Those to show, in their order: what added a fact, and the first of the others. And those that add nothing."""
    adding = {(fact.source, fact.url) for fact in facts}
    others = [report for report in reports if (report.source, report.url) not in adding]
    rest = others[MOST_REPORTS:]
    left_out = set(map(id, rest))
    return [report for report in reports if id(report) not in left_out], rest


def _meant(telling: Telling, story: Story | None) -> str:
    if story is not None and story.stage == "waiting" and telling.steps and telling.steps[-1].event == "held":
        return f"held: {telling.steps[-1].why}"
    return "no message of its own"


def _with_reason(said: str, telling: Telling) -> str:
    return f"{said}; {telling.reason}" if telling.reason else said
