"""The three files while the daemon runs: a good edit is put in force, a broken one is told and changes nothing."""

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from consumers.model import Topic
from daemon.channel_settings import ChannelSettings
from daemon.errors import ConfigError, Unavailable
from daemon.feeds import Feed
from daemon.feeds_file import parse_feeds
from daemon.publish import Publication
from daemon.settings import Settings, load_settings
from daemon.toml_file import read_text
from daemon.topics_file import Reader, topics_reader

SETTINGS, TOPICS, FEEDS = "wirewatch.toml", "topics.toml", "feeds.toml"
FILES = (SETTINGS, TOPICS, FEEDS)
Part = Literal["settings-file", "topics-file", "feeds-file"]
PARTS: Mapping[str, Part] = {SETTINGS: "settings-file", TOPICS: "topics-file", FEEDS: "feeds-file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """What came of one look at one file. ``error`` is empty where the file is in force as it stands."""

    part: Part
    file: Path
    error: str = ""
    changed: str = ""  # for people: what is different now
    restart: tuple[str, ...] = ()  # sections whose change takes effect at the next start


class ConfigFiles:
    """Threads may share it; looks take turns.

    ``publish`` puts topics in force, ``set_feeds`` and ``set_channels`` take all that are listed now, ``report`` hears
    of every look, ``names`` are the files that matter to this process. What a callback finds wrong it raises as
    ``ConfigError``: then the edit is not in force. The last good text of topics.toml and feeds.toml is kept in the
    folder ``kept``, so that a daemon that starts beside a broken edit goes on with what was in force.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        kept: Path,
        publish: Callable[[Sequence[Topic]], Publication],
        set_feeds: Callable[[Sequence[Feed]], None],
        set_channels: Callable[[Mapping[str, ChannelSettings]], None],
        report: Callable[[Reloaded], None],
        names: Collection[str] = FILES,
    ) -> None:
        self._folder = folder
        self._names = names
        self._settings = settings
        self._kept = kept
        self._publish = publish
        self._set_feeds = set_feeds
        self._set_channels = set_channels
        self._report = report
        self._turn = threading.Lock()
        self._errors: dict[str, str] = {}
        self._feeds: tuple[Feed, ...] | None = None
        self._topics = self._topics_reader()

    @property
    def errors(self) -> Mapping[str, str]:
        """The sentence for each file that is not in force as it stands, by name of the file."""
        return dict(self._errors)

    def start(self) -> None:
        """Topics and feeds for the first time; the settings are in force already. Raises ``Unavailable``."""
        with self._turn:
            for name in (TOPICS, FEEDS):
                if name not in self._names:
                    continue
                self._reload(name)
                if name in self._errors:
                    self._go_on_with_the_kept(name)

    def on_change(self, name: str) -> None:
        """Raises ``Unavailable``: the edit is good and not in force yet; call again."""
        with self._turn:
            self._reload(name)
            if name == SETTINGS and SETTINGS not in self._errors and TOPICS in self._names:
                self._reload(TOPICS)  # its channels may exist now, or no longer

    def _reload(self, name: str) -> None:
        file = self._folder / name
        try:
            outcome = self._apply_settings(file) if name == SETTINGS else self._apply(name, read_text(file))
        except ConfigError as error:
            self._errors[name] = str(error)
            outcome = Reloaded(part=PARTS[name], file=file, error=str(error))
        except Unavailable as error:
            self._errors[name] = f"{file}: this edit is not in force yet, it waits for the log and the store ({error})"
            self._report(Reloaded(part=PARTS[name], file=file, error=self._errors[name]))
            raise
        else:
            self._errors.pop(name, None)
        self._report(outcome)

    def _go_on_with_the_kept(self, name: str) -> None:
        """Where there is none, the topics of the stream stay in force, and no feed is known."""
        try:
            self._apply(name, read_text(self._kept / name))
        except ConfigError:  # nothing was kept, or a channel is gone since: the error that was told is the one to mend
            return

    def _apply(self, name: str, text: str) -> Reloaded:
        changed = self._apply_topics(text) if name == TOPICS else self._apply_feeds(text)
        self._keep(name, text)
        return Reloaded(part=PARTS[name], file=self._folder / name, changed=changed)

    def _apply_topics(self, text: str) -> str:
        return self._publish(self._topics(text)).summary

    def _topics_reader(self) -> Reader:
        """For the channels as they are now: a topic that names one that is gone is not what it was."""
        return topics_reader(self._folder / TOPICS, frozenset(self._settings.channel))

    def _apply_feeds(self, text: str) -> str:
        feeds = parse_feeds(text, self._folder / FEEDS)
        before = {feed.id: feed for feed in self._feeds or ()}
        after = {feed.id: feed for feed in feeds}
        if feeds != self._feeds:
            self._set_feeds(feeds)
        self._feeds = feeds
        return _difference(before, after)

    def _apply_settings(self, file: Path) -> Reloaded:
        settings, before = load_settings(file), self._settings
        if settings.channel != before.channel:
            self._set_channels(settings.channel)
        self._settings = settings
        if settings.channel.keys() != before.channel.keys():
            self._topics = self._topics_reader()
        sections = [name for name in Settings.model_fields if getattr(settings, name) != getattr(before, name)]
        return Reloaded(
            part=PARTS[SETTINGS],
            file=file,
            changed="" if "channel" not in sections else _difference(before.channel, settings.channel),
            restart=tuple(f"[{name}]" for name in sections if name != "channel"),
        )

    def _keep(self, name: str, text: str) -> None:
        """A copy in the data directory. It is an extra: where it cannot be written, the log and the store say why."""
        kept = self._kept / name
        new = kept.with_suffix(".new")
        try:
            self._kept.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as copy:  # noqa: PTH123 - with a mode
                copy.write(text)
            new.replace(kept)
        except OSError:
            return


def _difference(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    kinds = {
        "added": [key for key in after if key not in before],
        "changed": [key for key in after if key in before and before[key] != after[key]],
        "removed": [key for key in before if key not in after],
    }
    return "; ".join(f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in kinds.items() if keys)


def _some(keys: Sequence[str], limit: int = 5) -> str:
    rest = len(keys) - limit
    return ", ".join(keys[:limit]) + (f" and {rest} more" if rest > 0 else "")
