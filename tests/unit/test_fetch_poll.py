import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consumers.model import Article
from daemon.errors import Unavailable
from daemon.feeds import Feed, FeedState
from daemon.fetch.client import FeedClient
from daemon.fetch.guard import EgressGuard
from daemon.fetch.policy import PollPolicy
from daemon.fetch.poll import Polled, Poller
from daemon.fetch.workers import ParserPool
from daemon.store import Store
from daemon.store.feeds import FeedStates
from daemon.store.opening import open_store
from tests.fake_feeds import FakeFeeds, Item, SteadyClock, serving_feeds


@dataclass
class Receiver:
    """Takes articles, or cannot just now."""

    articles: list[Article] = field(default_factory=list)
    away: bool = False
    unwritable: str = ""  # a title
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    def hand_over(self, articles: Sequence[Article]) -> None:
        self.entered.set()
        if self.gate is not None:
            self.gate.wait(10)
        if self.away:
            raise Unavailable("the log is full")
        if any(article.title == self.unwritable for article in articles):
            raise ValueError("no Unicode")
        self.articles += articles


@dataclass
class World:
    feeds: FakeFeeds
    poller: Poller
    states: FeedStates
    receiver: Receiver
    clock: SteadyClock
    counts: Counter[str]
    feed: Feed

    async def poll(self) -> Polled:
        (state,) = self.states.due(self.clock.now() + 1e9, 1)
        return await self.poller.poll(self.feed, state)

    @property
    def state(self) -> FeedState:
        state = self.states.state(self.feed.id)
        assert state is not None
        return state


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("sqlite:", tmp_path)
    yield store
    store.close()


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    clock, receiver, counts = SteadyClock(), Receiver(), Counter[str]()
    client = FeedClient(guard=EgressGuard(["127.0.0.0/8"]), clock=clock, user_agent="test", timeout=5.0)
    async with serving_feeds() as feeds, client, ParserPool(workers=1) as parser:
        feed = Feed(id="f", url=feeds.url("/rss"))
        states = FeedStates(store)
        states.sync([feed], clock.now())
        with ThreadPoolExecutor(2) as threads:
            poller = Poller(
                client=client,
                parser=parser,
                states=states,
                hand_over=receiver.hand_over,
                count=lambda outcome, number: counts.update({outcome: number}),
                policy=PollPolicy(),
                clock=clock,
                rng=random.Random(1),
                threads=threads,
            )
            yield World(feeds, poller, states, receiver, clock, counts, feed)


async def test_the_first_poll_is_backfill_and_the_next_brings_news(world: World) -> None:
    world.feeds.healthy("/rss", [Item(title="old", guid="1")])
    assert (await world.poll()).outcome == "articles"
    world.clock.go(900)
    world.feeds.healthy("/rss", [Item(title="new", guid="2"), Item(title="old", guid="1")])
    assert (await world.poll()).articles == 1
    assert [(article.title, article.backfill) for article in world.receiver.articles] == [("old", True), ("new", False)]
    assert world.counts == {"backfill": 1, "new": 1, "unchanged": 1}
    assert world.state.title == "Example News"


async def test_an_unchanged_body_is_known_by_its_hash_whatever_the_status_says(world: World) -> None:
    world.feeds.healthy("/rss", [Item(title="a", guid="1")])
    await world.poll()
    world.clock.go(900)
    assert (await world.poll()).outcome == "unchanged"
    assert world.counts == {"backfill": 1}
    assert world.state.succeeded == world.clock.now()


async def test_a_304_is_a_success(world: World) -> None:
    world.feeds.validated("/rss", [Item(title="a", guid="1")], etag='"7"')
    await world.poll()
    world.clock.go(900)
    assert (await world.poll()).outcome == "unchanged"
    assert world.state.etag == '"7"'


async def test_what_could_not_be_handed_over_is_not_remembered_and_comes_again(world: World) -> None:
    world.feeds.healthy("/rss", [Item(title="a", guid="1")])
    world.receiver.away = True
    polled = await world.poll()
    assert (polled.outcome, polled.reason) == ("put_off", "the log is full")
    assert world.state.failures == 0.0
    assert not world.state.backfilled
    world.receiver.away = False
    assert (await world.poll()).articles == 1
    assert world.counts == {"backfill": 1}


async def test_a_failure_is_a_sentence_in_the_state_until_the_next_success(world: World) -> None:
    polled = await world.poll()
    assert (polled.outcome, polled.kind) == ("failed", "missing")
    assert world.state.error == "there is nothing at this address (404 Not Found)"
    assert world.state.next_due >= world.clock.now() + 3_600
    world.feeds.healthy("/rss", [Item(title="a", guid="1")])
    await world.poll()
    assert (world.state.error, world.state.failures) == ("", 0.0)


async def test_a_web_page_is_a_failure_that_names_the_feeds_it_announces(world: World) -> None:
    page = b'<html><head><link rel="alternate" type="application/rss+xml" href="/real.xml"></head></html>'
    world.feeds.answer("/rss", page, headers={"content-type": "text/html"})
    polled = await world.poll()
    assert polled.kind == "not_a_feed"
    assert world.feeds.url("/real.xml") in world.state.error


async def test_a_permanent_redirect_is_shown_to_the_user(world: World) -> None:
    world.feeds.redirecting("/rss", "/new", status=301)
    world.feeds.healthy("/new", [Item(title="a", guid="1")])
    await world.poll()
    assert world.state.moved_to == world.feeds.url("/new")


async def test_a_poll_that_is_cancelled_while_it_hands_over_still_remembers(world: World) -> None:
    world.feeds.healthy("/rss", [Item(title="a", guid="1")])
    world.receiver.gate = threading.Event()
    polling = asyncio.create_task(world.poll())
    await asyncio.to_thread(world.receiver.entered.wait, 10)
    polling.cancel()
    world.receiver.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await polling
    assert len(world.receiver.articles) == 1
    assert world.state.backfilled
    world.clock.go(900)
    assert (await world.poll()).outcome == "unchanged"


async def test_an_item_that_cannot_be_written_down_is_rejected_alone_and_once(world: World) -> None:
    world.feeds.healthy("/rss", [Item(title=title, guid=title) for title in ("a", "bad", "c")])
    world.receiver.unwritable = "bad"
    polled = await world.poll()
    assert (polled.outcome, polled.articles, polled.rejected) == ("articles", 2, 1)
    assert [article.title for article in world.receiver.articles] == ["c", "a"]
    assert world.counts == {"backfill": 2, "rejected": 1}
    world.clock.go(900)
    world.feeds.healthy("/rss", [Item(title=title, guid=title) for title in ("a", "bad", "c", "d")])
    assert (await world.poll()).articles == 1
    assert world.counts == {"backfill": 2, "rejected": 1, "unchanged": 3, "new": 1}
