"""The store and the log away for a while. `python -m benchmarks.outages` does it for a minute each."""

import pytest

from benchmarks.outages import outages


@pytest.mark.timeout(1_800)  # seconds; two minutes where nothing else runs
def test_the_daemon_goes_on_by_itself_after_the_store_and_the_log_were_away_and_says_so_meanwhile() -> None:
    assert outages(seconds=15) == []
