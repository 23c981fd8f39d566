"""How long to wait before the next attempt. Pure."""

BASE = 1.0  # seconds before the second attempt
LONGEST = 900.0


def backoff(attempts: int, jitter: float) -> float:
    """Seconds: doubled with every attempt made so far, at most ``LONGEST``. ``jitter`` is in 0.0–1.0 and takes off up
    to a fifth, so that many who failed together do not come back together."""
    return min(LONGEST, BASE * 2.0 ** min(attempts - 1, 30)) * (1.0 - 0.2 * jitter)


def attempts_within(seconds: float) -> int:
    """How many attempts fill that time. Counting attempts, and not days on the calendar, leaves out the time in which
    the daemon did not run or the channel was disabled."""
    attempts, spent = 1, 0.0
    while spent < seconds:
        spent += backoff(attempts, 0.5)
        attempts += 1
    return attempts
