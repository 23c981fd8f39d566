"""One poll, end to end.

    FeedClient.get ─▶ same body? ─▶ ParserPool.parse ─▶ items.read ─▶ hand over ─▶ record state and seen ids
         │                │                │                            (first)        (second)
         └────────────────┴────────────────┴─▶ PollFailed ─▶ record the failure

A crash between the last two repeats the articles, with the same ids, and loses none.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal, Protocol, TypeVar

from consumers.errors import Retry
from consumers.model import Article
from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.feeds import Feed, FeedState, SeenItem
from daemon.fetch import items
from daemon.fetch.client import NotModified, RetrievedFeed
from daemon.fetch.failure import FailureKind, PollFailed
from daemon.fetch.parsed import ParsedFeed
from daemon.fetch.policy import Brought, Failed, PollPolicy, after_failure, after_success

T = TypeVar("T")

_AGAIN = 10.0  # seconds, after the log or the store could not be written: not the feed's fault


class Getter(Protocol):
    async def get(self, feed: Feed, state: FeedState) -> RetrievedFeed | NotModified:
        """Raises ``PollFailed``."""
        ...


class Parser(Protocol):
    async def parse(self, body: bytes, url: str, headers: Mapping[str, str]) -> ParsedFeed:
        """Raises ``PollFailed`` (this feed), or ``Unavailable`` (nobody can parse now)."""
        ...


class States(Protocol):
    def seen(self, feed_id: str, ids: Sequence[str]) -> Mapping[str, SeenItem]: ...

    def record(self, state: FeedState, seen: Sequence[SeenItem] = ()) -> None: ...

    def postpone(self, feed_id: str, until: float) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """How a poll went. ``due``, ``started`` and ``finished`` are seconds since the epoch."""

    feed_id: str
    outcome: Literal["articles", "unchanged", "failed", "put_off"]
    due: float
    started: float
    finished: float
    articles: int = 0
    rejected: int = 0  # items that cannot be written down
    reason: str = ""  # of a failure, or of what put it off
    kind: FailureKind | Literal[""] = ""  # of a failure


class Poller:
    """``hand_over`` and the store block, so they run on ``threads``; ``hand_over`` returning means durable, and
    ``ValueError`` that one of the articles cannot be written down.

    ``count`` is told how many items ended in which outcome (items.Outcome), each of them once.
    """

    def __init__(
        self,
        *,
        client: Getter,
        parser: Parser,
        states: States,
        hand_over: Callable[[Sequence[Article]], None],
        count: Callable[[items.Outcome, int], None],
        policy: PollPolicy,
        clock: Clock,
        rng: random.Random,
        threads: Executor,
    ) -> None:
        self._client = client
        self._parser = parser
        self._states = states
        self._hand_over = hand_over
        self._count = count
        self._policy = policy
        self._clock = clock
        self._rng = rng
        self._threads = threads

    async def poll(self, feed: Feed, state: FeedState) -> Polled:
        """Ends with the feed waiting for its next turn, however it went. Cancelled, it loses nothing."""
        polled = Polled(
            feed_id=feed.id, outcome="unchanged", due=state.next_due, started=self._clock.now(), finished=0.0
        )
        try:
            polled = await self._attempt(feed, state, polled)
        except (Unavailable, Retry) as error:
            self._states.postpone(feed.id, self._clock.now() + _AGAIN)
            polled = replace(polled, outcome="put_off", reason=str(error))
        return replace(polled, finished=self._clock.now())

    async def _attempt(self, feed: Feed, state: FeedState, polled: Polled) -> Polled:
        try:
            got = await self._client.get(feed, state)
            body_hash = "" if isinstance(got, NotModified) else _hash(got.body)
            if isinstance(got, NotModified) or body_hash == state.body_hash:
                await self._blocking(self._states.record, self._unchanged(feed, state, got))
                return polled
            parsed = await self._parser.parse(got.body, got.url, dict(got.headers))
        except PollFailed as failure:
            await self._blocking(self._states.record, self._failed(feed, state, failure))
            return replace(polled, outcome="failed", reason=failure.reason, kind=failure.kind)
        articles, rejected = await self._blocking(
            self._finish, feed, _learned(state, got, body_hash, parsed), parsed, got.max_age
        )
        return replace(polled, outcome="articles" if articles else "unchanged", articles=articles, rejected=rejected)

    def _finish(self, feed: Feed, state: FeedState, parsed: ParsedFeed, max_age: float | None) -> tuple[int, int]:
        """On a thread: from the parsed feed to everything recorded. How many were handed over, and how many rejected.

        A rejected one is recorded all the same: it would be no different the next time.
        """
        now = self._clock.now()
        found = items.candidates(feed.id, parsed.entries)
        ids = sorted({item_id for candidate in found for item_id in (candidate.id, candidate.precise_id)})
        reading = items.read(feed, state, parsed, found, self._states.seen(feed.id, ids), now)
        rejected = self._rejected(reading.articles)
        brought = Brought(
            items=reading.items, known=reading.known, first=not state.backfilled, ttl=parsed.ttl, max_age=max_age
        )
        state = replace(state, backfilled=True)
        self._states.record(self._succeeded(feed, state, brought), reading.seen)
        outcomes = Counter(reading.outcomes)
        outcomes.subtract(map(items.outcome, rejected))
        outcomes["rejected"] = len(rejected)
        for outcome, number in (+outcomes).items():
            self._count(outcome, number)
        return len(reading.articles) - len(rejected), len(rejected)

    def _rejected(self, articles: Sequence[Article]) -> Sequence[Article]:
        """Hands all of them over but those that cannot be written down, which it returns: others go on without them."""
        try:
            if articles:
                self._hand_over(articles)
        except ValueError:
            return articles if len(articles) == 1 else [bad for one in articles for bad in self._rejected([one])]
        return ()

    def _unchanged(self, feed: Feed, state: FeedState, got: RetrievedFeed | NotModified) -> FeedState:
        state = replace(state, moved_to=got.moved_to)
        if isinstance(got, RetrievedFeed):
            state = replace(state, etag=got.etag, last_modified=got.last_modified)
        return self._succeeded(feed, state, Brought(max_age=got.max_age))

    def _succeeded(self, feed: Feed, state: FeedState, brought: Brought) -> FeedState:
        now, jitter = self._clock.now(), self._rng.random()
        return after_success(self._policy, state, brought, now=now, jitter=jitter, every=feed.every)

    def _failed(self, feed: Feed, state: FeedState, failure: PollFailed) -> FeedState:
        now, jitter = self._clock.now(), self._rng.random()
        failed = Failed(kind=failure.kind, retry_after=failure.retry_after)
        state = replace(state, error=failure.reason)
        return after_failure(self._policy, state, failed, now=now, jitter=jitter, every=feed.every)

    async def _blocking(self, work: Callable[..., T], *arguments: object) -> T:
        """A step that has begun is finished even when the poll is cancelled: handed over means recorded, too."""
        step = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            await asyncio.wait([step])
            raise


def _learned(state: FeedState, got: RetrievedFeed, body_hash: str, parsed: ParsedFeed) -> FeedState:
    return replace(
        state,
        etag=got.etag,
        last_modified=got.last_modified,
        body_hash=body_hash,
        moved_to=got.moved_to,
        title=parsed.title or state.title,
    )


def _hash(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()
