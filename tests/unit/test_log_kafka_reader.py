"""A group's place in a stream of Kafka's, whatever its client does in between: no cluster, every event in its turn."""

import threading
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from consumers.model import ARTICLES, TOPICS, Article, Stream, Topic
from daemon.errors import Fenced, Unavailable
from daemon.log.codec import encode
from daemon.log.decoder import Decoder
from daemon.log.kafka_reader import Fetched, KafkaReader, KafkaTable
from tests.fake_log import FakeClock, FakeQuarantine, article, topic


@dataclass(frozen=True)
class Lying:
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass
class FakeClient:
    """One partition. Like kafka-python it keeps its place over a rebalance, and counts what nobody saw as read."""

    records: list[Lying] = field(default_factory=list)
    committed: int = 0
    generation: Hashable | None = 1
    place: int = 0
    before_poll: Callable[[], None] = lambda: None
    after_poll: Callable[[], None] = lambda: None
    refused: bool = False
    closed: bool = False

    def add(self, *articles: Article) -> None:
        for one in articles:
            self.records.append(Lying(0, len(self.records), one.id.encode(), encode(ARTICLES, one)))

    def membership(self) -> Hashable | None:
        return self.generation

    def poll(self, limit: int, seconds: float) -> Sequence[Fetched]:
        self.before_poll()
        found = self.records[self.place : self.place + limit]
        self.place += len(found)
        self.after_poll()
        return found

    def partitions(self) -> Collection[int]:
        return [0]

    def places(self) -> Mapping[int, int]:
        return {0: self.place}

    def ends(self) -> Mapping[int, int]:
        return {0: len(self.records)}

    def go_to(self, places: Mapping[int, int]) -> None:
        self.place = places.get(0, self.committed)

    def commit(self, places: Mapping[int, int]) -> None:
        if self.refused:
            raise Fenced("too late")
        self.committed = places[0]

    def close(self) -> None:
        self.closed = True


def reading(client: FakeClient, quarantine: FakeQuarantine | None = None) -> KafkaReader[Article]:
    return KafkaReader(
        ARTICLES,
        "match",
        connect=lambda: client,
        decoder=decoding(ARTICLES, quarantine or FakeQuarantine()),
        closing=threading.Event(),
        patience=0.05,
        joining=0.0,
    )


def decoding(stream: Stream[Article], quarantine: FakeQuarantine) -> Decoder[Article]:
    return Decoder(stream, "match", quarantine=quarantine, clock=FakeClock(), limit=5)


def read(reader: KafkaReader[Article], limit: int = 10) -> list[str]:
    return [one.id for one in reader.read(limit, 0.0)]


def once(event: Callable[[], None]) -> Callable[[], None]:
    """The event, the first time."""
    left = [event]
    return lambda: left.pop()() if left else None


def fail() -> None:
    raise Unavailable("away")


@pytest.fixture
def client() -> FakeClient:
    client = FakeClient()
    client.add(article("a"), article("b"), article("c"))
    return client


def test_after_a_rebalance_it_goes_on_at_the_group_s_commit_wherever_it_was_before(client: FakeClient) -> None:
    reader = reading(client)
    assert read(reader, 1) == ["a"]
    reader.commit()

    def others_had_the_partition() -> None:
        client.generation, client.committed = 3, 2  # a rebalance that it was too late for, and the next one

    client.before_poll = once(others_had_the_partition)
    assert read(reader) == ["c"]


def test_what_a_poll_returns_in_which_the_group_was_shared_out_anew_is_not_given(client: FakeClient) -> None:
    reader = reading(client)
    client.after_poll = once(lambda: setattr(client, "generation", 2))
    assert read(reader) == ["a", "b", "c"]
    reader.commit()
    assert client.committed == 3


def test_a_poll_that_fails_after_it_counted_records_as_read_skips_none(client: FakeClient) -> None:
    reader = reading(client)
    client.after_poll = once(fail)
    with pytest.raises(Unavailable):
        read(reader)
    assert read(reader) == ["a", "b", "c"]


def test_a_poll_that_fails_repeats_nothing_that_somebody_holds(client: FakeClient) -> None:
    reader = reading(client)
    assert read(reader, 1) == ["a"]
    client.after_poll = once(fail)
    with pytest.raises(Unavailable):
        read(reader)
    assert read(reader) == ["b", "c"]
    reader.commit()
    assert client.committed == 3


@pytest.mark.parametrize("generation", [2, None])
def test_who_holds_records_and_lost_the_place_is_fenced_for_good(client: FakeClient, generation: int | None) -> None:
    reader = reading(client)
    assert read(reader) == ["a", "b", "c"]
    client.generation = generation
    for _ in range(2):
        with pytest.raises(Fenced):
            reader.commit()
        with pytest.raises(Fenced):
            read(reader)
    assert client.committed == 0


def test_who_reads_on_while_the_group_is_shared_out_anew_is_fenced(client: FakeClient) -> None:
    reader = reading(client)
    assert read(reader, 1) == ["a"]
    client.before_poll = once(lambda: setattr(client, "generation", None))
    with pytest.raises(Fenced):
        read(reader)


def test_a_commit_that_the_group_refuses_is_fenced(client: FakeClient) -> None:
    reader = reading(client)
    read(reader)
    client.refused = True
    with pytest.raises(Fenced):
        reader.commit()


def test_a_commit_that_did_not_get_through_can_be_repeated(client: FakeClient) -> None:
    reader = reading(client)
    read(reader)
    commit, client.commit = client.commit, lambda _: fail()  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        reader.commit()
    client.commit = commit  # type: ignore[method-assign]
    reader.commit()
    assert client.committed == 3


def test_records_that_wait_for_the_quarantine_are_dropped_when_they_are_somebody_else_s(client: FakeClient) -> None:
    quarantine = FakeQuarantine(down=True)
    client.records[1] = replace(client.records[1], value=b"poison")
    reader = reading(client, quarantine)
    with pytest.raises(Unavailable):
        read(reader)
    quarantine.down = False
    client.generation, client.committed = 2, 2
    assert read(reader) == ["c"]
    assert quarantine.letters == {}


def test_records_that_are_there_and_do_not_arrive_are_not_called_nothing(client: FakeClient) -> None:
    reader = reading(client)
    client.poll = lambda limit, seconds: ()  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        read(reader)


def test_without_a_place_in_the_group_there_is_nothing_to_read(client: FakeClient) -> None:
    client.generation = None
    reader = reading(client)
    assert read(reader) == []
    client.before_poll = once(lambda: setattr(client, "generation", 1))
    assert read(reader) + read(reader) == ["a", "b", "c"]


def test_nothing_is_read_once_the_log_is_closed(client: FakeClient) -> None:
    reader = reading(client)
    read(reader)
    reader.close()
    assert client.closed
    with pytest.raises(Unavailable):
        reader.commit()
    with pytest.raises(Unavailable):
        read(reader)


# Tables


def following(client: FakeClient) -> KafkaTable[Topic]:
    decoder = Decoder(TOPICS, "table", quarantine=FakeQuarantine(), clock=FakeClock(), limit=5)
    return KafkaTable(TOPICS, connect=lambda: client, decoder=decoder, closing=threading.Event(), patience=0.05)


def test_a_table_that_loses_a_poll_misses_no_change() -> None:
    client = FakeClient()
    table = following(client)
    assert table.changes(0.0) == {}
    client.records.append(Lying(0, 0, b"floods", encode(TOPICS, topic("floods"))))
    client.after_poll = once(fail)
    with pytest.raises(Unavailable):
        table.changes(0.0)
    assert table.changes(0.0) == {"floods": topic("floods")}
    assert table.place == "0:1"


def test_a_table_waits_for_what_was_appended_before_it_was_asked() -> None:
    client = FakeClient(records=[Lying(0, 0, b"floods", encode(TOPICS, topic("floods")))])
    table = following(client)
    client.poll = lambda limit, seconds: ()  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        table.changes(0.0)
