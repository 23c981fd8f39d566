"""Several senders on one outbox: one sends on a channel at a time, and what one leaves another takes over."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.errors import Refused
from consumers.holding import Quiet
from consumers.model import Message, Receipt
from consumers.notify import Tidings
from daemon.errors import Unavailable
from daemon.sender import Channel, Sender
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.store.opening import open_store
from daemon.store.outbox import Delivery, Outbox
from tests.alert_samples import NOON
from tests.fake_channels import FakeChannel, HeldClock, Sending, Watched, put_alert, row_of, states
from tests.mortal import Killed, Life, MortalStore

TTL = 10.0


def sending(store: Store, name: str, channels: dict[str, FakeChannel], clock: HeldClock, **more: Any) -> Sending:
    leases = Leases(store, owner=name, clock=clock, ttl=TTL)
    return Sending(store, channels, clock=clock, **{"leases": leases, **more})


async def test_two_senders_send_each_message_once(store: Store) -> None:
    clock, desk, ops = HeldClock(), FakeChannel(), FakeChannel()
    ids = [put_alert(store, number, ("desk", "ops")) for number in range(5)]
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(sending(store, "one", {"desk": desk, "ops": ops}, clock))
        await stack.enter_async_context(sending(store, "two", {"desk": desk, "ops": ops}, clock))
        await one.until(lambda: set(states(store).values()) == {"sent"}, step=0.1)
    assert [list(each) for each in zip(*ids, strict=True)] == [desk.ids, ops.ids]


async def test_whoever_stops_hands_its_channels_over_at_once(store: Store) -> None:
    clock, desk = HeldClock(), FakeChannel()
    put_alert(store, 1)
    async with sending(store, "two", {"desk": desk}, clock) as two:
        await two.until(lambda: len(desk.received) == 1)
        async with sending(store, "one", {"desk": desk}, clock) as one:
            put_alert(store, 2)
            two.stop.set()
            await one.until(lambda: len(desk.received) == 2, step=0.1)
    assert clock.at - NOON < TTL


async def test_what_a_dead_sender_had_on_the_wire_is_taken_over_as_in_doubt_when_its_lease_is_over(
    store: Store,
) -> None:
    clock = HeldClock()
    (id_,) = put_alert(store)
    Leases(store, owner="dead", clock=clock, ttl=TTL).hold(["send/desk"])
    assert Outbox(store).claim(NOON, "desk")
    desk = FakeChannel(repeats="marked")
    async with sending(store, "alive", {"desk": desk}, clock) as alive:
        await alive.looks()
        assert states(store) == {id_: "sending"}
        await alive.until(lambda: states(store)[id_] == "sent", step=0.5)
    assert clock.at - NOON >= TTL
    (message,) = desk.received
    assert isinstance(message, Message)
    assert message.possible_repeat


async def test_what_was_on_the_wire_of_a_channel_that_is_not_configured_waits_for_it(store: Store) -> None:
    (id_,) = put_alert(store, channels=("gone",))
    assert Outbox(store).claim(NOON, "gone")
    async with sending(store, "one", {}, HeldClock()) as one:
        await one.until(lambda: states(store)[id_] == "retry")


class AwayLeases(Leases):
    """Cannot be renewed while ``away``."""

    away = False

    def hold(self, names: Any) -> frozenset[str]:
        if self.away:
            raise Unavailable("the store is away")
        return super().hold(names)


async def test_an_answer_that_comes_after_the_lease_was_lost_is_recorded_all_the_same(store: Store) -> None:
    clock, slow, quick = HeldClock(), FakeChannel(answers=["hang"]), FakeChannel(answers=["hang"])
    (id_,) = put_alert(store)
    leases = AwayLeases(store, owner="one", clock=clock, ttl=TTL)
    async with sending(store, "one", {"desk": slow}, clock, leases=leases) as one:
        await asyncio.wait_for(slow.called.wait(), 60)
        leases.away = True
        async with sending(store, "two", {"desk": quick}, clock) as two:
            await two.until(quick.called.is_set, step=0.5)
            slow.release.set()
            await one.until(lambda: states(store)[id_] == "sent")
            quick.answers = []
            quick.release.set()
    assert (row_of(store, id_).state, row_of(store, id_).provider_id, row_of(store, id_).attempts) == (
        "sent",
        "id-1",
        2,
    )


class SlowOutbox(Outbox):
    """Composing takes as long as ``compose_slowly`` takes."""

    compose_slowly: Callable[[], None] = staticmethod(lambda: None)

    def compose(self, delivery: Delivery) -> Tidings:
        self.compose_slowly()
        return super().compose(delivery)


async def test_nothing_is_sent_under_a_lease_that_is_over(store: Store) -> None:
    clock, desk = HeldClock(), FakeChannel()
    (id_,) = put_alert(store)
    outbox, leases = SlowOutbox(store), AwayLeases(store, owner="one", clock=clock, ttl=TTL)

    def away_for_long() -> None:
        leases.away = True
        clock.advance(TTL)

    outbox.compose_slowly = away_for_long
    async with sending(store, "one", {"desk": desk}, clock, leases=leases, outbox=outbox) as one:
        await one.until(lambda: states(store)[id_] == "retry")
        await one.looks()
        assert desk.calls == 0
        assert not row_of(store, id_).in_doubt
        outbox.compose_slowly = lambda: None
        leases.away = False
        await one.until(lambda: states(store)[id_] == "sent", step=0.1)


class DeafOutbox(Outbox):
    """The first claim is done, and its answer is lost."""

    deaf = True

    def claim(self, now: float, channel: str, quiet: Quiet | None = None) -> Delivery | None:
        delivery = super().claim(now, channel, quiet)
        if self.deaf:
            self.deaf = False
            raise Unavailable("the server went away")
        return delivery


async def test_a_claim_whose_answer_was_lost_holds_nothing_up(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2)]
    desk = FakeChannel()
    async with sending(store, "one", {"desk": desk}, HeldClock(), outbox=DeafOutbox(store)) as one:
        await one.until(lambda: set(states(store).values()) == {"sent"}, step=0.1)
    assert desk.ids == ids


async def test_a_refusal_that_another_sender_met_is_heeded_and_so_is_its_end(store: Store) -> None:
    clock, good = HeldClock(), FakeChannel()
    async with sending(store, "two", {"desk": good, "console": FakeChannel()}, clock) as two:
        await two.looks()
        refusing = FakeChannel(answers=[Refused("gone")])
        (id_,) = put_alert(store)
        Leases(store, owner="one", clock=clock, ttl=1e9).hold(["send/desk"])  # so that two is not first
        leases = Leases(store, owner="one", clock=clock, ttl=TTL)
        async with sending(store, "one", {"desk": refusing}, clock, leases=leases) as one:
            await one.until(lambda: "desk" in Outbox(store).disabled(), step=0.1)
        await two.until(lambda: ("desk", False, "gone") in two.reported, step=0.1)
        await two.looks()
        assert good.calls == 0
        Outbox(store).enable("desk", clock.now())
        await two.until(lambda: states(store)[id_] == "sent", step=0.1)
        assert two.reported[-1] == ("desk", True, "")


async def test_the_pace_of_a_channel_is_kept_from_one_sender_to_the_next(store: Store) -> None:
    clock, desk = HeldClock(), FakeChannel(gap=5.0)
    put_alert(store, 1)
    async with sending(store, "one", {"desk": desk}, clock) as one:
        await one.until(lambda: "sent" in states(store).values())
    put_alert(store, 2, ("desk", "quick"))
    quick = FakeChannel()
    async with sending(store, "two", {"desk": desk, "quick": quick}, clock) as two:
        await two.until(lambda: quick.calls == 1)
        await two.looks(20)
        assert desk.calls == 1
        clock.advance(5.0)
        await two.until(lambda: desk.calls == 2)


async def test_a_channel_with_nothing_to_send_for_a_while_is_free_for_others(store: Store) -> None:
    clock, desk = HeldClock(), FakeChannel()
    put_alert(store)
    async with sending(store, "one", {"desk": desk}, clock) as one:
        await one.until(lambda: "sent" in states(store).values())
        other = Leases(store, owner="two", clock=clock, ttl=TTL)
        assert not other.hold(["send/desk"])
        await one.until(lambda: bool(other.hold(["send/desk"])), step=0.5)
        assert clock.at - NOON > TTL


# -- killed at any moment


@dataclass
class Wire:
    """One channel as the world sees it."""

    received: list[str] = field(default_factory=list)
    on_it: int = 0
    most: int = 0


@dataclass
class MortalChannel:
    wire: Wire
    life: Life
    repeats: Any = "deduplicated"
    gap: float = 0.0

    async def send(self, message: Tidings) -> Receipt:
        self.life.moment()
        self.wire.on_it += 1
        self.wire.most = max(self.wire.most, self.wire.on_it)
        try:
            await asyncio.sleep(0)
            self.life.moment()
            self.wire.received.append(message.delivery_id)
            await asyncio.sleep(0)
            self.life.moment()
        finally:
            self.wire.on_it -= 1
        return Receipt()


class Machine:
    """Senders that are started again when they die, side by side. The clock goes on when all have done what they could.

    A clock that went on meanwhile would take the lease of one that lives and only waits for a processor.
    """

    def __init__(self, store: Store, channels: Sequence[str]) -> None:
        self.store = store
        self.clock = HeldClock()
        self.wires = {name: Wire() for name in channels}
        self.stop = asyncio.Event()
        self.deaths = 0
        self.born = 0
        self._running: dict[int, tuple[Watched, asyncio.Task[None]]] = {}

    async def slot(self, number: int, lives: Sequence[int]) -> None:
        for moments in (*lives, 1_000_000):
            life = Life(moments)
            store: Any = MortalStore(self.store, life)
            watched = Watched(Outbox(store))
            running = asyncio.create_task(self._sender(life, store, watched).run(self.stop))
            self._running[number] = watched, running
            with suppress(Killed):
                await running
                return
            self.deaths += 1

    def _sender(self, life: Life, store: Any, outbox: Any) -> Sender:
        self.born += 1
        return Sender(
            outbox=outbox,
            leases=Leases(store, owner=f"sender-{self.born}", clock=self.clock, ttl=5.0),
            channels=[Channel(name, "webhook", MortalChannel(wire, life)) for name, wire in self.wires.items()],
            clock=self.clock,
            rng=random.Random(1),
            lease=5.0,
            poll=0.002,
        )

    async def run(self, slots: Sequence[Sequence[int]]) -> None:
        tasks = [asyncio.create_task(self.slot(number, lives)) for number, lives in enumerate(slots)]
        async with asyncio.timeout(300):
            while set(states(self.store).values()) != {"sent"}:
                await asyncio.gather(*(watched.rest(running) for watched, running in self._running.values()))
                await asyncio.sleep(0)
                self.clock.advance(0.1)
            self.stop.set()
            await asyncio.gather(*tasks)


def all_goes_out(store: Store, slots: Sequence[Sequence[int]], alerts: int) -> None:
    expected = [put_alert(store, number, ("desk", "ops")) for number in range(alerts)]

    async def go() -> Machine:
        machine = Machine(store, ["desk", "ops"])
        await machine.run(slots)
        return machine

    machine = asyncio.run(go())
    for wire, ids in zip(machine.wires.values(), zip(*expected, strict=True), strict=True):
        assert list(dict.fromkeys(wire.received)) == list(ids), "nothing is lost, and the order is kept"
        assert wire.most == 1, "two sent at once"
        assert len(wire.received) - len(ids) <= machine.deaths, "only what was on the wire of a dead one is repeated"


LIVES = st.lists(st.integers(1, 80), max_size=3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(LIVES, LIVES), st.integers(1, 4))
def test_two_senders_killed_at_any_moment_lose_nothing_and_never_send_at_the_same_time(
    slots: Sequence[Sequence[int]], alerts: int
) -> None:
    with TemporaryDirectory() as folder:
        store = open_store("sqlite:", Path(folder))
        all_goes_out(store, slots, alerts)
        store.close()


@pytest.mark.parametrize("seed", range(3))
def test_senders_killed_now_and_then_lose_nothing_on_either_store(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    all_goes_out(store, [[rng.randint(1, 60) for _ in range(2)] for _ in range(3)], alerts=4)
