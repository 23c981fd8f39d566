import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.model import Article
from consumers.passages import ArticleTexts, texts_of
from consumers.scoring import LINE, NEAR, Verdict, explain, judge, standing, terms_of
from consumers.words import query_words

QUERY = query_words("Russian airstrikes Syria")


def texts(title: str, text: str = "") -> ArticleTexts:
    return texts_of(Article(id="a", feed_id="f", source="example.org", title=title, text=text, seen=0.0))


def score(read: ArticleTexts, cosine: float = 0.5) -> float:
    return judge(QUERY, [cosine] * len(read.embedded), terms_of(read)).score


def test_at_equal_cosines_the_article_that_says_more_of_the_words_scores_higher():
    said = [
        score(texts(title))
        for title in ("Bread prices rise again", "Bread prices rise in Syria", "Russia sells Syria bread cheaply now")
    ]
    assert said == sorted(said)
    assert len(set(said)) == 3


def test_a_nearer_article_scores_higher():
    read = texts("Russian jets over Syria")
    assert score(read, 0.6) > score(read, 0.5)


def test_the_last_missing_word_weighs_most():
    none, one, two, three = (
        score(texts(title))
        for title in ("Bread is cheap", "Syria is cheap", "Syria is Russian", "Syria Russian airstrikes")
    )
    assert three - two > two - one > 0
    assert one > none


def test_said_in_the_title_counts_more_than_in_the_text():
    assert score(texts("Syria today", "Bread is cheap.")) > score(texts("Bread today", "Syria is cheap."))


def test_the_passage_that_is_near_and_says_the_words_is_quoted():
    read = texts("News", "A is. B is. C is. Russian airstrikes hit Syria. D is. E is.")
    verdict = judge(QUERY, [0.5] * len(read.embedded), terms_of(read))
    passage, reasons = explain(QUERY, read, terms_of(read), verdict)
    assert passage.number == 2
    assert [passage.text[start:end] for start, end in passage.marks] == ["Russian", "airstrikes", "Syria"]
    assert reasons[:2] == ("words Russian, airstrikes, Syria", "passage 2 of 2")


def test_words_are_named_as_the_article_writes_them_and_the_title_fills_in():
    read = texts("Strikes in Syria", "Russia’s air strikes went on.")
    _, reasons = explain(QUERY, read, terms_of(read), Verdict(LINE, 0))
    assert reasons[0] == "words Russia, air strikes, Syria"


def test_a_match_in_other_words_says_so():
    read = texts("Moscow’s jets bomb Aleppo")
    passage, reasons = explain(QUERY, read, terms_of(read), Verdict(LINE, 0))
    assert reasons == ("none of the words, but the same meaning", "just above the line")
    assert passage.marks == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (LINE + 0.5, "clearly above the line"),
        (LINE, "just above the line"),
        (LINE - 0.001, "just below the line"),
        (NEAR - 0.01, "below the line"),
    ],
)
def test_people_are_told_where_a_score_stands_never_the_score(value: float, words: str):
    assert standing(value) == words


@given(st.text(max_size=400), st.text(max_size=100), st.text(max_size=60))
def test_marks_lie_inside_the_passage_in_order_and_apart(text: str, title: str, query: str):
    read = texts(title, text)
    passage, _ = explain(query_words(query), read, terms_of(read), Verdict(LINE, 0))
    edges = [edge for span in passage.marks for edge in span]
    assert edges == sorted(edges)
    assert all(start < end <= len(passage.text) for start, end in passage.marks)
    assert math.isfinite(judge(query_words(query), [0.0] * len(read.embedded), terms_of(read)).score)
