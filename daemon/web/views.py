"""What the page and the API show. Nothing here writes."""

from collections.abc import Callable, Mapping, Sequence

from daemon.clock import Clock
from daemon.feeds import Feed
from daemon.health import Part
from daemon.status import Status
from daemon.store import Store
from daemon.store.alert_cards import AlertCard, AlertCards
from daemon.store.alert_pages import AlertPage, alert_page
from daemon.store.not_alerts import WaitingStory, waiting_stories
from daemon.store.overview import ChannelLine, FeedLine, TopicLine, channel_lines, feed_lines, topic_lines
from daemon.store.workers import Worker


class Views:
    """Threads may share it. What reads the store raises ``Unavailable``."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        status: Callable[[], Status],
        feeds: Callable[[], Mapping[str, Feed]],
        channels: Callable[[], Mapping[str, str]],
        config_parts: Sequence[str] = ("settings-file", "topics-file", "feeds-file"),
    ) -> None:
        """``feeds`` are those in force, by id; ``channels`` the kinds of those in force, by name."""
        self._store = store
        self._cards = AlertCards(store)
        self._clock = clock
        self.status = status
        self._feeds = feeds
        self._channels = channels
        self._config_parts = frozenset(config_parts)

    @property
    def now(self) -> float:
        return self._clock.now()

    def config_errors(self, parts: Sequence[Part], workers: Sequence[Worker] = ()) -> tuple[Part, ...]:
        """Of this process, and what other workers say beyond that: only fetchers read topics.toml."""
        errors = {part.why: part for part in parts if part.name in self._config_parts and not part.ready}
        for worker in workers:
            for name, why in worker.detail.waiting:
                if name in self._config_parts:
                    errors.setdefault(why, Part(name=name, ready=False, why=why, since=worker.seen))
        return tuple(errors.values())

    def alerts(self, *, limit: int = 30, topic_id: str = "", before: float | None = None) -> tuple[AlertCard, ...]:
        """Newest first; ``before``: only older ones."""
        return self._cards.newest(limit=limit, topic_id=topic_id, before=before)

    def alert(self, alert_id: str) -> AlertPage | None:
        return alert_page(self._store, alert_id, self.now)

    def topics(self) -> tuple[TopicLine, ...]:
        return topic_lines(self._store, self.now)

    def waiting(self, topics: Sequence[TopicLine], *, limit: int, topic_id: str = "") -> tuple[WaitingStory, ...]:
        """Stories that wait for another source, the one reported last first; asked only where a topic makes them."""
        if not any(topic.min_sources > 1 and topic_id in ("", topic.id) for topic in topics):
            return ()
        return tuple(waiting_stories(self._store, limit=limit, topic_id=topic_id))

    def feeds(self, limit: int | None = None) -> tuple[FeedLine, ...]:
        return feed_lines(self._store, self._feeds(), limit)

    def channels(self) -> tuple[ChannelLine, ...]:
        return channel_lines(self._store, self._channels(), self.now)


def segments(passage: str, marks: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The passage in pieces, each marked or not. Spans that overlap or leave the text are cut to fit."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in sorted(marks):
        start, end = max(start, at), min(end, len(passage))
        if start >= end:
            continue
        if start > at:
            pieces.append((passage[at:start], False))
        pieces.append((passage[start:end], True))
        at = end
    if at < len(passage):
        pieces.append((passage[at:], False))
    return pieces
