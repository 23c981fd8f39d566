"""Every other service, through Apprise: a title and a text to one of its addresses (https://appriseit.com).

The package ``apprise`` is an extra. The address holds the password or the token of the service, so it is in no error,
and Apprise's own log stays silent. It says only whether a service took a message, and not why not: there is neither a
thread, nor an edit, nor anything to ask after a crash.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from consumers.errors import Retry
from consumers.model import Message, Receipt
from consumers.notify import Repeats, Tidings, Unanswered, push_text, wording
from consumers.notify.rendered import Render, own_words


class AppriseNotifier:
    repeats: Repeats = "marked"
    gap = 1.0  # the strictest of the common services ask for it

    def __init__(
        self, url: str, *, now: Callable[[], float], render: Render = own_words, timeout: float = 30.0
    ) -> None:
        """Raises ``ValueError`` where Apprise is not installed or makes nothing of ``url``."""
        try:
            import apprise
        except ImportError as error:
            raise ValueError('Apprise is not installed: pip install "apprise>=2.2,<3"') from error
        for name in ("apprise", "urllib3", "requests_oauthlib"):  # at a lower level they write addresses
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(app_id="Wirewatch", async_mode=False, http_redirects=False)
        service = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            raise ValueError("Apprise makes nothing of this address: appriseit.com/services says how one is written")
        self._service = apprise.Apprise(service, asset=asset)
        self._called = str(service.service_name)
        self._now = now
        self._render = render
        self._timeout = timeout
        self._thread: Thread | None = None

    async def send(self, message: Tidings) -> Receipt:
        """Whoever says no does not say why: it may have arrived all the same, so a repeat says that it is one."""
        if self._thread and self._thread.is_alive():
            raise Retry(f"{self._called} is still busy with an earlier message", after=self._timeout)
        words = self._render(message)
        title, body = push_text.pushed(message, words, self._now())
        if not await self._accepted(title, body, "warning" if _pressing(message) else "info"):
            raise Unanswered(f"{self._called} did not take it, or its answer got lost")
        return Receipt(note=words.note)

    async def _accepted(self, title: str, body: str, severity: str) -> bool:
        """A thread cannot be ended: one that is over its time goes on alone, and is waited for before the next."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def notify() -> None:
            accepted = False
            try:
                accepted = bool(self._service.notify(title=title, body=body, notify_type=severity, body_format="text"))
            finally:
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(_answer, answer, accepted)

        self._thread = Thread(target=notify, name="apprise", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError as error:
            raise Unanswered(f"{self._called} did not answer within {self._timeout:g} s") from error


def _answer(waiting: asyncio.Future[bool], accepted: bool) -> None:
    if not waiting.done():
        waiting.set_result(accepted)


def _pressing(message: Tidings) -> bool:
    return isinstance(message, Message) and wording.urgent(message)
