"""Looking at one feed without keeping anything of it: for `wirewatch feeds check` and `wirewatch doctor`."""

from dataclasses import dataclass, replace

from consumers.ids import digest
from daemon.clock import Clock
from daemon.feeds import Feed, FeedState
from daemon.fetch.client import NotModified, RetrievedFeed
from daemon.fetch.failure import PollFailed
from daemon.fetch.items import clamped
from daemon.fetch.parsed import ParsedFeed
from daemon.fetch.poll import Getter, Parser


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """What one look found. ``problems`` are sentences; the first one says why a feed is not ``readable``."""

    url: str
    readable: bool
    final_url: str = ""  # after redirects
    kind: str = ""  # "rss20", "atom10", …
    title: str = ""
    items: int = 0
    newest: float | None = None  # seconds since the epoch
    headlines: tuple[str, ...] = ()  # the first few
    problems: tuple[str, ...] = ()
    discovered: tuple[str, ...] = ()  # feeds that a web page announces
    status: int | None = None  # HTTP, where it was the answer that failed


async def check(feed: Feed | str, *, client: Getter, parser: Parser, clock: Clock) -> FeedReport:
    """One unconditional poll that records nothing. Raises ``Unavailable`` where no parser can be started."""
    feed = Feed(id=digest("check", feed), url=feed.strip()) if isinstance(feed, str) else feed
    report = FeedReport(url=feed.url, readable=False)
    try:
        got = await client.get(feed, FeedState(feed_id=feed.id))
        if isinstance(got, NotModified):
            return replace(report, problems=("the server says that nothing changed, to one who never asked before",))
        parsed = await parser.parse(got.body, got.url, dict(got.headers))
    except PollFailed as failure:
        return replace(report, problems=(failure.reason,), discovered=failure.discovered, status=failure.status)
    dates = [clamped(entry.published, clock.now()) for entry in parsed.entries]
    return replace(
        report,
        readable=True,
        final_url=got.url,
        kind=parsed.kind,
        title=parsed.title,
        items=len(parsed.entries),
        newest=max((date for date in dates if date is not None), default=None),
        headlines=tuple(entry.title for entry in parsed.entries[:3]),
        problems=tuple(_problems(got, parsed, dates)),
        status=200,
    )


def _problems(got: RetrievedFeed, parsed: ParsedFeed, dates: list[float | None]) -> list[str]:
    found = []
    if got.moved_to:
        found.append(f"the feed has moved for good: use {got.moved_to}")
    if parsed.warning:
        found.append(f"the document is broken, and was read as far as it goes ({parsed.warning})")
    if not parsed.entries:
        found.append("it holds no items now")
    elif not any(dates):
        found.append("no item has a usable date")
    if parsed.left_out:
        found.append(f"{parsed.left_out} items over the limit are left out (max_entries in [fetch])")
    if any(not entry.url for entry in parsed.entries):
        found.append("some items have no link")
    return found
