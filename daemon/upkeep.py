"""What every process does beside its roles: it says that it lives, looks whether the log and the store can be reached,
and takes part in elections for what only one process may do.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog

from daemon.errors import Unavailable
from daemon.health import Health
from daemon.store.leases import Leases

Lag = Mapping[tuple[str, str], int]

logger = structlog.get_logger("wirewatch")


def _nothing() -> None:
    """Where winning needs nothing to be done."""


class Election:
    """One process at a time holds ``name``. ``on_won`` is called when this one begins to, until it succeeds."""

    def __init__(self, leases: Leases, name: str, on_won: Callable[[], None] = _nothing) -> None:
        self._leases = leases
        self._name = name
        self._on_won = on_won
        self._told = False

    def step(self) -> None:
        """To be called several times in the length of a lease. Raises ``Unavailable``."""
        if not self._leases.hold([self._name]):
            self._told = False
        elif not self._told:
            logger.info("elected", name=self._name)
            self._on_won()
            self._told = True

    def won(self) -> bool:
        """By the clock alone, without a look into the store."""
        return self._told and self._leases.held(self._name)

    def resign(self) -> None:
        """Somebody else can win at once. Raises ``Unavailable``."""
        self._told = False
        self._leases.release([self._name])


class Always:
    """The election of a process that is alone."""

    def step(self) -> None:
        """Nobody else stands for it."""

    def won(self) -> bool:
        return True

    def resign(self) -> None:
        """Nobody else takes over."""


class Upkeep:
    """One thread at a time. Every step is short; what fails is tried again at the next."""

    def __init__(
        self,
        *,
        beat: Callable[[], None],
        elections: Sequence[Election | Always],
        lag: Callable[[], Lag],
        health: Health,
    ) -> None:
        """``beat`` writes a sign of life into the store; ``lag`` asks the log."""
        self._beat = beat
        self._elections = elections
        self._ask = lag
        self._health = health
        self._lag: Lag = {}

    def step(self) -> None:
        """A sign of life, and the elections. Raises ``Unavailable``."""
        self._beat()
        for election in self._elections:
            election.step()

    def look_at_the_store(self) -> None:
        try:
            self.step()
        except Unavailable as error:
            self._health.set("store", False, str(error))
        else:
            self._health.set("store", True)

    def look_at_the_log(self) -> None:
        try:
            self._lag = self._ask()
        except Unavailable as error:
            self._health.set("log", False, str(error))
        else:
            self._health.set("log", True)

    def lag(self) -> Lag:
        """As of the last look: whoever scrapes must not wait for a broker."""
        return self._lag
