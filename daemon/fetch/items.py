"""Which items of a parsed feed are articles to hand over: new ones, changed ones, and what a new feed already carried.

An item is its guid; else its link; else its title, date and text. Feeds break that in known ways, so every item has a
second, more precise name as well, used where the first is shared within one feed.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from consumers.ids import article_id, digest
from consumers.model import Article
from daemon.feeds import Feed, FeedState, SeenItem
from daemon.fetch.parsed import ParsedEntry, ParsedFeed
from daemon.fetch.text import one_line
from daemon.fetch.urls import canonical, host_of

Outcome = Literal["new", "revision", "backfill", "unchanged", "duplicate", "empty", "over_limit", "rejected"]

_EARLIEST = 631_152_000.0  # 1990-01-01: before the web
_AHEAD = 86_400.0  # seconds that clocks and zones may be wrong by
_RENAMED_LEAST = 5  # items, before an all-new feed is taken for one that renamed them
_SEEN_AGAIN = 86_400.0  # seconds after which it is written down that an item is still there
_COUNTERS = re.compile(r"\b\d[\d.,]*\s?[km]?\s(?:comments?|likes?|views?|shares?|points?|reactions?|replies|votes?)\b")
_WORDS = re.compile(r"\W+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An item with its two possible ids."""

    entry: ParsedEntry
    id: str
    precise_id: str  # of guid and link, or of link and title
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a parsed feed comes to. Every item is in exactly one outcome."""

    articles: tuple[Article, ...]  # oldest first, as far as that is known
    outcomes: Mapping[Outcome, int]
    seen: tuple[SeenItem, ...]  # to be written down after the articles were handed over
    items: int
    known: int


def candidates(feed_id: str, entries: Sequence[ParsedEntry]) -> list[Candidate]:
    """The items that say anything, in the feed's order."""
    return [_candidate(feed_id, entry) for entry in entries if entry.title or entry.text]


def read(
    feed: Feed,
    state: FeedState,
    parsed: ParsedFeed,
    found: Sequence[Candidate],
    seen: Mapping[str, SeenItem],
    now: float,
) -> Reading:
    """Pure. ``seen`` holds what is known of the candidates' ids, both kinds."""
    named = _named(found, seen)
    outcomes: Counter[Outcome] = Counter()
    outcomes.update(
        {
            "empty": len(parsed.entries) - len(found),
            "over_limit": parsed.left_out,
            "duplicate": len(found) - len(named),
        }
    )
    fresh = [candidate for item_id, candidate in named.items() if item_id not in seen]
    renamed = _renamed(state, fresh, known=len(named) - len(fresh))
    articles: list[Article] = []
    remembered: list[SeenItem] = []
    for item_id, candidate in named.items():
        before = seen.get(item_id)
        changed = before is not None and before.content_hash != candidate.content_hash
        revision = 1 if before is None else before.revision + changed
        if before is None or changed or now - before.last_seen >= _SEEN_AGAIN:
            item = SeenItem(article_id=item_id, content_hash=candidate.content_hash, revision=revision, last_seen=now)
            remembered.append(item)
        if before is not None and not changed:
            outcomes["unchanged"] += 1
            continue
        backfill = not state.backfilled or (before is None and _was_there(candidate, state, renamed))
        articles.append(_article(feed, candidate.entry, item_id, revision, backfill, now))
        outcomes[outcome(articles[-1])] += 1
    return Reading(
        articles=tuple(reversed(articles)),
        outcomes={name: number for name, number in outcomes.items() if number},
        seen=tuple(remembered),
        items=len(named),
        known=len(named) - len(fresh),
    )


def outcome(article: Article) -> Outcome:
    """Of one that is handed over."""
    return "backfill" if article.backfill else "revision" if article.revision > 1 else "new"


def _candidate(feed_id: str, entry: ParsedEntry) -> Candidate:
    if entry.guid:
        # an address as guid gets a counter behind "#" on some sites, raised with every correction
        plain, precise = canonical(entry.guid) or entry.guid, f"{entry.guid}\n{entry.url}"
    elif entry.url:
        plain, precise = entry.url, f"{entry.url}\n{entry.title}"
    else:
        plain = precise = f"{entry.title}\n{entry.published}\n{entry.text}"
    return Candidate(
        entry=entry,
        id=article_id(feed_id, plain),
        precise_id=article_id(feed_id, precise),
        content_hash=digest("content", _essence(entry.title), _essence(entry.text)),
    )


def _essence(text: str) -> str:
    """Words and figures only: neither spacing, punctuation and case nor a count of comments is a change."""
    return _WORDS.sub(" ", _COUNTERS.sub(" ", text.casefold())).strip()


def _named(found: Sequence[Candidate], seen: Mapping[str, SeenItem]) -> dict[str, Candidate]:
    """Each item under the id that holds for it; of two with the same id the one with the later date, else the first."""
    times = Counter(item_id for item_id, _ in {(candidate.id, candidate.precise_id) for candidate in found})
    named: dict[str, Candidate] = {}
    for candidate in found:
        item_id = _id(candidate, seen, shared=times[candidate.id] > 1)
        other = named.get(item_id)
        if other is None or (candidate.entry.published or 0.0) > (other.entry.published or 0.0):
            named[item_id] = candidate
    return named


def _id(candidate: Candidate, seen: Mapping[str, SeenItem], *, shared: bool) -> str:
    """What an item was called once, it stays, whatever else appears beside it later."""
    if candidate.precise_id in seen:
        return candidate.precise_id
    if not shared:
        return candidate.id
    before = seen.get(candidate.id)
    return candidate.id if before and before.content_hash == candidate.content_hash else candidate.precise_id


def _renamed(state: FeedState, fresh: Collection[Candidate], known: int) -> bool:
    """All items are new to us, and most are older than our last look: the feed gave its old items new names."""
    if not state.backfilled or state.succeeded is None or known or len(fresh) < _RENAMED_LEAST:
        return False
    return sum(_older(candidate, state.succeeded) for candidate in fresh) * 2 > len(fresh)


def _was_there(candidate: Candidate, state: FeedState, renamed: bool) -> bool:
    return renamed and state.succeeded is not None and _older(candidate, state.succeeded)


def _older(candidate: Candidate, moment: float) -> bool:
    published = candidate.entry.published
    return published is not None and published < moment


def _article(feed: Feed, entry: ParsedEntry, item_id: str, revision: int, backfill: bool, now: float) -> Article:
    return Article(
        id=item_id,
        revision=revision,
        feed_id=feed.id,
        source=host_of(entry.url) or host_of(feed.url),
        url=entry.url,
        title=one_line(entry.title),
        text=entry.text,
        published=clamped(entry.published, now),
        seen=now,
        lang=entry.lang,
        backfill=backfill,
    )


def clamped(published: float | None, now: float) -> float | None:
    """Nothing is published after it was read; a day ahead is a wrong zone, more is nonsense."""
    if published is None or not _EARLIEST <= published <= now + _AHEAD:
        return None
    return min(published, now)
