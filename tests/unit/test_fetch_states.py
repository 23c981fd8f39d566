from dataclasses import replace

import pytest

from daemon.feeds import Feed, FeedState, SeenItem
from daemon.store import Store
from daemon.store.feeds import FeedStates

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


def test_five_thousand_feeds_are_no_burden(states: FeedStates) -> None:
    feeds = [Feed(id=f"f{n}", url=f"https://h{n}.example/rss") for n in range(5_000)]
    states.sync(feeds, NOW)
    assert len(states.due(NOW, 10_000)) == 5_000
