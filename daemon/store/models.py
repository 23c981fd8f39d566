"""Which model's vectors decide, which one is being prepared, and the vectors that it has made so far.

A row of ``models`` changes its state in one transaction, and whoever reads the rows follows: nobody else has to be
told. A model that is being prepared keeps its vectors in ``next_vectors``, beside those that are searched; when it has
taken over they are moved, a few at a time. Until then its vectors of an article lie in either table.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, or_, select, tuple_, update

from consumers.model import Article
from daemon.clock import Clock
from daemon.errors import Unusable
from daemon.store import Store
from daemon.store.tables import article_vectors, articles, calibrations, models, next_vectors
from daemon.store.upsert import upsert

State = Literal["preparing", "in force", "retired"]
PREPARING: State = "preparing"
IN_FORCE: State = "in force"
RETIRED: State = "retired"

_PART = 500  # ids that one query names


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """``name`` is what loads it; ``at``: since when it is in this state; ``report``: JSON, or empty."""

    id: str
    name: str
    state: State
    at: float
    report: str = ""

    @property
    def short(self) -> str:
        """For people: without the digest of its weights."""
        return self.id.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Progress:
    """Articles of the window that ``model`` has read."""

    model: str
    done: int
    of: int

    def __str__(self) -> str:
        short = self.model.partition("@")[0]
        return f"re-reading the archive with {short}: {self.done:,} of {self.of:,} articles"


@dataclass(frozen=True, slots=True)
class Read:
    """One revision of an article: so many ``rows`` (whole, title, passages…) of little-endian float16."""

    article_id: str
    revision: int
    rows: int
    vectors: bytes


class Models:
    """Threads and processes may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- which

    def all(self) -> Sequence[KnownModel]:
        """The latest change first."""
        with self._store.read() as connection:
            rows = connection.execute(select(models).order_by(models.c.at.desc(), models.c.id)).all()
        return [KnownModel(**row._asdict()) for row in rows]

    def adopt(self, model: str, name: str, at: float) -> KnownModel:
        """The one in force; where there is none yet, this one is from now on."""
        with self._store.write() as connection:
            if connection.execute(select(models.c.id).where(models.c.state == IN_FORCE)).first() is None:
                upsert(models, [_row(model, name, IN_FORCE, at)], connection=connection)
        found = in_force(self.all())
        return found or KnownModel(id=model, name=name, state=IN_FORCE, at=at)

    def prepare(self, model: str, name: str, at: float) -> None:
        """Let it be the one that is being prepared, and no other; nothing where it is already, or is in force."""
        with self._store.write() as connection:
            found = connection.execute(select(models.c.state).where(models.c.id == model)).scalar()
            if found in (PREPARING, IN_FORCE):
                return
            connection.execute(update(models).where(models.c.state == PREPARING).values(state=RETIRED, at=at))
            upsert(models, [_row(model, name, PREPARING, at)], connection=connection)

    def settle(self, model: str, name: str, at: float) -> None:
        """It stays in force, loaded by this name, and nothing is being prepared any more."""
        with self._store.write() as connection:
            connection.execute(update(models).where(models.c.state == PREPARING).values(state=RETIRED, at=at))
            connection.execute(update(models).where(models.c.id == model).values(name=name))

    def report(self, model: str, report: str) -> None:
        with self._store.write() as connection:
            connection.execute(update(models).where(models.c.id == model).values(report=report))

    def take_over(self, model: str, name: str, at: float, *, after: str) -> bool:
        """Put ``model`` in force instead of ``after``, in one transaction; False where that was not in force."""
        with self._store.write() as connection:
            old = update(models).where(models.c.id == after, models.c.state == IN_FORCE)
            if not connection.execute(old.values(state=RETIRED, at=at)).rowcount:
                return False
            report = connection.execute(select(models.c.report).where(models.c.id == model)).scalar()
            upsert(models, [_row(model, name, IN_FORCE, at, report or "")], connection=connection)
            return True

    # -- its vectors

    def count(self, since: float) -> int:
        """Articles seen at ``since`` or later."""
        with self._store.read() as connection:
            return connection.execute(_counted(since)).scalar_one()

    def progress(self, model: str, since: float) -> Progress:
        """Over the articles seen at ``since`` or later."""
        with self._store.read() as connection:
            of = connection.execute(_counted(since)).scalar_one()
            left = connection.execute(_counted(since).where(_unread_by(model))).scalar_one()
        return Progress(model, of - left, of)

    def unread(self, model: str, since: float, limit: int, below: tuple[float, str] | None = None) -> Sequence[Article]:
        """Articles seen at ``since`` or later that have no vectors by ``model``, newest first.

        ``below``: (seen, id) of the last one that was returned, to go on from there.
        """
        query = select(articles).where(articles.c.seen >= since, _unread_by(model))
        if below is not None:
            seen, identity = below
            # the first condition says nothing new, but an index on `seen` can begin there: 1 ms instead of 90 in 41,000
            query = query.where(articles.c.seen <= seen, or_(articles.c.seen < seen, articles.c.id < identity))
        query = query.order_by(articles.c.seen.desc(), articles.c.id.desc()).limit(limit)
        with self._store.read() as connection:
            return [Article(**row._asdict()) for row in connection.execute(query)]

    def put(self, model: str, read: Sequence[Read]) -> None:
        """Keep these as its vectors; one of another revision than the archived one is left out."""
        with self._store.write() as connection:
            kept = _locked(connection, [each.article_id for each in read])
            rows = [
                {
                    "article_id": each.article_id,
                    "model": model,
                    "rows": each.rows,
                    "vectors": each.vectors,
                }
                for each in read
                if kept.get(each.article_id) == each.revision
            ]
            upsert(next_vectors, rows, connection=connection)

    def tidy(self, in_force: str, preparing: str, limit: int) -> bool:
        """Move at most ``limit`` vectors of the model in force to their place, or forget others'; whether more may be.

        Those of ``preparing`` stay. An article's row is locked before its vectors are looked at: whoever changes or
        removes an article takes them away in the same transaction.
        """
        some = select(next_vectors.c.article_id).where(next_vectors.c.model == in_force).limit(limit)
        with self._store.write() as connection:
            ids = connection.execute(some).scalars().all()  # found in the index alone, without their vectors
            _locked(connection, ids)
            for part in _parts(ids):
                moved = next_vectors.c.article_id.in_(part), next_vectors.c.model == in_force
                rows = connection.execute(select(next_vectors).where(*moved)).all()
                upsert(article_vectors, [row._asdict() for row in rows], connection=connection)
                connection.execute(delete(next_vectors).where(*moved))
            if ids:
                return True
            key = tuple_(next_vectors.c.article_id, next_vectors.c.model)
            others = next_vectors.c.model.not_in([in_force, preparing])
            stale = select(next_vectors.c.article_id, next_vectors.c.model).where(others).limit(limit)
            return bool(connection.execute(delete(next_vectors).where(key.in_(stale))).rowcount)

    # -- what is asked before it takes over

    def calibrated(self, model: str) -> Mapping[str, int]:
        """The version that each topic's calibration by this model was drawn for."""
        query = select(calibrations.c.topic_id, calibrations.c.topic_version).where(calibrations.c.model == model)
        with self._store.read() as connection:
            return {row.topic_id: row.topic_version for row in connection.execute(query)}

    def articles(self, ids: Collection[str]) -> Mapping[str, Article]:
        """Those that are still kept, by id."""
        found: dict[str, Article] = {}
        with self._store.read() as connection:
            for part in _parts(sorted(ids)):
                rows = connection.execute(select(articles).where(articles.c.id.in_(part)))
                found.update((row.id, Article(**row._asdict())) for row in rows)
        return found


def under_way(models: Models, since: float) -> str:
    """What a change of the model is at, in a person's words; empty where there is none. Raises ``Unavailable``."""
    ahead = preparing(models.all())
    if ahead is None:
        return ""
    progress = models.progress(ahead.id, since)
    if progress.done < progress.of:
        return str(progress)
    if not ahead.report:
        return f"{ahead.short} has read the archive, its topics are being calibrated and compared"
    return f"{ahead.short} is ready: see `wirewatch models report`, then `wirewatch models use {ahead.id}`"


def verbs(models: Models, clock: Clock) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """What a command asks the owner of the data directory for."""

    def use(args: dict[str, Any]) -> dict[str, Any]:
        known = models.all()
        ahead, force = preparing(known), in_force(known)
        if ahead is None or ahead.id != args["model"]:
            raise Unusable(f"{args['model']} is not being prepared: name it under [model] and start Wirewatch again")
        if force is None or not ahead.report:
            raise Unusable(f"{ahead.id} is not ready: `wirewatch status` shows how far it is")
        return {"done": models.take_over(ahead.id, ahead.name, clock.now(), after=force.id)}

    return {"models.use": use}


def in_force(known: Sequence[KnownModel]) -> KnownModel | None:
    """Two that were put in force at the same moment, at the very first start: the first one by time and name."""
    return min((model for model in known if model.state == IN_FORCE), key=lambda m: (m.at, m.id), default=None)


def preparing(known: Sequence[KnownModel]) -> KnownModel | None:
    return next((model for model in known if model.state == PREPARING), None)


def _row(model: str, name: str, state: State, at: float, report: str = "") -> dict[str, Any]:
    return {"id": model, "name": name, "state": state, "at": at, "report": report}


def _counted(since: float) -> Select[int]:
    return select(func.count()).select_from(articles).where(articles.c.seen >= since)


def _unread_by(model: str) -> ColumnElement[bool]:
    return and_(
        *(
            ~exists().where(table.c.article_id == articles.c.id, table.c.model == model)
            for table in (article_vectors, next_vectors)
        )
    )


def _locked(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Revisions of those that are kept. Until the transaction ends nobody else changes or removes them."""
    found: dict[str, int] = {}
    for part in _parts(sorted(ids)):
        query = select(articles.c.id, articles.c.revision).where(articles.c.id.in_(part))
        rows = connection.execute(query.order_by(articles.c.id).with_for_update())
        found.update((row.id, row.revision) for row in rows)
    return found


def _parts(ids: Sequence[str]) -> Sequence[Sequence[str]]:
    return [ids[start : start + _PART] for start in range(0, len(ids), _PART)]
