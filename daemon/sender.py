"""The sender: takes deliveries out of the outbox and hands them to their channels.

::

    due ──▶ claim ──▶ (in doubt? ask, or mark) ──▶ send ──▶ record what came back

One worker a channel at most, so a channel that hangs delays no other, and a channel's order is kept. What a channel
answers decides about the delivery *and* the channel: ``Retry`` holds the channel for a while, ``Refused`` disables it
and its deliveries wait, ``Reject`` gives up this one delivery. The operator is told of both on another channel.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, ParamSpec, TypeVar

import structlog

from consumers.errors import Refused, Reject, Retry
from consumers.model import Message, Notice, Receipt
from consumers.notify import Finder, Notifier, Unanswered
from daemon.backoff import attempts_within, backoff
from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.notices import given_up, not_delivered_to, refused, unreachable
from daemon.store.outbox import Delivery, Disabled, Outbox, Tell
from daemon.suspects import Suspects

P = ParamSpec("P")
T = TypeVar("T")

Kind = Literal["console", "slack", "email", "webhook"]
Outcome = Literal["sent", "retried", "dead", "in_doubt"]

_HEAD_START = 5  # attempts in which the first in the queue keeps its place: half a minute
_FAILURES_SHOWN = 2  # in a row; one alone is no news
_FAILURES_TOLD = 9  # in a row: some eight minutes
_STORE_PAUSE = 1.0  # seconds between attempts to reach the store

log = structlog.get_logger("wirewatch.send")


@dataclass(frozen=True, slots=True)
class Channel:
    """A destination as the settings name it. A disabled one is tried again when ``settings_hash`` changes."""

    name: str
    kind: Kind
    notifier: Notifier
    settings_hash: str = ""


def _ignore(*_: object) -> None:
    """For those who do not count."""


class Sender:
    """Runs on the asyncio loop; the store is reached from threads."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        channels: Iterable[Channel],
        clock: Clock,
        operator: str = "console",
        rng: random.Random,
        count: Callable[[Kind, Outcome], object] = _ignore,
        accepted: Callable[[float], object] = _ignore,
        report: Callable[[str, bool, str], object] = _ignore,
        poll: float = 0.25,
        give_up: float = 3 * 86400.0,
        drain: float = 8.0,
    ) -> None:
        """``operator``: the channel that is told about the others.

        ``count`` gets a channel's kind and what became of an attempt, ``accepted`` the seconds from an alert's
        decision to its acceptance, ``report`` a channel's name, whether it works and why not. ``poll`` is the seconds
        between two looks into the outbox, ``give_up`` how many seconds one delivery is retried, ``drain`` how many
        seconds what is on the wire has left after a stop.
        """
        self._outbox = outbox
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock
        self._operator = operator
        self._rng = rng
        self._count, self._accepted, self._report = count, accepted, report
        self._poll, self._drain_time = poll, drain
        self._most_attempts = attempts_within(give_up)
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._disabled: dict[str, Disabled] = {}
        self._another_chance: set[str] = set()
        self._free_at: dict[str, float] = {}  # monotonic; when a channel may send again
        self._failures: dict[str, tuple[int, float]] = {}  # in a row, and since when
        self._suspects = Suspects()  # deliveries
        self._stopping = False

    def set_channels(self, channels: Iterable[Channel]) -> None:
        """Put new settings in force. A disabled channel whose settings changed gets another chance."""
        self._channels = {channel.name: channel for channel in channels}
        for name, disabled in list(self._disabled.items()):
            channel = self._channels.get(name)
            if channel and channel.settings_hash != disabled.settings_hash:
                self._another_chance.add(name)

    def enable(self, name: str) -> None:
        """Somebody has seen the channel work. From any thread; raises ``Unavailable``."""
        self._outbox.enable(name, self._clock.now())
        self._disabled.pop(name, None)
        self._free_at.pop(name, None)
        self._failures.pop(name, None)
        self._report(name, True, "")

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop``; then finish what is on the wire, within the drain time. What is cut off is in doubt.

        After a start every disabled channel gets one more chance: whoever restarts may have just mended it.
        """
        self._stopping = False
        await self._recover()
        try:
            while not stop.is_set():
                await self._start_workers()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._poll)
        finally:
            self._stopping = True
            await self._finish()

    # -- workers

    async def _recover(self) -> None:
        in_doubt = await self._surely(self._outbox.recover, self._clock.now())
        if in_doubt:
            log.warning("messages were on the wire when Wirewatch stopped", in_doubt=in_doubt)
        self._disabled = dict(await self._surely(self._outbox.disabled))
        self._another_chance = set(self._disabled)
        for name in self._channels:
            disabled = self._disabled.get(name)
            self._report(name, disabled is None, disabled.reason if disabled else "")

    async def _start_workers(self) -> None:
        for name in [name for name, worker in self._workers.items() if worker.done()]:
            self._workers.pop(name).result()  # a bug crashes the role, loudly
        try:
            due = await asyncio.to_thread(self._outbox.due_channels, self._clock.now())
        except Unavailable as error:
            log.warning("the outbox cannot be read; trying again", reason=str(error))
            return
        for name in due:
            if name not in self._workers and self._open(name):
                self._workers[name] = asyncio.create_task(self._work(name), name=f"send-{name}")

    def _open(self, name: str) -> bool:
        """May send now: configured, not held, and not disabled unless it has another chance."""
        if name not in self._channels or self._clock.monotonic() < self._free_at.get(name, 0.0):
            return False
        return name not in self._disabled or name in self._another_chance

    async def _work(self, name: str) -> None:
        while self._open(name) and not self._stopping:
            try:
                delivery = await asyncio.to_thread(self._outbox.claim, self._clock.now(), name)
            except Unavailable as error:
                log.warning("the outbox cannot be written; trying again", reason=str(error))
                self._free_at[name] = self._clock.monotonic() + _STORE_PAUSE
                return
            if delivery is None:
                return
            with self._suspects.in_hand(partial(_only, delivery.id)):
                await self._deliver(self._channels[name], delivery)
            self._suspects.done([delivery.id])

    async def _finish(self) -> None:
        workers = list(self._workers.values())
        self._workers = {}
        if not workers:
            return
        _, late = await asyncio.wait(workers, timeout=self._drain_time)
        for worker in late:
            worker.cancel()
        ended = await asyncio.gather(*workers, return_exceptions=True)
        if late:
            log.warning("stopped while messages were on the wire; they are in doubt", messages=len(late))
        for error in ended:
            if isinstance(error, Exception):
                raise error

    # -- one delivery

    async def _deliver(self, channel: Channel, delivery: Delivery) -> None:
        in_doubt = delivery.in_doubt
        if self._suspects.verdict(delivery.id):  # or it would take the whole role down for ever
            await self._dead(channel, delivery, "Wirewatch itself failed each time it sent this; its log says how")
            return
        try:
            message = await self._surely(self._outbox.compose, delivery)
            receipt = None
            if in_doubt:
                receipt, in_doubt = await self._ask(channel, delivery)
            if receipt is None:
                marked = in_doubt and channel.notifier.repeats == "marked"
                receipt = await channel.notifier.send(_maybe_repeated(message) if marked else message)
        except _AskLater as later:
            wait = later.after if later.after is not None else self._backoff(delivery.attempts)
            at = self._clock.now() + wait
            await self._surely(self._outbox.retry, delivery.id, at, later.reason, in_doubt=True)
        except Refused as error:
            await self._refused(channel, delivery, error.reason)
        except Reject as error:
            await self._dead(channel, delivery, error.reason)
        except Retry as error:
            await self._retry(channel, delivery, error, in_doubt=in_doubt or isinstance(error, Unanswered))
        else:
            await self._sent(channel, delivery, message, receipt)
        self._hold(channel.name, channel.notifier.gap)

    async def _ask(self, channel: Channel, delivery: Delivery) -> tuple[Receipt | None, bool]:
        """What the channel has of a message in doubt, and whether it still is in doubt. Raises ``_AskLater``."""
        if not isinstance(channel.notifier, Finder):
            return None, True
        try:
            receipt = await channel.notifier.find(delivery.id, delivery.since)
        except Retry as error:
            raise _AskLater(error.reason, after=error.after) from error
        except Reject as error:
            log.warning("a channel cannot be asked what arrived", channel=channel.name, reason=error.reason)
            return None, True
        if receipt is None:
            await self._surely(self._outbox.absent, delivery.id, self._clock.now())
        return receipt, False

    async def _sent(self, channel: Channel, delivery: Delivery, message: Message | Notice, receipt: Receipt) -> None:
        name, now = channel.name, self._clock.now()
        await self._surely(self._outbox.sent, delivery.id, receipt.provider_id, now, note=receipt.note)
        self._count(channel.kind, "sent")
        if isinstance(message, Message):
            self._accepted(max(0.0, now - message.at))
        if self._failures.pop(name, (0, now))[0] >= _FAILURES_SHOWN:
            await self._surely(self._outbox.hasten, name, now)
        if self._disabled.pop(name, None):
            self._another_chance.discard(name)
            await self._surely(self._outbox.enable, name, now)
            log.info("a channel works again", channel=name)
        self._report(name, True, "")
        if receipt.note and (tell := self._tell(name, not_delivered_to(name, receipt.note, now))):
            await self._surely(self._outbox.notify, tell, now)
        log.info("sent", channel=name, delivery=delivery.id, attempts=delivery.attempts)

    async def _retry(self, channel: Channel, delivery: Delivery, error: Retry, *, in_doubt: bool) -> None:
        name, now = channel.name, self._clock.now()
        if delivery.attempts >= self._most_attempts:
            await self._dead(channel, delivery, f"given up after {delivery.attempts} attempts: {error.reason}")
            return
        failures, since = self._failures.get(name, (0, now))
        self._failures[name] = (failures + 1, since)
        hold, wait = self._waits(failures + 1, delivery.attempts, error.after)
        await self._surely(self._outbox.retry, delivery.id, now + wait, error.reason, in_doubt=in_doubt)
        self._hold(name, hold)
        self._count(channel.kind, "in_doubt" if in_doubt else "retried")
        if failures >= _FAILURES_SHOWN:
            self._report(name, False, error.reason)
        log.warning("not sent; trying again", channel=name, delivery=delivery.id, seconds=wait, reason=error.reason)
        told = unreachable(name, error.reason, since, now)
        if failures + 1 == _FAILURES_TOLD and (tell := self._tell(name, told)):
            await self._surely(self._outbox.notify, tell, now)

    async def _dead(self, channel: Channel, delivery: Delivery, reason: str) -> None:
        now = self._clock.now()
        told = given_up(delivery, reason, now) if delivery.alert_id else None
        tell = self._tell(channel.name, told, avoid=False) if told else None
        await self._surely(self._outbox.dead, delivery.id, reason, now, tell=tell)
        self._count(channel.kind, "dead")
        log.error("a delivery is given up", channel=channel.name, delivery=delivery.id, reason=reason)

    async def _refused(self, channel: Channel, delivery: Delivery, reason: str) -> None:
        name, now = channel.name, self._clock.now()
        before = self._disabled.get(name)
        since = before.at if before and before.reason == reason else now  # the same refusal is told once
        disabled = Disabled(reason=reason, at=since, settings_hash=channel.settings_hash)
        self._disabled[name] = disabled
        self._another_chance.discard(name)
        tell = self._tell(name, refused(name, reason, since))
        await self._surely(self._outbox.refuse, delivery, disabled, now, tell=tell)
        self._count(channel.kind, "retried")
        self._report(name, False, reason)
        log.error("a channel is disabled; its alerts wait", channel=name, reason=reason)

    # -- small decisions

    def _tell(self, about: str, notice: Notice, *, avoid: bool = True) -> Tell | None:
        """Where the operator reads it: not on the channel that it is about, nor on a disabled one."""
        for name in (self._operator, "console", *self._channels):
            if name in self._channels and name not in self._disabled and not (avoid and name == about):
                return Tell(name, notice)
        return None

    def _hold(self, name: str, seconds: float) -> None:
        self._free_at[name] = max(self._free_at.get(name, 0.0), self._clock.monotonic() + seconds)

    def _waits(self, failures: int, attempts: int, after: float | None) -> tuple[float, float]:
        """Seconds for the channel and for the delivery that failed.

        They are the same at first, so that a short outage keeps the order. A delivery that goes on failing steps back,
        and lets the next one try: perhaps only this one fails.
        """
        jitter = self._rng.random()
        if after is not None:
            return (max(after, backoff(1, jitter)),) * 2
        hold = backoff(failures, jitter)
        if attempts <= _HEAD_START:
            return hold, hold
        return hold / 2, max(hold, backoff(attempts, jitter))

    def _backoff(self, attempts: int) -> float:
        return backoff(attempts, self._rng.random())

    async def _surely(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In a thread, again and again while the store is away: what a channel answered must not be forgotten."""
        while True:
            try:
                return await asyncio.to_thread(work, *args, **kwargs)
            except Unavailable as error:
                log.warning("the store is away; trying again", reason=str(error))
                await asyncio.sleep(_STORE_PAUSE)


class _AskLater(Retry):
    """The channel cannot be asked now. It says nothing about sending."""


def _only(name: str) -> tuple[str]:
    return (name,)


def _maybe_repeated(message: Message | Notice) -> Message | Notice:
    if isinstance(message, Notice):
        return replace(message, title=f"{message.title} (may be a repeat)")
    return replace(message, possible_repeat=True)
