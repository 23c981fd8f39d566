"""A feed as the user names it, and what is known of it from polling."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One ``[[feed]]`` of feeds.toml."""

    id: str
    url: str
    name: str = ""
    tags: tuple[str, ...] = ()
    every: float | None = None  # seconds; a wish, the poll policy decides
    headers: tuple[tuple[str, str], ...] = ()
    basic_auth_file: str = ""  # "user:password" on its first line
    proxy: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What polling has learned of one feed: written after its articles were handed over, never before."""

    feed_id: str
    host: str = ""
    etag: str = ""
    last_modified: str = ""
    body_hash: str = ""  # of the decoded body: decides "unchanged" whatever the status line says
    next_due: float = 0.0
    interval: float = 0.0  # seconds; 0 before the first poll
    overlap: tuple[float, ...] = field(default=())  # share of already seen items in the last on-time polls, newest last
    failures: float = 0.0  # weighted
    polled: float | None = None
    succeeded: float | None = None
    error: str = ""  # of the last poll, one sentence; empty after a success
    moved_to: str = ""  # a permanent redirect's target, shown to the user
    title: str = ""
    backfilled: bool = False  # the first successful poll is behind us


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenItem:
    """An item that was read before. Kept longer than its article, so that it is never news again."""

    article_id: str
    content_hash: str
    revision: int
    last_seen: float  # exact to a day: an item that stays in its feed is not written down at every poll
