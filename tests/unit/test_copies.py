"""Which texts repeat one another word for word."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.copies import is_copy, shared, shingles

LEAD = (
    "A fire broke out on Monday night in a warehouse beside the old harbour, and smoke could be seen from the hills "
    "above the town, the fire brigade said."
)
QUOTE = (
    "“Nobody was inside when the roof came down, and that is the only good news tonight,” the mayor told reporters at "
    "the scene early on Tuesday."
)
OWN = (
    "Neighbours in Quay Street were asked to keep their windows shut, while buses were sent around the northern basin.",
    "The owner of the building, a shipping agent, had moved most of its stock to another site in spring of this year.",
    "Insurance experts will look at the ruins as soon as engineers have declared what is left of the walls to be safe.",
    "It was the third large fire in the port within two years; an inquiry into the second one has not been concluded.",
)


def text(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs)


def test_a_wire_text_on_another_page_with_other_furniture_is_a_copy() -> None:
    one = text("Share", LEAD, "Advertisement", QUOTE, OWN[0])
    other = text("Tweet", LEAD.replace("“", '"'), QUOTE.upper(), OWN[0], "Read more: ten recipes for autumn")
    assert shared(shingles(one), shingles(other)) == 1.0


def test_reports_that_quote_the_same_official_are_not_copies() -> None:
    one, other = text(LEAD, QUOTE, OWN[0], OWN[1]), text(OWN[2], QUOTE, OWN[3], LEAD.replace("fire", "blaze")[40:])
    assert 0 < shared(shingles(one), shingles(other)) < 0.5
    assert not is_copy(shingles(one), shingles(other))


def test_a_feed_that_carries_only_the_beginning_of_a_wire_text_carries_a_copy() -> None:
    assert is_copy(shingles(text(LEAD, QUOTE)), shingles(text(LEAD, QUOTE, *OWN)))


def test_two_pages_with_nothing_in_common_but_furniture_share_nothing() -> None:
    notice = "We and our partners use cookies to store and read information on your device."
    assert shared(shingles(text("Share", notice, LEAD)), shingles(text("Share", notice, OWN[0]))) == 0.0


def test_texts_of_a_few_words_cannot_be_told_to_be_copies() -> None:
    assert not is_copy(shingles("A fire broke out on Monday night"), shingles("A fire broke out on Monday night"))


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_can_be_compared_in_either_order(one: str, other: str) -> None:
    share = shared(shingles(one), shingles(other))
    assert 0.0 <= share <= 1.0
    assert share == shared(shingles(other), shingles(one))
