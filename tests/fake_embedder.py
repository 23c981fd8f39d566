"""An embedder without a model: a text's vector is made of its words, so texts that share words are near."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from consumers.words import words_of

DIMENSION = 64


class FakeEmbedder:
    """``encoded`` counts texts of articles, ``queries`` those of topics. ``means`` makes two words one."""

    def __init__(self, model_id: str = "fake", means: dict[str, str] | None = None) -> None:
        self.model_id = model_id
        self.encoded: list[str] = []
        self.queries: list[str] = []
        self._means = means or {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded.extend(texts)
        return self._rows(texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.queries.extend(texts)
        return self._rows(texts)

    def _rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self._row(text) for text in texts], dtype=np.float32).reshape(len(texts), DIMENSION)

    def _row(self, text: str) -> NDArray[np.float32]:
        row = np.full(DIMENSION, 1e-3, dtype=np.float32)
        for word in words_of(text):
            stem = self._means.get(word.stem, word.stem)
            row[int.from_bytes(blake2b(stem.encode(), digest_size=4).digest()) % DIMENSION] += 1
        return np.asarray(row / np.linalg.norm(row), dtype=np.float32)
