"""Tidings in a title and a short plain text without markup, for services that push them to a phone or into a chat."""

import re
from collections.abc import Iterator
from functools import singledispatch

from consumers.model import Digest, Message, Notice
from consumers.notify import Tidings, wording, wording_digest
from consumers.notify.rendered import Rendered
from consumers.notify.wording_digest import Detail, Section

TITLE = 200  # characters
_SO_FAR = 4  # facts of earlier reports
_DETAIL = Detail(stories=20, near_misses=5, facts=2, quote=0)
_MENTION = re.compile(r"@(?=everyone|here|channel|all\b|room\b)|<(?=[@!#])", re.IGNORECASE)


def pushed(message: Tidings, words: Rendered, now: float) -> tuple[str, str]:
    """Title and body; ``words`` stand for our own."""
    heading = wording.cut(unpinged(words.subject), TITLE) or title(message)
    if not words.text:
        return heading, body(message, now)
    repeat = not isinstance(message, Notice) and message.possible_repeat
    return heading, f"{wording.REPEAT}\n{words.text}" if repeat else words.text


def title(message: Tidings) -> str:
    return unpinged(wording.cut(wording.sentence(message), TITLE))


def body(message: Tidings, now: float) -> str:
    return "\n".join(line for line in _lines(message, now) if line)


def unpinged(text: str) -> str:
    """Without a word that would call a whole chat room: an invisible joiner parts it from its sign."""
    return _MENTION.sub(lambda sign: f"{sign[0]}\u2060", text)


@singledispatch
def _lines(message: Tidings, now: float) -> Iterator[str]:
    raise TypeError(type(message))


@_lines.register
def _notice(notice: Notice, now: float) -> Iterator[str]:
    yield from map(unpinged, wording.paragraphs(notice.text, 1000))


@_lines.register
def _alert(message: Message, now: float) -> Iterator[str]:
    yield wording.moment(message, now)
    yield wording.REPEAT if message.possible_repeat else ""
    yield from map(unpinged, wording.news(message))
    yield wording.counter(message, now) if message.latest else wording.tally(message).strip("()")
    yield from map(unpinged, wording.status_lines(message))
    yield from map(unpinged, _so_far(message, now))
    yield unpinged("".join(span.text for span in wording.quotation(message.passage)))
    reports, more = wording.listed(message.reports)
    yield unpinged(" · ".join([*(wording.source(report, now) for report in reports), *([more] if more else [])]))
    yield unpinged(wording.why(message))
    yield wording.safe_url(message.url)
    yield wording.safe_url(message.page)


def _so_far(message: Message, now: float) -> Iterator[str]:
    """A channel that an escalation adds hears of the story for the first time."""
    facts, more = wording.told(wording.earlier(message), _SO_FAR)
    lines = [wording.fact_line(fact, now) for fact in facts] + ([more] if more else [])
    if lines:
        yield f"So far: {' · '.join(lines)}"


@_lines.register
def _digest(digest: Digest, now: float) -> Iterator[str]:
    yield unpinged(wording_digest.lead(digest))
    yield wording.REPEAT if digest.possible_repeat else ""
    sections = wording_digest.sections(digest, _DETAIL)
    for section in sections:
        yield from _section(section, now)
    yield wording_digest.left_out(digest, sections)
    for near in wording_digest.near_misses(digest, _DETAIL):
        yield unpinged(f"{wording_digest.NEAR}: {near.topic}")
        yield from (unpinged(f"- {wording_digest.near_miss(miss, now)}") for miss in near.misses)
        yield near.more
    yield wording.safe_url(digest.page)


def _section(section: Section, now: float) -> Iterator[str]:
    yield unpinged(f"{section.topic}: {section.counts}")
    for story in section.stories:
        yield unpinged(f"- {wording.headline(story)} ({wording_digest.byline(story, now)})")
        facts, _ = wording_digest.facts(story, _DETAIL.facts)
        yield from (unpinged(f"  {wording.fact_line(fact, now)}") for fact in facts)
        yield wording.safe_url(story.url)
    yield section.more
