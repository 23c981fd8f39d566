"""What parsing makes of a body. Apart from the parser, so that only its own process imports it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedEntry:
    """One item. ``published`` is what the feed says, in seconds since the epoch, however absurd."""

    guid: str = ""
    url: str = ""  # canonical, or empty
    title: str = ""
    text: str = ""
    published: float | None = None
    lang: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    kind: str  # feedparser's version: "rss20", "atom10", "rss10", …
    title: str = ""
    ttl: float | None = None  # seconds
    entries: tuple[ParsedEntry, ...] = ()
    left_out: int = 0  # entries over the cap, the oldest ones where they have dates
    warning: str = ""  # the document is broken, and was read all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAFeed:
    reason: str
    discovered: tuple[str, ...] = ()
    broken: bool = False  # it looks like a feed that cannot be read
