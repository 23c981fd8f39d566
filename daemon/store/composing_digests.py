"""A digest as it is told: by topic, by story, the newest facts first; near misses where its set times ask for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from consumers.errors import Reject
from consumers.model import Digest, Message, NearMiss, Topic, TopicDigest
from consumers.scoring import NEAR
from daemon.store import Store
from daemon.store.composing import in_digest
from daemon.store.digests import Carries
from daemon.store.line import near_line
from daemon.store.outbox_rows import Delivery, with_alerts
from daemon.store.standing import story_of, topic_of
from daemon.store.tables import deliveries
from daemon.store.topics import TopicVersions
from daemon.wire import from_json

_NEAR_A_DAY = 5  # near misses of a topic

_column = deliveries.c


def compose_digest(store: Store, delivery: Delivery, page: str) -> Digest:
    """From the stories as they stand now. Raises ``Reject`` where nothing of it is left to tell."""
    carries = from_json(Carries, delivery.carries or "")
    with store.read() as connection:
        rows = connection.execute(
            with_alerts().where(_column.carrier == delivery.id, _column.state == "held", _column.alert_id != "")
        ).all()
        told = [_topic_digest(connection, *each, page, delivery.at) for each in _by_topic(connection, rows).items()]
    told = [each for each in told if each.stories]
    if not told and carries.reason not in ("spike", "silence"):
        raise Reject("nothing that it was to tell is kept any more")
    topics = _with_near_misses(store, delivery.channel, carries, sorted(told, key=_newest_first))
    return Digest(
        delivery_id=delivery.id,
        at=delivery.since,
        reason=carries.reason,
        title=carries.title,
        lead=carries.lead,
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
    store: Store, channel: str, carries: Carries, told: Sequence[TopicDigest]
) -> tuple[TopicDigest, ...]:
    if not carries.set_times:
        return tuple(told)
    by_id = {each.topic_id: each for each in told}
    for topic in TopicVersions(store).in_force().values():
        if topic.enabled and _asks(topic, channel, carries.set_times):
            misses = _near_misses(store, topic, carries)
            if misses:
                known = by_id.get(topic.id, TopicDigest(topic_id=topic.id, topic=topic.query))
                by_id[topic.id] = TopicDigest(
                    topic_id=topic.id, topic=known.topic, stories=known.stories, near_misses=misses
                )
    return tuple(by_id.values())


def _asks(topic: Topic, channel: str, set_times: str) -> bool:
    return any(each.near_misses and (each.channel, each.when) == (channel, set_times) for each in topic.digests)


def _near_misses(store: Store, topic: Topic, carries: Carries) -> tuple[NearMiss, ...]:
    found = near_line(store, topic, since=carries.near_since, until=carries.near_until, near=NEAR, per_day=_NEAR_A_DAY)
    return tuple(
        NearMiss(title=near.article.title, source=near.article.source, url=near.article.url, at=near.at)
        for near in found
        if not near.matched and carries.near_since <= near.at < carries.near_until
    )
