"""The log: named streams of records that outlive the process.

Every promise below is a test in tests/contract/test_log.py, run over every implementation.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from consumers.model import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Appended to a compacted stream: the key is gone."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record set aside. ``stream`` and ``position`` name it, so setting it aside twice changes nothing."""

    stream: str
    group: str
    position: str
    payload: bytes
    reason: str
    at: float


Quarantine = Callable[[Sequence[DeadLetter]], None]
"""Keeps dead letters durably; returning means kept. Raises ``Unavailable``."""


class Reader(Protocol[T_co]):
    """One group's place in one stream. Several readers of a group share its records, or take turns with them.

    ``read`` and ``commit`` alternate, from one thread. A record that cannot be decoded goes to quarantine and is
    skipped, before ``read`` returns any record after it. ``close`` may be called from any state, twice too.
    """

    def read(self, limit: int, timeout: float) -> Sequence[T_co]:
        """At most ``limit`` records after the last ones read; empty after ``timeout`` seconds without any.

        Records of one key come in the order of their appends. What was there when this was called is not called
        nothing, but a read may give fewer than there are. A reader whose group is being shared out anew gives
        nothing until that is done.

        Raises ``Unavailable`` (call again later; nothing is skipped), ``Fenced`` (close and start over), or
        ``QuarantineLimitReached`` when one record after the other cannot be decoded.
        """
        ...

    def commit(self) -> None:
        """Everything read so far is done. Returning means durable.

        Raises ``Unavailable`` (call again) or ``Fenced``: another reader of the group went on from the same place.
        """
        ...

    def close(self) -> None:
        """Uncommitted records come back to the group."""
        ...


class Table(Protocol[T_co]):
    """A compacted stream, read whole, then followed. One thread."""

    def changes(self, timeout: float) -> Mapping[str, T_co | None]:
        """What changed since the last call, by key; ``None`` means removed.

        The first call returns the whole table at once, also when it is empty. Later calls return what was appended
        before them, and where that is nothing wait up to ``timeout`` seconds for a first change.
        Raises ``Unavailable`` (call again; nothing is skipped).
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class Placed(Protocol):
    """A table that can tell how far it has read."""

    @property
    def place(self) -> str:
        """For people, who compare it with other workers' of the same log: "0:17 1:4", "18"."""
        ...


class Log(Protocol):
    """Threads may share a log; readers and tables belong to one thread each."""

    def append(self, stream: Stream[T], records: Iterable[T | Tombstone]) -> None:
        """Returns when every record is durable, in order per key.

        Raises ``Unavailable``: none, some or all were written; append all of them again (ids make repeats harmless).
        A record that is longer than the log takes is cut, with a mark.
        Raises ``ValueError``, and nothing was written, for text that is not Unicode (a lone surrogate).
        """
        ...

    def reader(self, stream: Stream[T], group: str) -> Reader[T]:
        """A place that resumes at the group's last commit, else at the first record there is."""
        ...

    def table(self, stream: Stream[T]) -> Table[T]: ...

    def close(self) -> None: ...
