import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.bag import MOST, TITLE, Bag, bag_of, counts_in, from_bytes, number_of, query_terms
from consumers.model import Article
from consumers.passages import texts_of
from consumers.words import query_words
from tests.corpora import written


def bag(title: str = "", text: str = "") -> Bag:
    return bag_of(texts_of(Article(id="a", feed_id="f", source="example.org", title=title, text=text, seen=0.0)))


def said(query: str, title: str, text: str = "") -> list[int]:
    return counts_in(bag(title, text), query_terms(query_words(query)))


def test_each_word_of_a_query_is_counted_in_the_order_of_the_query() -> None:
    assert said("storm harbour", "News", "A storm came. The storm left the harbour.") == [2, 1]


def test_words_are_found_however_they_are_inflected() -> None:
    assert said("Russian strike", "News", "Russia’s jets were striking again.") == [1, 1]


def test_a_word_of_the_title_counts_twice() -> None:
    assert said("storm", "Storm over Dover", "The storm came.") == [TITLE + 1]


def test_a_title_that_is_all_there_is_counts_once() -> None:
    assert said("storm", "Storm over Dover") == [1]


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("airstrikes", "Air strikes on Homs"),
        ("airstrikes", "Air-strikes on Homs"),
        ("airstrike", "Airstrikes on Homs"),
        ("air strikes", "Airstrikes on Homs"),
        ("air strikes", "An airstrike on Homs"),
    ],
)
def test_two_words_and_the_one_that_they_make_find_each_other(query: str, title: str) -> None:
    assert all(said(query, title))


@pytest.mark.parametrize("text", ["By air, strikes are longer.", "They came by air. Strikes followed."])
def test_words_that_are_no_neighbours_make_no_word(text: str) -> None:
    assert said("airstrikes", "News", text) == [0]


def test_a_title_and_the_text_behind_it_are_no_neighbours() -> None:
    assert said("airstrikes", "Travel by air", "Strikes came.") == [0]


def test_little_words_make_no_word_with_their_neighbours() -> None:
    assert said("therapist", "News", "They caught the rapist.") == [0]


def test_of_two_ways_to_be_one_word_the_one_said_more_often_counts() -> None:
    assert said("big air strikes", "News", "A bigair came. Airstrikes, airstrikes, airstrikes.") == [1, 3, 3]


def test_a_query_of_signs_has_no_terms_and_counts_nothing() -> None:
    assert said("!!! … 🚨", "Storm") == []


def test_a_word_said_more_often_than_a_byte_can_tell_is_counted_as_the_most() -> None:
    assert said("storm", "News", ". ".join(f"storm {n}" for n in range(400))) == [MOST]


def test_the_length_is_the_number_of_words_of_title_and_text() -> None:
    assert bag("Storm over Dover", "It rained. All day.").length == 3 + 4
    assert bag("Storm over Dover").length == 3


@given(written, written)
def test_what_is_kept_is_read_as_it_was(title: str, text: str) -> None:
    made = bag(title, text)
    read = from_bytes(made.to_bytes())
    assert read.length == made.length
    np.testing.assert_array_equal(read.stems, made.stems, strict=True)
    np.testing.assert_array_equal(read.counts, made.counts, strict=True)


@given(written, written)
def test_stems_ascend_and_none_is_there_twice(title: str, text: str) -> None:
    made = bag(title, text)
    assert (np.diff(made.stems.astype(np.int64)) > 0).all()
    assert (made.counts > 0).all()
    assert len(made.counts) == len(made.stems)


@pytest.mark.parametrize(
    ("stem", "number"),
    [
        ("bridg", 1_906_774_480),
        ("airstrik", 1_117_954_916),
        ("u.s.", 2_545_075_106),
        ("brück", 1_273_002_613),
        ("東京", 2_451_981_039),
    ],
)
def test_the_number_of_a_stem_is_the_one_that_archives_hold(stem: str, number: int) -> None:
    """Where this fails: every archive would have to be read anew."""
    assert number_of(stem) == number


def test_the_bytes_of_a_bag_are_those_that_archives_hold() -> None:
    kept = bag("Air strikes", "Air strikes hit Homs. Homs fell.").to_bytes()
    assert kept.hex() == "0600000064a3a2424126d25a0729e368c98e27a576feb8b2fbb860bc3c76d7ccd07759fc0201020201020101"


@given(st.text(st.characters(), max_size=300))
def test_any_text_has_a_bag(text: str) -> None:
    made = bag(text[:50], text)
    assert from_bytes(made.to_bytes()).length == made.length


@pytest.mark.parametrize(
    "text",
    [
        "\ud800abc \udfff",
        "\x00" * 1_000,
        "a" * 200_000,
        "a " * 100_000,
        "e\u0301" * 50_000,
        "a.b." * 50_000,
        "ﷺ" * 9_999,
    ],
    ids=lambda text: ascii(text[:6]),
)
def test_a_hostile_text_is_counted_in_a_moment(text: str) -> None:
    started = time.process_time()
    bag("Title", text)
    assert time.process_time() - started < 2.0
