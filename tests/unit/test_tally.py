"""Counting over arrays: how many articles are worth reading, what is one page, what is one story."""

from dataclasses import replace

import numpy as np
import pytest

from consumers.asked import asked_of
from consumers.bag import bag_of
from consumers.corpus import Corpus, CorpusBuilder
from consumers.model import Article, Sample, Topic
from consumers.passages import texts_of
from consumers.tally import BELOW, LOOKED_AT, candidates, field_of, told_apart
from consumers.watch import Watch
from tests.fake_embedder import FakeEmbedder
from tests.near_miss import near_miss

DAY = 86_400.0
CLEAR = ("Bridge collapse in Dover", "A bridge collapsed in Dover.")
NEARBY = near_miss("bridge collapse Dover")
OTHER = ("Wheat exports rise", "Exports of wheat rose again.")


def corpus_of(*texts: tuple[str, str], every: float = 1.0, share: float = 1.0) -> Corpus:
    """One article every so many days."""
    embedder, builder = FakeEmbedder(), CorpusBuilder()
    for n, (title, text) in enumerate(texts):
        made = texts_of(Article(id=f"a{n}", feed_id="f", source="s", title=title, text=text, seen=0.0))
        whole, head = embedder.encode(made.embedded[:2]).astype(np.float16)
        builder.add(f"a{n}", "", n * every * DAY, whole, head, bag_of(made))
    return builder.corpus(share)


def watch() -> Watch:
    return Watch(asked_of([Topic(id="t", query="bridge collapse Dover")], FakeEmbedder())[0], None)


def looked_at(corpus: Corpus, by: Watch) -> tuple[list[int], int]:
    found = candidates(by, corpus, field_of(by, corpus), np.ones(len(corpus), np.bool_), np.inf)
    return found.places.tolist(), found.beyond


def test_what_is_far_below_the_line_is_not_read():
    assert looked_at(corpus_of(OTHER, CLEAR, NEARBY, OTHER), watch()) == ([1, 2], 0)


def test_what_the_matcher_would_not_look_at_is_not_read_either():
    """Some of its words, said often, and another meaning."""
    far = ("Collapse, collapse: the market in wheat", "Dover farmers fear a collapse. Dover prices fall, Dover hopes.")
    corpus, by = corpus_of(far), watch()
    assert float(field_of(by, corpus).strength[0]) > by.calibration.line - by.calibration.width
    assert looked_at(corpus, by.calibrated(replace(by.calibration, bar=0.9))) == ([], 0)
    assert looked_at(corpus, by) == ([0], 0)


def test_of_too_many_the_best_are_read_and_some_below_the_line_all_the_same():
    places, beyond = looked_at(corpus_of(*[CLEAR] * (LOOKED_AT + 50), *[NEARBY] * (BELOW + 50)), watch())
    assert len(places) == LOOKED_AT
    assert sum(place >= LOOKED_AT + 50 for place in places) == BELOW
    assert beyond == 50 + BELOW


def test_an_example_is_read_however_far_below_the_line_it_is():
    corpus, by = corpus_of(OTHER, CLEAR), watch()
    sample = Sample(ref="article:a0", title="Wheat", relevant=True, row=corpus.wholes[0].tobytes())
    told = by.calibrated(replace(by.calibration, samples=(sample,)))
    assert looked_at(corpus, told) == ([1, 0], 0)


def test_articles_that_are_alike_within_three_days_are_one_story_and_later_ones_another():
    assert told_apart(corpus_of(CLEAR, OTHER, CLEAR, CLEAR), [0, 1, 2, 3]) == [0, 1, 0, 0]
    assert told_apart(corpus_of(CLEAR, CLEAR, every=4.0), [0, 1]) == [0, 1]


@pytest.mark.parametrize("places", [[], [0]])
def test_few_articles_are_as_many_stories(places: list[int]):
    assert told_apart(corpus_of(CLEAR), places) == places
