"""The composition root: what is made of what, in one straight line, each with its end registered as it is born.

own the directory ─▶ bind the page ─▶ log, store ─▶ files ─▶ threads: match, alert, watch
                                                         └─▶ the loop: fetch, send, page, control, housekeeping
"""

import asyncio
import json
import os
import platform
import random
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from consumers.alerting import AlreadyPublished
from consumers.alerting import lines as already_published
from consumers.embedding import Embedder
from consumers.model import ARTICLES, BACKFILL, Article
from daemon import __version__, logs
from daemon.channel_settings import ChannelSettings
from daemon.channels import build_channels
from daemon.clock import SystemClock
from daemon.control import ControlServer, own
from daemon.errors import Unavailable, Unusable
from daemon.feeds import Feed
from daemon.fetch.client import FeedClient
from daemon.fetch.dispatcher import Dispatcher
from daemon.fetch.guard import EgressGuard
from daemon.fetch.policy import PollPolicy
from daemon.fetch.poll import Poller
from daemon.fetch.workers import ParserPool
from daemon.health import Health
from daemon.kept_files import KeptFiles
from daemon.live_line import LiveLine, Terminal
from daemon.log.opening import open_log
from daemon.observe import Observer
from daemon.publish import TopicPublisher
from daemon.reload import FILES, ConfigFiles
from daemon.roles import Alerting, Matching
from daemon.schedule import Schedule
from daemon.sender import Sender
from daemon.settings import Settings
from daemon.status import Recent, Running, Status, lag_rows, report
from daemon.store import dead_letters
from daemon.store.archive import Archive
from daemon.store.feeds import FeedStates
from daemon.store.opening import open_store
from daemon.store.outbox import Outbox
from daemon.store.retention import Retention
from daemon.store.stories import Stories
from daemon.store.topics import TopicVersions
from daemon.supervisor import AsyncRole, Supervisor
from daemon.telemetry import Metrics
from daemon.watch import FolderWatch
from daemon.web.app import make_app
from daemon.web.server import address, bind, serve
from daemon.web.views import Views
from daemon.wire import to_json

if TYPE_CHECKING:
    from aiohttp import ClientSession

DRAIN = 8.0  # seconds for what is under way when the daemon stops; ten are promised
TICK = 0.25  # seconds between two looks at what is due; a whole second would start a second's polls at once
BEAT = 1.0  # seconds between two signs of life of a role without rounds
SWEEP = 3600.0  # seconds between two rounds of retention

logger = structlog.get_logger("wirewatch")


def run_until(stop: threading.Event, settings: Settings, folder: Path, *, log_level: logs.Level = "info") -> None:
    """Runs every role until ``stop`` is set, or SIGTERM or SIGINT arrives. Raises ``Unusable``."""
    terminal = Terminal(sys.stderr)
    logs.set_up(partial(terminal.print, to=sys.stderr), pretty=terminal.live, level=log_level, colours=terminal.live)
    asyncio.run(_run(stop, settings, folder, terminal))


async def _run(stop: threading.Event, settings: Settings, folder: Path, terminal: Terminal) -> None:  # noqa: C901 - see above
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    failure: list[Unusable] = []

    def unusable(error: Unusable) -> None:
        failure.append(error)
        stop.set()

    clock, rng = SystemClock(), random.Random()
    started = clock.now()
    async with AsyncExitStack() as stack:
        # -- what nobody else may use at the same time
        owner = stack.enter_context(own(settings.data.dir, address=settings.web.listen, clock=clock))
        bound = bind(settings.web.listen)
        stack.callback(bound.close)
        threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="store")
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)

        # -- what is kept
        store = open_store(settings.store.url, settings.data.dir)
        stack.callback(store.close)
        letters = dead_letters.DeadLetters(store)
        log = open_log(settings.log.url, settings.data.dir, quarantine=letters.put, clock=clock)
        stack.callback(log.close)
        kept_files = KeptFiles(settings.data.dir / name for name in ("lock", "store.sqlite", "log.sqlite"))
        archive, versions, outbox = Archive(store), TopicVersions(store), Outbox(store, page=f"http://{address(bound)}")

        # -- what watches it
        metrics = Metrics(version=__version__, python=platform.python_version())
        health = Health(clock)
        states = FeedStates(store, longest_wait=settings.fetch.max_interval)
        observer = Observer(metrics=metrics, health=health, clock=clock)
        supervisor = Supervisor(health=health, clock=clock, restarted=metrics.role_restarts.add, unusable=unusable)

        # -- fetch
        guard = EgressGuard(settings.fetch.allow_networks)
        client = await stack.enter_async_context(
            FeedClient(
                guard=guard,
                clock=clock,
                user_agent=settings.fetch.user_agent,
                timeout=settings.fetch.timeout,
                max_wire=settings.fetch.max_wire,
                max_decoded=settings.fetch.max_decoded,
            )
        )
        parser = await stack.enter_async_context(
            ParserPool(
                workers=settings.fetch.parse_workers,
                timeout=settings.fetch.parse_timeout,
                memory=settings.fetch.parse_memory,
                max_entries=settings.fetch.max_entries,
            )
        )

        def hand_over(articles: Sequence[Article]) -> None:
            for stream, backfill in ((ARTICLES, False), (BACKFILL, True)):
                lane = [article for article in articles if article.backfill is backfill]
                if lane:
                    log.append(stream, lane)

        poller = Poller(
            client=client,
            parser=parser,
            states=states,
            hand_over=hand_over,
            count=observer.read,
            policy=PollPolicy(
                min_interval=settings.fetch.min_interval,
                default_interval=settings.fetch.default_interval,
                max_interval=settings.fetch.max_interval,
            ),
            clock=clock,
            rng=rng,
            threads=threads,
        )
        dispatcher = Dispatcher(
            states=states,
            poller=poller,
            polled=observer.polled,
            clock=clock,
            threads=threads,
            concurrency=settings.fetch.concurrency,
            per_host=settings.fetch.per_host,
            host_gap=settings.fetch.host_gap,
        )

        # -- send
        session = await stack.enter_async_context(_session(settings.fetch.user_agent))
        channels_of = partial(
            build_channels,
            session=session,
            write=lambda text: terminal.print(text, to=sys.stdout),
            colour=sys.stdout.isatty(),
            now=clock.now,
        )
        sender = Sender(
            outbox=outbox,
            channels=channels_of(settings.channel),
            clock=clock,
            operator=settings.alerts.operator,
            rng=rng,
            count=observer.attempted,
            accepted=metrics.delivery_latency.observe,
            report=observer.channel,
            drain=DRAIN,
        )

        # -- the files
        feeds_in_force: dict[str, Feed] = {}
        kinds = {name: channel.type for name, channel in settings.channel.items()}

        def set_feeds(feeds: Sequence[Feed]) -> None:
            asyncio.run_coroutine_threadsafe(dispatcher.set_feeds(feeds), loop).result()
            feeds_in_force.clear()
            feeds_in_force.update({feed.id: feed for feed in feeds})

        def set_channels(channels: Mapping[str, ChannelSettings]) -> None:
            built = channels_of(channels)
            loop.call_soon_threadsafe(sender.set_channels, built)
            observer.channels(before=list(kinds), now=channels)
            kinds.clear()
            kinds.update({name: channel.type for name, channel in channels.items()})

        files = ConfigFiles(
            folder,
            settings,
            kept=settings.data.dir / "kept",
            publish=TopicPublisher(log, versions, clock).publish,
            set_feeds=set_feeds,
            set_channels=set_channels,
            report=observer.reloaded,
        )
        watch = FolderWatch(folder, FILES, files.on_change)

        # -- match and alert
        matching = Matching(
            log=log,
            archive=archive,
            versions=versions,
            quarantine=letters.put,
            clock=clock,
            load=partial(_embedder, settings.model.name, settings.model.device),
            beat=partial(health.beat, "match"),
            trouble=partial(observer.trouble, "match"),
            judged=observer.judged,
            rejected=observer.rejected,
        )
        alerting = Alerting(
            log=log,
            stories=Stories(store),
            quarantine=letters.put,
            clock=clock,
            settle=settings.alerts.settle,
            beat=partial(health.beat, "alert"),
            trouble=partial(observer.trouble, "alert"),
            decided=observer.decided,
            rejected=observer.rejected,
            summary=partial(_say_already_published, terminal),
        )

        # -- the page, the control socket, housekeeping
        def status() -> Status:
            ready, parts = health.ready()
            running = Running(
                pid=os.getpid(),
                since=started,
                version=__version__,
                listen=address(bound),
                ready=ready,
                parts=parts,
                lag=lag_rows(log.lag()),
            )
            return report(store, now=clock.now(), data_dir=settings.data.dir, channels=kinds, running=running)

        def answer_status(_: dict[str, Any]) -> dict[str, Any]:
            return _plain(status())

        def enable(args: dict[str, Any]) -> dict[str, Any]:
            sender.enable(str(args["name"]))
            return {}

        recent = Recent(status, clock)
        observer.watch(status=recent, lag=log.lag, errors=lambda: files.errors, states=states, channels=kinds)
        views = Views(store, clock=clock, status=recent, feeds=lambda: feeds_in_force, channels=kinds)
        page = make_app(health, metrics.registry, views)
        verbs = {"status": answer_status, "channels.enable": enable, **dead_letters.verbs(letters, log)}
        control = ControlServer(Path(owner.socket), verbs)
        retention = Retention(
            store,
            delete_articles=archive.delete_before,
            delete_seen=states.prune_seen,
            articles=settings.retention.articles,
            seen=settings.retention.seen,
            max_size=settings.retention.max_size,
        )

        def sweep() -> None:
            try:
                retention.sweep(clock, stop)
                log.trim(clock.now() - settings.retention.log)
            except Unavailable as error:
                logger.warning("housekeeping waits for the store", why=str(error))

        async def fetch(ended: asyncio.Event) -> None:
            schedule = Schedule(clock=clock, on_jump=states.shift, on_stall=observer.stalled)
            schedule.every(TICK, partial(_tick, dispatcher, health), name="poll what is due")
            schedule.every(SWEEP, sweep, name="retention")
            schedule.every(BEAT, kept_files.check, name="files in place")
            dispatcher.start()
            schedule.start()
            try:
                await _first_of(ended.wait(), dispatcher.crashed(), schedule.crashed())
            finally:
                schedule.stop()
                await dispatcher.stop(DRAIN)

        # -- go
        roles = [
            supervisor.start("match", matching.run, stop),
            supervisor.start("alert", alerting.run, stop),
            supervisor.start("files", partial(_follow_files, files, watch, partial(health.beat, "files")), stop),
        ]
        tasks = [
            asyncio.create_task(supervisor.run_async("fetch", fetch, ended)),
            asyncio.create_task(supervisor.run_async("send", partial(_beating, sender.run, health, "send"), ended)),
            asyncio.create_task(LiveLine(terminal, observer.figures, clock).run(ended)),
        ]
        servers = [asyncio.create_task(serve(page, bound, ended)), asyncio.create_task(control.run(ended))]
        logger.info("watching", page=f"http://{address(bound)}/", data=str(settings.data.dir), pid=os.getpid())
        try:
            await _first_of(asyncio.to_thread(stop.wait), *servers)
        finally:
            logger.info("stopping")
            stop.set()
            ended.set()
            await asyncio.wait([*tasks, *servers], timeout=DRAIN + 1)
            for role in roles:
                await asyncio.to_thread(role.join, DRAIN)
    if failure:
        raise failure[0]


async def _first_of(*waits: Awaitable[object]) -> None:
    """Returns when one of them does, and raises what it raised; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _tick(dispatcher: Dispatcher, health: Health) -> None:
    dispatcher.tick()
    health.beat("fetch")


async def _beating(role: AsyncRole, health: Health, part: str, ended: asyncio.Event) -> None:
    """Runs ``role``, which has no rounds of its own to count: it is alive while the loop turns."""

    async def beat() -> None:
        while True:
            health.beat(part)
            await asyncio.sleep(BEAT)

    await _first_of(role(ended), beat())


def _follow_files(files: ConfigFiles, watch: FolderWatch, beat: Callable[[], None], stop: threading.Event) -> None:
    """Topics first: an article that is read is compared with them."""
    while not stop.is_set():
        try:
            files.start()
        except Unavailable:
            beat()
            stop.wait(1.0)
        else:
            break
    watch.run(stop, each_look=beat)


def _say_already_published(terminal: Terminal, summary: AlreadyPublished, topic: str) -> None:
    """For whoever reads along: where nobody does any more, the alerts go on without it."""
    with suppress(OSError, ValueError):
        terminal.print("\n".join(already_published(summary, topic)), to=sys.stdout)


def _embedder(name: str, device: str) -> Embedder:
    from consumers.embedding import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(name, device)


def _session(user_agent: str) -> "ClientSession":
    import aiohttp

    return aiohttp.ClientSession(headers={"User-Agent": user_agent}, cookie_jar=aiohttp.DummyCookieJar())


def _plain(status: Status) -> dict[str, Any]:
    return dict(json.loads(to_json(status)))
