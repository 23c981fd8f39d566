"""How far two models agree, and that what is counted is what a matcher would have taken."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.agreement import Agreement, AgreementReport, agreement, least_first, taken
from consumers.bag import bag_of
from consumers.calibration import calibrate
from consumers.corpus import CorpusBuilder
from consumers.matcher import Matcher
from consumers.model import Article, Topic
from consumers.model_switch import vectors_of
from consumers.passages import texts_of
from daemon.wire import from_json, to_json
from tests.fake_embedder import FakeEmbedder

scores = st.dictionaries(st.sampled_from("abcdefghij"), st.floats(0.5, 1.0))


def counts(topic: Agreement) -> tuple[int, int, int]:
    return topic.both, topic.only_before, topic.only_after


def test_what_both_take_and_what_only_one_takes_is_counted_with_the_best_examples() -> None:
    found = agreement("bridge", {"a": 0.6, "b": 0.9, "c": 0.7}, {"b": 0.8, "d": 0.5, "e": 0.95, "f": 0.6, "g": 0.7})
    assert counts(found) == (1, 2, 4)
    assert found.share == pytest.approx(1 / 7)
    assert [example.article_id for example in found.taken_by_both] == ["b"]
    assert [example.article_id for example in found.taken_before] == ["c", "a"]
    assert [example.article_id for example in found.taken_after] == ["e", "g", "f"]


def test_a_topic_that_took_nothing_and_takes_nothing_agrees() -> None:
    assert agreement("bridge", {}, {}).share == 1.0


@given(scores, scores)
def test_every_article_is_counted_once_and_exchanging_the_models_exchanges_the_counts(
    before: dict[str, float], after: dict[str, float]
) -> None:
    found, other = agreement("t", before, after), agreement("t", after, before)
    assert sum(counts(found)) == len(before.keys() | after.keys())
    assert counts(other) == (found.both, found.only_after, found.only_before)
    assert found.share == other.share


def test_a_report_has_the_least_agreement_first_and_travels_as_json() -> None:
    same, other = agreement("same", {"a": 1.0}, {"a": 1.0}), agreement("other", {"a": 1.0}, {"b": 1.0})
    report = AgreementReport(before="old", after="new", at=1.0, articles=2, topics=least_first([same, other]))
    assert [topic.topic_id for topic in report.topics] == ["other", "same"]
    assert report.share == pytest.approx(1 / 3)
    assert from_json(AgreementReport, to_json(report)) == report


@pytest.mark.parametrize("kind", ["event", "theme"])
def test_what_is_taken_from_an_archive_is_what_a_topic_takes_article_by_article(kind: str) -> None:
    embedder, random = FakeEmbedder("one"), np.random.default_rng(5)
    vocabulary = ["bridge", "collapse", "dover", "wheat", "export", "harbour", "fire", "mayor", "storm", "vote"]
    articles = [
        Article(
            id=f"{n:03}",
            feed_id="f",
            source="example.org",
            title=" ".join(random.choice(vocabulary, 4)),
            text=". ".join(" ".join(random.choice(vocabulary, 6)) for _ in range(3)),
            seen=1000.0 * n,
        )
        for n in range(300)
    ]
    builder = CorpusBuilder()
    for each, rows in zip(articles, vectors_of(articles, embedder), strict=True):
        builder.add(each.id, "", each.seen, rows[0], rows[1], bag_of(texts_of(each)))
    corpus, vectors = builder.corpus(), vectors_of(articles, embedder)
    matcher = Matcher(embedder)
    matcher.apply({"bridge": Topic(id="bridge", query="bridge collapse", kind=kind)})  # type: ignore[arg-type]
    for calibrated in (False, True):
        if calibrated:
            made = calibrate(matcher.watches["bridge"].asked, corpus, model="one", now=0.0)
            matcher.calibrate({"bridge": made})
        watch = matcher.watches["bridge"]
        weighed = {
            each.id: watch.weigh(each, bag_of(texts_of(each)), rows.astype(np.float32))
            for each, rows in zip(articles, vectors, strict=True)
        }
        matches = {id_: each.score for id_, each in weighed.items() if each.matched}
        assert 0 < len(matches) < len(articles)
        assert taken(watch, corpus) == pytest.approx(matches, abs=1e-3)
