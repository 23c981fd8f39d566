"""From an item on a polled page to the alert accepted by a receiver.

    python -m benchmarks.latency [--minutes 3] [--rate 20]

Twenty feeds publish ``--rate`` articles a second in all (a title and a summary of sixty words). Three in a hundred
match one of eight topics. Measured for each alert: the moment the webhook receiver accepted it, less the moment at
which the poll that carried the article was answered. The poll interval itself is therefore not in the figure.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.invented import TOPICS, alarming, ordinary
from tests.scene import Desk, Receiver, Site, wait_until

SEEN = """
    SELECT deliveries.id, match, deliveries.created FROM deliveries
    JOIN alerts ON alerts.id = deliveries.alert_id JOIN story_matches ON story_matches.match_id = alerts.match_id
"""


def publish(site: Site, feeds: int, rate: float, until: float) -> int:
    """Publishes until the monotonic moment ``until``; returns how many alarming items there were."""
    rng, number, alarms, pause = random.Random(7), 0, 0, threading.Event()
    due = time.monotonic()
    while due < until:
        number += 1
        if number % 33 == 0:
            alarms += 1
            item = alarming(alarms, rng)
        else:
            item = ordinary(number, rng)
        site.publish(f"/feed/{number % feeds}", item)
        due += 1 / rate
        pause.wait(max(0.0, due - time.monotonic()))
    return alarms


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--feeds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wirewatch-latency-") as folder:
        site, receiver = Site(keep=60), Receiver()
        for number in range(arguments.feeds):
            site.publish(f"/feed/{number}")
        desk = Desk(Path(folder) / "desk")
        desk.configure(
            feeds=[f"{site.url}/feed/{number}" for number in range(arguments.feeds)],
            topics=[{**topic, "channels": ["desk"]} for topic in TOPICS],
            channels=f'[channel.desk]\ntype = "webhook"\nurl = "{receiver.url}/hook"\n',
            min_interval="5s",
        )
        desk.start()
        try:
            desk.wait_ready()
            wait_until(lambda: all(site.polled(f"/feed/{n}") for n in range(arguments.feeds)), what="first polls")
            alarms = publish(site, arguments.feeds, arguments.rate, time.monotonic() + arguments.minutes * 60)
            pause = threading.Event()
            pause.wait(15)
        finally:
            desk.kill()
        moments = {
            str(id_): (float(json.loads(str(match))["article"]["seen"]), float(str(created)))
            for id_, match, created in desk.ground.rows(SEEN)
        }
        arrived = [(received.at, *moments[received.id]) for received in receiver.accepted if received.id in moments]
        lag = [at - seen for at, seen, _ in arrived]
        deciding = [decided - seen for _, seen, decided in arrived]
        if not lag:
            print("no alert arrived")
            return 1
        print(
            f"{arguments.rate:.0f} articles/s for {arguments.minutes:g} min, {alarms} alarming articles, "
            f"{len(lag)} alerts; from poll to accepted alert: "
            f"p50 {percentile(lag, 0.5):.2f} s, p95 {percentile(lag, 0.95):.2f} s, max {max(lag):.2f} s; "
            f"until the decision p50 {percentile(deciding, 0.5):.2f} s, p95 {percentile(deciding, 0.95):.2f} s"
        )
        return 0 if percentile(lag, 0.95) <= 2 else 1


if __name__ == "__main__":
    sys.exit(main())
