"""A week of Wirewatch: made-up news through the alerter, the store, the outbox and the sender to a Slack and to a mail
server, while all of them fail and the processes die. Time is the loop's, and skips what nobody waits for.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from aiohttp import ClientSession
from aiosmtpd.smtp import SMTP
from sqlalchemy import and_, func, or_, select

from consumers.alerting import Alerter, Decisions
from consumers.model import Match, Story
from consumers.notify.slack_pace import Paces
from consumers.set_times import quiet_hours
from consumers.stories import StoryRule
from consumers.story_fit import FitRule
from daemon.roles import Teller
from daemon.sender import Channel, Sender
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.store.outbox import Outbox
from daemon.store.stories import Stories
from daemon.store.tables import deliveries, living_messages, mutes, topic_versions
from daemon.store.upsert import insert_new
from daemon.wire import to_json
from tests.fake_channels import FakeChannel
from tests.fake_slack import FakeSlack, Posted
from tests.held_loop import HeldLoop
from tests.mortal import Killed, Life, MortalStore
from tests.week_channels import PostOffice, WeekClock, Wire, WiredMail, WiredSlack
from tests.week_faults import Faults
from tests.week_news import DAY, MONDAY, NIGHT, TOPICS, News

POLL = 1.0  # seconds between two looks into the outbox
SLACKS = ("desk", "night", "pager")
QUIET = {"night": quiet_hours(NIGHT)}
_TOKEN = "xoxb-good"
PAGE = "https://wirewatch.example"
# Stories of the made-up events become one where real ones would need many more reports
_RULE = StoryRule(fit=FitRule(merge=0.35, merge_background=0.0))
_LONGEST_PAUSE = 30.0  # while something is due and the sender waits for a reason of its own


class RecordingStories(Stories):
    """Keeps what it was asked to record, whether that was done or not."""

    def __init__(self, store: Any, asked: list[Decisions]) -> None:
        super().__init__(store)
        self._asked = asked

    def record(self, decisions: Decisions, turns: Mapping[str, int]) -> Mapping[str, int]:
        self._asked.append(decisions)
        return super().record(decisions, turns)


@dataclass(frozen=True, order=True)
class _Action:
    at: float
    number: int
    do: Callable[[], None] = field(compare=False)


class Week:
    """``run`` it once, then ask what became of everything."""

    def __init__(self, seed: int, store: Store, *, events: int = 3) -> None:
        self.seed, self.store = seed, store
        self.rng = random.Random(seed)
        self.begin = MONDAY + 3 * DAY  # a Thursday; the clocks go back on Sunday
        self.over = self.begin + 7 * DAY
        self.end = self.over + 2 * DAY  # the last digests and retries
        self.news = News(random.Random(seed + 1), self.begin, events=events)
        self.decided: list[Decisions] = []
        self.faults = Faults(random.Random(seed + 2), [batch.at for batch in self.news.batches], self.over)
        self.slack = FakeSlack(
            channels={name: f"C0000000{number}" for number, name in enumerate(SLACKS)}, misbehaves=self.faults.slack
        )
        self.console = FakeChannel()
        self.starts: list[float] = []  # of the sender
        self.alerters = 0
        self.sizes: list[tuple[float, int, int, int]] = []  # when, things of the sender, of the alerter, its matches
        self.told: list[Sequence[Match]] = []
        self.merged_by_hand: list[tuple[str, str, float]] = []  # absorbed, into, when
        self.deleted: list[tuple[str, Posted, float]] = []  # where, what, when
        self.clock: WeekClock
        self.office: PostOffice
        self.sender: Sender
        self._wire = Wire()
        self._rounds = 0
        self._settings = 0
        self._numbers = count()
        self._script: list[_Action] = []
        self._pause = 0.0

    def run(self) -> None:
        with asyncio.Runner(loop_factory=HeldLoop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HeldLoop)
        loop.awaits = lambda: self._wire.busy > 0
        loop.set_exception_handler(_unless_killed)
        self.clock = WeekClock(loop, self.begin)
        self.slack.now = self.clock.now
        self.office = PostOffice(self.faults.mail, self.clock.now)
        post = await loop.create_server(lambda: SMTP(self.office, hostname="mx.example", loop=loop), "127.0.0.1", 0)
        async with self.slack.server() as server, ClientSession() as self._session:
            self._slack_url = str(server.make_url("/api/"))
            self._mail_port = post.sockets[0].getsockname()[1]
            self._put_topics()
            self._start_alerter()
            self._start_sender()
            while self.clock.now() < self.end:
                await self._step()
            self._stop.set()
            await self._task
            self.slack.release.set()
        post.close()

    # -- time

    async def _step(self) -> None:
        if self._rounds % 20 == 0:
            matches = len(self.alerter._tracker)
            self.sizes.append((self.clock.now(), things(self.sender), things(self.alerter), matches))
        while self._script and self._script[0].at <= self.clock.now():
            heappop(self._script).do()
        calls = self._wire.calls
        await asyncio.sleep(POLL * 1.01)
        self._rounds += 1
        if self._task.done():
            self._after_death()
        elif not self._wire.busy:
            self.clock.skip(self._quiet_for(calls))

    def _quiet_for(self, calls: int) -> float:
        """Until something may happen."""
        now = self.clock.now()
        script = self._script[0].at if self._script else self.end
        due = self._next_due()
        if due > now or self._wire.calls > calls:
            self._pause = 0.0
        else:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause + 0.5)
        later = max(due, now + self._pause) if self._wire.calls == calls else now
        return max(0.0, min(script, later) - now)

    def _next_due(self) -> float:
        column = deliveries.c
        free = or_(column.state.in_(("pending", "retry")), and_(column.state == "held", column.carrier == ""))
        outdated = living_messages.c.wanted > living_messages.c.shown
        with self.store.read() as connection:
            refused = list(Outbox(self.store).disabled())
            found = [
                connection.execute(query).scalar()
                for query in (
                    select(func.min(column.due)).where(free, column.channel.not_in(refused)),
                    select(func.min(living_messages.c.due)).where(outdated, living_messages.c.channel.not_in(refused)),
                    select(func.min(mutes.c.until)).where(mutes.c.ended.is_(None)),
                )
            ]
        return min((each for each in found if each is not None), default=self.end)

    def at(self, when: float, do: Callable[[], None]) -> None:
        heappush(self._script, _Action(when, next(self._numbers), do))

    # -- the processes

    def _start_alerter(self) -> None:
        self.alerters += 1
        self.alerter_life = Life(-1)
        store: Any = MortalStore(self.store, self.alerter_life)
        self.alerter = Alerter(settle=1.0, rule=_RULE)
        self.alerter.apply_topics({topic.id: topic for topic in TOPICS})
        self.teller = Teller(self.alerter, RecordingStories(store, self.decided), self.clock)

    def tell(self, matches: Sequence[Match]) -> None:
        """What a process that died has not committed is read again."""
        self.told.append(matches)
        while True:
            try:
                self.teller.tell(matches)
            except Killed:
                self._start_alerter()
            else:
                return

    def _start_sender(self) -> None:
        self.sender_life = Life(-1)
        store: Any = MortalStore(self.store, self.sender_life)
        self.starts.append(self.clock.now())
        self._paces = Paces(self.clock.now)
        leases = Leases(store, owner=f"sender {len(self.starts)}", clock=self.clock, ttl=10.0)
        leases.clear()
        self._stop = asyncio.Event()
        self.sender = Sender(
            outbox=Outbox(store, page=PAGE),
            leases=leases,
            channels=self._channels(),
            clock=self.clock,
            rng=random.Random(self.rng.random()),
            poll=POLL,
        )
        self._task = asyncio.get_running_loop().create_task(self.sender.run(self._stop))

    def _after_death(self) -> None:
        with suppress(Killed):
            self._task.result()
        self._start_sender()

    def kill_sender(self, moments: int) -> None:
        """After so many moments. A process may die once only."""
        self.sender_life.moments = moments

    def kill_alerter(self, moments: int) -> None:
        self.alerter_life.moments = moments

    def restart_sender(self) -> None:
        """It is asked to stop, and finishes what is on the wire."""
        self._stop.set()

    def new_settings(self) -> None:
        self._settings += 1
        self.sender.set_channels(self._channels())

    def _put_topics(self) -> None:
        rows = [
            {"topic_id": topic.id, "version": 1, "topic": to_json(topic).decode(), "at": self.begin} for topic in TOPICS
        ]
        with self.store.write() as connection:
            insert_new(topic_versions, rows, connection=connection)

    def _channels(self) -> list[Channel]:
        return [
            *(Channel(name, "slack", self._slack(name), f"{self._settings}", QUIET.get(name)) for name in SLACKS),
            Channel("mail", "email", self._mail(), "1"),
            Channel("console", "console", self.console, "1"),
        ]

    def _slack(self, name: str) -> WiredSlack:
        made = WiredSlack(
            self._session,
            _TOKEN,
            f"#{name}",
            now=self.clock.now,
            buttons=True,
            base_url=self._slack_url,
            timeout=10.0,
            pace=self._paces.of(_TOKEN),
        )
        made.wire = self._wire
        return made

    def _mail(self) -> WiredMail:
        made = WiredMail(
            "127.0.0.1",
            self._mail_port,
            sender="Wirewatch <alerts@desk.example>",
            recipients=("ana@desk.example",),
            now=self.clock.now,
            security="none",
        )
        made.wire = self._wire
        return made


def _unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


_OURS = ("consumers.", "daemon.", "tests.")
_SHARED = (Store, MortalStore, WeekClock, Story)


def things(root: object) -> int:
    """What an object of ours holds in containers, its own and those of the objects it holds."""
    left, seen, number = [root], set[int](), 0
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, _SHARED):
            continue
        seen.add(id(each))
        if isinstance(each, dict | list | tuple | set | frozenset | deque):
            number += len(each)
            left += [*each.keys(), *each.values()] if isinstance(each, dict) else each
        elif type(each).__module__.startswith(_OURS):
            slots = (name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ()))
            left += [getattr(each, name, None) for name in (*slots, *getattr(each, "__dict__", ()))]
    return number
