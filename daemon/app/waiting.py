"""Small ways of waiting on the loop."""

import asyncio
from collections.abc import Awaitable

from daemon.health import Health
from daemon.supervisor import AsyncRole

BEAT = 1.0  # seconds between two signs of life of a role without rounds


async def first_of(*waits: Awaitable[object]) -> None:
    """Returns when one of them does, and raises what it raised; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


async def beating(role: AsyncRole, health: Health, part: str, ended: asyncio.Event) -> None:
    """Runs ``role``, which has no rounds of its own to count: it is alive while the loop turns."""

    async def beat() -> None:
        while True:
            health.beat(part)
            await asyncio.sleep(BEAT)

    await first_of(role(ended), beat())
