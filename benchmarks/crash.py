"""kill -9 at random moments under load, then count.

    python -m benchmarks.crash [--kills 50] [--longest 14] [--seed 1] [--on kafka]

Sites publish articles all the time, some of which match one of the topics; the daemon is killed with SIGKILL between
0.2 and ``--longest`` seconds after each start (the model is loaded after some five). ``--on kafka``: two fetchers, two
matchers, two alerters and a page on Kafka and PostgreSQL, of which one at random is killed. At the end everything is
published, the daemon runs until it is idle, and:

* every published article is archived, exactly once;
* what the archive says matched has joined a story, and nothing else has, but for what the archive scored anew: a batch
  that comes again after a kill may meet a newer calibration;
* every story that a live match founded has exactly one first alert, and each alert one delivery, accepted;
* the receiver got every delivery, and nothing but those, under ids that let it drop repeats.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.invented import TOPICS, alarming, ordinary
from tests.grounds import Ground, shared_ground
from tests.scene import Desk, Item, Receiver, Site, wait_until

FEEDS = 6


def invent(rng: random.Random) -> Iterator[Item]:
    """Every fifth article is alarming, and of these every third is told by a second site, in other words."""
    alarms = 0
    for number in count(1):
        if number % 5:
            yield ordinary(number, rng)
            continue
        alarms += 1
        item = alarming(alarms, rng)
        yield item
        if alarms % 3 == 0:
            yield replace(item, guid=f"{item.guid}-again", title=f"{item.title}, officials say", host="second.example")


class Publisher(threading.Thread):
    """Puts an item on a random feed every tenth of a second until it is told to stop."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._site, self._rng, self._items = site, rng, invent(rng)
        self.stopped = threading.Event()
        self.published: set[tuple[str, str]] = set()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            path, item = f"/feed/{self._rng.randrange(FEEDS)}", next(self._items)
            self._site.publish(path, item)
            self.published.add((path, item.guid))


ROLES = {"web": ["web"]} | {f"{role} {n}": [role] for role in ("fetch", "match", "alert") for n in (1, 2)}


def number(desk: Desk, query: str) -> int:
    return int(str(desk.ground.rows(query)[0][0]))


_SAME = "m.topic_id = s.topic_id AND m.article_id = s.article_id"
_UNTOLD = f"SELECT count(*) FROM scores s WHERE s.matched AND NOT EXISTS (SELECT 1 FROM story_matches m WHERE {_SAME})"
_UNSCORED = f"SELECT count(*) FROM story_matches m WHERE NOT EXISTS (SELECT 1 FROM scores s WHERE {_SAME})"


def idle(desk: Desk, publisher: Publisher) -> bool:
    """Looked up in this order: what is through with one step is there for the next one, and stays there."""
    return (
        number(desk, "SELECT count(*) FROM articles") == len(publisher.published)
        and number(desk, _UNTOLD) == 0
        and number(desk, "SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'dead')") == 0
    )


def verdict(desk: Desk, publisher: Publisher, receiver: Receiver) -> list[str]:
    """What is wrong, in sentences."""
    wrong = []
    archived = Counter(str(url).rsplit("/", 1)[1] for (url,) in desk.ground.rows("SELECT url FROM articles"))
    published = {guid for _, guid in publisher.published}
    if missing := published - archived.keys():
        wrong.append(f"{len(missing)} articles were published and are not in the archive: {sorted(missing)[:5]}")
    if twice := [guid for guid, count in archived.items() if count > 1]:
        wrong.append(f"{len(twice)} articles are in the archive twice: {twice[:5]}")
    if untold := number(desk, _UNTOLD):
        wrong.append(f"{untold} matches are archived and in no story")
    if unscored := number(desk, _UNSCORED):
        wrong.append(f"{unscored} matches are in a story, and the archive never scored them")
    live_stories = {
        str(story)
        for story, match in desk.ground.rows("SELECT story_id, match FROM story_matches")
        if not json.loads(str(match))["article"]["backfill"]
    }
    alerted = Counter(str(story) for (story,) in desk.ground.rows("SELECT story_id FROM alerts WHERE kind = 'first'"))
    if live_stories != set(alerted):
        wrong.append(f"{len(live_stories)} stories have a live report and {len(alerted)} have an alert")
    if max(alerted.values(), default=1) > 1:
        wrong.append("a story has two first alerts")
    deliveries = dict(desk.ground.rows("SELECT id, state FROM deliveries WHERE alert_id != ''"))
    if len(deliveries) != sum(alerted.values()) or set(deliveries.values()) - {"sent"}:
        wrong.append(
            f"{len(deliveries)} deliveries for {sum(alerted.values())} alerts, in states {Counter(deliveries.values())}"
        )
    if receiver.ids != set(deliveries):
        missing_ids, extra_ids = set(deliveries) - receiver.ids, receiver.ids - set(deliveries)
        wrong.append(f"the receiver misses {len(missing_ids)} and has {len(extra_ids)} too many")
    return wrong


def crash(kills: int, longest: float, seed: int, ground: Ground | None = None) -> list[str]:
    """What is wrong after so many kills, in sentences; prints as it goes. No ``ground``: one process on SQLite."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="wirewatch-crash-") as folder:
        site, receiver = Site(keep=10_000, hosts=FEEDS), Receiver()
        desk = Desk(Path(folder) / "desk", ground)
        for feed in range(FEEDS):
            site.publish(f"/feed/{feed}")
        desk.configure(
            feeds=[f"{url}/feed/{feed}" for feed, url in enumerate(site.urls)],
            topics=[{**topic, "channels": ["desk"]} for topic in TOPICS],
            channels=f'[channel.desk]\ntype = "webhook"\nurl = "{receiver.url}/hook"\n',
            settle="0s",
        )
        publisher = Publisher(site, random.Random(seed + 1))
        desk.start()
        try:
            wait_until(lambda: all(site.polled(f"/feed/{n}") for n in range(FEEDS)), seconds=60, what="first polls")
            publisher.start()
            _kill(desk, kills, longest, rng, publisher, receiver)
            publisher.stopped.set()
            publisher.join()
            started = time.monotonic()
            wrong = _drained(desk, publisher)
            print(f"idle {time.monotonic() - started:.0f} s after the last kill")
            wrong += verdict(desk, publisher, receiver)
            if exit_code := desk.stop():
                wrong.append(f"the last exit code is {exit_code}")
        finally:
            publisher.stopped.set()
            desk.kill()
    repeats = len(receiver.accepted) - len(receiver.ids)
    print(
        f"{kills} kills, {len(publisher.published)} articles, {len(receiver.ids)} alerts accepted, "
        f"{repeats} repeats under a known id"
    )
    return wrong


def _kill(desk: Desk, kills: int, longest: float, rng: random.Random, publisher: Publisher, receiver: Receiver) -> None:
    pause = threading.Event()
    for kill in range(kills):
        pause.wait(rng.uniform(0.2, longest))
        victim = rng.choice(sorted(desk.processes))
        desk.kill(victim)
        desk.start(victim)
        published, accepted = len(publisher.published), len(receiver.accepted)
        print(f"kill {kill + 1}/{kills} ({victim}): {published} published, {accepted} deliveries accepted", flush=True)


def _drained(desk: Desk, publisher: Publisher) -> list[str]:
    try:
        wait_until(lambda: desk.ground.exists() and idle(desk, publisher), seconds=600, what="everything is through")
    except AssertionError as error:
        return [str(error)]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest", type=float, default=14.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--on", choices=["sqlite", "kafka"], default="sqlite")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        ground = shared_ground(stack, processes=ROLES) if arguments.on == "kafka" else None
        wrong = crash(arguments.kills, arguments.longest, arguments.seed, ground)
    print("\n".join(f"WRONG: {sentence}" for sentence in wrong) or "nothing lost, nothing doubled")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
