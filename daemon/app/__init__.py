"""The composition root: what is made of what, in one straight line, each with its end registered as it is born.

own the directory ─▶ bind the page ─▶ store, log ─▶ fetch, match, alert: those of the roles that are asked for
                                                └─▶ files, upkeep, page, control socket
"""

import asyncio
import os
import platform
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import structlog

from consumers.model import Topic
from daemon import __version__, logs
from daemon.app.comparing import comparing
from daemon.app.fetching import fetching
from daemon.app.keeping import keeping
from daemon.app.pressing import endpoint, keeper, new_session
from daemon.app.process import Process, Stopped, few_arenas, open_kept, patiently, worker_id
from daemon.app.serving import status_of, verbs_of
from daemon.app.telling import telling
from daemon.app.waiting import beating, first_of
from daemon.channel_settings import ChannelSettings
from daemon.clock import SystemClock
from daemon.control import ControlServer, own
from daemon.errors import Unavailable, Unusable
from daemon.feeds import Feed
from daemon.health import Health
from daemon.kept_files import KeptFiles
from daemon.live_line import LiveLine, Terminal
from daemon.observe import Observer
from daemon.publish import Publication, TopicPublisher
from daemon.reload import FEEDS, FILES, SETTINGS, TOPICS, ConfigFiles
from daemon.roles import Matching
from daemon.settings import ROLES, Settings
from daemon.status import Recent
from daemon.store.archive import Archive
from daemon.store.leases import Leases
from daemon.store.topics import TopicVersions
from daemon.store.workers import Worker, WorkerDetail, Workers
from daemon.supervisor import Supervisor
from daemon.telemetry import Metrics
from daemon.upkeep import Always, Election
from daemon.watch import FolderWatch
from daemon.web.app import Front, make_app, make_health_app
from daemon.web.server import address, bind, serve
from daemon.web.views import Views

SILENT = 3.0  # leases without a sign of life, after which a worker is taken for gone
DRAIN = 8.0  # seconds for what is under way when the daemon stops; ten are promised

logger = structlog.get_logger("wirewatch")


def run_until(
    stop: threading.Event,
    settings: Settings,
    folder: Path,
    *,
    roles: Sequence[str] = ROLES,
    listen: str = "",
    log_level: logs.Level = "info",
) -> None:
    """Runs ``roles`` until ``stop`` is set, or SIGTERM or SIGINT arrives. Raises ``Unusable``.

    ``listen``: where health, metrics and, with the role ``web``, the page are served; empty: as the settings say.
    """
    few_arenas()
    terminal = Terminal(sys.stderr)
    logs.set_up(partial(terminal.print, to=sys.stderr), pretty=terminal.live, level=log_level, colours=terminal.live)
    with suppress(Stopped):
        asyncio.run(_run(stop, settings, folder, terminal, roles=tuple(roles), listen=listen))


async def _run(  # noqa: C901 - one straight line, as said above
    stop: threading.Event, settings: Settings, folder: Path, terminal: Terminal, *, roles: tuple[str, ...], listen: str
) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    failure: list[Unusable] = []

    def unusable(error: Unusable) -> None:
        failure.append(error)
        stop.set()

    clock = SystemClock()
    started = clock.now()
    async with AsyncExitStack() as stack:
        # -- what nobody else may use at the same time
        alone = not settings.shared
        listen = listen or settings.listen_for(roles)
        owner = stack.enter_context(own(settings.data.dir, address=listen, clock=clock)) if alone else None
        bound = bind(listen, page="web" in roles)
        stack.callback(bound.close)
        threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="store")
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)

        # -- what is kept, and what watches it
        name = worker_id()
        health, metrics = Health(clock), Metrics(version=__version__, python=platform.python_version())
        for part in _parts_of(roles):
            health.set(part, False, "starting")  # not ready before they run, and nobody expects a beat of them yet
        front = Front(make_health_app(health, metrics.registry))
        servers = [asyncio.create_task(serve(front, bound, ended))]
        stack.callback(ended.set)
        store, log, letters = await open_kept(stack, settings, worker=name, health=health, clock=clock, stop=stop)
        kept_files = KeptFiles(settings.data.dir / file for file in ("lock", "store.sqlite", "log.sqlite") if alone)
        process = Process(
            id=name,
            roles=roles,
            alone=alone,
            clock=clock,
            rng=random.Random(),
            stop=stop,
            terminal=terminal,
            threads=threads,
            loop=loop,
            store=store,
            log=log,
            letters=letters,
            leases=Leases(store, owner=name, clock=clock, ttl=settings.workers.lease),
            workers=Workers(store),
            metrics=metrics,
            health=health,
            observer=Observer(metrics=metrics, health=health, clock=clock),
        )
        observer, archive, versions = process.observer, Archive(store), TopicVersions(store)
        supervisor = Supervisor(health=health, clock=clock, restarted=metrics.role_restarts.add, unusable=unusable)
        if alone:
            process.leases.clear()
            process.workers.clear()

        # -- the roles
        session = await stack.enter_async_context(new_session(settings.fetch.user_agent))
        presses = keeper(process, session)
        stack.push_async_callback(presses.finish, DRAIN)
        fetch = await fetching(stack, settings.fetch, process, drain=DRAIN) if "fetch" in roles else None
        tell = None
        if "alert" in roles:
            tell = telling(
                settings.alerts,
                settings.channel,
                process,
                session=session,
                presses=presses,
                page=settings.web.public_url or (f"http://{address(bound)}" if "web" in roles else ""),
                lease=settings.workers.lease,
                drain=DRAIN,
            )
        compare = comparing(
            settings.model, process, archive=archive, versions=versions, retention=settings.retention.articles
        )
        matches = "match" in roles

        # -- the files
        feeds_in_force: dict[str, Feed] = {}
        channels_in_force = dict(settings.channel)
        publisher = TopicPublisher(log, versions, clock)

        def set_feeds(feeds: Sequence[Feed]) -> None:
            if fetch is not None:
                fetch.set_feeds(feeds)
            feeds_in_force.clear()
            feeds_in_force.update({feed.id: feed for feed in feeds})

        def set_channels(channels: Mapping[str, ChannelSettings]) -> None:
            if tell is not None:
                tell.set_channels(channels)
                observer.channels(before=list(channels_in_force), now=channels)
            channels_in_force.clear()
            channels_in_force.update(channels)

        def publish_anew() -> None:
            publisher.forget()
            files.on_change(TOPICS)

        def named() -> Sequence[Topic] | None:
            """The topics whose examples are read here: one process does it for all."""
            return publisher.published if publishes.won() else None

        publishes = Always() if alone else Election(process.leases, "publisher", publish_anew)
        files = ConfigFiles(
            folder,
            settings,
            kept=settings.data.dir / "kept",
            publish=lambda topics: publisher.publish(topics) if publishes.won() else Publication(),
            set_feeds=set_feeds,
            set_channels=set_channels,
            report=observer.reloaded,
            names=_files_of(roles),
        )
        watch = FolderWatch(folder, _files_of(roles), files.on_change)

        # -- upkeep, and what answers
        keep = keeping(
            settings.retention,
            process,
            elections=[*([publishes] if fetch else []), *([compare.elects] if matches else [])],
            archive=archive,
            me=lambda: _sign_of_life(
                process, started, address(bound), compare.matching, fetch.shards() if fetch else None
            ),
            new=compare.matching.say_again,
            silent=SILENT * settings.workers.lease,
            kept_files=kept_files,
            digests=tell.digests if tell else {},
        )
        await patiently(stop, keep.enrol, partial(health.set, "store", False))
        status = Recent(
            partial(
                status_of,
                process,
                since=started,
                listen=address(bound),
                data_dir=settings.data.dir if alone else None,
                channels=channels_in_force,
                lag=keep.lag,
            ),
            clock,
        )
        observer.watch(
            status=status,
            lag=keep.lag,
            errors=lambda: files.errors,
            states=fetch.states if fetch else None,
            channels=channels_in_force if tell else (),
        )
        if "web" in roles:
            views = Views(
                store,
                clock=clock,
                status=status,
                feeds=lambda: feeds_in_force,
                channels=lambda: {name: channel.type for name, channel in channels_in_force.items()},
            )
            slack = endpoint(channels_in_force, presses, process)
            front.app = make_app(health, metrics.registry, views, keep.lag, slack=slack)
        else:
            front.app = make_health_app(health, metrics.registry, keep.lag)
        if owner is not None:
            verbs = verbs_of(process, status=status, sender=tell.sender if tell else None)
            servers.append(asyncio.create_task(ControlServer(Path(owner.socket), verbs).run(ended)))

        # -- go
        threaded = {
            "match": compare.matching.run if matches else None,
            "calibrate": compare.calibrating.run if matches else None,
            "alert": tell.alerting.run if tell else None,
            "files": partial(_follow_files, files, watch, partial(health.beat, "files")),
        }
        looped = {
            "fetch": fetch.run if fetch else None,
            "examples": partial(beating, partial(fetch.examples.run, named), health, "examples") if fetch else None,
            "send": partial(beating, tell.sender.run, health, "send") if tell else None,
            "buttons": partial(beating, tell.sockets.run, health, "buttons") if tell else None,
            "upkeep": partial(beating, keep.run, health, "upkeep"),
        }
        running = [supervisor.start(part, role, stop) for part, role in threaded.items() if role]
        tasks = [
            *(asyncio.create_task(supervisor.run_async(part, role, ended)) for part, role in looped.items() if role),
            asyncio.create_task(LiveLine(terminal, observer.figures, clock).run(ended)),
        ]
        logger.info(
            "watching",
            **{"page" if "web" in roles else "health": f"http://{address(bound)}/"},
            data=str(settings.data.dir) if alone else settings.store.url,
            pid=os.getpid(),
            **({} if alone else {"roles": " ".join(roles), "worker": name}),
        )
        try:
            await first_of(asyncio.to_thread(stop.wait), *servers)
        finally:
            logger.info("stopping")
            stop.set()
            ended.set()
            await asyncio.wait([*tasks, *servers], timeout=DRAIN + 1)
            for thread in running:
                await asyncio.to_thread(thread.join, DRAIN)
    if failure:
        raise failure[0]


def _sign_of_life(process: Process, since: float, listen: str, matching: Matching, shards: int | None) -> Worker:
    ready, parts = process.health.ready()
    return Worker(
        id=process.id,
        roles=process.roles,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        listen=listen,
        since=since,
        seen=process.clock.now(),
        ready=ready,
        detail=WorkerDetail(
            waiting=tuple((part.name, part.why) for part in parts if not part.ready),
            topics_place=matching.topics_place,
            shards=shards,
        ),
    )


def _parts_of(roles: Sequence[str]) -> tuple[str, ...]:
    beside = (("send", "alert"), ("buttons", "alert"), ("calibrate", "match"))
    return ("files", "upkeep", *(part for part, role in beside if role in roles), *(r for r in roles if r != "web"))


def _files_of(roles: Sequence[str]) -> tuple[str, ...]:
    """The files that matter to a process: only fetchers publish topics, and the page knows feeds by their names."""
    if "fetch" in roles:
        return FILES
    return (SETTINGS, FEEDS) if "web" in roles else (SETTINGS,)


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
