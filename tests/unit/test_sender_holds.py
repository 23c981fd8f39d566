"""The sender with alerts that wait, digests, floods, mutes and messages that live: killed at any moment, too."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.errors import Refused, Reject, Retry
from consumers.model import Digest, Fact, Message, Receipt
from consumers.notify import Tidings, Unanswered
from daemon.clock import SystemClock
from daemon.sender import Channel, Sender
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.store.living import raise_wanted
from daemon.store.mutes import Mutes
from daemon.store.opening import open_store
from daemon.store.outbox import Outbox
from tests.alert_samples import NOON, TOLL
from tests.fake_channels import (
    EditingChannel,
    FakeChannel,
    FindingChannel,
    HeldClock,
    Lost,
    Sending,
    put_alert,
    row_of,
    states,
)
from tests.held_alerts import HOUR, TOPIC, Night, change_story, muted, put_more, wait_for
from tests.mortal import Killed, Life, MortalStore


def all_sent(store: Store) -> bool:
    return set(states(store).values()) <= {"sent"}


def raise_story(store: Store, now: float, number: int = 1) -> None:
    with store.write() as connection:
        raise_wanted(connection, [f"story-{number}"], now)


async def test_what_came_in_the_night_is_told_when_it_is_over(store: Store) -> None:
    for number in (1, 2):
        put_alert(store, number)
    desk = FakeChannel()
    async with Sending(store, {"desk": desk}, quiet={"desk": Night(end=NOON + HOUR)}) as sending:
        await sending.until(lambda: set(states(store).values()) == {"held"})
        assert desk.calls == 0
        sending.clock.advance(HOUR)
        await sending.until(lambda: all_sent(store))
    (digest,) = desk.received
    assert isinstance(digest, Digest)
    assert digest.reason == "quiet hours"


async def test_a_flood_on_a_channel_with_a_pace_is_one_message_and_on_one_without_each_is_told(store: Store) -> None:
    for number in range(1, 13):
        put_alert(store, number, ("desk", "hook"))
    desk, hook = FakeChannel(gap=1.0), FakeChannel()
    async with Sending(store, {"desk": desk, "hook": hook}) as sending:
        await sending.until(lambda: all_sent(store), step=0.1)
    assert [type(message) for message in desk.received] == [Digest]
    assert len(hook.received) == 12


async def test_a_mute_ends_by_the_clock_and_says_what_it_held(store: Store) -> None:
    put_alert(store)
    Mutes(store).add(muted())
    desk = FakeChannel()
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: set(states(store).values()) == {"held"})
        await sending.until(lambda: all_sent(store), step=60.0)
    (digest,) = desk.received
    assert isinstance(digest, Digest)
    assert (digest.reason, sending.clock.at >= NOON + HOUR) == ("mute", True)


async def test_a_digest_that_may_have_arrived_is_asked_for_and_told_once(store: Store) -> None:
    wait_for(store, [put_alert(store, number)[0] for number in (1, 2)], "digest 07:00 Europe/Paris", NOON)
    desk = FindingChannel(answers=[Lost(Unanswered("no answer"))])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_sent(store), step=0.1)
    assert len(desk.received) == 1


async def test_a_digest_that_may_have_arrived_and_cannot_be_asked_for_is_marked(store: Store) -> None:
    wait_for(store, put_alert(store), "digest 07:00 Europe/Paris", NOON)
    desk = FakeChannel(repeats="marked", answers=[Lost(Unanswered("no answer"))])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_sent(store), step=0.1)
    assert [message.possible_repeat for message in desk.received if isinstance(message, Digest)] == [False, True]


async def test_a_digest_that_is_refused_for_itself_is_told_one_by_one_and_nobody_is_alarmed(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2)]
    wait_for(store, ids, "digest 07:00 Europe/Paris", NOON)
    desk, console = FakeChannel(answers=[Reject("msg_too_long")]), FakeChannel()
    async with Sending(store, {"desk": desk, "console": console}) as sending:
        await sending.until(lambda: set(states(store).values()) == {"sent", "dead"})
        await sending.looks()
    assert desk.ids == ids
    assert console.received == []


async def test_a_digest_that_is_given_up_after_days_is_told_to_the_operator(store: Store) -> None:
    (id_,) = put_alert(store)
    wait_for(store, [id_], "digest 07:00 Europe/Paris", NOON)
    desk, console = FakeChannel(answers=[Retry("down")] * 99), FakeChannel()
    async with Sending(store, {"desk": desk, "console": console}, give_up=600.0) as sending:
        await sending.until(lambda: row_of(store, id_).state == "dead", step=30.0)
        await sending.until(lambda: "An alert could not be delivered to desk" in console.titles)


# -- messages that live


async def test_a_message_is_brought_up_to_date_when_there_is_nothing_to_send(store: Store) -> None:
    put_alert(store)
    desk = EditingChannel()
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_sent(store))
        await sending.looks()
        assert desk.edits == []
        change_story(store, articles=9)
        raise_story(store, sending.clock.at)
        await sending.until(lambda: desk.edits != [], step=1.0)
        ((name, message),) = desk.edits
        assert (name, message.articles) == ("id-1", 9)
        sending.clock.advance(HOUR)
        await sending.looks()
        assert len(desk.edits) == 1


async def test_many_changes_of_a_story_are_few_edits(store: Store) -> None:
    put_alert(store)
    desk = EditingChannel()
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_sent(store))
        for articles in range(1, 61):
            change_story(store, articles=articles)
            raise_story(store, sending.clock.at)
            sending.clock.advance(1.0)
            await asyncio.sleep(0.004)
        await sending.until(lambda: desk.edits[-1][1].articles == 60, step=1.0)
    assert len(desk.edits) <= 3


async def test_a_channel_that_asks_for_time_before_an_edit_gets_it(store: Store) -> None:
    put_alert(store)
    desk = EditingChannel(edit_answers=[Retry("ratelimited", after=100.0)])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_sent(store))
        raise_story(store, sending.clock.at)
        sending.clock.advance(6)
        await sending.until(lambda: desk.edit_answers == [])
        put_alert(store, 2)
        await sending.looks()
        sending.clock.advance(90)
        await sending.looks()
        assert len(desk.received) == 1
        await sending.until(lambda: all_sent(store) and desk.edits != [], step=1.0)
    assert sending.clock.at >= NOON + 106


async def test_a_message_that_cannot_be_edited_any_more_is_left_alone_and_one_that_is_refused_comes_later(
    store: Store,
) -> None:
    for number in (1, 2):
        put_alert(store, number)
    desk = EditingChannel(edit_answers=[Reject("message_not_found"), Refused("token_revoked")])
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: all_sent(store))
        raise_story(store, sending.clock.at, 1)
        raise_story(store, sending.clock.at, 2)
        await sending.until(lambda: desk.edits != [], step=5.0)
        sending.clock.advance(HOUR)
        await sending.looks()
    assert len(desk.edits) == 1
    assert sending.clock.at >= NOON + 900


async def test_a_channel_that_can_no_longer_edit_forgets_what_it_would(store: Store) -> None:
    put_alert(store)
    async with Sending(store, {"desk": EditingChannel()}) as sending:
        await sending.until(lambda: all_sent(store))
    raise_story(store, NOON)
    async with Sending(store, {"desk": FakeChannel()}) as sending:
        sending.clock.advance(60)
        await sending.until(lambda: not Outbox(store).due_channels(sending.clock.at))


async def test_an_edit_that_fails_the_sender_every_time_is_given_up_and_alerts_go_on(store: Store) -> None:
    put_alert(store)

    class Broken(EditingChannel):
        async def edit(self, provider_id: str, message: Message) -> None:
            raise ZeroDivisionError("nobody expected this")

    desk, failures = Broken(), 0
    sending = Sending(store, {"desk": desk})
    await sending.__aenter__()
    assert sending.sender
    await sending.until(lambda: all_sent(store))
    raise_story(store, NOON)
    sending.clock.advance(60)
    while Outbox(store).due_channels(sending.clock.at):
        assert failures < 20, "it fails for ever"
        try:
            await sending.until(lambda: not Outbox(store).due_channels(sending.clock.at))
        except ZeroDivisionError:
            failures += 1
            sending.task = asyncio.create_task(sending.sender.run(sending.stop))
    put_alert(store, 2)
    await sending.until(lambda: all_sent(store))
    await sending.__aexit__()
    assert failures == 5


# -- killed at any moment


@dataclass
class Wire:
    """One channel as the world sees it. It can be asked what it has, and edited."""

    received: list[Tidings] = field(default_factory=list)

    def told(self) -> list[str]:
        """What people were told, in its order: "first story-1" once it is, then the facts of its updates."""
        return [each for message in self.received for each in _told(message)]


def _told(message: Tidings) -> list[str]:
    if isinstance(message, Digest):
        return [each for topic in message.topics for story in topic.stories for each in _told(story)]
    assert isinstance(message, Message)
    first = [f"first {message.story_id}"] if message.kind == "first" else []
    return first + [fact.key for fact in reversed(message.facts)]


@dataclass
class MortalChannel:
    wire: Wire
    life: Life
    failures: list[str]
    gap: float = 0.0
    repeats: Any = "marked"

    async def send(self, message: Tidings) -> Receipt:
        self.life.moment()
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "retry":
            raise Retry("down")
        self.wire.received.append(message)
        self.life.moment()
        if failure == "lost":
            raise Unanswered("no answer")
        return Receipt(provider_id=f"ts-{len(self.wire.received)}")

    async def find(self, delivery_id: str, since: float, thread: str = "") -> Receipt | None:
        self.life.moment()
        for number, message in enumerate(self.wire.received, 1):
            if message.delivery_id == delivery_id:
                return Receipt(provider_id=f"ts-{number}")
        return None

    async def edit(self, provider_id: str, message: Message) -> None:
        self.life.moment()


def fact(number: int, nth: int) -> Fact:
    return replace(TOLL, key=f"story-{number} {nth}", text=f"fact {nth}", at=NOON + 10 * nth)


@dataclass
class Evening:
    """A few hours in which all that makes alerts wait happens. The clock goes on by a minute at each look."""

    store: Store
    rng: random.Random
    clock: HeldClock = field(default_factory=HeldClock)
    expected: dict[str, list[str]] = field(default_factory=dict)  # by story, in the order in which it is to be told

    def happen(self, minute: int) -> None:
        """What the alerter and people do in this minute."""
        now, rng = self.clock.now(), self.rng
        breaks = 18 if minute == 50 else int(minute < 30 and rng.random() < 0.4)
        for _ in range(breaks):
            number = len(self.expected) + 1
            ids = put_alert(self.store, number, due=now)
            self.expected[f"story-{number}"] = [f"first story-{number}"]
            if number % 3 == 0:
                self.wait(ids)
        if minute < 60 and self.expected and rng.random() < 0.6:
            number = rng.randint(1, len(self.expected))
            so_far = self.expected[f"story-{number}"]
            ids = put_more(self.store, number, len(so_far), facts=[fact(number, len(so_far))], due=now)
            if number % 3 == 0:
                self.wait(ids)
            so_far.append(f"story-{number} {len(so_far)}")
            raise_story(self.store, now, number)
        if minute < 60 and rng.random() < 0.1:
            kind, target = rng.choice([("story", "story-1"), ("topic", TOPIC.id), ("source", "*.example.org")])
            new_facts = rng.random() < 0.5
            mute = muted(kind, target, until=now + 900, comment=str(minute), until_new_facts=new_facts)
            Mutes(self.store).add(replace(mute, since=now))

    def wait(self, ids: Sequence[str]) -> None:
        """Every third story is told at set times only."""
        times = [NOON + 60 * minute for minute in (20, 45, 80)]
        wait_for(self.store, ids, "digest 07:00 Europe/Paris", next(at for at in times if at > self.clock.now()))

    async def go_on(self, stop: asyncio.Event) -> None:
        async with asyncio.timeout(300):
            minute = 0
            while minute < 90 or not all_sent(self.store):
                self.happen(minute)
                for _ in range(6):
                    self.clock.advance(10)
                    await asyncio.sleep(0.003)
                minute += 1
        stop.set()


async def live(evening: Evening, lives: Sequence[int], failures: Sequence[str], gap: float) -> tuple[Wire, int]:
    stop, wire, left, deaths = asyncio.Event(), Wire(), list(failures), 0
    going = asyncio.create_task(evening.go_on(stop))
    for moments in (*lives, 10**9):
        life = Life(moments)
        mortal: Any = MortalStore(evening.store, life)
        Leases(evening.store, owner="alone", clock=SystemClock(), ttl=10.0).clear()
        night = Night(end=NOON + 40 * 60) if evening.rng.random() < 0.5 else None
        sender = Sender(
            outbox=Outbox(mortal),
            leases=Leases(evening.store, owner="alone", clock=SystemClock(), ttl=10.0),
            channels=[Channel("desk", "slack", MortalChannel(wire, life, left, gap), "", night)],
            clock=evening.clock,
            rng=random.Random(1),
            poll=0.002,
        )
        with suppress(Killed):
            await sender.run(stop)
        deaths += 1
    await going
    return wire, deaths


def everything_is_told_once_and_in_order(
    store: Store, seed: int, lives: Sequence[int], failures: Sequence[str]
) -> None:
    rng = random.Random(seed)
    evening = Evening(store, rng)
    wire, _ = asyncio.run(live(evening, lives, failures, gap=rng.choice([0.0, 20.0])))
    told = wire.told()
    expected = Counter(each for story in evening.expected.values() for each in story)
    assert Counter(told) == expected, "nothing is lost, and nothing is told twice"
    for story in evening.expected.values():
        assert [each for each in told if each in story] == story, "a story is told in its order"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    lives=st.lists(st.integers(5, 150), max_size=5),
    failures=st.lists(st.sampled_from(["retry", "lost", ""]), max_size=6),
)
def test_killed_at_any_moment_everything_is_told_once_and_in_its_order(
    seed: int, lives: list[int], failures: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        store = open_store("sqlite:", Path(folder))
        everything_is_told_once_and_in_order(store, seed, lives, failures)
        store.close()


@pytest.mark.parametrize("seed", range(3))
def test_killed_now_and_then_everything_is_told_once_on_either_store(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    lives = [rng.randint(5, 200) for _ in range(4)]
    everything_is_told_once_and_in_order(store, seed, lives, ["lost", "retry", "", "lost"])
