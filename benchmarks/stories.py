"""Matched articles through stories, alerts and the ledger: how many a second, what they cost, and what is kept of them.

    python -m benchmarks.stories [--articles 6000] [--topics 50] [--days 30] [--a-day 100]

Invented news of 400 to 700 words with vectors of 384 numbers: first reports, follow-ups with new numbers, copies of a
text and newer versions. They lie in the log; the alerting role reads them, finds their stories, decides and records, on
SQLite, with its transactions. *Spread* over the topics, and *one topic* that holds as many articles as one may.
Where the time goes is sampled every millisecond of CPU time, by the innermost part that is at work.

Then a month with its clock: ``--a-day`` matches a day of each of 40 topics, old stories forgotten each night as in the
daemon. Memory is flat when its second half adds nothing.
"""

import argparse
import gc
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np
import psutil  # type: ignore[import-untyped]
from sqlalchemy import update

from benchmarks.invented_stories import Newsroom
from consumers.alerting import Alerter, Decisions
from consumers.model import MATCHES, TOPICS, Match, Topic
from daemon.clock import SystemClock
from daemon.log import DeadLetter
from daemon.log.sqlite import SqliteLog
from daemon.roles import Alerting, Teller
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.feeds import FeedStates
from daemon.store.opening import open_store
from daemon.store.retention import Retention
from daemon.store.stories import Stories
from daemon.store.tables import deliveries

DAY = 86_400.0
START = 1_790_000_000.0
GOAL = 200.0  # articles a second
BATCH = 16  # of the pump
FLAT = 0.5  # MB a day
END = "the end"

# Module and function at the beginning of each part; the innermost one that is at work gets the time.
PARTS = {
    ("story_members", "member_of"): "features",
    ("stories", "_repeated"): "likeness",
    ("stories", "_best"): "likeness",
    ("story_reports", "with_copies"): "copies",
    ("stories", "_merge"): "merging",
    ("updates", "grown"): "novelty",
    ("stories", "record"): "record",
    ("stories", "restore"): "restore",
    ("stories", "recorded"): "look up",
    ("stories", "turns"): "look up",
    ("pump", "_read"): "the log",
    ("sqlite_reader", "commit"): "the log",
}


class Sampled:
    """A sampling profiler of the main thread, in CPU time."""

    def __init__(self) -> None:
        self.parts = Counter[str]()

    @contextmanager
    def running(self) -> Iterator[None]:
        before = signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _take(self, _: int, frame: FrameType | None) -> None:
        while frame is not None:
            code = frame.f_code
            if part := PARTS.get((Path(code.co_filename).stem, code.co_name)):
                self.parts[part] += 1
                return
            frame = frame.f_back
        self.parts["the rest"] += 1


@dataclass
class Counted:
    """Sets ``done`` with the match that ends the run."""

    done: threading.Event = field(default_factory=threading.Event)
    found: Counter[str] = field(default_factory=Counter)

    def decided(self, decisions: Decisions) -> None:
        self.found.update(alert.kind for alert in decisions.alerts)
        self.found["stories"] += decisions.founded
        self.found["merged"] += len(decisions.merged)
        if END in decisions.topics:
            self.done.set()

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in sorted(self.found.items()))


def topic(name: str) -> Topic:
    return Topic(id=name, query=name, channels=("desk", "console"))


def no_quarantine(letters: Sequence[DeadLetter]) -> None:
    raise AssertionError(letters)


def _nothing(*_: object) -> None:
    """Nobody observes."""


def invented(topics: int, count: int) -> list[Match]:
    """Published in the last minute, in turn for each topic."""
    rooms = [Newsroom(f"topic-{number}") for number in range(topics)]
    now = time.time() - 60
    return [rooms[number % topics].next(now + number / 1_000) for number in range(count)]


def fast_enough(way: str, matches: Sequence[Match]) -> bool:
    """Through the alerting role, as fast as it goes."""
    counted, sampled = Counted(), Sampled()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewatch-stories-")))
        store = stack.enter_context(closing(open_store("sqlite:", folder)))
        log = SqliteLog(folder / "log.sqlite", quarantine=no_quarantine, clock=SystemClock())
        stack.enter_context(closing(log))
        log.append(TOPICS, [topic(name) for name in sorted({match.topic_id for match in matches})])
        for start in range(0, len(matches), 500):
            log.append(MATCHES, matches[start : start + 500])
        log.append(MATCHES, [Newsroom(END).next(time.time())])
        alerting = Alerting(
            log=log,
            stories=Stories(store),
            quarantine=no_quarantine,
            clock=SystemClock(),
            settle=1.0,
            beat=_nothing,
            trouble=_nothing,
            decided=counted.decided,
            rejected=_nothing,
            summary=_nothing,
        )
        started, cpu = time.perf_counter(), time.process_time()
        with sampled.running():
            alerting.run(counted.done)
        rate = len(matches) / (time.perf_counter() - started)
        each = (time.process_time() - cpu) / len(matches)
    print(f"{way:<16}{rate:>7.0f} articles/s  {1000 * each:5.2f} ms of CPU each   ({counted})")
    samples = sampled.parts.total()
    for part, count in sampled.parts.most_common():
        print(f"{'':<16}{part:<12}{1000 * each * count / samples:6.2f} ms")
    sys.stdout.flush()
    return rate >= GOAL


class Moved:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


def month(days: int, topics: int, a_day: int) -> bool:
    """Whether the second half adds nothing."""
    clock, alerter = Moved(), Alerter()
    pause = DAY * BATCH / (topics * a_day)
    rooms = [Newsroom(f"topic-{number}") for number in range(topics)]
    alerter.apply_topics({f"topic-{number}": topic(f"topic-{number}") for number in range(topics)})
    with (
        tempfile.TemporaryDirectory(prefix="wirewatch-month-") as folder,
        closing(open_store("sqlite:", Path(folder))) as store,
    ):
        teller = Teller(alerter, Stories(store), clock)
        archive, feeds = Archive(store), FeedStates(store)
        retention = Retention(
            store,
            delete_articles=archive.delete_before,
            delete_seen=feeds.prune_seen,
            articles=90 * DAY,
            seen=180 * DAY,
            max_size=20 * 10**9,
        )
        used = [memory()]
        for day in range(1, days + 1):
            for number in range(0, topics * a_day, BATCH):
                clock.time += pause
                teller.tell([rooms[(number + place) % topics].next(clock.time) for place in range(BATCH)])
            _sent(store)
            retention.sweep(clock, threading.Event())
            used.append(memory())
            if day in (1, 2, 5) or day % 10 == 0:
                print(f"day {day:<4}{used[-1]:6.0f} MB, {alerter.remembered:,} matches compared with", flush=True)
    half = used[len(used) // 2 :]
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0])
    print(f"second half: {slope:+.2f} MB a day")
    return slope <= FLAT


def memory() -> float:
    """MB, of the whole process."""
    gc.collect()
    return float(psutil.Process(os.getpid()).memory_info().rss) / 1e6


def _sent(store: Store) -> None:
    """Where nothing is sent, everything is kept."""
    with store.write() as connection:
        connection.execute(update(deliveries).where(deliveries.c.state != "sent").values(state="sent"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stories", description=__doc__)
    parser.add_argument("--articles", type=int, default=6_000)
    parser.add_argument("--topics", type=int, default=50)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--a-day", type=int, default=100)
    parser.add_argument("--followed", type=int, default=40, help="topics of the month")
    arguments = parser.parse_args()
    good = True
    if arguments.articles:
        good &= fast_enough(f"{arguments.topics} topics", invented(arguments.topics, arguments.articles))
        good &= fast_enough("one topic", invented(1, arguments.articles))
    if arguments.days:
        good &= month(arguments.days, arguments.followed, arguments.a_day)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
