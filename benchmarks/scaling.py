"""Do two matchers do twice the work of one, and what happens when another one joins while they work?

    python -m benchmarks.scaling [--articles 1000] [--rounds 2] [--part ratio|third]

On Kafka and PostgreSQL. One matcher alone would use every core, because it embeds several texts side by side; so each
is pinned to a core of its own, while the servers and this program run wherever there is room. The articles lie in the
stream before the clock starts, and some are left in every partition when it stops: what is measured is how fast they
are archived, once with one matcher and once with two.

On a machine of few cores the servers, and whoever else works there, take theirs from the second matcher. So the
articles per second of the matchers' own CPU are told, too: twice their ratio is what two matchers do where nobody else
wants their cores.

At last two matchers work, a third one is started, and articles come until it has had its share. Then every article is
archived once, the matches are those that the matcher finds when it is run over the archive without a daemon, and each
story that they make was alerted once.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

import psutil  # type: ignore[import-untyped]

from benchmarks.crash import invent
from benchmarks.crash_account import number
from benchmarks.invented import TOPICS, words
from benchmarks.log import no_quarantine
from consumers.ids import article_id
from consumers.model import ARTICLES, MATCHES, Article, Match, Topic
from daemon.clock import SystemClock
from daemon.log import Log
from daemon.log.opening import open_log
from daemon.publish import TopicPublisher
from daemon.settings import load_settings
from daemon.store.opening import open_store
from daemon.store.topics import TopicVersions
from tests.grounds import Shared
from tests.scene import Desk, wait_until
from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import PostgresServer

WARM = 128  # articles before the clock starts: by then every matcher has its partitions
BEHIND = 1.3  # of what is measured lies in the stream: keys do not fall evenly, and no partition may run dry
QUIET = 0.1  # cores that others may use where time is measured
LONG = 10  # every tenth article is as long as a report, not as a feed's summary
BUSY = 400  # articles that wait at least, until the third matcher has had its share
SHARE = 100  # articles
PROCESSES = {f"match {n}": ["match"] for n in (1, 2, 3)} | {"alert": ["alert"]}


def articles(seed: int) -> Iterator[Article]:
    rng = random.Random(seed)
    for count, item in enumerate(invent(rng), start=1):
        text = item.text
        if count % LONG == 0:
            text = "\n\n".join([text, *(" ".join(words(rng, 60)).capitalize() + "." for _ in range(4))])
        yield Article(
            id=article_id("feed", item.guid),
            feed_id="feed",
            source=item.host,
            url=f"https://{item.host}/{item.guid}",
            title=item.title,
            text=text,
            seen=time.time(),
        )


@dataclass(frozen=True)
class Used:
    """Seconds of CPU so far."""

    matchers: float
    kafka: float
    postgresql: float
    here: float
    machine: float  # by everybody

    def since(self, other: "Used") -> "Used":
        return Used(*(getattr(self, name) - getattr(other, name) for name in self.__dataclass_fields__))


class Servers:
    """Kafka and PostgreSQL for all that is measured."""

    def __init__(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewatch-servers-")))
        self.kafka, self.postgres = KafkaCluster(folder / "kafka"), PostgresServer(folder / "postgres")
        for server in (self.kafka, self.postgres):
            stack.callback(server.close)
            server.start()

    def used(self, desk: Desk) -> Used:
        times = psutil.cpu_times()
        own = psutil.Process().children(recursive=True)
        return Used(
            matchers=sum(_seconds(psutil.Process(each.pid)) for each in desk.processes.values()),
            kafka=sum(_seconds(each) for each in own if _name(each) == "java"),
            postgresql=sum(_seconds(each, ended=True) for each in own if _name(each) == "postgres"),
            here=time.process_time(),
            machine=times.user + times.nice + times.system + times.irq + times.softirq,
        )


def _name(process: psutil.Process) -> str:
    """Empty for one that has just ended, as PostgreSQL's connections do."""
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return ""


def _seconds(process: psutil.Process, *, ended: bool = False) -> float:
    """``ended``: with its children that have ended, as a server has one for each connection."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    used = times.user + times.system + (times.children_user + times.children_system if ended else 0.0)
    return float(used)


class Scene:
    """A desk on streams and a database of their own, with topics in force and nothing to poll."""

    def __init__(self, desk: Desk, log: Log, servers: Servers, seed: int) -> None:
        self.desk = desk
        self.servers = servers
        self.appended: set[str] = set()
        self.log = log
        self._articles = articles(seed)
        self._cores = sorted(os.sched_getaffinity(0))

    def start(self, *names: str) -> None:
        """Each pinned to a core of its own, as far as there are; when this returns, they are ready."""
        for name in names:
            self.desk.start(name)
            core = self._cores[(len(self.desk.processes) - 1) % len(self._cores)]
            psutil.Process(self.desk.processes[name].pid).cpu_affinity([core])
        self.desk.wait_ready()

    def append(self, count: int) -> None:
        chosen = list(islice(self._articles, count))
        for start in range(0, count, 64):
            self.log.append(ARTICLES, chosen[start : start + 64])
        self.appended.update(one.id for one in chosen)

    @property
    def archived(self) -> int:
        return number(self.desk.ground, "SELECT count(*) FROM articles")

    def await_archived(self, count: int) -> None:
        """Returns when so many are, to a fifth of a second: a look costs the server a connection."""
        pause, last, since = threading.Event(), -1, time.monotonic()
        while (archived := self.archived) < count:
            if archived > last:
                last, since = archived, time.monotonic()
            elif time.monotonic() - since > 120:
                raise AssertionError(f"{count - archived} articles are not archived")
            pause.wait(0.2)

    def drain(self) -> None:
        self.await_archived(len(self.appended))

    def matched_by(self, name: str) -> int:
        """Articles that this matcher has compared, by its own count."""
        _, page = self.desk.get("/metrics", name)
        lines = [line for line in page.splitlines() if line.startswith("wirewatch_articles_matched_total")]
        return round(sum(float(line.rpartition(" ")[2]) for line in lines))


@contextmanager
def scene(servers: Servers, seed: int) -> Iterator[Scene]:
    with ExitStack() as stack:
        ground = Shared(servers.kafka, servers.postgres, processes=PROCESSES, partitions=12)
        stack.callback(ground.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewatch-scaling-")))
        desk = Desk(folder, ground)
        desk.configure(feeds=[], topics=TOPICS, settle="0s")
        settings = load_settings(folder / "wirewatch.toml")
        store = stack.enter_context(closing(open_store(settings.store.url, settings.data.dir)))
        log = open_log(
            settings.log.url,
            settings.data.dir,
            quarantine=no_quarantine,
            clock=SystemClock(),
            broker=settings.log.broker(),
            plan=settings.stream_plan,
            create=True,
        )
        stack.enter_context(closing(log))
        publisher = TopicPublisher(log, TopicVersions(store), SystemClock())
        publisher.publish([Topic(id=topic["id"], query=topic["query"]) for topic in TOPICS])
        stack.callback(desk.kill)
        yield Scene(desk, log, servers, seed)


@dataclass(frozen=True)
class Measured:
    articles: int
    seconds: float
    used: Used
    shares: Sequence[int]

    @property
    def rate(self) -> float:
        return self.articles / self.seconds

    @property
    def per_cpu(self) -> float:
        """Articles per second of the matchers' CPU."""
        return self.articles / self.used.matchers

    @property
    def others(self) -> float:
        """Cores that others on this machine used."""
        used = self.used
        return max(0.0, used.machine - used.matchers - used.kafka - used.postgresql - used.here) / self.seconds

    def __str__(self) -> str:
        used = self.used
        cores = ", ".join(
            f"{what} {seconds / self.seconds:.2f}"
            for what, seconds in (
                ("matchers", used.matchers),
                ("Kafka", used.kafka),
                ("PostgreSQL", used.postgresql),
                ("this program", used.here),
                ("all else on this machine", self.others * self.seconds),
            )
        )
        return (
            f"{self.articles:,} articles in {self.seconds:.1f} s ({' + '.join(map(str, self.shares))}): "
            f"{self.rate:.1f}/s, {self.per_cpu:.1f} per second of the matchers' CPU; cores used: {cores}"
        )


def measured(servers: Servers, names: Sequence[str], count: int, seed: int) -> Measured:
    with scene(servers, seed) as one:
        one.start(*names)
        one.append(WARM)
        one.drain()
        one.append(round(count * BEHIND))
        shares = [one.matched_by(name) for name in names]
        before, used, already = time.monotonic(), servers.used(one.desk), one.archived
        one.await_archived(already + count)
        after, used, archived = time.monotonic(), servers.used(one.desk).since(used), one.archived
        return Measured(
            articles=archived - already,
            seconds=after - before,
            used=used,
            shares=[one.matched_by(name) - share for name, share in zip(names, shares, strict=True)],
        )


def third(servers: Servers, count: int, seed: int) -> list[str]:
    """A matcher joins two that work; what is wrong then, in sentences."""
    with scene(servers, seed) as one:
        one.start("match 1", "match 2")
        one.append(count)
        wait_until(lambda: one.archived > count // 10, what="two matchers work")
        joined = threading.Thread(target=one.start, args=["match 3"], daemon=True)
        joined.start()

        def had_its_share() -> bool:
            if len(one.appended) - one.archived < BUSY:
                one.append(BUSY)
            return one.matched_by("match 3") >= SHARE

        wait_until(had_its_share, seconds=300, what="the third matcher has had its share")
        joined.join()
        one.drain()
        shares = {name: one.matched_by(name) for name in one.desk.processes}
        print(f"{len(one.appended):,} articles, a third matcher joined: {shares}")
        expected = {
            (str(topic_id), str(article_id))
            for topic_id, article_id in one.desk.ground.rows("SELECT topic_id, article_id FROM scores WHERE matched")
        }
        one.desk.start("alert")
        wait_until(
            lambda: number(one.desk.ground, "SELECT count(*) FROM story_matches") >= len(expected),
            what="every match is in a story",
        )
        wrong = wrong_in(one, expected)
        if one.desk.stop():
            wrong.append("not every process stopped in good order")
    return wrong


def wrong_in(one: Scene, expected: set[tuple[str, str]]) -> list[str]:
    wrong = []
    rows = one.desk.ground.rows
    archived = Counter(str(id_) for (id_,) in rows("SELECT id FROM articles"))
    if set(archived) != one.appended or max(archived.values()) > 1:
        wrong.append(
            f"{len(one.appended - set(archived))} articles are missing, {archived.total() - len(archived)} twice"
        )
    for table in ("scores WHERE matched", "story_matches"):
        stored = Counter(rows(f"SELECT topic_id, article_id FROM {table}"))
        if set(stored) != expected or stored.total() != len(expected):
            wrong.append(
                f"{table}: {len(expected - set(stored))} are missing, {stored.total() - len(expected)} too many"
            )
    alerted = Counter(str(story) for (story,) in rows("SELECT story_id FROM alerts WHERE kind = 'first'"))
    stories = {str(story) for (story,) in rows("SELECT story_id FROM story_matches")}
    if set(alerted) != stories or max(alerted.values(), default=1) > 1:
        wrong.append(f"{len(stories)} stories, {alerted.total()} first alerts")
    handed_over = Counter((match.topic_id, match.article.id) for match in _matches(one.log))
    if set(handed_over) != expected:
        wrong.append(f"the stream of matches holds {len(handed_over)} instead of {len(expected)}")
    repeats = handed_over.total() - len(handed_over)
    print(f"{len(expected)} matches, {len(alerted)} alerts; {repeats} matches lie in the stream twice, under one id")
    return wrong


def _matches(log: Log) -> Iterator[Match]:
    with closing(log.reader(MATCHES, "audit")) as reader:
        while found := reader.read(500, 1.0):
            yield from found


def ratio(servers: Servers, count: int, rounds: int) -> None:
    ratios, per_cpu, others = [], [], 0.0
    for turn in range(rounds):
        one = measured(servers, ["match 1"], count, turn)
        print(f"one matcher:  {one}", flush=True)
        two = measured(servers, ["match 1", "match 2"], count, turn)
        print(f"two matchers: {two}", flush=True)
        others = max(others, one.others, two.others)
        ratios.append(two.rate / one.rate)
        per_cpu.append(2 * two.per_cpu / one.per_cpu)
        print(f"ratio {ratios[-1]:.2f}; by the matchers' CPU {per_cpu[-1]:.2f}", flush=True)
    print(f"median: two matchers do {median(ratios):.2f} x the work of one; by their CPU {median(per_cpu):.2f} x")
    if others > QUIET:
        print(f"others used up to {others:.2f} cores meanwhile: rely on the matchers' CPU, or measure again in peace")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--articles", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--part", choices=["ratio", "third", "both"], default="both")
    given = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores; each matcher is pinned to one", flush=True)
    wrong: list[str] = []
    with ExitStack() as stack:
        servers = Servers(stack)
        if given.part != "third":
            ratio(servers, given.articles, given.rounds)
        if given.part != "ratio":
            wrong = third(servers, given.articles, given.rounds)
            print("\n".join(f"WRONG: {sentence}" for sentence in wrong) or "nothing lost, nothing doubled")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
