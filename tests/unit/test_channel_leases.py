"""Which channels a sender holds: as long as it has something to send, and never again over its own message."""

import pytest

from daemon.channel_leases import ChannelLeases
from daemon.store import Store
from daemon.store.leases import Leases
from tests.fake_log import FakeClock

TTL = 9.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def mine(store: Store, clock: FakeClock) -> ChannelLeases:
    return ChannelLeases(Leases(store, owner="one", clock=clock, ttl=TTL), clock=clock, ttl=TTL)


@pytest.fixture
def others(store: Store, clock: FakeClock) -> Leases:
    return Leases(store, owner="two", clock=clock, ttl=TTL)


async def keep(
    mine: ChannelLeases, *wanted: str, waiting: tuple[str, ...] = (), working: tuple[str, ...] = ()
) -> frozenset[str]:
    return await mine.keep(wanted, waiting=waiting, working=working)


async def test_what_is_got_is_told_once_and_kept_by_renewing_it(mine: ChannelLeases, clock: FakeClock) -> None:
    assert await keep(mine, "desk") == {"desk"}
    for _ in range(10):
        clock.forward(TTL / 3)
        assert not await keep(mine, "desk")
        assert mine.held("desk")


async def test_what_is_only_waiting_is_kept_and_not_asked_for(mine: ChannelLeases, clock: FakeClock) -> None:
    await keep(mine, "desk", waiting=("ops",))
    for _ in range(10):
        clock.forward(TTL / 3)
        await keep(mine, waiting=("desk", "ops"))
    assert mine.held("desk")
    assert not mine.held("ops")


async def test_what_another_sender_holds_is_asked_for_once_a_second(
    mine: ChannelLeases, others: Leases, clock: FakeClock
) -> None:
    others.hold(["send/desk"])
    assert not await keep(mine, "desk")
    others.release(["send/desk"])
    clock.forward(0.9)
    assert not await keep(mine, "desk")
    clock.forward(0.2)
    assert await keep(mine, "desk") == {"desk"}


async def test_what_was_lost_is_new_when_it_comes_back(mine: ChannelLeases, clock: FakeClock) -> None:
    await keep(mine, "desk")
    clock.forward(TTL)
    assert not mine.held("desk")
    assert await keep(mine, "desk") == {"desk"}


async def test_a_lease_that_was_lost_under_a_message_is_not_asked_for_before_its_answer_is_there(
    mine: ChannelLeases, clock: FakeClock
) -> None:
    await keep(mine, "desk")
    clock.forward(TTL)
    assert not await keep(mine, "desk", working=("desk",))
    assert not mine.held("desk")
    assert await keep(mine, "desk") == {"desk"}


async def test_what_is_not_wanted_for_a_while_is_given_back(
    mine: ChannelLeases, others: Leases, clock: FakeClock
) -> None:
    await keep(mine, "desk", "ops")
    for _ in range(4):
        clock.forward(TTL / 3)
        await keep(mine, "ops")
    assert mine.held("ops")
    assert others.hold(["send/desk", "send/ops"]) == {"send/desk"}
