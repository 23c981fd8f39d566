"""Channels from their settings: the one place that knows every kind, and that reads their secrets."""

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from consumers.ids import digest
from consumers.notify import Notifier
from daemon.channel_settings import ChannelSettings, ConsoleChannel, EmailChannel, SlackChannel, WebhookChannel
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
) -> tuple[Channel, ...]:
    """Every channel of the settings file, with its secrets read now. Raises ``ConfigError``, which names the channel.

    ``write`` is where the console's alerts go; ``colour`` whether it shows colours. The session is the caller's.
    """
    return tuple(
        Channel(
            name=name,
            kind=channel.type,
            notifier=build_notifier(name, channel, session=session, write=write, colour=colour, now=now),
            settings_hash=digest("channel", channel.model_dump_json()),  # names of secrets, never their values
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
) -> Notifier:
    """Raises ``ConfigError`` where a secret is missing or an address is none."""
    try:
        match settings:
            case ConsoleChannel():
                return _console(write, colour, now)
            case SlackChannel():
                return _slack(settings, session, now)
            case EmailChannel():
                return _email(settings, now)
            case WebhookChannel():
                return _webhook(settings, session, now)
    except ConfigError as error:
        raise ConfigError(error.message, key=f"channel.{name}") from error
    except ValueError as error:
        raise ConfigError(str(error), key=f"channel.{name}") from error


def _console(write: Callable[[str], object], colour: bool, now: Now) -> Notifier:
    from consumers.notify.console import ConsoleNotifier

    return ConsoleNotifier(write, now=now, width=lambda: shutil.get_terminal_size((100, 40)).columns, colour=colour)


def _slack(settings: SlackChannel, session: "ClientSession", now: Now) -> Notifier:
    if settings.webhook_url.given:
        from consumers.notify.slack_webhook import SlackWebhookNotifier

        return SlackWebhookNotifier(session, settings.webhook_url.reveal(), now=now)
    from consumers.notify.slack import SlackNotifier

    return SlackNotifier(session, settings.token.reveal(), settings.channel, now=now)


def _email(settings: EmailChannel, now: Now) -> Notifier:
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
    )


def _webhook(settings: WebhookChannel, session: "ClientSession", now: Now) -> Notifier:
    from consumers.notify.webhook import WebhookNotifier

    secret = settings.secret.reveal() if settings.secret.given else ""
    return WebhookNotifier(session, settings.address, secret=secret, now=now)


def write_stdout(text: str) -> None:
    """The console of the daemon: a whole alert at once. Raises ``OSError`` where nobody reads it any more."""
    sys.stdout.write(text)
    sys.stdout.flush()
