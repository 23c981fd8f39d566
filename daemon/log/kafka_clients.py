"""kafka-python's clients, as the log uses them. The only file that imports it.

That import takes 0.2 s, so ``open_log`` imports the log when it is needed. Whatever is asked here raises
``Unavailable`` where the cluster may come back by itself, and ``Unusable`` where somebody has to change the settings,
the password or the cluster.
"""

import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.net.compat import KafkaNetClient
from kafka.net.sasl import get_sasl_mechanism
from kafka.structs import MemberState

from daemon.errors import Fenced, Unavailable, Unusable
from daemon.log.broker import Broker
from daemon.log.kafka_access import Options, milliseconds
from daemon.log.kafka_groups import Partition
from daemon.log.kafka_knock import knock
from daemon.log.kafka_reader import Fetched
from daemon.log.kafka_shared import Shared
from daemon.log.kafka_writer import Row
from daemon.log.streams import Found, Wanted

C = TypeVar("C", bound=Any)

_GRACE = 5.0  # seconds that kafka-python may be late in giving up a record
_GOODBYE = 1.0  # seconds to leave a group, and for what is still on its way
_NEW = 2.0  # seconds until every broker knows of a stream that was made

_HOPELESS = (  # nothing but a change of the settings or of the cluster's helps
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.KafkaConfigurationError,
    kafka_errors.InvalidTopicError,
    kafka_errors.InvalidSessionTimeoutError,
    kafka_errors.InconsistentGroupProtocolError,
    kafka_errors.InvalidReplicationFactorError,
    kafka_errors.InvalidPartitionsError,
    kafka_errors.InvalidConfigurationError,
    kafka_errors.PolicyViolationError,
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.UnsupportedVersionError,
    kafka_errors.UnsupportedCodecError,
    kafka_errors.InvalidTimestampError,
)
_OUSTED = (  # the group went on without this member
    kafka_errors.CommitFailedError,
    kafka_errors.RebalanceInProgressError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.FencedInstanceIdError,
)


class Clients:
    """Makes kafka-python's clients, and keeps those that all threads share."""

    def __init__(self, broker: Broker, options: Options) -> None:
        self._broker = broker
        self._options = options
        self.patience_ms = options.patience_ms
        self._admin = Shared(lambda: self._made(KafkaAdminClient, options.asking()), kafka_errors.KafkaError)
        self._offsets = Shared(lambda: self._made(KafkaConsumer, options.reading()), kafka_errors.KafkaError)

    def producer(self) -> "_Producer":
        with self.translated():
            return _Producer(self._made(KafkaProducer, self._options.producing()), self.translated)

    def member(self, topic: str, group: str) -> "_Consumer":
        """Range gives each member neighbouring partitions in one round. Nothing is kept between batches, so nothing
        is gained by keeping partitions; and the cooperative assignor takes two rounds, in which kafka-python does not
        read either.
        """
        self._existing(topic)
        with self.translated():
            sharing = {"partition_assignment_strategy": (RangePartitionAssignor,)}
            consumer = self._made(KafkaConsumer, {**self._options.joining(group), **sharing})
            consumer._coordinator.__class__ = _Coordinator
            consumer.subscribe([topic])
            try:
                # A member that leads the group and does not know the partitions gives nobody any.
                known = consumer.partitions_for_topic(topic)
            except kafka_errors.KafkaError:
                consumer.close(autocommit=False)
                raise
        if not known:
            consumer.close(autocommit=False)
            raise Unavailable(f"not every broker knows the stream {topic} yet")
        return _Consumer(consumer, topic, group, clients=self)

    def follower(self, topic: str) -> "_Consumer":
        partitions = self._existing(topic)
        with self.translated():
            consumer = self._made(KafkaConsumer, self._options.reading())
            consumer.assign(partitions)
        return _Consumer(consumer, topic, None, clients=self)

    @contextmanager
    def asking(self) -> Iterator[KafkaAdminClient]:
        with self.translated(), self._admin.used() as admin:
            yield admin

    def ends(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after the last record that there is now. Readers do not ask on their own connection: there the
        answer would wait behind a fetch that waits for records, up to 0.5 s.
        """
        with self.translated(), self._offsets.used() as asker:
            return self._told(asker.end_offsets, partitions)

    def bounds(self, topics: Collection[str]) -> tuple[Mapping[Partition, int], Mapping[Partition, int]]:
        """(the offset of the first record that is kept, the offset after the last one), of the topics that exist."""
        with self.asking() as admin:
            every = _partitions(admin.describe_topics(sorted(topics)))
        with self.translated(), self._offsets.used() as asker:
            return self._told(asker.beginning_offsets, every), self._told(asker.end_offsets, every)

    def _told(self, ask: Callable[..., Any], partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Topic by topic: asked for several, kafka-python leaves out those that it has yet to learn about. One whose
        leader is just being elected it leaves out too, and fails on that itself.
        """
        told: dict[TopicPartition, int] = {}
        for topic in sorted({one.topic for one in partitions}):
            some = [one for one in partitions if one.topic == topic]
            try:
                told |= ask(some, self.patience_ms)
            except KeyError as error:
                raise Unavailable(f"a partition of {topic} has no leader now") from error
        return told

    def groups(self) -> list[str]:
        with self.asking() as admin:
            return [group["group_id"] for group in admin.list_groups()]

    def committed(self, groups: Collection[str]) -> Mapping[str, Mapping[Partition, int]]:
        """By group: the places of the partitions that have one."""
        with self.asking() as admin:
            found = admin.list_group_offsets(list(groups)) if groups else {}
        return {group: {one: at.offset for one, at in offsets.items()} for group, offsets in found.items()}

    def found(self, names: Collection[str]) -> Mapping[str, Found | None]:
        with self.asking() as admin:
            topics = {topic["name"]: topic for topic in _there(admin.describe_topics(sorted(names)))}
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
            configs = admin.describe_configs(resources, config_filter="all") if resources else {}
        return {name: _found(topics[name], configs["topic"][name]) if name in topics else None for name in names}

    def make(self, wanted: Iterable[Wanted]) -> None:
        topics = {
            one.name: {
                "num_partitions": one.partitions,
                "replication_factor": one.replication,
                "configs": dict(one.configs),
            }
            for one in wanted
        }
        with self.asking() as admin:
            for name, topic in topics.items():
                with suppress(kafka_errors.TopicAlreadyExistsError):
                    admin.create_topics({name: topic})
            admin.wait_for_topics(list(topics), timeout_ms=self.patience_ms)

    def brokers(self) -> int:
        with self.asking() as admin:
            return sum(not broker.get("is_fenced") for broker in admin.describe_cluster()["brokers"])

    def close(self) -> None:
        self._admin.close()
        self._offsets.close()

    def _existing(self, topic: str) -> list[TopicPartition]:
        """Its partitions. One that was made a moment ago is not known to every broker yet."""
        with self.asking() as admin:
            found = _partitions(admin.describe_topics([topic]))
            if not found:
                with suppress(kafka_errors.KafkaTimeoutError):
                    admin.wait_for_topics([topic], timeout_ms=milliseconds(_NEW))
                found = _partitions(admin.describe_topics([topic]))
        if not found:
            raise Unusable(f"the cluster has no stream {topic}: run `wirewatch streams create`")
        return found

    def _made(self, kind: Callable[..., C], options: Mapping[str, Any]) -> C:
        """kafka-python leaves a thread behind for every client that does not get through to the cluster."""
        inner: list[KafkaNetClient] = []

        def remembered(**configs: Any) -> KafkaNetClient:
            inner.append(KafkaNetClient(**configs))
            return inner[-1]

        try:
            return kind(kafka_client=remembered, **options)
        except kafka_errors.KafkaError:
            for client in inner:
                client.close()
            knock(self._broker, self._options.tls, lambda: get_sasl_mechanism(options["sasl_mechanism"])(**options))
            raise

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except _HOPELESS as error:
            raise Unusable(f"the Kafka cluster at {', '.join(self._broker.servers)} refuses: {error}") from error
        except kafka_errors.KafkaError as error:
            raise Unavailable(f"the Kafka cluster at {', '.join(self._broker.servers)}: {error}") from error
        except RuntimeError as error:  # what kafka-python raises when another thread closes a client meanwhile
            if not self._admin.closed:
                raise
            raise Unavailable("the log is closed") from error


class _Coordinator(ConsumerCoordinator):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python's join goes on while nobody polls; but what was answered meanwhile it throws away, and joins once
    more, which makes every other member join once more, too. Two members that read two streams in turns went on like
    that for ten seconds, four times a second. Here the answer is taken.
    """

    _join_task: Any
    _manager: Any

    async def join_group_async(self, timeout_ms: float | None = None) -> bool:
        if self._join_task is not None and self._join_task.is_done:
            self._join_task = self._manager.call_soon(self._manager.wait_for, self._join_task, None)
        return bool(await super().join_group_async(timeout_ms))


Translated = Callable[[], Any]


class _Producer:
    """What ``Writer`` needs of a producer."""

    def __init__(self, producer: KafkaProducer, translated: Translated) -> None:
        self._producer = producer
        self.translated = translated
        self.stuck = False

    def deliver(self, topic: str, rows: Sequence[Row], seconds: float) -> None:
        send, sent = self._producer.send, []
        with self.translated():
            try:
                for key, value in rows:
                    sent.append(send(topic, key=key, value=value))
            finally:
                problem = self._settled(sent, seconds)
            if problem is not None:
                raise problem

    def _settled(self, sent: Sequence[Any], seconds: float) -> kafka_errors.KafkaError | None:
        """When each of them is durable or given up; returns the first problem."""
        deadline = time.monotonic() + seconds + _GRACE
        first: kafka_errors.KafkaError | None = None
        for future in sent:
            try:
                if not future.succeeded():
                    future.get(max(0.0, deadline - time.monotonic()))
            except kafka_errors.KafkaError as error:
                first = first or error
                self.stuck = self.stuck or not future.is_done
        return first

    def close(self) -> None:
        with suppress(kafka_errors.KafkaError):
            self._producer.close(timeout=_GOODBYE)
        sender = self._producer._sender  # while brokers are away close() leaves it running, or raises before it ends it
        if sender.is_alive():
            sender.force_close()
            sender.join(_GOODBYE)
            with suppress(kafka_errors.KafkaError):
                self._producer.close(timeout=0)


class _Consumer:
    """A ``Client`` of one topic."""

    def __init__(self, consumer: KafkaConsumer, topic: str, group: str | None, *, clients: Clients) -> None:
        self._consumer = consumer
        self._topic = topic
        self._group = group
        self._clients = clients

    def membership(self) -> Hashable | None:
        if self._group is None:
            return True
        now = self._consumer.group_metadata()
        return (now.generation_id, now.member_id) if now.state is MemberState.STABLE else None

    def poll(self, limit: int, seconds: float) -> Sequence[Fetched]:
        with self._clients.translated():
            polled = self._consumer.poll(timeout_ms=milliseconds(seconds), max_records=limit)
        return [record for records in polled.values() for record in records]

    def partitions(self) -> Collection[int]:
        return {one.partition for one in self._consumer.assignment()}

    def places(self) -> Mapping[int, int]:
        with self._clients.translated():
            found = {
                one.partition: self._consumer.position(one, timeout_ms=self._clients.patience_ms)
                for one in self._consumer.assignment()
            }
        unknown = [partition for partition, place in found.items() if place is None]
        if unknown:
            raise Unavailable(f"the Kafka cluster does not tell where {self._topic} begins ({unknown})")
        return found

    def ends(self) -> Mapping[int, int]:
        return {one.partition: end for one, end in self._clients.ends(self._consumer.assignment()).items()}

    def go_to(self, places: Mapping[int, int]) -> None:
        with self._clients.translated():
            for one in self._consumer.assignment():
                place = places.get(one.partition)
                if place is None and self._group is not None:
                    place = self._consumer.committed(one, timeout_ms=self._clients.patience_ms)
                if place is None:
                    self._consumer.seek_to_beginning(one)
                else:
                    self._consumer.seek(one, place)

    def commit(self, places: Mapping[int, int]) -> None:
        offsets = {
            TopicPartition(self._topic, partition): OffsetAndMetadata(place, "", -1)
            for partition, place in places.items()
        }
        with self._clients.translated():
            try:
                self._consumer.commit(offsets, timeout_ms=self._clients.patience_ms)
            except _OUSTED as error:
                raise Fenced(f"the group {self._group} went on without this member: {error}") from error

    def close(self) -> None:
        with suppress(kafka_errors.KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=milliseconds(_GOODBYE))


def _there(topics: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """As the admin client describes them, without those that do not exist. Raises ``KafkaError`` for other problems."""
    for topic in topics:
        problem = kafka_errors.for_code(topic["error_code"])
        if problem is kafka_errors.NoError:
            yield topic
        elif problem is not kafka_errors.UnknownTopicOrPartitionError:
            raise problem(topic["name"])


def _partitions(topics: Iterable[Mapping[str, Any]]) -> list[TopicPartition]:
    return [
        TopicPartition(one["name"], part["partition_index"]) for one in _there(topics) for part in one["partitions"]
    ]


def _found(topic: Mapping[str, Any], configs: Mapping[str, Any]) -> Found:
    return Found(
        partitions=len(topic["partitions"]),
        replication=min(len(partition["replica_nodes"]) for partition in topic["partitions"]),
        configs={name: str(config["value"]) for name, config in configs.items() if config["value"] is not None},
    )
