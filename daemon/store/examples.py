"""Texts that topics name as examples, kept beyond the archive's retention, and why one could not be read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select

from consumers.ids import digest
from daemon.store import Store
from daemon.store.tables import examples, verdicts
from daemon.store.upsert import upsert

ARTICLE = "article:"
TEXT = "text:"
_CHUNK = 500  # refs in one IN: SQLite before 3.32 takes 999
_LONGEST = 1_000  # characters of a key: PostgreSQL's index refuses rows of more than some 2,700 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One text, as a topic names it: "https://…" or "article:ID". With a ``reason`` there is no text yet.

    ``at`` is when it was read, or tried last.
    """

    ref: str
    url: str = ""
    title: str = ""
    text: str = ""
    reason: str = ""
    at: float


class Examples:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, found: Sequence[Example]) -> None:
        """Keep these. A text is never written over by a failure."""
        rows = [{**asdict(each), "ref": _key(each.ref)} for each in found]
        with self._store.write() as connection:
            kept = _with_text(connection, [row["ref"] for row in rows if row["reason"]])
            upsert(examples, [row for row in rows if row["ref"] not in kept], connection=connection)

    def get(self, refs: Collection[str]) -> Mapping[str, Example]:
        """Those that are known, by ref: with their text, or with the reason why there is none."""
        named = {_key(ref): ref for ref in refs}
        found: dict[str, Example] = {}
        with self._store.read() as connection:
            for part in _parts(list(named)):
                for row in connection.execute(select(examples).where(examples.c.ref.in_(part))):
                    fields = row._asdict()
                    ref = named[fields.pop("ref")]
                    found[ref] = Example(ref=ref, **fields)
        return found

    def failed(self) -> Sequence[Example]:
        """Those that could not be read, the latest attempt first."""
        wanted = select(examples).where(examples.c.reason != "").order_by(examples.c.at.desc(), examples.c.ref)
        with self._store.read() as connection:
            return [Example(**row._asdict()) for row in connection.execute(wanted)]

    def forget_all_but(self, refs: Collection[str]) -> int:
        """How many went. What somebody gave a verdict on stays: an accepted version may come back."""
        with self._store.write() as connection:
            known = set(connection.scalars(select(examples.c.ref)))
            judged = {ARTICLE + each for each in connection.scalars(select(verdicts.c.article_id))}
            gone = sorted(known - judged - {_key(ref) for ref in refs})
            for part in _parts(gone):
                connection.execute(delete(examples).where(examples.c.ref.in_(part)))
        return len(gone)


def _key(ref: str) -> str:
    return ref if len(ref) <= _LONGEST else f"{ref.partition(':')[0]}:{digest('example', ref)}"


def _with_text(connection: Connection, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part in _parts(keys):
        found.update(
            connection.scalars(select(examples.c.ref).where(examples.c.ref.in_(part), examples.c.reason == ""))
        )
    return found


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))
