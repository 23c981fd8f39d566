from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.feeds import FeedState
from daemon.fetch.policy import WEIGHTS, Brought, Failed, PollPolicy, after_failure, after_success

POLICY = PollPolicy()
NOW = 1_800_000_000.0
SETTLED = FeedState(
    feed_id="f", interval=900.0, next_due=NOW, polled=NOW - 900, succeeded=NOW - 900, backfilled=True
)  # fmt: skip

seconds = st.floats(min_value=0.0, max_value=1e9)
jitters = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
kinds = st.sampled_from(sorted(WEIGHTS))
wishes = st.none() | st.floats(min_value=0.001, max_value=1e7)
states = st.builds(
    FeedState,
    feed_id=st.just("f"),
    interval=st.floats(min_value=0.0, max_value=1e6),
    next_due=st.floats(min_value=NOW - 1e6, max_value=NOW),
    failures=st.floats(min_value=0.0, max_value=1e6),
    overlap=st.lists(st.floats(min_value=0.0, max_value=1.0), max_size=2).map(tuple),
    polled=st.none() | st.just(NOW - 900),
    succeeded=st.none() | st.just(NOW - 900),
)
brought = st.integers(0, 500).flatmap(
    lambda items: st.builds(
        Brought,
        items=st.just(items),
        known=st.integers(0, items),
        first=st.booleans(),
        ttl=st.none() | seconds,
        max_age=st.none() | seconds,
    )
)


def succeed(state: FeedState, *, items: int = 10, known: int = 10, every: float | None = None) -> FeedState:
    return after_success(POLICY, state, Brought(items=items, known=known), now=state.next_due, jitter=0.0, every=every)


def fail(state: FeedState, kind: str, *, retry_after: float | None = None) -> FeedState:
    failed = Failed(kind=kind, retry_after=retry_after)  # type: ignore[arg-type]
    return after_failure(POLICY, state, failed, now=state.next_due, jitter=0.0)


def test_a_feed_that_brought_mostly_new_items_is_polled_twice_as_often() -> None:
    assert succeed(SETTLED, items=10, known=3).interval == 450.0


def test_a_feed_in_between_keeps_its_pace() -> None:
    assert succeed(SETTLED, items=10, known=5).interval == 900.0


def test_only_two_polls_in_a_row_with_mostly_known_items_slow_a_feed_down() -> None:
    fast = replace(SETTLED, interval=300.0)
    once = succeed(fast, known=9)
    assert once.interval == 300.0
    assert succeed(once, known=9).interval == 450.0
    assert succeed(succeed(once, known=5), known=9).interval == 300.0


def test_a_feed_that_brings_anything_new_is_never_slower_than_by_default() -> None:
    state = SETTLED
    for _ in range(20):
        state = succeed(state, items=50, known=49)
    assert state.interval == POLICY.default_interval
    assert succeed(replace(SETTLED, interval=3_600.0), items=50, known=49).interval == POLICY.default_interval


def test_silence_alone_never_makes_a_feed_wait_longer_than_an_hour() -> None:
    state = SETTLED
    for _ in range(50):
        state = succeed(state)
    assert state.interval == POLICY.idle_interval


def test_a_late_poll_says_nothing_about_the_pace() -> None:
    late = after_success(POLICY, SETTLED, Brought(items=10, known=0), now=NOW + 5_000, jitter=0.0)
    assert late.interval == 900.0


def test_the_first_poll_says_nothing_about_the_pace() -> None:
    new = FeedState(feed_id="f", next_due=NOW)
    first = after_success(POLICY, new, Brought(items=10, known=0, first=True), now=NOW, jitter=0.0)
    assert first.interval == POLICY.default_interval


def test_feeds_that_were_all_due_at_once_are_spread_over_the_interval() -> None:
    waits = [
        after_success(POLICY, state, Brought(items=10, known=5, first=first), now=NOW, jitter=jitter).next_due - NOW
        for state, first in (
            (FeedState(feed_id="f", next_due=NOW), True),
            (replace(SETTLED, next_due=NOW - 5e4), False),
        )
        for jitter in (0.0, 0.5, 0.999)
    ]
    assert waits == [225.0, 562.5, pytest.approx(899.3, abs=0.1)] * 2


def test_ttl_and_max_age_lengthen_the_wait_within_reason() -> None:
    def wait(**said: float) -> float:
        return after_success(POLICY, SETTLED, Brought(items=10, known=5, **said), now=NOW, jitter=0.0).next_due - NOW

    assert wait(ttl=1_800.0) == 1_800.0
    assert wait(max_age=1_200.0) == 1_200.0
    assert wait(max_age=31_536_000.0) == POLICY.publisher_interval
    assert wait(ttl=60.0) == 900.0


def test_a_wish_replaces_what_was_observed_and_ttl_but_not_max_age() -> None:
    wished = after_success(POLICY, SETTLED, Brought(items=9, ttl=3_000.0), now=NOW, jitter=0.0, every=120.0)
    assert wished.next_due == NOW + 120.0
    cached = after_success(POLICY, SETTLED, Brought(items=9, max_age=600.0), now=NOW, jitter=0.0, every=120.0)
    assert cached.next_due == NOW + 600.0


def test_a_feed_that_fails_is_polled_less_often_but_never_given_up() -> None:
    state, waits = SETTLED, []
    for _ in range(40):
        before = state.next_due
        state = fail(state, "missing")
        waits.append(state.next_due - before)
    assert waits == sorted(waits)
    assert waits[0] == 3_600.0
    assert waits[1] - waits[0] == waits[2] - waits[1]  # linear
    assert waits[-1] == POLICY.max_interval


def test_a_single_hiccup_delays_nothing() -> None:
    for kind in ("timeout", "server", "unreachable"):
        assert fail(SETTLED, kind).next_due == NOW + 900.0


def test_a_dead_address_weighs_more_than_a_hiccup() -> None:
    assert fail(SETTLED, "gone").next_due > fail(SETTLED, "missing").next_due > fail(SETTLED, "timeout").next_due


def test_jitter_only_lengthens() -> None:
    plain = after_success(POLICY, SETTLED, Brought(), now=NOW, jitter=0.0)
    late = after_success(POLICY, SETTLED, Brought(), now=NOW, jitter=0.999)
    assert plain.next_due < late.next_due <= NOW + 900.0 * 1.1


@given(states, brought, jitters, wishes)
def test_after_a_success_the_next_poll_is_within_the_bounds(
    state: FeedState, brought: Brought, jitter: float, every: float | None
) -> None:
    after = after_success(POLICY, state, brought, now=NOW, jitter=jitter, every=every)
    assert NOW + POLICY.min_interval <= after.next_due <= NOW + POLICY.max_interval
    assert POLICY.min_interval <= after.interval <= POLICY.max_interval
    assert (after.failures, after.error) == (0.0, "")


@given(states, kinds, jitters, wishes, st.none() | seconds)
def test_after_a_failure_the_next_poll_is_within_the_bounds(
    state: FeedState, kind: str, jitter: float, every: float | None, retry_after: float | None
) -> None:
    failed = Failed(kind=kind, retry_after=retry_after)  # type: ignore[arg-type]
    after = after_failure(POLICY, state, failed, now=NOW, jitter=jitter, every=every)
    assert NOW + POLICY.min_interval <= after.next_due <= NOW + POLICY.max_interval
    assert after.next_due >= NOW + min(retry_after or 0.0, POLICY.max_interval) - 1e-3
    assert after.failures > state.failures or state.failures > 1e15


@given(states, kinds, jitters, st.floats(min_value=0.0, max_value=1e5))
def test_more_failures_never_mean_a_shorter_wait(state: FeedState, kind: str, jitter: float, more: float) -> None:
    failed = Failed(kind=kind)  # type: ignore[arg-type]
    worse = replace(state, failures=state.failures + more)
    assert (
        after_failure(POLICY, worse, failed, now=NOW, jitter=jitter).next_due
        >= after_failure(POLICY, state, failed, now=NOW, jitter=jitter).next_due
    )


@pytest.mark.parametrize("kind", sorted(WEIGHTS))
def test_one_success_forgets_every_failure(kind: str) -> None:
    state = fail(fail(SETTLED, kind), kind)
    after = succeed(state)
    assert (after.failures, after.error) == (0.0, "")
    assert after.next_due - state.next_due <= 900.0
