"""Records as JSON: today's, older ones, newer ones, and nonsense."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.model import (
    ARTICLES,
    CALIBRATIONS,
    MATCHES,
    STREAMS,
    TOPICS,
    Article,
    Calibration,
    Escalation,
    Evidence,
    Gated,
    Match,
    Part,
    Passage,
    Sample,
    Scheduled,
    Stream,
    Topic,
    Wanted,
)
from daemon.log.codec import Undecodable, decode, encode
from tests.fake_log import article, topic

RECORDS = Path(__file__).parents[1] / "data" / "records"
GOLDEN = Path(__file__).parents[1] / "data" / "golden"
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))

ARTICLE = Article(
    id="5f2b6c0a9d1e4c738a6f0b2d4e8c1a97",
    revision=2,
    feed_id="example-world",
    source="example.org",
    url="https://example.org/world/homs",
    title="Warplanes strike targets near Homs, ministry says",
    text='Aircraft carried out twenty strikes on Wednesday.\n\nThe ministry: "in Homs province" – ✈ 🚨.',
    published=1_790_000_000.0,
    seen=1_790_000_060.5,
    lang="en",
    backfill=True,
)
MATCH = Match(
    id="0d3c7e5b1f2a4968b7c6d5e4f3a2b1c0",
    topic_id="russian-airstrikes-syria",
    topic_version=4,
    article=ARTICLE,
    score=0.7125,
    passage=Passage(text="Aircraft carried out twenty strikes on Wednesday.", number=1, of=3, marks=((0, 8), (28, 35))),
    reasons=("words Russian, air strikes", "passage 1 of 3", "just above the line (balanced, about 2 a day)"),
    evidence=Evidence(
        parts=(Part(name="meaning", share=0.61), Part(name="words", share=0.48), Part(name="examples", share=-0.09)),
        gates=(Gated(gate="evidence", passed=True), Gated(gate="exclude", passed=True, why='does not say "drill"')),
        nearest="Warplanes struck targets near Homs",
        model="all-MiniLM-L6-v2@53aa51172d14",
    ),
    vector=b"\x00\x3c\x00\xbc\xfb\xff",
    title_vector=b"\xfb\xff\x00\x3c",
)
TOPIC = Topic(
    id="russian-airstrikes-syria",
    query="Russian airstrikes Syria",
    kind="theme",
    description="Air attacks inside Syria.",
    sensitivity="fewer",
    alerts_per_day=0.5,
    examples=("https://example.org/world/homs", "text:Warplanes struck targets near Homs."),
    counter_examples=("article:5f2b6c0a9d1e4c738a6f0b2d4e8c1a97",),
    require=Wanted(any=("Homs", "Idlib"), all=("Syria",)),
    exclude=Wanted(any=(r"re:\bIsraeli (air)?strike",), all=("drill",)),
    languages=("en", "pt-br"),
    sources=("example.org", "*.example.net"),
    not_sources=("opinion.example.net",),
    max_age=604_800.0,
    channels=("console", "desk"),
    digests=(Scheduled(channel="boss", when="07:00 Europe/Paris weekdays", near_misses=True),),
    updates="all",
    min_sources=2,
    severity="urgent",
    escalate=Escalation(sources=3, within=1800.0, channels=("pager",)),
    yields_to=("idlib",),
    spike=True,
    silence=21_600.0,
    enabled=False,
    version=4,
    epoch=2,
)
CALIBRATION = Calibration(
    topic_id="russian-airstrikes-syria",
    topic_version=4,
    model="all-MiniLM-L6-v2@53aa51172d14",
    at=1_790_000_100.25,
    articles=20_000,
    rarity=(2.5, 5.125, 3.75),
    length=301.5,
    pull=b"\x00\x3c\x00\xbc\xfb\xff",
    line=1.0625,
    floor=0.45,
    width=0.175,
    bar=0.4375,
    expected=1.8,
    came=2.1,
    samples=(
        Sample(
            ref="article:5f2b6c0a9d1e4c738a6f0b2d4e8c1a97",
            title="Warplanes strike targets near Homs, ministry says",
            relevant=True,
            row=b"\xfb\xff\x00\x3c",
        ),
    ),
)
WRITTEN: Mapping[type, object] = {Article: ARTICLE, Match: MATCH, Topic: TOPIC, Calibration: CALIBRATION}


def golden(stream: Stream[Any], schema: int) -> bytes:
    return (GOLDEN / f"{stream.name}.schema{schema}.json").read_bytes().removesuffix(b"\n")


def defaults(value: object, name: str = "") -> list[str]:
    """The dotted names of the fields that have their default in ``value``."""
    found = []
    for known in fields(value) if is_dataclass(value) else ():
        inner, dotted = getattr(value, known.name), f"{name}.{known.name}"
        found += [dotted] if known.default is not MISSING and inner == known.default else defaults(inner, dotted)
    return found


def test_a_record_is_json_that_anybody_can_read() -> None:
    assert json.loads(encode(TOPICS, topic("floods"))) == {
        "schema": 1,
        "record": {
            "id": "floods",
            "query": "floods",
            "kind": "event",
            "description": "",
            "sensitivity": "balanced",
            "alerts_per_day": None,
            "examples": [],
            "counter_examples": [],
            "require": {"any": [], "all": []},
            "exclude": {"any": [], "all": []},
            "languages": [],
            "sources": [],
            "not_sources": [],
            "max_age": None,
            "channels": ["console"],
            "digests": [],
            "updates": "new-facts",
            "min_sources": 1,
            "severity": "normal",
            "escalate": None,
            "yields_to": [],
            "spike": False,
            "silence": None,
            "enabled": True,
            "version": 1,
            "epoch": 1,
        },
    }


@given(title=UNICODE, text=UNICODE, published=st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_encoded_is_decoded_as_it_was(title: str, text: str, published: float | None) -> None:
    record = replace(article("a", text), title=title, published=published)
    assert decode(ARTICLES, encode(ARTICLES, record)) == record


@given(st.binary(max_size=200) | st.from_regex(rb'\{"schema": ?[0-9"a]{1,3}, ?"record": ?.{0,50}\}'))
def test_bytes_from_anywhere_are_a_record_or_undecodable(payload: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(ARTICLES, payload)


def test_an_article_of_the_first_version_stays_readable() -> None:
    record = decode(ARTICLES, (RECORDS / "articles-1.json").read_bytes())
    assert record == Article(
        id="5f2b6c0a9d1e4c738a6f0b2d4e8c1a97",
        revision=2,
        feed_id="example-world",
        source="example.org",
        url="https://example.org/world/homs",
        title="Warplanes strike targets near Homs, ministry says",
        text="Aircraft carried out twenty strikes on Wednesday.\n\nThe ministry said so – “in Homs province”.",
        published=1_790_000_000.0,
        seen=1_790_000_060.5,
        lang="en",
        backfill=True,
    )


def test_a_topic_of_the_first_version_stays_readable() -> None:
    assert decode(TOPICS, (RECORDS / "topics-1.json").read_bytes()) == Topic(
        id="russian-airstrikes-syria",
        query="Russian airstrikes Syria",
        description="Air attacks inside Syria.",
        channels=("console", "desk"),
        version=4,
        epoch=2,
    )


def test_a_match_of_the_first_version_stays_readable() -> None:
    match = decode(MATCHES, (RECORDS / "matches-1.json").read_bytes())
    assert (match.topic_id, match.topic_version, match.score) == ("russian-airstrikes-syria", 4, 0.71)
    assert match.passage == Passage(text="Aircraft carried out twenty strikes.", number=1, of=3, marks=((0, 8),))
    assert match.reasons == ("words Russian, air strikes",)
    assert match.vector == b"\x00\x3c\x00\xbc"
    assert match.article.title == "Warplanes strike targets near Homs"
    assert match.evidence == Evidence()


def test_fields_of_a_later_version_are_ignored() -> None:
    envelope = json.loads(encode(TOPICS, topic("floods")))
    envelope["record"]["mood"] = "curious"
    envelope["trace"] = "abc"
    assert decode(TOPICS, json.dumps(envelope).encode()) == topic("floods")


def test_the_order_and_the_spaces_of_another_writer_do_not_matter() -> None:
    envelope = json.loads(encode(TOPICS, topic("floods")))
    turned = json.dumps(dict(reversed(envelope.items())), indent=2)
    assert decode(TOPICS, turned.encode()) == topic("floods")


@pytest.mark.parametrize("record", [{"id": "floods", "query": "floods"}, {"something": "else"}, 7])
def test_a_newer_schema_is_refused_whatever_its_record_looks_like(record: object) -> None:
    payload = json.dumps({"schema": 2, "record": record}).encode()
    with pytest.raises(Undecodable, match=r"written by a newer Wirewatch \(schema 2 .* reads up to 1\): upgrade"):
        decode(TOPICS, payload)


def test_the_reason_names_the_field_and_never_its_content() -> None:
    payload = json.dumps({"schema": 1, "record": {"id": "floods", "query": {"secret": "word"}}}).encode()
    with pytest.raises(Undecodable, match=r"not a record of the stream topics: record\.query: ") as refusal:
        decode(TOPICS, payload)
    assert "word" not in str(refusal.value)


def test_deeply_nested_nonsense_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        decode(TOPICS, b"[" * 1_000_000)


def test_text_that_is_not_unicode_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValueError):
        encode(ARTICLES, article("a", "\ud800"))


def test_an_empty_vector_and_no_marks_survive() -> None:
    match = Match(
        id="m", topic_id="t", topic_version=1, article=article("a"), score=0.5, passage=Passage(text="", number=1, of=1)
    )
    assert decode(MATCHES, encode(MATCHES, match)) == match


def test_shipped_priors_survive() -> None:
    priors = Calibration(topic_id="t", topic_version=1, model="m", at=0.0)
    assert decode(CALIBRATIONS, encode(CALIBRATIONS, priors)) == priors


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_what_is_written_today_is_what_was_written_before(stream: Stream[Any]) -> None:
    """Where this fails: a new field with a default may go into the golden file. What an older Wirewatch could not read
    or would misunderstand raises ``schema`` and gets a golden file of its own beside this one."""
    assert encode(stream, WRITTEN[stream.type]) == golden(stream, stream.schema)


@pytest.mark.parametrize(
    ("stream", "schema"), [(stream, schema) for stream in STREAMS for schema in range(1, stream.schema + 1)]
)
def test_every_schema_there_ever_was_is_read(stream: Stream[Any], schema: int) -> None:
    assert decode(stream, golden(stream, schema)) == WRITTEN[stream.type]


def test_a_golden_record_has_no_field_that_could_vanish_unnoticed() -> None:
    assert {name for value in WRITTEN.values() for name in defaults(value)} == set()


def test_every_golden_file_belongs_to_a_stream() -> None:
    known = {f"{stream.name}.schema{n}.json" for stream in STREAMS for n in range(1, stream.schema + 1)}
    assert {path.name for path in GOLDEN.iterdir()} == known
