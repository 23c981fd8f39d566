"""Connections to PostgreSQL that never block for ever, and what their errors ask of the caller."""

import select
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen
from sqlalchemy import Engine, ExceptionContext, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from consumers.errors import WirewatchError
from daemon.errors import Unavailable, Unusable

PATIENCE: Final = 10.0  # seconds without a word from the server after which a connection is given up
_STATEMENT = 0.8  # of the patience: the server stops a statement itself before we give up the connection
_ABANDONED = 15_000  # ms; a process that was paused inside a transaction lets go of its locks after so long
_CONNECT = 5  # seconds to wait for a connection, for each address of the server

# Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html that waiting, another attempt or the
# operator can put right: connection lost, transaction rolled back (deadlock, serialization), out of resources,
# operator intervention (shutdown, cancelled), system error
_PASSING_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
_READ_ONLY: Final = "25006"
_PASSING: Final = frozenset({
    _READ_ONLY,  # a standby that is about to take over, or an operator's brake
    "25P03",  # we were idle in a transaction for too long
    "25P04",
    "28000",  # the password was changed, and ours will be
    "28P01",
    "42501",  # a right was withdrawn; SQLite's read-only file is the same
    "55P03",  # a lock is held for too long
})  # fmt: skip
DAMAGED: Final = frozenset({"XX001", "XX002"})


class Patient(psycopg.Connection[Any]):
    """Gives up when the server says nothing for ``patience`` seconds, however alive its machine's kernel is.

    Neither TCP nor statement_timeout notices a server process that is stopped: the one is answered by the kernel, the
    other is kept by that very process.
    """

    patience: float | None = None

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        if self.patience is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(_impatient(gen, self.patience), interval, timeout)
        except _Silent:
            self.close()  # whatever it still answers must not be taken for the answer to something else
            raise


class _Silent(psycopg.OperationalError):
    pass


def _impatient(work: PQGen[Any], patience: float) -> PQGen[Any]:
    heard = monotonic()
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            if ready != waiting.READY_NONE:
                heard = monotonic()
            elif monotonic() - heard > patience:
                raise _Silent(f"the server has not answered for {patience:g} s")
            wanted = work.send(ready)
    except StopIteration as done:
        return done.value


def connect(address: Mapping[str, Any], *, patience: float | None) -> Patient:
    """``address``: libpq's keywords. Without ``patience``: for what may take long, such as a migration."""
    given = {
        "application_name": "wirewatch",
        "connect_timeout": _CONNECT,
        "keepalives_idle": 10,  # a connection whose other end is gone is known to be dead after 25 s, used or not
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": int((patience or PATIENCE) * 1000),
        **address,
        "client_encoding": "UTF8",
    }
    connection = Patient.connect(**given, autocommit=True)
    connection.patience = patience or PATIENCE
    # not as startup options: connection poolers such as PgBouncer refuse those
    connection.execute(
        "SELECT set_config('statement_timeout', %s, false), set_config('idle_in_transaction_session_timeout', %s,"
        " false), set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
        " ELSE current_setting('synchronous_commit') END, false)",
        [str(round((patience or 0.0) * _STATEMENT * 1000)), str(_ABANDONED)],
    )
    connection.autocommit = False
    connection.patience = patience
    return connection


def pooled(address: Mapping[str, Any], connections: int, patience: float) -> Engine:
    """At most so many connections, opened when first needed. Each is looked at before it is used again.

    ``patience``: seconds to wait for an answer, or for a connection that others use.
    """
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(address, patience=patience),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=patience,
        pool_use_lifo=True,
        use_native_hstore=False,  # saves a question at start
    )
    event.listen(engine, "checkin", _has_been_used)
    event.listen(engine, "checkout", _discard_the_dead)
    event.listen(engine, "handle_error", _leave_a_standby)
    return engine


def single(address: Mapping[str, Any]) -> Engine:
    """One connection that waits for the server as long as it takes."""
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(address, patience=None),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        use_native_hstore=False,
    )


def meaning(error: DBAPIError, verb: str) -> WirewatchError | None:
    cause = error.orig
    state = getattr(cause, "sqlstate", None) or ""
    if state in DAMAGED:
        return Unusable(
            f"the store cannot be {verb}, the database is damaged ({said(cause)}): stop Wirewatch, then restore a "
            "backup"
        )
    if is_passing(error):
        return Unavailable(f"the store cannot be {verb}: {said(cause)}")
    return None


def is_passing(error: DBAPIError) -> bool:
    """Whether the same may succeed later, unchanged. Errors of connecting carry no code; all of them count here."""
    state = getattr(error.orig, "sqlstate", None) or ""
    unreachable = not state and isinstance(error.orig, psycopg.OperationalError)
    return error.connection_invalidated or unreachable or state[:2] in _PASSING_CLASSES or state in _PASSING


def said(error: BaseException | None) -> str:
    """What the server or libpq said, on one line."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((primary or str(error)).split())


def _has_been_used(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["used"] = True


def _discard_the_dead(connection: psycopg.Connection[Any], record: ConnectionPoolEntry, _proxy: object) -> None:
    """A connection that waits has nothing to say: what can be read from it is its end, or its last words.

    So a server that was restarted costs nobody an error, and no question is asked each time.
    """
    if not record.info.get("used"):
        return
    if not connection.closed:
        words = select.poll()
        words.register(connection.fileno(), select.POLLIN)
        if not words.poll(0):
            return
    raise InvalidatePoolError("the server has closed the connection")


def _leave_a_standby(context: ExceptionContext) -> None:
    """After a failover the old connections lead to a server that only reads; new ones may find the other one."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
