"""Which nations a topic asks for, and which articles speak of others; with the real model in test_near_misses.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.actors import Actors, actors_of, sought, without_names
from consumers.model import Article, Gated, Kind, Topic
from consumers.nations import forms

UP, ACROSS = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def actors(query: str, description: str = "") -> Actors:
    found = actors_of(Topic(id="t", query=query, description=description))
    assert found is not None
    return found


def article(title: str, text: str = "", lang: str = "") -> Article:
    return Article(id="a", feed_id="f", source="s", title=title, text=text, seen=0.0, lang=lang)


def judged(
    query: str, title: str, text: str = "", *, farther: bool = False, lang: str = "", description: str = ""
) -> Gated:
    """``farther``: from the query than from the query without its name."""
    rows: NDArray[np.float32] = np.array([ACROSS if farther else UP] * 3)
    nouns = [ACROSS] * len(without_names(Topic(id="t", query=query)))
    return actors(query, description).judge(article(title, text, lang), rows, UP, nouns)


# -- what a topic asks for


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("Russian airstrikes Syria", [({"Russia"}, True, False), ({"Syria"}, False, True)]),
        ("north korea missile launch", [({"North Korea"}, False, False)]),
        ("coup in Niger", [({"Niger"}, False, True)]),
        ("German chancellor visits Kyiv", [({"Germany"}, True, False), ({"Ukraine"}, False, True)]),
        ("US or Israeli strikes on Iran", [({"United States", "Israel"}, False, False), ({"Iran"}, False, False)]),
        ("Iran's missiles", [({"Iran"}, True, False)]),
        ("French Open final", []),
        ("Spanish flu", []),
        ("Georgia election recount", []),
        ("Syria", []),
        ("bridge collapse", []),
        ("", []),
    ],
)
def test_a_query_asks_for_nations_that_act_and_for_places(query: str, asked: list[tuple[set[str], bool, bool]]):
    assert [(set(each.nations), each.acts, each.is_place) for each in sought(Topic(id="t", query=query))] == asked


@pytest.mark.parametrize(
    ("query", "kind"), [("bridge collapse", "event"), ("Syria", "event"), ("Russian airstrikes Syria", "theme")]
)
def test_a_topic_without_a_nation_and_a_theme_ask_for_none(query: str, kind: Kind):
    topic = Topic(id="t", query=query, kind=kind)
    assert actors_of(topic) is None
    assert without_names(topic) == ()


def test_the_query_is_compared_without_each_noun():
    topic = Topic(id="t", query="Russian airstrikes Syria and Iraq, not Iran")
    assert without_names(topic) == ("Russian airstrikes , not Iran", "Russian airstrikes Syria and Iraq, not")


# -- what an article speaks of


def test_the_reason_is_for_people():
    assert (
        judged("Russian airstrikes Syria", "Israeli airstrikes hit depot in Syria").why
        == "speaks of Israel, not of Russia"
    )
    assert (
        judged("US and British raids in Yemen", "Saudi raids in Yemen", farther=True).why
        == "speaks of Saudi Arabia, not of Britain or the United States"
    )


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Turkish air strikes in Syria", ""),
        ("U.S. strikes in Syria", ""),
        ("Israel bombs depot in Syria", ""),
        ("Iran's jets over Syria", ""),
        ("ISRAELI JETS BOMB SYRIA", ""),
        ("Jets bomb depot", "The Syrian depot was hit in an Israeli airstrike, residents said."),
    ],
)
def test_another_actor_fails(title: str, text: str):
    assert not judged("Russian airstrikes Syria", title, text).passed


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Israeli airstrikes in Syria", "They followed Russian ones. " * 2),
        ("Israeli airstrikes in Syria", "Nothing else. " * 500 + "The Kremlin was told."),
        ("Airstrikes kill ten in Syria", "Turkish officials counted the dead."),
        ("Airstrikes kill ten in Syria", "ANKARA (Reuters) - Ten people died."),
        ("Airstrikes kill ten in Syria - The Japan Times", ""),
        ("Airstrikes in Syria seen from Turkey", ""),
        ("GIVE US SYRIA", ""),
        ("", ""),
    ],
)
def test_in_doubt_it_passes(title: str, text: str):
    assert judged("Russian airstrikes Syria", title, text).passed


def test_another_place_fails():
    assert judged("coup in Niger", "Soldiers seize power in Gabon").why == "speaks of Gabon, not of Niger"
    assert judged("coup in Niger", "Gabonese coup applauded").why == "speaks of Gabon, not of Niger"
    assert judged("coup in Niger", "Soldiers seize power", "In Libreville, in Gabon, people danced.").passed is False


def test_a_noun_fails_only_where_the_article_is_farther_with_it_than_without():
    assert judged("Iran protests", "Crowds march through Iraq again").passed
    assert not judged("Iran protests", "Crowds march through Iraq again", farther=True).passed
    assert judged("Iran protests", "Crowds march again", farther=True).passed


def test_without_the_rows_of_the_shorter_query_a_noun_passes():
    rows = np.array([ACROSS, ACROSS])
    assert actors("Iran protests").judge(article("Crowds march through Iraq again"), rows, UP, ()).passed


def test_nations_of_the_description_do_not_count_against_it():
    title = "Turkish airstrikes hit Syria"
    assert judged("Russian airstrikes Syria", title, description="Turkish and Iranian ones, too").passed


def test_kin_do_not_count_against_it():
    assert judged("EU sanctions on Iran", "German sanctions on Iran", farther=True).passed


def test_other_languages_have_other_names():
    title, text = (
        "Israel verurteilt Luftangriffe",
        "Die russische Luftwaffe hat nach Angaben der Beobachter Ziele getroffen.",
    )
    assert judged("Russian airstrikes", title, text).passed
    assert judged("Russian airstrikes", title, lang="de").passed
    assert not judged("Russian airstrikes", "Israel condemns strikes", lang="en-gb").passed


WAYS = sorted({" ".join(form.words) for those in forms().values() for form in those if "Russia" in form.nations})


@given(st.text(), st.text(), st.text())
def test_any_text_is_judged(query: str, title: str, text: str):
    for each in (query, f"Russian {query} Syria"):
        found = actors_of(Topic(id="t", query=each))
        if found is not None:
            found.judge(article(title, text), np.zeros((3, 2), np.float32), UP, (ACROSS,))


@given(st.text(), st.text(), st.sampled_from(WAYS))
def test_an_article_that_says_the_nation_passes(before: str, after: str, way: str):
    text = f"Israeli jets struck. {before} {way} {after}"
    assert judged("Russian airstrikes", "Israeli airstrikes again", text, farther=True).passed
