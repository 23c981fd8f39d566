from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from daemon.fetch.shards import (
    SHARDS,
    Move,
    fetcher_lease,
    fetchers_in,
    next_move,
    owners,
    shard_lease,
    shard_of,
    shards_in,
)

FETCHERS = [f"host-{n}:1:ab{n:02d}" for n in range(8)]
SOME = st.frozensets(st.integers(0, SHARDS - 1))


def test_a_host_stays_in_its_shard_from_release_to_release() -> None:
    """Two releases run side by side during a rolling restart: a change of the hash would poll hosts from two places."""
    assert [shard_of(host) for host in ("bbc.co.uk", "example.org", "")] == [52, 53, 52]


def test_hosts_are_spread_over_all_shards() -> None:
    filled = Counter(shard_of(f"news{n}.example") for n in range(6_400))
    assert set(filled) == set(range(SHARDS))
    assert max(filled.values()) < 150


def test_every_shard_has_one_owner_whoever_asks_and_in_whatever_order() -> None:
    assert owners([]) == {}
    assert owners(FETCHERS) == owners(FETCHERS[::-1])
    assert set(owners(FETCHERS)) == set(range(SHARDS))
    assert set(owners(FETCHERS[:1]).values()) == {FETCHERS[0]}


@given(st.sets(st.text(min_size=1), min_size=1, max_size=6), st.text(min_size=1))
def test_who_joins_or_leaves_moves_only_the_shards_that_it_gets_or_had(there: set[str], other: str) -> None:
    before, after = owners(there - {other}), owners(there | {other})
    assert all(after[shard] in (before.get(shard), other) for shard in range(SHARDS))


def test_nobody_is_left_with_nothing_or_nearly_everything() -> None:
    for number in range(2, 9):
        shares = Counter(owners(FETCHERS[:number]).values())
        assert len(shares) == number
        assert max(shares.values()) <= 2 * SHARDS / number


def test_a_shard_that_is_somebody_elses_is_left_then_rests_then_is_released() -> None:
    polling = next_move(right={1, 2}, owned={1, 3, 4}, polled={1, 3, 4}, busy={1, 3})
    assert polling == Move(leave=frozenset({3, 4}), release=frozenset({4}), hold=frozenset({1, 2, 3}))
    resting = next_move(right={1, 2}, owned={1, 2, 3}, polled={1, 2}, busy={1})
    assert resting == Move(leave=frozenset(), release=frozenset({3}), hold=frozenset({1, 2}))


@given(SOME, SOME, SOME, SOME)
def test_nothing_is_released_while_it_is_polled_and_nothing_owned_is_forgotten(
    right: frozenset[int], owned: frozenset[int], in_use: frozenset[int], busy: frozenset[int]
) -> None:
    move = next_move(right=right, owned=owned, polled=owned & in_use, busy=busy)
    assert not move.release & (busy | right)
    assert not move.release & move.hold
    assert owned <= move.release | move.hold
    assert (owned & in_use) - move.leave <= right


def test_names_of_leases_tell_what_they_are_of() -> None:
    names = ["publisher", "send/shard/1", *map(shard_lease, (3, 17)), *map(fetcher_lease, FETCHERS)]
    assert shards_in(names) == {3, 17}
    assert fetchers_in(names) == set(FETCHERS)
