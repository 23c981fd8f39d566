"""A story is told in its order on each route of a channel, whatever made parts of it wait."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from consumers.errors import Reject
from consumers.model import Digest, Fact, Message, Notice
from daemon.store import Store
from daemon.store.living import raise_wanted
from daemon.store.mutes import Mutes
from daemon.store.outbox import Outbox
from daemon.store.outbox_rows import with_alerts
from daemon.store.standing import decided, standing
from daemon.store.story_order import is_blocked, told_with
from daemon.store.tables import alerts
from tests.alert_samples import ALERT, NOON, TOLL
from tests.fake_channels import put_alert, row_of, states
from tests.held_alerts import HOUR, Night, change_story, history, muted, put_more, rows, wait_for


class Desk:
    """Takes everything that it is given, at the time that it is asked."""

    def __init__(self, store: Store) -> None:
        self.outbox = Outbox(store)
        self.received: list[str] = []  # ids of deliveries
        self.messages: list[Message | Digest | Notice] = []
        self._store = store

    def look(self, now: float, quiet: Night | None = None, *, flood: bool = False) -> None:
        """As a sender does that has found something due."""
        self.outbox.end_mutes(now)
        self.outbox.release(now, "desk")
        while flood and self.outbox.gather(now, "desk", quiet):
            pass
        while delivery := self.outbox.claim(now, "desk", quiet):
            self.messages.append(self.outbox.compose(delivery))
            self.received.append(delivery.id)
            self.outbox.sent(delivery.id, f"ts-{len(self.received)}", now)

    def fail(self, now: float, until: float) -> str:
        """What is claimed now is not accepted, and waits for another attempt. Returns its id."""
        delivery = self.outbox.claim(now, "desk")
        assert delivery is not None
        self.outbox.retry(delivery, until, "down", in_doubt=False)
        return delivery.id

    def places(self, ids: list[str]) -> list[int]:
        """Of the messages that have told these deliveries."""
        found = rows(self._store)
        assert {found[each].state for each in ids} == {"sent"}
        return [self.received.index(found[each].carrier or each) for each in ids]

    def tells_in_order(self, ids: list[str]) -> bool:
        return (places := self.places(ids)) == sorted(places)


@pytest.fixture
def desk(store: Store) -> Desk:
    """Was told the first alerts of three stories."""
    desk = Desk(store)
    for number in (1, 2, 3):
        put_alert(store, number)
    desk.look(NOON)
    assert len(desk.received) == 3
    return desk


def more(store: Store, nth: int, number: int = 1, due: float = NOON, **values: Any) -> str:
    (id_,) = put_more(store, number, nth, due=due, **values)
    return id_


def become_one(store: Store, number: int, other: int) -> None:
    """The alerts of the other story are of this one."""
    moved = update(alerts).where(alerts.c.story_id == f"story-{other}").values(story_id=f"story-{number}")
    with store.write() as connection:
        connection.execute(moved)


def facts(nth: int) -> tuple[Fact, ...]:
    return (replace(TOLL, key=f"fact {nth}", at=NOON + nth),)


# -- what holds them differs


def test_what_several_mutes_held_of_a_story_is_told_in_its_order_when_all_have_ended(store: Store, desk: Desk) -> None:
    ids = []
    for nth in (1, 2, 3, 4):  # the one that ends last holds
        Mutes(store).add(mute := muted(until=NOON + HOUR + nth, comment=str(nth)))
        ids.append(more(store, nth, due=NOON + nth))
        desk.look(NOON + nth)
        assert row_of(store, ids[-1]).held == f"mute {mute.id}"
    desk.look(NOON + 2 * HOUR)
    assert desk.tells_in_order(ids)


def test_what_the_night_holds_comes_with_what_a_mute_held_after_it(store: Store, desk: Desk) -> None:
    night = Night(end=NOON + 2 * HOUR)
    one = more(store, 1, due=NOON + 1)
    desk.look(NOON + 1, night)
    Mutes(store).add(replace(muted(until=NOON + HOUR), since=NOON + 2))
    other = more(store, 2, due=NOON + 3)
    desk.look(NOON + 3, night)
    assert [row_of(store, each).due for each in (one, other)] == [night.end, NOON + HOUR]
    desk.look(NOON + HOUR, night)
    desk.look(night.end, night)
    assert desk.tells_in_order([one, other])


def test_what_two_digests_would_tell_of_a_story_is_in_the_one_that_says_that_a_mute_ended(
    store: Store, desk: Desk
) -> None:
    """The channel was out of reach at both set times, and when the mute ended."""
    ids = [more(store, nth) for nth in (1, 2, 3)]
    for place, id_ in enumerate(ids):
        wait_for(store, [id_], "digest 07:00 Europe/Paris", NOON + place)
    Mutes(store).add(muted(until=NOON + HOUR))
    desk.look(NOON + 1)
    assert [row_of(store, id_).held.partition(" ")[0] for id_ in ids] == ["mute", "mute", "digest"]
    wait_for(store, ids[:1], "digest 07:00 Europe/Paris", NOON)
    desk.look(NOON + 2 * HOUR)
    assert len(set(desk.places(ids))) == 1
    message = desk.messages[-1]
    assert isinstance(message, Digest)
    assert message.lead == "It held 3 alerts."


def test_what_the_night_holds_is_told_with_what_it_does_not(store: Store, desk: Desk) -> None:
    """Somebody has taken the channel's quiet hours back, or has made the topic urgent."""
    one = more(store, 1, due=NOON + 1)
    desk.look(NOON + 1, Night(end=NOON + HOUR))
    assert row_of(store, one).state == "held"
    other = more(store, 2, due=NOON + 2, severity="urgent")
    desk.look(NOON + 2, Night(end=NOON + HOUR))
    assert desk.tells_in_order([one, other])
    assert row_of(store, one).carrier == other


def test_what_comes_after_something_held_is_not_told_with_what_comes_before_it(store: Store, desk: Desk) -> None:
    one = more(store, 1, due=NOON + 3)
    between, after = more(store, 2, due=NOON + 1), more(store, 3, due=NOON + 3)
    wait_for(store, [between], "quiet hours", NOON + HOUR)
    claimed = desk.outbox.claim(NOON + 3, "desk")
    assert claimed is not None
    assert claimed.id == one
    assert row_of(store, after).state == "pending"
    desk.received.append(one)
    desk.outbox.sent(one, "ts", NOON + 3)
    desk.look(NOON + 4)
    assert desk.tells_in_order([one, between, after])


# -- another attempt


def test_a_flood_takes_along_what_waits_for_another_attempt_and_comes_before(store: Store, desk: Desk) -> None:
    one = more(store, 1)
    assert desk.fail(NOON + 1, until=NOON + HOUR) == one
    later = more(store, 2)
    for number in range(10, 22):
        put_alert(store, number)
    desk.look(NOON + 2, flood=True)
    assert row_of(store, later).carrier != later
    assert desk.tells_in_order([one, later])


def test_what_is_tried_alone_after_its_digest_was_rejected_is_not_overtaken(store: Store, desk: Desk) -> None:
    one, other = more(store, 1, due=NOON + 1), more(store, 2, due=NOON + 1)
    wait_for(store, [one, other], "quiet hours", NOON + 2)
    desk.outbox.release(NOON + 2, "desk")
    digest = desk.outbox.claim(NOON + 2, "desk")
    assert digest is not None
    assert isinstance(desk.outbox.compose(digest), Digest)
    desk.outbox.dead(digest, Reject("too long").reason, NOON + 2, apart=True)
    assert desk.fail(NOON + 3, until=NOON + HOUR) == one
    later = more(store, 3, due=NOON + 4)
    desk.look(NOON + 4)
    assert set(states(store).values()) > {"retry"}, "the others wait for it"
    desk.look(NOON + HOUR)
    assert desk.tells_in_order([one, other, later])


def test_what_follows_something_in_doubt_is_not_told_with_another_story_that_became_this_one(
    store: Store, desk: Desk
) -> None:
    theirs = more(store, 1, 1, NOON + 9)
    one = more(store, 1, 2)
    claimed = desk.outbox.claim(NOON + 1, "desk")
    assert claimed is not None
    assert claimed.id == one
    desk.outbox.retry(claimed, NOON + HOUR, "no answer", in_doubt=True)
    other = more(store, 2, 2)
    become_one(store, 1, 2)
    desk.look(NOON + 9)
    assert row_of(store, theirs).state == "sent"
    assert row_of(store, other).state == "pending"
    desk.look(NOON + HOUR)
    assert desk.tells_in_order([one, other])


def test_what_waits_with_a_first_alert_counts_as_told_with_it_when_its_story_becomes_one_that_was(
    store: Store, desk: Desk
) -> None:
    first, other = put_alert(store, 4)[0], put_alert(store, 5)[0]
    become_one(store, 4, 5)
    assert desk.fail(NOON + 1, until=NOON + 2) == first
    assert row_of(store, other).carrier == first
    become_one(store, 1, 4)
    later = more(store, 1)
    desk.look(NOON + 2)
    desk.look(NOON + 3)
    assert desk.received[3:] == [later]
    assert set(states(store).values()) == {"sent"}
    assert {row_of(store, each).carrier for each in (first, other)} == {desk.received[0]}
    assert history(store, other)[-1] == ("carried", "its story turned out to be one that was told")


# -- two at a time


def test_what_was_read_before_its_story_became_another_one_waits_for_its_story(store: Store, desk: Desk) -> None:
    """Somebody joins the two while a sender looks at what it has read."""
    first, held = put_alert(store, 4)[0], put_alert(store, 5)[0]
    wait_for(store, [held], "quiet hours", NOON + HOUR)
    blocked, alone, waits = more(store, 1, 4), more(store, 1, 2), more(store, 1, 5)
    before = more(store, 0, 2)
    with store.read() as connection:
        read = {row.id: row for row in connection.execute(with_alerts())}
    for number in (4, 2, 5):
        become_one(store, 100 + number, number)
    with store.read() as connection:
        assert is_blocked(connection, read[blocked], NOON + 1), f"{first} has to be told before"
        assert told_with(connection, read[alone], NOON + 1) == [before]
        stands = standing(connection, read[waits])
        assert stands
        hold = decided(connection, read[waits], stands, [], None, NOON + 1)
        assert hold
        assert hold.held == "quiet hours"


def test_a_sender_with_a_slower_clock_tells_what_a_muted_source_held_before_what_follows(
    store: Store, desk: Desk
) -> None:
    """An alerter whose clock is ahead finds other sources: what was held for that is due in a moment, by its clock."""
    change_story(store, reports=ALERT.reports[:1])
    Mutes(store).add(muted("source", "example.org"))
    one = more(store, 1, due=NOON + 1, facts=facts(1))
    desk.look(NOON + 1)
    assert row_of(store, one).held.startswith("source mute ")
    other = more(store, 2, due=NOON + 2, facts=facts(2))
    story = change_story(store, reports=ALERT.reports)
    with store.write() as connection:
        raise_wanted(connection, [story.id], NOON + 3)
    desk.look(NOON + 2)
    assert row_of(store, other).state == "sent"
    assert desk.tells_in_order([one, other])
    message = desk.outbox.message(row_of(store, other).alert_id, delivery_id=other, channel="desk")
    assert isinstance(message, Message)
    assert {fact.key for fact in message.facts} == {"fact 1", "fact 2"}
