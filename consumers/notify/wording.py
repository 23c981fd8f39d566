"""An alert in words: the parts that every channel shows, before any channel's own markup.

What comes from an article is hostile: ``one_line`` and ``paragraphs`` take away everything that is not meant to be
read. Escaping is each channel's own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote as percent_encode
from urllib.parse import urlsplit

from consumers.model import Message, Notice, Passage, Report

KINDS = {"first": "first report", "update": "update", "digest": "digest"}
REPEAT = "May be a repeat: the last attempt to send this ended without an answer."
MOST_SOURCES = 12
LONGEST_QUOTE = 600  # characters
LONGEST_URL = 1500

_INVISIBLE = re.compile(  # control characters, direction overrides, line separators' kin, tags, lone surrogates
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_SPACE = re.compile(r"\s+")
_BLANK_LINES = re.compile(r"\n\s*\n+")


@dataclass(frozen=True, slots=True)
class Span:
    """A run of a quotation; ``marked`` where it carried the match."""

    text: str
    marked: bool = False


def readable(text: str) -> str:
    """Without control characters and direction overrides, one character for one character."""
    return _INVISIBLE.sub(" ", text.replace("\u2028", "\n").replace("\u2029", "\n"))


def one_line(text: str, limit: int) -> str:
    """Readable text on one line, cut at a word where it is longer than ``limit`` characters."""
    return cut(_SPACE.sub(" ", readable(text)).strip(), limit)


def paragraphs(text: str, limit: int) -> list[str]:
    return [one_line(part, limit) for part in _BLANK_LINES.split(readable(text)) if part.strip()]


def cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    word_end = head.rfind(" ")
    return (head[:word_end] if word_end > limit // 2 else head).rstrip() + "…"


def safe_url(url: str) -> str:
    """The address as ASCII, without a character that any markup could take for its own; empty where it is no link."""
    address = percent_encode(readable(url).strip(), safe="%/:?#[]@!$&()*+,;=~-._")
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    proper = parts.scheme in {"http", "https"} and bool(parts.netloc)
    return address if proper and len(address) <= LONGEST_URL else ""


# -- the lines of an alert


def topic(message: Message) -> str:
    return one_line(message.topic, 120) or one_line(message.topic_id, 120)


def moment(message: Message, now: float) -> str:
    """ "first report · 14:02 UTC", with the day where it is told on another one."""
    return f"{KINDS[message.kind]} · {clock_time(message.at, now)} UTC"


def headline(message: Message) -> str:
    return one_line(message.headline, 300) or "(no headline)"


def tally(message: Message) -> str:
    """ "(3 sources, 2 independent)"; how many are independent only where some are not."""
    sources = len({report.source for report in message.reports})
    if sources == 0:
        return ""
    count = "1 source" if sources == 1 else f"{sources} sources"
    return f"({count}, {message.independent} independent)" if message.independent < sources else f"({count})"


def source(report: Report, now: float) -> str:
    """ "site-three.example 14:01 (copy of example.org)"."""
    copied = f" (copy of {one_line(report.copy_of, 80)})" if report.copy_of else ""
    return f"{one_line(report.source, 80) or 'unknown source'} {clock_time(report.at, now)}{copied}"


def listed(reports: Sequence[Report]) -> tuple[Sequence[Report], str]:
    """The reports to name, and "and 7 more" where there are too many."""
    more = len(reports) - MOST_SOURCES
    return reports[:MOST_SOURCES], f"and {more} more" if more > 0 else ""


def why(message: Message) -> str:
    reasons = "; ".join(filter(None, (one_line(reason, 200) for reason in message.reasons)))
    return f"Why: {cut(reasons, 600)}" if reasons else ""


def sentence(message: Message | Notice) -> str:
    """Everything in one line, for previews, subjects and places without markup."""
    if isinstance(message, Notice):
        return f"Wirewatch: {one_line(message.title, 200)}"
    return f"{topic(message)}: {headline(message)}"


def clock_time(at: float, now: float) -> str:
    """ "14:02", or "20 Nov 14:02" where that was not today (UTC)."""
    then, today = (datetime.fromtimestamp(min(max(moment, 0.0), 4e10), UTC) for moment in (at, now))
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then.day} {then:%b %H:%M}"


# -- the quotation


def quotation(passage: Passage, limit: int = LONGEST_QUOTE) -> tuple[Span, ...]:
    """The passage with the match marked, cut around its first mark, in “…”; empty where there is no text.

    Marks are widened to whole words: some channels show a mark only there.
    """
    text = readable(passage.text)
    if not text.strip():
        return ()
    marks = list(_whole_words(text, passage.marks))
    start, end = _window(text, marks, limit)
    spans = [span for span in _pieces(text, marks, start, end) if span.text]
    before = "“… " if start > 0 or passage.number > 1 else "“"
    after = " …”" if end < len(text) or passage.number < passage.of else "”"
    return (Span(before), *_collapsed(spans), Span(after))


def _whole_words(text: str, marks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last = 0
    for begin, finish in sorted(marks):
        start, end = max(begin, last, 0), min(finish, len(text))
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if start >= end:
            continue
        while start > last and _in_word(text, start):
            start -= 1
        while end < len(text) and _in_word(text, end):
            end += 1
        yield start, end
        last = end


def _in_word(text: str, at: int) -> bool:
    return text[at - 1].isalnum() and text[at].isalnum()


def _window(text: str, marks: Sequence[tuple[int, int]], limit: int) -> tuple[int, int]:
    if len(text) <= limit:
        return 0, len(text)
    first = marks[0][0] if marks else 0
    start = max(0, min(first - limit // 3, len(text) - limit))
    space = text.find(" ", start, start + 40)
    start = space + 1 if start > 0 and space >= 0 else start
    end = min(len(text), start + limit)
    space = text.rfind(" ", end - 40, end)
    return start, space if end < len(text) and space > start else end


def _pieces(text: str, marks: Sequence[tuple[int, int]], start: int, end: int) -> Iterator[Span]:
    at = start
    for begin, finish in marks:
        begin, finish = max(begin, start), min(finish, end)
        if begin >= finish:
            continue
        yield Span(text[at:begin])
        yield Span(text[begin:finish], marked=True)
        at = finish
    yield Span(text[at:end])


def _collapsed(spans: Sequence[Span]) -> Iterator[Span]:
    """White space as one blank each, none at the two ends."""
    for number, span in enumerate(spans):
        text = _SPACE.sub(" ", span.text)
        text = text.lstrip() if number == 0 else text
        text = text.rstrip() if number == len(spans) - 1 else text
        if text:
            yield Span(text, span.marked)
