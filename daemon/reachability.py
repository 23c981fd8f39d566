"""The checks of `wirewatch doctor` that ask other machines: feeds, and channels without sending anything."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from daemon.doctor import Finding
from daemon.errors import ConfigError
from daemon.logs import hide_secrets, neutralise

if TYPE_CHECKING:
    from daemon.channel_settings import AppriseChannel, ChannelSettings, EmailChannel, SlackChannel, WebhookChannel
    from daemon.feeds import Feed
    from daemon.fetch.check import FeedReport
    from daemon.settings import FetchSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``trouble`` is empty where the other side answered as it should."""

    detail: str = ""
    trouble: str = ""


async def channels(settings: "Mapping[str, ChannelSettings]", *, limit: float) -> list[Finding]:
    """One finding for each channel, asked side by side, each within ``limit`` seconds."""
    found = await asyncio.gather(*(_channel(one, limit) for one in settings.values()))
    return [_finding(f"channel {name}", answer) for name, answer in zip(settings, found, strict=True)]


def _finding(name: str, answer: Answer) -> Finding:
    if answer.trouble:
        trouble = neutralise(hide_secrets(answer.trouble))
        return Finding(
            name=name, state="fail", detail=trouble, advice="alerts wait until it answers, and are then sent"
        )
    return Finding(name=name, detail=neutralise(hide_secrets(answer.detail)))


async def _channel(settings: "ChannelSettings", limit: float) -> Answer:
    from daemon.channel_settings import AppriseChannel, ConsoleChannel, EmailChannel, SlackChannel

    try:
        async with asyncio.timeout(limit):
            match settings:
                case ConsoleChannel():
                    return Answer(detail="prints to the terminal of `wirewatch run`")
                case SlackChannel():
                    return await (_slack(settings) if settings.token.given else _slack_webhook(settings))
                case EmailChannel():
                    return await _email(settings, limit)
                case AppriseChannel():
                    return _apprise(settings)
                case _:
                    return await _webhook(settings)
    except TimeoutError:
        return Answer(trouble=f"no answer within {limit:g} s")
    except ConfigError as error:
        return Answer(trouble=str(error))
    except OSError as error:
        return Answer(trouble=f"cannot connect: {_reason(error)}")


async def _slack(settings: "SlackChannel") -> Answer:
    """auth.test: whether the token is valid, and whose it is."""
    import aiohttp
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web.async_client import AsyncWebClient

    async with aiohttp.ClientSession() as session:
        token, api = settings.token.reveal(), settings.api_url
        client = AsyncWebClient(token=token, session=session, base_url=api, retry_handlers=[])
        try:
            answer = await client.auth_test()
        except SlackApiError as error:
            code = error.response.get("error", "") if isinstance(error.response.data, dict) else ""
            return Answer(trouble=f"Slack does not accept the token ({code or 'no reason given'})")
        except aiohttp.ClientError as error:
            return Answer(trouble=f"cannot connect to Slack: {type(error).__name__}")
    return Answer(detail=f"Slack knows the token: {answer.get('user')} in {answer.get('team')}, to {settings.channel}")


async def _slack_webhook(settings: "SlackChannel") -> Answer:
    return await _dial(settings.webhook_url.reveal())


async def _webhook(settings: "WebhookChannel") -> Answer:
    return await _dial(settings.address)


def _apprise(settings: "AppriseChannel") -> Answer:
    """Its services cannot be asked without a message."""
    return Answer(detail=f"a service by Apprise ({urlsplit(settings.address).scheme}), which cannot be asked ahead")


async def _dial(url: str) -> Answer:
    """Name and port only: any request could be taken for a message. The path stays unsaid, it may be a secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return Answer(trouble="its address is not a URL")
    if not host or not port:
        return Answer(trouble="its address is not a URL that begins with https:// or http://")
    try:
        _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror:
        return Answer(trouble=f"there is no address for the name {host}")
    except OSError as error:
        return Answer(trouble=f"cannot connect to {host}:{port}: {_reason(error)}")
    writer.close()
    return Answer(detail=f"{host}:{port} takes connections; nothing was sent")


async def _email(settings: "EmailChannel", limit: float) -> Answer:
    """Connects, negotiates TLS, logs in and says NOOP."""
    import aiosmtplib

    from consumers.notify.mail import verdict

    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.smtp_port,
        use_tls=settings.security == "tls",
        start_tls=settings.security == "starttls",
        username=settings.username or None,
        password=settings.password.reveal() if settings.password.given else None,
        timeout=limit,
    )
    where = f"{settings.host}:{settings.smtp_port}"
    try:
        async with client:
            await client.noop()
    except aiosmtplib.SMTPException as error:
        return Answer(trouble=verdict(error, where).reason)
    login = f", logged in as {settings.username}" if settings.username else ""
    return Answer(detail=f"{where} answers ({settings.security}{login}); no mail was sent")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else type(error).__name__


def sample(feeds: Sequence[T], size: int) -> list[T]:
    """At most ``size`` of them, spread evenly, the first always among them."""
    if len(feeds) <= size:
        return list(feeds)
    return [feeds[index * len(feeds) // size] for index in range(size)]


async def feeds(settings: "FetchSettings", chosen: "Sequence[Feed]", *, limit: float) -> "list[FeedReport]":
    """Each of them read once, side by side, within ``limit`` seconds each. Raises ``Unavailable``."""
    from daemon.clock import SystemClock
    from daemon.fetch.check import check
    from daemon.fetch.client import FeedClient
    from daemon.fetch.guard import EgressGuard
    from daemon.fetch.workers import ParserPool

    clock = SystemClock()
    client = FeedClient(
        guard=EgressGuard(settings.allow_networks),
        clock=clock,
        user_agent=settings.user_agent,
        timeout=limit,
        max_wire=settings.max_wire,
        max_decoded=settings.max_decoded,
    )
    parser = ParserPool(
        workers=settings.parse_workers,
        timeout=settings.parse_timeout,
        memory=settings.parse_memory,
        max_entries=settings.max_entries,
    )
    async with client, parser:
        return await asyncio.gather(*(check(feed, client=client, parser=parser, clock=clock) for feed in chosen))


def feeds_finding(reports: "Sequence[FeedReport]", listed: int) -> Finding:
    """``reports`` are those of a sample of the feeds ``listed``."""
    bad = [report for report in reports if not report.readable]
    which = "feeds" if len(reports) == listed else f"sampled feeds of {listed}"
    detail = f"{len(reports) - len(bad)} of {len(reports)} {which} can be read"
    if not reports:
        advice = "add one: wirewatch feeds add URL"
        return Finding(name="feeds", state="warn", detail="none is listed and enabled in feeds.toml", advice=advice)
    if not bad:
        return Finding(name="feeds", detail=detail)
    troubles = "; ".join(
        f"{report.url}: {report.problems[0] if report.problems else 'unreadable'}" for report in bad[:5]
    )
    return Finding(
        name="feeds",
        state="fail" if len(bad) == len(reports) else "warn",
        detail=neutralise(hide_secrets(f"{detail}; {troubles}")),
        advice="is this machine online, and may it reach them?"
        if len(bad) == len(reports)
        else "`wirewatch feeds check` says more; they are polled again whatever happens",
    )
