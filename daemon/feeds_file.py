"""feeds.toml: the feeds that are polled, read with positions and edited without losing a comment."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field

from consumers.ids import digest
from daemon.channel_settings import FilePath, Section
from daemon.config_errors import refused, validated
from daemon.entry_file import EntryFile
from daemon.feeds import Feed
from daemon.setting_types import Duration
from daemon.toml_file import Document, read_toml

FEED_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110, "token"
GENERIC = {"www", "rss", "feed", "feeds", "index", "xml", "atom", "rdf", "json", "news"}


def normal_url(url: str) -> str:
    """The same feed written in two ways gives one text: host and scheme in small letters, no default port, no fragment.

    Raises ``ValueError`` with a sentence.
    """
    if any(character.isspace() or not character.isprintable() for character in url.strip()):
        raise ValueError("a URL has no spaces or control characters in it")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError("this is not a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a feed's URL begins with https:// or http:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("take user and password out of the URL and name them with basic_auth_file")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.lower()
    netloc = host if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f"{host}:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path or "/", parts.query, ""))


def feed_id(url: str) -> str:
    """A readable name with a short digest: https://feeds.bbci.co.uk/news/world/rss.xml is bbci-world-4f1c2a."""
    parts = urlsplit(url)
    host = [word for word in (parts.hostname or "").split(".") if word not in GENERIC]
    path = [word for word in re.split(r"[^a-z0-9]+", parts.path.lower()) if word and word not in GENERIC]
    readable = re.sub(r"[^a-z0-9-]+", "", "-".join([*host[:1], *path[-2:]]).lower())[:40].strip("-")
    return f"{readable or 'feed'}-{digest('feed', url)[:6]}"


def _id(value: str) -> str:
    if not FEED_ID.fullmatch(value):
        raise ValueError("an id is made of a-z, 0-9, -, _ and ., begins with a letter or digit, at most 80 of them")
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, content in value.items():
        if not HEADER_NAME.fullmatch(name) or any(not c.isprintable() for c in content):
            raise ValueError("a header has a plain name and a value of one line")
    return value


def _proxy(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("a proxy is an http:// or https:// URL")
    return value


class FeedEntry(Section):
    """One ``[[feed]]``."""

    url: Annotated[str, AfterValidator(normal_url), Field(max_length=4000)]
    id: Annotated[str, AfterValidator(_id)] | None = None
    name: Annotated[str, Field(max_length=200)] = ""
    tags: tuple[str, ...] = ()
    every: Duration | None = None
    headers: Annotated[dict[str, str], AfterValidator(_headers), Field(default_factory=dict)]
    basic_auth_file: FilePath = None
    proxy: Annotated[str, AfterValidator(_proxy)] = ""
    enabled: Annotated[bool, Field(strict=True)] = True

    def feed(self) -> Feed:
        return Feed(
            id=self.id or feed_id(self.url),
            url=self.url,
            name=self.name,
            tags=self.tags,
            every=self.every,
            headers=tuple(self.headers.items()),
            basic_auth_file=str(self.basic_auth_file or ""),
            proxy=self.proxy,
            enabled=self.enabled,
        )


class FeedsFile(Section):
    feed: tuple[FeedEntry, ...] = ()


def _fields_of(where: tuple[str | int, ...], document: Document) -> type[Section] | None:
    levels: dict[int, type[Section]] = {0: FeedsFile, 2: FeedEntry}
    return levels.get(len(where))


def parse_feeds(text: str, file: Path) -> tuple[Feed, ...]:
    """In the order of the file; relative paths count from its folder. Raises ``ConfigError``."""
    document = read_toml(text, file)
    context = {"folder": file.absolute().parent}
    entries = validated(FeedsFile, document, text=text, file=file, fields_of=_fields_of, context=context).feed
    feeds = tuple(entry.feed() for entry in entries)
    first: dict[str, int] = {}
    for index, feed in enumerate(feeds):
        for key, value in (("url", feed.url), ("id", feed.id)):
            if first.setdefault(f"{key} {value}", index) != index:
                message = f"feed {first[f'{key} {value}'] + 1} has the same {key}: remove one of the two"
                raise refused(message, ("feed", index, key), text=text, file=file)
    return feeds


def feeds_file(file: Path) -> EntryFile[Feed]:
    return EntryFile(file, "feed", lambda text: parse_feeds(text, file))
