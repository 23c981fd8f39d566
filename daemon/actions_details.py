"""An alert in detail, for whoever presses "Details": why it matched, who reports it, what was told when. Pure."""

from collections.abc import Iterator, Sequence

from consumers.holding import Mute, moment
from consumers.ledger import Step
from consumers.model import Fact, Match, Report, Story
from consumers.notify.wording import clock_time, one_line
from daemon.store.stories import AlertDetail
from daemon.store.told import Progress
from daemon.why_told import carried

LONGEST = 2800  # characters: one section of a Slack message takes 3,000
_SOURCES, _FACTS, _STEPS, _REASONS = 10, 6, 10, 6
_EVENTS = {
    "decided": "decided",
    "held": "held",
    "released": "released",
    "carried": "told in another message",
    "sent": "sent",
    "retried": "not accepted, tried again",
    "in doubt": "perhaps sent",
    "dead": "given up",
    "merged": "merged with another story",
    "split": "split by hand",
}
_STATES = {
    "pending": "waiting",
    "held": "held",
    "sending": "being sent",
    "retry": "to be tried again",
    "dead": "given up",
}


def details(detail: AlertDetail, *, topic: str, steps: Sequence[Step], mutes: Sequence[Mute], now: float) -> str:
    """Lines of plain text, at most ``LONGEST`` characters. ``steps``: of the story, the oldest first."""
    match, story = detail.match, detail.story
    headline = (match.article.title if match else "") or (story.title if story else "") or "(no headline)"
    lines = [
        f"{one_line(topic, 120)}: {one_line(headline, 240)}",
        *(_why(match) if match else ["The article that caused this alert is no longer kept."]),
        *(_reported(story, now) if story else ["Its story is no longer kept."]),
        *(f"Muted by {mute.by} until {moment(mute.until, now)}{_comment(mute)}" for mute in mutes),
        *(_steps(steps, now) if steps else _deliveries(detail.deliveries, now)),
    ]
    return _fitting(lines)


def _why(match: Match) -> Iterator[str]:
    reasons = "; ".join(one_line(reason, 160) for reason in match.reasons[:_REASONS])
    yield f"Why: {reasons or 'no reason is kept'}"
    if match.evidence.parts:
        yield f"What carried it: {carried(match.evidence.parts)}"
    failed = [gate for gate in match.evidence.gates if not gate.passed]
    passed = [one_line(gate.why, 100) for gate in match.evidence.gates if gate.passed and gate.why]
    if passed and not failed:
        yield f"Conditions met: {'; '.join(passed[:_REASONS])}"


def _reported(story: Story, now: float) -> Iterator[str]:
    count = max(story.articles, len(story.reports))
    sources = len({report.source for report in story.reports})
    yield f"{_many(count, 'report')}, {_many(sources, 'source')}, {story.independent} independent:"
    newest = sorted(story.reports, key=lambda report: -report.at)
    yield from (f"• {_report(report, now)}" for report in newest[:_SOURCES])
    if len(newest) > _SOURCES:
        yield f"• and {len(newest) - _SOURCES} more"
    if story.facts:
        yield "Added since the first report:"
        yield from (f"• {_fact(fact, now)}" for fact in story.facts[: -_FACTS - 1 : -1])


def _report(report: Report, now: float) -> str:
    copied = f" (copy of {one_line(report.copy_of, 60)})" if report.copy_of else ""
    return f"{one_line(report.source, 60) or 'unknown source'} {clock_time(report.at, now)}{copied}"


def _fact(fact: Fact, now: float) -> str:
    return f"{one_line(fact.text, 120)} ({one_line(fact.source, 60)} {clock_time(fact.at, now)})"


def _steps(steps: Sequence[Step], now: float) -> Iterator[str]:
    yield "What was told, in UTC:"
    if len(steps) > _STEPS:
        yield f"• {len(steps) - _STEPS} earlier steps: wirewatch alerts show {steps[0].alert_id[:12]}"
    for step in steps[-_STEPS:]:
        why = f" ({one_line(step.why, 120)})" if step.why else ""
        yield f"• {clock_time(step.at, now)} {one_line(step.channel, 60)}: {_EVENTS.get(step.event, step.event)}{why}"


def _deliveries(deliveries: Sequence[Progress], now: float) -> Iterator[str]:
    """For an alert from before there was a ledger."""
    if deliveries:
        yield "What was told, in UTC:"
    for one in deliveries:
        yield f"• {clock_time(one.at, now)} {one_line(one.channel, 60)}: {_STATES.get(one.state, one.state)}"


def _comment(mute: Mute) -> str:
    return f": {one_line(mute.comment, 160)}" if mute.comment else ""


def _many(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _fitting(lines: Sequence[str]) -> str:
    """Whole lines only."""
    kept: list[str] = []
    left = LONGEST
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)
