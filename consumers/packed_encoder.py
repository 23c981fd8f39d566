"""Texts into unit vectors by the packed pass: one torch thread for each of several workers.

The type of the matrix products is found by timing both on this machine. What a CPU says of itself is no guide: torch
reports bfloat16 as supported where it takes three times as long.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from consumers.bert_folder import Bert, NotPacked, read_bert
from consumers.packed_bert import PackedBert, Weights, read_weights

BUDGET = 1_024  # tokens of a pass: what a worker computes on stays near its core
MAX_WORKERS = 8
FASTER = 1.2  # or float32 stays
SAME = 0.9995  # smallest cosine with float32
TIMED_TOKENS = 64  # of each made-up text
TIMED_TEXTS = 4
TIMED_SECONDS = 0.3  # in all, not counting the first passes


class PackedEncoder:
    """``dtype`` is the type of the matrix products; None times both.

    Raises ``NotPacked`` where the folder or the device asks for anything that is not known here.
    """

    def __init__(self, folder: Path, device: str = "auto", dtype: torch.dtype | None = None) -> None:
        if device != "cpu" and (device != "auto" or torch.accelerator.is_available()):
            raise NotPacked("the device is no CPU")
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads compete with torch's, for 3 % of the time
        self._bert = read_bert(folder)
        self._tokenizer = _tokenizer(folder, self._bert.window)
        self._workers = min(torch.get_num_threads(), MAX_WORKERS)
        self._passes = ThreadPoolExecutor(self._workers, "embedding", initializer=torch.set_num_threads, initargs=(1,))
        weights = read_weights(folder / "model.safetensors", self._bert)
        if self._tokenizer.get_vocab_size() > len(weights.words):
            raise NotPacked("its tokenizer knows tokens that its weights do not")
        if dtype is None:
            dtype = self._passes.submit(_fastest, self._bert, weights).result()
        self._pass = PackedBert(self._bert, weights, dtype)

    @property
    def dimension(self) -> int:
        return self._bert.hidden

    @property
    def prompts(self) -> Mapping[str, str]:
        return self._bert.prompts

    @property
    def path(self) -> str:
        return f"packed {str(self._pass.dtype).removeprefix('torch.')}, {self._workers} workers"

    def rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # tokenising takes 3 % of the time and stays on this thread
        tokens = [each.ids for each in self._tokenizer.encode_batch_fast(list(texts))]
        found = np.zeros((len(tokens), self.dimension), dtype=np.float32)
        batches = list(_batches([len(ids) for ids in tokens], self._workers))
        waiting = [self._passes.submit(self._pass, [tokens[n] for n in batch]) for batch in batches]
        for batch, done in zip(batches, waiting, strict=True):
            found[batch] = done.result()
        return found


def _tokenizer(folder: Path, window: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_buffer((folder / "tokenizer.json").read_bytes())
    except (OSError, ValueError) as error:
        raise NotPacked("tokenizer.json cannot be read") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(window)
    empty = tokenizer.encode("")
    if not empty.ids or any(empty.type_ids):
        raise NotPacked("its tokenizer puts nothing around a text")
    return tokenizer


def _batches(lengths: Sequence[int], workers: int) -> Iterator[list[int]]:
    """Places of texts, longest first, in passes of about ``BUDGET`` tokens; a handful keeps every worker busy, too."""
    budget = min(BUDGET, -(-sum(lengths) // workers))
    batch: list[int] = []
    tokens = 0
    for n in sorted(range(len(lengths)), key=lambda n: lengths[n], reverse=True):
        if batch and tokens + lengths[n] > budget:
            yield batch
            batch, tokens = [], 0
        batch.append(n)
        tokens += lengths[n]
    if batch:
        yield batch


def _fastest(bert: Bert, weights: Weights) -> torch.dtype:
    """Times both types on made-up texts, by this thread's CPU: what else runs on the machine does not count."""
    exact, short = PackedBert(bert, weights), PackedBert(bert, weights, torch.bfloat16)
    length = min(TIMED_TOKENS, bert.window)
    few = min(1_000, len(weights.words))  # not to map the whole table
    texts = np.random.default_rng(7).integers(0, few, (TIMED_TEXTS, length)).tolist()
    cosine = float(np.sum(exact(texts) * short(texts), axis=1).min())
    best = {exact: float("inf"), short: float("inf")}
    until = time.thread_time() + TIMED_SECONDS
    while time.thread_time() < until:
        for each in best:
            started = time.thread_time()
            each(texts)
            best[each] = min(best[each], time.thread_time() - started)
    return (short if worth_it(best[exact], best[short], cosine) else exact).dtype


def worth_it(exact: float, short: float, cosine: float) -> bool:
    """Whether bfloat16, ``short`` seconds against ``exact`` ones, is clearly faster and gives the same vectors."""
    return cosine >= SAME and short * FASTER <= exact
