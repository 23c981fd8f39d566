"""Every version of every topic that was ever in force, and which worker has applied which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, delete, func, select

from consumers.model import Topic
from daemon.store import Store
from daemon.store.tables import topic_versions, topics_applied
from daemon.store.upsert import upsert
from daemon.wire import from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicVersion:
    """``topic`` is None where this version removed it."""

    topic_id: str
    version: int
    topic: Topic | None
    at: float


def newest_versions() -> Select[Any]:
    """The row of each topic's newest version, a removal included, and ``first``: when its first one was written."""
    column = topic_versions.c
    newest = (
        select(column.topic_id, func.max(column.version).label("version"), func.min(column.at).label("first"))
        .group_by(column.topic_id)
        .subquery()
    )
    same = and_(column.topic_id == newest.c.topic_id, column.version == newest.c.version)
    return select(topic_versions, newest.c.first).join(newest, same)


class TopicVersions:
    def __init__(self, store: Store) -> None:
        self._store = store

    def latest(self) -> dict[str, TopicVersion]:
        """The newest version of every topic, removals included. Raises ``Unavailable``."""
        with self._store.read() as connection:
            rows = connection.execute(newest_versions()).all()
        return {row.topic_id: _version(row.topic_id, row.version, row.topic, row.at) for row in rows}

    def in_force(self) -> dict[str, Topic]:
        """By id, without the removed ones. Raises ``Unavailable``."""
        return {key: found.topic for key, found in self.latest().items() if found.topic is not None}

    def history(self, topic_id: str) -> list[TopicVersion]:
        """Newest first. Raises ``Unavailable``."""
        wanted = (
            select(topic_versions)
            .where(topic_versions.c.topic_id == topic_id)
            .order_by(topic_versions.c.version.desc())
        )
        with self._store.read() as connection:
            rows = connection.execute(wanted).all()
        return [_version(row.topic_id, row.version, row.topic, row.at) for row in rows]

    def remember(self, versions: Sequence[TopicVersion]) -> None:
        """A version that is known already is written over. Raises ``Unavailable``."""
        rows = [
            {
                "topic_id": found.topic_id,
                "version": found.version,
                "topic": None if found.topic is None else to_json(found.topic).decode(),
                "at": found.at,
            }
            for found in versions
        ]
        with self._store.write() as connection:
            upsert(topic_versions, rows, connection=connection)

    def applied(self, worker: str, versions: Mapping[str, int | None], at: float) -> None:
        """``worker`` now works with these versions; None where it has dropped the topic. Raises ``Unavailable``."""
        rows = [
            {"worker": worker, "topic_id": topic_id, "version": version, "at": at}
            for topic_id, version in versions.items()
            if version is not None
        ]
        gone = [topic_id for topic_id, version in versions.items() if version is None]
        mine = topics_applied.c.worker == worker
        with self._store.write() as connection:
            upsert(topics_applied, rows, connection=connection)
            for topic_id in gone:
                connection.execute(delete(topics_applied).where(mine, topics_applied.c.topic_id == topic_id))

    def forget_applied(self, worker: str) -> None:
        """``worker`` starts anew, with nothing applied. Raises ``Unavailable``."""
        with self._store.write() as connection:
            connection.execute(delete(topics_applied).where(topics_applied.c.worker == worker))

    def applied_by(self, topic_id: str) -> dict[str, tuple[int, float]]:
        """Version and time by worker, for one topic. Raises ``Unavailable``."""
        wanted = select(topics_applied).where(topics_applied.c.topic_id == topic_id)
        with self._store.read() as connection:
            return {row.worker: (row.version, row.at) for row in connection.execute(wanted)}


def _version(topic_id: str, version: int, topic: str | None, at: float) -> TopicVersion:
    parsed = None if topic is None else from_json(Topic, topic)
    return TopicVersion(topic_id=topic_id, version=version, topic=parsed, at=at)
