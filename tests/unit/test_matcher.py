from dataclasses import replace

import numpy as np

from consumers.ids import match_id
from consumers.matcher import Judged, Matcher
from consumers.model import Article, Topic
from tests.fake_embedder import FakeEmbedder

BRIDGE = Topic(id="bridge", query="bridge collapse Dover")
WHEAT = Topic(id="wheat", query="wheat exports")


def article(title: str, text: str = "", **fields: object) -> Article:
    return replace(Article(id=title, feed_id="f", source="example.org", title=title, text=text, seen=100.0), **fields)


FELL = article("Bridge collapse in Dover", "A bridge collapsed in Dover. It rained. Nobody was hurt. The mayor came.")
SHIPS = article("Wheat exports rise", "Exports of wheat rose again.")


def matcher(*topics: Topic, embedder: FakeEmbedder | None = None) -> Matcher:
    made = Matcher(embedder or FakeEmbedder())
    made.apply({topic.id: topic for topic in topics})
    return made


def matched(judged: Judged) -> list[str]:
    return [match.topic_id for match in judged.matches]


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


def test_the_same_article_matched_again_gives_the_same_match():
    made = matcher(BRIDGE)
    assert made.match([FELL])[0].matches == made.match([SHIPS, FELL])[1].matches


def test_rows_are_archived_for_whole_title_and_each_passage():
    (judged,) = matcher().match([FELL])
    assert judged.vectors.dtype == np.float16
    assert len(judged.vectors) == 2 + 2
    assert judged.model == "fake"


def test_every_score_above_the_floor_is_kept_and_says_whether_it_matched():
    low = Matcher(FakeEmbedder(), line=99.0, floor=0.1)
    low.apply({"bridge": BRIDGE})
    (judged,) = low.match([FELL])
    assert [(score.topic_id, score.matched) for score in judged.scores] == [("bridge", False)]
    assert judged.matches == ()


def test_an_article_without_any_text_is_judged_and_matches_nothing():
    judged = matcher(BRIDGE).match([article("  "), FELL])
    assert judged[0].vectors.shape == (0, 0)
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


def test_only_a_changed_wording_is_embedded_again():
    embedder = FakeEmbedder()
    made = matcher(BRIDGE, embedder=embedder)
    made.apply({"bridge": replace(BRIDGE, channels=("desk",), version=2)})
    assert embedder.queries == ["bridge collapse Dover"]
    assert made.topics_in_force == {"bridge": 2}
    assert made.match([FELL])[0].matches[0].topic_version == 2


def test_a_description_says_what_is_meant():
    plain, described = (
        replace(WHEAT, query="Black Sea deal"),
        replace(WHEAT, query="Black Sea deal", description="wheat"),
    )
    low = Matcher(FakeEmbedder(), floor=-1.0)
    low.apply({"plain": replace(plain, id="plain"), "described": replace(described, id="described")})
    scores = {score.topic_id: score.score for score in low.match([SHIPS])[0].scores}
    assert scores["described"] > scores.get("plain", 0.0)


def test_an_article_in_other_words_matches_by_its_meaning():
    embedder = FakeEmbedder(means={"viaduct": "bridg", "crumbl": "collaps", "kent": "dover"})
    (judged,) = matcher(BRIDGE, embedder=embedder).match([article("Viaduct crumbles, Kent")])
    assert matched(judged) == ["bridge"]
    assert judged.matches[0].reasons[0] == "none of the words, but the same meaning"
