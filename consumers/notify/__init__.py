"""Channels: one file each, and what they all promise.

A channel is handed everything it has to tell and looks nothing up. It answers with a ``Receipt``, or with the error
that says what to do next.
"""

from typing import Literal, Protocol, runtime_checkable

from consumers.errors import Retry
from consumers.model import Digest, Message, Notice, Receipt

Repeats = Literal["deduplicated", "marked"]
"""What becomes of a message that is sent twice because nobody knows whether the first one arrived.

``deduplicated``: the receiver knows it by its id. ``marked``: people see it twice, so it says "may be a repeat".
"""


Tidings = Message | Digest | Notice
"""What a channel can be asked to tell."""


class Unanswered(Retry):
    """It went out and no answer came back: it may have arrived."""


class Notifier(Protocol):
    """One channel. One message at a time; ``close`` is whoever made it's business."""

    @property
    def repeats(self) -> Repeats: ...

    @property
    def gap(self) -> float:
        """Least seconds between two messages."""
        ...

    async def send(self, message: Tidings) -> Receipt:
        """Returns when the channel has accepted the message.

        Raises ``Retry`` (not accepted, try again), ``Unanswered`` (perhaps accepted), ``Refused`` (the channel takes
        nothing until somebody changes its settings) or ``Reject`` (it will never take this one message). No reason
        holds a secret.
        """
        ...


@runtime_checkable
class Finder(Protocol):
    """A channel that can be asked what it holds."""

    async def find(self, delivery_id: str, since: float, thread: str = "") -> Receipt | None:
        """The receipt of a message sent at ``since`` or a little later, or ``None`` where it is not there.

        ``thread`` is the message's: some channels list a reply only there. Raises ``Retry`` (cannot be asked now) or
        ``Reject`` (can never be asked: a right is missing).
        """
        ...


@runtime_checkable
class Editor(Protocol):
    """A channel whose messages can be brought up to date in place. An edit says nothing to anybody."""

    async def edit(self, provider_id: str, message: Message) -> None:
        """Returns when the message that the channel knows by this id shows ``message``; again changes nothing.

        Raises ``Retry`` (not now), ``Refused`` (see ``Notifier``) or ``Reject`` (it can no longer be edited: it was
        deleted, or is too old).
        """
        ...
