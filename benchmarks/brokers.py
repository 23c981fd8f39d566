"""What a cluster of three brokers may do to the log: a kill -9, a pause of half a minute, a rolling restart.

    python -m benchmarks.brokers [--pause 30] [--quiet 10]

One thread appends numbered articles of 2 kB under forty keys, two readers of one group read and commit them, each with
a ``KafkaLog`` of its own; meanwhile the brokers are treated badly. At the end: every acknowledged article was read, the
articles of a key in their order (a repeat after a failed append is allowed, a step back is not), and how long appending
and reading stood still at the most.
"""

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.log import article
from consumers.model import ARTICLES, Article
from daemon.clock import SystemClock
from daemon.errors import Fenced, Unavailable
from daemon.log import DeadLetter
from daemon.log.broker import Broker, StreamPlan
from daemon.log.kafka import KafkaLog
from daemon.log.streams import prepare
from tests.servers.kafka import KafkaCluster

KEYS = 40
STALL = 15.0  # seconds; the longest that is allowed


def no_quarantine(letters: Sequence[DeadLetter]) -> None:
    raise AssertionError(letters)


@dataclass
class Gaps:
    """The longest time between two successes, by what was done to the cluster meanwhile."""

    last: float = field(default_factory=time.monotonic)
    longest: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def success(self, phase: str) -> None:
        now = time.monotonic()
        self.longest[phase] = max(self.longest[phase], now - self.last)
        self.last = now


class Traffic:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.phase = "nothing"
        self.stop, self.appended = threading.Event(), threading.Event()
        self.acknowledged: dict[str, int] = {}  # by key: the last number
        self.read: dict[str, list[int]] = defaultdict(list)
        self.appending, self.reading = Gaps(), Gaps()
        self.failed: list[BaseException] = []
        self._lock = threading.Lock()

    def log(self, name: str) -> KafkaLog:
        return KafkaLog(replace(self.broker, client=name), quarantine=no_quarantine, clock=SystemClock())

    def append(self) -> None:
        with closing(self.log("appender")) as log:
            for number in itertools.count():
                if self.stop.is_set():
                    break
                batch = [replace(article(key), revision=number) for key in range(KEYS)]
                while True:
                    try:
                        log.append(ARTICLES, batch)
                        break
                    except Unavailable:
                        self.stop.wait(0.1)
                self.acknowledged.update({one.id: number for one in batch})
                self.appending.success(self.phase)
        self.appended.set()

    def consume(self, name: str) -> None:
        with closing(self.log(name)) as log:
            while not self._all_read():
                with closing(log.reader(ARTICLES, "audit")) as reader:
                    try:
                        while not self._all_read():
                            records = reader.read(64, 0.5)
                            self._note(records)  # handed over first: a commit may take effect and its answer be lost
                            reader.commit()
                    except (Fenced, Unavailable):
                        self.stop.wait(0.1)

    def _note(self, records: Sequence[Article]) -> None:
        with self._lock:
            for one in records:
                self.read[one.id].append(one.revision)
            if records:
                self.reading.success(self.phase)

    def _all_read(self) -> bool:
        with self._lock:
            return self.appended.is_set() and all(
                key in self.read and self.read[key][-1] >= number for key, number in self.acknowledged.items()
            )

    def watched(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.failed.append(error)
                raise

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


def wrong_in(traffic: Traffic) -> list[str]:
    wrong = [f"a thread failed: {error!r}" for error in traffic.failed]
    for key, last in traffic.acknowledged.items():
        numbers = traffic.read[key]
        if missing := set(range(last + 1)) - set(numbers):
            wrong.append(f"{len(missing)} acknowledged articles of the key {key} were not read")
        first = list(dict.fromkeys(numbers))
        if first != sorted(first):
            wrong.append(f"the articles of the key {key} came out of order")
    for what, gaps in (("appending", traffic.appending), ("reading", traffic.reading)):
        wrong += [
            f"{what} stood still for {seconds:.1f} s during: {phase}"
            for phase, seconds in gaps.longest.items()
            if seconds > STALL
        ]
    return wrong


def treat_badly(cluster: KafkaCluster, traffic: Traffic, pause: float, quiet: float) -> None:
    wait = threading.Event().wait

    def kill() -> None:
        cluster.kill(1)
        wait(quiet)
        cluster.revive(1)

    def hang() -> None:
        cluster.pause(2)
        wait(pause)
        cluster.resume(2)

    def roll() -> None:
        for node in (1, 2, 3):
            cluster.stop(node)
            cluster.revive(node)
            cluster.await_in_sync()

    for phase, deed in (("a broker killed -9", kill), ("a broker paused", hang), ("a rolling restart", roll)):
        cluster.await_in_sync()
        wait(quiet)
        traffic.phase = phase
        print(phase, flush=True)
        deed()
        wait(quiet)
        traffic.phase = "nothing"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pause", type=float, default=30)
    parser.add_argument("--quiet", type=float, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, closing(KafkaCluster(Path(folder), 3)) as cluster:
        cluster.start()
        broker = Broker(servers=tuple(cluster.bootstrap.split(",")), prefix="bench.")
        traffic = Traffic(broker)
        with closing(traffic.log("maker")) as maker:
            prepare(maker, broker, StreamPlan(partitions=6), create=True)
        threads = [traffic.watched(traffic.append)]
        threads += [traffic.watched(lambda name=name: traffic.consume(name)) for name in ("reader-1", "reader-2")]  # type: ignore[misc]
        treat_badly(cluster, traffic, given.pause, given.quiet)
        traffic.stop.set()
        for thread in threads:
            thread.join(120)
    wrong = wrong_in(traffic)
    total = sum(last + 1 for last in traffic.acknowledged.values())
    repeats = sum(map(len, traffic.read.values())) - sum(len(set(numbers)) for numbers in traffic.read.values())
    print(f"{total:,} articles acknowledged and read, {repeats} of them more than once")
    for what, gaps in (("appending", traffic.appending), ("reading", traffic.reading)):
        said = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in gaps.longest.items())
        print(f"{what} stood still for at most: {said}")
    print("\n".join(f"WRONG: {sentence}" for sentence in wrong) or "nothing lost, every key in its order")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
