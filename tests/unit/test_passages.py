import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.model import Article
from consumers.passages import MAX_PASSAGES, PASSAGE_CHARS, is_furniture, sentences, texts_of


def article(title: str = "", text: str = "") -> Article:
    return Article(id="a", feed_id="f", source="example.org", title=title, text=text, seen=0.0)


def test_a_text_is_cut_into_passages_of_three_sentences():
    texts = texts_of(article("Title", "One is. Two is. Three is.\n\nFour is. Five is."))
    assert [passage.text for passage in texts.passages] == ["One is. Two is. Three is.", "Four is. Five is."]
    assert [(passage.number, passage.of) for passage in texts.passages] == [(1, 2), (2, 2)]


def test_the_embedded_texts_are_the_whole_the_title_and_each_passage():
    texts = texts_of(article("Title", "One is. Two is. Three is. Four is."))
    assert texts.embedded == (
        "Title. One is. Two is. Three is. Four is.",
        "Title",
        "Title. One is. Two is. Three is.",
        "Four is.",
    )


def test_a_short_summary_costs_two_texts_only():
    texts = texts_of(article("Rovers win", "Rovers won the cup. The coach wept."))
    assert len(set(texts.embedded)) == 2


def test_a_headline_alone_costs_one_text_and_is_its_own_passage():
    texts = texts_of(article("Rovers win the cup"))
    assert set(texts.embedded) == {"Rovers win the cup"}
    assert [passage.text for passage in texts.passages] == ["Rovers win the cup"]


def test_a_text_without_a_title_is_read_as_well():
    texts = texts_of(article(text="One is. Two is."))
    assert set(texts.embedded) == {"One is. Two is."}


def test_an_article_without_any_text_has_one_empty_passage():
    texts = texts_of(article())
    assert [passage.text for passage in texts.passages] == [""]


def test_a_summary_that_repeats_its_headline_says_it_once():
    texts = texts_of(article("Rovers win the cup", "Rovers win the cup. The coach wept."))
    assert texts.passages[0].text == "The coach wept."


@pytest.mark.parametrize(
    "line",
    [
        "Share",
        "Advertisement",
        "ADVERTISEMENT",
        "Read more: five maps that explain the war",
        "Share this article",
        "Follow us on Facebook",
        "We use cookies to improve your experience. Find out more.",
        "By Elena Marsh",
        "By John O’Neill and Ana de Souza | Example News",
        "Sign up for our newsletter.",
        "Related articles",
        "© 2026 Example News. All rights reserved.",
        "3 min read",
        "Updated: 14 March 2026",
    ],
)
def test_page_furniture_weighs_nothing(line: str):
    assert is_furniture(line)
    texts = texts_of(article("Title", f"{line}\n\nThe bridge fell.\n\n{line}"))
    assert [passage.text for passage in texts.passages] == ["The bridge fell."]


@pytest.mark.parametrize(
    "line",
    [
        "Share prices fell sharply on Monday.",
        "By Monday the army had retaken the town.",
        "Like it or not, the war goes on.",
        "Save the Children said that eleven of its workers were missing.",
        "More news of the attack reached the capital on Friday.",
        "We use what we have, the mayor said.",
        "Follow the money, the judge said.",
        "Search teams found two more bodies.",
    ],
)
def test_a_sentence_that_begins_like_furniture_is_kept(line: str):
    assert not is_furniture(line)


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("The U.S. Army left. It was late.", ["The U.S. Army left.", "It was late."]),
        ('Mr. Orlov said: "We know nothing." He left.', ['Mr. Orlov said: "We know nothing."', "He left."]),
        ("J. R. Marsh paid $3.5 million on Jan. 5. Why?", ["J. R. Marsh paid $3.5 million on Jan. 5.", "Why?"]),
        ("It fell… and rose. Then it fell.", ["It fell… and rose.", "Then it fell."]),
        ("地震が起きた。津波はない。", ["地震が起きた。", "津波はない。"]),
        ("One line without an end", ["One line without an end"]),
    ],
)
def test_sentences_survive_abbreviations_and_quotes(paragraph: str, expected: list[str]):
    assert list(sentences(paragraph)) == expected


def test_lines_wrapped_by_hand_are_joined():
    texts = texts_of(article("Title", "The bridge over\nthe river fell.\nNobody was hurt."))
    assert texts.passages[0].text == "The bridge over the river fell. Nobody was hurt."


def test_a_repeated_sentence_counts_once():
    texts = texts_of(article("Title", "The bridge fell. The bridge fell. It rained."))
    assert texts.passages[0].text == "The bridge fell. It rained."


def test_a_long_article_keeps_its_lead_and_its_end_and_names_true_positions():
    texts = texts_of(article("Title", " ".join(f"Sentence {n} is here." for n in range(300))))
    numbers = [passage.number for passage in texts.passages]
    assert len(numbers) == MAX_PASSAGES
    assert numbers[0] == 1
    assert numbers[-1] == texts.passages[0].of == 100


@given(st.text(max_size=3_000), st.text(max_size=200))
def test_any_text_gives_one_embedded_text_per_row_and_bounded_passages(text: str, title: str):
    texts = texts_of(article(title, text))
    assert len(texts.embedded) == 2 + len(texts.passages)
    assert 1 <= len(texts.passages) <= MAX_PASSAGES
    assert all(len(passage.text) <= PASSAGE_CHARS for passage in texts.passages)


@pytest.mark.parametrize(
    "text", ["." * 1_000_000, "\n \n" * 300_000, '." ' * 300_000, "a." * 500_000, "By A " * 200_000]
)
def test_a_hostile_megabyte_is_read_in_a_moment(text: str):
    started = time.process_time()
    texts_of(article("Title", text))
    assert time.process_time() - started < 2.0
