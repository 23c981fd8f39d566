"""What every role of a process stands on: its place, its store, its log, and what watches it."""

import asyncio
import ctypes
import os
import random
import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.health import Health
from daemon.live_line import Terminal
from daemon.log.opening import OperatedLog, open_log
from daemon.observe import Observer
from daemon.settings import Settings
from daemon.store import Store
from daemon.store.dead_letters import DeadLetters
from daemon.store.leases import Leases
from daemon.store.opening import open_store
from daemon.store.workers import Workers
from daemon.telemetry import Metrics

T = TypeVar("T")

_M_ARENA_MAX = -8  # of malloc.h
AGAIN = 2.0  # seconds between two attempts to reach a store or a log that is away at the start

logger = structlog.get_logger("wirewatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """``alone``: nobody else works on this store and this log. ``id`` names the process among its fellows."""

    id: str
    roles: tuple[str, ...]
    alone: bool
    clock: Clock
    rng: random.Random
    stop: threading.Event
    terminal: Terminal
    threads: ThreadPoolExecutor
    store: Store
    log: OperatedLog
    letters: DeadLetters
    leases: Leases
    workers: Workers
    metrics: Metrics
    health: Health
    observer: Observer
    loop: asyncio.AbstractEventLoop


def worker_id() -> str:
    """Names a process among all that ever worked on a store: its host and pid for people, the rest against chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"


def few_arenas() -> None:
    """Let the threads share two heaps. To be called before there are any.

    glibc gives each thread one of its own, and what is free in one is no use to the others: 911 against 887 MB with a
    thousand topics. Elsewhere there is nothing to set.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_ARENA_MAX, 2)


class Stopped(Exception):
    """The stop came while the store or the log was awaited."""


async def patiently(stop: threading.Event, work: Callable[[], T], waiting: Callable[[str], None]) -> T:
    """The result of ``work`` in a thread, again and again while it is ``Unavailable``. Raises ``Stopped``.

    A cluster and its database may start after us, and in no order.
    """
    while not stop.is_set():
        try:
            return await asyncio.to_thread(work)
        except Unavailable as error:
            logger.warning("waiting", why=str(error))
            waiting(str(error))
            await asyncio.to_thread(stop.wait, AGAIN)
    raise Stopped


async def open_kept(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    worker: str,
    health: Health,
    clock: Clock,
    stop: threading.Event,
) -> tuple[Store, OperatedLog, DeadLetters]:
    """The store, then the log, which sets aside what it cannot read. Raises ``Unusable``, ``Stopped``."""

    def waiting(part: str) -> Callable[[str], None]:
        return lambda why: health.set(part, False, why)

    password = settings.store.password()
    store = await patiently(
        stop,
        lambda: open_store(
            settings.store.url, settings.data.dir, password=password, connections=settings.store.connections
        ),
        waiting("store"),
    )
    stack.callback(store.close)
    health.set("store", True)
    letters = DeadLetters(store)
    log = await patiently(
        stop,
        partial(
            open_log,
            settings.log.url,
            settings.data.dir,
            quarantine=letters.put,
            clock=clock,
            broker=settings.log.broker(client=f"wirewatch-{worker}"),
            plan=settings.stream_plan,
            create=settings.log.create,
        ),
        waiting("log"),
    )
    stack.callback(log.close)
    health.set("log", True)
    return store, log, letters
