import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.topic_index import TopicIndex


def unit(*values: float) -> np.ndarray:
    row = np.array(values, dtype=np.float32)
    return row / np.linalg.norm(row)


EAST, NORTH, BETWEEN = unit(1, 0), unit(0, 1), unit(1, 1)


def test_the_topics_above_the_floor_come_best_first():
    index = TopicIndex({"north": NORTH, "east": EAST, "between": BETWEEN})
    (hits,) = index.search(np.array([unit(1, 0.1)]), 0.5)
    assert [hit.topic_id for hit in hits] == ["east", "between"]
    assert hits[0].cosine == pytest.approx(0.995, abs=1e-3)


def test_a_cosine_equal_to_the_floor_is_a_hit():
    assert [hit.topic_id for hit in TopicIndex({"east": EAST}).search(np.array([EAST]), 1.0)[0]] == ["east"]


def test_an_empty_index_finds_nothing_for_each_row():
    assert [list(hits) for hits in TopicIndex().search(np.array([EAST, NORTH]), 0.0)] == [[], []]


def test_no_rows_give_no_answers():
    assert list(TopicIndex({"east": EAST}).search(np.zeros((0, 2), np.float32), 0.0)) == []


def test_an_edit_makes_a_new_index_and_leaves_the_old_one_as_it_was():
    old = TopicIndex({"east": EAST, "north": NORTH})
    new = old.with_changes({"east": None, "north": BETWEEN, "west": unit(-1, 0), "never there": None})
    assert len(old) == len(new) == 2
    assert [hit.topic_id for hit in old.search(np.array([EAST]), 0.9)[0]] == ["east"]
    assert [hit.topic_id for hit in new.search(np.array([EAST]), 0.5)[0]] == ["north"]


def test_the_last_topic_can_go_and_another_come():
    emptied = TopicIndex({"east": EAST}).with_changes({"east": None})
    assert len(emptied) == 0
    assert len(emptied.with_changes({"north": NORTH})) == 1


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 7))), max_size=6))
def test_any_sequence_of_edits_ends_where_a_fresh_index_would(edits: list[dict[str, int | None]]):
    corners = np.eye(8, dtype=np.float32)
    index, expected = TopicIndex(), {}
    for edit in edits:
        index = index.with_changes({key: None if n is None else corners[n] for key, n in edit.items()})
        expected = {key: n for key, n in (expected | edit).items() if n is not None}
    found = [{hit.topic_id for hit in hits} for hits in index.search(corners, 0.9)]
    assert found == [{key for key, place in expected.items() if place == n} for n in range(8)]
