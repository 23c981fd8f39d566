"""An alert in words: the parts that every channel shows, before any channel's own markup.

What comes from an article is hostile: ``one_line`` and ``paragraphs`` take away everything that is not meant to be
read. Escaping is each channel's own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote as percent_encode
from urllib.parse import urlsplit

from consumers.model import Digest, Fact, Message, Notice, Passage, Report

KINDS = {"first": "first report", "update": "update", "escalation": "urgent", "digest": "digest"}
REPEAT = "May be a repeat: the last attempt to send this ended without an answer."
MOST_SOURCES = 12
MOST_FACTS = 8
LONGEST_QUOTE = 600  # characters
LONGEST_FACT = 200
LONGEST_URL = 1500

_INVISIBLE = re.compile(  # control characters, direction overrides, line separators' kin, tags, lone surrogates
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_SPACE = re.compile(r"\s+")
_BLANK_LINES = re.compile(r"\n\s*\n+")
_NEW = "New"
_WITHDRAWN = {"correction": "Correction", "retraction": "Retraction", "reversal": "Reversal"}
_USUAL = ("", "first report", "new facts", "another report", "digest")  # why an alert was told, where its kind says it


@dataclass(frozen=True, slots=True)
class Span:
    """A run of a quotation; ``marked`` where it carried the match."""

    text: str
    marked: bool = False


class Reported(Protocol):
    """A report, or the article that it is of."""

    @property
    def source(self) -> str: ...

    @property
    def title(self) -> str: ...


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
    return f"{kind(message)} · {clock_time(message.at, now)} UTC"


def kind(message: Message) -> str:
    """ "first report", and that it is urgent where its topic is."""
    name = KINDS[message.kind]
    return f"{name} · urgent" if message.severity == "urgent" and message.kind != "escalation" else name


def urgent(message: Message) -> bool:
    return message.kind == "escalation" or message.severity == "urgent"


def headline(message: Message) -> str:
    return one_line(message.headline, 300) or "(no headline)"


def tally(message: Message) -> str:
    """ "(3 sources, 2 independent)"; how many are independent only where some are not."""
    sources = len({report.source for report in message.reports})
    if sources == 0:
        return ""
    count = "1 source" if sources == 1 else f"{sources} sources"
    return f"({count}, {message.independent} independent)" if message.independent < sources else f"({count})"


def counter(message: Message, now: float) -> str:
    """ "14 reports, 6 sources, 4 independent · latest 15:40 UTC"; leaves out what says the same twice."""
    sources = len({report.source for report in message.reports})
    articles = max(message.articles, len(message.reports))
    counts = [counted(articles, "report")] if articles != sources else []
    counts += [counted(sources, "source")] if sources else []
    counts += [f"{message.independent} independent"] if message.independent < sources else []
    latest = f"latest {clock_time(message.latest, now)} UTC" if message.latest else ""
    return " · ".join(filter(None, (", ".join(counts), latest)))


def counted(number: int, thing: str, things: str = "") -> str:
    """ "1 story", "2 stories"; in English the plural is the word with an s where it is not given."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def source(report: Report, now: float) -> str:
    """ "site-three.example 14:01 (copy of example.org)"."""
    copied = f" (copy of {one_line(report.copy_of, 80)})" if report.copy_of else ""
    return f"{source_name(report.source)} {clock_time(report.at, now)}{copied}"


def listed(reports: Sequence[Report], *, newest: bool = False) -> tuple[Sequence[Report], str]:
    """The reports to name, in their order or the newest first, and "and 7 more" where there are too many."""
    more = len(reports) - MOST_SOURCES
    reports = sorted(reports, key=lambda report: -report.at) if newest else reports
    return reports[:MOST_SOURCES], f"and {more} more" if more > 0 else ""


def why(message: Message) -> str:
    reasons = "; ".join(filter(None, (one_line(reason, 200) for reason in message.reasons)))
    return f"Why: {cut(reasons, 600)}" if reasons else ""


def sentence(message: Message | Digest | Notice) -> str:
    """Everything in one line, for previews, subjects and places without markup."""
    match message:
        case Notice():
            return f"Wirewatch: {one_line(message.title, 200)}"
        case Digest():
            stories = sum(len(each.stories) for each in message.topics)
            title = one_line(message.title, 200) or "Digest"
            counts = counted(stories, "story", "stories") if stories else nothing(message)
            return f"{title} · {counts}" if counts else title
    return f"{topic(message)}: {headline(message)}"


def nothing(digest: Digest) -> str:
    """What is said of a digest without a story; a spike or a silence is news by itself."""
    return "nothing new" if digest.reason == "times" else ""


def clock_time(at: float, now: float) -> str:
    """ "14:02", or "20 Nov 14:02" where that was not today (UTC)."""
    then, today = (datetime.fromtimestamp(min(max(moment, 0.0), 4e10), UTC) for moment in (at, now))
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then.day} {then:%b %H:%M}"


# -- what is new


def news(message: Message) -> list[str]:
    """What a follow-up leads with, a line each: "Urgent: …", then "New: toll 12 → 19 (site-two.example)".

    An update that adds no fact names its report instead. A first report has no news beside itself.
    """
    facts, more = told(message.facts)
    lines = [escalated(message), *map(added, facts), more, another(message)]
    return [line for line in lines if line]


def escalated(message: Message) -> str:
    """ "Urgent: 3 independent sources within 30 minutes"; empty for what is no escalation."""
    cause = one_line(message.why, 200)
    return f"Urgent: {cause}" if message.kind == "escalation" and cause else ""


def another(message: Message) -> str:
    """The report behind an update that adds no fact: the one that the link leads to, else the newest."""
    if message.kind != "update" or message.facts or not message.reports:
        return ""
    newest = max(message.reports, key=lambda report: report.at)
    report = next((each for each in message.reports if message.url and each.url == message.url), newest)
    return f"Another report: {reported(report)}"


def reported(report: Reported) -> str:
    """ "“Depot hit” (site-four.example)"."""
    title = one_line(report.title, 300)
    return f"{f'“{title}” ' if title else ''}({source_name(report.source)})"


def added(fact: Fact) -> str:
    """ "New: toll 12 → 19 (site-two.example)"."""
    label, text = labelled(fact)
    return f"{label}: {text} ({source_name(fact.source)})"


def labelled(fact: Fact) -> tuple[str, str]:
    """ "New" and "toll 12 → 19", or what takes something back: "Correction", "Retraction", "Reversal"."""
    label, text = _WITHDRAWN.get(fact.kind, _NEW), one_line(fact.text, LONGEST_FACT) or fact.kind
    said = text.casefold().startswith(label.casefold()) and text[len(label) :].lstrip(" :")
    return label, said or text


def takes_back(fact: Fact) -> bool:
    return fact.kind in _WITHDRAWN


def fact_line(fact: Fact, now: float) -> str:
    """ "15:10 toll 12 → 19 (site-two.example)"."""
    return f"{clock_time(fact.at, now)} {fact_text(fact)} ({source_name(fact.source)})"


def fact_text(fact: Fact) -> str:
    """ "toll 12 → 19"; "correction: toll 19 → 12" where it takes something back."""
    label, text = labelled(fact)
    return text if label == _NEW else f"{label.lower()}: {text}"


def fact_quote(fact: Fact, limit: int = LONGEST_QUOTE) -> str:
    """In “…”; empty where there is none."""
    text = one_line(fact.quote, limit)
    return f"“{text}”" if text else ""


def quotes(facts: Sequence[Fact]) -> list[str]:
    """The quotation to show below each: a sentence that says several of them is shown once, below the last in a row.

    A headline that is the fact itself is not said again.
    """
    sayings = [(fact.quote, fact.url) for fact in facts]
    last = [saying not in sayings[place + 1 : place + 2] for place, saying in enumerate(sayings)]
    return [
        fact_quote(fact) if shown and one_line(fact.quote, LONGEST_FACT) != labelled(fact)[1] else ""
        for fact, shown in zip(facts, last, strict=True)
    ]


def told(facts: Sequence[Fact], most: int = MOST_FACTS) -> tuple[Sequence[Fact], str]:
    """The facts to name, and "and 3 more" where there are too many."""
    more = len(facts) - most
    return facts[:most], f"and {more} more" if more > 0 else ""


def earlier(message: Message) -> tuple[Fact, ...]:
    """What the story's reports added before this message, the newest first; of one report the most important first."""
    new = {fact.key for fact in message.facts}
    return tuple(fact for fact in sorted(message.timeline, key=lambda fact: -fact.at) if fact.key not in new)


def status_lines(message: Message) -> list[str]:
    """What became of the story, a sentence each: what it was merged into, who muted or split it, why it is told now."""
    merged = one_line(message.merged_into, 300)
    lines = [f"Now part of the story “{merged}”"] if merged else []
    if message.kind != "escalation":
        lines.append(_capital(unusual(message.why)))
    lines += [_capital(one_line(line, 200)) for line in message.status]
    return [line for line in lines if line]


def unusual(why: str) -> str:
    """Why an alert is told; empty where its kind says it."""
    return "" if why in _USUAL else one_line(why, 200)


def source_name(name: str) -> str:
    return one_line(name, 80) or "unknown source"


def _capital(line: str) -> str:
    return line[:1].upper() + line[1:]


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
