"""Embedding beside ``SentenceTransformer.encode`` out of the box, on the same texts, in one run.

    python -m benchmarks.embedding [--articles 300] [--rounds 3] [--model FOLDER]

Made-up articles of 40 to 700 words (50 to 256 tokens), none of them twice. The two take turns, so that whatever else
the machine does hits both; the ratio is the median of the rounds'. The last line also
says how far apart the vectors are.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching import PLACES, SUBJECTS, VERBS, WORDS
from consumers.embedding import DEFAULT_MODEL, model_folder, open_embedder

FEWEST, MOST = 40, 700  # words


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedding", description=__doc__)
    parser.add_argument("--articles", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    arguments = parser.parse_args()
    rng = random.Random(7)
    rounds = [[_text(rng) for _ in range(arguments.articles)] for _ in range(arguments.rounds)]

    opened, _, embedder = _seconds(open_embedder, arguments.model)
    plain = _plain_model(arguments.model)
    print(f"AMX: {'yes' if _amx() else 'no'}; {embedder.path}, open after {opened:.1f} s")
    _warm(embedder.encode, plain.encode, rng)
    took = np.zeros((arguments.rounds, 4))
    cosines: list[float] = []
    for n, texts in enumerate(rounds):
        ours, ours_cpu, rows = _seconds(embedder.encode, texts)
        library, library_cpu, vectors = _seconds(plain.encode, texts, show_progress_bar=False)
        took[n] = library, library_cpu, ours, ours_cpu
        cosines.extend(_cosines(rows, vectors))
        print(f"round {n + 1}: encode {library:6.2f} s, ours {ours:6.2f} s, {library / ours:.2f} times as fast")
    for name, seconds, cpu in (("encode, as it is", *took[:, :2].T), ("ours", *took[:, 2:].T)):
        middle = statistics.median(seconds)
        print(
            f"{name:18} {middle:6.2f} s  {arguments.articles / middle:7.1f} articles/s  {np.median(cpu):6.2f} s of CPU"
        )
    times, cpu_times = (np.median(took[:, n] / took[:, n + 2]) for n in (0, 1))
    print(f"{times:.2f} times as fast by the clock, {cpu_times:.2f} times by CPU; smallest cosine {min(cosines):.5f}")
    return 0


def _plain_model(name: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_folder(name)), device="cpu")


def _warm(ours: Callable[[Sequence[str]], object], library: Callable[..., object], rng: random.Random) -> None:
    texts = [_text(rng) for _ in range(32)]
    ours(texts)
    library(texts, show_progress_bar=False)


def _text(rng: random.Random) -> str:
    """As many short articles as long ones, by the logarithm of their words."""
    count = round(FEWEST * (MOST / FEWEST) ** rng.random())
    words = rng.choices((*WORDS, *SUBJECTS, *VERBS, *PLACES), k=count)
    return ". ".join(" ".join(words[start : start + 18]) for start in range(0, count, 18))


def _cosines(rows: NDArray[np.float32], vectors: NDArray[np.float32]) -> list[float]:
    lengths = np.linalg.norm(vectors, axis=1)
    return [float(cosine) for cosine in np.sum(rows * vectors, axis=1) / lengths]


def _seconds(work: Callable[..., Any], *given: object, **options: object) -> tuple[float, float, Any]:
    """By the clock, and of CPU."""
    started, used = time.perf_counter(), time.process_time()
    made = work(*given, **options)
    return time.perf_counter() - started, time.process_time() - used, made


def _amx() -> bool:
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and "amx_bf16" in cpu.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
