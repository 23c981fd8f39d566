"""What a template sees of an alert: plain frozen values, made readable, with lists of bounded length.

Every text is one line without control characters, so nothing in an article can begin a line of its own. Times are
seconds since the epoch; the filters ``time`` and ``date`` write them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from consumers.model import Digest, Fact, Message, Passage, Report, TopicDigest
from consumers.notify import wording

MOST = 100  # of any list, and stories of a digest over all its topics
MOST_IN_DIGEST = 10  # of any list of one of these stories


class Address(str):
    """A link, or empty. No markup can take a character of it for its own, so only ``&`` is ever escaped in it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class View:
    """A template reads the fields of these, and nothing else of anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView(View):
    source: str  # host name of the publisher
    url: Address
    title: str
    at: float
    copy_of: str  # the source whose text it repeats word for word, or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class FactView(View):
    kind: str  # toll, sum, number, place, actor, statement, reversal, correction, retraction, changed
    text: str  # "toll 12 → 19"
    quote: str  # the sentence that says it
    source: str
    url: Address
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageView(View):
    text: str  # the sentences that matched
    quote: str  # the same in “…”, cut to a readable length
    number: int  # of ``of``, from 1
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView(View):
    """The names of a template. In a digest they are empty, and ``digest.topics`` has the stories."""

    kind: str  # first, update, escalation or digest
    topic: str  # as the user wrote it
    topic_id: str
    headline: str
    url: Address  # of the article
    page: Address  # of the alert on Wirewatch's own page
    at: float
    latest: float  # the story's latest report
    severity: str  # normal or urgent
    why: str  # "first report", "new facts", …
    reasons: tuple[str, ...]  # why the article matches
    passage: PassageView
    reports: tuple[ReportView, ...]
    sources: int  # how many different ones
    independent: int  # those that are no copies
    articles: int
    facts: tuple[FactView, ...]  # new in this message, the newest first
    timeline: tuple[FactView, ...]  # of the story, the oldest first
    merged_into: str
    status: tuple[str, ...]  # "muted by Ana until 14:02 UTC"
    alert_id: str
    story_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMissView(View):
    title: str
    source: str
    url: Address
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicView(View):
    topic: str
    topic_id: str
    stories: tuple[AlertView, ...]
    near_misses: tuple[NearMissView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView(View):
    title: str
    lead: str  # why these come together, in a sentence
    reason: str  # times, quiet hours, mute, flood, spike or silence
    topics: tuple[TopicView, ...]
    stories: int  # how many, listed or not
    page: Address


def context(tidings: Message | Digest) -> dict[str, object]:
    """The names that a template may use: the fields of ``AlertView``, and ``digest``, which is empty in an alert."""
    if isinstance(tidings, Digest):
        return {**_fields(alert_view(_nothing(tidings))), "digest": _digest(tidings)}
    return {**_fields(alert_view(tidings)), "digest": None}


NAMES = frozenset(field.name for field in fields(AlertView)) | {"digest"}


def alert_view(message: Message, most: int = MOST) -> AlertView:
    return AlertView(
        kind=message.kind,
        topic=wording.one_line(message.topic, 300) or _name(message.topic_id),
        topic_id=_name(message.topic_id),
        headline=wording.one_line(message.headline, 300),
        url=Address(wording.safe_url(message.url)),
        page=Address(wording.safe_url(message.page)),
        at=message.at,
        latest=message.latest,
        severity=message.severity,
        why=wording.one_line(message.why, 300),
        reasons=_lines(message.reasons, most),
        passage=_passage(message.passage),
        reports=tuple(_report(report) for report in message.reports[:most]),
        sources=len({report.source for report in message.reports}),
        independent=message.independent,
        articles=message.articles,
        facts=_facts(message.facts[:most]),
        timeline=_facts(message.timeline[-most:]),
        merged_into=wording.one_line(message.merged_into, 300),
        status=_lines(message.status, most),
        alert_id=_name(message.alert_id),
        story_id=_name(message.story_id),
    )


def _passage(passage: Passage) -> PassageView:
    quote = "".join(span.text for span in wording.quotation(passage))
    return PassageView(text=wording.one_line(passage.text, 4000), quote=quote, number=passage.number, of=passage.of)


def _report(report: Report) -> ReportView:
    return ReportView(
        source=_name(report.source),
        url=Address(wording.safe_url(report.url)),
        title=wording.one_line(report.title, 300),
        at=report.at,
        copy_of=_name(report.copy_of),
    )


def _facts(facts: Sequence[Fact]) -> tuple[FactView, ...]:
    return tuple(
        FactView(
            kind=fact.kind,
            text=wording.one_line(fact.text, 300),
            quote=wording.one_line(fact.quote, wording.LONGEST_QUOTE),
            source=_name(fact.source),
            url=Address(wording.safe_url(fact.url)),
            at=fact.at,
        )
        for fact in facts
    )


def _digest(digest: Digest) -> DigestView:
    shown: list[TopicView] = []
    for topic in digest.topics[:MOST]:
        room = MOST - sum(len(view.stories) for view in shown)
        shown.append(_topic(topic, room))
    return DigestView(
        title=wording.one_line(digest.title, 300),
        lead=wording.one_line(digest.lead, 600),
        reason=digest.reason,
        topics=tuple(shown),
        stories=sum(len(topic.stories) for topic in digest.topics),
        page=Address(wording.safe_url(digest.page)),
    )


def _topic(topic: TopicDigest, room: int) -> TopicView:
    return TopicView(
        topic=wording.one_line(topic.topic, 300) or _name(topic.topic_id),
        topic_id=_name(topic.topic_id),
        stories=tuple(alert_view(message, MOST_IN_DIGEST) for message in topic.stories[:room]),
        near_misses=tuple(
            NearMissView(
                title=wording.one_line(miss.title, 300),
                source=_name(miss.source),
                url=Address(wording.safe_url(miss.url)),
                at=miss.at,
            )
            for miss in topic.near_misses[:MOST]
        ),
    )


def _nothing(digest: Digest) -> Message:
    return Message(
        delivery_id="",
        topic_id="",
        topic="",
        kind="digest",
        at=digest.at,
        headline=digest.title,
        url="",
        reports=(),
        independent=0,
        passage=Passage(text="", number=1, of=1),
        reasons=(),
        alert_id="",
        story_id="",
        page=digest.page,
    )


def _fields(view: View) -> dict[str, object]:
    return {field.name: getattr(view, field.name) for field in fields(view)}


def _lines(texts: Sequence[str], most: int) -> tuple[str, ...]:
    return tuple(wording.one_line(text, 300) for text in texts[:most])


def _name(text: str) -> str:
    return wording.one_line(text, 120)
