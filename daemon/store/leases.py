"""Leases: a name that one process owns at a time, for as long as it goes on saying so.

No wall clocks are compared. A row is (name, owner, turn), and an owner never writes the same turn twice. Whoever wants
a name that another one owns remembers the turn and when, by its own monotonic clock, it had read it; a turn that
stood still for a whole ``ttl`` is void. The owner counts from just before it sent that turn, which is earlier, so it
stops relying on the name before anybody else can get it. Kubernetes elects its leaders in the same way.

What is left to trust: that monotonic clocks run at one speed, and stand still for no process that goes on working.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, ColumnElement, Connection, Row, Select, delete, exists, select, tuple_, update

from daemon.clock import Clock
from daemon.store import Store
from daemon.store.tables import leases
from daemon.store.upsert import insert_new


@dataclass(frozen=True, slots=True)
class _Seen:
    """``since``: monotonic seconds, when the answer with this owner and turn was there."""

    owner: str
    turn: int
    since: float


class Leases:
    """One for each process; threads may share it. All but ``held`` wait for the store."""

    def __init__(self, store: Store, *, owner: str, clock: Clock, ttl: float) -> None:
        """``owner`` is this process and no other, now or later. ``ttl``: seconds, the same for all who compete."""
        self._store = store
        self._owner = owner
        self._clock = clock
        self._ttl = ttl
        self._asking = threading.Lock()  # one conversation with the store at a time: each decides on the last one's
        self._turn = 0  # of the last write that was tried
        self._others: dict[str, _Seen] = {}  # by name
        self._memory = threading.Lock()
        self._until: dict[str, float] = {}  # monotonic; the names that are ours

    def hold(self, names: Collection[str]) -> frozenset[str]:
        """Claim these, or renew them where they are ours, in one transaction. Returns those that are held now.

        To be called again well within ``ttl``. Raises ``Unavailable``: what was held stays so until its time is over.
        """
        wanted = sorted(set(names))
        if not wanted:
            return frozenset()
        with self._asking:
            with self._store.write() as connection:
                rows = connection.execute(select(leases).where(leases.c.name.in_(wanted))).all()
                sent = self._clock.monotonic()
                ours = [row for row in rows if row.owner == self._owner or self._stood_still(row, sent)]
                missing = sorted(set(wanted) - {row.name for row in rows})
                self._turn += 1
                won = self._add(connection, missing)  # first: an insert waits for whoever updates a row of that name
                won |= self._take(connection, ours)
            with self._memory:
                for name in wanted:
                    self._until.pop(name, None)
                self._until.update(dict.fromkeys(won, sent + self._ttl))
            for name in (*won, *missing):
                self._others.pop(name, None)
        return frozenset(name for name in won if self.held(name))

    def held(self, name: str) -> bool:
        """Whether the name may still be relied on, by the clock alone."""
        with self._memory:
            return self._clock.monotonic() < self._until.get(name, float("-inf"))

    def ours(self, name: str | BindParameter[str]) -> ColumnElement[bool]:
        """A condition for a statement: nobody has taken the name over since it was last ours."""
        return exists().where(leases.c.name == name, leases.c.owner == self._owner)

    def release(self, names: Collection[str]) -> None:
        """Give back what is ours of these: free at once for others. None of them is held from the call on.

        Raises ``Unavailable``: others get them when their time is over.
        """
        if not names:
            return
        ours = _in_order(select(leases.c.name).where(leases.c.name.in_(sorted(names)), leases.c.owner == self._owner))
        with self._asking:
            with self._memory:
                for name in names:
                    self._until.pop(name, None)
            with self._store.write() as connection:
                connection.execute(delete(leases).where(leases.c.name.in_(ours)))

    def live(self, prefix: str) -> frozenset[str]:
        """The owned names that begin so, as far as this observer knows: a turn it sees for the first time is alive.

        Raises ``Unavailable``.
        """
        with self._asking:
            return frozenset(row.name for row, void in self._look(prefix) if not void)

    def prune(self, prefix: str) -> frozenset[str]:
        """Removes the void ones of the names that begin so, and returns them: for names that nobody claims again.

        Raises ``Unavailable``.
        """
        with self._asking:
            gone = [row for row, void in self._look(prefix) if void]
            if not gone:
                return frozenset()
            with self._store.write() as connection:
                found = delete(leases).where(leases.c.name.in_(_as_read(gone))).returning(leases.c.name)
                return frozenset(connection.execute(found).scalars())

    def clear(self) -> None:
        """Forget every lease: for whoever owns the data directory alone, at start, when nobody else can be alive.

        Raises ``Unavailable``.
        """
        with self._asking:
            with self._memory:
                self._until.clear()
            self._others.clear()
            with self._store.write() as connection:
                connection.execute(delete(leases))

    def _look(self, prefix: str) -> list[tuple[Row[tuple[str, str, int]], bool]]:
        """Each row whose name begins so, and whether it is void."""
        with self._store.read() as connection:
            some = select(leases).where(leases.c.name.startswith(prefix, autoescape=True))
            rows = [row for row in connection.execute(some) if row.name.startswith(prefix)]  # SQLite's LIKE has no case
        now = self._clock.monotonic()
        for name in self._others.keys() - {row.name for row in rows}:
            if name.startswith(prefix):
                del self._others[name]
        return [(row, row.owner != self._owner and self._stood_still(row, now)) for row in rows]

    def _stood_still(self, row: Row[tuple[str, str, int]], now: float) -> bool:
        """``now`` is later than the answer that the row came with."""
        seen = self._others.get(row.name)
        if seen is None or (seen.owner, seen.turn) != (row.owner, row.turn):
            self._others[row.name] = _Seen(row.owner, row.turn, now)
            return False
        return now - seen.since >= self._ttl

    def _take(self, connection: Connection, rows: Sequence[Row[tuple[str, str, int]]]) -> set[str]:
        """Compare and set: of these rows, those that nobody has written since they were read."""
        if not rows:
            return set()
        taken = update(leases).where(leases.c.name.in_(_as_read(rows))).returning(leases.c.name)
        return set(connection.execute(taken.values(owner=self._owner, turn=self._turn)).scalars())

    def _add(self, connection: Connection, names: Sequence[str]) -> set[str]:
        if not names:
            return set()
        rows = [{"name": name, "owner": self._owner, "turn": self._turn} for name in names]
        insert_new(leases, rows, connection=connection)
        mine = (leases.c.owner == self._owner) & (leases.c.turn == self._turn)
        return set(connection.execute(select(leases.c.name).where(leases.c.name.in_(names), mine)).scalars())


def _as_read(rows: Sequence[Row[tuple[str, str, int]]]) -> Select[tuple[str]]:
    """The names of those rows that are still as they were read."""
    unchanged = tuple_(leases.c.name, leases.c.owner, leases.c.turn).in_([tuple(row) for row in rows])
    return _in_order(select(leases.c.name).where(unchanged))


def _in_order(names: Select[tuple[str]]) -> Select[tuple[str]]:
    """Locked in the order of their names: two who write some of the same rows wait, and never for each other."""
    return names.order_by(leases.c.name).with_for_update()
