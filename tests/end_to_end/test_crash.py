"""kill -9 under load, a few times. `make bench-crash` does it fifty times."""

import pytest

from benchmarks.crash import crash
from tests.grounds import Shared
from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.timeout(1_800)  # seconds; two minutes where nothing else runs


def test_nothing_is_lost_and_nothing_doubled_when_the_process_is_killed_under_load() -> None:
    assert crash(kills=3, longest=12.0, seed=5) == []


def test_nothing_is_lost_and_nothing_doubled_when_one_of_many_processes_is_killed_under_load(
    kafka: KafkaCluster, postgres: PostgresServer
) -> None:
    ground = Shared(kafka, postgres)
    try:
        assert crash(kills=4, longest=8.0, seed=5, ground=ground) == []
    finally:
        ground.close()
