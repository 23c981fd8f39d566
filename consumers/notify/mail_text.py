"""The text part of a mail: as good as the HTML. At most 76 columns, links whole on lines of their own."""

import textwrap
from collections.abc import Iterator, Sequence

from consumers.model import Digest, Message, Notice
from consumers.notify import wording, wording_digest
from consumers.notify.wording_digest import Detail, Near, Section

_WIDTH = 76


def text(message: Message | Notice, now: float) -> str:
    return _joined(_notice(message) if isinstance(message, Notice) else _alert(message, now))


def digest_text(digest: Digest, now: float, detail: Detail) -> str:
    sections = wording_digest.sections(digest, detail)
    return _joined(_digest(digest, sections, now, detail))


def _notice(notice: Notice) -> Iterator[str]:
    yield from _wrapped(f"Wirewatch: {wording.one_line(notice.title, 200)}")
    for paragraph in wording.paragraphs(notice.text, 1000):
        yield ""
        yield from _wrapped(paragraph)


# -- an alert


def _alert(message: Message, now: float) -> Iterator[str]:
    yield from _wrapped(f"{wording.topic(message)} · {wording.moment(message, now)}")
    if message.possible_repeat:
        yield from _wrapped(wording.REPEAT)
    yield ""
    yield from _news(message)
    yield from _wrapped(wording.headline(message))
    follow_up = message.kind != "first"
    yield from _wrapped(wording.counter(message, now) if follow_up else wording.tally(message))
    for line in wording.status_lines(message):
        yield from _wrapped(line)
    yield ""
    if not message.facts:
        yield from _quotation(message)
    yield from _so_far(message, now)
    yield from _reports(message, now)
    if reasons := wording.why(message):
        yield ""
        yield from _wrapped(reasons)
    for name, url in (("Open", message.url), ("On the Wirewatch page", message.page)):
        if address := wording.safe_url(url):
            yield from ("", f"{name}: {address}")


def _news(message: Message) -> Iterator[str]:
    """What a follow-up leads with; each fact with the sentence that says it."""
    for line in filter(None, (wording.escalated(message), wording.another(message))):
        yield from (*_wrapped(line), "")
    facts, more = wording.told(message.facts)
    for fact, quote in zip(facts, wording.quotes(facts), strict=True):
        yield from _wrapped(wording.added(fact))
        if quote or not fact.quote:
            yield from _wrapped(quote, "  ")
            yield from _link(fact.url)
            yield ""
    if more:
        yield from (more, "")


def _quotation(message: Message) -> Iterator[str]:
    if spans := wording.quotation(message.passage):
        yield from _wrapped("".join(f"*{span.text}*" if span.marked else span.text for span in spans), "  ")
        yield ""


def _so_far(message: Message, now: float) -> Iterator[str]:
    facts, more = wording.told(wording.earlier(message))
    if facts:
        yield "So far:"
        for line in (*(wording.fact_line(fact, now) for fact in facts), *([more] if more else [])):
            yield from _item(line)
        yield ""


def _reports(message: Message, now: float) -> Iterator[str]:
    follow_up = message.kind != "first"
    reports, more = wording.listed(message.reports, newest=follow_up)
    if reports and (follow_up or message.timeline):
        yield "Sources, the newest first:" if follow_up else "Sources:"
    for report in reports:
        yield from _item(wording.source(report, now))
        yield from _link(report.url)
    yield from _item(more)


# -- a digest


def _digest(digest: Digest, sections: Sequence[Section], now: float, detail: Detail) -> Iterator[str]:
    yield from _wrapped(wording_digest.title(digest))
    yield from _wrapped(wording_digest.dateline(digest, now))
    if digest.possible_repeat:
        yield from _wrapped(wording.REPEAT)
    yield from _wrapped(wording_digest.lead(digest))
    if wording_digest.long(sections):
        yield ""
        for section in sections:
            yield from _item(f"{section.topic}: {section.counts}")
    for section in sections:
        yield from _section(section, now, detail)
    if more := wording_digest.left_out(digest, sections):
        yield from ("", more)
    yield from _near(wording_digest.near_misses(digest, detail), now)
    if page := wording.safe_url(digest.page):
        yield from ("", f"On the Wirewatch page: {page}")


def _section(section: Section, now: float, detail: Detail) -> Iterator[str]:
    yield from _heading(f"{section.topic} · {section.counts}")
    for story in section.stories:
        yield ""
        yield from _story(story, now, detail)
    if section.more:
        yield from ("", section.more)


def _story(story: Message, now: float, detail: Detail) -> Iterator[str]:
    yield from _wrapped(wording.headline(story))
    yield from _wrapped(wording_digest.byline(story, now), "  ")
    if cause := wording.escalated(story):
        yield from _wrapped(cause, "  ")
    facts, more = wording_digest.facts(story, detail.facts)
    for line in (*(wording.fact_line(fact, now) for fact in facts), *([more] if more else [])):
        yield from _item(line, "  ")
    if not facts and detail.quote:
        quoted = "".join(span.text for span in wording.quotation(story.passage, detail.quote))
        yield from _wrapped(quoted, "  ")
    for line in wording.status_lines(story)[:2]:
        yield from _wrapped(line, "  ")
    yield from _link(story.url)


def _near(found: Sequence[Near], now: float) -> Iterator[str]:
    if found:
        yield from _heading(wording_digest.NEAR)
    for near in found:
        yield from ("", *_wrapped(near.topic))
        for miss in near.misses:
            yield from _item(wording_digest.near_miss(miss, now))
            yield from _link(miss.url)
        yield from _item(near.more)


def _heading(line: str) -> list[str]:
    wrapped = _wrapped(line)
    return ["", "", *wrapped, "=" * max(map(len, wrapped), default=0)]


# -- lines


def _joined(lines: Iterator[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        line,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _item(line: str, indent: str = "") -> list[str]:
    wrapped = _wrapped(line, f"{indent}  ")
    return [f"{indent}- {wrapped[0].lstrip()}", *wrapped[1:]] if wrapped else []


def _link(url: str) -> list[str]:
    address = wording.safe_url(url)
    return [f"  {address}"] if address else []
