"""What people said of matches and near misses, and the version of the topic that it would make."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import and_, delete, select, update

from consumers.model import Topic
from daemon.store import Store
from daemon.store.tables import proposals, verdicts
from daemon.store.upsert import upsert
from daemon.wire import from_json, to_json

State = Literal["open", "accepted", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one person said of one article for one topic. ``by`` is a user's name."""

    topic_id: str
    article_id: str
    relevant: bool
    state: State = "open"
    by: str = ""
    note: str = ""
    at: float


class Verdicts:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, said: Sequence[Verdict]) -> None:
        """The last word on an article counts."""
        with self._store.write() as connection:
            upsert(verdicts, [asdict(each) for each in said], connection=connection)

    def of(self, topic_id: str, state: State | None = None) -> list[Verdict]:
        """Newest first; all of them, or those in one state."""
        wanted = select(verdicts).where(verdicts.c.topic_id == topic_id)
        if state is not None:
            wanted = wanted.where(verdicts.c.state == state)
        with self._store.read() as connection:
            rows = connection.execute(wanted.order_by(verdicts.c.at.desc(), verdicts.c.article_id)).all()
        return [Verdict(**row._asdict()) for row in rows]

    def settle(self, said: Sequence[Verdict], state: State) -> int:
        """How many went from open into ``state``; one that was replaced by a newer verdict meanwhile stays open."""
        done = 0
        with self._store.write() as connection:
            for each in said:
                same = and_(
                    verdicts.c.topic_id == each.topic_id,
                    verdicts.c.article_id == each.article_id,
                    verdicts.c.at == each.at,
                    verdicts.c.state == "open",
                )
                done += connection.execute(update(verdicts).where(same).values(state=state)).rowcount
        return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The version that a topic's open verdicts would make of version ``base_version``.

    ``report`` is its back-test against that version, as JSON; empty: not made yet.
    """

    topic_id: str
    base_version: int
    topic: Topic
    report: str = ""
    at: float


class Proposals:
    """At most one for each topic. Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, proposal: Proposal) -> None:
        row = {
            "topic_id": proposal.topic_id,
            "base_version": proposal.base_version,
            "topic": to_json(proposal.topic).decode(),
            "report": proposal.report,
            "at": proposal.at,
        }
        with self._store.write() as connection:
            upsert(proposals, [row], connection=connection)

    def get(self, topic_id: str) -> Proposal | None:
        with self._store.read() as connection:
            row = connection.execute(select(proposals).where(proposals.c.topic_id == topic_id)).first()
        return None if row is None else Proposal(**{**row._asdict(), "topic": from_json(Topic, row.topic)})

    def drop(self, topic_id: str) -> None:
        with self._store.write() as connection:
            connection.execute(delete(proposals).where(proposals.c.topic_id == topic_id))
