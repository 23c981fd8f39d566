"""Rows of every article of a set, kept outside the repository so that a second run takes seconds."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consumers.embedding import Embedder
from consumers.model import Article
from consumers.passages import texts_of

Rows = Sequence[NDArray[np.float32]]
CHUNK = 256  # articles between two lines of progress


def rows_of(articles: Sequence[Article], embedder: Embedder, cache: Path) -> list[NDArray[np.float32]]:
    """One array of rows (whole, title, passages…) per article, rounded to float16 as the archive keeps them."""
    texts = [texts_of(article).embedded for article in articles]
    flat = [text for embedded in texts for text in embedded]
    vectors = _cached(flat, embedder, cache)
    ends = np.cumsum([len(embedded) for embedded in texts])
    return [part.astype(np.float32) for part in np.split(vectors, ends[:-1])]


def _cached(flat: Sequence[str], embedder: Embedder, cache: Path) -> NDArray[np.float16]:
    key = hashlib.blake2b("\0".join((embedder.model_id, *flat)).encode(), digest_size=16).hexdigest()
    path = cache / f"{key}.npy"
    if path.exists():
        return np.asarray(np.load(path), dtype=np.float16)
    unique = list(dict.fromkeys(flat))
    parts = []
    for start in range(0, len(unique), CHUNK):
        parts.append(embedder.encode(unique[start : start + CHUNK]).astype(np.float16))
        print(f"\r  embedding {min(start + CHUNK, len(unique))} of {len(unique)} texts", end="", flush=True)
    print()
    rows = {text: n for n, text in enumerate(unique)}
    vectors = np.concatenate(parts)[[rows[text] for text in flat]]
    cache.mkdir(parents=True, exist_ok=True)
    np.save(path, vectors)
    return vectors
