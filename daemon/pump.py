"""The only loop between a stream and what happens to its records.

    streams, first one first             the first that has records gives the batch; only when all are
      │ read                             empty does the pump wait, and then on the first
      ▼
    handle(batch) ─┐                     handle is pure
      │ results    │
      ▼            ├──Reject──▶          the batch again, one by one; what is rejected alone ──▶ quarantine
    sinks, in order┘                     hand over first, remember second
      │
      ▼
    commit

A step that raises ``Retry`` or ``Unavailable`` is repeated after a pause; the steps before it are not. ``Fenced``
drops the batch and starts over with new readers. A crash repeats at most what was not committed; deterministic ids
make the repeat invisible. Anything else leaves ``run``: the supervisor restarts it. A record that it meets again and
again goes to quarantine before it is handled once more, or it would hold up all that come after it for ever.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Generic, TypeVar

from consumers.errors import Reject, Retry, WirewatchError
from consumers.ids import digest
from consumers.model import Stream
from daemon.clock import Clock
from daemon.errors import Fenced, QuarantineLimitReached, Unavailable
from daemon.log import DeadLetter, Log, Quarantine, Reader
from daemon.log.codec import encode
from daemon.suspects import Suspects

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")

_FIRST_PAUSE = 0.25  # seconds; doubled with every failure in a row
_LONGEST_PAUSE = 30.0

_logger = logging.getLogger(__name__)


class _Stopped(WirewatchError):
    """The stop event came during a pause: the batch in hand goes back to the group."""


def _nothing(*_: object) -> None:
    """What happens where nobody observes."""


def _name(stream: Stream[A], record: A) -> str:
    """Of one record within its stream: a reader does not tell where it lay."""
    return f"{stream.key(record)}:{digest(encode(stream, record).decode())}"


class Pump(Generic[A, B]):
    """Reads ``streams``, hands what ``handle`` makes of them to every sink, and commits."""

    def __init__(
        self,
        *,
        log: Log,
        streams: Sequence[Stream[A]],
        group: str,
        handle: Callable[[Sequence[A]], Sequence[B]],
        sinks: Sequence[Callable[[Sequence[B]], None]],
        quarantine: Quarantine,
        clock: Clock,
        each_round: Callable[[], None] = _nothing,
        batch: int = 16,
        later_batch: int = 16,
        wait: float = 0.25,
        quarantine_limit: int = 100,
        suspects: Suspects | None = None,
        rng: random.Random | None = None,
        on_batch: Callable[[str, int, float], None] = _nothing,
        on_reject: Callable[[str, str], None] = _nothing,
        on_trouble: Callable[[str], None] = _nothing,
    ) -> None:
        """``streams``: those that matter most first; the others are read in batches of ``later_batch``.

        ``each_round()`` is called before every read. ``wait``: seconds to wait for records when there are none.
        ``quarantine_limit``: how many records may be rejected in a row. ``suspects``: whoever makes a new pump after a
        failure gives it those of the last one. Observers: ``on_batch(stream, records,
        seconds)`` after every commit, ``on_reject(stream, reason)``, ``on_trouble(why)`` with every failed attempt and
        with "" when things go on.
        """
        self._log = log
        self._streams = streams
        self._group = group
        self._handle = handle
        self._sinks = sinks
        self._quarantine = quarantine
        self._clock = clock
        self._each_round = each_round
        self._batch = batch
        self._later_batch = later_batch
        self._wait = wait
        self._limit = quarantine_limit
        self._suspects = suspects if suspects is not None else Suspects()
        self._rng = rng or random.Random()
        self._on_batch = on_batch
        self._on_reject = on_reject
        self._on_trouble = on_trouble
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Returns soon after ``stop`` is set: the batch in hand is finished, or given back where it cannot be.

        Raises ``QuarantineLimitReached``, and whatever ``handle`` and the sinks raise beyond what is named above.
        """
        self._stop = stop
        fenced = 0
        while not stop.is_set():
            try:
                with ExitStack() as opened:
                    readers = [self._open(stream, opened) for stream in self._streams]
                    while not stop.is_set():
                        self._round(readers)
                        fenced = 0
            except Fenced as error:
                _logger.warning("%s: starting over", error)
                stop.wait(self._pause(fenced))  # two owners in a tug of war must not spin
                fenced += 1
            except _Stopped:
                return

    def _open(self, stream: Stream[A], opened: ExitStack) -> tuple[Stream[A], Reader[A]]:
        reader = self._insist(lambda: self._log.reader(stream, self._group))
        return stream, opened.enter_context(closing(reader))

    def _round(self, readers: Sequence[tuple[Stream[A], Reader[A]]]) -> None:
        """One batch, of the first stream that has records."""
        limit = self._batch
        for stream, reader in readers:
            if records := self._read(reader, limit, 0.0):
                self._finish(stream, reader, records)
                return
            limit = self._later_batch  # so that a record of the first stream never waits for a large batch of another
        stream, reader = readers[0]
        if records := self._read(reader, self._batch, self._wait):
            self._finish(stream, reader, records)

    def _read(self, reader: Reader[A], limit: int, timeout: float) -> Sequence[A]:
        self._insist(self._each_round)
        return self._insist(lambda: reader.read(limit, timeout))

    def _finish(self, stream: Stream[A], reader: Reader[A], records: Sequence[A]) -> None:
        started = self._clock.monotonic()
        self._deliver(stream, records)
        self._insist(reader.commit)
        if self._suspects:
            self._suspects.done([_name(stream, record) for record in records])
        self._on_batch(stream.name, len(records), self._clock.monotonic() - started)

    def _deliver(self, stream: Stream[A], records: Sequence[A]) -> None:
        names = [_name(stream, record) for record in records] if self._suspects else []
        if len(records) > 1 and any(name in self._suspects for name in names):
            for record in records:
                self._deliver(stream, [record])
        elif len(names) == 1 and (why := self._suspects.verdict(names[0])):
            self._set_aside(stream, records[0], Reject(why))
        else:
            self._try(stream, records)

    def _try(self, stream: Stream[A], records: Sequence[A]) -> None:
        try:
            with self._suspects.in_hand(lambda: [_name(stream, record) for record in records]):
                results = self._insist(lambda: self._handle(records))
                for sink in self._sinks if results else ():
                    self._insist(partial(sink, results))
        except Reject as error:
            if len(records) == 1:
                self._set_aside(stream, records[0], error)
            else:
                for record in records:
                    self._deliver(stream, [record])
        else:
            self._suspects.rejected.clear()

    def _set_aside(self, stream: Stream[A], record: A, error: Reject) -> None:
        name, rejected = _name(stream, record), self._suspects.rejected
        if name not in rejected and len(rejected) >= self._limit:
            raise QuarantineLimitReached(
                f"{len(rejected) + 1} records in a row of the stream {stream.name} were rejected, the last "
                f"one because: {error.reason}; look for the fault in this version or its settings, put it right, start "
                "Wirewatch again, then run `wirewatch dead-letters replay`"
            ) from error
        payload = encode(stream, record)
        letter = DeadLetter(
            stream=stream.name,
            group=self._group,
            position=name,
            payload=payload,
            reason=error.reason,
            at=self._clock.now(),
        )
        self._insist(lambda: self._quarantine([letter]))
        rejected.add(name)
        self._on_reject(stream.name, error.reason)

    def _insist(self, step: Callable[[], R]) -> R:
        """The step's result, however often it takes. Raises ``_Stopped`` when stopped during a pause."""
        failures = 0
        while True:
            try:
                result = step()
            except (Retry, Unavailable) as error:
                after = error.after if isinstance(error, Retry) else None
                pause = max(self._pause(failures), after or 0.0)
                self._on_trouble(str(error))
                _logger.warning("%s; trying again in %.1f s", error, pause)
                failures += 1
                if self._stop.wait(pause):
                    raise _Stopped from error
            else:
                if failures:
                    self._on_trouble("")
                return result

    def _pause(self, failures: int) -> float:
        """Seconds, doubling, with half of it random: "equal jitter".

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 16))
        return longest * self._rng.uniform(0.5, 1.0)
