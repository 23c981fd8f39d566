"""Times that people set: of digests ("07:00 Europe/Paris weekdays") and of quiet hours ("22:00-07:00 Europe/Paris").

Wall-clock times in their zone, through the changes of its offset.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SetTimes:
    """``text`` as people wrote it, in one spelling."""

    text: str

    def next(self, after: float) -> float:
        """The first of these times later than ``after``; seconds since the epoch, as everywhere."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class QuietHours:
    text: str

    def until(self, now: float) -> float | None:
        """When the quiet hours that ``now`` lies in end; ``None`` where it lies in none."""
        raise NotImplementedError


def set_times(text: str) -> SetTimes:
    """Raises ``ValueError`` with a sentence that says how it is written."""
    raise NotImplementedError


def quiet_hours(text: str) -> QuietHours:
    """Raises ``ValueError`` with a sentence that says how it is written."""
    raise NotImplementedError
