"""What the store knows of spikes and silences: what matched, what was read at all, and which of them go on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, not_, or_, select

from consumers.ids import digest
from consumers.model import Topic
from consumers.signals import HOUR
from daemon.store import Store
from daemon.store.digests import Carries
from daemon.store.ledger import in_chunks
from daemon.store.outbox_rows import new_row
from daemon.store.tables import articles, deliveries, story_matches, topic_signals, topic_versions
from daemon.store.topics import newest_versions
from daemon.store.upsert import insert_new
from daemon.wire import from_json, to_json

_matched, _article, _signal = story_matches.c, articles.c, topic_signals.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Signalled:
    """A topic in force whose spikes or silence are asked for. ``first`` and ``changed``: of its versions."""

    topic: Topic
    first: float
    changed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A live article that matched. ``seen``: when it was read."""

    topic_id: str
    story_id: str
    source: str
    title: str
    seen: float


class SignalRows:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def topics(self) -> Sequence[Signalled]:
        """Enabled ones. Asked of the JSON as it lies there: of 100,000 topics, few want this."""
        said = topic_versions.c.topic
        silence = and_(_says(said, '"silence":'), not_(_says(said, '"silence":null')))
        query = newest_versions().where(or_(_says(said, '"spike":true'), silence))
        with self._store.read() as connection:
            rows = connection.execute(query.order_by(topic_versions.c.topic_id)).all()
        found = [(from_json(Topic, row.topic), row) for row in rows]
        return [Signalled(topic=topic, first=row.first, changed=row.at) for topic, row in found if topic.enabled]

    def matched(self, topic_ids: Collection[str], since: float) -> Sequence[Matched]:
        """Of these topics, read since then; what a replay brings was read long ago. In the order of reading."""
        found: list[Matched] = []
        for ids in in_chunks(topic_ids):
            query = (
                select(_matched.topic_id, _matched.story_id, _article.source, _article.title, _article.seen)
                .join(articles, _article.id == _matched.article_id)
                .where(_matched.topic_id.in_(ids), *_live(since))
                .order_by(_article.seen, _matched.match_id)
            )
            with self._store.read() as connection:
                found += [Matched(**row._asdict()) for row in connection.execute(query)]
        return found

    def read_at(self, topic_ids: Collection[str], since: float) -> Mapping[str, Sequence[float]]:
        """When what ``matched`` gives was read, of each of these topics."""
        found: dict[str, list[float]] = {topic_id: [] for topic_id in topic_ids}
        for ids in in_chunks(topic_ids):
            query = (
                select(_matched.topic_id, _article.seen)
                .join(articles, _article.id == _matched.article_id)
                .where(_matched.topic_id.in_(ids), *_live(since))
            )
            with self._store.read() as connection:
                for row in connection.execute(query):
                    found[row.topic_id].append(row.seen)
        return found

    def read_in(self, hours: Collection[int]) -> frozenset[int]:
        """Those of these hours since the epoch in which a feed brought a live article."""
        with self._store.read() as connection:
            return frozenset(hour for hour in hours if connection.execute(select(_any_read(hour))).scalar())

    def going_on(self) -> Mapping[tuple[str, str], float]:
        """Since when, by topic and kind."""
        with self._store.read() as connection:
            return {(row.topic_id, row.kind): row.since for row in connection.execute(select(topic_signals))}

    def begin(self, topic_id: str, carries: Carries, channels: Collection[str], now: float) -> bool:
        """Kept and told on these channels in one; False where it goes on already, and nobody is told again."""
        kind = carries.reason
        with self._store.write() as connection:
            insert_new(topic_signals, [{"topic_id": topic_id, "kind": kind, "since": now}], connection=connection)
            kept = select(_signal.since).where(_signal.topic_id == topic_id, _signal.kind == kind)
            if connection.execute(kept).scalar() != now:
                return False
            told = to_json(carries).decode()
            ids = {channel: digest("signal", kind, topic_id, repr(now), channel) for channel in channels}
            rows = [new_row(ids[channel], channel, now, carries=told) for channel in channels]
            insert_new(deliveries, rows, connection=connection)
        return True

    def end(self, topic_id: str, kind: str) -> None:
        with self._store.write() as connection:
            connection.execute(delete(topic_signals).where(_signal.topic_id == topic_id, _signal.kind == kind))


def _says(column: ColumnElement[str | None], text: str) -> ColumnElement[bool]:
    return column.contains(text, autoescape=True)


def _live(since: float) -> Sequence[ColumnElement[bool]]:
    return _matched.at > since, _article.seen > since, not_(_article.backfill)


def _any_read(hour: int) -> ColumnElement[bool]:
    start = hour * HOUR
    return exists().where(_article.seen >= start, _article.seen < start + HOUR, not_(_article.backfill))
