"""The sender: nothing is lost, no channel delays another, and every answer has its consequence."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.errors import Refused, Reject, Retry
from consumers.holding import Quiet
from consumers.model import Message
from consumers.notify import Unanswered
from daemon.backoff import LONGEST, attempts_within, backoff
from daemon.errors import Unavailable
from daemon.store import Store
from daemon.store.opening import open_store
from daemon.store.outbox import Delivery, Outbox, Tell
from tests.alert_samples import NOON, NOTICE
from tests.fake_channels import FakeChannel, FindingChannel, Lost, Sending, put_alert, row_of, states


def all_settled(store: Store) -> bool:
    return set(states(store).values()) <= {"sent", "dead"}


async def test_an_alert_is_sent_and_its_receipt_kept(store: Store) -> None:
    (id_,) = put_alert(store)
    desk = FakeChannel()
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_settled(store))
    assert desk.ids == [id_]
    assert row_of(store, id_).provider_id == "id-1"
    assert sending.counted == [("webhook", "sent")]


async def test_a_channel_that_hangs_delays_no_other(store: Store) -> None:
    slow, quick = put_alert(store, channels=("slow", "quick"))
    hanging = FakeChannel(answers=["hang"])
    async with Sending(store, {"slow": hanging, "quick": FakeChannel()}) as sending:
        await sending.until(lambda: states(store)[quick] == "sent")
        assert states(store)[slow] == "sending"
        hanging.release.set()
        await sending.until(lambda: all_settled(store))


async def test_alerts_arrive_in_order_also_after_an_outage(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in range(1, 6)]
    desk = FakeChannel(answers=[Retry("down")] * 4)
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_settled(store), step=1.0)
    assert desk.ids == ids
    assert row_of(store, ids[0]).attempts == 5
    assert {row_of(store, id_).attempts for id_ in ids[1:]} == {1}


async def test_after_a_long_outage_everything_follows_at_once(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in range(1, 6)]
    desk = FakeChannel(answers=[Retry("down")] * 14)
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: desk.received != [], step=5.0)
        first = sending.clock.at
        await sending.until(lambda: all_settled(store), step=0.1)
    assert sorted(desk.ids) == sorted(ids)
    assert sending.clock.at - first < 30


async def test_one_message_that_always_fails_does_not_hold_up_the_others(store: Store) -> None:
    poison, *others = [put_alert(store, number)[0] for number in range(1, 5)]

    class Choosy(FakeChannel):
        async def send(self, message):  # type: ignore[no-untyped-def]
            if message.delivery_id == poison:
                raise Retry("not this one")
            return await super().send(message)

    desk = Choosy()
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: len(desk.received) == 3, step=1.0)
    assert desk.ids == others


async def test_a_channel_that_asks_for_time_gets_it(store: Store) -> None:
    for number in (1, 2):
        put_alert(store, number)
    desk = FakeChannel(answers=[Retry("slow down", after=30.0)])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: desk.calls == 1 and "retry" in states(store).values())
        await sending.until(lambda: ("webhook", "retried") in sending.counted)  # the channel is held by then
        sending.clock.advance(29.9)
        await sending.looks()
        assert desk.calls == 1
        sending.clock.advance(0.2)
        await sending.until(lambda: all_settled(store))
    assert desk.calls == 3


async def test_a_channel_with_a_pace_keeps_it(store: Store) -> None:
    for number in (1, 2):
        put_alert(store, number)
    desk = FakeChannel(gap=1.0)
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: len(desk.received) == 1)
        await sending.looks()
        assert len(desk.received) == 1
        sending.clock.advance(1.0)
        await sending.until(lambda: len(desk.received) == 2)


async def test_a_refusal_disables_the_channel_keeps_its_alerts_and_tells_the_operator(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2)]
    desk, console = FakeChannel(answers=[Refused("it is archived")]), FakeChannel()
    async with Sending(store, {"desk": desk, "console": console}) as sending:
        await sending.until(lambda: console.titles != [])
        await sending.looks()
    assert desk.calls == 1
    assert console.titles == ["Channel desk is disabled"]
    assert {states(store)[id_] for id_ in ids} == {"pending", "retry"}
    assert Outbox(store).disabled()["desk"].reason == "it is archived"
    assert ("desk", False, "it is archived") in sending.reported


async def test_when_the_operators_channel_is_the_refused_one_the_console_tells(store: Store) -> None:
    Outbox(store).notify(Tell("ops", NOTICE), NOON)
    ops, console = FakeChannel(answers=[Refused("gone")]), FakeChannel()
    async with Sending(store, {"ops": ops, "console": console}) as sending:
        await sending.until(lambda: len(console.titles) == 2)
    assert set(console.titles) == {NOTICE.title, "Channel ops is disabled"}


async def test_changed_settings_give_a_disabled_channel_a_new_chance(store: Store) -> None:
    put_alert(store)
    desk = FakeChannel(answers=[Refused("wrong token")])
    async with Sending(store, {"desk": desk, "console": FakeChannel()}) as sending:
        await sending.until(lambda: "desk" in Outbox(store).disabled())
        assert sending.sender
        sending.sender.set_channels(sending.bound())
        await sending.looks()
        assert desk.calls == 1
        sending.hashes["desk"] = "edited"
        sending.sender.set_channels(sending.bound())
        await sending.until(lambda: all_settled(store))
        await sending.until(lambda: not Outbox(store).disabled())
    assert len(desk.received) == 1


async def test_a_start_gives_a_disabled_channel_one_chance_and_tells_the_same_refusal_once(store: Store) -> None:
    put_alert(store)
    console = FakeChannel()
    for _ in range(3):
        desk = FakeChannel(answers=[Refused("gone")] * 9)
        async with Sending(store, {"desk": desk, "console": console}) as sending:
            await sending.until(lambda channel=desk: channel.calls == 1)
            await sending.looks()
        assert desk.calls == 1
    async with Sending(store, {"desk": FakeChannel(), "console": console}) as sending:
        await sending.until(lambda: all_settled(store))
        await sending.until(lambda: not Outbox(store).disabled())
    assert console.titles == ["Channel desk is disabled"]


async def test_enabling_by_hand_sends_what_waited(store: Store) -> None:
    put_alert(store)
    desk = FakeChannel(answers=[Refused("gone")])
    async with Sending(store, {"desk": desk, "console": FakeChannel()}) as sending:
        await sending.until(lambda: "desk" in Outbox(store).disabled())
        assert sending.sender
        await asyncio.to_thread(sending.sender.enable, "desk")
        await sending.until(lambda: all_settled(store))


async def test_a_message_that_is_never_taken_is_given_up_and_shown(store: Store) -> None:
    bad, good = (put_alert(store, number)[0] for number in (1, 2))
    desk, console = FakeChannel(answers=[Reject("too strange")]), FakeChannel()
    async with Sending(store, {"desk": desk, "console": console}) as sending:
        await sending.until(lambda: len(console.titles) == 1 and all_settled(store))
    assert row_of(store, bad).state == "dead"
    assert row_of(store, bad).reason == "too strange"
    assert row_of(store, good).state == "sent"
    assert console.titles == ["An alert could not be delivered to desk"]


async def test_days_of_retrying_end_in_a_delivery_that_is_shown_as_given_up(store: Store) -> None:
    (id_,) = put_alert(store)
    desk, console = FakeChannel(answers=[Retry("down")] * 99), FakeChannel()
    async with Sending(store, {"desk": desk, "console": console}, give_up=3600.0) as sending:
        await sending.until(lambda: states(store)[id_] == "dead", step=60.0)
        await sending.until(lambda: len(console.titles) == 2)
    assert desk.calls == attempts_within(3600.0)
    assert "down" in row_of(store, id_).reason
    assert console.titles[0] == "Channel desk cannot be reached"


async def test_a_message_cut_off_by_a_stop_is_in_doubt_and_stop_waits_no_longer_than_it_said(store: Store) -> None:
    (id_,) = put_alert(store)
    async with Sending(store, {"desk": FakeChannel(answers=["hang"])}, drain=0.05) as sending:
        await sending.until(lambda: states(store)[id_] == "sending")
    assert states(store)[id_] == "sending"
    again = FakeChannel(repeats="marked")
    async with Sending(store, {"desk": again}) as sending:
        await sending.until(lambda: all_settled(store))
    (message,) = again.received
    assert isinstance(message, Message)
    assert message.possible_repeat


async def test_a_stop_lets_finish_what_is_on_the_wire_and_starts_nothing_new(store: Store) -> None:
    first, second = (put_alert(store, number)[0] for number in (1, 2))
    desk = FakeChannel(answers=["hang"])
    async with Sending(store, {"desk": desk}) as sending:
        await asyncio.wait_for(desk.called.wait(), 60)
        sending.stop.set()
        await asyncio.sleep(0)
        desk.release.set()
    assert states(store) == {first: "sent", second: "pending"}


async def test_a_deduplicating_channel_gets_the_same_message_again_unmarked(store: Store) -> None:
    (id_,) = put_alert(store)
    desk = FakeChannel(answers=[Lost(Unanswered("no answer"))])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_settled(store), step=0.1)
    assert desk.ids == [id_, id_]
    assert desk.received[0] == desk.received[1]


async def test_a_channel_that_can_be_asked_never_gets_a_message_twice(store: Store) -> None:
    (id_,) = put_alert(store)
    desk = FindingChannel(answers=[Lost(Unanswered("no answer"))])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_settled(store), step=0.1)
    assert desk.ids == [id_]
    assert row_of(store, id_).provider_id == "found"
    assert desk.asked[0][1] >= NOON


async def test_a_channel_that_was_asked_and_has_nothing_gets_the_message_unmarked(store: Store) -> None:
    put_alert(store)
    desk = FindingChannel(answers=[Unanswered("no answer")], find_answers=[Retry("once a minute", after=60.0)])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_settled(store), step=1.0)
    (message,) = desk.received
    assert isinstance(message, Message)
    assert not message.possible_repeat
    assert len(desk.asked) == 2
    assert desk.asked[0] == desk.asked[1]


async def test_a_channel_that_may_not_be_asked_gets_a_marked_repeat(store: Store) -> None:
    put_alert(store)
    desk = FindingChannel(answers=[Lost(Unanswered("no answer"))], find_answers=[Reject("missing_scope")])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_settled(store), step=0.1)
    assert [message.possible_repeat for message in desk.received if isinstance(message, Message)] == [False, True]


async def test_a_plain_failure_is_no_doubt(store: Store) -> None:
    put_alert(store)
    desk = FakeChannel(repeats="marked", answers=[Retry("cannot connect")])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_settled(store), step=0.1)
    (message,) = desk.received
    assert isinstance(message, Message)
    assert not message.possible_repeat


async def test_alerts_for_a_channel_that_is_not_configured_wait_for_it(store: Store) -> None:
    put_alert(store, channels=("later",))
    async with Sending(store, {}) as sending:
        await sending.looks()
        assert sending.sender
        sending.channels["later"] = FakeChannel()
        sending.sender.set_channels(sending.bound())
        await sending.until(lambda: all_settled(store))


async def test_who_was_left_out_is_told_to_the_operator(store: Store) -> None:
    put_alert(store)
    console = FakeChannel()
    async with Sending(store, {"desk": FakeChannel(note="x@example.org: unknown"), "console": console}) as sending:
        await sending.until(lambda: console.titles != [])
    assert console.titles == ["Channel desk took a message, but not as it should"]


class AwayOutbox(Outbox):
    """The store goes away just when a success is to be recorded."""

    times = 1

    def sent(self, delivery_id: str, provider_id: str, now: float, **more: Any) -> None:
        if self.times:
            self.times -= 1
            raise Unavailable("the disk is full")
        super().sent(delivery_id, provider_id, now, **more)


async def test_a_store_that_is_away_when_a_success_is_recorded_does_not_cause_a_repeat(store: Store) -> None:
    put_alert(store)
    desk = FakeChannel()
    async with Sending(store, {"desk": desk}, outbox=AwayOutbox(store)) as sending:
        await sending.until(lambda: all_settled(store))
    assert len(desk.received) == 1


# -- killed at any moment


class Killed(Exception):
    pass


class Fuse:
    """Burns through after so many moments."""

    def __init__(self, moments: int) -> None:
        self.left = moments

    def moment(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class DyingOutbox(Outbox):
    """Every boundary between the store and the wire is a moment in which the process may be killed."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        super().__init__(store)
        self.fuse = fuse

    def claim(self, now: float, channel: str, quiet: Quiet | None = None) -> Delivery | None:
        self.fuse.moment()
        delivery = super().claim(now, channel, quiet)
        self.fuse.moment()
        return delivery

    def sent(self, delivery_id: str, provider_id: str, now: float, **more: Any) -> None:
        self.fuse.moment()
        super().sent(delivery_id, provider_id, now, **more)
        self.fuse.moment()

    def absent(self, delivery: Delivery, now: float) -> None:
        self.fuse.moment()
        super().absent(delivery, now)
        self.fuse.moment()

    def retry(self, delivery: Delivery, at: float, reason: str, *, in_doubt: bool) -> None:
        self.fuse.moment()
        super().retry(delivery, at, reason, in_doubt=in_doubt)
        self.fuse.moment()


async def _one_life(store: Store, channels: dict[str, FakeChannel], clock_at: float, moments: int) -> float:
    sending = Sending(store, channels, outbox=DyingOutbox(store, Fuse(moments)))
    sending.clock.at = clock_at
    try:
        async with sending:
            await sending.until(lambda: all_settled(store), step=1.0)
    except Killed:
        pass
    return sending.clock.at


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lives=st.lists(st.integers(1, 14), max_size=6),
    failures=st.lists(st.sampled_from(["retry", "unanswered", "lost"]), max_size=3),
    alerts=st.integers(1, 4),
)
def test_killed_at_any_moment_nothing_is_lost_and_who_can_know_gets_each_once(
    lives: list[int], failures: list[str], alerts: int
) -> None:
    answers = {"retry": Retry("x"), "unanswered": Unanswered("x"), "lost": Lost(Unanswered("x"))}
    hook = FakeChannel(answers=[answers[name] for name in failures])
    bot = FindingChannel(answers=[answers[name] for name in failures])
    people = FakeChannel(repeats="marked", answers=[answers[name] for name in failures])
    channels = {"hook": hook, "bot": bot, "people": people}

    async def live() -> None:
        now = NOON
        for moments in (*lives, 10_000):
            now = await _one_life(store, channels, now + 1, moments)

    with TemporaryDirectory() as folder:
        store = open_store("sqlite:", Path(folder))
        expected = [put_alert(store, number, tuple(channels)) for number in range(alerts)]
        asyncio.run(live())
        assert set(states(store).values()) == {"sent"}
        store.close()
    hooks, bots, told = (list(ids) for ids in zip(*expected, strict=True))
    assert set(hook.ids) == set(hooks)  # it drops what it has seen
    assert sorted(bot.ids) == sorted(bots)  # it was asked: each once
    if len(lives) + len(failures) < 5:
        assert list(dict.fromkeys(hook.ids)) == hooks
        assert bot.ids == bots
    assert set(people.ids) == set(told)
    _repeats_are_marked(people)


def _repeats_are_marked(people: FakeChannel) -> None:
    seen: set[str] = set()
    for message in people.received:
        assert isinstance(message, Message)
        assert message.possible_repeat or message.delivery_id not in seen
        seen.add(message.delivery_id)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_back_off_grows_and_has_a_ceiling(attempts: int, jitter: float) -> None:
    assert 0 < backoff(attempts, jitter) <= LONGEST
    assert backoff(attempts, jitter) <= backoff(attempts + 1, jitter)


def test_three_days_are_some_hundreds_of_attempts() -> None:
    assert 300 < attempts_within(3 * 86400) < 400


async def test_a_message_that_fails_the_sender_every_time_is_given_up_and_the_others_go_out(store: Store) -> None:
    bad, good = (put_alert(store, number)[0] for number in (1, 2))

    class Broken(FakeChannel):
        async def send(self, message):  # type: ignore[no-untyped-def]
            if message.delivery_id == bad:
                raise ZeroDivisionError("nobody expected this")
            return await super().send(message)

    desk, console = Broken(), FakeChannel()
    sending, failures = Sending(store, {"desk": desk, "console": console}), 0
    await sending.__aenter__()
    assert sending.sender
    assert sending.task
    while not all_settled(store) or not console.titles:
        assert failures < 20, "it fails for ever"
        try:
            await sending.until(lambda: all_settled(store) and bool(console.titles))
        except ZeroDivisionError:
            failures += 1
            sending.task = asyncio.create_task(sending.sender.run(sending.stop))
    await sending.__aexit__()
    assert failures == 5
    assert (row_of(store, bad).state, row_of(store, good).state) == ("dead", "sent")
    assert console.titles == ["An alert could not be delivered to desk"]
