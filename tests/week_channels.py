"""Channels of a made-up week: Slack and mail as they are, while somebody counts what is on its way, and the time."""

import asyncio
import email
import email.policy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

from consumers.model import Message, Receipt
from consumers.notify import Tidings
from consumers.notify.mail import MailNotifier
from consumers.notify.slack import SlackNotifier


class WeekClock:
    """The loop's time, and what was skipped of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, begin: float) -> None:
        self._loop = loop
        self._begin = begin

    def now(self) -> float:
        return self._begin + self._loop.time()

    monotonic = now

    def skip(self, seconds: float) -> None:
        self._begin += seconds


@dataclass
class Wire:
    """What is on its way to a channel now."""

    busy: int = 0
    calls: int = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        self.busy += 1
        self.calls += 1
        try:
            yield
        finally:
            self.busy -= 1


class WiredSlack(SlackNotifier):
    wire: Wire

    async def send(self, message: Tidings) -> Receipt:
        with self.wire.taken():
            return await super().send(message)

    async def find(self, delivery_id: str, since: float, thread: str = "") -> Receipt | None:
        with self.wire.taken():
            return await super().find(delivery_id, since, thread)

    async def edit(self, provider_id: str, message: Message) -> None:
        with self.wire.taken():
            await super().edit(provider_id, message)


class WiredMail(MailNotifier):
    wire: Wire

    async def send(self, message: Tidings) -> Receipt:
        with self.wire.taken():
            return await super().send(message)


@dataclass
class PostOffice:
    """A mail server. ``says`` gets the time and may answer: in SMTP words, or "cut": taken, and the answer lost."""

    says: Callable[[float], str]
    now: Callable[[], float]
    letters: list[tuple[float, EmailMessage]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.says(self.now())
        if answer not in ("", "cut"):
            return answer
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append((self.now(), letter))
        if answer == "cut":
            assert server.transport is not None
            server.transport.abort()
        return "250 OK"
