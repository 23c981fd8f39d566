"""The log over a real Kafka cluster: what is its own, beside the promises that tests/contract has for every log."""

import json
import logging
import threading
import time
import tracemalloc
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumers.model import ARTICLES, BACKFILL, STREAMS, TOPICS, Article, Stream
from daemon.errors import Fenced, Unavailable, Unusable
from daemon.log import Placed, Reader, Tombstone, opening
from daemon.log.broker import Broker, Compression
from daemon.log.codec import decode, encode
from daemon.log.fit import MARK
from daemon.log.kafka import KafkaLog
from daemon.log.streams import Wanted
from tests.contract.kafka_logs import make_streams, own_broker, paused
from tests.fake_log import FakeClock, FakeQuarantine, article, articles, topic
from tests.servers.kafka import KafkaCluster

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
KINDS: Sequence[Compression] = ("none", "gzip", "zstd")


@pytest.fixture
def broker(kafka: KafkaCluster) -> Broker:
    broker = own_broker(kafka)
    make_streams(broker)
    return broker


@pytest.fixture
def open_log(broker: Broker) -> Iterator[Callable[..., KafkaLog]]:
    with ExitStack() as stack:

        def opened(**options: Any) -> KafkaLog:
            quarantine = options.pop("quarantine", FakeQuarantine())
            chosen = options.pop("broker", broker)
            log = KafkaLog(chosen, quarantine=quarantine, clock=FakeClock(), **{"patience": 5.0, **options})
            return stack.enter_context(closing(log))

        yield opened


@pytest.fixture
def log(open_log: Callable[..., KafkaLog]) -> KafkaLog:
    return open_log()


def take(reader: Reader[Article], count: int) -> list[Article]:
    records: list[Article] = []
    while len(records) < count:
        batch = reader.read(count - len(records), 30.0)
        assert batch, "a record is missing"
        records += batch
    return records


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def everything(broker: Broker, stream: str) -> list[tuple[str, bytes | None]]:
    """(key, value) of every record there is, as librdkafka reads them: by partition, in its order."""
    consumer = Consumer(
        {"bootstrap.servers": ",".join(broker.servers), "group.id": uuid.uuid4().hex, "fetch.wait.max.ms": 10}
    )
    name = broker.prefix + stream
    left: dict[int, int] = {}  # by partition: how many are still to come
    for partition in consumer.list_topics(name, timeout=10).topics[name].partitions:
        first, end = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)
        left[partition] = end - first
    found: dict[int, list[tuple[str, bytes | None]]] = defaultdict(list)
    consumer.assign([TopicPartition(name, partition, 0) for partition, count in left.items() if count])
    while sum(left.values()) > sum(map(len, found.values())):
        message = consumer.poll(30)
        assert message is not None
        assert message.error() is None
        found[message.partition()].append((message.key().decode(), message.value()))
    consumer.close()
    return [record for partition in sorted(found) for record in found[partition]]


# What others read and write


@pytest.mark.parametrize("compression", KINDS)
def test_any_program_can_read_what_was_appended(
    broker: Broker, open_log: Callable[..., KafkaLog], compression: Compression
) -> None:
    log = open_log(broker=replace(broker, compression=compression))
    log.append(ARTICLES, articles(50, text="Wörter. " * 500))
    found = everything(broker, "articles")
    assert sorted(key for key, _ in found) == sorted(one.id for one in articles(50))
    for key, value in found:
        read = json.loads(value or b"")
        assert (read["schema"], read["record"]["id"]) == (ARTICLES.schema, key)
        assert read["record"]["text"] == "Wörter. " * 500


@pytest.mark.parametrize("compression", KINDS)
def test_what_any_program_wrote_is_read(broker: Broker, log: KafkaLog, compression: str) -> None:
    producer = Producer({"bootstrap.servers": ",".join(broker.servers), "compression.type": compression})
    written = articles(50, text="Wörter. " * 500)
    for one in written:
        producer.produce(f"{broker.prefix}articles", key=one.id, value=encode(ARTICLES, one))
    producer.flush(30)
    assert sorted(take(log.reader(ARTICLES, "match"), 50), key=by_number) == written


def by_number(one: Article) -> int:
    return int(one.id.removeprefix("a"))


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_record_in_the_cluster_is_what_the_golden_file_says(
    broker: Broker, log: KafkaLog, stream: Stream[Any]
) -> None:
    golden = (GOLDEN / f"{stream.name}.schema{stream.schema}.json").read_bytes().removesuffix(b"\n")
    record = decode(stream, golden)
    producer = Producer({"bootstrap.servers": ",".join(broker.servers)})
    producer.produce(f"{broker.prefix}{stream.name}", key=stream.key(record), value=golden)
    producer.flush(30)
    read = log.table(stream).changes(0.0).values() if stream.compacted else log.reader(stream, "match").read(1, 30.0)
    assert list(read) == [record]
    log.append(stream, [record])
    assert everything(broker, stream.name) == [(stream.key(record), golden)] * 2


def test_compression_makes_records_smaller_on_the_wire_and_in_the_cluster(
    broker: Broker, open_log: Callable[..., KafkaLog]
) -> None:
    sizes = {}
    for compression in KINDS:
        kept = replace(broker, prefix=f"{broker.prefix}{compression}.", compression=compression)
        make_streams(kept, partitions=1)
        open_log(broker=kept).append(ARTICLES, articles(200, text="The same words again and again. " * 60))
        sizes[compression] = size_of(kept)
    assert sizes["gzip"] < sizes["none"] / 2
    assert sizes["zstd"] < sizes["none"] / 2


def size_of(broker: Broker) -> int:
    from kafka import KafkaAdminClient

    with KafkaAdminClient(bootstrap_servers=list(broker.servers)) as admin:
        partitions = [
            partition
            for node in admin.describe_log_dirs()
            for folder in node["log_dirs"]
            for one in folder["topics"]
            if one["name"] == f"{broker.prefix}articles"
            for partition in one["partitions"]
        ]
    return sum(partition["partition_size"] for partition in partitions)


def test_a_removal_is_a_record_without_value(broker: Broker, log: KafkaLog) -> None:
    log.append(TOPICS, [topic("floods"), Tombstone("floods")])
    assert [value is None for _, value in everything(broker, "topics")] == [False, True]


def test_the_end_of_a_transaction_is_no_record_and_holds_nobody_up(
    broker: Broker, open_log: Callable[..., KafkaLog]
) -> None:
    log = open_log(patience=30.0)
    producer = Producer({"bootstrap.servers": ",".join(broker.servers), "transactional.id": uuid.uuid4().hex})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(f"{broker.prefix}topics", key="floods", value=encode(TOPICS, topic("floods")))
    producer.produce(f"{broker.prefix}articles", key="a0", value=encode(ARTICLES, article("a0")))
    producer.commit_transaction(30)
    table, reader = log.table(TOPICS), log.reader(ARTICLES, "match")
    assert table.changes(0.0) == {"floods": topic("floods")}
    assert table.changes(0.0) == {}
    assert [one.id for one in take(reader, 1)] == ["a0"]
    started = time.monotonic()
    assert list(reader.read(1, 0.0)) == []
    assert time.monotonic() - started < 24  # within its patience


def test_a_record_that_is_too_long_is_cut_and_marked(broker: Broker, open_log: Callable[..., KafkaLog]) -> None:
    log = open_log(broker=replace(broker, max_record=100_000))
    log.append(ARTICLES, [article("a", "word " * 600_000)])
    ((_, value),) = everything(broker, "articles")
    assert 90_000 < len(value or b"") <= 100_000
    (read,) = take(log.reader(ARTICLES, "match"), 1)
    assert read.text.endswith(MARK)


def test_a_record_that_the_cluster_refuses_is_told_and_the_next_one_is_appended(
    broker: Broker, open_log: Callable[..., KafkaLog]
) -> None:
    log = open_log(broker=replace(broker, max_record=3_000_000, compression="none"))
    with pytest.raises(Unusable):
        log.append(ARTICLES, [article("long", "word " * 400_000)])
    log.append(ARTICLES, [article("short")])
    assert [key for key, _ in everything(broker, "articles")] == ["short"]


# Whose records they are


def test_a_batch_that_took_too_long_is_fenced_and_done_by_another_reader(open_log: Callable[..., KafkaLog]) -> None:
    log, other = open_log(batch_time=1.0, session=1.0), open_log()
    log.append(ARTICLES, articles(4))
    reader = log.reader(ARTICLES, "match")
    take(reader, 4)
    again = other.reader(ARTICLES, "match")
    assert len(take(again, 4)) == 4  # that takes until the first one is given up
    again.commit()
    with pytest.raises(Fenced):
        reader.commit()
    with pytest.raises(Fenced):
        reader.read(1, 0.0)


def test_a_reader_that_comes_and_goes_is_noticed_by_nobody(open_log: Callable[..., KafkaLog]) -> None:
    """Each on its own log, as in processes of their own. Nobody is fenced, nothing is lost, nothing comes twice."""
    committed: list[str] = []
    done = threading.Event()
    failures: list[BaseException] = []

    def work(log: KafkaLog, until: threading.Event) -> None:
        reader = log.reader(ARTICLES, "match")
        try:
            while not until.is_set():
                records = reader.read(5, 0.2)
                reader.commit()
                committed.extend(one.id for one in records)
        except (Fenced, Unavailable, AssertionError) as error:
            failures.append(error)
        finally:
            reader.close()

    writer = open_log()
    first = in_thread(lambda: work(open_log(session=1.0), done))
    appended: list[str] = []
    for visit in range(3):
        leave = threading.Event()
        guest_log = open_log(session=1.0)
        guest = in_thread(lambda log=guest_log, leave=leave: work(log, leave))  # type: ignore[misc]
        for number in range(60):
            name = f"{visit}-{number}"
            writer.append(ARTICLES, [article(name)])
            appended.append(name)
        wait_until(lambda: len(committed) >= len(appended) - 20)
        leave.set()
        guest.join(30)
    wait_until(lambda: len(committed) >= len(appended))
    done.set()
    first.join(30)
    assert failures == []
    assert sorted(committed) == sorted(appended)


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_members_that_read_two_streams_in_turns_come_to_rest(
    open_log: Callable[..., KafkaLog], caplog: pytest.LogCaptureFixture
) -> None:
    """A join that is answered while its member reads the other stream is not begun anew, again and again."""
    caplog.set_level(logging.DEBUG, "kafka.coordinator.consumer")
    stop = threading.Event()

    def read_in_turns(log: KafkaLog) -> None:
        live, backfill = log.reader(ARTICLES, "match"), log.reader(BACKFILL, "match")
        while not stop.is_set():
            live.read(16, 0.0)
            backfill.read(16, 0.0)
            live.read(16, 0.25)

    def dealt_out() -> int:
        return sum("Finished assignment" in record.message for record in caplog.records)

    threads = [in_thread(partial(read_in_turns, open_log(joining=0.02))) for _ in range(2)]
    rounds, resting = 0, time.monotonic()
    deadline = resting + 120
    while time.monotonic() - resting < 2.0:
        assert time.monotonic() < deadline, f"{rounds} times the partitions were dealt out, and still it goes on"
        stop.wait(0.05)
        if dealt_out() != rounds:
            rounds, resting = dealt_out(), time.monotonic()
    stop.set()
    for thread in threads:
        thread.join(10)
    assert rounds >= 2


def test_a_reader_that_closes_makes_room_at_once(open_log: Callable[..., KafkaLog]) -> None:
    log, other = open_log(session=60.0), open_log(session=60.0)
    log.append(ARTICLES, articles(20))
    reader = log.reader(ARTICLES, "match")
    take(reader, 20)
    reader.close()
    started = time.monotonic()
    assert len(take(other.reader(ARTICLES, "match"), 20)) == 20
    assert time.monotonic() - started < 30  # a member that just dies is missed after 60


def test_records_in_quarantine_are_done(broker: Broker, open_log: Callable[..., KafkaLog]) -> None:
    log = open_log()
    newer = replace(ARTICLES, schema=ARTICLES.schema + 1)
    log.append(newer, articles(4))
    assert list(log.reader(ARTICLES, "match").read(10, 0.0)) == []
    assert log.lag() == {("articles", "match"): 0}


def test_lag_counts_what_a_group_has_yet_to_commit(broker: Broker, open_log: Callable[..., KafkaLog]) -> None:
    log = open_log()
    foreign = replace(broker, prefix=f"x{broker.prefix}")
    assert log.lag() == {}
    log.append(ARTICLES, articles(10))
    reader = log.reader(ARTICLES, "match")
    take(reader, 4)
    assert log.lag() == {("articles", "match"): 10}  # it has never committed
    reader.commit()
    assert log.lag() == {("articles", "match"): 6}
    take(log.reader(ARTICLES, "audit"), 10)
    assert log.lag() == {("articles", "match"): 6, ("articles", "audit"): 10}
    assert open_log(broker=foreign).lag() == {}


def test_the_cluster_s_operator_sees_who_reads_what(broker: Broker, log: KafkaLog) -> None:
    from kafka import KafkaAdminClient

    log.append(ARTICLES, articles(1))
    take(log.reader(ARTICLES, "match"), 1)
    name = f"{broker.prefix}match.articles"
    with KafkaAdminClient(bootstrap_servers=list(broker.servers)) as admin:
        (member,) = admin.describe_groups([name])[name]["members"]
    assert member["client_id"] == "wirewatch-test"


def test_a_group_has_no_dot_in_its_name(log: KafkaLog) -> None:
    with pytest.raises(ValueError, match="dot"):
        log.reader(ARTICLES, "match.articles").read(1, 0.0)


def test_a_table_tells_how_far_it_has_read(log: KafkaLog) -> None:
    table = log.table(TOPICS)
    assert isinstance(table, Placed)
    assert table.place == ""
    table.changes(0.0)
    log.append(TOPICS, [topic("floods"), topic("fires")])
    table.changes(0.0)
    assert table.place == "0:2"


# Streams


def test_streams_are_made_once_and_described(kafka: KafkaCluster, open_log: Callable[..., KafkaLog]) -> None:
    broker = own_broker(kafka)
    log = open_log(broker=broker)
    name = f"{broker.prefix}articles"
    stream = Wanted(name=name, partitions=5, replication=1, configs={"retention.ms": "12345000"})
    assert log.found([name]) == {name: None}
    log.make([stream])
    log.make([stream])
    found = log.found([name, "never-was"])
    assert found["never-was"] is None
    described = found[name]
    assert described is not None
    assert (described.partitions, described.replication) == (5, 1)
    assert described.configs["retention.ms"] == "12345000"
    assert described.configs["cleanup.policy"] == "delete"
    assert log.brokers() == 1
    log.append(ARTICLES, [article("a")])


def test_more_copies_than_there_are_brokers_is_for_a_person_to_put_right(kafka: KafkaCluster, log: KafkaLog) -> None:
    with pytest.raises(Unusable):
        log.make([Wanted(name=uuid.uuid4().hex, partitions=1, replication=3, configs={})])


def test_a_stream_that_is_not_there_is_told_with_the_command_that_makes_it(
    kafka: KafkaCluster, open_log: Callable[..., KafkaLog]
) -> None:
    log = open_log(broker=own_broker(kafka))
    calls: Sequence[Callable[[], object]] = (
        lambda: log.table(TOPICS).changes(0.0),
        lambda: log.reader(ARTICLES, "match").read(1, 0.0),
    )
    told: list[str] = []

    def fails(call: Callable[[], object]) -> None:
        with pytest.raises(Unusable) as caught:
            call()
        told.append(str(caught.value))

    threads = [in_thread(lambda call=call: fails(call)) for call in calls]  # type: ignore[misc]
    for thread in threads:
        thread.join(30)
    assert len(told) == 2
    assert all("wirewatch streams create" in sentence for sentence in told)


# Without the cluster


def test_opening_a_cluster_s_log_asks_nobody_and_writes_nothing(tmp_path: Path) -> None:
    broker = Broker(servers=("127.0.0.1:1",))
    started = time.monotonic()
    opened = opening.open_log(
        "kafka://127.0.0.1:1", tmp_path / "data", quarantine=FakeQuarantine(), clock=FakeClock(), broker=broker
    )
    assert isinstance(opened, KafkaLog)
    assert time.monotonic() - started < 5  # who asks is patient for ten
    assert opened.trim(0.0) == 0
    opened.close()
    assert not (tmp_path / "data").exists()


def test_what_cannot_be_reached_is_unavailable_and_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    for _ in range(2):
        log = KafkaLog(Broker(servers=("127.0.0.1:1",)), quarantine=FakeQuarantine(), clock=FakeClock(), patience=0.3)
        calls: Sequence[Callable[[], object]] = (
            lambda log=log: log.append(ARTICLES, articles(1)),  # type: ignore[misc]
            lambda log=log: log.reader(ARTICLES, "match").read(1, 0.0),  # type: ignore[misc]
            lambda log=log: log.table(TOPICS).changes(0.0),  # type: ignore[misc]
            log.lag,
            log.brokers,
        )
        for call in calls:
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
                call()
        log.close()
    assert threading.active_count() <= before, threading.enumerate()


def test_a_closed_log_is_unavailable_and_has_no_threads(broker: Broker) -> None:
    before = threading.active_count()
    log = KafkaLog(broker, quarantine=FakeQuarantine(), clock=FakeClock())
    reader, table = log.reader(ARTICLES, "match"), log.table(TOPICS)
    log.append(ARTICLES, articles(3))
    take(reader, 3)
    table.changes(0.0)
    log.lag()
    log.close()
    assert threading.active_count() <= before, threading.enumerate()
    calls: Sequence[Callable[[], object]] = (
        lambda: log.append(ARTICLES, articles(1)),
        lambda: reader.read(1, 0.0),
        reader.commit,
        lambda: table.changes(0.0),
        log.lag,
    )
    for call in calls:
        with pytest.raises(Unavailable):
            call()


def test_an_outage_is_told_by_every_call_and_ends_by_itself(
    kafka: KafkaCluster, open_log: Callable[..., KafkaLog]
) -> None:
    """What is open stays open, and nothing of what waits is kept in memory beyond its bound."""
    log = open_log(patience=1.0, in_flight=2_000_000)
    log.append(ARTICLES, articles(3))
    reader, table = log.reader(ARTICLES, "match"), log.table(TOPICS)
    take(reader, 3)
    table.changes(0.0)
    told: list[BaseException] = []

    def fails(call: Callable[[], object]) -> None:
        with pytest.raises(Unavailable) as caught:
            call()
        told.append(caught.value)

    large = [articles(10, prefix=f"{number}-", text="x" * 100_000) for number in range(20)]
    tracemalloc.start()
    with paused(kafka):
        calls: list[Callable[[], object]] = [
            *(lambda batch=batch: log.append(ARTICLES, batch) for batch in large),  # type: ignore[misc]
            lambda: reader.read(1, 0.0),
            lambda: table.changes(0.0),
            log.lag,
        ]
        threads = [in_thread(lambda call=call: fails(call)) for call in calls]  # type: ignore[misc]
        for thread in threads:
            thread.join(30)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(told) == len(calls)
    assert peak < 20 * 1_000_000 + 3 * 2_000_000 + 5_000_000  # what the callers hold, what is on its way, the rest
    log.append(ARTICLES, [article("after")])
    log.append(TOPICS, [topic("floods")])
    assert table.changes(0.0) == {"floods": topic("floods")}
    read = [one.id for one in reader.read(1_000, 30.0)]
    while "after" not in read:
        read += [one.id for one in reader.read(1_000, 30.0)]
    reader.commit()
    assert log.lag()["articles", "match"] >= 0


def test_a_log_is_closed_during_an_outage_whatever_waits_for_an_answer(
    kafka: KafkaCluster, open_log: Callable[..., KafkaLog]
) -> None:
    before = threading.active_count()
    log = open_log(patience=30.0)
    log.append(ARTICLES, articles(3))
    reader, table = log.reader(ARTICLES, "match"), log.table(TOPICS)
    take(reader, 3)
    table.changes(0.0)
    calls: Sequence[Callable[[], object]] = (
        lambda: log.append(ARTICLES, articles(500)),
        lambda: reader.read(1, 0.0),
        lambda: table.changes(0.0),
    )
    told: list[BaseException] = []

    def fails(call: Callable[[], object]) -> None:
        with pytest.raises(Unavailable) as caught:
            call()
        told.append(caught.value)

    with paused(kafka):
        threads = [in_thread(lambda call=call: fails(call)) for call in calls]  # type: ignore[misc]
        started = time.monotonic()
        log.close()
        for thread in threads:
            thread.join(30)
        assert time.monotonic() - started < 15  # of the 30 that each would wait
    assert len(told) == len(calls)
    assert threading.active_count() <= before, threading.enumerate()


def test_no_acknowledged_record_is_lost_when_a_broker_is_killed(tmp_path: Path) -> None:
    """kill -9 of the broker that leads, under load; equal keys stay in order, a repeat may follow its first."""
    cluster = KafkaCluster(tmp_path, nodes=3)
    acknowledged: Mapping[str, list[int]] = defaultdict(list)
    killed = threading.Event()
    with closing(cluster):
        cluster.start()
        broker = own_broker(cluster)
        make_streams(broker, partitions=6, replication=3)
        log = KafkaLog(broker, quarantine=FakeQuarantine(), clock=FakeClock(), patience=10.0)

        def append(name: str) -> None:
            after = 0
            while after < 20:
                number = len(acknowledged[name])
                try:
                    log.append(ARTICLES, [replace(article(name), revision=number)])
                except Unavailable:
                    continue
                acknowledged[name].append(number)
                after += killed.is_set()

        with closing(log):
            threads = [in_thread(lambda name=name: append(name)) for name in ("a", "b", "c", "d")]  # type: ignore[misc]
            wait_until(lambda: all(len(acknowledged[name]) > 50 for name in "abcd"))
            cluster.kill(1)
            killed.set()
            started = time.monotonic()
            for thread in threads:
                thread.join(60)
            assert time.monotonic() - started < 15
        kept: Mapping[str, list[int]] = defaultdict(list)
        for key, value in everything(replace(broker, servers=broker.servers[1:]), "articles"):
            number = json.loads(value or b"")["record"]["revision"]
            if number not in kept[key]:
                kept[key].append(number)
        for name in "abcd":
            assert kept[name][: len(acknowledged[name])] == acknowledged[name]
