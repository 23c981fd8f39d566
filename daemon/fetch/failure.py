"""The one way in which a poll fails."""

from typing import Literal

from consumers.errors import WirewatchError

FailureKind = Literal[
    "timeout",  # the deadline passed
    "unreachable",  # no connection, or it broke
    "dns",  # the name is not known
    "tls",  # the certificate or the handshake
    "refused",  # the egress guard does not dial that address
    "server",  # 5xx
    "throttled",  # 429
    "denied",  # 401, 403 and their like
    "missing",  # 404
    "gone",  # 410
    "answer",  # any other status or redirect that makes no sense
    "too_large",  # over a cap of bytes
    "not_a_feed",  # read well, but it is something else
    "unreadable",  # broken, or reading it cost too much
    "settings",  # what feeds.toml says of this feed cannot be used
]


class PollFailed(WirewatchError):
    """This feed brought nothing this time. ``reason`` is one sentence for people.

    ``retry_after`` is in seconds, where the server named it; ``discovered`` are feeds that a web page announces.
    """

    def __init__(
        self,
        kind: FailureKind,
        reason: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        discovered: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.kind: FailureKind = kind
        self.reason = reason
        self.retry_after = retry_after
        self.status = status
        self.discovered = discovered
