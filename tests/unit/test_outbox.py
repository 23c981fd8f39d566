"""The outbox: states, order, and the message as its story stands when it is sent."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import delete

from consumers.errors import Reject
from consumers.model import Message, Report, Story
from daemon.store import Store
from daemon.store.outbox import Delivery, Disabled, Outbox, Tell
from daemon.store.tables import stories
from tests.alert_samples import ALERT, NOON, NOTICE
from tests.fake_channels import put_alert, put_story, row_of, states


def claimed(outbox: Outbox, channel: str = "desk", now: float = NOON + 1) -> Delivery:
    delivery = outbox.claim(now, channel)
    assert delivery is not None
    return delivery


def test_a_claim_is_on_disk_before_anything_is_sent(store: Store) -> None:
    (id_,) = put_alert(store)
    assert claimed(Outbox(store)).id == id_
    row = row_of(store, id_)
    assert (row.state, row.attempts, row.updated) == ("sending", 1, NOON + 1)


def test_a_claimed_delivery_is_not_claimed_twice(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    claimed(outbox)
    assert outbox.claim(NOON + 1, "desk") is None


def test_nothing_goes_out_before_it_is_due(store: Store) -> None:
    put_alert(store, due=NOON + 5)
    outbox = Outbox(store)
    assert outbox.claim(NOON + 4, "desk") is None
    assert outbox.due_channels(NOON + 4) == frozenset()
    assert outbox.next_due() == NOON + 5
    assert outbox.due_channels(NOON + 5) == {"desk"}


def test_a_channel_sends_in_the_order_in_which_alerts_were_raised(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (3, 1, 2)]
    outbox = Outbox(store)
    assert [claimed(outbox).id for _ in range(3)] == [ids[1], ids[2], ids[0]]


def test_what_was_on_the_wire_in_a_crash_is_in_doubt_since_it_left(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    claimed(outbox, now=NOON + 1)
    assert outbox.recover(NOON + 50, "desk") == 1
    again = claimed(outbox, now=NOON + 60)
    assert (again.id, again.in_doubt, again.since, again.attempts) == (id_, True, NOON + 1, 2)
    outbox.absent(again, NOON + 61)
    assert not row_of(store, id_).in_doubt
    assert row_of(store, id_).updated == NOON + 61


def test_what_was_sent_stays_sent_through_a_recovery(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    outbox.sent(claimed(outbox).id, "ts", NOON + 2)
    assert outbox.recover(NOON + 3, "desk") == 0
    assert row_of(store, id_).provider_id == "ts"
    assert states(store) == {id_: "sent"}


def test_the_message_is_composed_from_the_story_as_it_stands_when_it_is_sent(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store, page="http://127.0.0.1:8470")
    delivery = claimed(outbox)
    later = Report(source="site-four.example", url="https://site-four.example/", title="Also", at=NOON + 9)
    with store.write() as connection:
        story = Story(
            id="story-1",
            topic_id=ALERT.topic_id,
            title="A better headline",
            started=NOON,
            latest=NOON,
            reports=(*ALERT.reports, later),
        )
        put_story(store, story, connection)
    message = outbox.compose(delivery)
    assert isinstance(message, Message)
    assert message == replace(
        ALERT,
        delivery_id=delivery.id,
        alert_id=delivery.alert_id,
        story_id="story-1",
        headline="A better headline",
        reports=(*ALERT.reports, later),
        independent=3,
        page=f"http://127.0.0.1:8470/alerts/{delivery.alert_id}",
        articles=4,
        latest=NOON,
    )


def test_a_message_whose_story_is_gone_is_rejected_with_the_reason(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    delivery = claimed(outbox)
    with store.write() as connection:
        connection.execute(delete(stories))
    with pytest.raises(Reject, match="no longer kept"):
        outbox.compose(delivery)


def test_a_notice_is_queued_once_however_often_it_is_told(store: Store) -> None:
    outbox = Outbox(store)
    for _ in range(2):
        outbox.notify(Tell("console", NOTICE), NOON)
    assert outbox.compose(claimed(outbox, "console")) == NOTICE
    assert outbox.claim(NOON + 1, "console") is None


def test_a_refusal_keeps_the_alerts_and_moves_the_notices(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2)]
    outbox = Outbox(store)
    outbox.notify(Tell("desk", NOTICE), NOON)
    refusal = Disabled(reason="is_archived", at=NOON, settings_hash="h")
    tell = Tell("console", replace(NOTICE, delivery_id="other"))
    outbox.refuse(claimed(outbox, now=NOON + 1), refusal, NOON + 1, tell=tell)
    assert outbox.disabled() == {"desk": refusal}
    queues = outbox.queues()
    assert queues["desk"].waiting == len(ids)
    assert queues["desk"].oldest == NOON + 1 / 1000
    assert queues["console"].waiting == 2
    outbox.enable("desk", NOON + 9)
    assert outbox.disabled() == {}


def test_a_refusal_leaves_a_message_in_doubt_for_its_next_attempt(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    claimed(outbox, now=NOON + 1)
    outbox.recover(NOON + 2, "desk")
    refusal = Disabled(reason="wrong token", at=NOON + 3, settings_hash="h")
    outbox.refuse(claimed(outbox, now=NOON + 3), refusal, NOON + 3)
    assert row_of(store, id_).in_doubt
    assert claimed(outbox, now=NOON + 9).in_doubt


def test_what_a_clock_that_was_a_year_ahead_has_put_off_goes_out_when_it_is_right_again(store: Store) -> None:
    put_alert(store, 1, due=NOON + 365 * 86400.0)
    put_alert(store, 2, channels=("other",), due=NOON + 3600.0)
    outbox = Outbox(store)
    assert outbox.due_channels(NOON) == {"desk"}
    claimed(outbox, now=NOON)
    outbox.retry(claimed(outbox, "other", NOON + 3600.0), NOON + 365 * 86400.0, "down", in_doubt=False)
    assert outbox.due_channels(NOON) == {"other"}


# -- several senders


def taken_over(outbox: Outbox) -> tuple[Delivery, Delivery]:
    """Put on the wire by one who was then taken for dead, and again by another."""
    first = claimed(outbox)
    outbox.recover(NOON + 10, "desk")
    return first, claimed(outbox, now=NOON + 10)


def test_a_recovery_takes_over_one_channel_and_leaves_the_others_to_their_senders(store: Store) -> None:
    desk, ops = put_alert(store, channels=("desk", "ops"))
    outbox = Outbox(store)
    claimed(outbox, "desk")
    claimed(outbox, "ops")
    assert outbox.unfinished() == {"desk": True, "ops": True}
    assert outbox.recover(NOON + 2, "desk") == 1
    assert states(store) == {desk: "retry", ops: "sending"}
    assert outbox.unfinished() == {"desk": False, "ops": True}


def test_a_late_receipt_is_recorded_also_when_another_sender_is_sending_it_again(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    first, second = taken_over(outbox)
    outbox.sent(first.id, "ts-1", NOON + 11)
    outbox.retry(second, NOON + 99, "no answer", in_doubt=True)
    outbox.dead(second, "given up", NOON + 12, tell=Tell("console", NOTICE))
    outbox.sent(second.id, "ts-2", NOON + 13)
    row = row_of(store, id_)
    assert (row.state, row.provider_id, row.in_doubt) == ("sent", "ts-1", False)
    assert outbox.due_channels(NOON + 999) == frozenset()


def test_a_late_failure_does_not_touch_what_another_sender_has_put_further(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    first, second = taken_over(outbox)
    before = row_of(store, id_)
    outbox.retry(first, NOON + 99, "cannot connect", in_doubt=False)
    outbox.absent(first, NOON + 99)
    outbox.dead(first, "given up", NOON + 12, tell=Tell("console", NOTICE))
    assert row_of(store, id_) == before
    assert outbox.claim(NOON + 13, "console") is None  # nobody is told of a death that did not happen
    outbox.retry(second, NOON + 20, "busy", in_doubt=True)
    assert (row_of(store, id_).state, row_of(store, id_).due) == ("retry", NOON + 20)


def test_a_late_failure_counts_while_nobody_has_tried_again(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    first = claimed(outbox)
    outbox.recover(NOON + 10, "desk")
    outbox.retry(first, NOON + 30, "cannot connect", in_doubt=False)
    row = row_of(store, id_)
    assert (row.state, row.due, row.in_doubt) == ("retry", NOON + 30, False)


def test_a_refusal_disables_the_channel_however_late_it_comes(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    first, _ = taken_over(outbox)
    outbox.refuse(first, Disabled(reason="gone", at=NOON, settings_hash="h"), NOON + 11)
    assert outbox.disabled().keys() == {"desk"}
    assert states(store) == {id_: "sending"}


def test_when_a_channel_accepted_something_last(store: Store) -> None:
    put_alert(store, 1)
    put_alert(store, 2)
    outbox = Outbox(store)
    assert outbox.last_sent("desk") is None
    for at in (NOON + 5, NOON + 7):
        outbox.sent(claimed(outbox).id, "", at)
    assert outbox.last_sent("desk") == NOON + 7


def test_two_who_claim_at_the_same_time_never_get_the_same_delivery(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in range(30)]

    def claims() -> list[str]:
        mine, nothing = [], 0
        while nothing < 20:  # another one was first, or there is nothing left
            delivery = Outbox(store).claim(NOON + 1, "desk")
            nothing = nothing + 1 if delivery is None else 0
            mine += [delivery.id] if delivery else []
        return mine

    with ThreadPoolExecutor(4) as threads:
        got = [id_ for done in [threads.submit(claims) for _ in range(4)] for id_ in done.result()]
    assert sorted(got) == sorted(ids)
