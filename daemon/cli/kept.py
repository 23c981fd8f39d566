"""How a command reaches what is kept: to read it, or to change it where it may.

On one machine the data directory has one owner: a running daemon is asked to make the change, and without one the
command takes its place for a moment. On Kafka and PostgreSQL a command is one more process among others.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from daemon.errors import Unavailable, Unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.log import DeadLetter
    from daemon.log.opening import OperatedLog
    from daemon.settings import Settings
    from daemon.store import Store
    from daemon.store.workers import Worker

T = TypeVar("T")
Ask = Callable[[str, Mapping[str, Any]], dict[str, Any]]

FRESH = 60.0  # seconds since a worker's last sign of life, clocks that differ a little included


def open_to_read(settings: "Settings") -> "Store":
    """Raises ``Unusable`` where there is none yet, and ``Unavailable``."""
    from daemon.store.opening import open_for_reading

    return open_for_reading(settings.store.url, settings.data.dir, password=settings.store.password(), connections=2)


def open_to_ask(settings: "Settings") -> "OperatedLog":
    """For what a cluster tells of its streams; to be closed. Nothing is read from it. Raises ``Unusable``."""
    from daemon.clock import SystemClock
    from daemon.log.opening import open_log

    broker = settings.log.broker(client="wirewatch-command")
    return open_log(settings.log.url, settings.data.dir, quarantine=nothing_is_read, clock=SystemClock(), broker=broker)


def nothing_is_read(letters: "Sequence[DeadLetter]") -> NoReturn:
    """The quarantine of a log that is only asked."""
    raise AssertionError(f"{len(letters)} records were read where none should be")


def if_any(settings: "Settings", ask: "Callable[[Store], T]") -> T | None:
    """What the store says; None while there is none, or while it cannot be reached."""
    try:
        with closing(open_to_read(settings)) as store:
            return ask(store)
    except (Unusable, Unavailable):
        return None


@contextmanager
def opened(settings: "Settings") -> "Iterator[tuple[Store, OperatedLog]]":
    """Store and log, to be changed by nobody else at the same time. Raises ``Unusable``, ``Unavailable``."""
    from daemon.clock import SystemClock
    from daemon.control import own
    from daemon.log.opening import open_log
    from daemon.store.dead_letters import DeadLetters
    from daemon.store.opening import FILE, open_store

    clock = SystemClock()
    if not settings.store.external and not (settings.data.dir / FILE).exists():
        raise Unusable(f"there is no store in {settings.data.dir} yet: start `wirewatch run` first")
    with ExitStack() as stack:
        if not settings.shared:
            stack.enter_context(own(settings.data.dir, address="", clock=clock))
        store = open_store(settings.store.url, settings.data.dir, password=settings.store.password(), connections=2)
        stack.enter_context(closing(store))
        log = open_log(
            settings.log.url,
            settings.data.dir,
            quarantine=DeadLetters(store).put,
            clock=clock,
            broker=settings.log.broker(client="wirewatch-command"),
        )
        yield store, stack.enter_context(closing(log))


@contextmanager
def whoever_may(settings: "Settings", *, timeout: float = 120.0) -> "Iterator[Ask]":
    """The daemon that owns the data directory; else this command, for as long as it takes.

    Raises ``Unusable``, ``Unavailable``, and so does what it yields.
    """
    from daemon.clock import SystemClock
    from daemon.control import ask
    from daemon.verbs import verbs

    if not settings.shared and is_running(settings):
        yield lambda verb, args: ask(settings.data.dir, verb, timeout=timeout, **args)
        return
    with opened(settings) as (store, log):
        mine = verbs(store, log, SystemClock())
        yield lambda verb, args: mine[verb](dict(args))


def change(settings: "Settings", verb: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Let the owner do it, or do it here. Raises ``Unusable``, ``Unavailable``."""
    with whoever_may(settings) as ask:
        return ask(verb, args)


def workers(settings: "Settings") -> "list[Worker]":
    """Those that gave a sign of life a short while ago, where several share the work. Raises as ``open_to_read``."""
    from daemon.store.workers import Workers

    if not settings.shared:
        return []
    with closing(open_to_read(settings)) as store:
        return [worker for worker in Workers(store).all() if time.time() - worker.seen < FRESH]


def is_running(settings: "Settings") -> bool:
    from daemon.control import owner

    if not settings.shared:
        return owner(settings.data.dir) is not None
    try:
        return bool(workers(settings))
    except (Unusable, Unavailable):
        return False
