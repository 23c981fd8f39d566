"""kill -9 at random moments under load, then count.

    python -m benchmarks.crash [--kills 50] [--longest 14] [--seed 1] [--on kafka]

Sites publish articles all the time, some of which match one of the topics; the daemon is killed with SIGKILL between
0.2 and ``--longest`` seconds after each start (the model is loaded after some five). ``--on kafka``: two fetchers, two
matchers, two alerters and a page on Kafka and PostgreSQL, of which one at random is killed. Stories go on: with other
reports, with copies, with higher tolls. They are told at once on a webhook, some in Slack, all of them in a digest of
every minute; one topic waits for a second source, one is told louder when it has one, and one at a time is muted. At
the end everything is published, nothing is muted, the daemon runs until it is idle, and ``crash_account`` says what is
wrong.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.crash_account import Account, Muted, number, undecided, verdict, waiting
from benchmarks.invented import TOPICS, alarming, ordinary, words
from tests.fake_slack import FakeSlack
from tests.grounds import Ground, shared_ground
from tests.scene import Desk, Item, Receiver, Site, wait_until

FEEDS = 6
MUTE_EVERY = 3  # kills
LEAST = 400  # articles; with fewer it is left to chance whether a story goes on in Slack, or while it is muted


def invent(rng: random.Random) -> Iterator[Item]:
    """Every fifth article is alarming. Of these every third is told by a second site, in other words; every fourth is
    copied; and all go on, some ten reports later, with a toll that was not known before.
    """
    alarms, told = 0, deque[tuple[int, Item]]()
    for place in count(1):
        if place % 5:
            yield ordinary(place, rng)
            continue
        alarms += 1
        item = alarming(alarms, rng)
        yield item
        told.append((alarms, item))
        if alarms % 3 == 0:
            yield _again(item, "again", f"{item.title}, officials say", "second.example", 600, rng)
        if alarms % 4 == 0:
            yield replace(item, guid=f"{item.guid}-copy", host="copier.example")
        if len(told) > 10:
            yield _goes_on(*told.popleft(), rng)


def _goes_on(alarm: int, item: Item, rng: random.Random) -> Item:
    toll = 2 + alarm % 80
    grown = _again(item, "toll", f"{item.title}: {toll} people killed", "third.example", 3_600, rng)
    return replace(grown, text=f"At least {toll} people were killed, the police said. {grown.text}")


def _again(item: Item, name: str, title: str, host: str, later: float, rng: random.Random) -> Item:
    """The same event in other words."""
    said = " ".join(words(rng, 40)).capitalize()
    text = f"{item.text.partition('. ')[0]}. {said}."
    return replace(
        item, guid=f"{item.guid}-{name}", title=title, text=text, host=host, published=item.published + later
    )


class Publisher(threading.Thread):
    """Puts an item on a random feed every tenth of a second until it is told to stop.

    Nothing comes while somebody holds ``silence``: what a slow machine takes long for is not to make more work for it.
    """

    def __init__(self, site: Site, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self._site, self._rng, self._items = site, rng, invent(rng)
        self.stopped = threading.Event()
        self.silence = threading.Lock()
        self.published: set[tuple[str, str]] = set()

    def run(self) -> None:
        while not self.stopped.wait(0.1):
            path, item = f"/feed/{self._rng.randrange(FEEDS)}", next(self._items)
            with self.silence:
                self._site.publish(path, item)
                self.published.add((path, item.guid))


class Slack(threading.Thread):
    """Slack on a port of its own, for as long as the caller lives."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.fake = FakeSlack(marketplace=True)  # others may ask what a channel holds once a minute
        self.url = ""
        self.listening = threading.Event()

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        server = self.fake.server()
        await server.start_server()
        self.url = str(server.make_url("/api/"))
        self.listening.set()
        await asyncio.Event().wait()


ROLES = {"web": ["web"]} | {f"{role} {n}": [role] for role in ("fetch", "match", "alert") for n in (1, 2)}


def topics(now: float) -> Sequence[Mapping[str, object]]:
    """Each is told at once and at set times, every fourth one in Slack, too: more would come as summaries."""
    minutes = [time.strftime("%H:%M", time.gmtime(now + 60 * minute)) for minute in range(120)]
    later = {"name": "later", "when": f"{','.join(sorted(minutes))} UTC"}
    own: Mapping[int, Mapping[str, object]] = {
        3: {"min_sources": 2},
        5: {"updates": "all"},
        6: {"escalate": {"sources": 2, "within": "30m"}},
    }
    return [
        {**topic, "channels": ["desk", *(["chat"] if place % 4 == 2 else []), later], **own.get(place, {})}
        for place, topic in enumerate(TOPICS)
    ]


def crash(kills: int, longest: float, seed: int, ground: Ground | None = None) -> list[str]:
    """What is wrong after so many kills, in sentences; prints as it goes. No ``ground``: one process on SQLite."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="wirewatch-crash-") as folder:
        site, receiver, later, slack = Site(keep=10_000, hosts=FEEDS), Receiver(), Receiver(), Slack()
        slack.start()
        slack.listening.wait()
        desk = Desk(Path(folder) / "desk", ground)
        for feed in range(FEEDS):
            site.publish(f"/feed/{feed}")
        (Path(folder) / "token").write_text("xoxb-good")
        desk.configure(
            feeds=[f"{url}/feed/{feed}" for feed, url in enumerate(site.urls)],
            topics=topics(time.time()),
            channels=f'[channel.desk]\ntype = "webhook"\nurl = "{receiver.url}/hook"\n'
            f'[channel.later]\ntype = "webhook"\nurl = "{later.url}/hook"\n'
            f'[channel.chat]\ntype = "slack"\ntoken_file = "{folder}/token"\nchannel = "#desk"\n'
            f'api_url = "{slack.url}"\n',
            settle="0s",
        )
        publisher, muting = Publisher(site, random.Random(seed + 1)), Muting(desk)
        desk.start()
        try:
            wait_until(lambda: all(site.polled(f"/feed/{n}") for n in range(FEEDS)), what="first polls")
            publisher.start()
            _kill(desk, kills, longest, rng, publisher, muting)
            wait_until(lambda: len(publisher.published) >= LEAST, what="there is enough to judge")
            publisher.stopped.set()
            publisher.join()
            started = time.monotonic()
            wrong = _through(desk, publisher, undecided, "everything is decided")  # what was muted was decided muted
            muting.end()
            wrong += _through(desk, publisher, waiting, "everything is told")
            print(f"idle {time.monotonic() - started:.0f} s after the last kill")
            account = Account(desk.ground, {"desk": receiver, "later": later}, slack.fake, muting.muted)
            wrong += verdict(account, publisher.published)
            if exit_code := desk.stop():
                wrong.append(f"the last exit code is {exit_code}")
        finally:
            publisher.stopped.set()
            desk.kill()
    print(f"{kills} kills, {len(publisher.published)} articles; {account.summary()}")
    return wrong


class Muting:
    """One topic after the other is muted for a while, with the command, while the daemon runs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._id = ""
        self.muted: list[Muted] = []

    def change(self) -> None:
        if self._id:
            self.end()
            return
        topic = str(TOPICS[len(self.muted) % len(TOPICS)]["id"])
        self._desk.wait_ready()
        self._id = str(self._asked("mutes", "add", "--topic", topic, "--for", "1h")["id"])
        self.muted.append(Muted(topic, time.time()))

    def end(self) -> None:
        """What it held is told."""
        if self._id:
            self._desk.wait_ready()
            self.muted[-1] = replace(self.muted[-1], until=time.time())
            self._asked("mutes", "remove", self._id)
            self._id = ""

    def _asked(self, *words: str) -> Mapping[str, object]:
        answer = self._desk.wirewatch(*words, "--json")
        assert answer.returncode == 0, answer.stderr
        found: Mapping[str, object] = json.loads(answer.stdout)
        return found


def _kill(desk: Desk, kills: int, longest: float, rng: random.Random, publisher: Publisher, muting: Muting) -> None:
    pause = threading.Event()
    for kill in range(kills):
        if kill % MUTE_EVERY == 1:
            with publisher.silence:
                muting.change()
        pause.wait(rng.uniform(0.2, longest))
        victim = rng.choice(sorted(desk.processes))
        desk.kill(victim)
        desk.start(victim)
        print(f"kill {kill + 1}/{kills} ({victim}): {len(publisher.published)} published", flush=True)


def _through(desk: Desk, publisher: Publisher, left: Callable[[Ground], int], what: str) -> list[str]:
    def idle() -> bool:
        """In this order: what is through with one step is there for the next one, and stays there."""
        if not desk.ground.exists() or number(desk.ground, "SELECT count(*) FROM articles") < len(publisher.published):
            return False
        return left(desk.ground) == 0

    try:
        wait_until(idle, seconds=600, what=what)
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
