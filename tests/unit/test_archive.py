from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Table, delete, func, select

from consumers.bag import bag_of
from consumers.matcher import Judged, Score
from consumers.model import Article
from consumers.passages import texts_of
from daemon.store import Store
from daemon.store.archive import CHUNK, Archive
from daemon.store.tables import article_vectors, article_words, articles, next_vectors, scores
from daemon.store.upsert import upsert


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store)


def article(name: str, seen: float = 100.0, **fields: object) -> Article:
    made = Article(
        id=name,
        feed_id="f",
        source="example.org",
        url=f"https://example.org/{name}",
        title=name,
        text="Text.",
        seen=seen,
    )
    return replace(made, **fields)


def judged(of: Article, **given: float) -> Judged:
    """``given``: the score of each topic; 1.0 and more is a match."""
    rows = np.linspace(0, 1, 3 * 4).reshape(3, 4).astype(np.float16)
    kept = tuple(
        Score(topic_id=topic, topic_version=1, score=score, passage=1, matched=score >= 1)
        for topic, score in given.items()
    )
    return Judged(of, "model", rows, kept, (), bag_of(texts_of(of)))


def everything(archive: Archive, since: float = 0.0, limit: int | None = None) -> list[str]:
    return [archived.article.id for chunk in archive.recent(since, limit) for archived in chunk]


def rows(store: Store) -> tuple[int, int]:
    with store.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (article_vectors, scores)
        ]
    return counts[0], counts[1]


def count(store: Store, table: Table) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def put_next(store: Store, name: str, model: str, value: float = 0.5) -> None:
    """Vectors of a model that is being prepared."""
    row = {"article_id": name, "model": model, "rows": 3, "vectors": np.full(12, value, "<f2").tobytes()}
    with store.write() as connection:
        upsert(next_vectors, [row], connection=connection)


def forget_words(store: Store) -> None:
    """As an older release archived."""
    with store.write() as connection:
        connection.execute(delete(article_words))


def test_what_was_put_comes_back_whole(archive: Archive):
    one = judged(article("one", published=90.0, lang="en", backfill=True), bridge=1.2)
    archive.put([one])
    ((archived,),) = archive.recent(0.0)
    assert archived.article == one.article
    assert archived.model == "model"
    assert archived.vectors.dtype == np.float16
    assert np.array_equal(archived.vectors, one.vectors)


def test_putting_the_same_twice_changes_nothing(archive: Archive, store: Store):
    batch = [judged(article("one"), bridge=1.2, wheat=0.3), judged(article("two"))]
    archive.put(batch)
    archive.put(batch)
    assert archive.count() == 2
    assert rows(store) == (2, 2)


def test_an_article_without_any_text_is_archived_too(archive: Archive):
    archive.put([replace(judged(article("empty", title="", text="")), vectors=np.zeros((0, 0), np.float16))])
    ((archived,),) = archive.recent(0.0)
    assert archived.vectors.shape == (0, 0)


def test_a_newer_revision_replaces_text_and_scores_and_an_older_one_changes_nothing(archive: Archive, store: Store):
    first, second = article("one", text="Old."), article("one", text="New.", revision=2)
    archive.put([judged(first, bridge=1.2, wheat=0.4)])
    archive.put([judged(second, bridge=1.3)])
    archive.put([judged(first, bridge=1.2, wheat=0.4)])
    ((archived,),) = archive.recent(0.0)
    assert archived.article == second
    assert [scored.score.score for scored in archive.scores("bridge")] == [1.3]
    assert rows(store) == (1, 1)


def test_two_revisions_in_one_batch_leave_the_newer_one(archive: Archive):
    newer = article("one", revision=2)
    archive.put([judged(newer), judged(article("one"))])
    ((archived,),) = archive.recent(0.0)
    assert archived.article == newer


def test_recent_articles_come_newest_first_in_chunks_and_stop_at_the_limit(archive: Archive):
    count = CHUNK + 20
    archive.put([judged(article(f"{n:04}", seen=float(n // 3))) for n in range(count)])
    names = everything(archive)
    assert names == [f"{n:04}" for n in reversed(range(count))]
    assert everything(archive, since=100.0) == names[: count - 300]
    assert everything(archive, limit=CHUNK + 1) == names[: CHUNK + 1]


def test_an_article_is_found_by_its_url(archive: Archive):
    archive.put([judged(article("one")), judged(article("two"))])
    assert [archived.article.id for archived in archive.by_url("https://example.org/two")] == ["two"]
    assert archive.by_url("https://example.org/three") == []


def test_scores_come_best_first_and_say_which_gate_failed(archive: Archive):
    given = {"match": 1.2, "near": 0.9, "nearer": 0.95, "far": 0.3}
    some = [judged(article(name), bridge=score, wheat=0.2) for name, score in given.items()]
    gated = replace(some[1].scores[0], gate="exclude")
    archive.put([some[0], replace(some[1], scores=(gated,)), *some[2:]])
    found = archive.scores("bridge")
    assert [scored.article.id for scored in found] == ["match", "nearer", "near", "far"]
    assert [scored.score.gate for scored in found] == ["", "", "exclude", ""]


def test_a_corpus_has_the_first_two_rows_and_the_words_of_each_article_newest_first(archive: Archive):
    archive.put([judged(article("old", seen=50.0)), judged(article("new", title="Harbour fire", published=90.0))])
    archive.put([judged(article("before", seen=10.0))])
    corpus = archive.corpus("model", 50.0, 10)
    assert (corpus.ids, corpus.at.tolist()) == (("new", "old"), [90.0, 50.0])
    assert corpus.urls == ("https://example.org/new", "https://example.org/old")
    whole, title, _ = np.linspace(0, 1, 12).reshape(3, 4).astype(np.float16)
    assert np.array_equal(corpus.wholes, [whole, whole])
    assert np.array_equal(corpus.titles, [title, title])
    said = {"new": bag_of(texts_of(article("new", title="Harbour fire"))), "old": bag_of(texts_of(article("old")))}
    assert sorted(corpus.words.stems.tolist()) == sorted(int(stem) for bag in said.values() for stem in bag.stems)
    assert corpus.words.lengths.tolist() == [said["new"].length, said["old"].length]


def test_a_corpus_is_of_one_model_also_while_its_vectors_are_being_prepared(archive: Archive, store: Store):
    archive.put([judged(article("both")), replace(judged(article("only new")), model="next")])
    archive.put([replace(judged(article("empty", title="", text="")), vectors=np.zeros((0, 0), np.float16), bag=None)])
    put_next(store, "both", "next", 0.5)
    put_next(store, "both", "a third one", 0.25)
    assert archive.corpus("model", 0.0, 10).ids == ("both",)
    of_next = archive.corpus("next", 0.0, 10)
    assert set(of_next.ids) == {"both", "only new"}
    assert of_next.wholes[of_next.ids.index("both")].tolist() == [0.5] * 4
    assert len(archive.corpus("unknown", 0.0, 10)) == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_article_whose_vectors_are_no_numbers_is_in_no_corpus(archive: Archive, wrong: float):
    spoilt = judged(article("spoilt"))
    spoilt.vectors[1, 2] = wrong
    archive.put([spoilt, judged(article("sound"))])
    assert archive.corpus("model", 0.0, 10).ids == ("sound",)


@pytest.mark.parametrize(("total", "limit"), [(7, 3), (100, 99), (1000, 300), (10, 10), (3, 10)])
def test_of_more_articles_than_a_corpus_takes_it_takes_some_of_every_time(archive: Archive, total: int, limit: int):
    archive.put([judged(article(f"{n:04}", seen=float(n))) for n in range(total)])
    at = archive.corpus("model", 0.0, limit).at.tolist()
    assert len(at) == min(total, limit)
    assert at == sorted(at, reverse=True)
    gaps = np.diff([*at[::-1], float(total)])
    assert max(gaps) <= -(-total // limit)


def test_words_that_an_older_release_did_not_keep_are_made_of_the_text(archive: Archive, store: Store):
    archive.put([judged(article(f"{n}", text=f"Storm number{n}.", seen=float(n))) for n in range(5)])
    known = archive.corpus("model", 0.0, 10).words
    forget_words(store)
    assert np.array_equal(archive.corpus("model", 0.0, 10).words.stems, known.stems)
    assert count(store, article_words) == 0  # whoever reads writes nothing
    assert [archive.add_words(1.0, 3) for _ in range(3)] == [3, 1, 0]
    assert archive.add_words(0.0, 3) == 1
    assert count(store, article_words) == 5
    assert np.array_equal(archive.corpus("model", 0.0, 10).words.stems, known.stems)


def test_an_article_without_any_text_has_no_words_and_is_not_asked_for_them_again(archive: Archive, store: Store):
    archive.put([replace(judged(article("empty", title="", text="")), vectors=np.zeros((0, 0), np.float16), bag=None)])
    assert (archive.add_words(0.0), count(store, article_words)) == (0, 0)


def test_a_newer_revision_takes_what_was_made_of_the_older_text_away(archive: Archive, store: Store):
    archive.put([judged(article("one", text="Storm."))])
    put_next(store, "one", "next")
    archive.put([judged(article("one", text="Storm."))])
    assert count(store, next_vectors) == 1  # the same revision again
    empty = article("one", title="", text="", revision=2)
    archive.put([replace(judged(empty), vectors=np.zeros((0, 0), np.float16), bag=None)])
    assert (count(store, next_vectors), count(store, article_words)) == (0, 0)


def test_what_was_seen_since_is_counted(archive: Archive):
    archive.put([judged(article(name, seen=seen)) for name, seen in (("a", 1.0), ("b", 2.0), ("c", 3.0))])
    assert [archive.count_since(since) for since in (0.0, 2.0, 4.0)] == [3, 2, 0]


def test_the_oldest_articles_are_forgotten_in_small_steps_with_all_that_belongs_to_them(archive: Archive, store: Store):
    archive.put([judged(article(name, seen=seen), bridge=1.0) for name, seen in (("a", 1.0), ("b", 2.0), ("c", 3.0))])
    for name in "abc":
        put_next(store, name, "next")
    assert archive.delete_before(3.0, limit=1) == 1
    assert everything(archive) == ["c", "b"]
    assert archive.delete_before(3.0, limit=10) == 1
    assert archive.delete_before(3.0, limit=10) == 0
    assert (everything(archive), rows(store)) == (["c"], (1, 1))
    assert [count(store, table) for table in (articles, article_words, next_vectors)] == [1, 1, 1]


def test_the_size_grows_with_what_is_kept(archive: Archive):
    assert archive.size() == 0
    archive.put([judged(article("one"))])
    assert archive.size() == len("one") + len("Text.") + 3 * 4 * 2
