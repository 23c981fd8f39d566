"""The store and the log away for a while. `python -m benchmarks.outages` does it for a minute each."""

from benchmarks.outages import outages


def test_the_daemon_goes_on_by_itself_after_the_store_and_the_log_were_away_and_says_so_meanwhile() -> None:
    assert outages(seconds=15) == []
