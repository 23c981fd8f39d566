"""Templates of channels from their files, each read again when it is edited."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from consumers.notify import Tidings, push_text, slack_text
from consumers.notify.rendered import Render, Rendered, own_words
from daemon.channel_settings import AppriseChannel, ChannelSettings, SlackChannel
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from consumers.notify.template import Template

LARGEST = 100_000  # bytes; what is longer is no template

log = structlog.get_logger("wirewatch.send")


def render_for(settings: ChannelSettings) -> Render:
    """What the channel's template makes of things, or its own words. Raises ``ConfigError``."""
    if settings.template is None:
        return own_words
    return EditedTemplate(settings.template, settings)


def of_channel(name: str, error: ConfigError) -> ConfigError:
    """The same, with the channel named; a wrong template keeps its own file and line."""
    key = f"channel.{name}" + (f".{error.key}" if error.key else "")
    return ConfigError(error.message, file=error.file, line=error.line, key=key)


class EditedTemplate:
    """A ``Render``. A good edit is in force with the next message; a broken one is told and changes nothing.

    Raises ``ConfigError``, with the template's file and line, where there is no good version to begin with.
    """

    def __init__(self, file: Path, settings: ChannelSettings) -> None:
        self._file = file
        self._settings = settings
        self._mark = _mark(file)
        self._template = _load(file, settings)
        self._trouble = ""

    def __call__(self, tidings: Tidings) -> Rendered:
        if (mark := _mark(self._file)) != self._mark:
            self._mark = mark
            self._read_again()
        rendered = self._template(tidings)
        note = "; ".join(filter(None, (rendered.note, self._trouble)))
        return Rendered(text=rendered.text, subject=rendered.subject, note=note)

    def _read_again(self) -> None:
        try:
            self._template = _load(self._file, self._settings)
        except ConfigError as error:
            self._trouble = f"{error}; the last good version of this template is in force"
            log.warning("a template is broken; its last good version is in force", reason=str(error))
        else:
            self._trouble = ""
            log.info("a template was edited and is in force", file=str(self._file))


def _load(file: Path, settings: ChannelSettings) -> "Template":
    from consumers.notify.template import Template, TemplateUnusable

    try:
        with file.open("rb") as opened:
            source = opened.read(LARGEST).decode()
    except OSError as error:
        raise ConfigError(f"the template cannot be read ({os.strerror(error.errno or 0)})", file=str(file)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("the template is not in UTF-8", file=str(file)) from error
    try:
        match settings:
            case SlackChannel():
                return Template(source, file.name, escape=_in_slack, escape_address=_address_in_slack)
            case AppriseChannel():
                return Template(source, file.name, escape=push_text.unpinged)
            case _:
                return Template(source, file.name)
    except TemplateUnusable as error:
        raise ConfigError(error.message, file=str(file), line=error.line) from error


def _in_slack(text: str) -> str:
    return slack_text.escape(text, LARGEST)


def _address_in_slack(url: str) -> str:
    return url.replace("&", "&amp;")


def _mark(file: Path) -> tuple[int, int, int] | None:
    """Which version of it; ``None`` where it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
