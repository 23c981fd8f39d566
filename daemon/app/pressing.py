"""Buttons in Slack: who hears that one was pressed.

A socket for each app-level token of the channels, in the processes that send; an endpoint for signed requests in those
that serve the page. Both hand what they hear to the same keeper of presses.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from daemon.actions import Actions
from daemon.app.process import Process
from daemon.app.waiting import first_of
from daemon.channel_settings import ChannelSettings, SlackChannel
from daemon.errors import ConfigError
from daemon.slack_presses import Presses
from daemon.slack_socket import SlackSocket
from daemon.web.slack import SlackEndpoint

if TYPE_CHECKING:
    from aiohttp import ClientSession

logger = structlog.get_logger("wirewatch")


@dataclass(frozen=True, slots=True)
class App:
    """A Slack app that may be listened to: its app-level token, and where its API is."""

    token: str
    api: str


@dataclass(slots=True)
class _Listening:
    stop: asyncio.Event
    task: asyncio.Task[None]


class Sockets:
    """On the loop, but for ``set_channels``, which may be called from any thread."""

    def __init__(self, channels: Mapping[str, ChannelSettings], open_socket: Callable[[App], SlackSocket]) -> None:
        self._channels = channels
        self._open = open_socket
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def set_channels(self, channels: Mapping[str, ChannelSettings]) -> None:
        self._channels = channels
        self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Listens to every app of the channels as they are now, until ``stop``."""
        listening: dict[App, _Listening] = {}
        try:
            while not stop.is_set():
                self._changed.clear()
                wanted = apps(self._channels)
                for app in listening.keys() - wanted:
                    await _end(listening.pop(app))
                for app in wanted - listening.keys():
                    ended = asyncio.Event()
                    listening[app] = _Listening(ended, asyncio.create_task(self._open(app).run(ended)))
                await first_of(stop.wait(), self._changed.wait(), *(_result(each.task) for each in listening.values()))
        finally:
            for each in listening.values():
                await _end(each)


def apps(channels: Mapping[str, ChannelSettings]) -> frozenset[App]:
    """Each once. A token that cannot be read is told, and its channel's alerts go out without buttons that work."""
    found = set()
    for name, channel in channels.items():
        if isinstance(channel, SlackChannel) and channel.app_token.given:
            try:
                found.add(App(channel.app_token.reveal(), channel.api_url))
            except ConfigError as error:
                logger.warning("buttons cannot be heard", channel=name, why=str(error))
    return frozenset(found)


def signing_secrets(channels: Mapping[str, ChannelSettings]) -> tuple[str, ...]:
    """Of the apps whose requests are taken; one that cannot be read is left out."""
    found = []
    for channel in channels.values():
        if isinstance(channel, SlackChannel) and channel.signing_secret.given:
            with suppress(ConfigError):
                found.append(channel.signing_secret.reveal())
    return tuple(dict.fromkeys(found))


def told_once(trouble: str = "") -> Callable[[str], None]:
    """Says in the log what keeps buttons from working, when that changes."""
    last = trouble

    def tell(text: str) -> None:
        nonlocal last
        if bool(text) != bool(last):
            if text:
                logger.warning("buttons in Slack do not work", why=text)
            else:
                logger.info("buttons in Slack work")
        last = text

    return tell


async def _end(listening: _Listening) -> None:
    listening.stop.set()
    await listening.task


async def _result(task: asyncio.Task[None]) -> None:
    """What it raised, without ending it when nobody waits any more."""
    await asyncio.shield(task)


def keeper(process: Process, session: "ClientSession") -> Presses:
    """Of this process's presses."""
    actions = Actions(process.store, process.clock)
    return Presses(actions.carry_out, session=session, threads=process.threads)


def endpoint(channels: Mapping[str, ChannelSettings], presses: Presses, process: Process) -> SlackEndpoint:
    """For signed requests; where no channel has a secret it takes none. ``channels``: as they are at each request."""
    return SlackEndpoint(secrets=lambda: signing_secrets(channels), presses=presses, now=process.clock.now)


def new_session(user_agent: str) -> "ClientSession":
    import aiohttp

    return aiohttp.ClientSession(headers={"User-Agent": user_agent}, cookie_jar=aiohttp.DummyCookieJar())
