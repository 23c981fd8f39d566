"""What is known of a story, in any order and of any text; and how numbers are read."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.facts_known import MAX_NAMES, MAX_SAID, MAX_VALUES
from consumers.facts_numbers import numbers, shown
from consumers.facts_reading import words_in
from consumers.model import Article
from consumers.nations import TOKEN, tokens
from consumers.novelty import both_known, changed, first_known, learned, new_facts
from tests.novelty_pairs import article, pairs

QUAKE = article("Quake kills 12 in Tarvania\nA quake killed 12 people in Berrin on Monday, the ministry said.", 0)
MORE = article("Quake toll rises to 19\nThe death toll of the quake has risen to 19, police in Berrin said.", 1)
LESS = article("Quake toll lowered to 15\nThe ministry lowered the death toll to 15 on Tuesday.", 2)

# Words that rules look for, in any order, beside what nobody expects in a text.
_WORDS = st.sampled_from(
    "At least about 12 19 1,200 $3bn €4m 2.5 million dozens killed injured missing people police said denies "
    "the toll rose to of , . : - ( ) Putin Russia U.S. Homs in near not withdrawn Correction: 52-48 votes % 5% "
    "magnitude category years prison in 2011 one a man died was and who \u0661\u0662 \ud800 \x00 \u202e İ ﬁ".split(" ")
)
_TEXTS = st.one_of(st.lists(_WORDS, max_size=60).map(" ".join), st.text(max_size=300))


@st.composite
def articles(draw: st.DrawFn) -> Article:
    at = draw(st.floats(min_value=0, max_value=4e9))
    return Article(
        id="a",
        feed_id="f",
        source=draw(st.sampled_from(["one.example", "two.example", ""])),
        title=draw(_TEXTS),
        text=draw(_TEXTS),
        published=draw(st.sampled_from([None, at])),
        seen=at,
        lang=draw(st.sampled_from(["", "en", "de", "en-gb"])),
    )


@given(articles())
def test_an_article_adds_nothing_to_itself(one: Article) -> None:
    assert new_facts(one, first_known(one)) == ()
    assert learned(first_known(one), one) == first_known(one)
    assert changed(one, one) == ()


@given(st.lists(articles(), min_size=1, max_size=4))
def test_what_is_known_is_the_same_in_any_order(several: list[Article]) -> None:
    known = set()
    for order in permutations(several):
        mine: tuple[str, ...] = ()
        for each in order:
            mine = learned(mine, each)
        known.add(mine)
    assert len(known) == 1


@given(articles(), articles(), articles())
def test_two_stories_know_together_what_their_articles_state(one: Article, two: Article, three: Article) -> None:
    apart = both_known(learned(first_known(one), two), first_known(three))
    assert apart == learned(learned(first_known(one), two), three)
    assert both_known(apart, apart) == apart
    assert new_facts(two, apart) == ()


@given(_TEXTS)
def test_words_are_those_that_the_pattern_finds(text: str) -> None:
    assert tokens(text) == TOKEN.findall(text)


@given(articles(), articles())
def test_a_new_revision_is_compared_whatever_it_says(before: Article, after: Article) -> None:
    for fact in changed(before, after):
        assert fact.text
        assert fact.key


@given(st.lists(st.text(max_size=20), max_size=10).map(tuple), articles())
def test_entries_of_another_make_are_passed_over(known: tuple[str, ...], one: Article) -> None:
    assert new_facts(one, learned(known, one)) == ()


@pytest.mark.parametrize(
    "text",
    [
        "x" * 300_000,
        "1" * 300_000,
        "1," * 100_000,
        "$1.1.1" * 30_000,
        "a.b." * 60_000,
        "Aa'" * 80_000,
        "Aa-" * 80_000,
        "retracted " * 20_000,
        "in in " * 40_000,
        "in 1999 years ago " * 10_000,
        "A B " * 50_000,
        "Killed 12 " * 20_000,
        "\n" * 200_000,
        "(" * 200_000,
        "the toll " * 20_000,
        "Editor's note " * 20_000,
        "KARVEL " * 20_000,
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.timeout(20)
def test_a_hostile_text_costs_no_more_than_a_long_one(text: str) -> None:
    hostile = replace(QUAKE, title=text, text=text)
    known = learned(first_known(QUAKE), hostile)
    assert new_facts(hostile, known) == ()
    changed(QUAKE, hostile)


def test_a_story_of_a_thousand_reports_knows_no_more_than_it_may() -> None:
    known: tuple[str, ...] = ()
    for number in range(1000):
        names = " ".join(f"Aname{letter}{number}ly" for letter in "bcdfg")
        known = learned(known, article(f"Report {number}\nPolice told {names} that {number} homes burned.", number))
    assert len(known) <= 1 + MAX_SAID + MAX_VALUES
    assert max(map(len, known)) <= 4 * MAX_NAMES + 10


def test_a_toll_rises_from_the_last_one() -> None:
    (fact,) = new_facts(MORE, first_known(QUAKE))
    assert (fact.kind, fact.text, fact.key) == ("toll", "toll 12 → 19", "toll=19")
    assert fact.quote == "The death toll of the quake has risen to 19, police in Berrin said."


def test_after_a_toll_was_lowered_it_rises_from_there() -> None:
    known = learned(learned(first_known(QUAKE), MORE), LESS)
    again = article("Quake toll at 16\nThe death toll of the quake has risen to 16, police said.", 5)
    assert [fact.text for fact in new_facts(again, known)] == ["toll 15 → 16"]


def test_an_old_report_that_comes_late_lowers_no_toll() -> None:
    late = article("Quake kills eight in Tarvania\nA quake killed eight people in Berrin.", 2)
    assert new_facts(late, learned(first_known(QUAKE), MORE)) == ()


def test_equal_facts_of_two_reports_have_equal_keys() -> None:
    for pair in pairs():
        if pair.revision:
            continue
        other = replace(pair.after, id="other", source="other.example", url="https://other.example/")
        again = replace(pair, after=other).told()
        assert [fact.key for fact in again] == [fact.key for fact in pair.told()]


@pytest.mark.parametrize(
    "told",
    [
        "Opinion: Blame the builders\nThe minister resigned on Tuesday. The toll has risen to 19.",
        "What we know about the quake\nThe minister resigned on Tuesday.",
        "Why houses fell\nThe minister resigned on Tuesday. I saw it. My house fell. We must not forget.",
        "Quake in Berrin\nA file photo of Olga Marn, who has resigned as minister.\n\nA quake shook Berrin.",
    ],
)
def test_opinions_explainers_and_captions_tell_nothing_new(told: str) -> None:
    assert new_facts(article(told, 3), first_known(QUAKE)) == ()


def test_a_comment_that_is_corrected_says_so() -> None:
    told = (
        "Opinion: Blame the builders\nThey fell.\n\nCorrection: An earlier version of this article gave a wrong name."
    )
    assert [fact.kind for fact in new_facts(article(told, 3), first_known(QUAKE))] == ["correction"]


def test_who_publishes_a_report_is_no_actor_of_it() -> None:
    told = "Northwire sees quake damage\nNorthwire saw the damage in Berrin. Northwire reporters walked the streets."
    mine = replace(article(told, 3), source="northwire.example")
    assert new_facts(mine, first_known(QUAKE)) == ()


@pytest.mark.parametrize(
    ("text", "value", "precision"),
    [
        ("19", 19, "exact"),
        ("nineteen", 19, "exact"),
        ("twenty-five", 25, "exact"),
        ("1,200", 1200, "exact"),
        ("2.5 million", 2.5e6, "exact"),
        ("half a million", 5e5, "exact"),
        ("two thousand", 2000, "exact"),
        ("at least 19", 19, "floor"),
        ("more than a dozen", 12, "floor"),
        ("a dozen", 12, "about"),
        ("about 20", 20, "about"),
        ("fewer than 20", 20, "about"),
        ("as many as 30", 30, "exact"),
        ("dozens", 24, "vague"),
        ("tens of thousands", 20000, "vague"),
        ("$3bn", 3e9, "exact"),
        ("€4m", 4e6, "exact"),
        ("3 billion dollars", 3e9, "exact"),
        ("5.25%", 5.25, "exact"),
    ],
)
def test_numbers_are_read_as_reports_write_them(text: str, value: float, precision: str) -> None:
    (number,) = numbers(words_in(text))
    assert (number.value, number.precision) == (value, precision)


@pytest.mark.parametrize("text", ["6:30", "3rd", "the 1980s", "MH370", "1.2.3", "9" * 20, "zero-day"])
def test_what_only_looks_like_a_number_is_none(text: str) -> None:
    assert list(numbers(words_in(text))) == []


@pytest.mark.parametrize(
    ("value", "text"), [(1200, "1,200"), (2.5e6, "2.5 million"), (3e9, "3 billion"), (6.4, "6.4"), (19, "19")]
)
def test_numbers_are_shown_as_reports_write_them(value: float, text: str) -> None:
    assert shown(value) == text
