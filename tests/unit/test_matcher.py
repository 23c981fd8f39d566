import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.calibration import calibrate, priors
from consumers.corpus import Corpus
from consumers.embedding import Embedder, open_embedder
from consumers.ids import match_id
from consumers.matcher import Judged, Matcher
from consumers.model import Article, Calibration, Topic, Wanted
from consumers.scoring import FLOOR, LINE
from tests.corpora import EVENT, MODEL, archive, ask, corpus_of, event, ids, noise, written
from tests.corpora import article as written_at
from tests.fake_embedder import FakeEmbedder

BRIDGE = Topic(id="bridge", query="bridge collapse Dover")
WHEAT = Topic(id="wheat", query="wheat exports")


def article(title: str, text: str = "", **fields: object) -> Article:
    return replace(Article(id=title, feed_id="f", source="example.org", title=title, text=text, seen=100.0), **fields)


FELL = article("Bridge collapse in Dover", "A bridge collapsed in Dover. It rained. Nobody was hurt. The mayor came.")
SHIPS = article("Wheat exports rise", "Exports of wheat rose again.")


def matcher(*topics: Topic, embedder: Embedder | None = None) -> Matcher:
    made = Matcher(embedder or FakeEmbedder())
    made.apply({topic.id: topic for topic in topics})
    return made


def matched(judged: Judged) -> list[str]:
    return [match.topic_id for match in judged.matches]


def calibration(topic: Topic, **fields: object) -> Calibration:
    return replace(priors(topic, MODEL), **fields)  # type: ignore[arg-type]


@cache
def drawn(topic: Topic, corpus: Corpus) -> Calibration:
    return calibrate(ask(topic), corpus, model=MODEL, now=0.0)


def test_an_article_matches_the_topic_it_is_about_and_no_other():
    fell, ships = matcher(BRIDGE, WHEAT).match([FELL, SHIPS])
    assert (matched(fell), matched(ships)) == (["bridge"], ["wheat"])


def test_a_match_carries_topic_version_passage_reasons_and_the_whole_articles_vector():
    (judged,) = matcher(replace(BRIDGE, version=3, epoch=2)).match([FELL])
    (match,) = judged.matches
    assert match.id == match_id(FELL.id, "bridge", 2)
    assert match.topic_version == 3
    assert match.article == FELL
    assert (match.passage.number, match.passage.of) == (1, 2)
    assert match.reasons[0] == "words bridge, collapsed, Dover"
    assert match.vector == judged.vectors[0].tobytes()


def test_a_match_says_how_its_score_came_about_and_by_which_model():
    ((match,),) = (judged.matches for judged in matcher(BRIDGE).match([FELL]))
    assert match.evidence.model == MODEL
    assert [part.name for part in match.evidence.parts] == ["meaning", "title", "words"]
    assert sum(part.share for part in match.evidence.parts) == pytest.approx(1.0, abs=0.01)
    assert [(gate.gate, gate.passed) for gate in match.evidence.gates] == [("evidence", True)]


def test_the_same_article_matched_again_gives_the_same_match():
    made = matcher(BRIDGE)
    assert made.match([FELL])[0].matches == made.match([SHIPS, FELL])[1].matches


def test_rows_are_archived_for_whole_title_and_each_passage_and_the_words_beside_them():
    (judged,) = matcher().match([FELL])
    assert judged.vectors.dtype == np.float16
    assert len(judged.vectors) == 2 + 2
    assert judged.model == "fake"
    assert judged.bag is not None
    assert judged.bag.length == 4 + 13


def test_every_score_above_the_floor_is_kept_and_says_whether_it_matched():
    made = matcher(BRIDGE, WHEAT)
    made.calibrate({"bridge": calibration(BRIDGE, line=1.4, width=0.3)})
    (judged,) = made.match([FELL])
    ((topic_id, score, is_match),) = [(each.topic_id, each.score, each.matched) for each in judged.scores]
    assert (topic_id, is_match) == ("bridge", False)
    assert FLOOR <= score < LINE
    assert judged.matches == ()


def test_scores_come_best_first():
    made = matcher(
        BRIDGE, replace(BRIDGE, id="other", query="bridge in Dover"), replace(BRIDGE, id="less", query="Dover")
    )
    scores = [score.score for score in made.match([FELL])[0].scores]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_an_article_without_any_text_is_judged_and_matches_nothing():
    judged = matcher(BRIDGE).match([article("  "), FELL])
    assert judged[0].vectors.shape == (0, 0)
    assert judged[0].bag is None
    assert (matched(judged[0]), matched(judged[1])) == ([], ["bridge"])


def test_no_articles_give_no_judgements():
    assert matcher(BRIDGE).match([]) == []


def test_an_edit_is_in_force_for_the_next_article():
    made = matcher(BRIDGE)
    made.apply({"bridge": replace(BRIDGE, query="wheat exports", version=2)})
    (judged,) = made.match([SHIPS])
    assert [(match.topic_id, match.topic_version) for match in judged.matches] == [("bridge", 2)]
    assert made.topics_in_force == {"bridge": 2}


def test_a_removed_topic_matches_nothing_and_is_no_longer_in_force():
    made = matcher(BRIDGE, WHEAT)
    made.apply({"bridge": None, "never there": None})
    assert matched(made.match([FELL])[0]) == []
    assert made.topics_in_force == {"wheat": 1}


def test_a_disabled_topic_is_in_force_and_matches_nothing_until_it_is_enabled():
    made = matcher(replace(BRIDGE, enabled=False))
    assert matched(made.match([FELL])[0]) == []
    assert made.topics_in_force == {"bridge": 1}
    made.apply({"bridge": replace(BRIDGE, version=2)})
    assert matched(made.match([FELL])[0]) == ["bridge"]


def test_a_topic_that_is_disabled_is_forgotten_by_its_words_too():
    made = matcher(BRIDGE)
    made.apply({"bridge": replace(BRIDGE, enabled=False, version=2)})
    assert made.match([FELL])[0].scores == ()
    assert dict(made.watches) == {}


def test_only_a_changed_wording_is_embedded_again():
    embedder = FakeEmbedder()
    made = matcher(BRIDGE, embedder=embedder)
    made.apply({"bridge": replace(BRIDGE, channels=("desk",), sensitivity="more", version=2)})
    assert embedder.queries == ["bridge collapse Dover"]
    assert made.topics_in_force == {"bridge": 2}
    assert made.match([FELL])[0].matches[0].topic_version == 2


def test_a_description_says_what_is_meant():
    plain = replace(WHEAT, id="plain", query="Black Sea deal")
    described = replace(plain, id="described", description="wheat")
    made = matcher(plain, described)
    made.calibrate({topic.id: calibration(topic, line=0.5, width=0.5, bar=0.0) for topic in (plain, described)})
    scores = {score.topic_id: score.score for score in made.match([SHIPS])[0].scores}
    assert scores["described"] > scores["plain"]


def test_an_article_in_other_words_matches_by_its_meaning():
    embedder = FakeEmbedder(means={"viaduct": "bridg", "crumbl": "collaps", "kent": "dover"})
    (judged,) = matcher(BRIDGE, embedder=embedder).match([article("Viaduct crumbles, Kent")])
    assert matched(judged) == ["bridge"]
    assert judged.matches[0].reasons[0] == "none of the words, but the same meaning"


# -- candidates


def test_an_article_that_says_all_words_is_looked_at_however_far_its_vector_is():
    buried = article("Wages", "Nothing is said of this here, but far below. " * 3 + "Bridge collapse in Dover.")
    for query, found in (("bridge collapse Dover", True), ("bridge collapse Dover harbour", False)):
        topic = replace(BRIDGE, query=query)
        made = matcher(topic)
        made.calibrate({"bridge": calibration(topic, bar=99.0, line=0.5)})
        assert bool(made.match([buried])[0].scores) is found


def test_an_article_that_says_no_word_is_looked_at_where_its_vector_is_near():
    embedder = FakeEmbedder(means={"viaduct": "bridg", "crumbl": "collaps", "kent": "dover"})
    made = matcher(BRIDGE, embedder=embedder)
    for bar, found in ((0.5, 1), (99.0, 0)):
        made.calibrate({"bridge": calibration(BRIDGE, bar=bar)})
        assert len(made.match([article("Viaduct crumbles, Kent")])[0].scores) == found


# -- calibrations


def line_in_force(made: Matcher, topic_id: str = "bridge") -> float:
    return made.watches[topic_id].calibration.line


def test_a_calibration_is_in_force_for_the_next_article():
    made = matcher(BRIDGE)
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0)})
    assert matched(made.match([FELL])[0]) == []
    made.calibrate({"bridge": calibration(BRIDGE, line=0.5)})
    assert matched(made.match([FELL])[0]) == ["bridge"]


def test_a_calibration_that_comes_before_its_topic_waits_for_it():
    made = matcher()
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0)})
    made.apply({"bridge": BRIDGE})
    assert line_in_force(made) == 9.0


def test_a_calibration_that_comes_before_its_version_waits_for_it():
    made, edited = matcher(BRIDGE), replace(BRIDGE, query="wheat exports rise", version=2)
    made.calibrate({"bridge": calibration(edited, line=9.0, rarity=(1.0, 2.0, 3.0))})
    assert made.watches["bridge"].calibration == priors(BRIDGE, "")
    made.apply({"bridge": edited})
    assert line_in_force(made) == 9.0


def test_the_calibration_of_another_model_is_not_for_this_one():
    made = matcher(BRIDGE)
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0, model="another")})
    assert made.watches["bridge"].calibration == priors(BRIDGE, "")
    made.calibrate({"bridge": calibration(BRIDGE, line=0.6)})
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0, model="another")})
    assert line_in_force(made) == 0.6


def test_a_calibration_that_is_removed_leaves_the_shipped_priors():
    made = matcher(BRIDGE)
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0)})
    made.calibrate({"bridge": None, "never there": None})
    assert made.watches["bridge"].calibration == priors(BRIDGE, "")
    made.apply({"bridge": replace(BRIDGE, channels=("desk",), version=2)})
    assert line_in_force(made) == priors(BRIDGE, "").line


@pytest.mark.parametrize(
    "edit", [{"channels": ("desk",)}, {"sensitivity": "more"}, {"exclude": Wanted(any=("drill",))}]
)
def test_an_edit_that_leaves_the_wording_alone_goes_on_with_the_calibration_that_it_has(edit: dict[str, object]):
    made = matcher(BRIDGE)
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0)})
    edited = replace(BRIDGE, version=2, **edit)  # type: ignore[arg-type]
    made.apply({"bridge": edited})
    assert line_in_force(made) == 9.0
    made.apply({"bridge": replace(edited, version=3)})
    assert line_in_force(made) == 9.0
    made.calibrate({"bridge": calibration(replace(edited, version=3), line=8.0)})
    assert line_in_force(made) == 8.0


@pytest.mark.parametrize(
    "edit", [{"query": "wheat"}, {"query": "a bridge collapses, Dover"}, {"description": "In Kent."}]
)
def test_a_new_wording_begins_with_the_shipped_priors(edit: dict[str, object]):
    made = matcher(BRIDGE)
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0, rarity=(1.0, 2.0, 3.0))})
    edited = replace(BRIDGE, version=2, **edit)  # type: ignore[arg-type]
    made.apply({"bridge": edited})
    assert made.watches["bridge"].calibration == priors(edited, "")
    made.match([FELL, SHIPS])


def test_the_calibration_of_an_older_version_that_comes_late_is_of_other_words():
    """As after a start: the topics come first, then what was drawn last."""
    made = matcher(replace(BRIDGE, query="wheat", version=2))
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0, rarity=(1.0, 2.0, 3.0))})
    assert line_in_force(made) == priors(BRIDGE, "").line
    assert matched(made.match([SHIPS])[0]) == ["bridge"]


def test_priors_in_force_give_way_to_those_of_the_edit():
    made = matcher(BRIDGE)
    fewer = replace(BRIDGE, sensitivity="fewer", version=2)
    made.apply({"bridge": fewer})
    assert made.watches["bridge"].calibration == priors(fewer, "")


def test_a_disabled_topic_keeps_its_calibration_for_the_day_it_is_enabled():
    made = matcher(replace(BRIDGE, enabled=False))
    made.calibrate({"bridge": calibration(BRIDGE, line=9.0)})
    assert dict(made.watches) == {}
    made.apply({"bridge": BRIDGE})
    assert line_in_force(made) == 9.0


# -- what is told and what is not


TOLD = replace(BRIDGE, query=EVENT)


@pytest.mark.parametrize("kind", ["event", "theme"])
def test_the_reports_of_an_event_match_and_the_news_around_it_does_not(kind: str):
    topic = replace(TOLD, kind=kind)
    made = matcher(topic)
    made.calibrate({"bridge": drawn(topic, archive())})
    later = [*event(6, seed=9), *noise(300, seed=9)]
    found = [judged.article.id for judged in made.match(later) if judged.matches]
    assert found == ids(later[:6])


@pytest.mark.parametrize("word", ["fewer", "balanced", "more"])
def test_a_topic_whose_event_has_not_happened_is_silent_until_it_happens(word: str):
    silent = corpus_of(noise(400))
    topic = replace(TOLD, sensitivity=word)
    made = matcher(topic)
    for known in (None, drawn(topic, silent)):
        made.calibrate({"bridge": known})
        judged = made.match([*noise(400), *noise(300, seed=9), *event(3)])
        assert [each.article.id for each in judged if each.matches] == ids(event(3))


@pytest.mark.parametrize(
    ("gates", "failed"),
    [
        ({"require": Wanted(any=("drill", "exercise"))}, "require"),
        ({"exclude": Wanted(any=("rained",))}, "exclude"),
        ({"languages": ("de",)}, "languages"),
        ({"sources": ("other.example",)}, "sources"),
        ({"not_sources": ("*.example.org",)}, "not_sources"),
        ({"max_age": 60.0}, "max_age"),
    ],
    ids=str,
)
def test_an_article_that_fails_a_gate_is_a_near_miss_with_the_name_of_the_gate(gates: dict[str, object], failed: str):
    made = matcher(replace(BRIDGE, **gates))  # type: ignore[arg-type]
    (judged,) = made.match([replace(FELL, lang="en", published=-9_000.0)])
    assert judged.matches == ()
    ((score,),) = (judged.scores,)
    assert (score.matched, score.gate) == (False, failed)
    assert score.score > LINE


def test_what_is_strong_by_the_archive_alone_is_no_match():
    made = matcher(BRIDGE)
    row = FakeEmbedder().encode(["Wheat exports rise. Exports of wheat rose again."])[0]
    made.calibrate({"bridge": calibration(BRIDGE, pull=(2 * row).astype(np.float16).tobytes(), floor=0.4)})
    (judged,) = made.match([SHIPS])
    assert judged.matches == ()
    assert all(score.score < LINE and score.gate == "evidence" for score in judged.scores)


@pytest.mark.parametrize(
    "topic", [TOLD, replace(TOLD, kind="theme", sensitivity="fewer"), replace(TOLD, alerts_per_day=3)]
)
def test_reasons_are_words_and_never_a_raw_number(topic: Topic):
    made = matcher(topic)
    for known in (None, drawn(topic, archive())):
        made.calibrate({"bridge": known})
        matches = [match for judged in made.match([FELL, *event(8, seed=5)]) for match in judged.matches]
        assert len(matches) == 9
        for match in matches:
            assert match.reasons[0].startswith("words ")
            assert "the line (" in match.reasons[-1]
            assert not any(re.search(r"\d[.,]\d", reason) for reason in match.reasons)


def test_reasons_name_words_passage_and_setting():
    made = matcher(BRIDGE)
    made.calibrate({"bridge": calibration(BRIDGE, expected=2.1)})
    ((match,),) = (judged.matches for judged in made.match([FELL]))
    assert match.reasons == (
        "words bridge, collapsed, Dover",
        "passage 1 of 2",
        "clearly above the line (balanced, about 2 a day)",
    )


# -- the order and the batches


def batches(articles: Sequence[Article], sizes: Sequence[int]) -> list[list[Article]]:
    found, start = [], 0
    for size in (*sizes, len(articles)):
        found.append(list(articles[start : start + size]))
        start += size
    return found


def scores_of(made: Matcher, groups: Sequence[Sequence[Article]]) -> dict[tuple[str, str], tuple[float, bool]]:
    return {
        (judged.article.id, score.topic_id): (score.score, score.matched)
        for group in groups
        for judged in made.match(group)
        for score in judged.scores
    }


def assert_same(
    one: dict[tuple[str, str], tuple[float, bool]], other: dict[tuple[str, str], tuple[float, bool]], by: float
):
    """An article that is only just worth a look may lie on one side or the other."""
    assert one
    for key in one.keys() | other.keys():
        (first, matched_first), (second, matched_second) = (found.get(key, (FLOOR, False)) for found in (one, other))
        assert first == pytest.approx(second, abs=by), key
        assert matched_first == matched_second or abs(first - LINE) <= by


@cache
def many() -> Matcher:
    topics = [
        TOLD,
        replace(TOLD, id="drawn"),
        replace(TOLD, id="theme", query="air strikes", kind="theme"),
        replace(TOLD, id="gated", query="storm", exclude=Wanted(any=("fire",))),
        replace(TOLD, id="told", query="firestorm", description="Big fires in the air."),
        replace(TOLD, id="signs", query="!!!"),
    ]
    made = matcher(*topics)
    made.calibrate({topic.id: drawn(topic, archive()) for topic in topics[1:4]})
    return made


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.lists(st.tuples(written, written), max_size=12), st.lists(st.integers(0, 5), max_size=5))
def test_neither_the_order_of_articles_nor_the_batches_change_a_score(
    data: st.DataObject, texts: list[tuple[str, str]], sizes: list[int]
):
    articles = [FELL, *(written_at(title, text, name=str(n)) for n, (title, text) in enumerate(texts))]
    shuffled = data.draw(st.permutations(articles))
    assert_same(scores_of(many(), [articles]), scores_of(many(), batches(shuffled, sizes)), by=1e-6)


@settings(deadline=None, max_examples=40)
@given(written, written, written)
def test_the_topics_beside_it_never_change_a_topics_score(title: str, text: str, query: str):
    each = written_at(title, text, name="a")
    alone, beside = matcher(TOLD), matcher(TOLD, replace(TOLD, id="other", query=query or "x"))
    first, second = (scores_of(made, [[FELL, each]]) for made in (alone, beside))
    assert first == {key: found for key, found in second.items() if key[1] == "bridge"}


def test_with_the_real_model_neither_order_nor_batches_change_a_score():
    """Its rows differ in the last bits with what is computed beside them, and are rounded to float16."""
    embedder = open_embedder()
    long = " ".join(f"Officials said on day {n} that the bridge in Dover stays closed." for n in range(60))
    articles = [
        FELL,
        SHIPS,
        article("Dover bridge closed", long),
        article("Mayor of Dover mourns the dead", "A day after the collapse the town stood still."),
        article("東京で地震", "津波はない。"),
        article("Storm over Kent", "Ferries stay in port. " * 20),
        article("?"),
    ]
    topics = (BRIDGE, WHEAT, replace(BRIDGE, id="kent", query="storm in Kent", kind="theme"))
    together = scores_of(matcher(*topics, embedder=embedder), [articles])
    apart = scores_of(matcher(*topics, embedder=open_embedder()), [[each] for each in reversed(articles)])
    assert_same(together, apart, by=0.01)
    assert together["Bridge collapse in Dover", "bridge"][1]
