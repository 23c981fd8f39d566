"""Which model is in force, and where the vectors of the next one are until they are in their place."""

from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import select

from consumers.matcher import Judged
from consumers.model import Article
from daemon.errors import Unusable
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.models import Models, Progress, Read, in_force, preparing, under_way, verbs
from daemon.store.tables import article_vectors, next_vectors
from tests.fake_log import FakeClock
from tests.stores import Place

OLD, NEW = "old@1", "new@2"


@pytest.fixture
def models(store: Store) -> Models:
    return Models(store)


def article(name: str, seen: float, revision: int = 1) -> Article:
    return Article(id=name, revision=revision, feed_id="f", source="example.org", title=name, text="Text.", seen=seen)


def archived(store: Store, *articles: Article, model: str = OLD) -> None:
    rows = np.ones((3, 4), np.float16)
    Archive(store).put([Judged(each, model, rows, (), ()) for each in articles])


def read(name: str, revision: int = 1, value: float = 2.0) -> Read:
    return Read(name, revision, 3, np.full((3, 4), value, np.float16).tobytes())


def states(models: Models) -> dict[str, str]:
    return {known.id: known.state for known in models.all()}


def names(store: Store, table: str) -> list[tuple[str, str]]:
    found = {"next": next_vectors, "in place": article_vectors}[table]
    with store.read() as connection:
        query = select(found.c.article_id, found.c.model).order_by(found.c.article_id, found.c.model)
        return [tuple(row) for row in connection.execute(query)]


def test_the_first_model_is_put_in_force_and_no_other_after_it(models: Models) -> None:
    assert models.adopt(OLD, "old", 1.0).id == OLD
    assert models.adopt(NEW, "new", 2.0).id == OLD
    assert states(models) == {OLD: "in force"}


def test_one_model_at_a_time_is_prepared(models: Models) -> None:
    models.adopt(OLD, "old", 1.0)
    models.prepare(NEW, "new", 2.0)
    models.prepare("third@3", "third", 3.0)
    assert states(models) == {OLD: "in force", NEW: "retired", "third@3": "preparing"}
    models.prepare(OLD, "old", 4.0)
    assert states(models)[OLD] == "in force"


def test_preparing_again_keeps_when_it_began_and_what_was_reported(models: Models) -> None:
    models.adopt(OLD, "old", 1.0)
    models.prepare(NEW, "new", 2.0)
    models.report(NEW, "{}")
    models.prepare(NEW, "new", 3.0)
    found = preparing(models.all())
    assert found is not None
    assert (found.at, found.report) == (2.0, "{}")


def test_taking_over_happens_once(models: Models) -> None:
    models.adopt(OLD, "old", 1.0)
    models.prepare(NEW, "new", 2.0)
    models.report(NEW, "{}")
    assert models.take_over(NEW, "new", 3.0, after=OLD)
    assert not models.take_over(NEW, "new", 4.0, after=OLD)
    found = in_force(models.all())
    assert found is not None
    assert (found.id, found.at, found.report) == (NEW, 3.0, "{}")
    assert states(models) == {NEW: "in force", OLD: "retired"}


def test_a_change_of_mind_retires_what_was_being_prepared_and_its_vectors_are_forgotten(
    models: Models, store: Store
) -> None:
    archived(store, article("a", 1.0), article("b", 2.0))
    models.adopt(OLD, "old", 1.0)
    models.prepare(NEW, "new", 2.0)
    models.put(NEW, [read("a"), read("b")])
    models.settle(OLD, "elsewhere/old", 3.0)
    assert states(models) == {OLD: "in force", NEW: "retired"}
    assert [known.name for known in models.all() if known.id == OLD] == ["elsewhere/old"]
    while models.tidy(OLD, "", 1):
        pass
    assert names(store, "next") == []
    assert names(store, "in place") == [("a", OLD), ("b", OLD)]


def test_what_is_unread_comes_newest_first_in_pieces_and_nothing_older_than_the_window(
    models: Models, store: Store
) -> None:
    archived(store, *(article(f"{n}", float(n // 2)) for n in range(8)))
    first = models.unread(NEW, 1.0, 3)
    assert [each.id for each in first] == ["7", "6", "5"]
    assert [each.id for each in models.unread(NEW, 1.0, 9, (first[-1].seen, first[-1].id))] == ["4", "3", "2"]
    models.put(NEW, [read("7"), read("5")])
    assert [each.id for each in models.unread(NEW, 1.0, 9)] == ["6", "4", "3", "2"]
    assert models.progress(NEW, 1.0) == Progress(NEW, 2, 6)
    assert models.progress(OLD, 1.0) == Progress(OLD, 6, 6)


def test_vectors_of_another_text_than_the_archived_one_are_not_kept(models: Models, store: Store) -> None:
    archived(store, article("a", 1.0, revision=2))
    models.put(NEW, [read("a", revision=1), read("gone")])
    assert names(store, "next") == []
    models.put(NEW, [read("a", revision=2)])
    archived(store, article("a", 1.0, revision=3))
    assert names(store, "next") == []


def test_vectors_are_moved_to_their_place_a_few_at_a_time_and_again_without_harm(models: Models, store: Store) -> None:
    archived(store, *(article(name, 1.0) for name in "abc"))
    models.put(NEW, [read(name) for name in "abc"])
    models.put("third@3", [read("a")])
    assert models.tidy(NEW, "third@3", 2)
    assert names(store, "in place") == [("a", NEW), ("b", NEW), ("c", OLD)]
    assert models.progress(NEW, 0.0).done == 3  # wherever they are
    while models.tidy(NEW, "third@3", 2):
        pass
    assert names(store, "in place") == [("a", NEW), ("b", NEW), ("c", NEW)]
    assert names(store, "next") == [("a", "third@3")]
    assert [kept.vectors[0, 0] for kept in Archive(store).by_id(["a", "c"])] == [2.0, 2.0]


def test_an_article_that_was_forgotten_takes_its_vectors_along(models: Models, store: Store) -> None:
    archived(store, article("a", 1.0), article("b", 5.0))
    models.put(NEW, [read("a"), read("b")])
    Archive(store).delete_before(3.0, 10)
    assert names(store, "next") == [("b", NEW)]


def test_how_far_a_change_is_is_said_in_words(models: Models, store: Store) -> None:
    archived(store, article("a", 1.0), article("b", 2.0))
    models.adopt(OLD, "old", 1.0)
    assert under_way(models, 0.0) == ""
    models.prepare(NEW, "new", 2.0)
    models.put(NEW, [read("a")])
    assert under_way(models, 0.0) == "re-reading the archive with new: 1 of 2 articles"
    models.put(NEW, [read("b")])
    assert "compared" in under_way(models, 0.0)
    models.report(NEW, "{}")
    assert f"wirewatch models use {NEW}" in under_way(models, 0.0)


def test_a_person_can_use_a_model_that_is_ready_and_no_other(models: Models) -> None:
    use = verbs(models, FakeClock())["models.use"]
    models.adopt(OLD, "old", 1.0)
    with pytest.raises(Unusable, match="not being prepared"):
        use({"model": NEW})
    models.prepare(NEW, "new", 2.0)
    with pytest.raises(Unusable, match="not ready"):
        use({"model": NEW})
    models.report(NEW, "{}")
    assert use({"model": NEW}) == {"done": True}
    assert states(models) == {NEW: "in force", OLD: "retired"}


def test_two_processes_see_the_same_model_in_force(place: Place) -> None:
    with closing(place.open()) as one, closing(place.open()) as two:
        Models(one).adopt(OLD, "old", 1.0)
        Models(one).prepare(NEW, "new", 2.0)
        assert Models(two).take_over(NEW, "new", 3.0, after=OLD)
        found = in_force(Models(one).all())
        assert found is not None
        assert found.id == NEW
