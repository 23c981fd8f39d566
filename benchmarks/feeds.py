"""How many feeds one process can watch: punctuality, memory, and whether anything published was missed.

    python -m benchmarks.feeds [--minutes 30] [--feeds 5000] [--every 300]

The server is a process of its own (feed_server.py): 100 feeds hang, 50 drip a byte a second, 50 are hostile
(decompression bomb, quadratic markup, 300,000 items, entity bomb, endless body), the others publish an item every
100 s. This process runs the real dispatcher, poller, parse workers, SQLite store and SQLite log.

A poll is on time when it starts within 5 s, or within a tenth of its interval, of its due time. The first poll of
every feed is due at the same moment and is shown by itself. An item is missing when it was on a page that was polled
with success and was not handed over.
"""

import argparse
import asyncio
import gc
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.feed_server import kind, latest, raise_file_limit, url
from consumers.model import ARTICLES, BACKFILL, Article
from daemon.clock import SystemClock
from daemon.feeds import Feed
from daemon.fetch.client import FeedClient
from daemon.fetch.dispatcher import Dispatcher
from daemon.fetch.guard import EgressGuard
from daemon.fetch.policy import PollPolicy
from daemon.fetch.poll import Polled, Poller
from daemon.fetch.workers import ParserPool
from daemon.log.sqlite import SqliteLog
from daemon.schedule import Schedule
from daemon.store.feeds import FeedStates
from daemon.store.opening import open_store


@dataclass(slots=True)
class Received:
    """Of one feed. Three numbers, so that the measurement does not grow."""

    first: int = 0
    last: int = 0
    count: int = 0
    looked: float = 0.0  # start of the last poll that worked


@dataclass
class Measured:
    every: float
    received: dict[str, Received] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    polls: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    lateness: list[float] = field(default_factory=list)  # of healthy feeds, without their first poll
    first_round: list[float] = field(default_factory=list)
    lasted: list[float] = field(default_factory=list)

    def hand_over(self, articles: Sequence[Article]) -> None:
        for article in articles:
            if kind(int(article.feed_id)) != "healthy":
                continue
            item = int(article.url.rpartition("/")[2])
            got = self.received.setdefault(article.feed_id, Received(first=item, last=item))
            got.first, got.last = min(got.first, item), max(got.last, item)
            got.count += 1

    def polled(self, polled: Polled) -> None:
        self.polls[polled.outcome] += 1
        if polled.kind:
            self.failures[polled.kind] += 1
        if kind(int(polled.feed_id)) != "healthy":
            return
        first = polled.feed_id not in self.received or not self.received[polled.feed_id].looked
        (self.first_round if first else self.lateness).append(polled.started - polled.due)
        self.lasted.append(polled.finished - polled.started)
        if polled.outcome in ("articles", "unchanged"):
            self.received.setdefault(polled.feed_id, Received()).looked = polled.started

    def missing(self) -> tuple[int, int]:
        """Items missing and items twice."""
        missing = twice = 0
        for feed_id, got in self.received.items():
            if kind(int(feed_id)) != "healthy" or not got.count:
                continue
            newest = max(got.last, latest(int(feed_id), got.looked))
            missing += max(newest - got.first + 1 - got.count, 0)
            twice += max(got.count - (got.last - got.first + 1), 0)
        return missing, twice


def share(parts: int, whole: int) -> str:
    return f"{100 * parts / whole:.2f} %" if whole else "–"


def at(values: Sequence[float], quantile: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * quantile), len(ordered) - 1)] if ordered else 0.0


def megabytes(pids: Sequence[int]) -> float:
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


async def measure(feeds: int, minutes: float, every: float, port: int, folder: Path) -> int:
    clock, measured = SystemClock(), Measured(every)
    store = open_store("sqlite:", folder)
    log = SqliteLog(folder / "log.sqlite", quarantine=lambda letters: None, clock=clock)
    states = FeedStates(store)
    client = FeedClient(guard=EgressGuard(["127.0.0.0/8"]), clock=clock, user_agent="Wirewatch benchmark")

    def hand_over(articles: Sequence[Article]) -> None:
        for stream, backfill in ((ARTICLES, False), (BACKFILL, True)):
            lane = [article for article in articles if article.backfill is backfill]
            if lane:
                log.append(stream, lane)
        measured.hand_over(articles)

    with ThreadPoolExecutor(4) as threads:
        async with client, ParserPool() as parser:
            poller = Poller(
                client=client,
                parser=parser,
                states=states,
                hand_over=hand_over,
                count=lambda outcome, number: measured.outcomes.update({outcome: number}),
                policy=PollPolicy(),
                clock=clock,
                rng=random.Random(1),
                threads=threads,
            )
            dispatcher = Dispatcher(
                states=states, poller=poller, polled=measured.polled, clock=clock, threads=threads, concurrency=100
            )

            async def tick() -> None:
                dispatcher.tick()

            schedule = Schedule(clock=clock, on_jump=states.shift, on_stall=lambda name, _: print(f"{name} stalled"))
            schedule.every(1.0, tick, name="poll what is due")
            schedule.start()
            await dispatcher.set_feeds([Feed(id=str(n), url=url(n, port), every=every) for n in range(feeds)])
            memory = await _watch(measured, dispatcher, parser, minutes, clock.now())
            ended = clock.now()
            schedule.stop()
            await dispatcher.stop(5.0)
    overdue = [
        ended - state.next_due
        for state in states.states()
        if kind(int(state.feed_id)) == "healthy" and state.succeeded and ended > state.next_due
    ]
    log.close()
    store.close()
    return _report(measured, overdue, memory)


async def _watch(
    measured: Measured, dispatcher: Dispatcher, parser: ParserPool, minutes: float, start: float
) -> list[tuple[float, float]]:
    """A line a minute; the memory of this process and of the parsers, in MB."""
    memory = []
    print("minute   RSS MB   parsers MB   polls   failed   articles   running   waiting   CPU s", flush=True)
    step = 60.0 if minutes >= 5 else 20.0
    while (passed := time.time() - start) < minutes * 60:
        await asyncio.sleep(min(step, minutes * 60 - passed))
        gc.collect()
        memory.append((megabytes([psutil.Process().pid]), megabytes(parser.pids)))
        articles = sum(measured.outcomes[name] for name in ("new", "revision", "backfill"))
        cpu = psutil.Process().cpu_times()
        print(
            f"{(time.time() - start) / 60:6.1f} {memory[-1][0]:8.1f} {memory[-1][1]:12.1f} {measured.polls.total():7}"
            f" {measured.polls['failed']:8} {articles:10} {dispatcher.running:9} {dispatcher.waiting:9}"
            f" {cpu.user + cpu.system:7.1f}",
            flush=True,
        )
    return memory


def _report(measured: Measured, overdue: Sequence[float], memory: Sequence[tuple[float, float]]) -> int:
    tolerance = max(5.0, measured.every / 10)
    late = [seconds for seconds in overdue if seconds > tolerance]  # due, and never started
    lateness = [*measured.lateness, *late]
    on_time = sum(seconds <= tolerance for seconds in lateness)
    at_once = sum(seconds <= 5.0 for seconds in lateness)
    missing, twice = measured.missing()
    half = memory[len(memory) // 2 :] or memory
    rows = (
        ("first round: start p50 / last", " / ".join(f"{at(measured.first_round, q):.1f} s" for q in (0.5, 1.0))),
        ("polls due after it", str(len(lateness))),
        (f"on time (within {tolerance:g} s)", f"{on_time}  {share(on_time, len(lateness))}"),
        ("within 5 s", f"{at_once}  {share(at_once, len(lateness))}"),
        ("lateness p50 / p95 / p99 / most", " / ".join(f"{at(lateness, q):.2f} s" for q in (0.5, 0.95, 0.99, 1.0))),
        ("one poll p50 / p99", " / ".join(f"{at(measured.lasted, q):.2f} s" for q in (0.5, 0.99))),
        ("polls by outcome", ", ".join(f"{name} {number}" for name, number in sorted(measured.polls.items()))),
        ("failures by kind", ", ".join(f"{name} {number}" for name, number in sorted(measured.failures.items()))),
        ("items by outcome", ", ".join(f"{name} {number}" for name, number in sorted(measured.outcomes.items()))),
        ("items missing / twice", f"{missing} / {twice}"),
        ("RSS, second half", f"{min(row[0] for row in half):.0f} to {max(row[0] for row in half):.0f} MB"),
    )  # fmt: skip
    print()
    for name, value in rows:
        print(f"{name:34} {value}")
    return 0 if not missing and (not lateness or on_time >= 0.99 * len(lateness)) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--feeds", type=int, default=5_000)
    parser.add_argument("--every", type=float, default=300.0, help="seconds between two polls of a feed")
    parser.add_argument("--port", type=int, default=8_099)
    arguments = parser.parse_args()
    raise_file_limit()
    command = [sys.executable, "-m", "benchmarks.feed_server", "--feeds", str(arguments.feeds)]
    with (
        tempfile.TemporaryDirectory(prefix="wirewatch-feeds-") as folder,
        subprocess.Popen([*command, "--port", str(arguments.port)], stdout=subprocess.PIPE, text=True) as server,
    ):
        try:
            if server.stdout is None or server.stdout.readline() != "ready\n":
                print("the server of the feeds did not start: is the port taken?", file=sys.stderr)
                return 2
            return asyncio.run(
                measure(arguments.feeds, arguments.minutes, arguments.every, arguments.port, Path(folder))
            )
        finally:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())
