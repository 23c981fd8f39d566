"""What went wrong with a request, in one sentence for people."""

import os
import ssl
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp import hdrs

from daemon.fetch.failure import FailureKind, PollFailed
from daemon.fetch.guard import EgressRefused
from daemon.fetch.text import one_line, tidy


def bad_status(response: aiohttp.ClientResponse, now: float) -> PollFailed:
    status = response.status
    kinds: dict[int, tuple[FailureKind, str]] = {
        401: ("denied", "the server wants credentials: set basic_auth_file or headers for this feed"),
        403: ("denied", "the server refuses to serve us"),
        404: ("missing", "there is nothing at this address"),
        410: ("gone", "the feed was taken down for good"),
        429: ("throttled", "the server wants to be asked less often"),
    }
    kind, why = kinds.get(status) or (
        ("server", "the server has a fault")
        if status >= 500
        else ("answer", "an answer that makes no sense for a feed")
    )
    phrase = one_line(tidy(f"{status} {response.reason or ''}"))[:80]
    return PollFailed(kind, f"{why} ({phrase})", status=status, retry_after=_retry_after(response, now))


def too_large(most: int, when: str = "") -> PollFailed:
    return PollFailed("too_large", f"larger than {most / 1_000_000:g} MB{when}")


def refused(address: str, why: str) -> PollFailed:
    return PollFailed(
        "refused",
        f"{address} is not dialled ({why}): if this feed is meant, add the address to allow_networks in [fetch]",
    )


def broken(error: aiohttp.ClientError | OSError | ValueError) -> PollFailed:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, EgressRefused):
        return refused(cause.address, cause.why)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return PollFailed("dns", f"the name {error.host} is not known")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or type(error.certificate_error).__name__
        return PollFailed("tls", f"the certificate of {error.host} is not valid ({why})")
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        return PollFailed("tls", "no secure connection could be made")
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return PollFailed("unreachable", "the proxy did not connect us")
    if isinstance(error, aiohttp.ClientConnectorError):
        return PollFailed("unreachable", f"no connection to {error.host}:{error.port} ({_errno(cause)})")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError):
        return PollFailed("unreachable", "the connection broke")
    if isinstance(error, aiohttp.ClientPayloadError):
        return PollFailed("unreachable", "the answer broke off, or it is not encoded as it says")
    if isinstance(error, ValueError):
        return PollFailed("settings", "this cannot be requested: look at the feed's url, headers and proxy")
    return PollFailed("unreachable", f"this is not an HTTP answer ({type(error).__name__})")


def _errno(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else type(error).__name__


def _retry_after(response: aiohttp.ClientResponse, now: float) -> float | None:
    """Seconds, written as such or as a date (RFC 9110 §10.2.3)."""
    value = response.headers.get(hdrs.RETRY_AFTER, "").strip()
    if value.isdecimal():
        return float(value[:12])
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0) if value else None
    except (ValueError, OverflowError):
        return None
