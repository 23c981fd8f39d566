import numpy as np
import pytest

from consumers.asked import AROUND, asked_of, wording
from consumers.model import Topic
from tests.corpora import ask
from tests.fake_embedder import FakeEmbedder

PLAIN = Topic(id="t", query="Black Sea grain deal")


def test_rows_have_the_length_one() -> None:
    topics = [PLAIN, Topic(id="d", query="wheat", description="Exports of wheat."), Topic(id="s", query="!!!")]
    for asked in asked_of(topics, FakeEmbedder()):
        assert np.linalg.norm(asked.row) == pytest.approx(1.0, abs=1e-6)


def test_topics_come_back_in_the_order_given() -> None:
    topics = [Topic(id=str(n), query=f"word{n}", description="same " * (n % 2)) for n in range(5)]
    together = asked_of(topics, FakeEmbedder())
    assert [each.topic for each in together] == topics
    for topic, asked in zip(topics, together, strict=True):
        np.testing.assert_array_equal(asked.row, ask(topic).row)


def test_no_topics_are_asked_of_nobody() -> None:
    assert asked_of([], FakeEmbedder()) == []


def test_a_description_draws_the_row_halfway_to_what_it_says_and_leaves_the_words_alone() -> None:
    meant = Topic(id="t", query=PLAIN.query, description="Ukrainian wheat exports by ship")
    query, description = FakeEmbedder().encode_queries([PLAIN.query, meant.description])
    asked = ask(meant)
    assert asked.row @ query == pytest.approx(float(asked.row @ description), abs=1e-6)
    assert asked.words == ask(PLAIN).words


@pytest.mark.parametrize("description", ["", "  \n"])
def test_an_empty_description_says_nothing(description: str) -> None:
    assert wording(Topic(id="t", query=PLAIN.query, description=description)) == ((PLAIN.query,),)


def test_the_keyword_of_a_theme_is_asked_in_sentences() -> None:
    ((*texts,),) = wording(Topic(id="t", query="cocoa", kind="theme"))
    assert texts == [around.format("cocoa") for around in AROUND]
    assert texts[0] == "cocoa"


@pytest.mark.parametrize(
    "topic",
    [
        Topic(id="t", query="cocoa"),
        Topic(id="t", query="cocoa prices in West Africa", kind="theme"),
    ],
    ids=["an event", "a theme of many words"],
)
def test_other_queries_are_asked_as_they_are_written(topic: Topic) -> None:
    assert wording(topic) == ((topic.query,),)


def test_a_hashtag_is_read_as_its_words() -> None:
    asked = ask(Topic(id="t", query="#BlackLivesMatter"))
    assert [word.lower for word in asked.words] == ["black", "lives", "matter"]
    assert len(asked.terms) == 3


def test_each_word_is_there_once_and_little_words_are_not() -> None:
    asked = ask(Topic(id="t", query="The war in Syria, the wars of Syria"))
    assert {word.stem for word in asked.words} == {"war", "syri"}
    assert len(asked.terms) == 2
