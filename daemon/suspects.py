"""What a role knows of records that it could not do, kept while it is restarted.

Those that were in hand when it failed unexpectedly, so that one that fails every time can be found; and those that were
rejected one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType

from consumers.errors import WirewatchError


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: str


class Suspects:
    """Outlives the restarts of its role, in memory; one thread at a time. Names are the caller's.

    A failure says little of one record among others, so a batch with a suspect in it is to be done one by one. A record
    that was in hand at ``limit`` failures, the last ones alone, is convicted. With five, the supervisor's pauses
    between them come to half a minute: what is wrong for a moment convicts nobody.
    """

    def __init__(self, limit: int = 5) -> None:
        self._limit = limit
        self.rejected: set[str] = set()  # in a row; one that is met again after a failure counts once
        self._failures: dict[str, _Failures] = {}

    def __bool__(self) -> bool:
        return bool(self._failures)

    def __contains__(self, name: str) -> bool:
        return name in self._failures

    @contextmanager
    def in_hand(self, names: Callable[[], Sequence[str]]) -> Iterator[None]:
        """What leaves the block unexpectedly is held against ``names()``, and goes on its way."""

        def note(_kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> bool:
            if isinstance(error, Exception) and not isinstance(error, WirewatchError):
                self._failed(names(), f"{type(error).__name__}: {error}")
            return False

        with ExitStack() as watched:
            watched.push(note)
            yield

    def _failed(self, names: Sequence[str], last: str) -> None:
        for name in names:
            known = self._failures.get(name)
            self._failures[name] = _Failures(known.count + 1 if known else 1, last)

    def verdict(self, name: str) -> str:
        """Why the record is not to be tried again; empty: it may be."""
        known = self._failures.get(name)
        if known is None or known.count < self._limit:
            return ""
        return f"Wirewatch failed {known.count} times with it in hand, the last time with {known.last}"

    def done(self, names: Sequence[str]) -> None:
        """Handed over or set aside, and committed: a replay is a new chance."""
        for name in names:
            self._failures.pop(name, None)
