"""A second model looks at what is near the line: bounded in what it changes and in the time it takes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.rerank import (
    GROUP,
    NEAR,
    SHIFT,
    Candidate,
    CrossEncoderReranker,
    Reranked,
    Reranker,
    RerankerFailed,
    Reranking,
    reranked,
)
from tests.fake_log import FakeClock

BUDGET = 0.2


class WordReranker:
    """Relevant is what says every word of the query. Takes ``pair`` seconds for each passage."""

    def __init__(self, clock: FakeClock, pair: float = 0.0) -> None:
        self.asked: list[str] = []
        self.failing = False
        self._clock = clock
        self._pair = pair

    def score(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        if self.failing:
            raise RerankerFailed("out of memory")
        self.asked.extend(passages)
        self._clock.forward(self._pair * len(passages))
        return np.array([float(set(query.split()) <= set(each.split())) for each in passages], dtype=np.float32)


class Bench:
    """A fake model with a clock, and what was said."""

    def __init__(self, pair: float = 0.0) -> None:
        self.clock = FakeClock()
        self.model = WordReranker(self.clock, pair)
        self.said: list[str] = []
        self.loads = 0
        self.rerank = Reranking(self._load, budget=BUDGET, now=self.clock.monotonic, trouble=self.said.append)

    def _load(self) -> Reranker:
        self.loads += 1
        return self.model


def near(number: int, score: float = 0.45, query: str = "bridge collapse", passage: str = "") -> Candidate:
    return Candidate(f"article-{number} topic", query, passage or f"bridge collapse {number}", score)


def test_what_is_relevant_rises_and_what_is_not_falls_by_as_much_at_most() -> None:
    bench = Bench()
    risen, fallen = bench.rerank([near(1), near(2, 0.55, passage="a bridge was opened")])
    assert risen.score == pytest.approx(0.45 + SHIFT)
    assert fallen.score == pytest.approx(0.55 - SHIFT)
    assert risen.shift == pytest.approx(SHIFT)


@given(st.floats(0, 1), st.none() | st.floats())
def test_a_score_moves_by_no_more_than_the_shift_and_stays_a_score(score: float, relevance: float | None) -> None:
    found = reranked(Candidate("a b", "query", "passage", score), relevance)
    assert 0.0 <= found.score <= 1.0
    assert abs(found.score - score) <= SHIFT + 1e-9


def test_what_is_clear_is_never_asked_about() -> None:
    bench = Bench()
    clear = [near(1, 0.5 + NEAR + 0.01), near(2, 0.5 - NEAR - 0.01)]
    assert bench.rerank(clear) == [Reranked(each.score) for each in clear]
    assert (bench.model.asked, bench.loads) == ([], 0)


def test_the_model_is_loaded_once_and_only_when_it_is_needed() -> None:
    bench = Bench()
    assert bench.loads == 0
    bench.rerank([near(1)])
    bench.rerank([near(2)])
    assert bench.loads == 1


def test_pairs_of_several_queries_are_asked_about_each_with_its_own() -> None:
    bench = Bench()
    found = bench.rerank([near(1), near(2, query="harbour fire"), near(3)])
    assert [each.shift and round(each.shift, 9) for each in found] == [SHIFT, -SHIFT, SHIFT]


@given(st.permutations(range(30)))
def test_the_order_of_the_articles_changes_nothing_even_where_the_time_is_spent(order: list[int]) -> None:
    candidates = [near(n, 0.3 + 0.4 * n / 30) for n in range(30)]
    straight = Bench(pair=BUDGET / 20).rerank(candidates)
    shuffled = Bench(pair=BUDGET / 20).rerank([candidates[n] for n in order])
    assert [straight[n] for n in order] == shuffled
    assert 0 < sum(each.shift is not None for each in straight) < 30


def test_the_nearest_to_the_line_come_first_and_the_time_is_kept() -> None:
    bench = Bench(pair=BUDGET / 20)
    candidates = [near(n, 0.5 + 0.2 * n / 40) for n in range(40)]
    started = bench.clock.monotonic()
    found = bench.rerank(candidates)
    asked = [n for n, each in enumerate(found) if each.shift is not None]
    assert asked == list(range(len(asked)))
    assert GROUP < len(asked) <= 20
    assert bench.clock.monotonic() - started <= BUDGET + 1e-6
    assert len(bench.said) == 1
    assert "time" in bench.said[0]


def test_a_model_that_is_too_slow_for_one_pair_is_tried_again_later_and_holds_up_little() -> None:
    bench = Bench(pair=10 * BUDGET)
    for n in range(20):
        bench.rerank([near(n)])
    assert 1 < len(bench.model.asked) < 10


def test_a_model_that_cannot_be_loaded_leaves_the_scores_and_is_said_once() -> None:
    said: list[str] = []

    def load() -> Reranker:
        loads.append(1)
        raise RerankerFailed("there is no cross-encoder in /models/none")

    loads: list[int] = []
    rerank = Reranking(load, budget=BUDGET, now=FakeClock().monotonic, trouble=said.append)
    for _ in range(3):
        assert rerank([near(1)]) == [Reranked(0.45)]
    assert (len(said), len(loads)) == (1, 1)


def test_a_model_that_fails_for_a_moment_is_said_once_and_asked_again() -> None:
    bench = Bench()
    bench.model.failing = True
    assert bench.rerank([near(1)]) == [Reranked(0.45)]
    assert bench.rerank([near(1)]) == [Reranked(0.45)]
    bench.model.failing = False
    assert bench.rerank([near(1)])[0].shift is not None
    assert [bool(why) for why in bench.said] == [True, False]


# -- a real one


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT with two layers and random weights."""
    from tests.tiny_cross_encoder import save_cross_encoder

    return save_cross_encoder(tmp_path_factory.mktemp("cross-encoder"), labels=1)


def test_a_real_cross_encoder_gives_each_passage_a_number_from_0_to_1_in_their_order(cross_encoder: Path) -> None:
    model = CrossEncoderReranker(cross_encoder, "cpu")
    passages = ["the bridge fell", "wheat is cheap", "\ud800 half a character " + "x" * 1_000_000]
    found = model.score("bridge collapse", passages)
    assert (found.shape, found.dtype) == ((3,), np.float32)
    assert ((found > 0) & (found < 1)).all()
    backwards = model.score("bridge collapse", passages[::-1])
    assert np.allclose(found, backwards[::-1], atol=1e-5)
    assert len({round(float(value), 6) for value in found}) == 3


def test_a_model_with_several_labels_or_none_is_refused_with_what_to_do(tmp_path: Path) -> None:
    from tests.tiny_cross_encoder import save_cross_encoder

    with pytest.raises(RerankerFailed, match="labels"):
        CrossEncoderReranker(save_cross_encoder(tmp_path / "three", labels=3), "cpu")
    with pytest.raises(RerankerFailed, match=r"\[model\]"):
        CrossEncoderReranker(tmp_path / "nothing", "cpu")
    broken = save_cross_encoder(tmp_path / "broken", labels=1)
    (broken / "config.json").write_text("not JSON")
    with pytest.raises(RerankerFailed, match="cannot be loaded"):
        CrossEncoderReranker(broken, "cpu")
