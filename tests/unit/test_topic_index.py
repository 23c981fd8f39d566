import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.topic_index import TopicIndex


def unit(*values: float) -> NDArray[np.float32]:
    row = np.array(values, dtype=np.float32)
    return np.asarray(row / np.linalg.norm(row), dtype=np.float32)


EAST, NORTH, BETWEEN, WEST = unit(1, 0), unit(0, 1), unit(1, 1), unit(-1, 0)


def found(index: TopicIndex, row: NDArray[np.float32]) -> list[str]:
    (hits,) = index.search(np.array([row]))
    return [hit.topic_id for hit in hits]


def test_the_topics_whose_bar_is_reached_come_best_first() -> None:
    index = TopicIndex({"north": (NORTH, 0.5), "between": (BETWEEN, 0.5), "east": (EAST, 0.5)})
    assert found(index, unit(1, 0.1)) == ["east", "between"]


def test_each_topic_has_a_bar_of_its_own() -> None:
    index = TopicIndex({"low": (BETWEEN, 0.7), "high": (BETWEEN, 0.72), "far": (NORTH, -0.1)})
    assert found(index, EAST) == ["low", "far"]


def test_a_hit_tells_the_cosine_without_the_bar() -> None:
    index = TopicIndex({"east": (EAST, 0.3), "between": (BETWEEN, -1.0)})
    (hits,) = index.search(np.array([EAST]))
    assert {hit.topic_id: hit.cosine for hit in hits} == pytest.approx({"east": 1.0, "between": 0.5**0.5}, abs=1e-6)


def test_a_cosine_equal_to_the_bar_is_a_hit() -> None:
    assert found(TopicIndex({"east": (EAST, 1.0), "between": (BETWEEN, 0.5**0.5)}), EAST) == ["east", "between"]


def test_an_empty_index_finds_nothing_for_each_row() -> None:
    assert [list(hits) for hits in TopicIndex().search(np.array([EAST, NORTH]))] == [[], []]


def test_no_rows_give_no_answers() -> None:
    assert list(TopicIndex({"east": (EAST, 0.0)}).search(np.zeros((0, 2), np.float32))) == []


def test_an_edit_makes_a_new_index_and_leaves_the_old_one_as_it_was() -> None:
    old = TopicIndex({"east": (EAST, 0.5), "north": (NORTH, 0.5)})
    new = old.with_changes({"east": None, "north": (BETWEEN, 0.5), "west": (WEST, 0.5), "never there": None})
    assert len(old) == len(new) == 2
    assert (found(old, EAST), found(old, NORTH)) == (["east"], ["north"])
    assert (found(new, EAST), found(new, WEST)) == (["north"], ["west"])


def test_a_new_bar_alone_is_an_edit() -> None:
    old = TopicIndex({"east": (EAST, 0.5), "north": (NORTH, 0.5)})
    new = old.with_changes({"east": (EAST, 0.9)})
    assert (found(old, BETWEEN), found(new, BETWEEN)) == (["east", "north"], ["north"])


def test_the_last_topic_can_go_and_another_come() -> None:
    emptied = TopicIndex({"east": (EAST, 0.5)}).with_changes({"east": None})
    assert len(emptied) == 0
    assert found(emptied.with_changes({"north": (NORTH, 0.5)}), NORTH) == ["north"]


entries = st.tuples(st.integers(0, 7), st.sampled_from([0.25, 0.5, 0.75, 2.0]))


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.none() | entries), max_size=6))
def test_any_sequence_of_edits_ends_where_a_fresh_index_would(edits: list[dict[str, tuple[int, float] | None]]) -> None:
    corners = np.eye(8, dtype=np.float32)
    index = TopicIndex()
    expected: dict[str, tuple[int, float]] = {}
    for edit in edits:
        index = index.with_changes({key: entry and (corners[entry[0]], entry[1]) for key, entry in edit.items()})
        expected = {key: entry for key, entry in (expected | edit).items() if entry is not None}
        hits = index.search(corners)
        assert [{hit.topic_id for hit in row} for row in hits] == [
            {key for key, (corner, bar) in expected.items() if corner == n and bar <= 1} for n in range(8)
        ]
    assert len(index) == len(expected)


@settings(deadline=None)  # a busy machine is no mistake
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_it_finds_what_comparing_one_by_one_finds_whatever_the_size_of_the_batch(seed: int, batch: int) -> None:
    chance = np.random.default_rng(seed)
    topics, rows = (chance.standard_normal((count, 24)).astype(np.float32) for count in (50, batch))
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    bars = chance.uniform(-0.2, 0.4, 50)
    index = TopicIndex({str(n): (row, bar) for n, (row, bar) in enumerate(zip(topics, bars, strict=True))})
    cosines = rows.astype(np.float64) @ topics.T.astype(np.float64)
    for hits, row in zip(index.search(rows), cosines, strict=True):
        seen = {int(hit.topic_id): hit.cosine for hit in hits}
        assert seen == pytest.approx({n: row[n] for n in seen}, abs=1e-5)
        assert list(seen.values()) == sorted(seen.values(), reverse=True)
        sure = {n for n in range(50) if row[n] >= bars[n]}
        assert sure <= set(seen) <= {n for n in range(50) if row[n] >= bars[n] - 1e-5}
