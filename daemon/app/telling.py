"""The role ``alert``: matches become stories and alerts, and alerts go out."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from consumers.backfill_summary import AlreadyPublished
from consumers.backfill_summary import lines as already_published
from consumers.notify.slack_pace import Paces
from daemon.app.pressing import App, Sockets, told_once
from daemon.app.process import Process
from daemon.channel_settings import ChannelSettings
from daemon.channels import build_channels
from daemon.live_line import Terminal
from daemon.near_digests import NearDigests
from daemon.roles import Alerting
from daemon.sender import Sender
from daemon.settings import AlertSettings
from daemon.signals import Signals
from daemon.slack_presses import Presses
from daemon.slack_socket import SlackSocket
from daemon.store.outbox import Outbox
from daemon.store.stories import Stories

if TYPE_CHECKING:
    from aiohttp import ClientSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """``alerting`` runs on a thread, ``sender`` and ``sockets`` on the loop; ``set_channels`` may be called from any
    thread. ``digests`` look for what is told beside stories, by its name; each is called with the time, every minute.
    """

    alerting: Alerting
    sender: Sender
    sockets: Sockets
    set_channels: Callable[[Mapping[str, ChannelSettings]], None]
    digests: Mapping[str, Callable[[float], object]]


def telling(
    settings: AlertSettings,
    channels: Mapping[str, ChannelSettings],
    process: Process,
    *,
    session: "ClientSession",
    presses: Presses,
    page: str,
    lease: float,
    drain: float,
) -> Telling:
    """``page`` is the address of Wirewatch's own page, ``lease`` the seconds that one lasts, ``drain`` those to finish
    what is on the wire.
    """
    channels_of = partial(
        build_channels,
        session=session,
        write=lambda text: process.terminal.print(text, to=sys.stdout),
        colour=sys.stdout.isatty(),
        now=process.clock.now,
        paces=Paces(process.clock.now),
    )
    sender = Sender(
        outbox=Outbox(process.store, page=page),
        leases=process.leases,
        lease=lease,
        channels=channels_of(channels),
        clock=process.clock,
        operator=settings.operator,
        rng=process.rng,
        count=process.observer.attempted,
        accepted=process.metrics.delivery_latency.observe,
        report=process.observer.channel,
        drain=drain,
    )
    alerting = Alerting(
        log=process.log,
        stories=Stories(process.store),
        quarantine=process.letters.put,
        clock=process.clock,
        settle=settings.settle,
        beat=partial(process.health.beat, "alert"),
        trouble=partial(process.observer.trouble, "alert"),
        decided=process.observer.decided,
        rejected=process.observer.rejected,
        summary=partial(_say_already_published, process.terminal),
    )

    def socket(app: App) -> SlackSocket:
        return SlackSocket(session, app.token, presses, trouble=told_once(), api=app.api)

    sockets = Sockets(channels, socket)

    def set_channels(channels: Mapping[str, ChannelSettings]) -> None:
        sockets.set_channels(channels)
        process.loop.call_soon_threadsafe(sender.set_channels, channels_of(channels))

    return Telling(
        alerting=alerting,
        sender=sender,
        sockets=sockets,
        set_channels=set_channels,
        digests={
            "spikes and silences": Signals(process.store).round,
            "near misses": NearDigests(process.store).round,
        },
    )


def _say_already_published(terminal: Terminal, summary: AlreadyPublished, topic: str) -> None:
    """For whoever reads along: where nobody does any more, the alerts go on without it."""
    with suppress(OSError, ValueError):
        terminal.print("\n".join(already_published(summary, topic)), to=sys.stdout)
