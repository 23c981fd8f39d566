"""Who runs: one row for each process, and which of them works with which version of a topic.

A worker's sign of life raises the turn of its row. Nobody compares clocks: a worker is gone when somebody has watched
its turn stand still.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, and_, delete, exists, not_, select, update

from daemon.store import Store
from daemon.store.tables import topic_versions, topics_applied, workers
from daemon.store.upsert import insert_new
from daemon.wire import from_json, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDetail:
    """What a worker says of itself, for people."""

    waiting: tuple[tuple[str, str], ...] = ()  # (part that is not ready, why)
    topics_place: str = ""  # how far it has read the stream of topics; empty where it does not read it
    shards: int | None = None  # of the feeds, those that it polls; None where it polls none, or all
    lag: tuple[tuple[str, str, int], ...] = ()  # (stream, group, records not yet done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """``since`` and ``seen`` are seconds since the epoch by the worker's own clock, for people."""

    id: str
    roles: tuple[str, ...]
    host: str
    pid: int
    version: str
    listen: str = ""  # where its health and metrics are served
    since: float
    seen: float
    ready: bool
    detail: WorkerDetail = field(default=WorkerDetail())


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Which of the matchers that run work with the newest version of a topic.

    ``since``: when the last of those who do had applied it, in seconds since the epoch; None where none does, or where
    this version removed the topic.
    """

    version: int
    on: int
    of: int
    since: float | None
    behind: tuple[str, ...] = ()  # ids of the workers that do not

    @property
    def everywhere(self) -> bool:
        return 0 < self.of == self.on


class Workers:
    """One for each process, used by one thread at a time. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = 0  # of the last sign of life
        self._turns: dict[str, tuple[int, float]] = {}  # of each worker: its turn, and since when

    def beat(self, worker: Worker) -> bool:
        """A sign of life, before anything else that this worker writes of itself.

        False where it was not known: it is new, or was taken for gone, and must say again what it has applied.
        """
        values = {
            "roles": " ".join(worker.roles),
            "host": worker.host,
            "pid": worker.pid,
            "version": worker.version,
            "listen": worker.listen,
            "since": worker.since,
            "seen": worker.seen,
            "ready": worker.ready,
            "detail": to_json(worker.detail).decode(),
        }
        self._turn += 1  # never the same twice: not even after others have removed the row
        known = update(workers).where(workers.c.id == worker.id).values(turn=self._turn, **values)
        with self._store.write() as connection:
            if connection.execute(known).rowcount:
                return True
            insert_new(workers, [{"id": worker.id, "turn": self._turn, **values}], connection=connection)
            return False

    def gone(self, worker_id: str) -> None:
        """It has stopped, and so has what it had applied."""
        with self._store.write() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker_id))
            connection.execute(delete(topics_applied).where(topics_applied.c.worker == worker_id))

    def all(self) -> list[Worker]:
        """By id. One that was killed is listed until somebody has watched it for long enough."""
        with self._store.read() as connection:
            rows = connection.execute(select(workers).order_by(workers.c.id)).all()
        return [_worker(row) for row in rows]

    def in_force(self, topic_id: str) -> Applied | None:
        """None for a topic that never was."""
        newest = select(topic_versions.c.version, topic_versions.c.topic.is_(None).label("removed"))
        newest = newest.where(topic_versions.c.topic_id == topic_id).order_by(topic_versions.c.version.desc()).limit(1)
        said = and_(topics_applied.c.worker == workers.c.id, topics_applied.c.topic_id == topic_id)
        each = select(workers.c.id, workers.c.roles, topics_applied.c.version, topics_applied.c.at)
        with self._store.read() as connection:
            version = connection.execute(newest).one_or_none()
            rows = connection.execute(each.select_from(workers.outerjoin(topics_applied, said))).all()
        if version is None:
            return None
        matchers = [row for row in rows if "match" in row.roles.split()]
        wanted = None if version.removed else version.version  # whoever has dropped the topic has no row
        on = [row for row in matchers if row.version == wanted]
        return Applied(
            version=version.version,
            on=len(on),
            of=len(matchers),
            since=max((row.at for row in on if row.at is not None), default=None),
            behind=tuple(sorted({row.id for row in matchers} - {row.id for row in on})),
        )

    def prune(self, now: float, silent: float) -> tuple[str, ...]:
        """Removes, and returns, the workers whose turn this observer has seen stand still for ``silent`` seconds.

        To be called again and again, with ``now`` by the monotonic clock. What they had applied goes with them.
        """
        orphaned = not_(exists().where(workers.c.id == topics_applied.c.worker))
        with self._store.read() as connection:
            turns = {row.id: row.turn for row in connection.execute(select(workers.c.id, workers.c.turn))}
            orphans = connection.execute(select(topics_applied.c.worker).where(orphaned).limit(1)).first()
        self._turns = {
            id_: known if (known := self._turns.get(id_)) and known[0] == turn else (turn, now)
            for id_, turn in turns.items()
        }
        late = {id_: turn for id_, (turn, since) in self._turns.items() if now - since >= silent}
        if not late and not orphans:
            return ()
        with self._store.write() as connection:
            removed = [id_ for id_, turn in sorted(late.items()) if _remove(connection, id_, turn)]
            connection.execute(delete(topics_applied).where(orphaned))
        return tuple(removed)

    def clear(self) -> None:
        """Forget every worker: for whoever owns the data directory alone, at start, when nobody else can be alive."""
        with self._store.write() as connection:
            connection.execute(delete(workers))
            connection.execute(delete(topics_applied))


def _remove(connection: Connection, worker_id: str, turn: int) -> bool:
    """Unless it has moved since."""
    still = delete(workers).where(workers.c.id == worker_id, workers.c.turn == turn)
    return connection.execute(still).rowcount > 0


def _worker(row: Row[tuple[object, ...]]) -> Worker:
    return Worker(
        id=row.id,
        roles=tuple(row.roles.split()),
        host=row.host,
        pid=row.pid,
        version=row.version,
        listen=row.listen,
        since=row.since,
        seen=row.seen,
        ready=row.ready,
        detail=from_json(WorkerDetail, row.detail),
    )
