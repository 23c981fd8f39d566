"""What a desk would want to be told, pair by pair; the failures are listed in the data, each with its reason."""

import pytest

from consumers.model import Fact
from consumers.novelty import learned, new_facts
from tests.novelty_pairs import Pair, pairs

PAIRS = pairs()
RIGHT = 0.9
UNWANTED = 0.1  # facts told beside those that are wanted, by follow-ups that are rightly told


def marked(pair: Pair) -> object:
    listed = [pytest.mark.xfail(strict=True, reason=pair.fails)] if pair.fails else []
    return pytest.param(pair, id=pair.name, marks=listed)


@pytest.mark.parametrize("pair", [marked(pair) for pair in PAIRS])
def test_a_follow_up_tells_what_is_new_and_nothing_else(pair: Pair) -> None:
    assert pair.is_right(), [(fact.kind, fact.text) for fact in pair.told()]


def test_enough_pairs_of_either_kind_are_right() -> None:
    assert len(PAIRS) >= 130
    assert sum(not pair.new for pair in PAIRS) >= len(PAIRS) / 4
    assert sum(pair.is_right() for pair in PAIRS) >= RIGHT * len(PAIRS)


def test_a_pair_that_is_listed_as_failing_fails() -> None:
    assert [pair.name for pair in PAIRS if pair.fails] == [pair.name for pair in PAIRS if not pair.is_right()]


def test_little_is_told_beside_what_is_wanted() -> None:
    told = [fact for pair in PAIRS if pair.new for fact in pair.told()]
    unwanted = [fact for pair in PAIRS if pair.new for fact in pair.unwanted()]
    assert len(unwanted) <= UNWANTED * len(told), [(fact.kind, fact.text) for fact in unwanted]


@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair.name) for pair in PAIRS if not pair.revision])
def test_nobody_is_told_the_same_again(pair: Pair) -> None:
    known: tuple[str, ...] = ()
    for article in (*pair.before, pair.after):
        known = learned(known, article)
    assert new_facts(pair.after, known) == ()


def test_every_fact_says_who_told_it_when_and_in_which_sentence() -> None:
    for pair in PAIRS:
        for fact in pair.told():
            assert _is_quoted(fact, pair), (pair.name, fact)
            assert fact.key
            assert fact.text
            assert (fact.source, fact.url) == (pair.after.source, pair.after.url)
            assert fact.at == pair.after.published


def _is_quoted(fact: Fact, pair: Pair) -> bool:
    written = " ".join(f"{pair.after.title} {pair.after.text}".split())
    return fact.quote.rstrip("…") in written and len(fact.quote) <= 300
