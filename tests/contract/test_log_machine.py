"""Any interleaving of append, read, commit, crash and two readers of one group, over every implementation."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from consumers.model import ARTICLES, Article, Stream
from daemon.errors import Fenced
from daemon.log import Reader
from tests.contract.kafka_logs import KafkaUnderTest
from tests.contract.logs import LogUnderTest, MemoryUnderTest, SqliteUnderTest
from tests.fake_log import article

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

NEWER = Stream("articles", Article, lambda article: article.id, schema=ARTICLES.schema + 1)
READERS = st.integers(0, 1)
Record = tuple[str, int]  # key, and its number among the records of the key


class Place:
    """One of the group's readers: open or not, with what it has read and not yet committed."""

    def __init__(self) -> None:
        self.reader: Reader[Article] | None = None
        self.in_hand: list[Record] = []

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.reader, self.in_hand = None, []


class AnyInterleaving(RuleBasedStateMachine):
    """Every record is committed exactly once by the group, or set aside where it is poison, in order per key."""

    under_test: Callable[[Path], LogUnderTest]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.appended: dict[str, list[int]] = defaultdict(list)
        self.poison: set[str] = set()
        self.committed: list[Record] = []
        self.places = [Place(), Place()]

    @initialize()
    def open(self) -> None:
        self.logs = type(self).under_test(Path(self.folder.name))
        self.log = self.logs.open()

    @rule(keys=st.lists(st.sampled_from("abc"), max_size=5))
    def append(self, keys: list[str]) -> None:
        records = []
        for key in keys:
            number = len(self.appended[key])
            self.appended[key].append(number)
            records.append(replace(article(key), revision=number))
        self.log.append(ARTICLES, records)

    @precondition(lambda self: len(self.poison) < 5)
    @rule()
    def append_poison(self) -> None:
        name = f"poison{len(self.poison)}"
        self.poison.add(name)
        self.log.append(NEWER, [article(name)])

    @rule(which=READERS, limit=st.integers(1, 4))
    def read(self, which: int, limit: int) -> None:
        place = self.places[which]
        if place.reader is None:
            place.reader = self.log.reader(ARTICLES, "match")
        try:
            records = place.reader.read(limit, 0.0)
        except Fenced:
            place.close()
            return
        assert len(records) <= limit
        place.in_hand += [(record.id, record.revision) for record in records]

    @rule(which=READERS)
    def commit(self, which: int) -> None:
        place = self.places[which]
        if place.reader is None:
            return
        try:
            place.reader.commit()
        except Fenced:
            place.close()
            return
        self.committed += place.in_hand
        place.in_hand = []

    @rule(which=READERS)
    def close(self, which: int) -> None:
        self.places[which].close()

    @rule()
    def crash(self) -> None:
        """Nothing in hand survives; what was appended and committed does."""
        self.log.close()
        for place in self.places:
            place.close()
        self.log = self.logs.open()

    def teardown(self) -> None:
        try:
            self.crash()
            self.drain()
            self.check()
        finally:
            self.log.close()
            self.folder.cleanup()

    def drain(self) -> None:
        reader = self.log.reader(ARTICLES, "match")
        while True:
            try:
                records = reader.read(3, 0.0) or self.late(reader)
                reader.commit()
            except Fenced:  # of a busy machine nothing was heard for the second that a member has
                reader.close()
                reader = self.log.reader(ARTICLES, "match")
                continue
            self.committed += [(record.id, record.revision) for record in records]
            if not records:
                break
        reader.close()

    def late(self, reader: Reader[Article]) -> Sequence[Article]:
        """A read may give nothing while the group is shared out anew; that must not go on for long."""
        deadline = time.monotonic() + 120
        records: Sequence[Article] = []
        while self.missing() and not records and time.monotonic() < deadline:
            records = reader.read(3, 1.0)
        return records

    def missing(self) -> bool:
        everything = sum(map(len, self.appended.values()))
        return len(self.committed) < everything or len(self.logs.quarantine.letters) < len(self.poison)

    def check(self) -> None:
        for key, numbers in self.appended.items():
            assert [number for committed, number in self.committed if committed == key] == numbers
        assert len(self.committed) == sum(map(len, self.appended.values()))
        assert len(self.logs.quarantine.letters) == len(self.poison)


class OverSqlite(AnyInterleaving):
    under_test = SqliteUnderTest


class OverMemory(AnyInterleaving):
    under_test = MemoryUnderTest


QUICK = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_any_interleaving_over_sqlite_commits_every_record_exactly_once() -> None:
    run_state_machine_as_test(OverSqlite, settings=QUICK)


def test_any_interleaving_over_memory_commits_every_record_exactly_once() -> None:
    run_state_machine_as_test(OverMemory, settings=QUICK)


def test_any_interleaving_over_kafka_commits_every_record_exactly_once(kafka: "KafkaCluster") -> None:
    """What takes long is a reader's wait for its place, while the other one, in the same thread, cannot make room."""

    class OverKafka(AnyInterleaving):
        under_test = staticmethod(lambda _: KafkaUnderTest(kafka, joining=0.3, session=1.0))

    few = settings(QUICK, max_examples=5, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(OverKafka, settings=few)
