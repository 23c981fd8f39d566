import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumers.bag import bag_of, counts_in, query_terms
from consumers.corpus import PIECE, Corpus, CorpusBuilder
from consumers.passages import texts_of
from consumers.words import query_words
from tests.corpora import DAY, START, add, article, corpus_of, noise, written
from tests.fake_embedder import DIMENSION, FakeEmbedder

pairs = st.lists(st.tuples(written, written), max_size=6)


@given(pairs, written)
@example(
    [("News", "A bigair came. Airstrikes, airstrikes."), ("News", "Bigairs, bigairs, bigairs.")], "big air strikes"
)
def test_the_archive_counts_words_as_one_article_does(texts: list[tuple[str, str]], query: str) -> None:
    articles = [article(title, text, name=str(n)) for n, (title, text) in enumerate(texts)]
    terms = query_terms(query_words(query))
    one_by_one = [counts_in(bag_of(texts_of(each)), terms) for each in articles]
    counted = corpus_of(articles).words.said(terms)
    np.testing.assert_array_equal(counted, np.array(one_by_one, np.float32).reshape(len(articles), len(terms)).T)


@given(pairs)
def test_lengths_are_those_of_the_bags(texts: list[tuple[str, str]]) -> None:
    articles = [article(title, text, name=str(n)) for n, (title, text) in enumerate(texts)]
    assert corpus_of(articles).words.lengths.tolist() == [bag_of(texts_of(each)).length for each in articles]


def test_the_cosines_are_those_of_whole_and_title_one_by_one() -> None:
    corpus = corpus_of(noise(20))
    row = FakeEmbedder().encode_queries(["harvest grows in Lyon"])[0]
    wholes, titles = corpus.cosines(row)
    np.testing.assert_allclose(wholes, [each.astype(np.float64) @ row for each in corpus.wholes], atol=1e-6)
    np.testing.assert_allclose(titles, [each.astype(np.float64) @ row for each in corpus.titles], atol=1e-6)
    np.testing.assert_array_equal(corpus.whole_cosines(row), wholes)


def test_an_archive_of_more_than_a_piece_is_compared_whole() -> None:
    chance = np.random.default_rng(3)
    rows = chance.standard_normal((2 * PIECE + 7, 8)).astype(np.float16)
    words = corpus_of([]).words
    corpus = Corpus((), (), np.zeros(0), rows, rows, words)
    row = chance.standard_normal(8).astype(np.float32)
    np.testing.assert_allclose(corpus.whole_cosines(row), rows.astype(np.float32) @ row, atol=1e-5)


def test_an_empty_archive_answers_for_no_article() -> None:
    empty = CorpusBuilder().corpus()
    assert len(empty) == 0
    assert empty.days == 0.0
    assert empty.words.said(query_terms(query_words("bridge collapse"))).shape == (2, 0)
    assert [len(each) for each in empty.cosines(np.ones(DIMENSION, np.float32))] == [0, 0]


def test_a_query_of_signs_is_said_by_nobody() -> None:
    assert corpus_of(noise(3)).words.said(()).shape == (0, 3)


@pytest.mark.parametrize(("apart", "days"), [(0.0, 0.1), (3_600.0, 0.1), (DAY, 1.0), (30 * DAY, 30.0)])
def test_an_archive_spans_a_tenth_of_a_day_at_least(apart: float, days: float) -> None:
    corpus = corpus_of([article("One", at=START), article("Two", at=START + apart)])
    assert corpus.days == pytest.approx(days)


def test_more_articles_can_be_added_and_the_earlier_corpus_stays_as_it_was() -> None:
    builder = add(CorpusBuilder(), noise(5), FakeEmbedder())
    first = builder.corpus()
    second = add(builder, noise(4, seed=2), FakeEmbedder()).corpus()
    assert (len(first), len(second)) == (5, 9)
    assert second.ids[:5] == first.ids
    np.testing.assert_array_equal(second.wholes[:5], first.wholes)


def test_articles_are_found_by_id_and_by_url() -> None:
    articles = noise(3)
    corpus = corpus_of(articles)
    assert corpus.places([articles[2].id, articles[1].url, "elsewhere", ""]) == [2, 1, None, None]
