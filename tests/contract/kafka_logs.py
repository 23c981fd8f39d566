"""The log over a real Kafka cluster, each test with streams of its own."""

import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from consumers.model import STREAMS, Stream
from daemon.log.broker import Broker
from tests.fake_log import FakeClock, FakeQuarantine

if TYPE_CHECKING:
    from daemon.log.kafka import KafkaLog
    from tests.servers.kafka import KafkaCluster

PARTITIONS = 3


def own_broker(cluster: "KafkaCluster", **options: Any) -> Broker:
    """A prefix that nobody else uses."""
    prefix = f"wirewatch-{uuid.uuid4().hex[:8]}."
    return Broker(servers=tuple(cluster.bootstrap.split(",")), prefix=prefix, client="wirewatch-test", **options)


def make_streams(broker: Broker, partitions: int = PARTITIONS, replication: int = 1) -> None:
    """Through another client than the one under test; again and again while a cluster is busy with itself."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": ",".join(broker.servers), "log_level": 0})
    missing = {
        broker.prefix + stream.name: NewTopic(
            broker.prefix + stream.name,
            num_partitions=1 if stream.compacted else partitions,
            replication_factor=replication,
            config={"cleanup.policy": "compact"} if stream.compacted else {},
        )
        for stream in STREAMS
    }
    deadline = time.monotonic() + 60
    while missing and time.monotonic() < deadline:
        for name, made in admin.create_topics(list(missing.values()), request_timeout=5, operation_timeout=5).items():
            try:
                made.result(10)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    continue
            del missing[name]
    assert not missing


@contextmanager
def paused(cluster: "KafkaCluster") -> Iterator[None]:
    """The broker keeps its connections and answers nothing; afterwards it serves as before.

    Not for longer than the 3 s after which a cluster gives a broker up: a lone one may then take half a minute.
    """
    cluster.pause(1)
    try:
        yield
    finally:
        cluster.resume(1)
        cluster.await_in_sync()


class KafkaUnderTest:
    def __init__(self, cluster: "KafkaCluster", *, joining: float = 3.0, session: float = 10.0) -> None:
        self.quarantine = FakeQuarantine()
        self.broker = own_broker(cluster)
        self._cluster = cluster
        self._joining = joining
        self._session = session
        make_streams(self.broker)

    def open(self, *, patient: bool = True) -> "KafkaLog":
        """One that is not patient gives up while an outage lasts."""
        from daemon.log.kafka import KafkaLog

        return KafkaLog(
            self.broker,
            quarantine=self.quarantine,
            clock=FakeClock(),
            quarantine_limit=5,
            patience=30.0 if patient else 2.0,
            joining=self._joining,
            session=self._session,
        )

    def outage(self) -> AbstractContextManager[None]:
        return paused(self._cluster)

    def go_on(self, stream: Stream[Any], group: str) -> None:
        """As when a member was not heard of for too long: the group goes on without it."""
        from kafka.admin import KafkaAdminClient, MemberToRemove

        name = f"{self.broker.prefix}{group}.{stream.name}"
        admin = KafkaAdminClient(bootstrap_servers=list(self.broker.servers))
        members = admin.describe_groups([name])[name]["members"]
        admin.remove_group_members(name, [MemberToRemove(member_id=member["member_id"]) for member in members])
        admin.close()
        log = self.open()
        reader = log.reader(stream, group)
        assert reader.read(1, 30.0)
        reader.commit()
        log.close()
