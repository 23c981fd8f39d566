"""The HTML part of a mail: what its templates are given. They escape everything and load nothing from anywhere."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from consumers.model import Digest, Fact, Message, NearMiss, Notice, Report
from consumers.notify import wording, wording_digest
from consumers.notify.wording_digest import Detail, Section

if TYPE_CHECKING:
    from jinja2 import Environment

Context = dict[str, object]

_MOST_STATUS = 2  # lines, of a story in a digest


def html(message: Message | Notice, subject: str, now: float) -> str:
    if isinstance(message, Notice):
        return _render("mail_notice", subject, _notice(message, now))
    return _render("mail_alert", subject, _alert(message, now))


def digest_html(digest: Digest, subject: str, now: float, detail: Detail) -> str:
    return _render("mail_digest", subject, _digest(digest, now, detail))


def words_html(words: str, subject: str) -> str:
    """A text of the user's own, line by line; a line that is an address is a link."""
    paragraphs = [
        [{"text": line, "url": wording.safe_url(line)} for line in paragraph.split("\n")]
        for paragraph in words.split("\n\n")
    ]
    return _render("mail_words", subject, {"preview": wording.one_line(words, 150), "paragraphs": paragraphs})


def _notice(notice: Notice, now: float) -> Context:
    return {
        "preview": wording.one_line(notice.text, 150),
        "time": f"{wording.clock_time(notice.at, now)} UTC",
        "title": wording.one_line(notice.title, 200),
        "paragraphs": wording.paragraphs(notice.text, 1000),
    }


# -- an alert


def _alert(message: Message, now: float) -> Context:
    follow_up = message.kind != "first"
    tally = wording.counter(message, now) if follow_up else wording.tally(message).strip("()")
    reports, more_reports = wording.listed(message.reports, newest=follow_up)
    facts, more_facts = wording.told(message.facts)
    so_far, more_so_far = wording.told(wording.earlier(message))
    news = " · ".join(wording.news(message))
    return {
        "preview": wording.cut(news or f"{wording.moment(message, now)} · {tally}", 200),
        "topic": wording.topic(message),
        "moment": wording.moment(message, now),
        "repeat": wording.REPEAT if message.possible_repeat else "",
        "urgent": wording.escalated(message),
        "another": wording.another(message),
        "facts": [
            _fact(fact, now) | {"quote": quote} for fact, quote in zip(facts, wording.quotes(facts), strict=True)
        ],
        "more_facts": more_facts,
        "headline": wording.headline(message),
        "url": wording.safe_url(message.url),
        "tally": tally,
        "status": wording.status_lines(message),
        "spans": () if facts else wording.quotation(message.passage),
        "so_far": [_fact(fact, now) for fact in so_far],
        "more_so_far": more_so_far,
        "newest_first": follow_up,
        "reports": [_report(report, now) for report in reports],
        "more_reports": more_reports,
        "why": wording.why(message),
        "page": wording.safe_url(message.page),
    }


def _fact(fact: Fact, now: float) -> Context:
    label, text = wording.labelled(fact)
    return {
        "label": label,
        "back": wording.takes_back(fact),
        "text": text,
        "line": wording.fact_text(fact),
        "quote": wording.fact_quote(fact),
        "source": wording.source_name(fact.source),
        "url": wording.safe_url(fact.url),
        "time": wording.clock_time(fact.at, now),
    }


def _report(report: Report, now: float) -> Context:
    return {
        "time": wording.clock_time(report.at, now),
        "source": wording.source_name(report.source),
        "url": wording.safe_url(report.url),
        "copy_of": wording.one_line(report.copy_of, 80),
    }


# -- a digest


def _digest(digest: Digest, now: float, detail: Detail) -> Context:
    sections = wording_digest.sections(digest, detail)
    first = [wording.headline(story) for section in sections for story in section.stories[:3]]
    return {
        "preview": wording.cut(" · ".join(first) or wording_digest.tally(digest) or wording_digest.lead(digest), 200),
        "time": f"{wording.clock_time(digest.at, now)} UTC",
        "title": wording_digest.title(digest),
        "tally": wording_digest.tally(digest),
        "lead": wording_digest.lead(digest),
        "repeat": wording.REPEAT if digest.possible_repeat else "",
        "contents": wording_digest.long(sections),
        "sections": [_section(section, now, detail) for section in sections],
        "left_out": wording_digest.left_out(digest, sections),
        "near": wording_digest.NEAR,
        "near_misses": [
            {"topic": near.topic, "misses": [_near_miss(miss, now) for miss in near.misses], "more": near.more}
            for near in wording_digest.near_misses(digest, detail)
        ],
        "page": wording.safe_url(digest.page),
    }


def _section(section: Section, now: float, detail: Detail) -> Context:
    return {
        "topic": section.topic,
        "counts": section.counts,
        "stories": [_story(story, now, detail) for story in section.stories],
        "more": section.more,
    }


def _story(story: Message, now: float, detail: Detail) -> Context:
    facts, more = wording_digest.facts(story, detail.facts)
    quoted: Sequence[wording.Span] = ()
    if not facts and detail.quote:
        quoted = wording.quotation(story.passage, detail.quote)
    return {
        "headline": wording.headline(story),
        "url": wording.safe_url(story.url),
        "byline": wording_digest.byline(story, now),
        "urgent": wording.escalated(story),
        "facts": [
            _fact(fact, now) | {"quote": quote} for fact, quote in zip(facts, wording.quotes(facts), strict=True)
        ],
        "more": more,
        "quoted": "".join(span.text for span in quoted),
        "status": wording.status_lines(story)[:_MOST_STATUS],
    }


def _near_miss(miss: NearMiss, now: float) -> Context:
    return {
        "title": wording_digest.near_title(miss),
        "url": wording.safe_url(miss.url),
        "source": wording.source_name(miss.source),
        "time": wording.clock_time(miss.at, now),
    }


def _render(name: str, subject: str, context: Context) -> str:
    return _templates().get_template(f"{name}.html.j2").render(subject=subject, **context)


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("consumers.notify")
    return Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
