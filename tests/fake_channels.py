"""Channels with a vocabulary, a clock that is held, and alerts waiting in a real outbox."""

import asyncio
import json
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from consumers.holding import Quiet
from consumers.ids import alert_id, delivery_id
from consumers.model import Article, Match, Message, Notice, Receipt, Story, Topic
from consumers.notify import Repeats, Tidings
from daemon.sender import Channel, Sender
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.store.outbox import Outbox
from daemon.store.tables import alerts, deliveries, stories, story_matches, topic_versions
from daemon.store.upsert import insert_new, upsert
from daemon.wire import to_json
from tests.alert_samples import ALERT, NOON


@dataclass
class HeldClock:
    """Stands still until it is told to go on."""

    at: float = NOON

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class FakeChannel:
    """``answers`` are given in turn, then everything is accepted: an error to raise, "hang", or an error wrapped in
    ``Lost``: the message arrives all the same."""

    repeats: Repeats = "deduplicated"
    gap: float = 0.0
    answers: list[BaseException | str] = field(default_factory=list)
    received: list[Tidings] = field(default_factory=list)
    note: str = ""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0

    async def send(self, message: Tidings) -> Receipt:
        self.calls += 1
        self.called.set()
        answer = self.answers.pop(0) if self.answers else None
        if answer == "hang":
            await self.release.wait()
        elif isinstance(answer, Lost):
            self.received.append(message)
            raise answer.error
        elif isinstance(answer, BaseException):
            raise answer
        self.received.append(message)
        return Receipt(provider_id=f"id-{len(self.received)}", note=self.note)

    @property
    def ids(self) -> list[str]:
        return [message.delivery_id for message in self.received]

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.received if isinstance(message, Notice)]


@dataclass
class FindingChannel(FakeChannel):
    """Can be asked what it has; ``find_answers`` are raised in turn first."""

    repeats: Repeats = "marked"
    find_answers: list[BaseException] = field(default_factory=list)
    asked: list[tuple[str, float]] = field(default_factory=list)

    async def find(self, delivery_id: str, since: float, thread: str = "") -> Receipt | None:
        self.asked.append((delivery_id, since))
        if self.find_answers:
            raise self.find_answers.pop(0)
        return Receipt(provider_id="found") if delivery_id in self.ids else None


@dataclass
class EditingChannel(FindingChannel):
    """Its messages can be edited; ``edit_answers`` are raised in turn first."""

    edit_answers: list[BaseException] = field(default_factory=list)
    edits: list[tuple[str, Message]] = field(default_factory=list)

    async def edit(self, provider_id: str, message: Message) -> None:
        if self.edit_answers:
            raise self.edit_answers.pop(0)
        self.edits.append((provider_id, message))


@dataclass
class Lost(Exception):
    error: BaseException


def put_alert(store: Store, number: int = 1, channels: Sequence[str] = ("desk",), due: float = NOON) -> list[str]:
    """An alert as the alerter records it, with one delivery a channel. Returns the deliveries' ids."""
    story = f"story-{number}"
    alert = alert_id(ALERT.topic_id, story, "first", 1)
    article = Article(id=f"article-{number}", feed_id="f", source="example.org", url=ALERT.url, seen=NOON)
    match = Match(
        id=f"match-{number}",
        topic_id=ALERT.topic_id,
        topic_version=1,
        article=article,
        score=0.61,
        passage=ALERT.passage,
        reasons=ALERT.reasons,
    )
    kept = Story(
        id=story,
        topic_id=ALERT.topic_id,
        title=f"{ALERT.headline} ({number})",
        started=NOON,
        latest=NOON,
        reports=ALERT.reports,
    )
    ids = [delivery_id(alert, channel) for channel in channels]
    topic = Topic(id=ALERT.topic_id, query=ALERT.topic)
    with store.write() as connection:
        put_topic = {"topic_id": topic.id, "version": 1, "topic": to_json(topic).decode(), "at": NOON}
        insert_new(topic_versions, [put_topic], connection=connection)
        put_story(store, kept, connection)
        row: dict[str, Any] = {"match_id": match.id, "story_id": story, "topic_id": topic.id, "article_id": article.id}
        insert_new(story_matches, [{**row, "at": NOON, "match": to_json(match).decode()}], connection=connection)
        row = {"id": alert, "topic_id": topic.id, "story_id": story, "kind": "first", "match_id": match.id}
        insert_new(alerts, [{**row, "at": NOON, "channels": json.dumps(list(channels))}], connection=connection)
        waiting = [
            {
                "id": id_,
                "alert_id": alert,
                "channel": channel,
                "state": "pending",
                "due": due,
                "attempts": 0,
                "in_doubt": False,
                "provider_id": "",
                "reason": "",
                "notice": None,
                "created": NOON + number / 1000,
                "updated": NOON,
            }
            for id_, channel in zip(ids, channels, strict=True)
        ]
        insert_new(deliveries, waiting, connection=connection)
    return ids


def put_story(store: Store, story: Story, connection: Any) -> None:
    row = {"id": story.id, "topic_id": story.topic_id, "latest": story.latest, "story": to_json(story).decode()}
    upsert(stories, [row], connection=connection)


def row_of(store: Store, delivery: str) -> Any:
    with store.read() as connection:
        return connection.execute(select(deliveries).where(deliveries.c.id == delivery)).one()


def states(store: Store) -> dict[str, str]:
    with store.read() as connection:
        return {row.id: row.state for row in connection.execute(select(deliveries))}


class Watched:
    """An outbox that says when its sender rests: it looked for something to do, and since its last look did nothing.

    Whoever waits for that, and not for some milliseconds, sees the same on a busy machine as on an idle one. To be made
    on the loop of its sender.
    """

    _OF_A_LOOK = frozenset({"due_channels", "unfinished", "disabled", "end_mutes"})

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._loop, self._rested = asyncio.get_running_loop(), asyncio.Event()
        self._lock, self._calls, self._works = threading.Lock(), 0, False

    def __getattr__(self, name: str) -> Any:
        """Threads call it."""
        call = getattr(self._outbox, name)

        def watched(*given: Any, **named: Any) -> Any:
            if name in self._OF_A_LOOK:
                if name == "due_channels":
                    self._look()
                return call(*given, **named)
            with self._lock:
                self._calls, self._works = self._calls + 1, True
            try:
                return call(*given, **named)
            finally:
                with self._lock:
                    self._calls -= 1

        return watched

    def _look(self) -> None:
        with self._lock:
            rests, self._works = not self._works and self._calls == 0, False
        if rests:
            self._loop.call_soon_threadsafe(self._rested.set)

    async def rest(self, sender: "asyncio.Task[None]") -> None:
        """Returns when the sender has rested, or ended."""
        self._rested.clear()
        rested = asyncio.create_task(self._rested.wait())
        await asyncio.wait({sender, rested}, return_when=asyncio.FIRST_COMPLETED)
        rested.cancel()


@dataclass
class Sending:
    """A sender over fakes, run until something is true."""

    store: Store
    channels: dict[str, FakeChannel]
    clock: HeldClock = field(default_factory=HeldClock)
    counted: list[tuple[str, str]] = field(default_factory=list)
    reported: list[tuple[str, bool, str]] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    quiet: dict[str, Quiet] = field(default_factory=dict)
    outbox: Outbox | None = None
    leases: Leases | None = None
    give_up: float = 3 * 86400.0
    drain: float = 5.0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    sender: Sender | None = None
    watched: Watched | None = None

    def bound(self) -> list[Channel]:
        return [
            Channel(name, "webhook", fake, self.hashes.get(name, ""), self.quiet.get(name))
            for name, fake in self.channels.items()
        ]

    async def __aenter__(self) -> "Sending":
        """As in a daemon that works alone, where no lease of another one is good any more."""
        leases = self.leases
        if leases is None:
            leases = Leases(self.store, owner="alone", clock=self.clock, ttl=float("inf"))
            leases.clear()
        self.watched = Watched(self.outbox or Outbox(self.store))
        outbox: Any = self.watched
        self.sender = Sender(
            outbox=outbox,
            leases=leases,
            channels=self.bound(),
            clock=self.clock,
            rng=random.Random(1),
            count=lambda kind, outcome: self.counted.append((kind, outcome)),
            report=lambda name, ready, why: self.reported.append((name, ready, why)),
            poll=0.002,
            give_up=self.give_up,
            drain=self.drain,
        )
        self.task = asyncio.create_task(self.sender.run(self.stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        if self.task:
            await self.task

    async def until(self, true: Callable[[], bool], *, step: float = 0.0) -> None:
        """Wait for it; the clock goes on by ``step`` seconds whenever the sender has nothing more to do by it."""
        async with asyncio.timeout(120):
            while not true():
                await self._rest()
                self.clock.advance(step)

    async def looks(self, times: int = 5) -> None:
        """Let the sender look into the outbox a few times and do what it finds, for what must not happen."""
        async with asyncio.timeout(120):
            for _ in range(times):
                await self._rest()

    async def _rest(self) -> None:
        assert self.task
        assert self.watched
        await self.watched.rest(self.task)
        if self.task.done():
            self.task.result()
