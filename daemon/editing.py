"""Messages that live are brought up to date, one at a time, while their channel has nothing to tell.

An edit is never in doubt: it shows what it shows, however often it is made. So none is counted or given up for good;
one that fails is made later, with what the story is by then.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from consumers.errors import Refused, Reject, Retry
from consumers.notify import Editor, Notifier
from daemon.backoff import backoff
from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.steady import STORE_PAUSE, surely
from daemon.store.outbox import Edit, Outbox
from daemon.suspects import Suspects

_LATER = 60.0  # seconds before another attempt at one message
_MUCH_LATER = 900.0  # the channel takes nothing; the next alert finds out why, and tells it

log = structlog.get_logger("wirewatch.send")


class Editing:
    """On the asyncio loop; the store is reached from threads."""

    def __init__(self, outbox: Outbox, *, clock: Clock, suspects: Suspects, check: Callable[[str], object]) -> None:
        """``check`` gets a channel's name, and raises ``Retry`` where this process may not use it now."""
        self._outbox = outbox
        self._clock = clock
        self._suspects = suspects
        self._check = check

    async def one(self, name: str, notifier: Notifier) -> float | None:
        """Edit the message that waits longest, where one does; seconds until the channel may be used again."""
        try:
            edit = await asyncio.to_thread(self._outbox.next_edit, self._clock.now(), name)
        except Unavailable as error:
            log.warning("the outbox cannot be read; trying again", reason=str(error))
            return STORE_PAUSE
        if edit is None:
            return None
        if not isinstance(notifier, Editor) or self._suspects.verdict(_name(edit)):
            await surely(self._outbox.gone, edit)
            return 0.0
        with self._suspects.in_hand(partial(_names, edit)):
            rest = await self._edit(name, notifier, edit)
        self._suspects.done(_names(edit))
        return max(rest, notifier.gap)

    async def _edit(self, name: str, editor: Editor, edit: Edit) -> float:
        try:
            message = await surely(self._outbox.shown, edit, self._clock.now())
            self._check(name)
            await editor.edit(edit.provider_id, message)
        except Refused as error:
            log.warning("a message was not edited", channel=name, delivery=edit.delivery_id, reason=error.reason)
            await surely(self._outbox.put_off, edit, self._clock.now() + _MUCH_LATER)
        except Reject as error:
            log.info("a message is edited no more", channel=name, delivery=edit.delivery_id, reason=error.reason)
            await surely(self._outbox.gone, edit)
        except Retry as error:
            rest = backoff(1, 0.0) if error.after is None else error.after
            log.info("a message was not edited; later", channel=name, delivery=edit.delivery_id, reason=error.reason)
            await surely(self._outbox.put_off, edit, self._clock.now() + max(rest, _LATER))
            return rest
        else:
            await surely(self._outbox.edited, edit, self._clock.now())
        return 0.0


def _name(edit: Edit) -> str:
    return f"edit {edit.delivery_id}"


def _names(edit: Edit) -> tuple[str]:
    return (_name(edit),)
