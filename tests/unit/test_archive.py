from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import func, select

from consumers.matcher import Judged, Score
from consumers.model import Article
from daemon.store import Store
from daemon.store.archive import CHUNK, Archive
from daemon.store.tables import article_vectors, scores


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
    return Judged(of, "model", rows, kept, ())


def everything(archive: Archive, since: float = 0.0, limit: int | None = None) -> list[str]:
    return [archived.article.id for chunk in archive.recent(since, limit) for archived in chunk]


def rows(store: Store) -> tuple[int, int]:
    with store.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (article_vectors, scores)
        ]
    return counts[0], counts[1]


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


def test_scores_and_near_misses_come_best_first(archive: Archive):
    given = {"match": 1.2, "near": 0.9, "nearer": 0.95, "far": 0.3}
    archive.put([judged(article(name), bridge=score, wheat=0.2) for name, score in given.items()])
    assert [scored.article.id for scored in archive.scores("bridge")] == ["match", "nearer", "near", "far"]
    assert [scored.article.id for scored in archive.near_misses("bridge", at_least=0.8)] == ["nearer", "near"]
    assert archive.near_misses("bridge", since=200.0, at_least=0.8) == []


def test_the_oldest_articles_are_forgotten_in_small_steps_with_all_that_belongs_to_them(archive: Archive, store: Store):
    archive.put([judged(article(name, seen=seen), bridge=1.0) for name, seen in (("a", 1.0), ("b", 2.0), ("c", 3.0))])
    assert archive.delete_before(3.0, limit=1) == 1
    assert everything(archive) == ["c", "b"]
    assert archive.delete_before(3.0, limit=10) == 1
    assert archive.delete_before(3.0, limit=10) == 0
    assert (everything(archive), rows(store)) == (["c"], (1, 1))


def test_the_size_grows_with_what_is_kept(archive: Archive):
    assert archive.size() == 0
    archive.put([judged(article("one"))])
    assert archive.size() == len("one") + len("Text.") + 3 * 4 * 2
