"""Per set: mAP, and F1 with one line for all topics.

``line`` is the product's own, chosen with these sets in view. ``left out`` is the honest figure: the line that is
best on the other sets, as a new set would find it.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.quality import sets
from benchmarks.quality.measures import Curve, curve, line_without
from benchmarks.quality.sets import EvaluationSet
from benchmarks.quality.vectors import rows_of
from benchmarks.quality.ways import bm25, cosine, wirewatch
from consumers.embedding import Embedder, SentenceTransformerEmbedder
from consumers.matcher import watches_of
from consumers.scoring import LINE

OURS = "wirewatch"


def main() -> int:
    arguments = _arguments()
    folder = Path(arguments.data or os.environ.get("WIREWATCH_EVAL", "")).expanduser()
    found = sets.names(folder) if arguments.data or os.environ.get("WIREWATCH_EVAL") else []
    names = [name for name in found if not arguments.sets or name in arguments.sets]
    if not names:
        print("no evaluation sets (NAME.docs.jsonl.gz, NAME.topics.jsonl.gz): say --data FOLDER or set $WIREWATCH_EVAL")
        return 0
    embedder = SentenceTransformerEmbedder()
    ways: dict[str, dict[str, Curve]] = {}
    for name in names:
        print(name, flush=True)
        for way, result in _measured(sets.load(folder, name), embedder, Path(arguments.cache)).items():
            ways.setdefault(way, {})[name] = result
    _print(names, ways)
    return 0


def _measured(chosen: EvaluationSet, embedder: Embedder, cache: Path) -> Mapping[str, Curve]:
    rows = rows_of(chosen.articles, embedder, cache)
    watches = watches_of([judged.topic for judged in chosen.judgements], embedder)
    scores = {
        OURS: wirewatch(chosen, watches, rows),
        "MiniLM cosine": cosine(chosen, watches, rows),
        "BM25": bm25(chosen),
    }
    return {
        way: curve([(each, judged.positive) for each, judged in zip(of_way, chosen.judgements, strict=True)])
        for way, of_way in scores.items()
    }


def _print(names: list[str], ways: Mapping[str, Mapping[str, Curve]]) -> None:
    head = f"{'set':<16} {'way':<14} {'mAP':>5}   F1 micro/macro:"
    print(f"\n{head} {'left out':>12} {f'line {LINE}':>12} {'best line':>10}")
    for name in names:
        for way, curves in ways.items():
            here = curves[name]
            line = line_without(name, curves)
            own = "{:.2f}/{:.2f}".format(*here.at(LINE)) if way == OURS else ""
            left_out = "{:.2f}/{:.2f}".format(*here.at(line))
            print(
                f"{name:<16} {way:<14} {here.mean_average_precision:>5.3f} {'':<17}"
                f"{left_out:>12} {own:>12} {here.macro.max():>10.2f}"
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--data", help="folder of the evaluation sets; else $WIREWATCH_EVAL")
    parser.add_argument("--sets", nargs="*", help="only these")
    parser.add_argument(
        "--cache", default=str(Path(tempfile.gettempdir()) / "wirewatch-quality"), help="for embeddings"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
