"""Channels from their settings: the one place that knows every kind, and that reads their secrets."""

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from consumers.ids import digest
from consumers.notify import Notifier
from consumers.notify.rendered import Render
from consumers.notify.slack_pace import Paces
from consumers.set_times import quiet_hours
from daemon.channel_settings import (
    AppriseChannel,
    ChannelSettings,
    ConsoleChannel,
    EmailChannel,
    SlackChannel,
    WebhookChannel,
)
from daemon.channel_templates import of_channel, render_for
from daemon.errors import ConfigError
from daemon.sender import Channel

if TYPE_CHECKING:
    from aiohttp import ClientSession

Now = Callable[[], float]


def build_channels(
    settings: Mapping[str, ChannelSettings],
    *,
    session: "ClientSession",
    write: Callable[[str], object],
    colour: bool = False,
    now: Now = time.time,
    paces: Paces | None = None,
) -> tuple[Channel, ...]:
    """Every channel of the settings file, with its secrets read now. Raises ``ConfigError``, which names the channel.

    ``write`` is where the console's alerts go; ``colour`` whether it shows colours. The session is the caller's, and
    ``paces`` are where channels were made before.
    """
    paces = paces or Paces(now)
    return tuple(
        Channel(
            name=name,
            kind=channel.type,
            notifier=build_notifier(name, channel, session=session, write=write, colour=colour, now=now, paces=paces),
            settings_hash=digest("channel", channel.model_dump_json()),  # names of secrets, never their values
            quiet=quiet_hours(channel.quiet_hours) if channel.quiet_hours else None,
        )
        for name, channel in settings.items()
    )


def build_notifier(
    name: str,
    settings: ChannelSettings,
    *,
    session: "ClientSession",
    write: Callable[[str], object],
    colour: bool = False,
    now: Now = time.time,
    paces: Paces | None = None,
) -> Notifier:
    """Raises ``ConfigError`` where a secret is missing, an address is none or a template cannot be used."""
    try:
        render = render_for(settings)
        match settings:
            case ConsoleChannel():
                return _console(render, write, colour, now)
            case SlackChannel():
                return _slack(settings, render, session, now, paces or Paces(now))
            case EmailChannel():
                return _email(settings, render, now)
            case WebhookChannel():
                return _webhook(settings, session, now)
            case AppriseChannel():
                return _apprise(settings, render, now)
    except ConfigError as error:
        raise of_channel(name, error) from error
    except ValueError as error:
        raise ConfigError(str(error), key=f"channel.{name}") from error


async def unusable(settings: Mapping[str, ChannelSettings]) -> Mapping[str, ConfigError]:
    """Why channels could not be made of these settings, by name; their templates apart, and nothing is sent."""
    from aiohttp import ClientSession

    found = {}
    async with ClientSession() as session:  # some are made around one
        for name, channel in settings.items():
            try:
                build_notifier(name, channel.model_copy(update={"template": None}), session=session, write=str)
            except ConfigError as error:
                found[name] = error
    return found


def _console(render: Render, write: Callable[[str], object], colour: bool, now: Now) -> Notifier:
    from consumers.notify.console import ConsoleNotifier

    def width() -> int:
        return shutil.get_terminal_size((100, 40)).columns

    return ConsoleNotifier(write, now=now, width=width, colour=colour, render=render)


def _slack(settings: SlackChannel, render: Render, session: "ClientSession", now: Now, paces: Paces) -> Notifier:
    if settings.webhook_url.given:
        from consumers.notify.slack_webhook import SlackWebhookNotifier

        return SlackWebhookNotifier(session, settings.webhook_url.reveal(), now=now, render=render)
    from consumers.notify.slack import SlackNotifier

    token, channel = settings.token.reveal(), settings.channel
    return SlackNotifier(
        session,
        token,
        channel,
        now=now,
        buttons=has_buttons(settings),
        render=render,
        base_url=settings.api_url,
        pace=paces.of(token),
    )


def has_buttons(settings: SlackChannel) -> bool:
    """Somebody would hear it if one was pressed."""
    return settings.app_token.given or settings.signing_secret.given


def _email(settings: EmailChannel, render: Render, now: Now) -> Notifier:
    from consumers.notify.mail import MailNotifier

    return MailNotifier(
        settings.host,
        settings.smtp_port,
        sender=settings.sender,
        recipients=settings.recipients,
        now=now,
        security=settings.security,
        username=settings.username,
        password=settings.password.reveal() if settings.password.given else "",
        render=render,
    )


def _webhook(settings: WebhookChannel, session: "ClientSession", now: Now) -> Notifier:
    from consumers.notify.webhook import WebhookNotifier

    secret = settings.secret.reveal() if settings.secret.given else ""
    return WebhookNotifier(session, settings.address, secret=secret, now=now)


def _apprise(settings: AppriseChannel, render: Render, now: Now) -> Notifier:
    from consumers.notify.apprise import AppriseNotifier

    return AppriseNotifier(settings.address, now=now, render=render)


def write_stdout(text: str) -> None:
    """The console of the daemon: a whole alert at once. Raises ``OSError`` where nobody reads it any more."""
    sys.stdout.write(text)
    sys.stdout.flush()
