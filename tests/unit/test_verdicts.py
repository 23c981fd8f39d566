"""Verdicts are kept, replaced and settled; what is near the line is found; nothing else changes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from consumers.ids import match_id, story_id
from consumers.matcher import Judged, Score
from consumers.model import Article, Match, Passage, Topic
from daemon.errors import Unusable
from daemon.feedback import Feedback, Said, verbs
from daemon.review import item
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.examples import Examples
from daemon.store.line import matches_since, named, near_line
from daemon.store.tables import story_matches
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.store.upsert import upsert
from daemon.store.verdicts import Proposal, Proposals, Verdict, Verdicts
from daemon.wire import to_json
from tests.kept_rows import NOW, HeldClock

TOPIC = Topic(id="strikes", query="airstrikes Syria", version=3)
DAY = 86_400.0
MIDNIGHT = NOW // DAY * DAY


def article(name: str, seen: float = MIDNIGHT + 60, url: str | None = None) -> Article:
    text = f"Nothing new. A quiet day it was. So it was said. Airstrikes hit {name} again. People fled. It rained."
    link = f"https://example.org/{name}" if url is None else url
    return Article(id=name, feed_id="f", source="example.org", url=link, title=f"On {name}", text=text, seen=seen)


def archived(
    store: Store, of: Article, score: float, *, gate: str = "", topic: str = "strikes", passage: int = 1
) -> None:
    rows = np.zeros((4, 4), np.float16)
    kept = Score(
        topic_id=topic, topic_version=3, score=score, passage=passage, matched=score >= 0.5 and not gate, gate=gate
    )
    Archive(store).put([Judged(of, "model", rows, (kept,), ())])


def near(store: Store, days: float = 2, per_day: int = 10) -> list[str]:
    found = near_line(store, TOPIC, since=NOW - days * DAY, until=NOW, near=0.25, per_day=per_day)
    return [each.article.id for each in found]


@pytest.fixture
def in_force(store: Store) -> Callable[[Topic], None]:
    def publish(topic: Topic) -> None:
        version = TopicVersion(topic_id=topic.id, version=topic.version, topic=topic, at=NOW)
        TopicVersions(store).remember([version])

    publish(TOPIC)
    return publish


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def feedback(store: Store, clock: HeldClock, in_force: Callable[[Topic], None]) -> Feedback:
    for name in ("a", "b", "c"):
        archived(store, article(name), 0.4)
    return Feedback(store, clock)


# -- near the line


def test_each_day_shows_its_matches_and_near_misses_nearest_to_the_line_newest_day_first(store: Store) -> None:
    for name, score in (("clear", 0.9), ("just", 0.55), ("missed", 0.45), ("far", 0.26), ("noise", 0.2)):
        archived(store, article(name), score)
    archived(store, article("yesterday", MIDNIGHT - 60), 0.4)
    archived(store, article("too-old", NOW - 3 * DAY), 0.4)
    archived(store, article("elsewhere"), 0.4, topic="other")
    assert near(store) == ["clear", "just", "missed", "far", "yesterday"]
    assert near(store, per_day=1) == ["just", "missed", "yesterday"]
    assert matches_since(store, "strikes", NOW - 2 * DAY) == 2


def test_at_most_ten_of_each_a_day(store: Store) -> None:
    for n in range(12):
        archived(store, article(f"n{n}"), 0.3 + n / 100)
    assert near(store) == [f"n{n}" for n in range(11, 1, -1)]


def test_what_the_users_own_gates_keep_out_is_no_near_miss(store: Store) -> None:
    archived(store, article("excluded"), 0.8, gate="exclude")
    archived(store, article("thin"), 0.7, gate="evidence")
    assert near(store) == ["thin"]


def test_a_page_read_from_two_feeds_is_shown_once(store: Store) -> None:
    archived(store, article("one", url="https://example.org/x"), 0.45)
    archived(store, article("two", url="https://example.org/x"), 0.4)
    archived(store, article("without", url=""), 0.35)
    archived(store, article("without-too", url=""), 0.3)
    assert near(store) == ["one", "without", "without-too"]


def test_a_match_is_explained_as_it_was_told_and_a_near_miss_by_its_best_passage(store: Store) -> None:
    told = article("told")
    archived(store, told, 0.8)
    match = Match(
        id=match_id("told", "strikes", 1),
        topic_id="strikes",
        topic_version=3,
        article=told,
        score=0.8,
        passage=Passage(text="As it was told.", number=1, of=1),
        reasons=("as it was",),
    )
    row = {
        "match_id": match.id,
        "story_id": story_id(match.id),
        "topic_id": "strikes",
        "article_id": "told",
        "at": NOW,
        "match": to_json(match).decode(),
    }
    with store.write() as connection:
        upsert(story_matches, [row], connection=connection)
    archived(store, article("Homs"), 0.4, passage=2)
    above, below = near_line(store, TOPIC, since=MIDNIGHT, until=NOW, near=0.25)
    assert item(1, above, TOPIC, None).reasons == ("as it was",)
    shown = item(2, below, TOPIC, None)
    assert shown.passage.text.startswith("Airstrikes hit Homs")
    assert shown.passage.text[slice(*shown.passage.marks[0])] == "Airstrikes"
    assert shown.reasons == ("word Airstrikes", "passage 2 of 2", "just below the line")


def test_an_article_is_found_by_its_id_the_beginning_of_it_or_its_url(store: Store) -> None:
    archived(store, article("abc1"), 0.3)
    archived(store, article("abd", url="https://example.org/abc1"), 0.4)
    archived(store, article("_bc"), 0.4)
    assert [each.id for each in named(store, "strikes", "abc", "")] == ["abc1"]
    assert len(named(store, "strikes", "ab", "")) == 2
    assert [each.id for each in named(store, "strikes", "", "https://example.org/abc1")] == ["abd"]
    assert named(store, "strikes", "zz", "") == []


# -- verdicts


def test_the_last_word_on_an_article_counts(store: Store) -> None:
    kept = Verdicts(store)
    first = Verdict(topic_id="strikes", article_id="a", relevant=True, by="ann", at=1.0)
    second = replace(first, relevant=False, by="bob", note="drill", at=2.0)
    kept.put([first])
    kept.put([second])
    assert kept.of("strikes") == [second]
    assert kept.of("strikes", "open") == [second]
    assert kept.of("other") == []


def test_a_verdict_that_was_replaced_meanwhile_stays_open(store: Store) -> None:
    kept = Verdicts(store)
    seen = Verdict(topic_id="strikes", article_id="a", relevant=True, at=1.0)
    kept.put([seen, replace(seen, article_id="b")])
    kept.put([replace(seen, relevant=False, at=2.0)])
    assert kept.settle([seen, replace(seen, article_id="b")], "accepted") == 1
    assert [each.article_id for each in kept.of("strikes", "open")] == ["a"]


def test_a_proposal_comes_back_whole_and_goes(store: Store) -> None:
    kept = Proposals(store)
    made = Proposal(topic_id="strikes", base_version=3, topic=replace(TOPIC, examples=("article:a",)), at=5.0)
    kept.put(made)
    assert kept.get("strikes") == made
    kept.put(replace(made, report="{}"))
    assert kept.get("strikes") == replace(made, report="{}")
    kept.drop("strikes")
    assert kept.get("strikes") is None


# -- what verdicts do


def test_a_verdict_proposes_and_keeps_the_text_that_it_is_about(store: Store, feedback: Feedback) -> None:
    made = feedback.say("strikes", [Said("a", True), Said("b", False, "a drill")], "ann")
    assert made is not None
    assert (made.base_version, made.topic.examples, made.topic.counter_examples) == (3, ("article:a",), ("article:b",))
    assert Proposals(store).get("strikes") == made
    assert [(each.by, each.note) for each in Verdicts(store).of("strikes", "open")] == [("ann", ""), ("ann", "a drill")]
    Archive(store).delete_before(NOW * 2, 10)
    assert Examples(store).get(["article:b"])["article:b"].title == "On b"


def test_the_topic_in_force_is_not_touched_by_verdicts(store: Store, feedback: Feedback) -> None:
    feedback.say("strikes", [Said("a", True)], "ann")
    assert TopicVersions(store).in_force() == {"strikes": TOPIC}


def test_an_article_that_is_not_kept_takes_no_verdict_along(store: Store, feedback: Feedback) -> None:
    with pytest.raises(Unusable, match="nowhere"):
        feedback.say("strikes", [Said("a", True), Said("nowhere", True)], "ann")
    assert Verdicts(store).of("strikes") == []


def test_a_topic_that_was_never_in_force_takes_no_verdicts(feedback: Feedback) -> None:
    with pytest.raises(Unusable, match="not in force yet"):
        feedback.say("other", [Said("a", True)], "ann")


def test_a_proposal_is_made_anew_for_a_new_version_and_keeps_its_back_test_otherwise(
    store: Store, feedback: Feedback, clock: HeldClock, in_force: Callable[[Topic], None]
) -> None:
    made = feedback.say("strikes", [Said("a", True)], "ann")
    assert made is not None
    feedback.tested("strikes", made.at, '{"days": 7}')
    clock.pass_by(60)
    assert feedback.propose("strikes") == replace(made, report='{"days": 7}')
    in_force(replace(TOPIC, version=4, examples=("text:mine",)))
    anew = feedback.propose("strikes")
    assert anew is not None
    assert (anew.base_version, anew.topic.examples, anew.report) == (4, ("text:mine", "article:a"), "")
    feedback.tested("strikes", made.at, "late")
    assert Proposals(store).get("strikes") == anew


def test_verdicts_that_would_change_nothing_propose_nothing(
    store: Store, feedback: Feedback, in_force: Callable[[Topic], None]
) -> None:
    in_force(replace(TOPIC, version=4, examples=("article:a",)))
    assert feedback.say("strikes", [Said("a", True)], "ann") is None
    assert Proposals(store).get("strikes") is None


def test_accepting_settles_what_was_proposed_and_leaves_later_verdicts_open(
    store: Store, feedback: Feedback, clock: HeldClock
) -> None:
    made = feedback.say("strikes", [Said("a", True), Said("b", True)], "ann")
    assert made is not None
    clock.pass_by(1)
    feedback.say("strikes", [Said("b", False), Said("c", True)], "bob")
    assert feedback.accepted("strikes", made.at) == 1
    assert {each.article_id: each.state for each in Verdicts(store).of("strikes")} == {
        "a": "accepted",
        "b": "open",
        "c": "open",
    }
    assert Proposals(store).get("strikes") is None


def test_dropping_forgets_verdicts_and_proposal(store: Store, feedback: Feedback) -> None:
    feedback.say("strikes", [Said("a", True)], "ann")
    assert feedback.drop("strikes") == 1
    assert feedback.drop("strikes") == 0
    assert feedback.propose("strikes") is None
    assert Proposals(store).get("strikes") is None


def test_commands_say_it_by_verbs(store: Store, feedback: Feedback, clock: HeldClock) -> None:
    known = verbs(store, clock)
    args = {"topic_id": "strikes", "said": {"a": True, "b": False}, "by": "ann", "note": "seen"}
    assert known["topics.verdict"](args) == {"proposed": True}
    assert known["topics.propose"]({"topic_id": "strikes"}) == {"proposed": True}
    assert known["topics.tested"]({"topic_id": "strikes", "at": NOW, "report": "{}"}) == {}
    made = Proposals(store).get("strikes")
    assert made is not None
    assert made.report == "{}"
    assert known["topics.accepted"]({"topic_id": "strikes", "until": made.at}) == {"done": 2}
    assert known["topics.drop"]({"topic_id": "strikes"}) == {"done": 0}
