import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.words import Terms, query_words, stem, words_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Russia", "Russians"),
        ("Syria", "Syrian"),
        ("Iran", "Iranian"),
        ("Ukraine", "Ukrainian"),
        ("China", "Chinese"),
        ("Germany", "Germans"),
        ("Italy", "Italian"),
        ("Pakistan", "Pakistani"),
        ("strike", "striking"),
        ("companies", "company"),
    ],
)
def test_inflected_words_and_nations_have_one_stem(one: str, other: str):
    assert stem(one.lower()) == stem(other.lower())


@pytest.mark.parametrize(("one", "other"), [("police", "policy"), ("strike", "stroke"), ("Iran", "Iraq")])
def test_different_words_keep_different_stems(one: str, other: str):
    assert stem(one.lower()) != stem(other.lower())


def found(query: str, *sections: str) -> list[list[str]]:
    places = Terms(sections).places(query_words(query))
    return [[sections[place.section][place.start : place.end] for place in each] for each in places]


def test_joined_and_separate_words_find_each_other():
    assert found("airstrikes", "Air strikes hit the town.") == [["Air strikes"]]
    assert found("air strikes", "Airstrikes hit the town.") == [["Airstrikes"], ["Airstrikes"]]


def test_words_at_the_end_of_one_section_and_the_start_of_the_next_are_not_neighbours():
    assert found("airstrikes", "They came by air", "strikes followed") == [[]]


def test_a_possessive_is_found_as_written():
    assert found("Russian airstrikes", "Russia’s airstrikes") == [["Russia"], ["airstrikes"]]


def test_the_united_states_are_not_a_pronoun():
    assert found("US sanctions", "He told us of sanctions by the U.S. government") == [["U.S."], ["sanctions"]]


def test_words_that_carry_no_meaning_are_left_out_unless_there_are_no_others():
    assert [word.lower for word in query_words("the war in Syria")] == ["war", "syria"]
    assert [word.lower for word in query_words("What if")] == ["what", "if"]


@given(st.text(max_size=300), st.text(max_size=300))
def test_every_place_lies_inside_its_text(query: str, text: str):
    for each in Terms([text]).places(query_words(query)):
        for place in each:
            assert 0 <= place.start < place.end <= len(text)
    assert all(text[word.start : word.end].strip() for word in words_of(text))
