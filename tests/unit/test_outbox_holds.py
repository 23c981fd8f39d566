"""What waits in the outbox, what comes together, and that each alert is told once and in its order."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from consumers.errors import Reject
from consumers.model import Digest, Message, Scheduled
from daemon.store import Store
from daemon.store.holds import FOR_GOOD
from daemon.store.mutes import Mutes
from daemon.store.outbox import Delivery, Outbox
from daemon.store.tables import alerts, stories
from daemon.store.upsert import insert_new
from tests.alert_samples import ACTOR, ALERT, NOON, NOTICE, PLACE, TOLL
from tests.fake_channels import put_alert, row_of, states
from tests.held_alerts import (
    HOUR,
    TOPIC,
    Night,
    also_at_set_times,
    change_story,
    history,
    muted,
    put_more,
    put_near_miss,
    put_topic,
    rows,
    wait_for,
)

MORNING = "digest 07:00 Europe/Paris"


def claimed(outbox: Outbox, channel: str = "desk", now: float = NOON + 1) -> Delivery:
    outbox.release(now, channel)
    delivery = outbox.claim(now, channel)
    assert delivery is not None
    return delivery


def told(outbox: Outbox, now: float, channel: str = "desk", quiet: Night | None = None) -> list[Message | Digest]:
    """Everything that goes out on the channel now, in its order."""
    found: list[Message | Digest] = []
    outbox.end_mutes(now)
    outbox.release(now, channel)
    while delivery := outbox.claim(now, channel, quiet):
        message = outbox.compose(delivery)
        assert isinstance(message, Message | Digest)
        found.append(message)
        outbox.sent(delivery.id, f"ts-{len(found)}-{now:.0f}", now)
    return found


def digest_of(found: Sequence[Message | Digest]) -> Digest:
    (only,) = found
    assert isinstance(only, Digest)
    return only


def facts_in(digest: Digest) -> list[tuple[str, list[str]]]:
    return [(story.story_id, [fact.text for fact in story.facts]) for topic in digest.topics for story in topic.stories]


# -- quiet hours


def test_quiet_hours_hold_and_say_so_in_the_ledger(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox, night = Outbox(store), Night(end=NOON + HOUR)
    assert outbox.claim(NOON + 1, "desk", night) is None
    row = row_of(store, id_)
    assert (row.state, row.held, row.due, row.attempts) == ("held", "quiet hours", night.end, 0)
    assert history(store, id_) == [("held", "quiet hours 22:00-07:00 Europe/Paris")]
    assert outbox.due_channels(NOON + 2) == frozenset()
    assert outbox.due_channels(night.end) == {"desk"}
    assert outbox.queues()["desk"].held == 1


def test_a_single_alert_of_the_night_is_told_as_itself(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox, night = Outbox(store), Night(end=NOON + HOUR)
    assert told(outbox, NOON + 1, quiet=night) == []
    (message,) = told(outbox, night.end, quiet=night)
    assert isinstance(message, Message)
    assert message.delivery_id == id_
    assert message.status == ("waited for the end of the quiet hours",)
    assert [event for event, _ in history(store, id_)] == ["held", "released", "sent"]


def test_several_alerts_of_the_night_come_as_one_message_when_it_ends(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2, 3)]
    outbox, night = Outbox(store), Night(end=NOON + HOUR)
    assert told(outbox, NOON + 1, quiet=night) == []
    digest = digest_of(told(outbox, night.end, quiet=night))
    assert (digest.reason, digest.title) == ("quiet hours", "While it was quiet: 3 alerts")
    assert [story for story, _ in facts_in(digest)] == ["story-1", "story-2", "story-3"]
    assert {rows(store)[id_].state for id_ in ids} == {"sent"}
    assert {rows(store)[id_].provider_id for id_ in ids} == {row_of(store, digest.delivery_id).provider_id}
    assert history(store, ids[0])[-1] == ("carried", "in the message “While it was quiet: 3 alerts”")
    assert told(outbox, night.end + 1) == []


def test_urgent_alerts_escalations_and_notices_go_through_the_night(store: Store) -> None:
    put_alert(store, 1)
    (urgent,) = put_more(store, 1, severity="urgent", kind="escalation")
    outbox = Outbox(store)
    assert [message.delivery_id for message in told(outbox, NOON + 1, quiet=Night(end=NOON + HOUR))] == [urgent]


def test_what_is_in_doubt_is_settled_whatever_holds_it_now(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    claimed(outbox)
    outbox.recover(NOON + 2, "desk")
    Mutes(store).add(muted())
    again = outbox.claim(NOON + 3, "desk", Night(end=NOON + HOUR))
    assert again
    assert (again.id, again.in_doubt) == (id_, True)


def test_a_digest_that_falls_into_the_night_waits_for_its_end(store: Store) -> None:
    ids = put_alert(store)
    wait_for(store, ids, MORNING, NOON + 10)
    outbox, night = Outbox(store), Night(end=NOON + HOUR)
    assert told(outbox, NOON + 10, quiet=night) == []
    assert digest_of(told(outbox, night.end, quiet=night)).reason == "times"


def test_a_digest_with_something_urgent_in_it_does_not_wait(store: Store) -> None:
    ids = put_alert(store)
    with store.write() as connection:
        connection.execute(update(alerts).values(severity="urgent"))
    wait_for(store, ids, MORNING, NOON + 10)
    assert digest_of(told(Outbox(store), NOON + 10, quiet=Night(end=NOON + HOUR))).reason == "times"


# -- digests at set times


def test_a_digest_tells_each_story_once_with_its_newest_facts_first(store: Store) -> None:
    ids = [*put_alert(store, 1), *put_more(store, 1, 1, facts=[ACTOR]), *put_more(store, 1, 2, facts=[TOLL, PLACE])]
    ids += [*put_alert(store, 2), *put_alert(store, 3), *put_more(store, 3, facts=[replace(TOLL, at=NOON + 9e4)])]
    wait_for(store, ids, MORNING, NOON + 10)
    digest = digest_of(told(Outbox(store, page="http://h"), NOON + 10))
    assert facts_in(digest) == [
        ("story-3", [TOLL.text]),
        ("story-1", [TOLL.text, PLACE.text, ACTOR.text]),
        ("story-2", []),
    ]
    assert [story.kind for story in digest.topics[0].stories] == ["first", "first", "first"]
    assert (digest.title, digest.reason, digest.page) == ("Digest of 07:00 Europe/Paris", "times", "http://h")
    assert {rows(store)[id_].state for id_ in ids} == {"sent"}


def test_each_time_and_channel_has_a_digest_of_its_own(store: Store) -> None:
    wait_for(store, put_alert(store, 1, ("desk", "ops")), MORNING, NOON + 10)
    wait_for(store, put_alert(store, 2), MORNING, NOON + 20)
    wait_for(store, put_alert(store, 3), "digest 18:00 Europe/Paris", NOON + 10)
    outbox = Outbox(store)
    found = [facts_in(digest) for digest in told(outbox, NOON + 10) if isinstance(digest, Digest)]
    assert sorted(found) == [[("story-1", [])], [("story-3", [])]]
    assert len(told(outbox, NOON + 10, "ops")) == 1
    assert facts_in(digest_of(told(outbox, NOON + 20)))[0][0] == "story-2"


def test_an_instant_alert_does_not_wait_for_the_digest_of_the_same_channel(store: Store) -> None:
    (first,), (more,) = put_alert(store), put_more(store)
    for id_ in (first, more):
        also_at_set_times(store, id_, MORNING, NOON + HOUR)
    outbox = Outbox(store)
    assert [message.delivery_id for message in told(outbox, NOON + 1)] == [first, more]
    assert facts_in(digest_of(told(outbox, NOON + HOUR))) == [("story-1", [TOLL.text])]


def test_what_is_muted_on_one_route_is_told_in_its_order_on_both(store: Store) -> None:
    (first,) = put_alert(store)
    also_at_set_times(store, first, MORNING, NOON + 10)
    outbox = Outbox(store)
    Mutes(store).add(muted(until_new_facts=True))
    assert told(outbox, NOON + 10) == []
    (more,) = put_more(store)
    also_at_set_times(store, more, MORNING, NOON + 20)
    ended, update_ = told(outbox, NOON + 20)
    assert isinstance(ended, Digest)
    assert facts_in(ended) == [("story-1", [TOLL.text])]
    assert update_.delivery_id == more
    assert set(states(store).values()) == {"sent"}


def test_what_comes_after_a_digest_was_sent_is_in_one_of_its_own(store: Store) -> None:
    outbox = Outbox(store)
    first, late = put_alert(store, 1), put_alert(store, 2)
    wait_for(store, first, MORNING, NOON + 10)
    wait_for(store, late, MORNING, NOON + 3600)
    one = digest_of(told(outbox, NOON + 10))
    wait_for(store, late, MORNING, NOON + 10)
    other = digest_of(told(outbox, NOON + 11))
    assert facts_in(other) == [("story-2", [])]
    assert one.delivery_id != other.delivery_id


def test_a_digest_in_doubt_gets_nothing_added(store: Store) -> None:
    outbox = Outbox(store)
    wait_for(store, put_alert(store, 1), MORNING, NOON + 10)
    first = claimed(outbox, now=NOON + 10)
    outbox.recover(NOON + 11, "desk")
    wait_for(store, put_alert(store, 2), MORNING, NOON + 10)
    again = claimed(outbox, now=NOON + 12)
    assert (again.id, again.in_doubt) == (first.id, True)
    digest = outbox.compose(again)
    assert isinstance(digest, Digest)
    assert facts_in(digest) == [("story-1", [])]
    outbox.sent(again.id, "ts", NOON + 13)
    assert facts_in(digest_of(told(outbox, NOON + 14))) == [("story-2", [])]


def test_a_digest_that_the_channel_will_never_take_is_told_one_by_one(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2)]
    wait_for(store, ids, MORNING, NOON + 10)
    outbox = Outbox(store)
    digest = claimed(outbox, now=NOON + 10)
    outbox.dead(digest, "msg_too_long", NOON + 11, apart=True)
    assert [message.delivery_id for message in told(outbox, NOON + 12)] == ids
    assert row_of(store, digest.id).state == "dead"


def test_a_digest_that_is_given_up_takes_what_it_carries_along_and_tells_the_operator(store: Store) -> None:
    (id_,) = put_alert(store)
    wait_for(store, [id_], MORNING, NOON + 10)
    outbox = Outbox(store)
    outbox.dead(claimed(outbox, now=NOON + 10), "given up", NOON + 11)
    assert row_of(store, id_).state == "dead"
    assert history(store, id_)[-1] == ("dead", "given up")


def test_a_digest_of_which_nothing_is_kept_is_rejected_and_one_with_something_left_tells_that(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2)]
    wait_for(store, ids, MORNING, NOON + 10)
    outbox = Outbox(store)
    delivery = claimed(outbox, now=NOON + 10)
    with store.write() as connection:
        connection.execute(delete(stories).where(stories.c.id == "story-1"))
    digest = outbox.compose(delivery)
    assert isinstance(digest, Digest)
    assert facts_in(digest) == [("story-2", [])]
    with store.write() as connection:
        connection.execute(delete(stories))
    with pytest.raises(Reject):
        outbox.compose(delivery)


def test_near_misses_since_the_digest_before_are_told_where_its_topic_asks_for_them(store: Store) -> None:
    day = 24 * HOUR
    put_near_miss(store, "old", NOON - 1)
    put_near_miss(store, "new", NOON + 5)
    put_near_miss(store, "far", NOON + 5, score=0.1)
    outbox = Outbox(store)
    asking = replace(TOPIC, digests=(Scheduled(channel="desk", when="07:00 Europe/Paris", near_misses=True),))
    for number, due in ((1, NOON), (2, NOON + day)):
        wait_for(store, put_alert(store, number), MORNING, due)
        put_topic(store, asking)
        (topic,) = digest_of(told(outbox, due)).topics
        titles = [near.title for near in topic.near_misses]
        assert titles == (["Nearly old"] if number == 1 else ["Nearly new"])
    put_topic(store, replace(asking, digests=(Scheduled(channel="desk", when="07:00 Europe/Paris"),)), version=3)
    wait_for(store, put_alert(store, 3), MORNING, NOON + 2 * day)
    assert digest_of(told(outbox, NOON + 2 * day)).topics[0].near_misses == ()


# -- mutes


def test_a_mute_tells_what_it_held_when_its_time_is_over(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2, 3)]
    outbox = Outbox(store)
    Mutes(store).add(muted("topic", TOPIC.id))
    assert told(outbox, NOON + 1) == []
    digest = digest_of(told(outbox, NOON + HOUR))
    assert digest.reason == "mute"
    assert (digest.title, digest.lead) == ("The mute of Ana on “Russian airstrikes Syria” ended", "It held 3 alerts.")
    assert {rows(store)[id_].state for id_ in ids} == {"sent"}
    assert not Mutes(store).in_force(NOON + HOUR)


def test_a_mute_that_ended_says_what_it_was_for(store: Store) -> None:
    put_alert(store)
    Mutes(store).add(replace(muted("topic", TOPIC.id), comment="covered already"))
    outbox = Outbox(store)
    assert told(outbox, NOON + 1) == []
    digest = digest_of(told(outbox, NOON + HOUR))
    assert (digest.title, digest.lead) == (
        "The mute of Ana on “Russian airstrikes Syria” (covered already) ended",
        "It held 1 alert.",
    )


def test_a_mute_that_held_nothing_ends_in_silence(store: Store) -> None:
    Mutes(store).add(muted())
    assert told(Outbox(store), NOON + HOUR) == []


def test_a_mute_that_is_taken_back_tells_at_once_what_it_held(store: Store) -> None:
    put_alert(store)
    outbox, mute = Outbox(store), muted()
    Mutes(store).add(mute)
    assert told(outbox, NOON + 1) == []
    assert Mutes(store).end(mute.id, NOON + 5, "ended by Bob")
    assert outbox.due_channels(NOON + 5) == {"desk"}
    digest = digest_of(told(outbox, NOON + 5))
    assert (digest.title, digest.lead) == (
        f"The mute of Ana on “{ALERT.headline} (1)” ended (ended by Bob)",
        "It held 1 alert.",
    )


def test_new_facts_end_a_mute_early_and_what_it_held_is_told_before_them(store: Store) -> None:
    put_alert(store)
    outbox, mute = Outbox(store), muted(until_new_facts=True)
    Mutes(store).add(mute)
    assert told(outbox, NOON + 1) == []
    put_more(store, 1, 1, facts=[])
    assert told(outbox, NOON + 2) == []
    (news,) = put_more(store, 1, 2, facts=[TOLL])
    digest, message = told(outbox, NOON + 3)
    assert isinstance(digest, Digest)
    assert digest.title.endswith("ended (new: toll 12 → 19)")
    assert digest.lead == "It held 2 alerts."
    assert message.delivery_id == news
    assert not Mutes(store).in_force(NOON + 3)


def test_what_another_mute_holds_as_well_goes_on_waiting(store: Store) -> None:
    (id_,) = put_alert(store)
    outbox, mutes = Outbox(store), Mutes(store)
    story, topic = muted(until=NOON + 2 * HOUR), muted("topic", TOPIC.id)
    mutes.add(story)
    mutes.add(topic)
    assert told(outbox, NOON + 1) == []
    assert mutes.end(story.id, NOON + 2, "ended by Ana")
    assert told(outbox, NOON + 3) == []
    assert row_of(store, id_).held == f"mute {topic.id}"
    assert digest_of(told(outbox, NOON + HOUR)).reason == "mute"
    assert told(outbox, NOON + 3 * HOUR) == []


def test_what_is_muted_is_not_told_in_a_digest_either(store: Store) -> None:
    wait_for(store, put_alert(store), MORNING, NOON + 10)
    outbox = Outbox(store)
    Mutes(store).add(muted())
    assert told(outbox, NOON + 10) == []
    assert digest_of(told(outbox, NOON + HOUR)).reason == "mute"


def test_a_muted_source_holds_a_story_until_another_one_reports_it(store: Store) -> None:
    from daemon.store.living import raise_wanted

    (id_,) = put_alert(store)
    change_story(store, reports=ALERT.reports[:1])
    outbox = Outbox(store)
    Mutes(store).add(muted("source", "*.example.org"))
    assert told(outbox, NOON + 1) == []
    with store.write() as connection:
        raise_wanted(connection, ["story-1"], NOON + 2)
    assert told(outbox, NOON + 2) == []
    assert row_of(store, id_).due == NOON + HOUR
    change_story(store, reports=ALERT.reports[:2])
    with store.write() as connection:
        raise_wanted(connection, ["story-1"], NOON + 3)
    (message,) = told(outbox, NOON + 3)
    assert message.delivery_id == id_
    assert [event for event, _ in history(store, id_)] == ["held", "released", "sent"]


def test_a_muted_source_tells_what_it_held_when_the_mute_ends(store: Store) -> None:
    put_alert(store)
    change_story(store, reports=ALERT.reports[:1])
    outbox = Outbox(store)
    Mutes(store).add(muted("source", "example.org"))
    assert told(outbox, NOON + 1) == []
    assert digest_of(told(outbox, NOON + HOUR)).title == "The mute of Ana on example.org ended"


# -- the order within a story


def test_an_update_waits_until_the_first_alert_has_arrived(store: Store) -> None:
    (first,), (more,) = put_alert(store), put_more(store)
    outbox = Outbox(store)
    delivery = claimed(outbox)
    assert delivery.id == first
    assert outbox.claim(NOON + 1, "desk") is None
    outbox.retry(delivery, NOON + 99, "down", in_doubt=False)
    assert outbox.claim(NOON + 2, "desk") is None
    outbox.sent(claimed(outbox, now=NOON + 99).id, "ts", NOON + 99)
    assert claimed(outbox, now=NOON + 99).id == more


def test_an_update_goes_out_by_itself_where_the_first_alert_was_given_up(store: Store) -> None:
    put_alert(store)
    (more,) = put_more(store)
    outbox = Outbox(store)
    outbox.dead(claimed(outbox), "never", NOON + 1)
    delivery = claimed(outbox)
    assert delivery.id == more
    message = outbox.compose(delivery)
    assert isinstance(message, Message)
    assert message.thread == ""


def test_an_update_waits_with_a_first_alert_that_is_held_and_both_are_told_in_order(store: Store) -> None:
    (first,) = put_alert(store)
    outbox, night = Outbox(store), Night(end=NOON + HOUR)
    assert told(outbox, NOON + 1, quiet=night) == []
    (more,) = put_more(store)
    assert told(outbox, NOON + 2) == []  # the night is over for the channel, and not for what it holds
    row = row_of(store, more)
    assert (row.state, row.held, row.due) == ("held", "quiet hours", night.end)
    digest = digest_of(told(outbox, night.end))
    assert facts_in(digest) == [("story-1", [TOLL.text])]
    assert {rows(store)[id_].state for id_ in (first, more)} == {"sent"}


def test_an_update_waits_for_the_digest_that_carries_the_first_alert(store: Store) -> None:
    put_alert(store, 1)
    put_alert(store, 2)
    outbox, night = Outbox(store), Night(end=NOON + HOUR)
    assert told(outbox, NOON + 1, quiet=night) == []
    (more,) = put_more(store, 1)
    outbox.release(night.end, "desk")
    digest = outbox.claim(night.end, "desk")
    assert digest
    assert digest.carries
    assert outbox.claim(night.end, "desk") is None
    outbox.sent(digest.id, "ts", night.end)
    assert claimed(outbox, now=night.end).id == more


def test_an_escalation_waits_for_no_first_alert_that_is_held(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    assert told(outbox, NOON + 1, quiet=Night(end=NOON + HOUR)) == []
    (loud,) = put_more(store, kind="escalation", severity="urgent")
    assert [message.delivery_id for message in told(outbox, NOON + 2, quiet=Night(end=NOON + HOUR))] == [loud]


def test_updates_that_wait_are_one_message_with_the_facts_of_all_newest_first(store: Store) -> None:
    put_alert(store, 1)
    put_alert(store, 2)
    outbox = Outbox(store)
    assert len(told(outbox, NOON + 1)) == 2
    first, *others = [put_more(store, 1, nth, facts=[fact])[0] for nth, fact in enumerate([ACTOR, TOLL, PLACE], 1)]
    (other_story,) = put_more(store, 2)
    found = told(outbox, NOON + 2)
    assert [message.delivery_id for message in found] == [first, other_story]
    assert isinstance(found[0], Message)
    assert found[0].facts == (TOLL, PLACE, ACTOR)
    assert {rows(store)[id_].state for id_ in others} == {"sent"}
    assert history(store, others[0]) == [("carried", "with another one of its story")]


def test_an_update_in_doubt_gets_nothing_added(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    told(outbox, NOON + 1)
    (first,) = put_more(store, 1, 1, facts=[ACTOR])
    claimed(outbox)
    (second,) = put_more(store, 1, 2, facts=[TOLL])
    outbox.recover(NOON + 2, "desk")
    again = claimed(outbox, now=NOON + 3)
    assert (again.id, again.in_doubt) == (first, True)
    message = outbox.compose(again)
    assert isinstance(message, Message)
    assert message.facts == (ACTOR,)
    outbox.sent(first, "ts", NOON + 4)
    assert claimed(outbox, now=NOON + 4).id == second


def test_two_first_alerts_of_stories_that_became_one_before_they_were_told_are_one(store: Store) -> None:
    first, second = put_alert(store, 1)[0], put_alert(store, 2)[0]
    with store.write() as connection:
        connection.execute(update(alerts).values(story_id="story-1"))
    found = told(Outbox(store), NOON + 1)
    assert [message.delivery_id for message in found] == [first]
    assert row_of(store, second).state == "sent"


# -- topics that yield


def also_told(store: Store, *, channel: str = "desk", state: str = "sent", held: str = "") -> str:
    """A narrower topic has told of the article of ``put_alert`` 1. Returns its delivery."""
    from consumers.ids import match_id
    from daemon.store.outbox_rows import new_row
    from daemon.store.tables import deliveries, story_matches

    put_topic(store, replace(TOPIC, id="homs", yields_to=(TOPIC.id,)), version=1)
    match = match_id("article-1", "homs", 1)
    row = {"match_id": match, "story_id": "narrow", "topic_id": "homs", "article_id": "article-1", "at": NOON}
    alert = {"id": "narrow", "topic_id": "homs", "story_id": "narrow", "kind": "first", "match_id": match, "at": NOON}
    due = FOR_GOOD if held else NOON
    with store.write() as connection:
        insert_new(story_matches, [{**row, "match": "{}"}], connection=connection)
        insert_new(alerts, [{**alert, "channels": "[]"}], connection=connection)
        told_row = new_row("narrow", channel, NOON, alert_id="narrow", state=state, held=held, due=due)
        insert_new(deliveries, [told_row], connection=connection)
    return "narrow"


def test_a_broad_topic_stays_quiet_where_a_narrower_one_has_told_the_same_story(store: Store) -> None:
    (id_,) = put_alert(store)
    put_topic(store, replace(TOPIC, yields_to=("homs",)))
    also_told(store)
    outbox = Outbox(store)
    assert told(outbox, NOON + 1) == []
    row = row_of(store, id_)
    assert (row.state, row.held, row.due) == ("held", "topic homs", FOR_GOOD)
    assert history(store, id_) == [("held", "told by the topic homs")]
    assert outbox.queues()["desk"].held == 0
    (more,) = put_more(store)
    assert told(outbox, NOON + 2) == []
    assert row_of(store, more).held == "topic homs"


@pytest.mark.parametrize(
    "other",
    [
        {"channel": "elsewhere"},
        {"state": "dead"},
        {"state": "held", "held": "sources"},
        {"state": "held", "held": f"topic {TOPIC.id}"},
    ],
)
def test_a_broad_topic_tells_what_nobody_else_tells_there(store: Store, other: dict[str, str]) -> None:
    (id_,) = put_alert(store)
    put_topic(store, replace(TOPIC, yields_to=("homs",)))
    also_told(store, **other)
    assert [message.delivery_id for message in told(Outbox(store), NOON + 1)] == [id_]


# -- floods


def test_a_flood_becomes_one_message_in_its_order(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in range(1, 13)]
    outbox = Outbox(store)
    outbox.gather(NOON + 1, "desk")
    digest = digest_of(told(outbox, NOON + 1))
    assert (digest.reason, digest.title) == ("flood", "12 alerts at once")
    assert {rows(store)[id_].state for id_ in ids} == {"sent"}
    assert len(facts_in(digest)) == len(ids)


def test_ten_alerts_are_no_flood(store: Store) -> None:
    for number in range(1, 11):
        put_alert(store, number)
    outbox = Outbox(store)
    outbox.gather(NOON + 1, "desk")
    assert len(told(outbox, NOON + 1)) == 10


def test_a_flood_holds_what_is_muted_and_tells_an_escalation_alone(store: Store) -> None:
    for number in range(1, 13):
        put_alert(store, number)
    (loud,) = put_more(store, 1, kind="escalation")
    Mutes(store).add(muted())
    outbox = Outbox(store)
    outbox.gather(NOON + 1, "desk")
    (digest,) = told(outbox, NOON + 1)
    assert isinstance(digest, Digest)
    assert "story-1" not in [story for story, _ in facts_in(digest)]
    assert row_of(store, loud).held.startswith("mute ")


def test_what_a_flood_takes_from_an_update_is_told_by_the_flood(store: Store) -> None:
    put_alert(store, 1)
    outbox = Outbox(store)
    told(outbox, NOON + 1)
    put_more(store, 1, 1, facts=[ACTOR])
    put_more(store, 1, 2, facts=[TOLL])
    outbox.retry(claimed(outbox), NOON + 2, "down", in_doubt=False)
    for number in range(2, 13):
        put_alert(store, number)
    outbox.gather(NOON + 2, "desk")
    digest = digest_of(told(outbox, NOON + 2))
    assert dict(facts_in(digest))["story-1"] == [TOLL.text, ACTOR.text]
    assert set(states(store).values()) == {"sent"}


def test_notices_are_in_no_digest(store: Store) -> None:
    from daemon.store.outbox import Tell

    outbox = Outbox(store)
    outbox.notify(Tell("desk", NOTICE), NOON)
    for number in range(1, 12):
        put_alert(store, number)
    outbox.gather(NOON + 1, "desk")
    assert outbox.compose(claimed(outbox)) == NOTICE
