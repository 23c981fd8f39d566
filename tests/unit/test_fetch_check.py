from collections.abc import AsyncIterator

import pytest

from daemon.fetch.check import FeedReport, check
from daemon.fetch.client import FeedClient
from daemon.fetch.guard import EgressGuard
from daemon.fetch.workers import ParserPool
from tests.fake_feeds import FakeFeeds, Item, SteadyClock, serving_feeds


@pytest.fixture
async def world() -> AsyncIterator[FakeFeeds]:
    async with serving_feeds() as fake:
        yield fake


async def look(url: str) -> FeedReport:
    clock = SteadyClock(wall=1_795_200_000.0)
    client = FeedClient(guard=EgressGuard(["127.0.0.0/8"]), clock=clock, user_agent="test")
    async with client as opened, ParserPool(workers=1) as parser:
        return await check(url, client=opened, parser=parser, clock=clock)


async def test_a_good_feed_is_described(world: FakeFeeds) -> None:
    items = [Item(title="a", guid="1", link="/a", date="Fri, 20 Nov 2026 09:30:00 +0100"), Item(title="b", link="/b")]
    world.healthy("/rss", items)
    report = await look(f" {world.url('/rss')} ")
    assert report.readable
    assert (report.kind, report.title, report.items, report.newest) == ("rss20", "Example News", 2, 1_795_163_400.0)
    assert report.headlines == ("a", "b")
    assert report.problems == ()


async def test_a_page_is_answered_with_the_feeds_it_announces(world: FakeFeeds) -> None:
    page = b'<html><head><link rel="alternate" type="application/rss+xml" href="/real.xml"></head></html>'
    world.answer("/", page, headers={"content-type": "text/html"})
    report = await look(world.url("/"))
    assert not report.readable
    assert report.discovered == (world.url("/real.xml"),)
    assert report.problems[0].startswith("this is a web page, not a feed; it announces these feeds: ")


async def test_what_is_wrong_is_said(world: FakeFeeds) -> None:
    world.redirecting("/old", "/new", status=301)
    world.healthy("/new", [Item(title="a")])
    assert (await look(world.url("/old"))).problems == (
        f"the feed has moved for good: use {world.url('/new')}",
        "no item has a usable date",
        "some items have no link",
    )
    world.healthy("/empty", [])
    assert (await look(world.url("/empty"))).problems == ("it holds no items now",)
    missing = await look(world.url("/none"))
    assert (missing.status, missing.readable) == (404, False)
