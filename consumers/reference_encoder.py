"""Texts into unit vectors by sentence-transformers itself: every model, every device.

On a CPU every forward pass gets one thread, and several passes run side by side, in batches of 8 sorted by length.
Measured on 2 cores: on an idle machine that takes the time of the library's own ``encode`` in such batches (280 texts
of 20 to 250 tokens: 3.7 s both; 5.5 s in its default batches of 32, which pad more). On a busy one, torch's threads
spend their time waiting for each other inside each pass: 120 texts took 7.6 to 30 s, and 2.4 to 5.3 s this way.
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consumers.errors import ModelUnusable

QUIET: Mapping[str, str] = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",  # its threads compete with torch's, for 3 % of the time
}
os.environ.update(QUIET)  # read by the libraries once, when they are imported

import torch  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from transformers.utils import logging  # noqa: E402

BATCH = 8
MAX_PASSES = 8  # side by side


class ReferenceEncoder:
    """``device`` is "auto" or one of torch's. Nothing is fetched from anywhere. Raises ``ModelUnusable``."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self._model = _load(folder, device)
        self._cores = min(torch.get_num_threads(), MAX_PASSES) if self._model.device.type == "cpu" else 0
        self._passes = _passes(self._cores) if self._cores else None

    @property
    def dimension(self) -> int:
        return self._model.get_embedding_dimension() or 0

    @property
    def prompts(self) -> Mapping[str, str]:
        return {name: prompt or "" for name, prompt in self._model.prompts.items()}

    @property
    def path(self) -> str:
        return f"sentence-transformers on {self._model.device.type}" + (
            f", {self._cores} workers" if self._cores else ""
        )

    def rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._side_by_side(texts, self._passes) if self._passes else self._at_once(texts)

    def _side_by_side(self, texts: Sequence[str], passes: ThreadPoolExecutor) -> NDArray[np.float32]:
        """Tokenising stays on this thread: the tokeniser is not made for several."""
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]), reverse=True)
        size = max(1, min(BATCH, -(-len(order) // self._cores)))  # a handful of texts keeps every core busy, too
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        waiting = [
            passes.submit(_forward, self._model, self._model.preprocess([texts[n] for n in batch])) for batch in batches
        ]
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for batch, done in zip(batches, waiting, strict=True):
            vectors[batch] = done.result()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)

    def _at_once(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Where the device runs a pass in parallel by itself."""
        vectors = self._model.encode(
            list(texts), prompt="", show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        )
        return np.asarray(vectors, dtype=np.float32)


def _forward(model: SentenceTransformer, features: dict[str, torch.Tensor]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.asarray(model(features)["sentence_embedding"].float().numpy(), dtype=np.float32)


def _passes(cores: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores, "embedding", initializer=torch.set_num_threads, initargs=(1,))


def _load(folder: Path, device: str) -> SentenceTransformer:
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(
            str(folder), device=None if device == "auto" else device, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnusable(f"the model in {folder} cannot be loaded: {error}") from error
