"""Records of any length, in as many bytes as a broker takes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.model import ARTICLES, MATCHES, TOPICS, Match, Passage
from daemon.fetch.text import shortened
from daemon.log.codec import decode, encode
from daemon.log.fit import MARK, fitted
from tests.fake_log import article, topic

LEAST = 600  # bytes: more than any record of these tests takes without its texts
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=2_000)
COSTLY = st.text(st.sampled_from('a "\\\n\x01ж😀'), max_size=2_000)  # one to six bytes each in JSON
TEXTS = UNICODE | COSTLY
LIMITS = st.integers(LEAST, 4_000)


def match(text: str, passage: str, *, marks: tuple[tuple[int, int], ...] = ()) -> Match:
    return Match(
        id="m",
        topic_id="floods",
        topic_version=1,
        article=article("a", text),
        score=0.5,
        passage=Passage(text=passage, number=1, of=1, marks=marks),
    )


@given(text=TEXTS, title=TEXTS, limit=LIMITS)
def test_an_article_of_any_length_fits_and_says_where_it_was_cut(text: str, title: str, limit: int) -> None:
    whole = replace(article("a", text), title=title)
    payload = fitted(ARTICLES, whole, limit)
    assert len(payload) <= limit
    kept = decode(ARTICLES, payload)
    assert replace(kept, text=text, title=title) == whole
    for before, after in ((text, kept.text), (title, kept.title)):
        assert after == before or (after.endswith(MARK) and before.startswith(after.removesuffix(MARK)))


@given(text=TEXTS, passage=TEXTS, limit=LIMITS)
def test_a_match_of_any_length_fits_and_keeps_its_passage_as_long_as_there_is_text_to_cut(
    text: str, passage: str, limit: int
) -> None:
    whole = match(text, passage)
    payload = fitted(MATCHES, whole, limit)
    assert len(payload) <= limit
    kept = decode(MATCHES, payload)
    if kept.passage != whole.passage:
        assert kept.passage.text.endswith(MARK)
        assert kept.article.text == MARK or len(json.dumps(text, ensure_ascii=False).encode()) <= 5


@given(text=TEXTS, limit=LIMITS)
def test_what_fits_is_not_touched(text: str, limit: int) -> None:
    whole = encode(ARTICLES, article("a", text))
    payload = fitted(ARTICLES, article("a", text), max(limit, len(whole)))
    assert payload == whole


@given(text=st.text("a", min_size=3_000, max_size=4_000), limit=LIMITS)
def test_no_more_is_cut_than_has_to_be(text: str, limit: int) -> None:
    assert len(fitted(ARTICLES, article("a", text), limit)) == min(limit, len(encode(ARTICLES, article("a", text))))


def test_a_text_is_cut_between_words() -> None:
    kept = decode(ARTICLES, fitted(ARTICLES, article("a", "airstrikes " * 500), 1_000)).text
    assert set(kept.removesuffix(MARK).split(" ")) == {"airstrikes"}


def test_spans_of_a_cut_passage_stay_inside_it() -> None:
    whole = match("", "x" * 5_000, marks=((0, 10), (90, 4_000), (4_500, 4_600)))
    passage = decode(MATCHES, fitted(MATCHES, whole, LEAST)).passage
    assert passage.marks == ((0, 10), (90, len(passage.text) - len(MARK)))


def test_a_cut_looks_the_same_wherever_it_was_made() -> None:
    assert shortened("a long text", 8).endswith(MARK)


def test_a_topic_is_never_cut() -> None:
    with pytest.raises(ValueError, match=r"of the stream topics takes 1\d\d\d bytes where 1000 are allowed"):
        fitted(TOPICS, topic("floods", "x" * 1_000), 1_000)


def test_a_record_that_is_too_long_without_its_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing more of it can be cut"):
        fitted(ARTICLES, replace(article("a", "text"), url="https://example.org/" + "x" * 1_000), 1_000)


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValueError):
        fitted(ARTICLES, article("a", "\ud800"), 10_000)
