from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.bag import Bag, QueryTerm, bag_of, counts_in, query_terms
from consumers.passages import texts_of
from consumers.word_index import WordIndex
from consumers.words import query_words
from tests.corpora import article, written


def terms(query: str) -> tuple[QueryTerm, ...]:
    return query_terms(query_words(query))


def bag(title: str, text: str = "") -> Bag:
    return bag_of(texts_of(article(title, text)))


def index(*queries: str, rarity: Sequence[float] = ()) -> WordIndex:
    made = WordIndex()
    for query in queries:
        made.put(query, terms(query), rarity)
    return made


def test_a_topic_is_found_where_all_its_words_are_said() -> None:
    made = index("bridge collapse", "wheat exports", "bridge")
    assert made.candidates(bag("Bridge in Dover", "It collapsed.")) == {"bridge collapse", "bridge"}


def test_a_topic_of_which_a_word_is_not_said_is_not_found() -> None:
    assert index("bridge collapse").candidates(bag("Bridge reopens")) == set()


@pytest.mark.parametrize("rarity", [(), (5.0, 1.0), (1.0, 5.0), (3.0,)])
def test_the_rarity_of_its_words_decides_only_where_it_is_looked_up(rarity: tuple[float, ...]) -> None:
    made = index("bridge collapse", rarity=rarity)
    assert made.candidates(bag("Collapse of a bridge")) == {"bridge collapse"}
    assert made.candidates(bag("Collapse of a bank")) == made.candidates(bag("Bridge reopens")) == set()


@pytest.mark.parametrize(
    ("query", "title"), [("air strikes", "Airstrikes on Homs"), ("airstrikes", "Air strikes on Homs")]
)
def test_words_written_as_one_find_words_written_apart(query: str, title: str) -> None:
    assert index(query).candidates(bag(title)) == {query}


def test_a_new_wording_takes_the_place_of_the_old_one() -> None:
    made = index("bridge collapse")
    made.put("bridge collapse", terms("wheat exports"), ())
    assert made.candidates(bag("Bridge collapse")) == set()
    assert made.candidates(bag("Wheat exports rise")) == {"bridge collapse"}


def test_a_topic_without_words_is_forgotten_and_forgetting_again_is_fine() -> None:
    made = index("bridge collapse", "bridge")
    for _ in range(2):
        made.put("bridge collapse", (), ())
    assert made.candidates(bag("Bridge collapse")) == {"bridge"}


def test_a_query_of_signs_is_never_found_by_its_words() -> None:
    assert index("!!!").candidates(bag("!!!")) == set()


changes = st.lists(st.tuples(st.sampled_from("abc"), st.none() | written), max_size=8)


@given(changes, written)
def test_after_any_edits_it_finds_the_topics_all_of_whose_words_are_said(
    edits: list[tuple[str, str | None]], text: str
) -> None:
    made, known = WordIndex(), {}
    for topic_id, query in edits:
        known[topic_id] = terms(query) if query is not None else ()
        made.put(topic_id, known[topic_id], ())
    said = bag("Title", text)
    assert made.candidates(said) == {
        topic_id for topic_id, words in known.items() if words and all(counts_in(said, words))
    }
