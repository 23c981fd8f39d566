"""Work on the store that must not be given up while the store is away."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import structlog

from daemon.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

STORE_PAUSE = 1.0  # seconds between attempts to reach the store

log = structlog.get_logger("wirewatch.send")


async def surely(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """In a thread, again and again while the store is away: what a channel answered must not be forgotten."""
    while True:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except Unavailable as error:
            log.warning("the store is away; trying again", reason=str(error))
            await asyncio.sleep(STORE_PAUSE)
