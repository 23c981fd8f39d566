"""A message that may have arrived: its channel is asked, or it says that it may be a repeat."""

from dataclasses import replace

import structlog

from consumers.errors import Reject, Retry
from consumers.model import Notice, Receipt
from consumers.notify import Finder, Notifier, Tidings
from daemon.clock import Clock
from daemon.steady import surely
from daemon.store.outbox import Delivery, Outbox

log = structlog.get_logger("wirewatch.send")


class AskLater(Retry):
    """The channel cannot be asked now. It says nothing about sending."""


async def ask(
    outbox: Outbox, clock: Clock, notifier: Notifier, delivery: Delivery, thread: str
) -> tuple[Receipt | None, bool]:
    """What the channel has of a message in doubt, and whether it still is in doubt. Raises ``AskLater``.

    ``thread`` is the message's, where it has one. What the channel has not is due again: perhaps it has to wait now.
    """
    if not isinstance(notifier, Finder):
        return None, True
    try:
        receipt = await notifier.find(delivery.id, delivery.since, thread)
    except Retry as error:
        raise AskLater(error.reason, after=error.after) from error
    except Reject as error:
        log.warning("a channel cannot be asked what arrived", channel=delivery.channel, reason=error.reason)
        return None, True
    if receipt is None:
        await surely(outbox.absent, delivery, clock.now())
    return receipt, False


def maybe_repeated(message: Tidings) -> Tidings:
    if isinstance(message, Notice):
        return replace(message, title=f"{message.title} (may be a repeat)")
    return replace(message, possible_repeat=True)
