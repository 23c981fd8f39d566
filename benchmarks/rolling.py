"""A rolling restart of all roles: is anything lost, and for how long does nothing arrive?

    python -m benchmarks.rolling [--quiet 10]

Two processes of each role and one with the page, on Kafka and PostgreSQL. A site publishes two alarming articles a
second; each process is told to stop (SIGTERM), started again and waited for until it is ready, one after the other.
The pause is the longest time between two decisions of the alerters (an article has joined or founded a story). At the
end every article is archived and every alert told once.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from benchmarks.crash import ROLES
from benchmarks.crash_account import number, waiting
from benchmarks.invented import TOPICS, alarming
from tests.grounds import shared_ground
from tests.scene import Desk, Receiver, Site, wait_until

FEEDS = 8  # each on a host of its own: those of one host are polled by one fetcher
PAUSE = 5.0  # seconds; the longest that is allowed


class Publisher(threading.Thread):
    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site = site
        self.stopped = threading.Event()
        self.published = 0

    def run(self) -> None:
        while not self.stopped.wait(0.5):
            self.published += 1
            self._site.publish(f"/feed/{self.published % FEEDS}", alarming(self.published, random.Random(1)))


def decided(desk: Desk) -> list[float]:
    """When articles joined stories, in seconds since the epoch."""
    return sorted(float(str(at)) for (at,) in desk.ground.rows("SELECT at FROM story_matches"))


def longest_gap(moments: Sequence[float], since: float) -> float:
    inside = [since, *(moment for moment in moments if moment > since), time.time()]
    return max(later - earlier for earlier, later in pairwise(inside))


def rolling(quiet: float) -> list[str]:
    wrong: list[str] = []
    with ExitStack() as stack:
        ground = shared_ground(stack, processes=ROLES)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wirewatch-rolling-")))
        site, receiver, desk = Site(keep=10_000, hosts=FEEDS), Receiver(), Desk(folder, ground)
        stack.callback(desk.kill)
        for feed in range(FEEDS):
            site.publish(f"/feed/{feed}")
        desk.configure(
            feeds=[f"{url}/feed/{feed}" for feed, url in enumerate(site.urls)],
            topics=[{**topic, "channels": ["desk"]} for topic in TOPICS],
            channels=f'[channel.desk]\ntype = "webhook"\nurl = "{receiver.url}/hook"\n',
        )
        desk.start()
        desk.wait_ready()
        wait_until(lambda: all(site.polled(f"/feed/{feed}") for feed in range(FEEDS)), what="first polls")
        publisher = Publisher(site)
        publisher.start()
        wait = publisher.stopped.wait
        wait_until(lambda: len(receiver.accepted) > 3, what="the first alerts")
        wait(quiet)  # seven processes that start at once on two cores are busy with that
        for name in ["nothing", *desk.processes]:
            since = decided(desk)[-1]
            if name in desk.processes:
                if desk.stop(name):
                    wrong.append(f"{name} did not stop in good order")
                desk.start(name)
                desk.wait_ready()
            wait(quiet)
            gap = longest_gap(decided(desk), since)
            print(f"{name} restarted: the longest pause was {gap:.1f} s", flush=True)
            if gap > PAUSE:
                wrong.append(f"a pause of {gap:.1f} s while {name} was restarted")
        publisher.stopped.set()
        publisher.join()
        wrong += _left(desk, receiver, publisher.published)
        if desk.stop():
            wrong.append("not every process stopped in good order")
    return wrong


def _left(desk: Desk, receiver: Receiver, published: int) -> list[str]:
    def done() -> bool:
        """In this order: what is through with one step is there for the next one, and stays there."""
        return number(desk.ground, "SELECT count(*) FROM articles") == published and waiting(desk.ground) == 0

    try:
        wait_until(done, what="everything is archived and told")
    except AssertionError as error:
        return [str(error)]
    told = desk.ground.rows("SELECT CASE carrier WHEN '' THEN id ELSE carrier END FROM deliveries WHERE alert_id != ''")
    messages = {str(name) for (name,) in told}  # some tell several alerts
    print(f"{published} articles, {len(told)} alerts, {len(receiver.accepted)} messages accepted")
    accepted = {one.id for one in receiver.accepted if one.body["type"] != "notice"}  # the operator's come here, too
    return [] if accepted == messages else [f"{len(messages)} messages and {len(accepted)} accepted"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quiet", type=float, default=10, help="seconds of traffic after each restart")
    wrong = rolling(parser.parse_args().quiet)
    print("\n".join(f"WRONG: {sentence}" for sentence in wrong) or "nothing lost, nothing doubled")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
