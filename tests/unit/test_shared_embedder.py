"""One model for several threads."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from consumers.errors import ModelUnusable
from consumers.shared_embedder import SharedEmbedder
from tests.fake_embedder import FakeEmbedder


class Crowded(FakeEmbedder):
    """Notices two threads inside."""

    def __init__(self) -> None:
        super().__init__()
        self.crowded = False
        self._inside = threading.Lock()

    def _rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not self._inside.acquire(blocking=False):
            self.crowded = True
            return super()._rows(texts)
        try:
            return super()._rows(texts)
        finally:
            self._inside.release()


def test_it_is_loaded_once_by_whoever_asks_first_and_used_by_one_thread_at_a_time() -> None:
    loaded: list[Crowded] = []

    def load() -> Crowded:
        loaded.append(Crowded())
        return loaded[-1]

    shared, together = SharedEmbedder(load), threading.Barrier(4)

    def work(number: int) -> None:
        together.wait()
        for n in range(50):
            (shared.encode if number % 2 else shared.encode_queries)([f"storm {number} {n}" * 20])

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(work, number) for number in range(4)]:
            done.result()
    (embedder,) = loaded
    assert not embedder.crowded
    assert (len(embedder.encoded), len(embedder.queries)) == (100, 100)


def test_it_answers_as_the_model_does() -> None:
    model = FakeEmbedder("a model")
    shared = SharedEmbedder(lambda: model).ready()
    assert shared.model_id == "a model"
    assert np.array_equal(shared.encode(["storm"]), model.encode(["storm"]))
    assert np.array_equal(shared.encode_queries(["storm"]), model.encode_queries(["storm"]))


def test_a_model_that_could_not_be_loaded_is_tried_again() -> None:
    tries = iter([ModelUnusable("the weights are missing"), FakeEmbedder()])

    def load() -> FakeEmbedder:
        if isinstance(found := next(tries), ModelUnusable):
            raise found
        return found

    shared = SharedEmbedder(load)
    with pytest.raises(ModelUnusable):
        shared.ready()
    assert shared.ready().model_id == "fake"
