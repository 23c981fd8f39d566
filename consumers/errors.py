"""The things a consumer can say back. Each says what the caller can do; anything else is a bug and crashes loudly."""


class WirewatchError(Exception):
    """The root of every error that Wirewatch raises on purpose."""


class Retry(WirewatchError):
    """The same work may succeed later, unchanged.

    ``after`` is the least number of seconds to wait, where the other side named one.
    """

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class Reject(WirewatchError):
    """This one record will never succeed: set it aside, go on with the next."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(Reject):
    """A channel refuses everything until somebody changes its settings: stop using it and tell the operator."""


class ModelUnusable(WirewatchError):
    """The embedding model is missing, damaged or not the one expected. The message says what to do."""
