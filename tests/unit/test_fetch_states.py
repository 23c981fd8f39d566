import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import Connection, update

from daemon.feeds import Feed, FeedState, SeenItem
from daemon.fetch.shards import shard_lease, shard_of
from daemon.fetch.urls import host_of
from daemon.store import Store
from daemon.store.feeds import FeedStates
from daemon.store.leases import Leases
from daemon.store.tables import leases as leases_table
from tests.fake_log import FakeClock

NOW = 1_800_000_000.0
DAY = 86_400.0
A, B = Feed(id="a", url="https://www.a.example/rss"), Feed(id="b", url="https://b.example/rss")


@pytest.fixture
def states(store: Store) -> FeedStates:
    states = FeedStates(store)
    states.sync([A, B], NOW)
    return states


def due(states: FeedStates, now: float) -> list[str]:
    return [state.feed_id for state in states.due(now, 100)]


def item(name: str, *, seen: float = NOW, revision: int = 1) -> SeenItem:
    return SeenItem(article_id=name, content_hash="h", revision=revision, last_seen=seen)


def recorded(states: FeedStates, feed_id: str, next_due: float, *seen: SeenItem) -> FeedState:
    state = states.state(feed_id)
    assert state is not None
    state = replace(state, next_due=next_due, succeeded=NOW, etag="e")
    states.record(state, seen)
    return state


def test_a_new_feed_is_due_at_once_and_only_once(states: FeedStates) -> None:
    assert sorted(due(states, NOW)) == ["a", "b"]
    assert due(states, NOW + DAY) == []


def test_a_recorded_feed_waits_for_its_next_time(states: FeedStates) -> None:
    due(states, NOW)
    recorded(states, "a", NOW + 60)
    assert due(states, NOW + 59) == []
    assert due(states, NOW + 60) == ["a"]


def test_the_longest_due_comes_first_and_no_more_than_asked_for(states: FeedStates) -> None:
    due(states, NOW)
    recorded(states, "a", NOW + 60)
    recorded(states, "b", NOW + 30)
    assert [state.feed_id for state in states.due(NOW + 90, 1)] == ["b"]
    assert due(states, NOW + 90) == ["a"]


def test_what_was_recorded_is_there_after_a_restart(states: FeedStates, store: Store) -> None:
    state = recorded(states, "a", NOW + 60, item("1"), item("2", revision=3))
    again = FeedStates(store)
    again.sync([A, B], NOW + 1)
    assert again.state("a") == state
    assert due(again, NOW + 1) == ["b"]
    assert again.seen("a", ["1", "2", "3"]) == {"1": item("1"), "2": item("2", revision=3)}
    assert again.seen("b", ["1"]) == {}


def test_a_feed_that_is_taken_off_the_list_is_not_polled_and_what_is_known_of_it_is_kept(states: FeedStates) -> None:
    due(states, NOW)
    recorded(states, "a", NOW + 60, item("1"))
    states.sync([B], NOW)
    assert due(states, NOW + DAY) == []
    states.sync([A, B], NOW + 5)
    state = states.state("a")
    assert state is not None
    assert (state.succeeded, state.next_due) == (NOW, NOW + 5)
    assert states.seen("a", ["1"])


def test_an_edited_feed_is_due_at_once_and_its_validators_are_forgotten(states: FeedStates) -> None:
    due(states, NOW)
    recorded(states, "a", NOW + 600)
    states.sync([A, B], NOW + 1, {"a"})
    state = states.state("a")
    assert state is not None
    assert state.etag == ""
    assert due(states, NOW + 1) == ["a"]


def test_an_address_on_another_host_forgets_the_validators_even_after_a_restart(
    states: FeedStates, store: Store
) -> None:
    recorded(states, "a", NOW + 600)
    again = FeedStates(store)
    again.sync([replace(A, url="https://c.example/rss"), B], NOW + 1)
    state = again.state("a")
    assert state is not None
    assert (state.etag, state.host) == ("", "c.example")


def test_a_feed_that_is_being_polled_is_not_due_after_the_list_changes(states: FeedStates) -> None:
    due(states, NOW)
    states.sync([A, B, Feed(id="c", url="https://c.example/")], NOW + 1)
    assert due(states, NOW + 1) == ["c"]


def test_a_due_time_written_by_a_wrong_clock_does_not_silence_a_feed(states: FeedStates, store: Store) -> None:
    recorded(states, "a", NOW + 400 * DAY)
    again = FeedStates(store)
    again.sync([A], NOW)
    assert due(again, NOW + DAY) == ["a"]


def test_a_feed_put_off_comes_back(states: FeedStates) -> None:
    due(states, NOW)
    states.postpone("a", NOW + 10)
    states.postpone("unknown", NOW + 10)
    assert due(states, NOW + 10) == ["a"]


def test_when_the_clock_is_put_back_an_hour_nothing_waits_an_hour_longer(states: FeedStates) -> None:
    due(states, NOW)
    recorded(states, "a", NOW + 60)
    states.shift(-3_600.0)
    assert due(states, NOW - 3_541) == []
    assert due(states, NOW - 3_540) == ["a"]


def test_seen_items_are_forgotten_in_steps_but_never_while_they_may_still_be_in_their_feed(states: FeedStates) -> None:
    states.record(FeedState(feed_id="a"), [item(f"old-{n}", seen=NOW - 400 * DAY) for n in range(5)])
    states.record(FeedState(feed_id="a"), [item("new", seen=NOW)])
    states.record(FeedState(feed_id="b"), [item("still there", seen=NOW - 400 * DAY)])
    assert states.prune_seen(NOW - 365 * DAY, limit=3) == 3
    assert states.prune_seen(NOW - 365 * DAY, limit=3) == 2
    assert states.prune_seen(NOW - 365 * DAY, limit=3) == 0
    assert set(states.seen("a", [f"old-{n}" for n in range(5)] + ["new"])) == {"new"}
    assert states.seen("b", ["still there"])


def test_what_is_left_of_a_removed_feed_is_forgotten_by_age_alone(states: FeedStates) -> None:
    states.record(FeedState(feed_id="b"), [item("1", seen=NOW - 400 * DAY)])
    states.sync([A], NOW)
    assert states.prune_seen(NOW - 365 * DAY) == 1


# -- one of many fetchers


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@dataclass
class Fetcher:
    """Its leases, and its states of A and B once it holds their shards."""

    leases: Leases
    states: FeedStates

    def take(self, *feeds: Feed) -> None:
        shards = {shard_of(host_of(feed.url)) for feed in feeds}
        assert len(self.leases.hold([shard_lease(shard) for shard in shards])) == len(shards)
        self.states.gain(shards, NOW)

    def give(self, *feeds: Feed) -> None:
        shards = {shard_of(host_of(feed.url)) for feed in feeds}
        self.states.lose(shards)
        self.leases.release([shard_lease(shard) for shard in shards])


def fetcher(name: str, store: Store, clock: FakeClock) -> Fetcher:
    leases = Leases(store, owner=name, clock=clock, ttl=10.0)
    states = FeedStates(store, leases=leases)
    states.sync([A, B], NOW)
    return Fetcher(leases, states)


@pytest.fixture
def one(store: Store, clock: FakeClock) -> Fetcher:
    return fetcher("one", store, clock)


@pytest.fixture
def two(store: Store, clock: FakeClock) -> Fetcher:
    return fetcher("two", store, clock)


def test_of_a_listed_feed_nothing_is_due_until_its_shard_is_held(one: Fetcher) -> None:
    assert due(one.states, NOW) == []
    one.take(A)
    assert due(one.states, NOW + DAY) == ["a"]


def test_a_feed_that_changes_hands_goes_on_from_where_it_was(one: Fetcher, two: Fetcher) -> None:
    one.take(A)
    due(one.states, NOW)
    state = recorded(one.states, "a", NOW + 60, item("1"))
    one.give(A)
    assert due(one.states, NOW + DAY) == []
    two.take(A)
    assert two.states.state("a") == state
    assert due(two.states, NOW + 59) == []
    assert due(two.states, NOW + 60) == ["a"]
    later = recorded(two.states, "a", NOW + 120, item("2"))
    two.give(A)
    one.take(A)
    assert one.states.state("a") == later


def test_what_is_learned_after_the_lease_has_run_out_is_dropped(one: Fetcher, two: Fetcher, clock: FakeClock) -> None:
    one.take(A)
    late = one.states.state("a")
    assert late is not None
    two.leases.live("")
    clock.forward(10)
    one.states.record(replace(late, etag="by nobody's lease"), [item("1")])
    two.take(A)
    state = recorded(two.states, "a", NOW + 60, item("2"))
    one.states.record(replace(late, etag="late"), [item("1")])
    again = FeedStates(two.states._store)
    again.sync([A, B], NOW)
    assert again.state("a") == state
    assert set(again.seen("a", ["1", "2"])) == {"2"}


def test_what_another_has_taken_over_is_not_written_whatever_the_clock_says(
    one: Fetcher, two: Fetcher, store: Store
) -> None:
    one.take(A)
    late = one.states.state("a")
    assert late is not None
    with store.write() as connection:  # as when the answer took so long that the clock was no longer true
        connection.execute(update(leases_table).values(owner="two"))
    one.states.record(replace(late, etag="late"), [item("1")])
    again = FeedStates(store)
    again.sync([A, B], NOW)
    assert again.state("a") == late
    assert again.seen("a", ["1"]) == {}


def test_a_poll_that_ends_while_its_shard_is_being_handed_over_is_still_recorded(one: Fetcher, two: Fetcher) -> None:
    one.take(A)
    state = one.states.state("a")
    assert state is not None
    one.states.lose({shard_of("a.example")})
    one.states.record(replace(state, etag="in time", next_due=NOW + 60))
    assert one.states.state("a") is None
    one.give(A)
    two.take(A)
    taken = two.states.state("a")
    assert taken is not None
    assert taken.etag == "in time"


def test_the_same_list_read_by_another_changes_nothing_that_was_recorded(one: Fetcher, two: Fetcher) -> None:
    one.take(A, B)
    state = recorded(one.states, "a", NOW + 60)
    two.states.sync([A, B], NOW + 5, {"a"})
    one.give(A)
    third = FeedStates(two.states._store)
    third.sync([A, B], NOW + 5)
    assert third.state("a") == state


def test_a_feed_put_back_on_the_list_by_two_is_reset_once(one: Fetcher, two: Fetcher, store: Store) -> None:
    one.take(A, B)
    recorded(one.states, "a", NOW + 60)
    one.states.sync([B], NOW)

    def listed_and_polled() -> None:
        one.states.sync([A, B], NOW)
        recorded(one.states, "a", NOW + 70)

    slow = FeedStates(Meanwhile(store, listed_and_polled))
    slow.sync([A, B], NOW + 1)
    again = FeedStates(store)
    again.sync([A, B], NOW + 1)
    assert again.state("a") == one.states.state("a")
    assert due(again, NOW + 69) == ["b"]


def test_a_feed_edited_while_it_was_somebody_elses_is_read_afresh(one: Fetcher, two: Fetcher) -> None:
    one.take(A)
    recorded(one.states, "a", NOW + 600)
    two.states.sync([A, B], NOW + 1, {"a"})
    one.give(A)
    two.take(A)
    state = two.states.state("a")
    assert state is not None
    assert (state.etag, state.next_due) == ("", NOW)
    recorded(two.states, "a", NOW + 600)
    two.give(A)
    two.take(A)
    assert due(two.states, NOW + 599) == []


def test_a_feed_that_moves_to_another_host_changes_hands(one: Fetcher, two: Fetcher) -> None:
    moved = replace(A, url="https://b.example/a")
    one.take(A)
    two.take(B)
    recorded(one.states, "a", NOW + 600)
    for fetcher in (one, two):
        fetcher.states.sync([moved, B], NOW + 1)
    assert one.states.state("a") is None
    state = two.states.state("a")
    assert state is not None
    assert (state.host, state.etag) == ("b.example", "")


def test_lists_read_by_many_at_once_end_as_one(store: Store, clock: FakeClock) -> None:
    feeds = [Feed(id=f"f{n}", url=f"https://h{n}.example/rss") for n in range(400)]

    def read(number: int) -> None:
        fetcher = FeedStates(store, leases=Leases(store, owner=str(number), clock=clock, ttl=10.0))
        order = random.Random(number)
        for kept in (feeds, feeds[:200], feeds[100:], feeds):
            fetcher.sync(order.sample(kept, len(kept)), NOW)

    with ThreadPoolExecutor(3) as threads:
        for ended in [threads.submit(read, number) for number in range(3)]:
            ended.result(60)
    last = FeedStates(store)
    last.sync(feeds, NOW)
    assert len(last.due(NOW, 1_000)) == 400


class Meanwhile(Store):
    """Something happens between what is read and what is written."""

    def __init__(self, store: Store, happens: Callable[[], object]) -> None:
        self._there = store
        self._happens = happens

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._there.read() as connection:
            yield connection
        self._happens()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._there.write() as connection:
            yield connection


def test_five_thousand_feeds_are_no_burden(states: FeedStates) -> None:
    feeds = [Feed(id=f"f{n}", url=f"https://h{n}.example/rss") for n in range(5_000)]
    states.sync(feeds, NOW)
    assert len(states.due(NOW, 10_000)) == 5_000
