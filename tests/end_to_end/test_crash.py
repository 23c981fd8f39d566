"""kill -9 under load, a few times. `make bench-crash` does it fifty times."""

from benchmarks.crash import crash


def test_nothing_is_lost_and_nothing_doubled_when_the_process_is_killed_under_load() -> None:
    assert crash(kills=3, longest=12.0, seed=5) == []
