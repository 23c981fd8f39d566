"""The history of a story's alerts: what was told where, when and why, what came back, and what still waits for what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from consumers.holding import Mute, Standing, applies, muted_by
from consumers.ledger import Step
from consumers.model import AlertKind, Fact, Story
from consumers.notify.wording import safe_url
from daemon.store import Store, ledger, mutes
from daemon.store.digests import Carries
from daemon.store.holds import FOR_GOOD
from daemon.store.ledger import in_chunks
from daemon.store.standing import facts_of, story_of
from daemon.store.story_unions import OtherStory, Union, apart, union
from daemon.store.tables import alerts, deliveries
from daemon.wire import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One alert on one channel, with every step of it. Without a ``state`` it was meant, and never became a delivery.

    ``waits`` says in words what a held one waits for, until ``due``; ``forever``: it is never told by itself.
    """

    delivery_id: str
    alert_id: str
    channel: str
    kind: AlertKind
    at: float  # of its alert, or of its first step
    why: str = ""
    facts: tuple[Fact, ...] = ()
    state: str = ""  # pending | held | sending | retry | sent | dead
    attempts: int = 0
    created: float = 0.0
    due: float = 0.0
    updated: float = 0.0
    provider_id: str = ""
    reason: str = ""
    in_doubt: bool = False
    waits: str = ""
    forever: bool = False
    carrier: str = ""  # the delivery that tells it as well
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """``tellings`` are by channel, and within it in the order of time; addresses in it are links or empty."""

    story: Story
    union: Union
    apart: tuple[OtherStory, ...]
    mutes: tuple[Mute, ...]  # that hold what is told of the story now
    tellings: tuple[Telling, ...]

    def merged_into(self, alert_id: str) -> OtherStory | None:
        """The story that the alert's own one turned out to be, where it did."""
        if alert_id not in self.union.came_from:
            return None
        own = self.union.came_from[alert_id]
        since = next((each.since for each in self.union.absorbed if each.story_id == own), None)
        root = self.union.root if self.union.root not in self.union.came_from else ""
        return OtherStory(story_id=self.story.id, title=self.story.title, alert_id=root, since=since)

    def absorbed(self, alert_id: str) -> tuple[OtherStory, ...]:
        """The other stories that are one with the alert's story now."""
        own = self.union.came_from.get(alert_id)
        return tuple(each for each in self.union.absorbed if each.story_id != own)


def history(store: Store, story_id: str, now: float) -> History | None:
    """Of the story, or of the one that it turned out to be; ``None`` where it is no longer kept.

    Raises ``Unavailable``.
    """
    with store.read() as connection:
        story = story_of(connection, story_id)
        if story is None:
            return None
        query = select(alerts).where(alerts.c.story_id == story.id).order_by(alerts.c.at, alerts.c.id)
        told = connection.execute(query).all()
        rows = _deliveries(connection, [row.id for row in told])
        waits = {row.id: waiting_for(connection, row, now) for row in rows if row.state == "held"}
        one, others = union(connection, story, told), apart(connection, story)
        held_by = _mutes(connection, story, now)
    steps: dict[str, list[Step]] = {}
    for step in ledger.of_story(store, story.id):
        steps.setdefault(step.delivery_id, []).append(step)
    by_alert = {row.id: row for row in told}
    tellings = [_telling(row, by_alert[row.alert_id], waits.get(row.id, ""), steps.pop(row.id, ())) for row in rows]
    tellings += [_meant(each, by_alert) for each in steps.values()]
    return History(
        story=_linked(story),
        union=one,
        apart=others,
        mutes=held_by,
        tellings=tuple(sorted(tellings, key=lambda each: (each.channel, each.at, each.alert_id))),
    )


def linked(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """With addresses that are links, or empty."""
    return tuple(replace(fact, url=safe_url(fact.url)) for fact in facts)


def _linked(story: Story) -> Story:
    reports = tuple(replace(report, url=safe_url(report.url)) for report in story.reports)
    return replace(story, reports=reports, facts=linked(story.facts))


def _deliveries(connection: Connection, alert_ids: Sequence[str]) -> Sequence[Row[Any]]:
    return [
        row
        for ids in in_chunks(alert_ids)
        for row in connection.execute(select(deliveries).where(deliveries.c.alert_id.in_(ids)))
    ]


def _telling(row: Row[Any], alert: Row[Any], waits: str, steps: Sequence[Step]) -> Telling:
    said = next((step.why for step in reversed(steps) if step.event == "held" and step.why), "")
    return Telling(
        delivery_id=row.id,
        alert_id=alert.id,
        channel=row.channel,
        kind=alert.kind,
        at=alert.at,
        why=alert.why,
        facts=linked(facts_of(alert)),
        state=row.state,
        attempts=row.attempts,
        created=row.created,
        due=row.due,
        updated=row.updated,
        provider_id=row.provider_id,
        reason=row.reason,
        in_doubt=row.in_doubt,
        waits=waits or (said or row.held if row.state == "held" else ""),
        forever=row.state == "held" and not row.carrier and row.due >= FOR_GOOD,
        carrier=row.carrier,
        steps=tuple(steps),
    )


def _meant(steps: Sequence[Step], told: Mapping[str, Row[Any]]) -> Telling:
    first = steps[0]
    alert = told.get(first.alert_id)
    return Telling(
        delivery_id=first.delivery_id,
        alert_id=first.alert_id,
        channel=first.channel,
        kind=alert.kind if alert else "first",
        at=alert.at if alert else first.at,
        steps=tuple(steps),
    )


# -- what a held one waits for


def waiting_for(connection: Connection, row: Row[Any], now: float) -> str:
    """In words, as far as the row itself tells; the ledger says the rest: "muted by Ana until 14:02 UTC"."""
    if row.carrier:
        return _carried_by(connection, row.carrier)
    kind, _, name = row.held.partition(" ")
    if kind == "digest":
        return f"the digest of {name}"
    if kind == "topic":
        return f"told by the topic {name}"
    if kind in ("mute", "source") and (mute := mutes.find(connection, row.held.rpartition(" ")[2])):
        return muted_by(mute, now)
    return ""


def _carried_by(connection: Connection, carrier: str) -> str:
    carries = connection.execute(select(deliveries.c.carries).where(deliveries.c.id == carrier)).scalar()
    return f"comes in the message “{from_json(Carries, carries).title}”" if carries else "comes with another one"


def _mutes(connection: Connection, story: Story, now: float) -> tuple[Mute, ...]:
    stands = Standing(
        topic_id=story.topic_id,
        story_id=story.id,
        kind="update",
        severity="normal",
        new_facts=False,
        sources=frozenset(report.source for report in story.reports),
    )
    return tuple(mute for mute in mutes.in_force(connection, now) if applies(mute, stands))
