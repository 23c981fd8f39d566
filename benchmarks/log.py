"""What the log adds to the passage of an article: beside bare sqlite3 and bare kafka-python in the same run.

    python -m benchmarks.log [--log both] [--articles 5000] [--batch 64] [--rounds 15]

Articles of about 2 kB are appended in batches; then they are read and committed in batches. Three do so in turn, in
every round: the log; bare, which does the same durable work with the same JSON of the same articles and nothing else,
so that the difference is what the log itself adds; and bare with bytes that lie ready and are not looked at, so that
the difference is what JSON and the log add together. Bare sqlite3 has a table of payloads and the log's pragmas; bare
kafka-python has the log's own settings, keys and streams, on one real broker in a temporary folder.
"""

import argparse
import random
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Protocol

from benchmarks.invented import words
from consumers.model import ARTICLES, Article
from daemon.clock import SystemClock
from daemon.log import DeadLetter, Log
from daemon.log.broker import Broker, StreamPlan
from daemon.log.codec import decode, encode
from daemon.log.sqlite import SqliteLog

GROUP = "match"
OURS = "log"
SAME_JSON = "bare, same JSON"
BYTES = "bare, bytes"
MISSING = 30.0  # seconds without a record, after which a reader gives up


def article(number: int) -> Article:
    """In words drawn anew for each, so that it compresses no better than a report does."""
    told = words(random.Random(number), 230)
    paragraphs = [" ".join(told[start : start + 46]) for start in range(0, len(told), 46)]
    text = "\n\n".join(f"“{each.capitalize()}.”" for each in paragraphs)
    return Article(id=f"{number:032x}", feed_id="feed", source="example.org", title="A title", text=text, seen=1.0)


@dataclass(frozen=True)
class Form:
    """What bare does with an article's bytes."""

    write: Callable[[Article], bytes]
    parse: Callable[[bytes], object] | None


def same_json() -> Form:
    return Form(write=partial(encode, ARTICLES), parse=partial(decode, ARTICLES))


def ready_bytes(articles: Sequence[Article]) -> Form:
    ready = {one.id: encode(ARTICLES, one) for one in articles}
    return Form(write=lambda one: ready[one.id], parse=None)


class Passage(Protocol):
    def append(self, batch: Sequence[Article]) -> None:
        """Returns when all of them are durable."""
        ...

    def read(self, limit: int) -> int:
        """Reads and commits at most ``limit``; returns how many there were."""
        ...


Opened = Callable[[], AbstractContextManager[Passage]]


class ThroughLog:
    """As the pump does it: what is there is asked for without waiting."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._reader = log.reader(ARTICLES, GROUP)

    def append(self, batch: Sequence[Article]) -> None:
        self._log.append(ARTICLES, batch)

    def read(self, limit: int) -> int:
        records = self._reader.read(limit, 0.0)
        if records:
            self._reader.commit()
        return len(records)

    def close(self) -> None:
        self._reader.close()
        self._log.close()


class BareSqlite:
    def __init__(self, path: Path, form: Form) -> None:
        self._form = form
        self._position = 0
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(
            """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
            CREATE TABLE records (position INTEGER PRIMARY KEY, payload BLOB);
            CREATE TABLE place (position INTEGER); INSERT INTO place VALUES (0);"""
        )

    def append(self, batch: Sequence[Article]) -> None:
        rows = [(self._form.write(one),) for one in batch]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO records (payload) VALUES (?)", rows)
        self._connection.execute("COMMIT")

    def read(self, limit: int) -> int:
        query = "SELECT position, payload FROM records WHERE position > ? ORDER BY position LIMIT ?"
        rows = self._connection.execute(query, (self._position, limit)).fetchall()
        if self._form.parse is not None:
            _ = [self._form.parse(payload) for _, payload in rows]
        if rows:
            self._position = rows[-1][0]
            self._connection.execute("UPDATE place SET position = ?", (self._position,))
        return len(rows)

    def close(self) -> None:
        self._connection.close()


class BareKafka:
    def __init__(self, broker: Broker, form: Form) -> None:
        from kafka import KafkaConsumer, KafkaProducer

        from daemon.log.kafka_access import Options

        options = Options(broker, None, patience=10.0, session=10.0, batch_time=300.0)  # KafkaLog's own
        self._form = form
        self._stream = broker.prefix + ARTICLES.name
        self._producer = KafkaProducer(**options.producing())
        self._consumer = KafkaConsumer(self._stream, **options.joining(f"{broker.prefix}{GROUP}"))

    def append(self, batch: Sequence[Article]) -> None:
        sent = [self._producer.send(self._stream, key=one.id.encode(), value=self._form.write(one)) for one in batch]
        for future in sent:
            future.get(10)

    def read(self, limit: int) -> int:
        polled = self._consumer.poll(timeout_ms=200, max_records=limit)
        records = [record for part in polled.values() for record in part]
        if self._form.parse is not None:
            _ = [self._form.parse(record.value) for record in records]
        if records:
            self._consumer.commit()
        return len(records)

    def close(self) -> None:
        self._consumer.close(autocommit=False)
        self._producer.close()


def no_quarantine(letters: Sequence[DeadLetter]) -> None:
    raise AssertionError(letters)


@contextmanager
def on_sqlite(form: Form | None) -> Iterator[Passage]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.sqlite"
        passage: ThroughLog | BareSqlite
        if form is None:
            passage = ThroughLog(SqliteLog(path, quarantine=no_quarantine, clock=SystemClock()))
        else:
            passage = BareSqlite(path, form)
        with closing(passage):
            yield passage


@contextmanager
def on_kafka(servers: tuple[str, ...], form: Form | None) -> Iterator[Passage]:
    """Each with a stream of its own, made as the log makes it."""
    from daemon.log.kafka import KafkaLog
    from daemon.log.streams import wanted

    broker = Broker(servers=servers, prefix=f"{uuid.uuid4().hex[:8]}.")
    log = KafkaLog(broker, quarantine=no_quarantine, clock=SystemClock())
    with closing(log):
        log.make(wanted([ARTICLES], StreamPlan(replication=1, min_insync=1), broker))
        with closing(ThroughLog(log) if form is None else BareKafka(broker, form)) as passage:
            yield passage


def passed(passage: Passage, articles: Sequence[Article], batch: int) -> tuple[float, float]:
    """Seconds to append, and to read and commit. Connecting and joining a group are over before."""
    _read_all(passage, batch, len(articles[:batch]), after=lambda: passage.append(articles[:batch]))
    started = time.perf_counter()
    for start in range(0, len(articles), batch):
        passage.append(articles[start : start + batch])
    appended = time.perf_counter()
    _read_all(passage, batch, len(articles))
    return appended - started, time.perf_counter() - appended


def _read_all(passage: Passage, limit: int, count: int, after: Callable[[], None] = lambda: None) -> None:
    after()
    deadline = time.monotonic() + MISSING
    while count > 0:
        if found := passage.read(limit):
            count -= found
            deadline = time.monotonic() + MISSING
        elif time.monotonic() > deadline:
            raise AssertionError(f"{count} records do not arrive")


def compare(contenders: Mapping[str, Opened], articles: Sequence[Article], batch: int, rounds: int) -> None:
    """One after the other, in another order every round."""
    names = list(contenders)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with contenders[name]() as passage:
                taken[name].append(passed(passage, articles, batch))
    for name in names:
        append, read = (len(articles) / median(one[part] for one in taken[name]) for part in (0, 1))
        whole = len(articles) / median(map(sum, taken[name]))
        print(f"  {name:16} append {append:8,.0f}/s   read and commit {read:8,.0f}/s   both {whole:8,.0f}/s")
    for name, adds in ((SAME_JSON, "the log adds"), (BYTES, "JSON and the log add")):
        parts = [_overhead(taken[OURS], taken[name], part) for part in (0, 1)]
        whole = _overhead([(sum(one), 0) for one in taken[OURS]], [(sum(one), 0) for one in taken[name]], 0)
        print(f"  {adds:20} {whole:+.0%} to the passage (append {parts[0]:+.0%}, read and commit {parts[1]:+.0%})")


def _overhead(ours: Sequence[tuple[float, float]], bare: Sequence[tuple[float, float]], part: int) -> float:
    """The median over the rounds: those of one round ran side by side on a machine that may do other work."""
    return median(one[part] / other[part] for one, other in zip(ours, bare, strict=True)) - 1


def main() -> None:
    options = argparse.ArgumentParser(description="What the log adds to bare sqlite3 and bare kafka-python.")
    options.add_argument("--log", choices=["sqlite", "kafka", "both"], default="both")
    options.add_argument("--articles", type=int, default=5_000)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--rounds", type=int, default=15)
    given = options.parse_args()
    articles = [article(number) for number in range(given.articles)]
    size = len(encode(ARTICLES, articles[0]))
    print(f"{given.articles:,} articles of {size:,} bytes in batches of {given.batch}, median of {given.rounds} rounds")
    forms: dict[str, Form | None] = {OURS: None, SAME_JSON: same_json(), BYTES: ready_bytes(articles)}
    if given.log != "kafka":
        print("SQLite", flush=True)
        compare({name: partial(on_sqlite, form) for name, form in forms.items()}, articles, given.batch, given.rounds)
    if given.log != "sqlite":
        with ExitStack() as stack:
            servers = one_broker(stack)
            print("Kafka", flush=True)
            contenders = {name: partial(on_kafka, servers, form) for name, form in forms.items()}
            compare(contenders, articles, given.batch, given.rounds)


def one_broker(stack: ExitStack) -> tuple[str, ...]:
    from tests.servers.kafka import KafkaCluster

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewatch-kafka-")))
    cluster = KafkaCluster(folder)
    stack.callback(cluster.close)
    cluster.start()
    return tuple(cluster.bootstrap.split(","))


if __name__ == "__main__":
    main()
