"""Quality of grouping on labelled news: ``python -m benchmarks.grouping --data FOLDER``.

Two ways to look at a set. *All news*: the set as if one topic matched all of it, which is harder in its variety and
easier in that its stories have little in common. *A topic's matches*: for every query the articles near it, so that
different stories look alike; the first articles of a topic meet no runner-up there, which is how every topic starts.

B³ precision, recall and F1 (Bagga and Baldwin, 1998). *Alerts a story*: stories founded by ours per labelled one.
*Hidden*: labelled stories that never founded one, so nobody would have been told.
"""

import argparse
import gzip
import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumers.embedding import Embedder, open_embedder
from consumers.ids import match_id
from consumers.model import Article, Match, Passage
from consumers.passages import texts_of
from consumers.stories import StoryTracker

NEAR = 0.4  # cosine of query and article: about what a sensitive topic lets through


@dataclass(frozen=True, slots=True)
class Labelled:
    match: Match
    story: str


@dataclass(frozen=True, slots=True)
class Found:
    precision: float
    recall: float
    founded: float
    hidden: float

    @property
    def f1(self) -> float:
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grouping", description=__doc__)
    parser.add_argument("--data", default=os.environ.get("WIREWATCH_EVAL", ""), help="folder of *.docs.jsonl.gz")
    parser.add_argument("--cache", default=str(Path(tempfile.gettempdir()) / "wirewatch-grouping"), help="for vectors")
    parser.add_argument("sets", nargs="*", default=["basil", "g5w1h", "allsides2021", "uci36h"])
    arguments = parser.parse_args()
    if not arguments.data:
        print("no evaluation sets: name their folder with --data or $WIREWATCH_EVAL")
        return 0
    embedder = open_embedder()
    print(f"{'set':<16}{'way':<18}{'articles':>9}  {'P':>5} {'R':>5} {'B³ F1':>6}  alerts a story  hidden  ms/article")
    for name in arguments.sets:
        folder = Path(arguments.data)
        labelled = list(_labelled(folder / f"{name}.docs.jsonl.gz", embedder, Path(arguments.cache)))
        _report(name, "all news", [labelled])
        _report(name, "a topic's matches", list(_by_topic(folder / f"{name}.topics.jsonl.gz", labelled, embedder)))
    return 0


def _report(name: str, way: str, runs: Sequence[Sequence[Labelled]]) -> None:
    """Every run is a topic of its own."""
    truth: list[Hashable] = []
    ours: list[Hashable] = []
    started = time.perf_counter()
    for number, run in enumerate(runs):
        tracker = StoryTracker()
        for each in run:
            placed = tracker.add(each.match, each.match.article.seen)
            truth.append((number, each.story))
            ours.append((number, placed.story.id if placed else ""))
    took = 1000 * (time.perf_counter() - started) / max(1, len(truth))
    found = compared(truth, ours)
    print(
        f"{name:<16}{way:<18}{len(truth):>9}  {found.precision:.3f} {found.recall:.3f} {found.f1:>6.3f}  "
        f"{found.founded:>14.2f}  {found.hidden:>6.3f}  {took:>10.2f}",
        flush=True,
    )


def compared(truth: Sequence[Hashable], ours: Sequence[Hashable]) -> Found:
    """Two labels per article, in the order of arrival."""
    of_truth, of_ours, of_both = Counter(truth), Counter(ours), Counter(zip(truth, ours, strict=True))
    founders = dict(zip(reversed(ours), reversed(truth), strict=True))  # the first article of each of our stories
    return Found(
        precision=sum(count**2 / of_ours[our] for (_, our), count in of_both.items()) / len(truth),
        recall=sum(count**2 / of_truth[true] for (true, _), count in of_both.items()) / len(truth),
        founded=len(of_ours) / len(of_truth),
        hidden=1 - len(set(founders.values())) / len(of_truth),
    )


def _labelled(path: Path, embedder: Embedder, cache: Path) -> Iterator[Labelled]:
    rows = sorted(_rows(path), key=lambda row: (_seconds(row["published"]), row["id"]))
    articles = [_article(row) for row in rows]
    vectors = _vectors([texts_of(article).embedded[0] for article in articles], embedder, cache)
    for row, article, vector in zip(rows, articles, vectors, strict=True):
        match = Match(
            id=match_id(article.id, "benchmark", 1),
            topic_id="benchmark",
            topic_version=1,
            article=article,
            score=0.0,
            passage=Passage(text=article.title, number=1, of=1),
            vector=vector.astype("<f2").tobytes(),
        )
        yield Labelled(match, row["story"])


def _by_topic(path: Path, labelled: Sequence[Labelled], embedder: Embedder) -> Iterator[list[Labelled]]:
    topics = list(_rows(path))
    queries = embedder.encode_queries([topic["query"] for topic in topics])
    vectors = np.stack([np.frombuffer(each.match.vector, dtype="<f2") for each in labelled]).astype(np.float32)
    for topic, cosines in zip(topics, queries @ vectors.T, strict=True):
        start = _seconds(topic["active_from"], default=-np.inf)
        end = _seconds(topic["active_until"], default=np.inf)
        near = [
            each
            for each, cosine in zip(labelled, cosines, strict=True)
            if cosine >= NEAR and start <= each.match.article.seen <= end
        ]
        if near:
            yield near


def _article(row: dict[str, Any]) -> Article:
    at = _seconds(row["published"])
    return Article(
        id=row["id"],
        feed_id="benchmark",
        source=row["source"] or "",
        url=row["url"] or "",
        title=row["title"] or "",
        text=row["text"] or "",
        published=at,
        seen=at,
    )


def _seconds(stamp: str | None, default: float = 0.0) -> float:
    return datetime.fromisoformat(stamp).timestamp() if stamp else default


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _vectors(texts: Sequence[str], embedder: Embedder, cache: Path) -> NDArray[np.float32]:
    key = hashlib.blake2b("\0".join((embedder.model_id, *texts)).encode(), digest_size=16).hexdigest()
    path = cache / f"{key}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, embedder.encode(texts))
    return np.asarray(np.load(path), dtype=np.float32)


if __name__ == "__main__":
    sys.exit(main())
