"""Verdicts become examples, an acceptance fits the topic as it stands, and a change is told by its key."""

from dataclasses import replace
from pathlib import Path

import pytest

from consumers.model import Escalation, Scheduled, Topic, Wanted
from daemon.errors import Unusable
from daemon.proposals import MOST, changes, decided, proposed, to_write
from daemon.store.verdicts import Proposal, Verdict
from daemon.toml_entries import add, change
from daemon.topics_file import parse_topics

TOPIC = Topic(id="strikes", query="airstrikes Syria", version=4)
URL = "https://example.org/strikes"


def verdict(article: str, relevant: bool = True, at: float = 1.0) -> Verdict:
    return Verdict(topic_id="strikes", article_id=article, relevant=relevant, at=at)


def proposal(topic: Topic, base: Topic = TOPIC) -> Proposal:
    return Proposal(topic_id=base.id, base_version=base.version, topic=topic, at=9.0)


# -- what is proposed


def test_relevant_articles_become_examples_and_the_others_counter_examples() -> None:
    made = proposed(TOPIC, [verdict("a"), verdict("b", relevant=False)], {})
    assert (made.examples, made.counter_examples) == (("article:a",), ("article:b",))
    assert replace(made, examples=(), counter_examples=()) == TOPIC


def test_what_people_wrote_stays_in_front() -> None:
    topic = replace(TOPIC, examples=("text:as such", "https://example.org/1"))
    made = proposed(topic, [verdict("later", at=2.0), verdict("sooner", at=1.0)], {})
    assert made.examples == (*topic.examples, "article:sooner", "article:later")


def test_the_newest_verdict_of_an_article_wins() -> None:
    made = proposed(TOPIC, [verdict("a", relevant=False, at=2.0), verdict("a", at=1.0)], {})
    assert (made.examples, made.counter_examples) == ((), ("article:a",))


def test_a_verdict_takes_an_article_out_of_the_examples_of_the_other_kind() -> None:
    topic = replace(TOPIC, counter_examples=("article:a", "article:b"))
    made = proposed(topic, [verdict("a")], {})
    assert (made.examples, made.counter_examples) == (("article:a",), ("article:b",))


def test_a_verdict_contradicts_an_example_that_is_named_by_its_url() -> None:
    topic = replace(TOPIC, examples=(URL + "?utm_source=x#top", "https://example.org/other"))
    made = proposed(topic, [verdict("a", relevant=False)], {"a": URL})
    assert (made.examples, made.counter_examples) == (("https://example.org/other",), ("article:a",))


def test_an_example_that_is_there_by_its_url_is_not_named_twice() -> None:
    topic = replace(TOPIC, examples=(URL,))
    assert proposed(topic, [verdict("a")], {"a": URL}) == topic


def test_the_oldest_articles_give_way_and_what_people_wrote_does_not() -> None:
    topic = replace(TOPIC, examples=("text:mine", *(f"article:{n}" for n in range(MOST - 1))))
    made = proposed(topic, [verdict("x"), verdict("y", at=2.0)], {})
    assert len(made.examples) == MOST
    assert made.examples[:2] == ("text:mine", "article:2")
    assert made.examples[-2:] == ("article:x", "article:y")


# -- what accepting means


def test_a_topic_that_nobody_changed_becomes_what_was_proposed() -> None:
    wanted = replace(TOPIC, examples=("article:a",))
    decision = decided(proposal(wanted), TOPIC, replace(TOPIC, version=1), [verdict("a")], {})
    assert decision.rebased is False
    assert decision.topic == replace(wanted, version=1)


def test_verdicts_still_apply_to_a_topic_with_other_channels_and_examples() -> None:
    wanted = replace(TOPIC, examples=("article:a",))
    now = replace(TOPIC, channels=("desk",), examples=("text:mine",))
    decision = decided(proposal(wanted), TOPIC, now, [verdict("a")], {})
    assert decision.rebased is True
    assert decision.topic == replace(now, examples=("text:mine", "article:a"))


@pytest.mark.parametrize("change", [{"query": "wheat"}, {"description": "Only in Homs."}, {"kind": "theme"}])
def test_verdicts_about_another_question_are_refused(change: dict[str, str]) -> None:
    wanted = replace(TOPIC, examples=("article:a",))
    with pytest.raises(Unusable, match="topics review strikes"):
        decided(proposal(wanted), TOPIC, replace(TOPIC, **change), [verdict("a")], {})  # type: ignore[arg-type]


def test_a_base_that_is_not_known_counts_as_changed() -> None:
    wanted = replace(TOPIC, examples=("article:a",))
    assert decided(proposal(wanted), None, TOPIC, [verdict("a")], {}).rebased is True


# -- what changed


def test_changes_are_told_by_key() -> None:
    after = replace(
        TOPIC,
        version=5,
        sensitivity="fewer",
        alerts_per_day=3.0,
        examples=("text:a", "text:b"),
        require=Wanted(any=("Russia", "Russian")),
        max_age=604_800.0,
        enabled=False,
    )
    assert [each.said for each in changes(TOPIC, after)] == [
        "sensitivity balanced -> fewer",
        "alerts_per_day none -> 3",
        "examples +2",
        "require none -> any of Russia / Russian",
        "max_age none -> 1w",
        "enabled yes -> no",
    ]


def test_a_list_tells_what_came_and_what_went() -> None:
    before, after = replace(TOPIC, languages=("en", "fr")), replace(TOPIC, languages=("de",))
    assert [each.said for each in changes(before, after)] == ["languages +1 -2"]
    turned = replace(TOPIC, languages=("fr", "en"))
    assert [each.said for each in changes(before, turned)] == ["languages in another order"]


def test_a_version_or_an_epoch_alone_changes_nothing() -> None:
    assert changes(TOPIC, replace(TOPIC, version=9, epoch=2)) == ()


def test_only_the_keys_that_differ_are_written_and_a_default_takes_its_key_out() -> None:
    now = replace(TOPIC, sensitivity="fewer", max_age=60.0, channels=("desk",))
    wanted = replace(TOPIC, query="air raids", exclude=Wanted(all=("drill",)), channels=("desk",), max_age=3_600.0)
    assert to_write(now, wanted) == {
        "query": "air raids",
        "sensitivity": None,
        "exclude": {"all": ["drill"]},
        "max_age": "1h",
    }


TOLD = replace(
    TOPIC,
    channels=("desk",),
    digests=(
        Scheduled(channel="desk", when="07:00 Europe/Paris weekdays"),
        Scheduled(channel="boss", when="18:30 UTC", near_misses=True),
    ),
    min_sources=2,
    severity="urgent",
    escalate=Escalation(sources=3, within=1800.0, channels=("boss",)),
    spike=True,
    silence=21_600.0,
)


def test_how_a_topic_is_told_is_one_change_a_key() -> None:
    assert [each.said for each in changes(TOPIC, TOLD)] == [
        "channels +2 -1",
        "min_sources 1 -> 2",
        "severity normal -> urgent",
        "escalate none -> 3 sources within 30m, also on boss",
        "spike no -> yes",
        "silence none -> 6h",
    ]
    later = replace(TOLD, digests=TOLD.digests[:1])
    assert [each.said for each in changes(TOLD, later)] == ["channels -1"]


def test_how_a_topic_is_told_is_written_as_topics_toml_has_it() -> None:
    values = to_write(TOPIC, TOLD)
    assert values["channels"] == [
        {"name": "desk", "when": ["instant", "07:00 Europe/Paris weekdays"]},
        {"name": "boss", "when": "18:30 UTC", "near_misses": True},
    ]
    assert values["escalate"] == {"sources": 3, "within": "30m", "channels": ["boss"]}
    text = add("", "topic", {"id": TOPIC.id, "query": TOPIC.query, **values})
    (read,) = parse_topics(text, Path("topics.toml"), ("console", "desk", "boss"))
    assert replace(read, version=TOLD.version) == TOLD
    back = change(text, "topic", 0, to_write(TOLD, TOPIC))
    assert back == f'[[topic]]\nid = "{TOPIC.id}"\nquery = "{TOPIC.query}"\n'
