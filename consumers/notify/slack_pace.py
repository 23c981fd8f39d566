"""How often one app may ask Slack for what. Channels of one token are one app: they share what it may ask for.

https://docs.slack.dev/apis/web-api/rate-limits. A message a second is a matter of each channel, and of the sender.
"""

from collections import deque
from collections.abc import Callable

from consumers.errors import Retry
from consumers.ids import digest

HISTORY_GAP = 60.0  # one conversations.history a minute and 15 messages a call, for apps outside the Marketplace
EDITS_A_MINUTE = 45  # chat.update is Tier 3, "50+ per minute"; other software may use the same token


class Pace:
    """Of one token, on one loop. What it lets pass counts as asked. Both raise ``Retry`` where it is too early."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._looked = float("-inf")
        self._edits: deque[float] = deque(maxlen=EDITS_A_MINUTE)

    def look(self) -> None:
        """Into the history of a channel, and into a thread."""
        now = self._now()
        if (left := self._looked + HISTORY_GAP - now) > 0:
            raise Retry("Slack's history may be asked once a minute", after=left)
        self._looked = now

    def edit(self) -> None:
        now = self._now()
        if len(self._edits) == EDITS_A_MINUTE and (left := self._edits[0] + 60 - now) > 0:
            raise Retry("Slack takes 50 edits a minute", after=left)
        self._edits.append(now)


class Paces:
    """Outlives the notifiers, which are made anew when settings change."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._of: dict[str, Pace] = {}

    def of(self, token: str) -> Pace:
        return self._of.setdefault(digest("slack token", token), Pace(self._now))
