"""What every test may ask for. Servers start when the first test of a process asks, and end with the process."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster
    from tests.servers.postgres import PostgresServer

# Every run tries the same made-up data, and how long a busy machine takes is no mistake of what is tested. To look for
# mistakes with other data: `make test ARGS=--hypothesis-profile=explore`.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")  # Hypothesis brings it along


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[KafkaCluster]":
    """One node, shared: a test takes streams of its own, and leaves the node running."""
    from tests.servers.kafka import KafkaCluster

    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[PostgresServer]":
    """Shared: a test takes a database of its own, and leaves the server running."""
    from tests.servers.postgres import PostgresServer

    server = PostgresServer(tmp_path_factory.mktemp("postgres"), durable=False)
    try:
        server.start()
        yield server
    finally:
        server.close()
