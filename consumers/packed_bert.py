"""A BERT encoder's forward pass without padding: the tokens of all texts are the rows of one matrix.

Every matrix product runs over all tokens at once; only attention runs text by text.
The sum that goes on from layer to layer is kept in float32, whatever the type of the products: with bfloat16 that
halves the distance to float32 (smallest cosine of 300 texts 0.99996 instead of 0.99989).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn.functional import embedding, gelu, layer_norm, linear, normalize, scaled_dot_product_attention

from consumers.bert_folder import Bert, NotPacked

ROUND = 64  # rows of a matrix are a multiple of it: oneDNN compiles its kernels once for every number of rows
WORDS = "embeddings.word_embeddings.weight"
Linear = tuple[Tensor, Tensor]  # weight, bias


@dataclass(frozen=True)
class Layer:
    query_key_value: Linear
    attended: Linear
    attended_norm: Linear
    up: Linear
    down: Linear
    norm: Linear


@dataclass(frozen=True)
class Weights:
    words: Tensor  # float32 in every pass: looked up, never multiplied
    positions: Tensor
    norm: Linear
    layers: tuple[Layer, ...]


def read_weights(file: Path, bert: Bert) -> Weights:
    """In float32. The tensors are the mapped file itself, as far as they need no joining. Raises ``NotPacked``.

    The table of words is a mapping of its own: a pass in another type drops the rest, which is 42 MB of MiniLM.
    """
    try:
        with safe_open(file, framework="pt") as opened, safe_open(file, framework="pt") as table:
            tensors = {
                name: (table if name.endswith(WORDS) else opened).get_tensor(name)
                for name in opened.keys()  # noqa: SIM118 - no mapping
            }
        return _weights(tensors, bert)
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise NotPacked(f"its weights are not those of a BERT: {error}") from error


def _weights(tensors: dict[str, Tensor], bert: Bert) -> Weights:
    prefix = next((name.removesuffix(WORDS) for name in sorted(tensors) if name.endswith(WORDS)), "")

    def one(name: str) -> Tensor:
        tensor = tensors[prefix + name]
        if tensor.dtype != torch.float32:
            raise NotPacked(f"its weights are {tensor.dtype}")
        return tensor

    def pair(name: str) -> Linear:
        return one(f"{name}.weight"), one(f"{name}.bias")

    def layer(number: int) -> Layer:
        at = f"encoder.layer.{number}"
        three = [pair(f"{at}.attention.self.{name}") for name in ("query", "key", "value")]
        return Layer(
            query_key_value=(torch.cat([weight for weight, _ in three]), torch.cat([bias for _, bias in three])),
            attended=pair(f"{at}.attention.output.dense"),
            attended_norm=pair(f"{at}.attention.output.LayerNorm"),
            up=pair(f"{at}.intermediate.dense"),
            down=pair(f"{at}.output.dense"),
            norm=pair(f"{at}.output.LayerNorm"),
        )

    words, positions = one(WORDS), one("embeddings.position_embeddings.weight")
    if words.shape[1] != bert.hidden or bert.hidden % bert.heads or len(positions) < bert.positions:
        raise NotPacked("its weights have other sizes than config.json says")
    return Weights(
        words=words,
        positions=positions + one("embeddings.token_type_embeddings.weight")[0],
        norm=pair("embeddings.LayerNorm"),
        layers=tuple(layer(number) for number in range(bert.layers)),
    )


class PackedBert:
    """May be called by several threads at once. ``dtype`` is the type of the matrix products."""

    def __init__(self, bert: Bert, weights: Weights, dtype: torch.dtype = torch.float32) -> None:
        def typed(pair: Linear) -> Linear:
            return pair[0].to(dtype), pair[1].to(dtype)

        def own(pair: Linear) -> Linear:
            return pair[0].clone(), pair[1].clone()  # a few kB that would keep the whole mapping

        self.dtype = dtype
        self._bert = bert
        self._words, self._positions, self._norm = weights.words, weights.positions, own(weights.norm)
        self._layers = [
            Layer(
                query_key_value=typed(each.query_key_value),
                attended=typed(each.attended),
                attended_norm=own(each.attended_norm),
                up=typed(each.up),
                down=typed(each.down),
                norm=own(each.norm),
            )
            for each in weights.layers
        ]

    @torch.inference_mode()
    def __call__(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Token ids of each text, at least one, to a unit row each."""
        ends = list(accumulate(len(ids) for ids in texts))
        spans = [slice(end - len(ids), end) for ids, end in zip(texts, ends, strict=True)]
        filler = [0] * (-ends[-1] % ROUND)
        words = torch.tensor([token for ids in texts for token in ids] + filler)
        places = torch.tensor([place for ids in texts for place in self._places(ids)] + filler)
        rows = self._normed(embedding(words, self._words).add_(embedding(places, self._positions)), self._norm)
        for layer in self._layers:
            rows = self._normed(linear(self._attended(rows, layer, spans), *layer.attended) + rows, layer.attended_norm)
            inner = gelu(linear(rows.to(self.dtype), *layer.up))
            rows = self._normed(linear(inner, *layer.down) + rows, layer.norm)
        pooled = torch.stack([self._pooled(rows[span]) for span in spans])
        return np.asarray(normalize(pooled).numpy(), dtype=np.float32)

    def _places(self, ids: Sequence[int]) -> Sequence[int]:
        """As the models do it: a padding token that stands in a text counts for nothing."""
        padding = self._bert.padding
        if padding is None:
            return range(len(ids))
        counts = np.asarray(ids) != padding
        return [int(place) for place in np.cumsum(counts) * counts + padding]

    def _attended(self, rows: Tensor, layer: Layer, spans: Sequence[slice]) -> Tensor:
        """One text at a time, though equal lengths could go together: as fast, and the same whatever is beside it."""
        heads, wide = self._bert.heads, self._bert.hidden // self._bert.heads
        joined = linear(rows.to(self.dtype), *layer.query_key_value)
        found = torch.zeros(rows.shape, dtype=self.dtype)
        for span in spans:
            query, key, value = joined[span].view(-1, 3, heads, wide).permute(1, 2, 0, 3).unsqueeze(1)
            found[span] = scaled_dot_product_attention(query, key, value)[0].transpose(0, 1).flatten(1)
        return found

    def _normed(self, rows: Tensor, norm: Linear) -> Tensor:
        return layer_norm(rows, (self._bert.hidden,), *norm, self._bert.eps)

    def _pooled(self, rows: Tensor) -> Tensor:
        return rows.mean(dim=0) if self._bert.pooling == "mean" else rows[0]
