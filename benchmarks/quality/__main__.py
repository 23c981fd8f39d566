"""Per set: mAP, and F1 of the decision, micro / macro over topics; this build beside three others.

    this build          its own decision, no label seen; the set is the archive, as when a topic is back-tested
    10 verdicts         the same after its user has judged ten articles of each topic; judged articles count
    plain MiniLM, BM25, the release before    with one line for all topics, the one that is best on the other sets

Below it: calibrated on the first half and judged on the second (causal), alerts before the event has happened (cold
start), and alerts a day promised against what came.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.quality import sets
from benchmarks.quality.measures import Curve, curve, line_without, micro_macro
from benchmarks.quality.ours import Archived, Outcome, causal, cold, promised, whole_archive, with_verdicts
from benchmarks.quality.previous import previous
from benchmarks.quality.vectors import rows_of
from benchmarks.quality.ways import bm25, cosine, plain_rows
from consumers.asked import Asked, asked_of
from consumers.embedding import Embedder, open_embedder

VERDICTS = 10
CAUSAL = ("reuters", "nyt201804", "uci36h", "allsides_events", "allsides2021")
COLD = ("allsides2021", "allsides_events", "uci36h")
PROMISED = ("reuters",)
FACTOR = 1.5
LARGE = ("allsides_full",)  # unjudged background: only where it is asked for


def main() -> int:
    arguments = _arguments()
    folder = Path(arguments.data or os.environ.get("WIREWATCH_EVAL", "")).expanduser()
    found = sets.names(folder) if arguments.data or os.environ.get("WIREWATCH_EVAL") else []
    names = [name for name in found if (name in arguments.sets if arguments.sets else name not in LARGE)]
    if not names:
        print("no evaluation sets (NAME.docs.jsonl.gz, NAME.topics.jsonl.gz): say --data FOLDER or set $WIREWATCH_EVAL")
        return 0
    embedder = open_embedder()
    ways: dict[str, dict[str, Curve]] = {}
    ours: dict[str, tuple[list[Outcome], list[Outcome]]] = {}
    notes: list[str] = []
    for name in names:
        print(name, flush=True)
        chosen = sets.load(folder, name)
        archived = Archived(chosen, rows_of(chosen.articles, embedder, Path(arguments.cache)))
        asked = asked_of([judged.topic for judged in chosen.judgements], embedder)
        for way, result in _others(archived, asked, embedder).items():
            ways.setdefault(way, {})[name] = result
        ours[name] = list(whole_archive(archived, asked)), list(with_verdicts(archived, asked, VERDICTS))
        notes += _notes(name, archived, asked)
    _print(names, ways, ours)
    print("\n" + "\n".join(notes))
    return 0


def _others(archived: Archived, asked: Sequence[Asked], embedder: Embedder) -> Mapping[str, Curve]:
    chosen, rows = archived.chosen, archived.rows
    plain = plain_rows(chosen, embedder)
    scores = {
        "plain MiniLM": cosine(chosen, plain, rows),
        "BM25": bm25(chosen),
        "release before": previous(chosen, asked, plain, rows),
    }
    return {
        way: curve([(each, judged.positive) for each, judged in zip(of_way, chosen.judgements, strict=True)])
        for way, of_way in scores.items()
    }


def _notes(name: str, archived: Archived, asked: Sequence[Asked]) -> list[str]:
    notes = []
    if name in CAUSAL:
        topics = list(causal(archived, asked))
        half, running, every = (_figures([getattr(each, way) for each in topics]) for way in ("half", "running", "all"))
        notes.append(
            f"{name:<16} second half, {len(topics)} topics: calibrated on the first {half}; on what came before, as it "
            f"comes {running}; on all {every}"
        )
    if name in COLD:
        colds = list(cold(archived, asked))
        none, newer = (np.array([getattr(each, kind) for each in colds]) for kind in ("none", "half"))
        judged = np.mean([each.judged for each in colds])
        notes.append(
            f"{name:<16} before the event, {len(colds)} topics, {judged:.0f} articles each: without an archive "
            f"{none.mean():.1f} matches a topic (median {np.median(none):.0f}); with one, on its newer half "
            f"{newer.mean():.1f} (median {np.median(newer):.0f}, none for {np.mean(newer == 0):.0%})"
        )
    if name in PROMISED:
        for wanted in (None, 1.0, 3.0):
            said, came = np.array(list(promised(archived, asked, wanted))).T
            told = said > 0
            ratio = np.maximum(said[told], 1e-9) / np.maximum(came[told], 1e-9)
            kept = np.mean((ratio <= FACTOR) & (ratio >= 1 / FACTOR))
            what = "balanced" if wanted is None else f"alerts_per_day = {wanted:g}"
            notes.append(
                f"{name:<16} {what}: promised within a factor {FACTOR} of what came for {kept:.0%} of {told.sum()} "
                f"topics; median promised {np.median(said):.1f}, came {np.median(came):.1f}"
            )
    return notes


def _figures(outcomes: Sequence[Outcome]) -> str:
    micro, macro = micro_macro([each.counts for each in outcomes])
    return f"{np.mean([each.precision for each in outcomes]):.3f}  {micro:.3f}/{macro:.3f}"


def _print(
    names: Sequence[str],
    ways: Mapping[str, Mapping[str, Curve]],
    ours: Mapping[str, tuple[list[Outcome], list[Outcome]]],
) -> None:
    print(f"\n{'set':<16} {'way':<15} {'mAP':>5}  {'F1 micro/macro':<15}")
    for name in names:
        print(f"{name:<16} {'this build':<15} {_figures(ours[name][0])}")
        print(f"{name:<16} {f'{VERDICTS} verdicts':<15} {_figures(ours[name][1])}")
        for way, curves in ways.items():
            micro, macro = curves[name].at(line_without(name, curves))
            print(f"{name:<16} {way:<15} {curves[name].mean_average_precision:.3f}  {micro:.3f}/{macro:.3f}")


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
