"""Alerts of one story, alerts that wait, and mutes, as the alerter and people leave them in the store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select, update

from consumers.holding import Mute
from consumers.ids import alert_id, delivery_id, digest
from consumers.model import AlertKind, Fact, Severity, Story, Topic
from daemon.store import Store
from daemon.store.ledger import of_story
from daemon.store.outbox_rows import new_row
from daemon.store.tables import alerts, articles, deliveries, ledger, scores, stories, topic_versions
from daemon.store.upsert import insert_new, upsert
from daemon.wire import from_json, to_json
from tests.alert_samples import ALERT, NOON, TOLL
from tests.fake_channels import put_story

HOUR = 3600.0
TOPIC = Topic(id=ALERT.topic_id, query=ALERT.topic)


@dataclass(frozen=True)
class Night:
    """Quiet until ``end``, from the beginning of time on."""

    end: float
    text: str = "22:00-07:00 Europe/Paris"

    def until(self, now: float) -> float | None:
        return self.end if now < self.end else None


def put_more(
    store: Store,
    number: int = 1,
    nth: int = 1,
    *,
    kind: AlertKind = "update",
    channels: Sequence[str] = ("desk",),
    facts: Sequence[Fact] = (TOLL,),
    severity: Severity = "normal",
    due: float = NOON,
) -> list[str]:
    """What is told of a story after its first alert, which ``put_alert`` has put there. Returns the deliveries' ids."""
    story = f"story-{number}"
    alert = alert_id(ALERT.topic_id, story, kind if kind == "escalation" else f"{kind} {nth}", 1)
    ids = [delivery_id(alert, channel) for channel in channels]
    row: dict[str, Any] = {"id": alert, "topic_id": ALERT.topic_id, "story_id": story, "kind": kind}
    row |= {"match_id": f"match-{number}", "at": NOON + nth, "channels": json.dumps(list(channels)), "why": "new facts"}
    row |= {"facts": to_json(tuple(facts)).decode(), "severity": severity}
    created = NOON + number / 1000 + nth / 100_000
    with store.write() as connection:
        insert_new(alerts, [row], connection=connection)
        waiting = [
            new_row(id_, channel, created, alert_id=alert, due=due) for id_, channel in zip(ids, channels, strict=True)
        ]
        insert_new(deliveries, waiting, connection=connection)
    return ids


def also_at_set_times(store: Store, delivery: str, held: str, due: float) -> str:
    """The same alert on the same channel, on the route of a digest."""
    row = dict(rows(store)[delivery]._mapping)
    row |= {"id": delivery_id(row["alert_id"], f"{row['channel']} digest"), "state": "held", "held": held, "due": due}
    with store.write() as connection:
        insert_new(deliveries, [row], connection=connection)
    return str(row["id"])


def wait_for(store: Store, ids: Sequence[str], held: str, due: float) -> None:
    """As the alerter leaves what is told at set times."""
    with store.write() as connection:
        connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(state="held", held=held, due=due))


def put_near_miss(store: Store, id_: str, seen: float, score: float = 0.4) -> None:
    article = {"id": id_, "revision": 1, "feed_id": "f", "source": "example.org", "url": f"https://example.org/{id_}"}
    article |= {"title": f"Nearly {id_}", "text": "", "published": None, "seen": seen, "lang": "", "backfill": False}
    scored = {"topic_id": TOPIC.id, "article_id": id_, "topic_version": 1, "score": score, "passage": 1}
    with store.write() as connection:
        insert_new(articles, [article], connection=connection)
        insert_new(scores, [{**scored, "matched": False, "gate": "", "at": seen}], connection=connection)


def put_topic(store: Store, topic: Topic, version: int = 2) -> None:
    row = {"topic_id": topic.id, "version": version, "topic": to_json(topic).decode(), "at": NOON}
    with store.write() as connection:
        upsert(topic_versions, [row], connection=connection)


def change_story(store: Store, number: int = 1, **values: Any) -> Story:
    with store.write() as connection:
        text = connection.execute(select(stories.c.story).where(stories.c.id == f"story-{number}")).scalar_one()
        story = replace(from_json(Story, text), **values)
        put_story(store, story, connection)
    return story


def muted(kind: Any = "story", target: str = "story-1", until: float = NOON + HOUR, **values: Any) -> Mute:
    return Mute(
        id=digest(kind, target, str(values)), kind=kind, target=target, since=NOON, until=until, by="Ana", **values
    )


def history(store: Store, delivery: str) -> list[tuple[str, str]]:
    """(event, why) of one delivery, in the order of time."""
    with store.read() as connection:
        query = select(ledger.c.story_id).where(ledger.c.delivery_id == delivery).limit(1)
        story = connection.execute(query).scalar() or ""
    return [(step.event, step.why) for step in of_story(store, story) if step.delivery_id == delivery]


def rows(store: Store) -> Mapping[str, Any]:
    with store.read() as connection:
        return {row.id: row for row in connection.execute(select(deliveries))}
