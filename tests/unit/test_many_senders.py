"""Several alerters and senders on one server, while people mute, split and join: nothing is lost, all in its order.

Made-up news of two days goes through two alerters to two senders as fast as they can.
"""

import asyncio
import queue
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import func, select, text

from consumers.alerting import Alerter, Decisions
from consumers.errors import Retry
from consumers.holding import Mute, MuteKind
from consumers.ids import delivery_id
from consumers.model import Message, Receipt
from consumers.notify import Tidings
from consumers.set_times import quiet_hours
from consumers.stories import StoryRule
from consumers.story_fit import FitRule
from daemon.errors import Fenced, Unavailable, Unusable
from daemon.roles import Teller
from daemon.sender import Channel, Sender
from daemon.store import Store
from daemon.store.holds import FOR_GOOD
from daemon.store.leases import Leases
from daemon.store.mutes import Mutes
from daemon.store.outbox import Outbox
from daemon.store.stories import Stories
from daemon.store.story_edits import StoryEdits
from daemon.store.tables import alerts, deliveries, ledger, living_messages, story_matches, topic_versions
from daemon.store.upsert import insert_new
from daemon.wire import to_json
from tests.stores import Place, PostgresPlaces
from tests.week_news import DAY, HOUR, MONDAY, NIGHT, TOPICS, Batch, News

GAPS = {"desk": 0.5, "night": 0.05, "mail": 0.0, "pager": 0.0}  # seconds; those with one come in floods
QUIET = {"night": quiet_hours(NIGHT)}
RULE = StoryRule(fit=FitRule(merge=0.35, merge_background=0.0))  # made-up events become one after a few reports


class NewsClock:
    """The time is that of the news, and no two moments are one; what is waited for takes its real time."""

    def __init__(self) -> None:
        self.at = MONDAY
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.reach(0.0)

    def reach(self, at: float) -> float:
        with self._lock:
            self.at = max(self.at + 0.001, at)
            return self.at

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Desk:
    """A channel as the world sees it. Every ninth message is not accepted at first."""

    name: str
    gap: float
    received: list[Tidings] = field(default_factory=list)
    edits: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    on_it: int = 0
    most: int = 0
    repeats: Any = "deduplicated"

    async def send(self, message: Tidings) -> Receipt:
        self.on_it += 1
        self.most = max(self.most, self.on_it)
        await asyncio.sleep(0)
        self.on_it -= 1
        self.calls += 1
        if self.calls % 9 == 0:
            raise Retry("busy", after=0.0)
        self.received.append(message)
        return Receipt(provider_id=f"{self.name}-{len(self.received)}")

    async def edit(self, provider_id: str, message: Message) -> None:
        await asyncio.sleep(0)
        self.edits[provider_id] += 1


class Newsroom:
    """Everybody has connections of their own, as processes have."""

    def __init__(self, place: Place, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = NewsClock()
        self.desks = {name: Desk(name, gap) for name, gap in GAPS.items()}
        self.stores = [place.open() for _ in range(6)]
        self.store = self.stores[0]
        self.decided: list[Decisions] = []
        self.late = 0  # decisions that were made once more: somebody else was first
        self.undone: list[str] = []  # why something else was done once more
        self.deadlocks_before = deadlocks(self.store)
        self.sent: Counter[int] = Counter()  # by sender
        self._news = queue.SimpleQueue[Batch]()
        for batch in News(self.rng, MONDAY, events=3, days=2.0).batches:
            self._news.put(batch)
        self._told: list[queue.SimpleQueue[Batch | None]] = [queue.SimpleQueue(), queue.SimpleQueue()]
        rows = [{"topic_id": t.id, "version": 1, "topic": to_json(t).decode(), "at": 0.0} for t in TOPICS]
        with self.store.write() as connection:
            insert_new(topic_versions, rows, connection=connection)

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        """Each sender has two channels; when the news are over one stops, and the other takes over what it had."""
        channels = [Channel(each.name, "slack", each, quiet=QUIET.get(each.name)) for each in self.desks.values()]
        senders = [self._sender(number, channels[number::2]) for number in (0, 1)]
        stops = [asyncio.Event(), asyncio.Event()]
        sending = [asyncio.create_task(sender.run(stop)) for sender, stop in zip(senders, stops, strict=True)]
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor() as threads:
            tellers = [loop.run_in_executor(threads, self._tell, store) for store in self.stores[2:4]]
            people = [
                loop.run_in_executor(threads, self._edit, self.stores[4]),
                loop.run_in_executor(threads, self._mute, self.stores[5]),
            ]
            async with asyncio.timeout(240):
                await asyncio.gather(*tellers)
                for told in self._told:
                    told.put(None)
                await asyncio.gather(*people)
                senders[1].set_channels(channels)
                stops[0].set()
                while self._unfinished() and not sending[1].done():
                    self.clock.reach(self.clock.at + 600.0)
                    await asyncio.sleep(0.01)
        stops[1].set()
        await asyncio.gather(*sending)

    def _sender(self, number: int, channels: Sequence[Channel]) -> Sender:
        store = self.stores[number]
        return Sender(
            outbox=Outbox(store),
            leases=Leases(store, owner=f"sender-{number}", clock=self.clock, ttl=30.0),
            channels=channels,
            clock=self.clock,
            rng=random.Random(number),
            count=lambda _, outcome: self.sent.update([number] if outcome == "sent" else []),
            lease=30.0,
            poll=0.002,
        )

    # -- alerters

    def _tell(self, store: Store) -> None:
        alerter = Alerter(settle=0.0, rule=RULE)
        alerter.apply_topics({topic.id: topic for topic in TOPICS})
        teller = Teller(alerter, Stories(store), self.clock)
        with suppress(queue.Empty):
            while True:
                batch = self._news.get_nowait()
                self.clock.reach(batch.at)
                self.decided.append(self._surely(teller.tell, batch.matches))
                for told in self._told:
                    told.put(batch)

    def _surely(self, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """As a pump does: what could not be done now is done again."""
        while True:
            try:
                return work(*arguments, **named)
            except Fenced:
                self.late += 1
            except Unavailable as error:
                self.undone.append(str(error))

    # -- people

    def _batches(self, who: int) -> Iterator[Batch]:
        return iter(self._told[who].get, None)

    def _edit(self, store: Store) -> None:
        """After every other batch a story is split, or two are made one."""
        edits, rng = StoryEdits(store), random.Random(1)
        for number, batch in enumerate(self._batches(0)):
            topic_id = batch.matches[0].topic_id
            found = Stories(store).recent_stories(topic_id, limit=6)
            if number % 2 or len(found) < 2:
                continue
            one, other = rng.sample([story.id for story in found], 2)
            with suppress(Unusable):  # somebody was first
                if number % 4:
                    self._surely(edits.merge, one, other, by="Ana", now=self.clock.at)
                else:
                    ids = _matches_of(store, one)
                    self._surely(edits.split, one, ids[: len(ids) // 2], by="Ben", now=self.clock.at)

    def _mute(self, store: Store) -> None:
        """After every batch somebody mutes something, and an older mute ends.

        But no letters: they come at set times only, so in any case there is such a digest.
        """
        mutes, rng = Mutes(store), random.Random(2)
        kinds: Sequence[MuteKind] = ("story", "story", "topic", "source")
        for number, batch in enumerate(self._batches(1)):
            kind = rng.choice(kinds)
            match = batch.matches[0]
            if match.topic_id == "letters":
                continue
            recorded = Stories(store).recorded([match.id])
            targets = {"topic": match.topic_id, "source": match.article.source}
            mute = Mute(
                id=f"{number:032}",
                kind=kind,
                target=targets.get(kind, recorded[match.id].story_id),
                since=self.clock.at,
                until=self.clock.at + rng.choice([HOUR, 5 * HOUR, DAY]),
                by="Ana",
                until_new_facts=rng.random() < 0.4,
            )
            self._surely(mutes.add, mute)
            self._surely(mutes.end, f"{rng.randint(0, number):032}", self.clock.at, "by Ben")

    # -- what is left

    def _unfinished(self) -> int:
        never = (deliveries.c.state == "held") & (deliveries.c.due >= FOR_GOOD)
        left = select(func.count()).where(deliveries.c.state != "sent", deliveries.c.state != "dead", ~never)
        stale = select(func.count()).where(living_messages.c.wanted > living_messages.c.shown)
        with self.store.read() as connection:
            return connection.execute(left).scalar_one() + connection.execute(stale).scalar_one()


def deadlocks(store: Store) -> int:
    """That its database has ever ended."""
    mine = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    with store.read() as connection:
        return int(connection.execute(mine).scalar_one())


def _matches_of(store: Store, story_id: str) -> Sequence[str]:
    query = select(story_matches.c.match_id).where(story_matches.c.story_id == story_id)
    with store.read() as connection:
        return connection.execute(query.order_by(story_matches.c.match_id)).scalars().all()


@pytest.fixture(scope="module", params=[1])
def newsroom(
    request: pytest.FixtureRequest, postgres_places: PostgresPlaces, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Newsroom]:
    """When the news are told."""
    room = Newsroom(postgres_places(tmp_path_factory.mktemp("newsroom")), request.param)
    room.run()
    yield room
    for store in room.stores:
        store.close()
    postgres_places.give_back()


def rows(room: Newsroom) -> Sequence[Any]:
    with room.store.read() as connection:
        return connection.execute(select(deliveries).order_by(deliveries.c.created, deliveries.c.id)).all()


def matches(room: Newsroom) -> Collection[str]:
    with room.store.read() as connection:
        return set(connection.execute(select(story_matches.c.match_id)).scalars())


def test_all_that_was_decided_is_told_or_held_for_good(newsroom: Newsroom) -> None:
    found = {row.id: row for row in rows(newsroom)}
    assert {due.id for each in newsroom.decided for due in each.deliveries} <= found.keys()
    told = {(desk.name, message.delivery_id) for desk in newsroom.desks.values() for message in desk.received}
    waiting = [row for row in found.values() if row.state != "sent" and row.due < FOR_GOOD]
    assert not waiting
    sent = [row for row in found.values() if row.state == "sent"]
    assert all((row.channel, row.carrier or row.id) in told for row in sent)


def test_every_match_is_in_a_story(newsroom: Newsroom) -> None:
    assert {joined.match.id for each in newsroom.decided for joined in each.joined} == matches(newsroom)


def test_nothing_is_told_twice(newsroom: Newsroom) -> None:
    found = {row.id: row for row in rows(newsroom)}
    for desk in newsroom.desks.values():
        received = Counter(message.delivery_id for message in desk.received)
        assert max(received.values()) == 1
        assert received.keys() <= found.keys()
        assert not [name for name in received if found[name].carrier]
        assert desk.most == 1
    with newsroom.store.read() as connection:
        told = connection.execute(select(ledger.c.delivery_id).where(ledger.c.event.in_(("sent", "carried")))).scalars()
        assert max(Counter(told).values()) == 1


def test_a_story_is_told_in_its_order(newsroom: Newsroom) -> None:
    """What was added to it comes after its first alert, in the order in which it was decided."""
    then = {alert.id: alert for each in newsroom.decided for alert in each.alerts}
    found = rows(newsroom)
    for desk in newsroom.desks.values():
        place = {message.delivery_id: number for number, message in enumerate(desk.received)}
        told: dict[tuple[str, bool], list[tuple[float, str, int]]] = defaultdict(list)
        for row in found:
            if row.channel == desk.name and row.state == "sent" and row.alert_id:
                alert = then[row.alert_id]
                if alert.kind != "escalation":
                    route = row.id == delivery_id(alert.id, desk.name)
                    told[alert.story_id, route].append((row.created, alert.kind, place[row.carrier or row.id]))
        for story in told.values():
            in_order = sorted(story, key=lambda each: (each[0], each[1] != "first"))
            assert [each[2] for each in in_order] == sorted(each[2] for each in story), in_order


def test_there_was_something_to_tell(newsroom: Newsroom) -> None:
    """Else nothing would be said by the others."""
    received = [message for desk in newsroom.desks.values() for message in desk.received]
    reasons = {getattr(message, "reason", "") for message in received}
    assert {"flood", "mute", "times"} <= reasons
    assert len(newsroom.sent) == 2, "one of the senders had nothing to do"
    assert sum(sum(desk.edits.values()) for desk in newsroom.desks.values()) > 20
    with newsroom.store.read() as connection:
        kinds = set(connection.execute(select(alerts.c.kind)).scalars())
        events = set(connection.execute(select(ledger.c.event)).scalars())
        whys = connection.execute(select(ledger.c.why).where(ledger.c.event == "held")).scalars().all()
    assert kinds == {"first", "update", "escalation"}
    assert {"held", "released", "carried", "merged", "split"} <= events
    assert any(why.startswith("quiet hours") for why in whys)


def test_nobody_waits_for_ever(newsroom: Newsroom) -> None:
    """Of two that wait for one another the database undoes one, which then does it again, some seconds later."""
    assert deadlocks(newsroom.store) == newsroom.deadlocks_before
    assert not newsroom.undone
