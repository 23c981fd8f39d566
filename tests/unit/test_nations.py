import pytest

from consumers.mentions import mentions, nations_said
from consumers.nations import akin, forms, shown


@pytest.mark.parametrize(
    ("text", "nations"),
    [
        ("Russian jets, Moscow's jets, the Kremlin's jets", {"Russia"}),
        ("U.S. troops and USA today", {"United States"}),
        ("The US and the UK", {"United States", "Britain"}),
        ("Syria's capital Damascus", {"Syria"}),
        ("North Korea's rocket", {"North Korea"}),
        ("floods in Papua New Guinea", {"Papua New Guinea"}),
        ("the Dominican Republic", {"Dominican Republic"}),
        ("Port-au-Prince and São Paulo and Côte d'Ivoire", {"Haiti", "Brazil", "Ivory Coast"}),
        ("russian airstrikes north korea", {"Russia", "North Korea"}),
        ("RUSSIAN AIRSTRIKES IN SYRIA", {"Russia", "Syria"}),
        ("Aleppo", {"Syria"}),
        ("Korean", {"North Korea", "South Korea"}),
        ("Georgia", {"Georgia", "United States"}),
        ("Gaza", {"Gaza", "Palestine"}),
        ("South America and the South China Sea and the Gulf of Mexico", set()),
    ],
)
def test_a_nation_is_found_in_all_its_forms(text: str, nations: set[str]):
    assert nations_said(text) == nations


@pytest.mark.parametrize(
    "text",
    [
        "turkey for Christmas",
        "tell us more",
        "polish the china",
        "a chile pepper",
        "nice weather",
        "the pole",
        "congress",
        "",
    ],
)
def test_a_word_in_small_letters_is_no_nation(text: str):
    assert nations_said(text) == frozenset()


def test_a_nation_is_not_found_within_a_word():
    assert nations_said("Romanian woman in Indiana, a Nigerian") == {"Romania", "United States", "Nigeria"}


def test_a_name_that_is_also_something_else_is_a_hint_alone():
    (georgia,) = mentions("Georgia")
    assert (georgia.kind, georgia.form.nations) == ("hint", ())
    (georgian,) = mentions("Georgian protests")
    assert (georgian.kind, georgian.form.nations) == ("adjective", ("Georgia",))


def test_a_mention_knows_the_words_beside_it():
    israel, syria = mentions("On Tuesday Israel’s jets struck Syria. Then they left")
    assert (israel.before, israel.after, israel.possessive) == ("Tuesday", "jets", True)
    assert (syria.before, syria.after, syria.possessive) == ("struck", "", False)
    assert not israel.first


def test_initials_with_dots_have_neighbours_too():
    (found,) = mentions("in U.S. airstrikes")
    assert (found.form.nations, found.before, found.after) == (("United States",), "in", "airstrikes")


def test_kin_do_not_count_against_each_other():
    assert "Germany" in akin("European Union")
    assert "European Union" in akin("Germany")
    assert "France" not in akin("Germany")
    assert akin("Peru") == frozenset()


def test_a_name_is_told_as_people_say_it():
    assert [shown("Israel"), shown("United States"), shown("Netherlands")] == [
        "Israel",
        "the United States",
        "the Netherlands",
    ]


def test_every_nation_is_found_by_its_own_name():
    named = {nation for those in forms().values() for form in those for nation in (*form.nations, *form.hints)}
    assert len(named) >= 190
    assert [nation for nation in sorted(named) if nation not in nations_said(nation)] == []


def test_no_two_nations_have_one_name():
    shared = {form.words for those in forms().values() for form in those if len(form.nations) > 1}
    assert shared == {("Congolese",)} & shared
