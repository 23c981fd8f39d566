"""The history of a story's alerts: nothing that was told, held or suppressed is missing from it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from consumers.holding import Mute
from consumers.ids import alert_id
from consumers.model import Escalation, Match, Scheduled, Topic
from daemon.history_words import brief, divided, event, facts, stands, told_with
from daemon.store import Store
from daemon.store.alert_cards import AlertCards
from daemon.store.alert_names import Named, named
from daemon.store.holds import FOR_GOOD
from daemon.store.mutes import Mutes
from daemon.store.not_alerts import digests, waiting_stories
from daemon.store.outbox import Outbox
from daemon.store.story_edits import StoryEdits
from daemon.store.story_history import History, Telling, history
from daemon.store.tables import deliveries, stories
from daemon.store.told import recent
from tests.alert_samples import ALERT, NOON, TOLL
from tests.fake_channels import put_alert
from tests.fake_events import START, Events
from tests.held_alerts import Night
from tests.told_story import ToldStories

HOUR = 3_600.0
HARBOUR = Topic(id="harbour", query="harbour", channels=("console", "desk"))
WEATHER = Topic(id="weather", query="weather", channels=("desk",), min_sources=2)
ESCALATING = Escalation(sources=2, within=HOUR, channels=("pager",))


@pytest.fixture
def desk(store: Store) -> ToldStories:
    return ToldStories(store, HARBOUR, WEATHER)


@pytest.fixture
def events() -> Events:
    return Events()


def fire(events: Events, source: str, toll: int | None = None, at: float = START) -> Match:
    return events.report("fire", source, toll=toll, at=at, reworded=True)


def told_fire(desk: ToldStories, events: Events) -> tuple[str, str]:
    """A story of two reports, sent on the console, and its update, sent nowhere. The ids of the two alerts."""
    (first,) = desk.tell(fire(events, "a.example", 12), at=START)
    desk.send("console", START + 1)
    (update,) = desk.tell(fire(events, "b.example", 19, START + 60), at=START + 60)
    return first, update


def look(desk: ToldStories, match: Match, now: float = START + HOUR) -> History:
    found = history(desk.store, desk.story(match).id, now)
    assert found
    return found


def on(found: History, channel: str, kind: str = "first") -> Telling:
    (one,) = [each for each in found.tellings if (each.channel, each.kind) == (channel, kind)]
    return one


def words(telling: Telling) -> Sequence[str]:
    return [event(step, telling) for step in telling.steps]


def mute(target: str, *, comment: str = "covered already", until: float = START + 2 * HOUR) -> Mute:
    return Mute(id="m" * 32, kind="story", target=target, since=START, until=until, by="Ana", comment=comment)


# -- the ledger


def test_each_channel_says_which_facts_it_was_told_when_why_and_what_came_back(
    desk: ToldStories, events: Events
) -> None:
    told_fire(desk, events)
    desk.send("console", START + 61)
    found = look(desk, fire(events, "a.example", 12))
    first, update = on(found, "console"), on(found, "console", "update")
    assert words(first) == ["decided: first report", "sent as console-1"]
    assert words(update) == ["decided: new facts", "sent as console-2"]
    assert facts(update) == ["New: toll 12 → 19 (b.example)"]
    assert [step.at for step in update.steps] == [START + 60, START + 61]
    assert stands(update, repr) == f"sent {START + 61!r}, 1 attempt as console-2"
    assert stands(on(found, "desk"), repr) == f"waiting since {START!r}"
    assert told_with(found.story.facts[0], found.tellings) == ("console",)


def test_tellings_are_by_channel_and_within_it_in_the_order_of_time(desk: ToldStories, events: Events) -> None:
    told_fire(desk, events)
    found = look(desk, fire(events, "a.example", 12))
    assert [(each.channel, each.kind) for each in found.tellings] == [
        (channel, kind) for channel in ("console", "desk") for kind in ("first", "update")
    ]


def test_what_a_mute_holds_says_until_when_by_whom_and_with_what_comment(desk: ToldStories, events: Events) -> None:
    told_fire(desk, events)
    story = desk.story(fire(events, "a.example", 12))
    Mutes(desk.store).add(mute(story.id))
    desk.send("console", START + 61)
    found = look(desk, fire(events, "a.example", 12))
    held = on(found, "console", "update")
    assert (held.state, held.due) == ("held", START + 2 * HOUR)
    assert stands(held, repr) == "held: muted by Ana until 16:13 UTC: covered already"
    assert [each.by for each in found.mutes] == ["Ana"]
    assert look(desk, fire(events, "a.example", 12), START + 3 * HOUR).mutes == ()


def test_a_mute_is_told_by_the_day_on_which_one_asks(desk: ToldStories, events: Events) -> None:
    told_fire(desk, events)
    Mutes(desk.store).add(mute(desk.story(fire(events, "a.example", 12)).id, until=START + 20 * HOUR))
    desk.send("console", START + 61)
    held = on(look(desk, fire(events, "a.example", 12), START + 15 * HOUR), "console", "update")
    assert stands(held, repr) == "held: muted by Ana until 10:13 UTC: covered already"
    assert words(held)[-1] == "held: muted by Ana until 22 Sep 10:13 UTC: covered already"


def test_a_mute_that_ended_is_in_the_history_of_what_it_held(desk: ToldStories, events: Events) -> None:
    told_fire(desk, events)
    Mutes(desk.store).add(mute(desk.story(fire(events, "a.example", 12)).id))
    desk.send("console", START + 61)
    desk.send("console", START + 2 * HOUR)
    said = words(on(look(desk, fire(events, "a.example", 12)), "console", "update"))
    assert said[0] == "decided: new facts"
    assert said[1] == "held: muted by Ana until 16:13 UTC: covered already"
    assert said[2].startswith("released: The mute of Ana on “harbour fire")
    assert said[3].startswith("told in the message “The mute of Ana on “harbour fire")
    assert said[3].endswith("ended”, as console-2")


def test_quiet_hours_say_which_ones_and_when_they_end(desk: ToldStories, events: Events) -> None:
    desk.tell(fire(events, "a.example"), at=START)
    desk.send("desk", START + 1, Night(end=START + HOUR))
    held = on(look(desk, fire(events, "a.example")), "desk")
    assert stands(held, repr) == f"held until {START + HOUR!r}: quiet hours 22:00-07:00 Europe/Paris"


def test_what_a_digest_carries_says_which_one_and_what_came_back(store: Store, events: Events) -> None:
    scheduled = (Scheduled(channel="boss", when="07:00 Europe/Paris"),)
    desk = ToldStories(store, Topic(id="harbour", query="harbour", channels=(), digests=scheduled))
    desk.tell(fire(events, "a.example"), at=START)
    before = on(look(desk, fire(events, "a.example")), "boss")
    assert stands(before, repr) == f"held until {before.due!r}: the digest of 07:00 Europe/Paris"
    desk.outbox.release(before.due, "boss")
    carried = on(look(desk, fire(events, "a.example")), "boss")
    assert stands(carried, repr) == "held: comes in the message “Digest of 07:00 Europe/Paris”"
    desk.send("boss", before.due)
    told = on(look(desk, fire(events, "a.example")), "boss")
    assert words(told)[-1] == "told in the message “Digest of 07:00 Europe/Paris”, as boss-1"
    assert stands(told, repr) == f"sent {before.due!r}, carried by another message as boss-1"


def test_what_another_topic_tells_is_not_told_here_and_never_lost(desk: ToldStories, events: Events) -> None:
    desk.tell(fire(events, "a.example"), at=START)

    with desk.store.write() as connection:
        values = {"state": "held", "held": "topic ports", "due": FOR_GOOD}
        connection.execute(update(deliveries).where(deliveries.c.channel == "desk").values(**values))
    held = on(look(desk, fire(events, "a.example")), "desk")
    assert held.forever
    assert stands(held, repr) == "not told here: told by the topic ports"


def test_attempts_that_failed_are_in_the_history_with_their_reasons(desk: ToldStories, events: Events) -> None:
    desk.tell(fire(events, "a.example"), at=START)
    delivery = desk.outbox.claim(START + 1, "desk")
    assert delivery
    desk.outbox.retry(delivery, START + 30, "Slack answered 503", in_doubt=False)
    waits = on(look(desk, fire(events, "a.example")), "desk")
    assert stands(waits, repr) == f"waiting since {START!r}, 1 attempt, next {START + 30!r}; Slack answered 503"
    again = desk.outbox.claim(START + 31, "desk")
    assert again
    desk.outbox.dead(again, "Slack says msg_too_long", START + 32)
    dead = on(look(desk, fire(events, "a.example")), "desk")
    assert words(dead)[1:] == [
        "not accepted, to be tried again: Slack answered 503",
        "given up: Slack says msg_too_long",
    ]
    assert stands(dead, repr) == f"given up {START + 32!r}, 2 attempts; Slack says msg_too_long"


def test_an_escalation_is_in_the_history_of_every_channel_that_it_goes_to(store: Store, events: Events) -> None:
    desk = ToldStories(store, Topic(id="harbour", query="harbour", channels=("desk",), escalate=ESCALATING))
    told_fire(desk, events)
    found = look(desk, fire(events, "a.example", 12))
    assert words(on(found, "pager", "escalation")) == ["decided: 2 independent sources within 1 hour"]
    assert on(found, "desk", "escalation").alert_id == on(found, "pager", "escalation").alert_id


def test_a_story_that_waits_for_another_source_has_a_history_before_its_alert(desk: ToldStories) -> None:
    storm = Events("weather").report("storm", "a.example")
    desk.tell(storm, at=START)
    (only,) = look(desk, storm).tellings
    assert (only.state, only.channel) == ("", "desk")
    assert stands(only, repr, story=desk.story(storm)) == "held: waits for a second independent source"
    desk.tell(Events("weather").report("storm", "b.example", reworded=True), at=START + 60)
    told = on(look(desk, storm), "desk")
    assert words(told) == [
        "held: waits for a second independent source",
        "decided: first report, after waiting for a second source",
    ]


def test_a_story_that_is_no_longer_kept_has_no_history(desk: ToldStories, events: Events) -> None:
    desk.tell(fire(events, "a.example"), at=START)
    name = desk.story(fire(events, "a.example")).id
    with desk.store.write() as connection:
        connection.execute(delete(stories))
    assert history(desk.store, name, START) is None


def test_an_alert_from_before_there_was_a_ledger_still_says_how_it_stands(store: Store) -> None:
    put_alert(store, 1, ("desk",))
    found = history(store, "story-1", NOON)
    assert found
    (telling,) = found.tellings
    assert (telling.state, telling.steps) == ("pending", ())


# -- stories that are one, and those that are not


def two_stories(desk: ToldStories, events: Events) -> tuple[str, str]:
    """Both told, then one. The ids of their first alerts."""
    first, _ = told_fire(desk, events)
    (other,) = desk.tell(events.report("flood", "z.example", at=START + 120), at=START + 120)
    desk.send("console", START + 121)
    kept, gone = desk.story(fire(events, "a.example", 12)), desk.story(events.report("flood", "z.example"))
    StoryEdits(desk.store).merge(kept.id, gone.id, by="Ana", now=START + 600)
    return first, other


def test_both_alerts_of_merged_stories_point_to_the_one_story_and_say_since_when(
    desk: ToldStories, events: Events
) -> None:
    first, other = two_stories(desk, events)
    found = look(desk, fire(events, "a.example", 12))
    into = found.merged_into(other)
    assert into
    assert (into.alert_id, into.title, into.since) == (first, found.story.title, START + 600)
    assert found.merged_into(first) is None
    (absorbed,) = found.absorbed(first)
    assert (absorbed.alert_id, absorbed.since) == (other, START + 600)
    assert absorbed.title.startswith("harbour flood")
    assert found.absorbed(other) == ()
    assert {each.alert_id for each in found.tellings} >= {first, other}


def test_the_history_of_an_absorbed_story_is_that_of_the_one_it_became(desk: ToldStories, events: Events) -> None:
    two_stories(desk, events)
    gone = desk.tell(events.report("quake", "q.example"), at=START + 700)
    quake = desk.story(events.report("quake", "q.example"))
    whole = desk.story(fire(events, "a.example", 12))
    StoryEdits(desk.store).merge(quake.id, whole.id, by="Ben", now=START + 800)
    found = history(desk.store, whole.id, START + 900)
    assert found
    assert found.story.id == quake.id
    assert found.union.root == gone[0]
    assert len(found.union.absorbed) == 2, "also what the absorbed one had absorbed before"


def test_a_story_that_takes_in_one_that_nobody_was_told_of_stays_what_it_was(desk: ToldStories, events: Events) -> None:
    first, _ = told_fire(desk, events)
    untold = events.report("flood", "z.example", backfill=True)
    desk.tell(untold, at=START + 120)
    kept = desk.story(fire(events, "a.example", 12))
    StoryEdits(desk.store).merge(kept.id, desk.story(untold).id, by="Ana", now=START + 600)
    found = look(desk, fire(events, "a.example", 12))
    assert found.merged_into(first) is None
    assert [other.alert_id for other in found.absorbed(first)] == [""]
    (card,) = [card for card in AlertCards(desk.store).newest(limit=10) if card.id == first]
    assert card.merged_into is None


def test_a_card_of_an_absorbed_story_says_what_it_became(desk: ToldStories, events: Events) -> None:
    first, other = two_stories(desk, events)
    cards = {card.id: card for card in AlertCards(desk.store).newest(limit=10)}
    into = cards[other].merged_into
    assert into
    assert into.alert_id == first
    assert cards[first].merged_into is None


def test_stories_that_were_split_name_one_another(desk: ToldStories, events: Events) -> None:
    told_fire(desk, events)
    story = desk.story(fire(events, "a.example", 12))
    parted = StoryEdits(desk.store).split(
        story.id, [fire(events, "b.example", 19).article.id], by="Ana", now=START + 600
    )
    kept, off = (history(desk.store, name, START + 700) for name in (story.id, parted.split_off.id))
    assert kept
    assert off
    assert [other.story_id for other in kept.apart] == [off.story.id]
    assert [other.story_id for other in off.apart] == [kept.story.id]
    assert "split by Ana: 1 report moved" in words(on(kept, "console"))
    assert {step for each in off.tellings for step in words(each)} == {"split off by Ana: 1 report moved"}


# -- finding one


def test_an_alert_is_found_by_the_beginning_of_its_id_its_deliveries_and_its_story(
    desk: ToldStories, events: Events
) -> None:
    (first,) = desk.tell(fire(events, "a.example"), at=START)
    found = look(desk, fire(events, "a.example"))
    by_alert = Named(alert_id=first, story_id=found.story.id)
    assert named(desk.store, first[:12]) == [by_alert]
    assert named(desk.store, on(found, "desk").delivery_id[:12]) == [by_alert]
    assert named(desk.store, found.story.id[:12]) == [Named(story_id=found.story.id)]
    assert named(desk.store, "zz") == []
    assert named(desk.store, "%") == []


def test_what_waits_for_another_source_is_found_by_the_ids_that_the_list_shows(desk: ToldStories) -> None:
    storm = Events("weather").report("storm", "a.example")
    desk.tell(storm, at=START)
    story = desk.story(storm).id
    (waiting,) = waiting_stories(desk.store, limit=9)
    assert waiting.alert_id == alert_id("weather", story, "first", 1)
    assert (waiting.channels, waiting.why) == (("desk",), "waits for a second independent source")
    assert named(desk.store, waiting.alert_id) == [Named(story_id=story)]
    assert waiting_stories(desk.store, limit=9, topic_id="harbour") == []
    assert waiting_stories(desk.store, limit=9, since=START + 1) == []


def test_a_digest_is_found_with_the_alerts_that_it_tells(store: Store) -> None:
    for number in (1, 2):
        put_alert(store, number)
    outbox, night = Outbox(store), Night(end=NOON + HOUR)
    assert outbox.claim(NOON + 1, "desk", night) is None
    outbox.release(night.end, "desk")
    (digest,) = digests(store, limit=9)
    assert (digest.title, digest.channel, digest.state) == ("While it was quiet: 2 alerts", "desk", "pending")
    (found,) = named(store, digest.id)
    assert len(found.carried) == 2
    assert (found.alert_id, found.story_id, found.title) == ("", "", digest.title)
    assert digests(store, limit=9, held=True) == []


def test_only_what_some_channel_is_not_told_yet_on_purpose_counts_as_held(store: Store) -> None:
    for number in (1, 2):
        put_alert(store, number)
    outbox = Outbox(store)
    assert outbox.claim(NOON + 1, "desk")
    assert recent(store, limit=9, held=True) == []
    outbox.claim(NOON + 1, "desk", Night(end=NOON + HOUR))
    (held,) = recent(store, limit=9, held=True)
    assert held.story
    assert held.story.id == "story-2"


# -- in few words


def test_a_list_says_in_few_words_what_a_delivery_waits_for() -> None:
    def said(held: str, state: str = "held", carrier: str = "", due: float = NOON + HOUR) -> str:
        return brief(state, held=held, carrier=carrier, due=due, now=NOON)

    assert said("mute abc") == "muted until 15:02 UTC"
    assert said("source mute abc") == "source muted until 15:02 UTC"
    assert said("quiet hours") == "held until 15:02 UTC (quiet hours)"
    assert said("digest 07:00 Europe/Paris") == "held until 15:02 UTC (digest of 07:00 Europe/Paris)"
    assert said("topic ports", due=FOR_GOOD) == "told by the topic ports"
    assert said("quiet hours", carrier="abc") == "held, to come with others"
    assert said("quiet hours", state="sent") == "sent"


def test_reports_that_added_nothing_are_counted_after_the_first_twelve_and_no_other_is_left_out() -> None:

    reports = [replace(ALERT.reports[0], source=f"{n}.example", url=f"https://{n}.example/") for n in range(30)]

    new = replace(TOLL, source="29.example", url="https://29.example/")
    shown, rest = divided(reports, (new,))
    assert [report.source for report in shown] == [*(f"{n}.example" for n in range(12)), "29.example"]
    assert len(rest) == 17
