"""A week of Wirewatch: made-up news through the alerter, the store, the outbox and the sender to a Slack and to a mail
server, while all of them fail and the processes die. Time is the loop's, and skips what nobody waits for.
"""

import asyncio
import email
import email.policy
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import and_, func, or_, select

from consumers.alerting import Alerter, Decisions
from consumers.holding import Mute, MuteKind
from consumers.model import Match, Message, Receipt, Story
from consumers.notify import Tidings
from consumers.notify.mail import MailNotifier
from consumers.notify.slack import SlackNotifier
from consumers.set_times import quiet_hours
from consumers.story_fit import FitRule
from consumers.stories import StoryRule
from daemon.roles import Teller
from daemon.sender import Channel, Sender
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.store.mutes import Mutes
from daemon.store.outbox import Outbox
from daemon.store.stories import Stories
from daemon.store.tables import alerts, deliveries, living_messages, mutes, topic_versions
from daemon.store.upsert import insert_new
from daemon.wire import to_json
from tests.fake_channels import FakeChannel
from tests.fake_slack import Answer, FakeSlack
from tests.held_loop import HeldLoop
from tests.mortal import Killed, Life, MortalStore
from tests.week_news import DAY, HOUR, MONDAY, NIGHT, TOPICS, News

POLL = 1.0  # seconds between two looks into the outbox
SLACKS = ("desk", "night", "pager")
PAGE = "https://wirewatch.example"
# Stories of the made-up events become one where real ones would need many more reports
_RULE = StoryRule(fit=FitRule(merge=0.35, merge_background=0.0))
_LONGEST_PAUSE = 30.0  # while something is due and the sender waits for a reason of its own


class WeekClock:
    """The loop's time, and what was skipped of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, begin: float) -> None:
        self._loop = loop
        self._begin = begin

    def now(self) -> float:
        return self._begin + self._loop.time()

    monotonic = now

    def skip(self, seconds: float) -> None:
        self._begin += seconds


@dataclass
class Wire:
    """What is on its way to a channel now."""

    busy: int = 0
    calls: int = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        self.busy += 1
        self.calls += 1
        try:
            yield
        finally:
            self.busy -= 1


class WiredSlack(SlackNotifier):
    wire: Wire

    async def send(self, message: Tidings) -> Receipt:
        with self.wire.taken():
            return await super().send(message)

    async def find(self, delivery_id: str, since: float, thread: str = "") -> Receipt | None:
        with self.wire.taken():
            return await super().find(delivery_id, since, thread)

    async def edit(self, provider_id: str, message: Message) -> None:
        with self.wire.taken():
            await super().edit(provider_id, message)


class WiredMail(MailNotifier):
    wire: Wire

    async def send(self, message: Tidings) -> Receipt:
        with self.wire.taken():
            return await super().send(message)


@dataclass
class PostOffice:
    """A mail server. ``says`` is asked for an answer to each mail: one of its own, or "cut": taken, and never said."""

    says: Callable[[], str]
    now: Callable[[], float]
    letters: list[tuple[float, EmailMessage]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.says()
        if answer not in ("", "cut"):
            return answer
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append((self.now(), letter))
        if answer == "cut":
            assert server.transport is not None
            server.transport.abort()
        return "250 OK"


class RecordingStories(Stories):
    """Keeps what it was asked to record, whether that was done or not."""

    def __init__(self, store: Any, asked: list[Decisions]) -> None:
        super().__init__(store)
        self._asked = asked

    def record(self, decisions: Decisions, turns: Mapping[str, int]) -> Mapping[str, int]:
        self._asked.append(decisions)
        return super().record(decisions, turns)


@dataclass(frozen=True)
class Trouble:
    """From ``begin`` to ``end`` a call fails so with this probability."""

    begin: float
    end: float
    share: float
    answers: tuple[Answer, ...]


@dataclass(frozen=True, order=True)
class _Action:
    at: float
    number: int
    do: Callable[[], None] = field(compare=False)


class Week:
    """``run`` it once, then ask what became of everything."""

    def __init__(self, seed: int, store: Store, *, events: int = 5) -> None:
        self.seed, self.store = seed, store
        self.rng = random.Random(seed)
        self.begin = MONDAY + 3 * DAY  # a Thursday; the clocks go back on Sunday
        self.over = self.begin + 7 * DAY
        self.end = self.over + 2 * DAY  # the last digests and retries
        self.news = News(random.Random(seed + 1), self.begin, events=events)
        self.decided: list[Decisions] = []
        self.slack = FakeSlack(
            channels={name: f"C0000000{number}" for number, name in enumerate(SLACKS)}, misbehaves=self._misbehaves
        )
        self.console = FakeChannel()
        self.wire = Wire()
        self.troubles: list[Trouble] = []
        self.mail_troubles: list[Trouble] = []
        self.outages: list[tuple[float, float]] = []  # of Slack, until somebody mends it
        self.failed: list[tuple[str, Answer]] = []  # calls of Slack's that failed on purpose
        self.starts: list[float] = []  # of the sender
        self.alerters = 0
        self.sizes: list[tuple[float, int, int, int]] = []  # when, things of the sender, of the alerter, its matches
        self.told: list[tuple[float, Sequence[Match]]] = []
        self.mutes_added: list[Mute] = []
        self.clock: WeekClock
        self.office: PostOffice
        self._rounds = 0
        self._settings = 0
        self._numbers = count()
        self._script: list[_Action] = []
        self._too_long = False
        self._faults = random.Random(seed + 2)
        self._pause = 0.0

    def run(self) -> None:
        with asyncio.Runner(loop_factory=HeldLoop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HeldLoop)
        loop.awaits = lambda: self.wire.busy > 0
        loop.set_exception_handler(_unless_killed)
        self.clock = WeekClock(loop, self.begin)
        self.slack.now = self.clock.now
        self.office = PostOffice(self._mail_says, self.clock.now)
        post = await loop.create_server(lambda: SMTP(self.office, hostname="mx.example", loop=loop), "127.0.0.1", 0)
        async with self.slack.server() as server, ClientSession() as self._session:
            self._slack_url = str(server.make_url("/api/"))
            self._mail_port = post.sockets[0].getsockname()[1]
            self._prepare()
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
        calls = self.wire.calls
        await asyncio.sleep(POLL * 1.01)
        self._rounds += 1
        if self._task.done():
            self._after_death()
        elif not self.wire.busy:
            self.clock.skip(self._quiet_for(calls))

    def _quiet_for(self, calls: int) -> float:
        """Until something may happen."""
        now = self.clock.now()
        script = self._script[0].at if self._script else self.end
        due = self._next_due()
        if due > now or self.wire.calls > calls:
            self._pause = 0.0
        else:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause + 0.5)
        later = max(due, now + self._pause) if self.wire.calls == calls else now
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
                    select(func.min(living_messages.c.due)).where(
                        outdated, living_messages.c.channel.not_in(refused)
                    ),
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

    def _tell(self, matches: Sequence[Match]) -> None:
        """What a process that died has not committed is read again."""
        self.told.append((self.clock.now(), matches))
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

    def _channels(self) -> list[Channel]:
        return [
            *(
                Channel(name, "slack", self._slack(name), f"{self._settings}", quiet_hours(NIGHT) if night else None)
                for name in SLACKS
                for night in [name == "night"]
            ),
            Channel("mail", "email", self._mail(), "1"),
            Channel("console", "console", self.console, "1"),
        ]

    def _slack(self, name: str) -> WiredSlack:
        made = WiredSlack(
            self._session, "xoxb-good", f"#{name}", now=self.clock.now, buttons=True, base_url=self._slack_url
        )
        made.wire = self.wire
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
        made.wire = self.wire
        return made

    # -- what happens

    def _prepare(self) -> None:
        rows = [
            {"topic_id": topic.id, "version": 1, "topic": to_json(topic).decode(), "at": self.begin}
            for topic in TOPICS
        ]
        with self.store.write() as connection:
            insert_new(topic_versions, rows, connection=connection)
        for batch in self.news.batches:
            self.at(batch.at, partial(self._tell, batch.matches))
        for _ in range(6):
            again = self.rng.choice(self.news.batches)  # read twice: the first time was not committed
            self.at(again.at + 60 * self.rng.random(), partial(self._tell, again.matches))
        self._plan_deaths()
        self._plan_mutes()
        self._plan_troubles()

    def _plan_deaths(self) -> None:
        for _ in range(30):
            batch, moments = self.rng.choice(self.news.batches), self.rng.randint(1, 90)
            self.at(batch.at - 0.5, partial(self._kill_sender, moments))
        for _ in range(30):
            batch, moments = self.rng.choice(self.news.batches), self.rng.randint(1, 7)
            self.at(batch.at - 0.5, partial(self._kill_alerter, moments))

    def _kill_sender(self, moments: int) -> None:
        self.sender_life.moments = moments

    def _kill_alerter(self, moments: int) -> None:
        self.alerter_life.moments = moments

    def _plan_mutes(self) -> None:
        for number in range(16):
            when = self.rng.choice(self.news.batches).at + 30  # of something that goes on
            kind: MuteKind = self.rng.choice(("story", "story", "topic", "source"))
            self.at(when, partial(self._mute, f"{number:032}", kind))

    def _mute(self, name: str, kind: MuteKind) -> None:
        now = self.clock.now()
        mute = Mute(
            id=name,
            kind=kind,
            target=self._target(kind),
            since=now,
            until=now + self.rng.choice([HOUR, 5 * HOUR, DAY]),
            by="Ana",
            comment="seen",
            until_new_facts=self.rng.random() < 0.4,
        )
        self.mutes_added.append(mute)
        Mutes(self.store).add(mute)
        if self.rng.random() < 0.3:
            self.at(now + 0.7 * (mute.until - now), lambda: self._unmute(mute.id))

    def _unmute(self, mute_id: str) -> None:
        Mutes(self.store).end(mute_id, self.clock.now(), "ended by Ben")

    def _target(self, kind: MuteKind) -> str:
        with self.store.read() as connection:
            newest = select(alerts.c.story_id, alerts.c.topic_id).order_by(alerts.c.at.desc(), alerts.c.id).limit(3)
            found = connection.execute(newest).all()
        if kind == "source" or not found:
            return f"{self.rng.choice('abcdefgh')}.example"
        chosen = self.rng.choice(found)
        return str(chosen.topic_id if kind == "topic" else chosen.story_id)

    # -- what fails

    def _plan_troubles(self) -> None:
        kinds: list[tuple[float, tuple[Answer, ...]]] = [
            (0.5, ("ratelimited",)),
            (0.6, (503, 500, "internal_error")),
            (0.4, ("cut", "fatal_error")),
            (0.2, ("hang", "lost")),
            (1.0, (503,)),
        ]
        for number in range(20):
            at = self.begin + self.rng.random() * 6.5 * DAY
            share, answers = kinds[number % len(kinds)]
            self.troubles.append(Trouble(at, at + self.rng.choice([600.0, HOUR, 2 * HOUR]), share, answers))
        for _ in range(4):
            at = self.begin + self.rng.random() * 6.5 * DAY
            self.mail_troubles.append(Trouble(at, at + HOUR, 0.5, ("451 4.3.0 later", "cut")))
        gone = self.begin + self.rng.random() * 5 * DAY
        self.outages.append((gone, gone + HOUR))
        self.at(gone, self._lose_desk)
        self.at(gone + HOUR, self._find_desk)
        revoked = self.begin + self.rng.random() * 6 * DAY
        self.outages.append((revoked, revoked + 6 * HOUR))
        self.at(revoked, self._revoke)
        self.at(revoked + 6 * HOUR, self._mend)

    def _lose_desk(self) -> None:
        self._desk = self.slack.channels.pop("desk")

    def _find_desk(self) -> None:
        self.slack.channels = {"desk": self._desk, **self.slack.channels}
        self.sender.enable("desk")

    def _revoke(self) -> None:
        self.slack.revoked_at = self.clock.now()

    def _mend(self) -> None:
        """The app is installed again, and the settings were saved."""
        self.slack.revoked_at = float("inf")
        self._settings += 1
        self.sender.set_channels(self._channels())

    def _misbehaves(self, method: str, now: float) -> Answer | None:
        if (answer := self._fault(method, now)) is not None:
            self.failed.append((method, answer))
        return answer

    def _fault(self, method: str, now: float) -> Answer | None:
        for trouble in self.troubles:
            if trouble.begin <= now < trouble.end and self._faults.random() < trouble.share:
                return self._faults.choice(trouble.answers)
        if method == "chat.postMessage":  # never twice in a row: what is too long in plain text, too, is given up
            self._too_long = not self._too_long and now < self.over and self._faults.random() < 0.05
            return "msg_too_long" if self._too_long else None
        return None

    def _mail_says(self) -> str:
        now = self.clock.now()
        for trouble in self.mail_troubles:
            if trouble.begin <= now < trouble.end and self._faults.random() < trouble.share:
                return str(self._faults.choice(trouble.answers))
        return ""


def _unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)


def things(root: object) -> int:
    """What an object of ours holds in containers, its own and those of the objects it holds."""
    left, seen, number = [root], set[int](), 0
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, dict | list | tuple | set | frozenset | deque):
            number += len(each)
            left += [*each.keys(), *each.values()] if isinstance(each, dict) else each
        elif type(each).__module__.startswith(("consumers.", "daemon.", "tests.")) and not isinstance(each, Store | MortalStore | WeekClock | Story):
            slots = (name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ()))
            left += [getattr(each, name, None) for name in (*slots, *getattr(each, "__dict__", ()))]
    return number
