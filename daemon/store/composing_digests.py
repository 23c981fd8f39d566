"""A digest as it is told: by topic, by story, the newest facts first; near misses where its set times ask for them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from consumers.errors import Reject
from consumers.model import Digest, Message, TopicDigest
from daemon.store import Store
from daemon.store.composing import in_digest
from daemon.store.digests import Carries
from daemon.store.near_misses import NearMisses
from daemon.store.outbox_rows import Delivery, with_alerts
from daemon.store.standing import story_of, topic_of
from daemon.store.tables import deliveries
from daemon.wire import from_json

_ONLY_NEAR = "Nothing matched since the digest before. What follows came near."

_column = deliveries.c


def compose_digest(store: Store, delivery: Delivery, page: str) -> Digest:
    """From the stories as they stand now. Raises ``Reject`` where nothing of what it carries is left to tell."""
    carries = from_json(Carries, delivery.carries or "")
    with store.read() as connection:
        rows = connection.execute(
            with_alerts().where(_column.carrier == delivery.id, _column.state == "held", _column.alert_id != "")
        ).all()
        told = [_topic_digest(connection, *each, page, delivery.at) for each in _by_topic(connection, rows).items()]
    told = [each for each in told if each.stories]
    topics = _with_near_misses(store, delivery, carries, sorted(told, key=_newest_first))
    alone = not rows and (carries.set_times or carries.reason in ("spike", "silence"))  # it carried nothing
    if not topics and not alone:
        raise Reject("nothing that it was to tell is kept any more")
    return Digest(
        delivery_id=delivery.id,
        at=delivery.since,
        reason=carries.reason,
        title=carries.title,
        lead=carries.lead or _ONLY_NEAR,
        topics=topics,
        page=page,
    )


_Stories = Mapping[str, Sequence[Row[Any]]]  # deliveries by story


def _by_topic(connection: Connection, rows: Sequence[Row[Any]]) -> Mapping[str, _Stories]:
    """What was to be told twice is there once: by set times and at once, or as a first alert and its updates."""
    topics: dict[str, dict[str, list[Row[Any]]]] = {}
    for row in rows:
        if row.story_id is None:
            continue
        story = story_of(connection, row.story_id)
        topics.setdefault(row.topic_id, {}).setdefault(story.id if story else row.story_id, []).append(row)
    return topics


def _topic_digest(connection: Connection, topic_id: str, stories: _Stories, page: str, now: float) -> TopicDigest:
    found = [in_digest(connection, rows, page, now) for rows in stories.values()]
    topic = topic_of(connection, topic_id)
    return TopicDigest(
        topic_id=topic_id,
        topic=topic.query if topic else topic_id,
        stories=tuple(sorted((each for each in found if each), key=_newest)),
    )


def _newest(story: Message) -> tuple[float, str]:
    """Of what it adds; a story that adds nothing counts from its latest report."""
    return -max((fact.at for fact in story.facts), default=story.latest), story.story_id


def _newest_first(told: TopicDigest) -> tuple[float, str]:
    return min(map(_newest, told.stories))[0], told.topic_id


# -- near misses


def _with_near_misses(
    store: Store, delivery: Delivery, carries: Carries, told: Sequence[TopicDigest]
) -> tuple[TopicDigest, ...]:
    if not carries.set_times:
        return tuple(told)
    near = NearMisses(store)
    asking = {
        each.topic.id: each.topic for each in near.topics(delivery.at) if each.asks(delivery.channel, carries.set_times)
    }
    before = near.told_until(delivery.channel, carries.set_times, carries.near_until) if asking else None
    since = max(carries.near_since, before or 0.0)
    by_id = {each.topic_id: each for each in told}
    for topic_id, misses in near.found(asking.values(), since, carries.near_until).items():
        known = by_id.get(topic_id, TopicDigest(topic_id=topic_id, topic=asking[topic_id].query))
        by_id[topic_id] = replace(known, near_misses=misses)
    return tuple(by_id.values())
