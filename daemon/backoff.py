"""How long to wait before the next attempt. Pure."""

BASE = 1.0  # seconds before the second attempt
LONGEST = 900.0
HEAD_START = 5  # attempts in which the first in the queue keeps its place: half a minute


def backoff(attempts: int, jitter: float) -> float:
    """Seconds: doubled with every attempt made so far, at most ``LONGEST``. ``jitter`` is in 0.0–1.0 and takes off up
    to a fifth, so that many who failed together do not come back together."""
    return min(LONGEST, BASE * 2.0 ** min(attempts - 1, 30)) * (1.0 - 0.2 * jitter)


def waits(failures: int, attempts: int, jitter: float, *, after: float | None) -> tuple[float, float]:
    """Seconds for a channel with so many ``failures`` in a row, and for the delivery with so many ``attempts``.

    They are the same at first, so that a short outage keeps the order. A delivery that goes on failing steps back,
    and lets the next one try: perhaps only this one fails. ``after``: what the channel asks for.
    """
    if after is not None:
        return (max(after, backoff(1, jitter)),) * 2
    hold = backoff(failures, jitter)
    if attempts <= HEAD_START:
        return hold, hold
    return hold / 2, max(hold, backoff(attempts, jitter))


def attempts_within(seconds: float) -> int:
    """How many attempts fill that time. Counting attempts, and not days on the calendar, leaves out the time in which
    the daemon did not run or the channel was disabled."""
    attempts, spent = 1, 0.0
    while spent < seconds:
        spent += backoff(attempts, 0.5)
        attempts += 1
    return attempts
