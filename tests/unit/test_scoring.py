import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.bag import bag_of, counts_in, query_terms
from consumers.model import Article
from consumers.passages import ArticleTexts, texts_of
from consumers.scoring import (
    CLEARLY,
    FLOOR,
    LINE,
    NEAR,
    dense,
    lexical,
    named,
    quoted,
    said,
    said_by_one,
    score_of,
    standing,
    terms_of,
    weights_of,
)
from consumers.words import query_words

QUERY = query_words("Russian airstrikes Syria")
MEAN_LENGTH = 10.0


def texts(title: str, text: str = "") -> ArticleTexts:
    return texts_of(Article(id="a", feed_id="f", source="example.org", title=title, text=text, seen=0.0))


def strength(read: ArticleTexts, cosine: float = 0.5, rarity: tuple[float, ...] = (1.0, 1.0, 1.0)) -> float:
    bag = bag_of(read)
    counts = np.array(counts_in(bag, query_terms(QUERY)), np.float32)[:, None]
    shares = said(counts, np.array(rarity, np.float32), np.array([bag.length], np.float32), MEAN_LENGTH)
    return dense(cosine, cosine) + float(lexical(*shares)[0])


def explained(read: ArticleTexts) -> tuple[str, ...]:
    return quoted(QUERY, read, terms_of(read), [0.5] * len(read.passages))[1]


def test_at_equal_cosines_the_article_that_says_more_of_the_words_is_stronger():
    found = [
        strength(texts(title))
        for title in ("Bread prices rise again", "Bread prices rise in Syria", "Russia sells Syria bread cheaply now")
    ]
    assert found == sorted(found)
    assert len(set(found)) == 3


def test_a_nearer_article_is_stronger():
    read = texts("Russian jets over Syria")
    assert strength(read, 0.6) > strength(read, 0.5)


def test_the_whole_weighs_more_than_the_title():
    assert dense(1.0, 0.0) > dense(0.0, 1.0) > 0


def test_a_rare_word_weighs_more_than_a_common_one():
    rare, common = texts("Syria is cheap"), texts("Russia is cheap")
    assert strength(rare, rarity=(1.0, 1.0, 3.0)) > strength(common, rarity=(1.0, 1.0, 3.0))
    assert strength(rare) == pytest.approx(strength(common))


def test_said_in_the_title_counts_more_than_in_the_text():
    assert strength(texts("Syria today", "Bread is cheap.")) > strength(texts("Bread today", "Syria is cheap."))


def test_said_once_in_a_short_article_counts_more_than_once_in_a_long_one():
    more = " ".join(f"Bread number {n} is dear." for n in range(20))
    assert strength(texts("News", "Syria is cheap.")) > strength(texts("News", f"Syria is cheap. {more}"))


def test_said_again_counts_less_than_said_first():
    none, once, twice = (strength(texts("News", f"{'Syria ' * n}{'bread ' * (2 - n)}is here.")) for n in range(3))
    assert once - none > twice - once > 0


def test_words_alone_reach_no_more_than_their_share():
    everything = strength(texts("Russian airstrikes Syria " * 30), cosine=0.0)
    assert 0.6 < everything < 0.7


def test_the_passage_that_is_near_and_says_the_words_is_quoted():
    read = texts("News", "A is. B is. C is. Russian airstrikes hit Syria. D is. E is.")
    passage, words = quoted(QUERY, read, terms_of(read), [0.5] * len(read.passages))
    assert (passage.number, passage.of) == (2, 2)
    assert [passage.text[start:end] for start, end in passage.marks] == ["Russian", "airstrikes", "Syria"]
    assert words == ("Russian", "airstrikes", "Syria")


def test_of_passages_that_say_nothing_the_nearest_is_quoted():
    read = texts("News", "A is. B is. C is. D is. E is. F is. G is.")
    assert quoted(QUERY, read, terms_of(read), [0.1, 0.3, 0.2])[0].number == 2


def test_words_are_named_as_the_article_writes_them_and_the_title_fills_in():
    assert explained(texts("Strikes in Syria", "Russia’s air strikes went on.")) == ("Russia", "air strikes", "Syria")
    assert named(("Russia", "air strikes", "Syria")) == "words Russia, air strikes, Syria"
    assert named(("Syria",)) == "word Syria"


def test_a_match_in_other_words_says_so():
    read = texts("Moscow’s jets bomb Aleppo")
    passage, words = quoted(QUERY, read, terms_of(read), [0.5])
    assert named(words) == "none of the words, but the same meaning"
    assert passage.marks == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (CLEARLY, "clearly above the line"),
        (CLEARLY - 0.001, "just above the line"),
        (LINE, "just above the line"),
        (LINE - 0.001, "just below the line"),
        (NEAR, "just below the line"),
        (NEAR - 0.001, "below the line"),
    ],
)
def test_people_are_told_where_a_score_stands_never_the_score(value: float, words: str):
    assert standing(value) == words


def test_a_score_is_a_half_at_the_line_whatever_the_line():
    assert [score_of(line, line, width) for line in (-0.3, 0.0, 1.4) for width in (0.02, 0.3)] == [LINE] * 6


def test_near_misses_lie_within_a_width_or_so_below_the_line_and_the_noise_below_the_floor():
    line, width = 1.0, 0.15
    assert FLOOR < score_of(line - 1.9 * width, line, width) < NEAR < score_of(line - width, line, width) < LINE
    assert score_of(line - 4 * width, line, width) < FLOOR


numbers = st.floats(-1e6, 1e6)


@given(numbers, numbers, numbers, st.floats(1e-3, 10.0))
def test_a_stronger_article_never_scores_lower_and_every_score_lies_between_nothing_and_one(
    one: float, other: float, line: float, width: float
):
    low, high = sorted((one, other))
    assert 0 < score_of(low, line, width) <= score_of(high, line, width) <= 1


@given(st.text(max_size=400), st.text(max_size=100), st.text(max_size=60))
def test_marks_lie_inside_the_passage_in_order_and_apart(text: str, title: str, query: str):
    read = texts(title, text)
    passage, words = quoted(query_words(query), read, terms_of(read), [0.0] * len(read.passages))
    edges = [edge for span in passage.marks for edge in span]
    assert edges == sorted(edges)
    assert all(start < end <= len(passage.text) for start, end in passage.marks)
    assert all(word in f"{read.title}\n{passage.text}" for word in words)


@given(st.lists(st.tuples(st.integers(0, 255), st.floats(0, 20)), max_size=6), st.integers(0, 10**6), st.floats(0, 1e6))
def test_whatever_is_said_counts_between_nothing_and_one(
    words: list[tuple[int, float]], length: int, mean_length: float
):
    counts = np.array([[count] for count, _ in words], np.float32).reshape(len(words), 1)
    rarity = np.array([each for _, each in words], np.float32)
    coverage, presence = said(counts, rarity, np.array([length], np.float32), mean_length)
    for share in (*coverage, *presence):
        assert math.isfinite(share)
        assert -1e-6 <= share <= 1 + 1e-5


@given(st.lists(st.tuples(st.integers(0, 255), st.floats(0, 20)), max_size=6), st.integers(0, 10**6), st.floats(0, 1e6))
def test_one_article_is_counted_as_an_archive_is(words: list[tuple[int, float]], length: int, mean_length: float):
    counts, rarity = [count for count, _ in words], [each for _, each in words]
    alone = said_by_one(counts, weights_of(rarity), length, mean_length)
    many = said(
        np.array(counts, np.float32).reshape(len(words), 1),
        np.array(rarity, np.float32),
        np.array([length], np.float32),
        mean_length,
    )
    assert alone == pytest.approx([float(share[0]) for share in many], abs=1e-5)
