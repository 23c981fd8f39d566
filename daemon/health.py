"""Which parts are ready, why not, and which roles have stopped turning.

*Ready* is about work: a part that is not ready does not do what the files ask for. *Alive* is about the process: a
role whose loop has not turned for longer than its limit hangs, and only a restart helps.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from daemon.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``since`` is when it became ready or stopped being so, in seconds since the epoch."""

    name: str
    ready: bool
    why: str = ""
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A role that has not turned for ``seconds``, more than its ``limit``."""

    name: str
    seconds: float
    limit: float


class Health:
    """Threads may share it. Every method returns at once."""

    def __init__(self, clock: Clock, *, limit: float = 120.0, limits: Mapping[str, float] | None = None) -> None:
        """``limit`` is in seconds between two beats of a role; ``limits`` names the roles that have another one."""
        self._clock = clock
        self._limit = limit
        self._limits = dict(limits or {})
        self._parts: dict[str, Part] = {}
        self._beats: dict[str, float] = {}
        self._starting: set[str] = set()
        self._lock = threading.Lock()

    def set(self, part: str, ready: bool, why: str = "") -> None:
        """``why`` says in one sentence what is wrong and what to do; it is not kept for a part that is ready."""
        with self._lock:
            self._starting.discard(part)
            self._put(part, ready, "" if ready else why)

    def starting(self, part: str) -> None:
        """Not ready until its first beat. From now on the role is expected to beat."""
        with self._lock:
            self._put(part, False, "starting")
            self._starting.add(part)
            self._beats[part] = self._clock.monotonic()

    def beat(self, part: str) -> None:
        """The role's loop turns. The first beat after ``starting`` makes the part ready."""
        with self._lock:
            self._beats[part] = self._clock.monotonic()
            if part in self._starting:
                self._starting.discard(part)
                self._put(part, True, "")

    def down(self, part: str, why: str) -> None:
        """Not ready, and not expected to beat: it waits for its restart, or for somebody who looks after it."""
        with self._lock:
            self._starting.discard(part)
            self._beats.pop(part, None)
            self._put(part, False, why)

    def forget(self, part: str) -> None:
        """The part is no longer wanted, such as a channel that was removed from the settings."""
        with self._lock:
            self._starting.discard(part)
            self._beats.pop(part, None)
            self._parts.pop(part, None)

    def ready(self) -> tuple[bool, tuple[Part, ...]]:
        """Whether every part is ready, and all parts, those that are not ready first. Without any part: not ready."""
        with self._lock:
            parts = tuple(sorted(self._parts.values(), key=lambda part: (part.ready, part.name)))
        return bool(parts) and all(part.ready for part in parts), parts

    def alive(self) -> tuple[bool, tuple[Silence, ...]]:
        """Whether every role that is expected to beat does, and those that do not."""
        now = self._clock.monotonic()
        with self._lock:
            silences = tuple(
                Silence(name=name, seconds=now - beat, limit=self._limits.get(name, self._limit))
                for name, beat in sorted(self._beats.items())
                if now - beat > self._limits.get(name, self._limit)
            )
        return not silences, silences

    def _put(self, name: str, ready: bool, why: str) -> None:
        known = self._parts.get(name)
        if known is not None and known.ready == ready:
            self._parts[name] = replace(known, why=why)
        else:
            self._parts[name] = Part(name=name, ready=ready, why=why, since=self._clock.now())
