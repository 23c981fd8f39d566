"""Quality of grouping on labelled news: ``python -m benchmarks.grouping --data FOLDER``.

Two ways to look at a set. *All news*: the set as if one topic matched all of it, which is harder in its variety and
easier in that its stories have little in common. *A topic's matches*: for every query the articles near it, so that
different stories look alike; the first articles of a topic meet no runner-up there, which is how every topic starts.

B³ precision, recall and F1 (Bagga and Baldwin, 1998), of the stories as they are at the end. *Alerts a story*: stories
founded by ours per labelled one, also those that turned out to be one later. *Hidden*: labelled stories that never
founded one, so nobody would have been told. When an article was read is in no set: they are read one a minute, in the
order of their stamps, which say when they were published. With ``--robust`` each set is run again with its stamps
twelve hours either way, and with the articles of each hour in another order.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
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
DAY, HOUR = 86_400.0, 3_600.0
READ_FROM = 1_790_000_000.0
TO_THE_DAY = frozenset({"allsides2021"})  # its stamps are a round-up's, the same for all articles of a story


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
    parser.add_argument("--robust", action="store_true", help="move the stamps and the order, too")
    parser.add_argument("sets", nargs="*", default=["basil", "g5w1h", "allsides2021", "allsides_events", "uci36h"])
    arguments = parser.parse_args()
    if not arguments.data:
        print("no evaluation sets: name their folder with --data or $WIREWATCH_EVAL")
        return 0
    embedder = open_embedder()
    print(
        f"{'set':<16}{'way':<24}{'articles':>9}  {'P':>5} {'R':>5} {'B³ F1':>6}  alerts a story  hidden  CPU ms/article"
    )
    for name in arguments.sets:
        folder = Path(arguments.data)
        labelled = list(_labelled(folder / f"{name}.docs.jsonl.gz", embedder, Path(arguments.cache)))
        if name in TO_THE_DAY:
            labelled = _moved(labelled, lambda at: at // DAY * DAY)
        _report(name, "all news", [labelled])
        for seed in range(3 if arguments.robust else 0):
            rng = random.Random(seed)
            _report(name, "stamps ±12 hours", [_moved(labelled, partial(_jittered, rng))])
            _report(name, "order within an hour", [_shuffled(labelled, rng)])
        _report(name, "a topic's matches", list(_by_topic(folder / f"{name}.topics.jsonl.gz", labelled, embedder)))
    return 0


def _jittered(rng: random.Random, at: float) -> float:
    return at + rng.uniform(-DAY, DAY) / 2


def _moved(labelled: Sequence[Labelled], moved: Callable[[float], float]) -> list[Labelled]:
    found = []
    for each in labelled:
        at = moved(each.match.article.seen)
        article = replace(each.match.article, seen=at, published=at)
        found.append(Labelled(replace(each.match, article=article), each.story))
    return sorted(found, key=lambda each: (each.match.article.seen, each.match.article.id))


def _shuffled(labelled: Sequence[Labelled], rng: random.Random) -> list[Labelled]:
    return sorted(labelled, key=lambda each: (each.match.article.seen // HOUR, rng.random()))


def _report(name: str, way: str, runs: Sequence[Sequence[Labelled]]) -> None:
    """Every run is a topic of its own."""
    truth: list[Hashable] = []
    ours: list[Hashable] = []
    founders: list[Hashable] = []
    started = time.process_time()
    for number, run in enumerate(runs):
        stories, founded = _stories(run)
        truth += [(number, each.story) for each in run]
        ours += [(number, story) for story in stories]
        founders += [(number, run[at].story) for at in founded]
    took = 1000 * (time.process_time() - started) / max(1, len(truth))
    found = compared(truth, ours, founders)
    print(
        f"{name:<16}{way:<24}{len(truth):>9}  {found.precision:.3f} {found.recall:.3f} {found.f1:>6.3f}  "
        f"{found.founded:>14.2f}  {found.hidden:>6.3f}  {took:>10.2f}",
        flush=True,
    )


def _stories(run: Sequence[Labelled]) -> tuple[list[str], list[int]]:
    """For each article the story that it ends up in; and which articles founded one."""
    tracker, into = StoryTracker(), dict[str, str]()
    first: list[str] = []
    founded: list[int] = []
    for place, each in enumerate(run):
        placed = tracker.add(each.match, READ_FROM + place * 60.0)
        assert placed is not None, "each article comes once"
        into |= {merged.absorbed.id: merged.into for merged in placed.merged}
        first.append(placed.story.id)
        founded += [place] if placed.joined.founded else []

    def last(story: str) -> str:
        while story in into:
            story = into[story]
        return story

    return [last(story) for story in first], founded


def compared(truth: Sequence[Hashable], ours: Sequence[Hashable], founders: Sequence[Hashable]) -> Found:
    """Two labels per article; ``founders``: the labelled stories of the articles that founded one of ours."""
    of_truth, of_ours, of_both = Counter(truth), Counter(ours), Counter(zip(truth, ours, strict=True))
    return Found(
        precision=sum(count**2 / of_ours[our] for (_, our), count in of_both.items()) / len(truth),
        recall=sum(count**2 / of_truth[true] for (true, _), count in of_both.items()) / len(truth),
        founded=len(founders) / len(of_truth),
        hidden=1 - len(set(founders)) / len(of_truth),
    )


def _labelled(path: Path, embedder: Embedder, cache: Path) -> Iterator[Labelled]:
    rows = sorted(_rows(path), key=lambda row: (_seconds(row["published"]), row["id"]))
    articles = [_article(row) for row in rows]
    texts = [texts_of(article).embedded for article in articles]
    wholes = _vectors([each[0] for each in texts], embedder, cache)
    titles = _vectors([each[1] for each in texts], embedder, cache)
    for row, article, whole, title in zip(rows, articles, wholes, titles, strict=True):
        match = Match(
            id=match_id(article.id, "benchmark", 1),
            topic_id="benchmark",
            topic_version=1,
            article=article,
            score=0.0,
            passage=Passage(text=article.title, number=1, of=1),
            vector=whole.astype("<f2").tobytes(),
            title_vector=title.astype("<f2").tobytes(),
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
