"""Near misses in digests: told on mornings without alerts, too, each once, and only where they are asked for."""

from collections.abc import Sequence
from dataclasses import replace

from consumers.model import Digest, Scheduled, Topic
from daemon.near_digests import GRACE, NearDigests
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.outbox import Delivery, Outbox
from daemon.store.topics import TopicVersion, TopicVersions
from tests.alert_samples import ALERT, NOON
from tests.fake_channels import put_alert, states
from tests.held_alerts import HOUR, TOPIC, muted, put_near_miss, wait_for

DAY = 24 * HOUR
MIDNIGHT = NOON - NOON % DAY + DAY  # of 22 November 2025, a Saturday
SATURDAY, SUNDAY, MONDAY, TUESDAY = (MIDNIGHT + day * DAY + 7 * HOUR for day in range(4))
WHEN = "07:00 UTC"
ASKING = replace(TOPIC, digests=(Scheduled(channel="desk", when=WHEN, near_misses=True),))


def watch(store: Store, topic: Topic, *, at: float = NOON, version: int = 2) -> None:
    TopicVersions(store).remember([TopicVersion(topic_id=topic.id, version=version, topic=topic, at=at)])


def sent(store: Store, now: float) -> list[Digest]:
    """Every digest that goes out on the channel now."""
    outbox, found = Outbox(store), []
    outbox.release(now, "desk")
    while delivery := outbox.claim(now, "desk"):
        told = outbox.compose(delivery)
        assert isinstance(told, Digest)
        found.append(told)
        outbox.sent(delivery.id, f"sent at {now:.0f}", now)
    return found


def near(digests: Sequence[Digest]) -> list[list[str]]:
    """The titles of the near misses, of each digest."""
    return [[miss.title for topic in digest.topics for miss in topic.near_misses] for digest in digests]


def look(store: Store, due: float) -> int:
    """As a process does that was started just now."""
    return NearDigests(store).round(due + GRACE)


def test_on_a_morning_without_alerts_whoever_asked_for_near_misses_is_told_them(store: Store) -> None:
    watch(store, ASKING)
    put_near_miss(store, "a", SATURDAY - HOUR)
    put_near_miss(store, "far below the line", SATURDAY - HOUR, score=0.1)
    assert look(store, SATURDAY) == 1
    (digest,) = sent(store, SATURDAY + GRACE)
    assert near([digest]) == [["Nearly a"]]
    assert (digest.reason, digest.title) == ("times", "Digest of 07:00 UTC")
    assert digest.lead == "Nothing matched since the digest before. What follows came near."
    assert [(topic.topic, topic.stories) for topic in digest.topics] == [(ALERT.topic, ())]


def test_a_morning_with_neither_alerts_nor_near_misses_is_quiet(store: Store) -> None:
    watch(store, ASKING)
    assert look(store, SATURDAY) == 0
    assert states(store) == {}


def test_near_misses_are_told_only_where_they_are_asked_for(store: Store) -> None:
    watch(store, replace(TOPIC, digests=(Scheduled(channel="desk", when=WHEN),)))
    put_near_miss(store, "a", SATURDAY - HOUR)
    assert look(store, SATURDAY) == 0
    watch(store, replace(ASKING, enabled=False), version=3)
    assert look(store, SATURDAY) == 0
    watch(store, ASKING, version=4)
    assert look(store, SATURDAY) == 1


def test_a_topic_that_asks_for_them_is_not_told_of_a_time_that_was_over(store: Store) -> None:
    watch(store, ASKING, at=SATURDAY + HOUR)
    put_near_miss(store, "a", SATURDAY - HOUR)
    assert look(store, SATURDAY + 2 * HOUR) == 0
    put_near_miss(store, "b", SATURDAY + 2 * HOUR)
    assert look(store, SUNDAY) == 1
    assert near(sent(store, SUNDAY + GRACE)) == [["Nearly b"]]


def test_what_is_muted_has_no_near_misses(store: Store) -> None:
    watch(store, ASKING)
    put_near_miss(store, "a", SATURDAY - HOUR)
    Mutes(store).add(muted("topic", TOPIC.id, until=SUNDAY))
    assert look(store, SATURDAY) == 0


def test_alerts_of_the_same_time_and_near_misses_come_in_one_digest(store: Store) -> None:
    watch(store, ASKING)
    put_near_miss(store, "a", SATURDAY - HOUR)
    wait_for(store, put_alert(store), f"digest {WHEN}", SATURDAY)
    assert look(store, SATURDAY) == 0
    (digest,) = sent(store, SATURDAY + GRACE)
    assert (near([digest]), digest.lead) == ([["Nearly a"]], "What was reported since the digest before.")
    assert len(digest.topics[0].stories) == 1
    assert look(store, SATURDAY) == 0


def test_alerts_that_come_late_join_a_digest_that_waits(store: Store) -> None:
    watch(store, ASKING)
    put_near_miss(store, "a", SATURDAY - HOUR)
    assert look(store, SATURDAY) == 1
    wait_for(store, put_alert(store), f"digest {WHEN}", SATURDAY)
    (digest,) = sent(store, SATURDAY + GRACE)
    assert (near([digest]), digest.lead) == ([["Nearly a"]], "What was reported since the digest before.")
    assert len(digest.topics[0].stories) == 1


def test_a_near_miss_is_told_once_whatever_else_a_digest_tells(store: Store) -> None:
    watch(store, ASKING)
    told = []
    for morning, alert in ((SATURDAY, True), (SUNDAY, False), (MONDAY, True), (TUESDAY, False)):
        put_near_miss(store, f"at {morning:.0f}", morning - HOUR)
        if alert:
            wait_for(store, put_alert(store, int(morning)), f"digest {WHEN}", morning)
        assert look(store, morning) == (not alert)
        told += near(sent(store, morning + GRACE))
    assert told == [[f"Nearly at {morning:.0f}"] for morning in (SATURDAY, SUNDAY, MONDAY, TUESDAY)]


def test_processes_that_look_at_once_or_again_make_one_digest(store: Store) -> None:
    watch(store, ASKING)
    put_near_miss(store, "a", SATURDAY - HOUR)
    first, second = NearDigests(store), NearDigests(store)
    assert [each.round(SATURDAY + GRACE) for each in (first, second, first)] == [1, 0, 0]
    assert len(sent(store, SATURDAY + GRACE)) == 1
    assert second.round(SATURDAY + HOUR) == look(store, SATURDAY + HOUR) == 0
    assert sent(store, SATURDAY + HOUR) == []


def test_a_process_that_goes_on_makes_the_digest_of_the_next_morning(store: Store) -> None:
    watch(store, ASKING)
    digests = NearDigests(store)
    put_near_miss(store, "a", SATURDAY - HOUR)
    assert digests.round(SATURDAY + GRACE) == 1
    put_near_miss(store, "b", SUNDAY - HOUR)
    assert digests.round(SUNDAY + GRACE - 1) == 0  # what was held until then goes out first
    assert digests.round(SUNDAY + GRACE) == 1


def test_near_misses_of_a_digest_that_was_given_up_are_in_the_next_one(store: Store) -> None:
    watch(store, ASKING)
    put_near_miss(store, "a", SATURDAY - HOUR)
    look(store, SATURDAY)
    outbox = Outbox(store)
    delivery = outbox.claim(SATURDAY + GRACE, "desk")
    assert isinstance(delivery, Delivery)
    outbox.dead(delivery, "given up", SATURDAY + GRACE)
    put_near_miss(store, "b", SUNDAY - HOUR)
    assert look(store, SUNDAY) == 1
    (titles,) = near(sent(store, SUNDAY + GRACE))
    assert sorted(titles) == ["Nearly a", "Nearly b"]


def test_a_weekly_digest_looks_back_to_the_week_before(store: Store) -> None:
    weekly = Scheduled(channel="desk", when="07:00 UTC Tue", near_misses=True)
    watch(store, replace(TOPIC, digests=(weekly,)), at=NOON - 30 * DAY)
    put_near_miss(store, "too old", TUESDAY - 7 * DAY - HOUR)
    put_near_miss(store, "of the week", TUESDAY - 6 * DAY)
    assert look(store, TUESDAY) == 1
    assert near(sent(store, TUESDAY + GRACE)) == [["Nearly of the week"]]
