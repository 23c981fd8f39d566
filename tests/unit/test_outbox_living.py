"""Messages that live, and what a message says of what was told before it."""

from dataclasses import replace
from typing import NoReturn

from sqlalchemy import select, update

from consumers.ledger import Step
from consumers.model import Match, Message
from daemon.store import Store, ledger, living
from daemon.store.mutes import Mutes
from daemon.store.outbox import Edit, Outbox
from daemon.store.tables import alerts, living_messages, story_matches
from daemon.wire import from_json, to_json
from tests.alert_samples import ACTOR, NOON, TOLL
from tests.fake_channels import put_alert
from tests.held_alerts import HOUR, TOPIC, change_story, history, muted, put_more, put_topic, rows, wait_for


def send(outbox: Outbox, now: float = NOON + 1, channel: str = "desk", *, stale: bool = False) -> Message:
    delivery = outbox.claim(now, channel)
    assert delivery is not None
    message = outbox.compose(delivery)
    assert isinstance(message, Message)
    outbox.sent(delivery.id, f"ts-{delivery.id[:6]}", now, living=message, stale=stale)
    return message


def report_more(store: Store, now: float, *stories: str) -> None:
    with store.write() as connection:
        living.raise_wanted(connection, stories or ["story-1"], now)


def wanted(store: Store) -> dict[str, tuple[int, int, float]]:
    with store.read() as connection:
        rows = connection.execute(select(living_messages))
        return {row.story_id: (row.wanted, row.shown, row.due) for row in rows}


def due(outbox: Outbox, now: float) -> Edit:
    edit = outbox.next_edit(now, "desk")
    assert edit is not None
    return edit


def test_a_message_is_edited_when_its_story_has_changed_and_not_before(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    sent = send(outbox)
    assert outbox.next_edit(NOON + HOUR, "desk") is None
    change_story(store, title="A better headline", facts=(TOLL,), articles=7)
    report_more(store, NOON + 10)
    assert outbox.next_edit(NOON + 14, "desk") is None
    assert outbox.due_channels(NOON + 15) == {"desk"}
    edit = due(outbox, NOON + 15)
    shown = outbox.shown(edit, NOON + 15)
    assert (edit.provider_id, edit.delivery_id) == (f"ts-{sent.delivery_id[:6]}", sent.delivery_id)
    assert (shown.headline, shown.timeline, shown.articles) == ("A better headline", (TOLL,), 7)
    assert (shown.thread, shown.follows, shown.delivery_id) == ("", (), sent.delivery_id)
    outbox.edited(edit, NOON + 15)
    assert outbox.next_edit(NOON + HOUR, "desk") is None
    assert outbox.due_channels(NOON + HOUR) == frozenset()


def test_what_changes_during_an_edit_is_in_the_next_one_half_a_minute_later(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    send(outbox)
    report_more(store, NOON + 10)
    edit = due(outbox, NOON + 15)
    report_more(store, NOON + 16)
    outbox.edited(edit, NOON + 17)
    assert outbox.next_edit(NOON + 46, "desk") is None
    assert due(outbox, NOON + 47).wanted == 2


def test_a_story_that_never_rests_is_edited_all_the_same(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    send(outbox)
    for seconds in range(10, 15):
        report_more(store, NOON + seconds)
    assert due(outbox, NOON + 15)


def test_a_story_that_changed_while_its_message_was_on_the_wire_is_edited(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    delivery = outbox.claim(NOON + 1, "desk")
    assert delivery
    message = outbox.compose(delivery)
    assert isinstance(message, Message)
    change_story(store, articles=9)
    report_more(store, NOON + 1)
    outbox.sent(delivery.id, "ts", NOON + 2, living=message)
    assert outbox.shown(due(outbox, NOON + 7), NOON + 7).articles == 9


def test_a_message_that_was_found_after_a_crash_is_edited_as_nobody_knows_what_it_shows(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    send(outbox, stale=True)
    assert due(outbox, NOON + 6)


def test_only_what_begins_a_thread_lives(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    send(outbox)
    put_more(store)
    reply = send(outbox, NOON + 5)
    assert reply.thread
    with store.read() as connection:
        assert len(connection.execute(select(living_messages)).all()) == 1


def test_an_edit_that_is_put_off_comes_again_and_one_that_is_gone_does_not(store: Store) -> None:
    put_alert(store)
    outbox = Outbox(store)
    send(outbox)
    report_more(store, NOON + 10)
    outbox.put_off(due(outbox, NOON + 15), NOON + 100)
    assert outbox.next_edit(NOON + 99, "desk") is None
    outbox.gone(due(outbox, NOON + 100))
    report_more(store, NOON + 101)
    assert outbox.next_edit(NOON + HOUR, "desk") is None


def test_a_message_says_who_has_muted_its_story_and_no_longer_when_that_has_ended(store: Store) -> None:
    put_alert(store)
    outbox, mutes = Outbox(store), Mutes(store)
    send(outbox)
    mutes.add(muted("topic", TOPIC.id))
    edit = due(outbox, NOON + 6)
    assert outbox.shown(edit, NOON + 6).status == ("muted by Ana until 15:02 UTC",)
    outbox.edited(edit, NOON + 6)
    outbox.end_mutes(NOON + HOUR)
    edit = due(outbox, NOON + HOUR + 5)
    assert outbox.shown(edit, NOON + HOUR + 5).status == ()


# -- what was told before


def test_an_update_answers_the_first_message_of_its_story_on_its_channel(store: Store) -> None:
    put_alert(store, 1, ("desk", "ops"))
    outbox = Outbox(store)
    first, elsewhere = send(outbox), send(outbox, channel="ops")
    put_more(store, 1, 1, facts=[ACTOR])
    second = send(outbox, NOON + 5)
    put_more(store, 1, 2, facts=[TOLL])
    third = send(outbox, NOON + 9)
    names = [f"ts-{message.delivery_id[:6]}" for message in (first, second, elsewhere)]
    assert (first.thread, second.thread, third.thread) == ("", names[0], names[0])
    assert third.follows == (names[0], names[1])
    assert (third.kind, third.why, third.facts) == ("update", "new facts", (TOLL,))


def test_the_headline_the_link_and_the_passage_are_of_one_article(store: Store) -> None:
    put_alert(store)
    mine = story_matches.c.match_id == "match-1"
    with store.write() as connection:
        match = from_json(Match, connection.execute(select(story_matches.c.match).where(mine)).scalar_one())
        article = replace(match.article, title="Toll rises to 19", url="https://site-two.example/toll")
        text = to_json(replace(match, article=article)).decode()
        connection.execute(update(story_matches).where(mine).values(match=text))
    message = send(Outbox(store))
    assert (message.headline, message.url, message.passage) == (article.title, article.url, match.passage)


def test_nothing_answers_a_digest(store: Store) -> None:
    wait_for(store, put_alert(store), "digest 07:00 Europe/Paris", NOON)
    outbox = Outbox(store)
    outbox.release(NOON, "desk")
    digest = outbox.claim(NOON, "desk")
    assert digest
    outbox.sent(digest.id, "ts-digest", NOON)
    put_more(store)
    message = send(outbox, NOON + 5)
    assert (message.thread, message.follows) == ("", ())
    assert wanted(store).keys() == {"story-1"}  # it begins a thread of its own


def merge(store: Store, now: float) -> None:
    """The second story turns out to be the first one, as the alerter records it."""
    survivor = change_story(store, 1, title="One story")
    change_story(store, 2, merged_into=survivor.id)
    with store.write() as connection:
        told = connection.execute(select(alerts.c.id).where(alerts.c.story_id == "story-2")).scalars().all()
        connection.execute(update(alerts).where(alerts.c.id.in_(told)).values(story_id="story-1"))
        rows = select(living_messages.c.delivery_id).where(living_messages.c.alert_id.in_(told))
        for id_ in connection.execute(rows).scalars().all():
            step = Step(
                delivery_id=id_,
                alert_id=told[0],
                topic_id=TOPIC.id,
                story_id="story-1",
                channel="desk",
                at=now,
                event="merged",
                why="merged with: another one",
            )
            ledger.write(connection, [step])
        living.move(connection, "story-2", "story-1", now)


def test_after_a_merge_both_messages_show_one_story_and_what_follows_answers_the_survivor(store: Store) -> None:
    put_alert(store, 1)
    put_alert(store, 2)
    outbox = Outbox(store)
    second = outbox.claim(NOON, "desk")
    assert second
    outbox.retry(second, NOON + 2, "down", in_doubt=False)  # so that the absorbed story was told first
    absorbed, survivor = send(outbox), send(outbox, NOON + 2)
    assert absorbed.story_id == "story-2"
    merge(store, NOON + 5)
    edits = {}
    for _ in range(2):
        edit = due(outbox, NOON + 15)
        edits[edit.delivery_id] = outbox.shown(edit, NOON + 15)
        outbox.edited(edit, NOON + 15)
    assert {edit.headline for edit in edits.values()} == {"One story"}
    assert edits[absorbed.delivery_id].merged_into == "One story"
    assert edits[survivor.delivery_id].merged_into == ""
    put_more(store, 1)
    message = send(outbox, NOON + 20)
    assert message.thread == f"ts-{survivor.delivery_id[:6]}"
    assert len(message.follows) == 2


def test_a_first_alert_that_still_waits_when_its_story_is_merged_into_one_that_was_told_is_no_second_ping(
    store: Store,
) -> None:
    put_alert(store, 1)
    outbox = Outbox(store)
    told = send(outbox)
    (waiting,) = put_alert(store, 2)
    merge(store, NOON + 1)
    assert outbox.claim(NOON + 2, "desk") is None
    row = rows(store)[waiting]
    assert (row.state, row.carrier, row.provider_id) == ("sent", told.delivery_id, f"ts-{told.delivery_id[:6]}")
    assert history(store, waiting)[-1] == ("carried", "its story turned out to be one that was told")


def test_a_mute_goes_with_its_story_when_that_turns_out_to_be_another_one(store: Store) -> None:
    put_alert(store, 1)
    put_alert(store, 2)
    Mutes(store).add(muted(target="story-2"))
    merge(store, NOON + 1)
    outbox = Outbox(store)
    assert outbox.claim(NOON + 1, "desk") is None


def test_an_alert_that_is_looked_at_later_shows_what_was_told_with_it(store: Store) -> None:
    put_topic(store, TOPIC)
    (id_,) = put_alert(store)
    outbox = Outbox(store)
    alert = outbox.compose(outbox.claim(NOON + 1, "desk") or _never())
    assert isinstance(alert, Message)
    shown = outbox.message(alert.alert_id)
    assert (shown.delivery_id, shown.thread, shown.headline) == ("", "", alert.headline)
    assert alert.delivery_id == id_


def _never() -> NoReturn:
    raise AssertionError("there is a delivery")
