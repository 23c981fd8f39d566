"""What became of a message is found out, and then it is decided anew: its thread, its place, whether it may go."""

from dataclasses import dataclass, field

from sqlalchemy import select

from consumers.model import Message, Receipt
from consumers.notify import Unanswered
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.outbox import Outbox
from daemon.store.tables import living_messages
from tests.alert_samples import ALERT, NOON, TOLL
from tests.fake_channels import EditingChannel, FindingChannel, Lost, Sending, put_alert, row_of, states
from tests.held_alerts import HOUR, Night, muted, put_more


@dataclass
class ThreadedChannel(FindingChannel):
    """A reply is found in its thread only."""

    threads: list[str] = field(default_factory=list)

    async def find(self, delivery_id: str, since: float, thread: str = "") -> Receipt | None:
        self.threads.append(thread)
        replies = [each.delivery_id for each in self.received if isinstance(each, Message) and each.thread]
        if not thread and delivery_id in replies:
            return None
        return await super().find(delivery_id, since)


@dataclass(frozen=True)
class Evening:
    begin: float
    end: float
    text: str = "22:00-07:00 Europe/Paris"

    def until(self, now: float) -> float | None:
        return self.end if self.begin <= now < self.end else None


async def test_a_reply_in_doubt_is_asked_for_in_its_thread(store: Store) -> None:
    put_alert(store)
    desk = ThreadedChannel()
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: set(states(store).values()) == {"sent"})
        desk.answers = [Lost(Unanswered("no answer"))]
        (update,) = put_more(store)
        await sending.until(lambda: states(store)[update] == "sent", step=1.0)
    assert desk.threads == ["id-1"]
    assert desk.ids.count(update) == 1


async def test_what_did_not_arrive_waits_for_the_quiet_hours_that_began_meanwhile(store: Store) -> None:
    (alert,) = put_alert(store)
    desk = FindingChannel(answers=[Unanswered("no answer", after=60.0)])
    evening = Evening(NOON + 30, NOON + HOUR)
    async with Sending(store, {"desk": desk}, quiet={"desk": evening}) as sending:
        await sending.until(lambda: states(store)[alert] == "held", step=1.0)
        assert desk.received == []
        await sending.until(lambda: states(store)[alert] == "sent", step=10.0)
        assert sending.clock.at >= evening.end
    assert desk.ids == [alert]


async def test_what_did_arrive_is_known_to_have_in_quiet_hours_too(store: Store) -> None:
    (alert,) = put_alert(store)
    desk = FindingChannel(answers=[Lost(Unanswered("no answer", after=60.0))])
    evening = Evening(NOON + 30, NOON + HOUR)
    async with Sending(store, {"desk": desk}, quiet={"desk": evening}) as sending:
        await sending.until(lambda: states(store)[alert] == "sent", step=1.0)
        assert sending.clock.at < evening.end
    assert desk.ids == [alert]


async def test_an_update_in_doubt_is_not_overtaken_by_the_next_one(store: Store) -> None:
    put_alert(store)
    desk = FindingChannel()
    async with Sending(store, {"desk": desk}) as sending:
        await sending.until(lambda: set(states(store).values()) == {"sent"})
        desk.answers = [Unanswered("no answer", after=60.0)]
        (update,) = put_more(store, nth=1)
        await sending.until(lambda: states(store)[update] == "retry")
        (later,) = put_more(store, nth=2)
        await sending.looks()
        assert states(store)[later] == "pending"
        await sending.until(lambda: set(states(store).values()) == {"sent"}, step=1.0)
    assert desk.ids[1] == update
    assert row_of(store, later).provider_id in ("id-2", "id-3")  # with it, or after it


async def test_a_first_alert_that_the_night_held_lives_though_an_escalation_came_before(store: Store) -> None:
    (first,) = put_alert(store)
    (louder,) = put_more(store, kind="escalation", facts=())
    desk = EditingChannel()
    async with Sending(store, {"desk": desk}, quiet={"desk": Night(NOON + HOUR)}) as sending:
        await sending.until(lambda: states(store)[louder] == "sent")
        assert states(store)[first] == "held"
        await sending.until(lambda: states(store)[first] == "sent", step=60.0)
    assert desk.ids == [louder, first]
    with store.read() as connection:
        assert set(connection.execute(select(living_messages.c.delivery_id)).scalars()) == {first, louder}


def test_what_a_mute_held_takes_along_what_waits_for_another_attempt_and_comes_before(store: Store) -> None:
    (first,), outbox = put_alert(store), Outbox(store)
    assert outbox.claim(NOON, "desk")
    outbox.sent(first, "id-1", NOON)
    (update,) = put_more(store, nth=1)
    failing = outbox.claim(NOON, "desk")
    assert failing is not None
    outbox.retry(failing, NOON + HOUR, "down", in_doubt=False)
    Mutes(store).add(muted(until=NOON + 600))
    (later,) = put_more(store, nth=2)
    assert outbox.claim(NOON + 1, "desk") is None
    assert row_of(store, later).state == "held"
    outbox.end_mutes(NOON + 600)
    outbox.release(NOON + 600, "desk")
    digest = outbox.claim(NOON + 600, "desk")
    assert digest is not None
    assert {row_of(store, update).carrier, row_of(store, later).carrier} == {digest.id}


def test_a_message_does_not_speak_of_a_mute_of_sources_whose_end_it_would_not_hear_of(store: Store) -> None:
    put_alert(store)
    sources = {report.source for report in ALERT.reports}
    for source in sources:
        Mutes(store).add(muted("source", source))
    outbox = Outbox(store)
    (row,) = put_more(store, facts=(TOLL,))
    alert = row_of(store, row).alert_id
    assert outbox.message(alert, delivery_id=row, channel="desk", now=NOON + 60).status == ()
    Mutes(store).add(muted("story", "story-1"))
    assert len(outbox.message(alert, delivery_id=row, channel="desk", now=NOON + 60).status) == 1
