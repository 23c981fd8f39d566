"""Near misses in digests of set times: which topics ask for them, since when, and a digest that has nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from consumers.model import NearMiss, Topic
from consumers.scoring import NEAR
from daemon.store import Store, mutes
from daemon.store.digests import OLDEST_NEAR_MISS, Carries, at_set_times, begin
from daemon.store.line import near_line
from daemon.store.outbox_rows import IS_FREE
from daemon.store.tables import deliveries, topic_versions
from daemon.store.topics import newest_versions
from daemon.wire import from_json

_PER_DAY = 5  # of a topic

_column = deliveries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A topic in force that asks for near misses in some digest. ``changed``: when it came to be as it is."""

    topic: Topic
    changed: float

    def asks(self, channel: str, set_times: str) -> bool:
        return any(
            each.near_misses and (each.channel, each.when) == (channel, set_times) for each in self.topic.digests
        )


class NearMisses:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def topics(self, now: float) -> Sequence[Asking]:
        """Enabled ones that are not muted. Asked of the JSON as it lies there: of 100,000 topics, few want this."""
        query = newest_versions().where(topic_versions.c.topic.contains('"near_misses":true', autoescape=True))
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(topic_versions.c.topic_id)).all()
            muted = {mute.target for mute in mutes.in_force(connection, now) if mute.kind == "topic"}
        found = [Asking(topic=from_json(Topic, row.topic), changed=row.at) for row in rows]
        return [each for each in found if each.topic.enabled and each.topic.id not in muted]

    def found(self, topics: Iterable[Topic], since: float, until: float) -> Mapping[str, tuple[NearMiss, ...]]:
        """By topic, as far as there are some; the newest day first, and the nearest first within a day."""
        found = {topic.id: self._of(topic, since, until) for topic in topics}
        return {topic_id: misses for topic_id, misses in found.items() if misses}

    def told_until(self, channel: str, set_times: str, before: float) -> float | None:
        """Up to when the digest before, of these times on the channel, told them; without those that were given up."""
        # asked of the JSON as it lies there, of the few digests that a channel has
        query = select(_column.carries).where(
            _column.channel == channel,
            _column.state != "dead",
            _column.created >= before - OLDEST_NEAR_MISS,
            _column.carries.contains(set_times, autoescape=True),
        )
        with self._store.read() as connection:
            carried = [from_json(Carries, text) for text in connection.execute(query).scalars()]
        told = [each.near_until for each in carried if each.set_times == set_times and each.near_until < before]
        return max(told, default=None)

    def begin(self, channel: str, set_times: str, since: float, due: float, now: float) -> bool:
        """A digest of near misses alone; False where there are alerts for this time, or they were told."""
        alerts = select(_column.id).where(
            _column.held == f"digest {set_times}", _column.channel == channel, _column.due == due
        )
        with self._store.write() as connection:
            if connection.execute(alerts.where(_column.state == "held", IS_FREE)).first() is not None:
                return False
            return begin(connection, channel, at_set_times(set_times, due, since), now)

    def _of(self, topic: Topic, since: float, until: float) -> tuple[NearMiss, ...]:
        found = near_line(self._store, topic, since=since, until=until, near=NEAR, per_day=_PER_DAY)
        return tuple(
            NearMiss(title=near.article.title, source=near.article.source, url=near.article.url, at=near.at)
            for near in found
            if not near.matched and since <= near.at < until
        )
