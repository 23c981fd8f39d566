"""What the archive says of each topic, as it was last published, and how the topics' lines moved.

The stream of calibrations is what matchers follow; here is what people ask for, and what the next one starts from.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, delete, func, select

from consumers.model import Calibration
from daemon.store import Store
from daemon.store.tables import alerts, calibrations, line_moves, topic_versions
from daemon.store.upsert import upsert
from daemon.wire import from_json, to_json

Why = Literal["new version", "first archive", "drift", "new model", "examples"]

VISIBLE = 0.25  # of a calibration's width: who moved less stands where it stood, to people
DAYS = 30  # over which what came is counted
DAY = 86_400.0  # seconds
_CHUNK = 500  # ids in one IN: SQLite before 3.32 takes 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A calibration, and why it was made."""

    calibration: Calibration
    why: Why


@dataclass(frozen=True, slots=True)
class Known:
    """What tells one calibration of a topic from another."""

    version: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMove:
    """The line was drawn elsewhere, or for another reason. ``expected`` and ``came`` are stories a day."""

    topic_id: str
    at: float
    topic_version: int
    model: str
    line: float
    articles: int
    expected: float | None
    came: float | None
    why: str


class Calibrations:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def known(self) -> Mapping[tuple[str, str], Known]:
        """Of every topic and model."""
        query = select(calibrations.c.topic_id, calibrations.c.model, calibrations.c.topic_version, calibrations.c.at)
        with self._store.read() as connection:
            rows = connection.execute(query)
            return {(row.topic_id, row.model): Known(row.topic_version, row.at) for row in rows}

    def latest(self, model: str, topic_ids: Collection[str]) -> Mapping[str, Calibration]:
        """By topic, for those of these topics that have one."""
        found: dict[str, Calibration] = {}
        with self._store.read() as connection:
            for part in _parts(topic_ids):
                which = (calibrations.c.model == model, calibrations.c.topic_id.in_(part))
                rows = connection.execute(select(calibrations.c.topic_id, calibrations.c.calibration).where(*which))
                found.update((row.topic_id, from_json(Calibration, row.calibration)) for row in rows)
        return found

    def remember(self, drawn: Sequence[Drawn]) -> None:
        """Keep all of them or nothing. An older one never replaces a newer one; doing it again changes nothing.

        A move of the line is kept where it is visible, or where it has another reason than that the archive grew.
        """
        made = [each.calibration for each in drawn]
        with self._store.write() as connection:
            before = _last_lines(connection, {calibration.topic_id for calibration in made})
            upsert(calibrations, [_row(each) for each in made], connection=connection, newest="at")
            moved = [each for each in drawn if _is_visible(each, before)]
            upsert(line_moves, [_move_row(each) for each in moved], connection=connection)

    def history(self, topic_id: str, limit: int = 50) -> Sequence[LineMove]:
        """How the topic's line moved, newest first."""
        query = select(line_moves).where(line_moves.c.topic_id == topic_id).order_by(line_moves.c.at.desc())
        with self._store.read() as connection:
            return [LineMove(**row._asdict()) for row in connection.execute(query.limit(limit))]

    def forget(self, topic_ids: Collection[str]) -> None:
        """These topics were removed: their calibrations of every model go; how their lines moved is told further on."""
        with self._store.write() as connection:
            for part in _parts(topic_ids):
                connection.execute(delete(calibrations).where(calibrations.c.topic_id.in_(part)))

    def came(self, topic_ids: Collection[str], now: float) -> Mapping[str, float]:
        """Stories told for the first time, a day, over the last ``DAYS`` days, by topic.

        A story that backfill founded was told of nobody and does not count. A topic that is younger is averaged over
        its own days, and one that is younger than a day is left out.
        """
        parts = list(_parts(topic_ids))
        with self._store.read() as connection:
            told = {row.topic_id: row.told for part in parts for row in connection.execute(_told(part, now))}
            since = {row.topic_id: row.began for part in parts for row in connection.execute(_in_force_since(part))}
        days = {topic_id: min((now - began) / DAY, DAYS) for topic_id, began in since.items()}
        return {topic_id: told.get(topic_id, 0) / lasted for topic_id, lasted in days.items() if lasted >= 1}


def _told(topic_ids: Sequence[str], now: float) -> Select[str, int]:
    which = (alerts.c.kind == "first", alerts.c.at >= now - DAYS * DAY, alerts.c.topic_id.in_(topic_ids))
    return select(alerts.c.topic_id, func.count().label("told")).where(*which).group_by(alerts.c.topic_id)


def _in_force_since(topic_ids: Sequence[str]) -> Select[str, float]:
    return (
        select(topic_versions.c.topic_id, func.min(topic_versions.c.at).label("began"))
        .where(topic_versions.c.topic_id.in_(topic_ids))
        .group_by(topic_versions.c.topic_id)
    )


def _last_lines(connection: Connection, topic_ids: Collection[str]) -> Mapping[tuple[str, str], float]:
    """The line that was kept last as a move, by topic and model."""
    found: dict[tuple[str, str], float] = {}
    for part in _parts(topic_ids):
        newest = (
            select(line_moves.c.topic_id, line_moves.c.model, func.max(line_moves.c.at).label("at"))
            .where(line_moves.c.topic_id.in_(part))
            .group_by(line_moves.c.topic_id, line_moves.c.model)
            .subquery()
        )
        same = and_(line_moves.c.topic_id == newest.c.topic_id, line_moves.c.at == newest.c.at)
        rows = connection.execute(select(line_moves).join(newest, same))
        found.update(((row.topic_id, row.model), row.line) for row in rows)
    return found


def _is_visible(drawn: Drawn, before: Mapping[tuple[str, str], float]) -> bool:
    made = drawn.calibration
    last = before.get((made.topic_id, made.model))
    return drawn.why != "drift" or last is None or abs(made.line - last) >= VISIBLE * made.width


def _row(made: Calibration) -> dict[str, Any]:
    return {
        "topic_id": made.topic_id,
        "model": made.model,
        "topic_version": made.topic_version,
        "at": made.at,
        "calibration": to_json(made).decode(),
    }


def _move_row(drawn: Drawn) -> dict[str, Any]:
    made = drawn.calibration
    return {
        "topic_id": made.topic_id,
        "at": made.at,
        "topic_version": made.topic_version,
        "model": made.model,
        "line": made.line,
        "articles": made.articles,
        "expected": made.expected,
        "came": made.came,
        "why": drawn.why,
    }


def _parts(ids: Collection[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(ids)
    return (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))
