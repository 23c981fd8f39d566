"""Mutes in the store."""

from collections.abc import Sequence

from consumers.holding import Mute
from daemon.store import Store


class Mutes:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, mute: Mute) -> None:
        raise NotImplementedError

    def end(self, mute_id: str, now: float, why: str) -> bool:
        """What it holds is due now. False where there is none with this id, or it has ended."""
        raise NotImplementedError

    def in_force(self, now: float) -> Sequence[Mute]:
        raise NotImplementedError

    def all(self, *, limit: int = 200) -> Sequence[Mute]:
        """Those in force first, then the newest."""
        raise NotImplementedError
