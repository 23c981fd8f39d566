from hypothesis import given
from hypothesis import strategies as st

from daemon.fetch.turns import Turns


def test_a_host_is_asked_again_only_after_the_gap() -> None:
    turns = Turns(per_host=2, host_gap=5.0)
    for feed in ("a", "b", "c"):
        turns.add(feed, "h", 0.0)
    assert turns.take(0.0, 10) == [("a", "h")]
    assert turns.take(4.9, 10) == []
    assert turns.take(5.0, 10) == [("b", "h")]


def test_a_host_that_is_slow_is_asked_no_third_time_meanwhile() -> None:
    turns = Turns(per_host=2, host_gap=1.0)
    for feed in ("a", "b", "c"):
        turns.add(feed, "h", 0.0)
    assert [*turns.take(0.0, 10), *turns.take(1.0, 10), *turns.take(9.0, 10)] == [("a", "h"), ("b", "h")]
    turns.done("h", 10.0)
    assert turns.take(10.0, 10) == [("c", "h")]


def test_a_host_with_a_thousand_feeds_delays_only_its_own() -> None:
    turns = Turns()
    for number in range(1_000):
        turns.add(f"big-{number}", "big", 0.0)
    turns.add("small", "small", 0.0)
    assert turns.take(0.0, 10) == [("big-0", "big"), ("small", "small")]


def test_no_more_are_taken_than_there_is_room_for() -> None:
    turns = Turns()
    for number in range(9):
        turns.add(str(number), f"host-{number}", 0.0)
    assert len(turns.take(0.0, 4)) == 4
    assert turns.take(0.0, 0) == []
    assert len(turns) == 5


def test_a_feed_waits_once() -> None:
    turns = Turns()
    turns.add("a", "h", 0.0)
    turns.add("a", "h", 0.0)
    assert len(turns) == 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 30.0), st.booleans()), max_size=60),
    st.integers(1, 3),
    st.floats(0.0, 10.0),
)
def test_per_host_and_gap_hold_in_any_order_of_events(
    events: list[tuple[str, float, bool]], per_host: int, gap: float
) -> None:
    turns = Turns(per_host=per_host, host_gap=gap)
    now, running, last = 0.0, dict.fromkeys("abc", 0), dict.fromkeys("abc", -1e9)
    for number, (host, later, ends) in enumerate(events):
        now += later
        if ends and running[host]:
            running[host] -= 1
            turns.done(host, now)
        turns.add(str(number), host, now)
        for _, taken in turns.take(now, 100):
            running[taken] += 1
            assert running[taken] <= per_host
            assert now - last[taken] >= gap - 1e-9
            last[taken] = now
    for _ in range(1_000):
        now += max(gap, 1.0)
        for host in "abc":
            for _ in range(running[host]):
                turns.done(host, now)
            running[host] = 0
        for _, taken in turns.take(now, 100):
            running[taken] += 1
        if not len(turns):
            break
    assert len(turns) == 0
