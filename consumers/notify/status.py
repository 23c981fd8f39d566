"""HTTP answers, sorted by what the sender can do."""

from email.utils import parsedate_to_datetime

from consumers.errors import Refused, Reject, Retry
from consumers.notify import Unanswered

LONGEST_WAIT = 3600.0  # seconds; a server that asks for more is asked again after an hour

_GONE = {404: "there is nothing at its address", 410: "its address is gone"}
_NOT_ALLOWED = {401: "it wants other credentials", 403: "it does not let us in", 405: "its address takes no messages"}
_BUSY = {408, 425, 429, 501, 503}  # answered without doing the work


def classify(status: int, *, retry_after: str = "", now: float = 0.0) -> Retry | Reject | None:
    """``None`` where the message was accepted, else the error to raise.

    2xx accepted. 429, 503, 408, 425: ``Retry``, with the wait that was asked for. Other 5xx: ``Unanswered``, because a
    gateway may fail after the work was done. 3xx, 401, 403, 404, 405, 410 are about the address and not about this
    message: ``Refused``. Any other 4xx: ``Reject``. ``now`` (seconds since the epoch) is for a ``retry_after`` that is
    a date.
    """
    if 200 <= status < 300:
        return None
    if status in _BUSY:
        return Retry(f"it asked us to wait (HTTP {status})", after=wait(retry_after, now))
    if status >= 500:
        return Unanswered(f"it failed (HTTP {status})", after=wait(retry_after, now))
    if 300 <= status < 400:
        return Refused(f"it redirects elsewhere (HTTP {status}): set the new address")
    if why := _GONE.get(status) or _NOT_ALLOWED.get(status):
        return Refused(f"{why} (HTTP {status})")
    return Reject(f"it does not take this message (HTTP {status})")


def wait(retry_after: str, now: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3), a number or a date; ``None`` where it is neither."""
    text = retry_after.strip()
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
