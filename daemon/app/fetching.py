"""The role ``fetch``: feeds are polled, and what they bring is appended to the log."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from consumers.model import ARTICLES, BACKFILL, Article
from daemon.app.process import Process
from daemon.app.waiting import first_of
from daemon.example_reader import ExampleReader
from daemon.feeds import Feed
from daemon.fetch.client import FeedClient
from daemon.fetch.dispatcher import Dispatcher
from daemon.fetch.guard import EgressGuard
from daemon.fetch.policy import PollPolicy
from daemon.fetch.poll import Poller
from daemon.fetch.sharding import Sharding
from daemon.fetch.workers import ParserPool
from daemon.log import Log
from daemon.page import read_page
from daemon.schedule import Schedule
from daemon.settings import FetchSettings
from daemon.store.archive import Archive
from daemon.store.examples import Examples
from daemon.store.feeds import FeedStates

TICK = 0.25  # seconds between two looks at what is due; a whole second would start a second's polls at once
SHARE = 1.0  # seconds between two looks at which feeds are ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """``run`` is the role; ``set_feeds`` takes all that are listed, from any thread but the loop's.

    ``shards``: how many of the feeds' shards are polled here; None where all of them are. ``examples`` reads the pages
    that topics name as examples.
    """

    run: Callable[[asyncio.Event], Awaitable[None]]
    set_feeds: Callable[[Sequence[Feed]], None]
    states: FeedStates
    shards: Callable[[], int | None]
    examples: ExampleReader


async def fetching(stack: AsyncExitStack, settings: FetchSettings, process: Process, *, drain: float) -> Fetching:
    """``drain``: seconds that polls on their way have left after a stop."""
    states = FeedStates(
        process.store, longest_wait=settings.max_interval, leases=None if process.alone else process.leases
    )
    client = await stack.enter_async_context(
        FeedClient(
            guard=EgressGuard(settings.allow_networks),
            clock=process.clock,
            user_agent=settings.user_agent,
            timeout=settings.timeout,
            max_wire=settings.max_wire,
            max_decoded=settings.max_decoded,
        )
    )
    parser = await stack.enter_async_context(
        ParserPool(
            workers=settings.parse_workers,
            timeout=settings.parse_timeout,
            memory=settings.parse_memory,
            max_entries=settings.max_entries,
        )
    )
    poller = Poller(
        client=client,
        parser=parser,
        states=states,
        hand_over=partial(_hand_over, process.log),
        count=process.observer.read,
        policy=PollPolicy(
            min_interval=settings.min_interval,
            default_interval=settings.default_interval,
            max_interval=settings.max_interval,
        ),
        clock=process.clock,
        rng=process.rng,
        threads=process.threads,
    )
    dispatcher = Dispatcher(
        states=states,
        poller=poller,
        polled=process.observer.polled,
        clock=process.clock,
        threads=process.threads,
        concurrency=settings.concurrency,
        per_host=settings.per_host,
        host_gap=settings.host_gap,
    )
    sharding = None
    if not process.alone:
        # A thread of its own: appends that wait for the log must not hold up the renewal of leases.
        agreeing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sharding")
        stack.callback(agreeing.shutdown, wait=False, cancel_futures=True)
        sharding = Sharding(
            leases=process.leases, polls=dispatcher, worker=process.id, clock=process.clock, threads=agreeing
        )

    async def tick() -> None:
        if sharding is not None:
            sharding.check()
        dispatcher.tick()
        process.health.beat("fetch")

    async def run(ended: asyncio.Event) -> None:
        schedule = Schedule(clock=process.clock, on_jump=states.shift, on_stall=process.observer.stalled)
        schedule.every(TICK, tick, name="poll what is due")
        if sharding is not None:
            schedule.every(SHARE, sharding.step, name="share the feeds")
        dispatcher.start()
        schedule.start()
        try:
            await first_of(ended.wait(), dispatcher.crashed(), schedule.crashed())
        finally:
            schedule.stop()
            await (dispatcher if sharding is None else sharding).stop(drain)

    def set_feeds(feeds: Sequence[Feed]) -> None:
        asyncio.run_coroutine_threadsafe(dispatcher.set_feeds(feeds), process.loop).result()

    def shards() -> int | None:
        return None if sharding is None else len(sharding.held)

    examples = ExampleReader(
        Examples(process.store),
        Archive(process.store),
        read=partial(read_page, client),
        clock=process.clock,
        threads=process.threads,
    )
    return Fetching(run=run, set_feeds=set_feeds, states=states, shards=shards, examples=examples)


def _hand_over(log: Log, articles: Sequence[Article]) -> None:
    """Two lanes: what was already published must never delay what is new."""
    for stream, backfill in ((ARTICLES, False), (BACKFILL, True)):
        lane = [article for article in articles if article.backfill is backfill]
        if lane:
            log.append(stream, lane)
