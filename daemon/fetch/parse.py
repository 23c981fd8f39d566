"""A feed's bytes into entries of plain text.

feedparser's traps, and the way around each: it opens a file or fetches an address where the body is one, so it is
given a stream; its sanitiser is slow and no boundary, so text is cleaned here; ``bozo`` is a warning and no failure.
A small document can cost it seconds and hundreds of MB, so this runs in a process with limits (workers.py).
"""

import calendar
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

import feedparser

from daemon.fetch.discover import discover, is_web_page
from daemon.fetch.parsed import NotAFeed, ParsedEntry, ParsedFeed
from daemon.fetch.text import one_line, plain, shortened, tidy
from daemon.fetch.urls import canonical

MOST_TITLE = 500  # characters, as for the next three
MOST_TEXT = 50_000
MOST_MARKUP = 200_000  # before cleaning
MOST_GUID = 2_048
_HEADLINE = 120  # of an item without a title: what its text begins with
_PERIODS = {"hourly": 3_600.0, "daily": 86_400.0, "weekly": 604_800.0, "monthly": 2_592_000.0, "yearly": 31_536_000.0}
_CHARACTER = re.compile(rb"&#(?:[xX]([0-9A-Fa-f]+)|([0-9]+));?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8}){0,3}")


def parse(body: bytes, url: str, headers: Mapping[str, str], *, max_entries: int) -> ParsedFeed | NotAFeed:
    """``url`` is where the body was read: relative links are resolved against it. Never fetches anything."""
    found = feedparser.parse(
        io.BytesIO(_CHARACTER.sub(_character, body)),
        # without content-location: given one, it resolves guids too, and they would change when the feed moves
        response_headers=dict(headers),
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    entries: Sequence[Mapping[str, Any]] = found.entries
    version, warning = str(found.get("version", "")), _warning(found)
    if not entries and (warning or not version):
        return _refused(body, url, version, warning)
    kept = _newest(entries, max_entries)
    about = found.feed
    return ParsedFeed(
        kind=version or "unknown",
        title=_title(about),
        ttl=_ttl(about),
        entries=tuple(_entry(entry, url, _language(about)) for entry in kept),
        left_out=len(entries) - len(kept),
        warning=warning,
    )


def _character(reference: re.Match[bytes]) -> bytes:
    """A reference to what is no character would cost all items of the feed: feedparser raises."""
    hexadecimal, decimal = reference.groups()
    digits = (hexadecimal or decimal).lstrip(b"0")
    number = int(digits or b"0", 16 if hexadecimal else 10) if len(digits) < 8 else sys.maxunicode + 1
    return b"&#xFFFD;" if 0xD800 <= number <= 0xDFFF or number > sys.maxunicode else reference[0]


def _warning(found: Mapping[str, Any]) -> str:
    error = found.get("bozo_exception") if found.get("bozo") else None
    if error is None or isinstance(error, feedparser.ThingsNobodyCaresAboutButMe):
        return ""
    return one_line(tidy(str(error)))[:200]


def _refused(body: bytes, url: str, version: str, warning: str) -> NotAFeed:
    text = body[:1_000_000].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text:
        return NotAFeed(reason="the server sent an empty document")
    if version:
        return NotAFeed(reason=f"the feed is broken and holds no readable item ({warning})", broken=True)
    if is_web_page(text):
        announced = discover(text, url)
        if announced:
            return NotAFeed(
                reason="this is a web page, not a feed; it announces these feeds: " + ", ".join(announced),
                discovered=announced,
            )
        return NotAFeed(reason="this is a web page, not a feed, and it announces none")
    if text.startswith(("{", "[")):
        return NotAFeed(reason="this is JSON, not RSS or Atom")
    return NotAFeed(reason="this is neither RSS nor Atom")


def _newest(entries: Sequence[Mapping[str, Any]], most: int) -> Sequence[Mapping[str, Any]]:
    """Feeds list their newest first, but not all of them do: dates decide where every entry has one."""
    if len(entries) <= most:
        return entries
    dates = [_published(entry) for entry in entries]
    if any(date is None for date in dates):
        return entries[:most]
    order = sorted(range(len(entries)), key=lambda place: dates[place] or 0.0, reverse=True)
    return [entries[place] for place in sorted(order[:most])]


def _entry(entry: Mapping[str, Any], base: str, feed_language: str) -> ParsedEntry:
    text = _longest(entry)
    return ParsedEntry(
        guid=str(entry.get("id") or "").strip()[:MOST_GUID],
        url=_link(entry, base),
        title=_title(entry) or shortened(one_line(text), _HEADLINE),
        text=text,
        published=_published(entry),
        lang=_language(entry) or feed_language,
    )


def _title(element: Mapping[str, Any]) -> str:
    return shortened(one_line(_plain(element.get("title_detail") or {})), MOST_TITLE)


def _longest(entry: Mapping[str, Any]) -> str:
    """Some feeds carry the whole article in ``content`` and a lead in ``summary``, some the other way round."""
    details = [*(entry.get("content") or ()), entry.get("summary_detail") or {}]
    texts = [_plain(detail) for detail in details if _is_text(detail)]
    return shortened(max(texts, key=len, default=""), MOST_TEXT)


def _is_text(detail: Mapping[str, Any]) -> bool:
    kind = str(detail.get("type") or "text/html")
    return kind.startswith("text/") or kind.endswith("xml")


def _plain(detail: Mapping[str, Any]) -> str:
    value = str(detail.get("value") or "")[:MOST_MARKUP]
    clean: Callable[[str], str] = tidy if detail.get("type") == "text/plain" else plain
    return clean(value)


def _link(entry: Mapping[str, Any], base: str) -> str:
    guid = str(entry.get("id") or "")
    # without a link of its own an item gets its guid as link, and that is often no address at all
    own = any(link.get("rel") == "alternate" and link.get("href") for link in entry.get("links") or ())
    link = entry.get("link") if own else None
    candidates = (entry.get("feedburner_origlink"), link, guid if guid.startswith("http") else None)
    for candidate in candidates:
        try:
            url = canonical(urljoin(base, str(candidate).strip())) if candidate else ""
        except ValueError:
            continue
        if url:
            return url
    return ""


def _published(entry: Mapping[str, Any]) -> float | None:
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        moment = entry[name] if name in entry else None  # noqa: SIM401 - its get() warns and answers for other names
        if moment:
            try:
                return float(calendar.timegm(moment))
            except (ValueError, OverflowError):
                continue
    return None


def _language(element: Mapping[str, Any]) -> str:
    language = str(element.get("language") or "").strip().lower().replace("_", "-")
    return language if _LANGUAGE.fullmatch(language) else ""


def _ttl(about: Mapping[str, Any]) -> float | None:
    """Minutes in ``ttl``; or so many times a period in the syndication module."""
    try:
        if about.get("ttl"):
            return max(float(about["ttl"]), 0.0) * 60.0
        period = _PERIODS.get(str(about.get("sy_updateperiod") or "").strip().lower())
        return period / max(float(about.get("sy_updatefrequency") or 1), 1.0) if period else None
    except ValueError:
        return None
