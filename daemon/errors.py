"""What the daemon's parts say back, beside ``Retry`` and ``Reject``."""

from consumers.errors import WirewatchError


class Unavailable(WirewatchError):
    """The log or the store cannot be reached now: wait and do the same again. Nothing was half done."""


class Fenced(WirewatchError):
    """Somebody else owns this place in the stream: drop what was read and start over with a new reader."""


class Unusable(WirewatchError):
    """What is on disk or in the settings cannot be used as it is. The message says what to do; nothing was changed."""


class QuarantineLimitReached(WirewatchError):
    """One record after the other would be set aside: the fault is ours, not theirs. The message says what to do.

    Starting again without a change would set more of them aside, so nobody should do it by itself.
    """


class ConfigError(Unusable):
    """A configuration file is wrong. ``str()`` is one sentence: file, line, key, what is wrong, what to do."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, key: str = "") -> None:
        where = ":".join(part for part in (file, str(line) if line else "") if part)
        what = f"{key}: {message}" if key else message
        super().__init__(f"{where}: {what}" if where else what)
        self.file, self.line, self.key, self.message = file, line, key, message
