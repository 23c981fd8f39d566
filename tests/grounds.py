"""What a daemon under test stands on: one process on SQLite, or several on Kafka and PostgreSQL.

The same tests run on both. What they have to look at behind the daemon's back they ask here.
"""

import sqlite3
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import PostgresServer

ALL = ("fetch", "match", "alert", "web")


class Ground(Protocol):
    """``processes``: the roles of each process of the daemon, by a name for people; the one with the page is first."""

    processes: Mapping[str, Sequence[str]]

    def settings(self) -> str:
        """For wirewatch.toml."""
        ...

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the store holds; SQL that both understand."""
        ...

    def append(self, stream: str, payload: bytes) -> None:
        """A record as nobody of ours would write it."""
        ...

    def exists(self) -> bool:
        """Whether there is a store to look at yet."""
        ...

    def close(self) -> None: ...


class Embedded:
    """One process, two files in the data directory."""

    def __init__(self, folder: Path) -> None:
        self.processes: Mapping[str, Sequence[str]] = {"all": ALL}
        self._data = folder / "data"

    def settings(self) -> str:
        return ""

    def rows(self, query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(f"file:{self._data / 'store.sqlite'}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def append(self, stream: str, payload: bytes) -> None:
        with sqlite3.connect(self._data / "log.sqlite") as log:
            log.execute(
                "INSERT INTO records (stream, appended, key, payload) VALUES (?, ?, NULL, ?)",
                (stream, time.time(), payload),
            )

    def exists(self) -> bool:
        return (self._data / "store.sqlite").exists()

    def close(self) -> None:
        """Its files go with their folder."""


class Shared:
    """A process for each role, on streams and a database of their own."""

    def __init__(
        self,
        kafka: KafkaCluster,
        postgres: PostgresServer,
        *,
        processes: Mapping[str, Sequence[str]] | None = None,
        partitions: int = 4,
        copies: int = 1,
        lease: str = "3s",
    ) -> None:
        """``copies``: of every record; a cluster of three nodes takes three, of which two must be in sync."""
        roles: Mapping[str, Sequence[str]] = {
            "web": ["web"],
            "fetch": ["fetch"],
            "match": ["match"],
            "alert": ["alert"],
        }
        self.processes = processes or roles
        self._kafka, self._postgres = kafka, postgres
        self._url = postgres.database()
        self._prefix = f"t{uuid.uuid4().hex[:8]}."
        self._log = f"partitions = {partitions}\nreplication = {copies}\nmin_insync = {max(1, copies - 1)}"
        self._lease = lease

    def settings(self) -> str:
        return (
            f'[log]\nurl = "kafka://{self._kafka.bootstrap}"\nprefix = "{self._prefix}"\n{self._log}\n\n'
            f'[store]\nurl = "{self._url}"\n\n[workers]\nlease = "{self._lease}"\n\n'
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(query.encode()).fetchall()

    def append(self, stream: str, payload: bytes) -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self._kafka.bootstrap})
        producer.produce(f"{self._prefix}{stream}", value=payload, key=b"somebody-else")
        if producer.flush(30):
            raise TimeoutError("the broker does not answer")

    def exists(self) -> bool:
        return True

    def close(self) -> None:
        self._postgres.drop(self._url)


def ground(request: pytest.FixtureRequest, folder: Path) -> Ground:
    """What the fixture's parameter names: "embedded" or "shared"."""
    if request.param == "embedded":
        return Embedded(folder)
    shared = Shared(request.getfixturevalue("kafka"), request.getfixturevalue("postgres"))
    request.addfinalizer(shared.close)
    return shared


def shared_ground(
    stack: ExitStack, *, processes: Mapping[str, Sequence[str]], nodes: int = 1, lease: str = "3s"
) -> Shared:
    """With servers of its own, which end with ``stack``: for benchmarks."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewatch-servers-")))
    kafka, postgres = KafkaCluster(folder / "kafka", nodes), PostgresServer(folder / "postgres")
    for server in (kafka, postgres):
        stack.callback(server.close)
        server.start()
    return Shared(kafka, postgres, processes=processes, copies=nodes, lease=lease)
