"""From payloads to records, with quarantine for what cannot be decoded."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from consumers.model import Stream
from daemon.clock import Clock
from daemon.errors import QuarantineLimitReached
from daemon.log import DeadLetter, Quarantine
from daemon.log.codec import Undecodable, decode

T = TypeVar("T")


class Decoder(Generic[T]):
    """One reader's way from payloads to records; what cannot be decoded goes to quarantine.

    After ``limit`` of them without a single good one ``QuarantineLimitReached`` is raised instead: an older version
    that was started by mistake must not set the whole stream aside.
    """

    def __init__(self, stream: Stream[T], group: str, *, quarantine: Quarantine, clock: Clock, limit: int) -> None:
        self._stream = stream
        self._group = group
        self._quarantine = quarantine
        self._clock = clock
        self._limit = limit
        self._in_a_row: set[str] = set()  # positions: one that is met again after an outage counts once

    def records(self, payloads: Iterable[tuple[str, bytes]]) -> Iterator[T]:
        """Takes (position, payload) in order; a letter is kept before any record after it is given.

        Raises ``Unavailable`` (all of them may be given again) or ``QuarantineLimitReached``.
        """
        for position, payload in payloads:
            try:
                record = decode(self._stream, payload)
            except Undecodable as error:
                self._set_aside(position, payload, str(error))
            else:
                self._in_a_row.clear()
                yield record

    def _set_aside(self, position: str, payload: bytes, reason: str) -> None:
        self._in_a_row.add(position)
        if len(self._in_a_row) > self._limit:
            raise QuarantineLimitReached(
                f"{len(self._in_a_row)} records in a row of the stream {self._stream.name} cannot be read, the last "
                f"one because it is {reason}; make sure that this is the version of Wirewatch you mean to run, then "
                "start it again"
            )
        letter = DeadLetter(
            stream=self._stream.name,
            group=self._group,
            position=position,
            payload=payload,
            reason=reason,
            at=self._clock.now(),
        )
        self._quarantine([letter])
