"""One article that is not in the archive: from a file, or from a page that is read now."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from daemon.cli.context import fail, load_settings

if TYPE_CHECKING:
    from consumers.model import Article


def from_file(file: Path) -> "Article":
    from daemon.page import file_text

    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    title, text = file_text(content)
    if not title.strip():
        fail(f"{file} is empty: its first line is the title, the rest the text")
    return _article(title.strip(), text, "")


def from_page(ctx: typer.Context, url: str) -> "Article":
    """Exits with code 1 where it cannot be read."""
    import asyncio

    from daemon.clock import SystemClock
    from daemon.fetch.client import FeedClient
    from daemon.fetch.failure import PollFailed
    from daemon.fetch.guard import EgressGuard
    from daemon.page import read_page

    fetch = load_settings(ctx).fetch

    async def read() -> tuple[str, str]:
        client = FeedClient(
            guard=EgressGuard(fetch.allow_networks),
            clock=SystemClock(),
            user_agent=fetch.user_agent,
            timeout=fetch.timeout,
            max_wire=fetch.max_wire,
            max_decoded=fetch.max_decoded,
        )
        async with client:
            return await read_page(client, url)

    try:
        title, text = asyncio.run(read())
    except PollFailed as error:
        fail(f"{url} could not be read: {error.reason}")
    return _article(title, text, url)


def _article(title: str, text: str, url: str) -> "Article":
    import time

    from consumers.model import Article
    from daemon.fetch.urls import host_of

    return Article(id="draft", feed_id="", source=host_of(url), url=url, title=title, text=text, seen=time.time())
