"""One model for all threads that embed: loaded once, by whoever asks first, and used by one of them at a time."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from consumers.embedding import Embedder


class SharedEmbedder:
    """Threads may share it. What a topic's query waits for at most is a batch of articles."""

    def __init__(self, load: Callable[[], Embedder]) -> None:
        """``load`` may raise ``ModelUnusable``; then it is called again the next time."""
        self._load = load
        self._loaded: Embedder | None = None
        self._turn = threading.Lock()

    def ready(self) -> "SharedEmbedder":
        """Returns when the model is loaded. Raises ``ModelUnusable``."""
        with self._turn:
            self._model()
        return self

    @property
    def model_id(self) -> str:
        with self._turn:
            return self._model().model_id

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._turn:
            return self._model().encode(texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._turn:
            return self._model().encode_queries(texts)

    def _model(self) -> Embedder:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded
