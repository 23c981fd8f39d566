"""Records that were set aside: kept with their reason until somebody replays or drops them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, select

from consumers.ids import digest
from consumers.model import STREAMS as EVERY
from consumers.model import Stream
from daemon.errors import Unusable
from daemon.log import DeadLetter, Log
from daemon.log.codec import Undecodable, decode
from daemon.store import Store
from daemon.store.tables import dead_letters
from daemon.store.upsert import insert_new

STREAMS: Mapping[str, Stream[Any]] = {stream.name: stream for stream in EVERY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A dead letter in the store. ``id`` follows from what it names, so setting a record aside twice keeps one."""

    id: str
    letter: DeadLetter


class DeadLetters:
    """Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """The log's ``Quarantine``: returning means kept, and the first reason stays. Raises ``Unavailable``."""
        rows = [
            {
                "id": digest("dead-letter", letter.stream, letter.group, letter.position),
                "stream": letter.stream,
                "group": letter.group,
                "position": letter.position,
                "payload": letter.payload,
                "reason": letter.reason,
                "at": letter.at,
            }
            for letter in letters
        ]
        with self._store.write() as connection:
            insert_new(dead_letters, rows, connection=connection)

    def list(self, limit: int = 1000) -> list[Kept]:
        """Newest first."""
        newest = select(dead_letters).order_by(dead_letters.c.at.desc(), dead_letters.c.id).limit(limit)
        with self._store.read() as connection:
            return [_kept(row) for row in connection.execute(newest)]

    def ids(self) -> Sequence[str]:
        """Of all of them, oldest first."""
        with self._store.read() as connection:
            return connection.scalars(select(dead_letters.c.id).order_by(dead_letters.c.at, dead_letters.c.id)).all()

    def count(self) -> int:
        with self._store.read() as connection:
            return connection.scalar(select(func.count()).select_from(dead_letters)) or 0

    def get(self, prefix: str) -> Kept:
        """The one whose id starts with ``prefix``. Raises ``Unusable`` where none or several do."""
        column = dead_letters.c.id
        with self._store.read() as connection:
            rows = connection.execute(
                select(dead_letters).where(column.startswith(prefix, autoescape=True)).limit(2)
            ).all()
        if not prefix or not rows:
            raise Unusable(f'no dead letter has an id that starts with "{prefix}": see `wirewatch dead-letters list`')
        if len(rows) > 1:
            raise Unusable(f'several dead letters have ids that start with "{prefix}": give more of it')
        return _kept(rows[0])

    def drop(self, ids: Sequence[str]) -> int:
        """How many were still there."""
        with self._store.write() as connection:
            return sum(connection.execute(delete(dead_letters).where(dead_letters.c.id == id_)).rowcount for id_ in ids)

    def replay(self, kept: Kept, log: Log) -> None:
        """Append the record to its stream again, then forget the letter: hand over first.

        Raises ``Unusable`` where this version cannot read it either, and keeps it.
        """
        letter = kept.letter
        stream = STREAMS.get(letter.stream)
        if stream is None:
            raise Unusable(
                f'there is no stream "{letter.stream}" here: drop the letter, or install the version it needs'
            )
        try:
            record = decode(stream, letter.payload)
        except Undecodable as error:
            raise Unusable(f"{kept.id[:12]} still cannot be read, so it stays: {error}") from error
        log.append(stream, [record])
        self.drop([kept.id])


def verbs(letters: DeadLetters, log: Log) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """What a command asks the owner of the data directory for. ``ids`` are prefixes; empty means all."""

    def chosen(args: Mapping[str, Any]) -> Sequence[str]:
        wanted = args.get("ids", [])
        return [letters.get(str(prefix)).id for prefix in wanted] if wanted else letters.ids()

    def replay(args: dict[str, Any]) -> dict[str, Any]:
        done, failed = 0, []
        for id_ in chosen(args):
            try:
                letters.replay(letters.get(id_), log)
                done += 1
            except Unusable as error:
                failed.append(str(error))
        return {"done": done, "failed": failed}

    def drop(args: dict[str, Any]) -> dict[str, Any]:
        return {"done": letters.drop(chosen(args)), "failed": []}

    return {"dead-letters.replay": replay, "dead-letters.drop": drop}


def _kept(row: Row[Any]) -> Kept:
    fields = row._asdict()
    return Kept(id=fields.pop("id"), letter=DeadLetter(**fields))
