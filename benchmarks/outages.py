"""PostgreSQL away, then Kafka away, then both back: the daemon goes on by itself and tells the truth meanwhile.

    python -m benchmarks.outages [--seconds 60]

Every role in a process of its own. Before, during and after each outage sites publish alarming articles. At the end
every one of them is archived and told once; while something was away /readyz said so, and it took it back afterwards;
no process ended; and how much memory each used at the most, beside what it used before.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.crash_account import waiting
from benchmarks.invented import TOPICS, alarming
from tests.grounds import ALL, Ground, Shared
from tests.scene import PATIENCE, Desk, Receiver, Site, wait_until
from tests.servers.kafka import KafkaCluster
from tests.servers.postgres import PostgresServer

FEED = "/feed"
ALLOWED = 200.0  # MB that a process may grow in an outage


class Outages:
    def __init__(self, folder: Path, ground: Ground) -> None:
        self.site, self.receiver, self.desk = Site(keep=10_000), Receiver(), Desk(folder, ground)
        self.site.publish(FEED)
        self.desk.configure(
            feeds=[f"{self.site.url}{FEED}"],
            topics=[{**topic, "channels": ["desk"]} for topic in TOPICS],
            channels=f'[channel.desk]\ntype = "webhook"\nurl = "{self.receiver.url}/hook"\n',
        )
        self.published = 0
        self.wrong: list[str] = []

    def publish(self) -> None:
        self.published += 1
        self.site.publish(FEED, alarming(self.published, random.Random(self.published)))

    def memory(self) -> dict[str, float]:
        """MB by process."""
        return {
            name: psutil.Process(process.pid).memory_info().rss / 1e6 for name, process in self.desk.processes.items()
        }

    def outage(self, what: str, away: Callable[[], None], back: Callable[[], None], seconds: float) -> None:
        before = self.memory()
        away()
        started, most = time.monotonic(), dict(before)
        said: dict[str, float] = {}
        pause = threading.Event()
        latest = started + seconds + PATIENCE  # where much else runs somebody may be late to notice
        while (now := time.monotonic()) < started + seconds or (before.keys() - said.keys() and now < latest):
            self.publish()
            for name in self.desk.not_ready():
                said.setdefault(name, time.monotonic() - started)
            most = {name: max(most[name], now) for name, now in self.memory().items()}
            pause.wait(1.0)
        away_for = time.monotonic() - started
        if missing := before.keys() - said.keys():
            self.wrong.append(f"{what} was away and {sorted(missing)} said ready all the time")
        back()
        returned = time.monotonic()
        try:
            wait_until(lambda: not self.desk.not_ready(), what=f"everything is ready after {what}")
        except AssertionError as error:
            self.wrong.append(f"{error}: {self.desk.not_ready()}")
        ready = time.monotonic() - returned
        self.settled(f"after {what}")
        most = {name: max(most[name], now) for name, now in self.memory().items()}
        grown = {name: most[name] - before[name] for name in before}
        if max(grown.values()) > ALLOWED:
            self.wrong.append(f"memory grew while {what} was away: {grown}")
        told = ", ".join(f"{name} after {after:.0f} s" for name, after in sorted(said.items()))
        memory = ", ".join(f"{name} {before[name]:.0f}+{grown[name]:.0f}" for name in sorted(before))
        print(
            f"{what} away for {away_for:.0f} s: not ready: {told}; ready {ready:.0f} s after its return; MB: {memory}"
        )

    def settled(self, when: str) -> None:
        def through() -> bool:
            return int(str(self.desk.ground.rows("SELECT count(*) FROM articles")[0][0])) == self.published

        try:
            wait_until(through, what=f"everything is archived {when}")
        except AssertionError as error:
            self.wrong.append(str(error))

    def verdict(self) -> list[str]:
        rows = self.desk.ground.rows
        try:  # in this order: what is through with one step is there for the next one, and stays there
            wait_until(lambda: waiting(self.desk.ground) == 0, what="all that matched is told")
        except AssertionError as error:
            self.wrong.append(str(error))
        alerts = {str(id_) for (id_,) in rows("SELECT id FROM deliveries WHERE alert_id != ''")}
        stories = int(str(rows("SELECT count(DISTINCT story_id) FROM alerts")[0][0]))
        try:
            wait_until(lambda: self.receiver.ids >= alerts, what="every alert is accepted")
        except AssertionError as error:
            self.wrong.append(str(error))
        more = [one.body["type"] for one in self.receiver.accepted if one.id not in alerts]
        if len(alerts) != stories or [kind for kind in more if kind != "notice"]:
            self.wrong.append(f"{len(alerts)} deliveries for {stories} stories, and beyond them {more}")
        ended = [name for name, process in self.desk.processes.items() if process.poll() is not None]
        if ended:
            self.wrong.append(f"these processes ended: {ended}")
        print(f"{self.published} articles, {stories} stories, {len(self.receiver.ids)} alerts accepted")
        return self.wrong


def outages(seconds: float) -> list[str]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewatch-outages-")))
        kafka, postgres = KafkaCluster(folder / "kafka"), PostgresServer(folder / "postgres")
        for server in (kafka, postgres):
            stack.callback(server.close)
            server.start()
        ground = Shared(kafka, postgres, processes={role: [role] for role in ("web", *ALL[:3])})
        trial = Outages(folder / "desk", ground)
        stack.callback(trial.desk.kill)
        trial.desk.start()
        trial.desk.wait_ready()
        wait_until(lambda: trial.site.polled(FEED), what="the first poll")
        for _ in range(5):
            trial.publish()
        trial.settled("before any outage")
        trial.outage("PostgreSQL", postgres.stop, postgres.start, seconds)
        trial.outage("Kafka", lambda: kafka.kill(1), lambda: kafka.revive(1), seconds)
        return trial.verdict()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60)
    wrong = outages(parser.parse_args().seconds)
    print("\n".join(f"WRONG: {sentence}" for sentence in wrong) or "nothing lost, nothing doubled")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
