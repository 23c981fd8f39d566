"""On which channels an alert goes out and when, and what the ledger says of that."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from consumers.ids import alert_id, delivery_id
from consumers.ledger import Step
from consumers.model import Alert, Topic
from consumers.set_times import set_times


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An alert that is to go out on one channel, not before ``due``; ``held`` says for what it waits until then."""

    id: str
    alert_id: str
    channel: str
    due: float
    held: str = ""


def deliveries(alert: Alert, topic: Topic, settle: float) -> Iterator[Due]:
    """At once where the topic says so, at the next set time where it says that, and both where it says both.

    A digest tells of an escalation only what that has added: it tells the same story anyway.
    """
    for channel in alert.channels:
        yield Due(id=delivery_id(alert.id, channel), alert_id=alert.id, channel=channel, due=alert.at + settle)
    digests: dict[str, tuple[float, str]] = {}
    for each in topic.digests if alert.facts or alert.kind != "escalation" else ():
        next_one = (set_times(each.when).next(alert.at), each.when)
        digests[each.channel] = min(next_one, digests.get(each.channel, next_one))
    for channel, (at, when) in digests.items():
        yield Due(
            id=delivery_id(alert.id, _digest(channel)),
            alert_id=alert.id,
            channel=channel,
            due=at,
            held=f"digest {when}",
        )


def decided(alert: Alert, dues: Iterable[Due]) -> Iterator[Step]:
    for due in dues:
        step = Step(
            delivery_id=due.id,
            alert_id=alert.id,
            topic_id=alert.topic_id,
            story_id=alert.story_id,
            channel=due.channel,
            at=alert.at,
            event="decided",
            why=alert.why,
        )
        yield step
        if due.held:
            yield replace(step, event="held", why=due.held)


def waits(topic: Topic, story_id: str, now: float) -> Iterator[Step]:
    """A story's first alert, which is not decided yet: each delivery that it would have."""
    first = alert_id(topic.id, story_id, "first", 1)
    digests = (each.channel for each in topic.digests)
    named = [(channel, channel) for channel in topic.channels] + [(_digest(channel), channel) for channel in digests]
    several = topic.min_sources != 2
    why = f"waits for {topic.min_sources} independent sources" if several else "waits for a second independent source"
    for name, channel in dict(named).items():
        yield Step(
            delivery_id=delivery_id(first, name),
            alert_id=first,
            topic_id=topic.id,
            story_id=story_id,
            channel=channel,
            at=now,
            event="held",
            why=why,
        )


def waited_for(sources: int) -> str:
    """For people. A topic that was edited meanwhile may want one only."""
    return {1: "other sources", 2: "a second source"}.get(sources, f"{sources} sources")


def _digest(channel: str) -> str:
    """A channel that is told at once and in a digest has two deliveries of one alert."""
    return f"{channel} digest"
