"""The sender: takes deliveries out of the outbox and hands them to their channels.

::

    due ──▶ hold the channel ──▶ release, gather ──▶ claim ──▶ (in doubt? ask, or mark) ──▶ send ──▶ record the answer

Of several senders, whoever holds a channel's lease sends on it; whoever gets it takes over what was on the wire there.
One worker a channel at most, so a channel that hangs delays no other, and a channel's order is kept. What a channel
answers decides about the delivery *and* the channel: ``Retry`` holds the channel for a while, ``Refused`` disables it
and its deliveries wait, ``Reject`` gives up this one delivery. The operator is told of both on another channel. While
a channel has nothing to tell, its messages that live are brought up to date.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog

from consumers.errors import Refused, Reject, Retry
from consumers.holding import Quiet
from consumers.model import Message, Notice, Receipt
from consumers.notify import Editor, Notifier, Tidings, Unanswered
from daemon.backoff import attempts_within, backoff, waits
from daemon.channel_leases import ChannelLeases
from daemon.clock import Clock
from daemon.doubt import AskLater, ask, maybe_repeated
from daemon.editing import Editing
from daemon.errors import Unavailable
from daemon.notices import given_up, not_as_asked, refused, unreachable
from daemon.refusals import Refusals
from daemon.steady import STORE_PAUSE, surely
from daemon.store.leases import Leases
from daemon.store.outbox import Delivery, Disabled, Outbox, Tell
from daemon.suspects import Suspects

Kind = Literal["console", "slack", "email", "webhook", "apprise"]
Outcome = Literal["sent", "retried", "dead", "in_doubt"]

_FAILURES_SHOWN = 2  # in a row; one alone is no news
_FAILURES_TOLD = 9  # in a row: some eight minutes
_LOOK = 1.0  # seconds between two looks at what other senders do

log = structlog.get_logger("wirewatch.send")


@dataclass(frozen=True, slots=True)
class Channel:
    """A destination as the settings name it. A disabled one is tried again when ``settings_hash`` changes."""

    name: str
    kind: Kind
    notifier: Notifier
    settings_hash: str = ""
    quiet: Quiet | None = None


def _ignore(*_: object) -> None:
    """For those who do not count."""


class Sender:
    """Runs on the asyncio loop; the store is reached from threads."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        leases: Leases,
        channels: Iterable[Channel],
        clock: Clock,
        operator: str = "console",
        rng: random.Random,
        count: Callable[[Kind, Outcome], object] = _ignore,
        accepted: Callable[[float], object] = _ignore,
        report: Callable[[str, bool, str], object] = _ignore,
        lease: float = 10.0,
        poll: float = 0.25,
        give_up: float = 3 * 86400.0,
        drain: float = 8.0,
    ) -> None:
        """``operator``: the channel that is told about the others.

        ``count`` gets a channel's kind and what became of an attempt, ``accepted`` the seconds from an alert's
        decision to its acceptance, ``report`` a channel's name, whether it works and why not. ``lease`` is the seconds
        that ``leases`` last, ``poll`` those between two looks into the outbox, ``give_up`` how many seconds one
        delivery is retried, ``drain`` how many seconds what is on the wire has left after a stop.
        """
        self._outbox = outbox
        self._leases = ChannelLeases(leases, clock=clock, ttl=lease)
        self._renew = lease / 3
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock
        self._operator = operator
        self._rng = rng
        self._count, self._accepted, self._report = count, accepted, report
        self._poll, self._drain_time = poll, drain
        self._most_attempts = attempts_within(give_up)
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._refusals = Refusals()
        self._free_at: dict[str, float] = {}  # monotonic; when a channel may send again
        self._failures: dict[str, tuple[int, float]] = {}  # in a row, and since when
        self._suspects = Suspects()  # deliveries and edits
        self._editing = Editing(outbox, clock=clock, suspects=self._suspects, check=self._check_lease)
        self._unsure: set[str] = set()  # channels where something may be on the wire that no worker of ours sends
        self._unfinished: Mapping[str, bool] = {}
        self._look_at = 0.0  # monotonic
        self._stop, self._failed = asyncio.Event(), False  # either ends the workers

    def set_channels(self, channels: Iterable[Channel]) -> None:
        """Put new settings in force. A disabled channel whose settings changed gets another chance."""
        self._channels = {channel.name: channel for channel in channels}
        self._refusals.set_settings({name: channel.settings_hash for name, channel in self._channels.items()})

    def enable(self, name: str) -> None:
        """Somebody has seen the channel work. From any thread; raises ``Unavailable``."""
        self._outbox.enable(name, self._clock.now())
        self._refusals.works(name)
        self._free_at.pop(name, None)
        self._failures.pop(name, None)
        self._report(name, True, "")

    async def run(self, stop: asyncio.Event) -> None:
        """Send until ``stop``; then finish what is on the wire, within the drain time. What is cut off is in doubt.

        After a start every disabled channel gets one more chance: whoever restarts may have just mended it.
        """
        self._stop, self._failed = stop, False
        await self._begin()
        try:
            while not stop.is_set():
                await self._round()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._poll)
        finally:
            self._failed = not stop.is_set()
            await self._finish()

    # -- workers

    async def _begin(self) -> None:
        self._look_at = self._clock.monotonic()
        self._refusals.begin(await surely(self._outbox.disabled))
        for name in self._channels:
            self._report_refusal(name)

    async def _round(self) -> None:
        for name in [name for name, worker in self._workers.items() if worker.done()]:
            self._workers.pop(name).result()  # a bug crashes the role, loudly
        try:
            due = await asyncio.to_thread(self._outbox.due_channels, self._clock.now())
            await self._keep_leases(due)
        except Unavailable as error:
            log.warning("the outbox cannot be read; trying again", reason=str(error))
            return
        for name in due - self._workers.keys() - self._unsure:
            if self._open(name):
                self._workers[name] = asyncio.create_task(self._work(name), name=f"send-{name}")

    async def _keep_leases(self, due: Collection[str]) -> None:
        if self._clock.monotonic() >= self._look_at:
            self._unfinished = await asyncio.to_thread(self._outbox.unfinished)
            self._heed(await asyncio.to_thread(self._outbox.disabled))
            await asyncio.to_thread(self._outbox.end_mutes, self._clock.now())
            self._look_at = self._clock.monotonic() + _LOOK
        on_wire = [name for name, on_wire in self._unfinished.items() if on_wire]
        self._unsure |= await self._leases.keep(
            [*filter(self._serves, due), *on_wire],
            waiting=[*filter(self._serves, self._unfinished)],
            working=self._workers,
        )
        for name in self._unsure - self._workers.keys():
            if self._leases.held(name):
                await self._take_over(name)

    async def _take_over(self, name: str) -> None:
        """Nobody else sends on the channel now, and no worker of ours does."""
        now = self._clock.now()
        in_doubt = await asyncio.to_thread(self._outbox.recover, now, name)
        if in_doubt:
            log.warning("messages were on the wire when Wirewatch stopped", channel=name, in_doubt=in_doubt)
        self._heed(await asyncio.to_thread(self._outbox.disabled))
        gap = self._channels[name].notifier.gap if name in self._channels else 0.0
        if gap and (last := await asyncio.to_thread(self._outbox.last_sent, name)) is not None:
            self._hold(name, min(gap, last + gap - now))
        self._unsure.discard(name)

    def _heed(self, found: Mapping[str, Disabled]) -> None:
        """What other senders have learned of channels that none of our workers is trying."""
        for name in self._channels.keys() - self._workers.keys():
            if self._refusals.heed(name, found.get(name), self._channels[name].settings_hash):
                self._report_refusal(name)

    def _report_refusal(self, name: str) -> None:
        disabled = self._refusals.get(name)
        self._report(name, disabled is None, disabled.reason if disabled else "")

    def _serves(self, name: str) -> bool:
        """Configured, and not disabled unless it has another chance."""
        return name in self._channels and self._refusals.may_try(name)

    def _open(self, name: str) -> bool:
        """May send now: served, ours, and not held back."""
        free = self._clock.monotonic() >= self._free_at.get(name, 0.0)
        return free and self._serves(name) and self._leases.held(name)

    async def _work(self, name: str) -> None:
        prepared = False
        while self._open(name) and not (self._failed or self._stop.is_set()):
            channel = self._channels[name]
            try:
                if not prepared:
                    await self._prepare(channel)
                    prepared = True
                delivery = await asyncio.to_thread(self._outbox.claim, self._clock.now(), name, channel.quiet)
            except Unavailable as error:
                log.warning("the outbox cannot be written; trying again", reason=str(error))
                self._unsure.add(name)  # it may be claimed all the same, when the answer was lost
                self._free_at[name] = self._clock.monotonic() + STORE_PAUSE
                return
            if delivery is None:
                rest = await self._editing.one(name, channel.notifier)
                if rest is None:
                    return
                self._hold(name, rest)
                continue
            with self._suspects.in_hand(partial(_only, delivery.id)):
                await self._deliver(channel, delivery)
            self._suspects.done([delivery.id])

    async def _prepare(self, channel: Channel) -> None:
        """What waited and is due goes on; a flood becomes one message. Raises ``Unavailable``."""
        await asyncio.to_thread(self._outbox.release, self._clock.now(), channel.name)
        flood = channel.notifier.gap > 0
        while flood:
            flood = await asyncio.to_thread(self._outbox.gather, self._clock.now(), channel.name, channel.quiet)

    async def _finish(self) -> None:
        workers = self._workers
        self._workers = {}
        late = await self._drain(workers)
        for worker in late:
            worker.cancel()
        ended = await asyncio.gather(*workers.values(), return_exceptions=True)
        if late:
            log.warning("stopped while messages were on the wire; they are in doubt", messages=len(late))
        with suppress(Unavailable):
            await self._leases.give_back_all()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _drain(self, workers: Mapping[str, asyncio.Task[None]]) -> Collection[asyncio.Task[None]]:
        """Those that have not ended within the drain time."""
        late, clock = set(workers.values()), asyncio.get_running_loop()
        end = clock.time() + self._drain_time
        while late and (left := end - clock.time()) > 0:
            _, late = await asyncio.wait(late, timeout=min(left, self._renew))
            with suppress(Unavailable):
                await self._leases.keep((), waiting=(), working=workers)
        return late

    # -- one delivery

    async def _deliver(self, channel: Channel, delivery: Delivery) -> None:
        in_doubt = delivery.in_doubt
        if self._suspects.verdict(delivery.id):  # or it would take the whole role down for ever
            reason = "Wirewatch itself failed each time it sent this; its log says how"
            await self._dead(channel, delivery, reason, apart=True)
            return
        try:
            message = await surely(self._outbox.compose, delivery)
            receipt = None
            if in_doubt:
                thread = message.thread if isinstance(message, Message) else ""
                receipt, in_doubt = await ask(self._outbox, self._clock, channel.notifier, delivery, thread)
                if receipt is None and not in_doubt:
                    return
            found = receipt is not None
            if receipt is None:
                marked = in_doubt and channel.notifier.repeats == "marked"
                self._check_lease(channel.name)
                receipt = await channel.notifier.send(maybe_repeated(message) if marked else message)
        except _TakenOver as error:
            await surely(self._outbox.retry, delivery, self._clock.now(), error.reason, in_doubt=in_doubt)
        except AskLater as later:
            wait = later.after if later.after is not None else self._backoff(delivery.attempts)
            at = self._clock.now() + wait
            await surely(self._outbox.retry, delivery, at, later.reason, in_doubt=True)
        except Refused as error:
            await self._refused(channel, delivery, error.reason)
        except Reject as error:
            await self._dead(channel, delivery, error.reason, apart=True)
        except Retry as error:
            await self._retry(channel, delivery, error, in_doubt=in_doubt or isinstance(error, Unanswered))
        else:
            await self._sent(channel, delivery, message, receipt, stale=found)
        self._hold(channel.name, channel.notifier.gap)

    def _check_lease(self, name: str) -> None:
        if not self._leases.held(name):
            raise _TakenOver("this sender was away for too long; whoever has the channel now sends it")

    async def _sent(
        self, channel: Channel, delivery: Delivery, message: Tidings, receipt: Receipt, *, stale: bool
    ) -> None:
        """``stale``: the channel has it from an attempt before, and may show what the story was then."""
        name, now = channel.name, self._clock.now()
        living = message if isinstance(message, Message) and isinstance(channel.notifier, Editor) else None
        note = receipt.note
        await surely(self._outbox.sent, delivery.id, receipt.provider_id, now, note=note, living=living, stale=stale)
        self._count(channel.kind, "sent")
        if isinstance(message, Message) and not delivery.waited:
            self._accepted(max(0.0, now - message.at))
        if self._failures.pop(name, (0, now))[0] >= _FAILURES_SHOWN:
            await surely(self._outbox.hasten, name, now)
        if self._refusals.works(name):
            await surely(self._outbox.enable, name, now)
            log.info("a channel works again", channel=name)
        self._report(name, True, "")
        if receipt.note and (tell := self._tell(name, not_as_asked(name, receipt.note, now))):
            await surely(self._outbox.notify, tell, now)
        log.info("sent", channel=name, delivery=delivery.id, attempts=delivery.attempts)

    async def _retry(self, channel: Channel, delivery: Delivery, error: Retry, *, in_doubt: bool) -> None:
        name, now = channel.name, self._clock.now()
        if delivery.attempts >= self._most_attempts:
            await self._dead(channel, delivery, f"given up after {delivery.attempts} attempts: {error.reason}")
            return
        failures, since = self._failures.get(name, (0, now))
        self._failures[name] = (failures + 1, since)
        hold, wait = waits(failures + 1, delivery.attempts, self._rng.random(), after=error.after)
        await surely(self._outbox.retry, delivery, now + wait, error.reason, in_doubt=in_doubt)
        self._hold(name, hold)
        self._count(channel.kind, "in_doubt" if in_doubt else "retried")
        if failures >= _FAILURES_SHOWN:
            self._report(name, False, error.reason)
        log.warning("not sent; trying again", channel=name, delivery=delivery.id, seconds=wait, reason=error.reason)
        told = unreachable(name, error.reason, since, now)
        if failures + 1 == _FAILURES_TOLD and (tell := self._tell(name, told)):
            await surely(self._outbox.notify, tell, now)

    async def _dead(self, channel: Channel, delivery: Delivery, reason: str, *, apart: bool = False) -> None:
        """``apart``: what it carries is tried by itself."""
        now = self._clock.now()
        told = given_up(delivery, reason, now) if delivery.notice is None else None
        tell = self._tell(channel.name, told, avoid=False) if told else None
        await surely(self._outbox.dead, delivery, reason, now, tell=tell, apart=apart)
        self._count(channel.kind, "dead")
        log.error("a delivery is given up", channel=channel.name, delivery=delivery.id, reason=reason)

    async def _refused(self, channel: Channel, delivery: Delivery, reason: str) -> None:
        name, now = channel.name, self._clock.now()
        before = self._refusals.get(name)
        since = before.at if before and before.reason == reason else now  # the same refusal is told once
        disabled = Disabled(reason=reason, at=since, settings_hash=channel.settings_hash)
        self._refusals.refused(name, disabled)
        tell = self._tell(name, refused(name, reason, since))
        await surely(self._outbox.refuse, delivery, disabled, now, tell=tell)
        self._count(channel.kind, "retried")
        self._report(name, False, reason)
        log.error("a channel is disabled; its alerts wait", channel=name, reason=reason)

    # -- small decisions

    def _tell(self, about: str, notice: Notice, *, avoid: bool = True) -> Tell | None:
        """Where the operator reads it: not on the channel that it is about, nor on a disabled one."""
        for name in (self._operator, "console", *self._channels):
            if name in self._channels and name not in self._refusals and not (avoid and name == about):
                return Tell(name, notice)
        return None

    def _hold(self, name: str, seconds: float) -> None:
        self._free_at[name] = max(self._free_at.get(name, 0.0), self._clock.monotonic() + seconds)

    def _backoff(self, attempts: int) -> float:
        return backoff(attempts, self._rng.random())


class _TakenOver(Retry):
    """The channel's lease was lost before the first byte."""


def _only(name: str) -> tuple[str]:
    return (name,)
