"""The values that travel: frozen, with one meaning each, and the streams that carry them.

Times are seconds since the epoch, UTC, as floats; texts are plain text without markup; vectors are unit rows of
float16 in little-endian bytes (half the size of float32; the largest change of a cosine is below 0.001).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

Kind = Literal["event", "theme"]
AlertKind = Literal["first", "update", "escalation", "digest"]
Sensitivity = Literal["fewer", "balanced", "more"]
Updates = Literal["all", "new-facts", "none"]
Severity = Literal["normal", "urgent"]
Stage = Literal["new", "waiting", "told", "escalated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One item read from a feed; a changed body is a new ``revision`` of the same ``id``."""

    id: str
    revision: int = 1
    feed_id: str
    source: str  # the publisher's host name, without "www."
    url: str = ""  # canonical, http or https, or empty
    title: str = ""
    text: str = ""  # paragraphs are separated by blank lines
    published: float | None = None  # what the feed says, clamped to a sane range
    seen: float  # when this revision was read
    lang: str = ""  # BCP 47, lower case, or empty
    backfill: bool = False  # already published when the feed was first polled: archived, never alerted


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Words, phrases and ``re:`` patterns: found when all of ``all`` are and, where ``any`` has some, one of those."""

    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A channel that is told at set times: "07:00 Europe/Paris weekdays", as ``consumers.set_times`` reads them."""

    channel: str
    when: str
    near_misses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A story is told again, louder, when ``sources`` independent ones report it ``within`` seconds."""

    sources: int
    within: float
    channels: tuple[str, ...] = ()  # beside the topic's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a user watches for. An edit raises ``version``; only "match again" raises ``epoch``.

    ``examples`` and ``counter_examples`` are "https://…", "text:…" or "article:ID". ``alerts_per_day``, in stories,
    takes the place of ``sensitivity`` where it is given.
    """

    id: str
    query: str
    kind: Kind = "event"
    description: str = ""
    sensitivity: Sensitivity = "balanced"
    alerts_per_day: float | None = None
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()
    require: Wanted = Wanted()
    exclude: Wanted = Wanted()
    languages: tuple[str, ...] = ()  # BCP 47, lower case; "pt" takes "pt-br" too
    sources: tuple[str, ...] = ()  # host names, "*.example.org" for all below one; empty: every source
    not_sources: tuple[str, ...] = ()
    max_age: float | None = None  # seconds between publication and reading
    channels: tuple[str, ...] = ("console",)  # told at once
    digests: tuple[Scheduled, ...] = ()  # told at set times; a channel may be in both
    updates: Updates = "new-facts"
    min_sources: int = 1  # independent ones that report a story before anybody is told
    severity: Severity = "normal"  # "urgent" is told in quiet hours, too
    escalate: Escalation | None = None
    yields_to: tuple[str, ...] = ()  # topics: what one of them tells on a channel is not told there again
    spike: bool = False  # tell when far more is reported than usual
    silence: float | None = None  # tell when nothing was reported for so many seconds
    enabled: bool = True
    version: int = 1
    epoch: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A few sentences of an article. ``number`` counts from 1 within ``of``; title and lead are passage 1.

    ``marks`` are (start, end) character spans of ``text`` that carried the match.
    """

    text: str
    number: int
    of: int
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An example or a counter-example of a topic, with the unit row (float16) of its whole text."""

    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    ref: str  # as the topic names it
    title: str
    relevant: bool
    row: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the archive says of one version of a topic, to one model: with it a score means something.

    Strengths are sums of cosines and shares of words; nobody is shown one.
    """

    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    topic_id: str
    topic_version: int
    model: str
    at: float
    articles: int = 0  # of the archive that it was drawn from; 0: the priors that are shipped
    rarity: tuple[float, ...] = ()  # of each word of the query, in their order; empty: all the same
    length: float = 250.0  # words of an article, on average
    pull: bytes = b""  # float16 (d,): the whole article is compared with it, beside the query
    line: float = 0.0  # the strength from which on an article matches
    floor: float = 0.0  # the strength that an article needs of its own, without the pull
    width: float = 0.1  # of the region around the line; 4 of them below it lies the noise
    bar: float = 0.25  # a topic is looked at where the index gives so much, or where all its words are said
    expected: float | None = None  # stories a day; None: the archive is too young to tell
    came: float | None = None  # the same, counted over the last 30 days with the lines that were in force
    samples: tuple[Sample, ...] = ()


PartName = Literal["meaning", "title", "words", "archive", "examples"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``share`` of a score, 0 to 1; the shares of a match sum to 1. Negative: it spoke against."""

    name: PartName
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """One gate that an article had to pass. ``why`` is for people: "says Russian", "published 9 days ago"."""

    gate: Literal[
        "evidence", "verdict", "actors", "require", "exclude", "languages", "sources", "not_sources", "max_age"
    ]
    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How a score came about."""

    parts: tuple[Part, ...] = ()
    gates: tuple[Gated, ...] = ()
    nearest: str = ""  # title of the example that the article is nearest to
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An article that a topic accepts. ``score``, 0 to 1, the line at ½, is for ordering; people see ``reasons``."""

    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    id: str
    topic_id: str
    topic_version: int
    article: Article
    score: float
    passage: Passage
    reasons: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    vector: bytes = b""  # the whole article
    title_vector: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One article inside a story, as an alert lists it."""

    source: str
    url: str
    title: str
    at: float  # published, else seen
    copy_of: str = ""  # the source whose text it repeats word for word


FactKind = Literal[
    "toll", "sum", "number", "place", "actor", "statement", "reversal", "correction", "retraction", "changed"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that a report adds to its story. ``text`` says it in a few words: "toll 12 → 19"."""

    key: str  # equal facts of a story have equal keys
    kind: FactKind
    text: str
    quote: str  # the sentence that says it
    source: str
    url: str
    at: float  # of the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The matches of one topic that report the same event."""

    id: str
    topic_id: str
    title: str
    started: float
    latest: float
    reports: tuple[Report, ...]
    articles: int = 0  # that belong to it, listed or not
    known: tuple[str, ...] = ()  # what its reports have stated, as ``consumers.novelty`` writes it
    facts: tuple[Fact, ...] = ()  # what later reports added, the oldest first
    merged_into: str = ""  # the story that it turned out to be
    apart: tuple[str, ...] = ()  # stories that people said are not this one
    stage: Stage = "new"  # how far its telling has come; "waiting" for another source
    backfill: bool = False  # founded by backfill; nobody was told of it yet

    @property
    def independent(self) -> int:
        """Sources that are not copies of another one's text."""
        return len({report.source for report in self.reports if not report.copy_of})


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The decision to tell somebody about a story."""

    id: str
    topic_id: str
    story_id: str
    kind: AlertKind
    at: float
    match_id: str  # the match that caused it: its passage and reasons are the ones told
    channels: tuple[str, ...]
    why: str = ""  # "first report", "new facts", "3 independent sources within 30 minutes"
    facts: tuple[Fact, ...] = ()  # that it tells
    severity: Severity = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Everything a channel needs to tell an alert, and nothing it has to look up."""

    delivery_id: str
    topic_id: str
    topic: str  # its query, as the user wrote it
    kind: AlertKind
    at: float
    headline: str
    url: str
    reports: tuple[Report, ...]
    independent: int
    passage: Passage
    reasons: tuple[str, ...]
    alert_id: str
    story_id: str
    possible_repeat: bool = False  # the previous attempt ended in doubt and this channel cannot be asked
    page: str = ""  # address of the alert on Wirewatch's own page, or empty
    why: str = ""  # of the alert, see there
    severity: Severity = "normal"
    facts: tuple[Fact, ...] = ()  # new in this message, the newest first
    timeline: tuple[Fact, ...] = ()  # all that the story's reports added so far, the oldest first
    articles: int = 0  # that belong to the story by now, listed or not
    latest: float = 0.0  # its latest report
    thread: str = ""  # the channel's own name for the message that this one follows, or empty
    follows: tuple[str, ...] = ()  # the same for everything that was told of the story there before, the oldest first
    merged_into: str = ""  # headline of the story that this one turned out to be, or empty
    status: tuple[str, ...] = ()  # sentences: "muted by Ana until 14:02 UTC", "split by Ana: 2 reports moved"


DigestReason = Literal["times", "quiet hours", "mute", "flood", "spike", "silence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """An article that was just under its topic's line, as a digest lists it."""

    title: str
    source: str
    url: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDigest:
    """What a digest says of one topic. ``stories`` are whole messages: those with the newest facts first."""

    topic_id: str
    topic: str
    stories: tuple[Message, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Several alerts in one message, by topic and story. ``lead`` says why they come together, in a sentence."""

    delivery_id: str
    at: float
    reason: DigestReason
    title: str
    lead: str
    topics: tuple[TopicDigest, ...]
    page: str = ""
    possible_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something the operator must know about Wirewatch itself: never about the news."""

    delivery_id: str
    at: float
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A channel accepted a message. ``provider_id`` is the channel's own name for it (Slack ``ts``, Message-ID)."""

    provider_id: str = ""
    note: str = ""  # accepted, but not as asked: a sentence for the operator, such as a recipient that was refused


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stream(Generic[T]):
    """A named, partitioned, durable sequence of records. Equal keys stay in order.

    A *compacted* stream keeps at least the last record of every key for ever.
    """

    name: str
    type: type[T]
    key: Callable[[T], str] = field(compare=False)
    compacted: bool = False
    schema: int = 1  # of the record; raised when an old reader could not understand a new record


ARTICLES: Stream[Article] = Stream("articles", Article, lambda article: article.id)
BACKFILL: Stream[Article] = Stream("articles.backfill", Article, lambda article: article.id)
MATCHES: Stream[Match] = Stream("matches", Match, lambda match: match.topic_id)
MATCHES_BACKFILL: Stream[Match] = Stream("matches.backfill", Match, lambda match: match.topic_id)
TOPICS: Stream[Topic] = Stream("topics", Topic, lambda topic: topic.id, compacted=True)
CALIBRATIONS: Stream[Calibration] = Stream(
    "calibrations", Calibration, lambda each: calibration_key(each.topic_id, each.model), compacted=True
)
STREAMS: tuple[Stream[Any], ...] = (ARTICLES, BACKFILL, MATCHES, MATCHES_BACKFILL, TOPICS, CALIBRATIONS)


def calibration_key(topic_id: str, model: str) -> str:
    """Two models have a calibration each while one takes over from the other."""
    return f"{topic_id} {model}"
