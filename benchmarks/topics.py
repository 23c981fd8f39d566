"""What many topics cost: an edit of one of them, from the file to the matcher, and the search for an article.

    python -m benchmarks.topics [--topics 100000] [--edits 5]

The daemon's own parts in one process, on SQLite, with an embedder that invents its vectors. Measured for each edit:
from the moment the file is saved to the moment the matcher's report of the new version can be read from the store.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.latency import percentile
from consumers.topic_index import TopicIndex
from daemon.clock import SystemClock
from daemon.log.sqlite import SqliteLog
from daemon.publish import TopicPublisher
from daemon.reload import TOPICS, ConfigFiles, Reloaded
from daemon.roles import Alerting, Matching
from daemon.settings import load_settings
from daemon.store.archive import Archive
from daemon.store.dead_letters import DeadLetters
from daemon.store.opening import open_store
from daemon.store.stories import Stories
from daemon.store.topics import TopicVersions
from daemon.topics_file import topics_file
from daemon.watch import FolderWatch
from tests.one_model import OneModel
from tests.scene import wait_until

DIMENSION = 384
WORKER = "bench"
SUBJECTS = "storm bridge election hospital harvest railway museum border court harbour river stadium".split()
PLACES = "Dover Lyon Porto Gdansk Bari Ghent Riga Cork Split Turku Graz Aarhus Osaka Lima Quito Perth".split()


class InventedEmbedder:
    """A unit row for each text, the same one every time."""

    model_id = "invented"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        chance = np.random.default_rng(len(texts[0]) if texts else 0)
        rows = chance.standard_normal((len(texts), DIMENSION)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    encode_queries = encode


def text_of(count: int) -> str:
    rng = random.Random(7)
    blocks = []
    for number in range(count):
        lines = ["[[topic]]", f'id = "t{number}"', f'query = "{rng.choice(SUBJECTS)} {rng.choice(PLACES)} {number}"']
        if number % 3 == 0:
            lines.append('kind = "theme"')
        if number % 4 == 0:
            lines.append('description = "What is meant, in a sentence or two, as many people write it."')
        if number % 10 == 0:
            lines.insert(0, "# desk 4")
        blocks.append("\n".join(lines) + "\n")
    return "# What we watch for.\n\n" + "\n".join(blocks)


@dataclass(frozen=True, slots=True)
class Edit:
    """Seconds: of the command after it has read the file, from the save to the matcher's report, of CPU for both."""

    command: float
    in_force: float
    cpu: float


def edits(folder: Path, versions: TopicVersions, count: int, times: int) -> Iterator[Edit]:
    file = topics_file(folder / TOPICS, ["console"])
    print(f"command: read it   {_seconds(file.load):7.2f} s", flush=True)
    for number in range(times):
        topic_id = f"t{(number + 1) * count // (times + 1)}"
        started, used = time.perf_counter(), time.process_time()
        file.change(topic_id, {"query": f"an edit {number}"})
        saved = time.perf_counter()
        reported = partial(_reported, versions, topic_id, 2)
        wait_until(reported, what=f"edit {number} in force")
        yield Edit(saved - started, time.perf_counter() - saved, time.process_time() - used)


def _reported(versions: TopicVersions, topic_id: str, version: int) -> bool:
    return versions.applied_by(topic_id).get(WORKER, (0, 0.0))[0] == version


def search(count: int, batch: int) -> float:
    """Seconds an article, as a median of ten batches."""
    embedder = InventedEmbedder()
    vectors = embedder.encode(["topics"] * count)
    index = TopicIndex({str(number): (row, 0.25) for number, row in enumerate(vectors)})
    rows = embedder.encode(["an article"] * batch)
    return percentile([_seconds(partial(index.search, rows)) for _ in range(10)], 0.5) / batch


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _nothing(*_: object) -> None:
    pass


def _trouble(why: str) -> None:
    if why:
        print(f"trouble: {why}", file=sys.stderr)


def _told(look: Reloaded) -> None:
    if look.error:
        print(look.error, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.topics", description=__doc__)
    parser.add_argument("--topics", type=int, default=100_000)
    parser.add_argument("--edits", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="articles at a time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wirewatch-topics-") as folder:
        _edits(Path(folder), arguments.topics, arguments.edits)
    took = search(arguments.topics, arguments.batch)
    print(f"search             {took * 1_000:7.2f} ms an article, {arguments.batch} at a time")
    return 0


def _edits(folder: Path, count: int, times: int) -> None:
    clock, stop = SystemClock(), threading.Event()
    (folder / TOPICS).write_text(text_of(count))
    with (
        closing(open_store("sqlite:", folder / "data")) as store,
        closing(SqliteLog(folder / "data" / "log.sqlite", quarantine=DeadLetters(store).put, clock=clock)) as log,
    ):
        versions = TopicVersions(store)
        letters = DeadLetters(store)
        matching = Matching(
            worker=WORKER,
            log=log,
            archive=Archive(store),
            versions=versions,
            quarantine=letters.put,
            clock=clock,
            models=OneModel(InventedEmbedder()),
            beat=_nothing,
            trouble=_trouble,
            judged=_nothing,
            rejected=_nothing,
        )
        alerting = Alerting(
            log=log,
            stories=Stories(store),
            quarantine=letters.put,
            clock=clock,
            settle=0.0,
            beat=_nothing,
            trouble=_trouble,
            decided=_nothing,
            rejected=_nothing,
            summary=_nothing,
        )
        files = ConfigFiles(
            folder,
            load_settings(folder / "wirewatch.toml"),
            kept=folder / "data" / "kept",
            publish=TopicPublisher(log, versions, clock).publish,
            set_feeds=_nothing,
            set_channels=_nothing,
            report=_told,
            names=(TOPICS,),
        )
        watch = FolderWatch(folder, (TOPICS,), files.on_change)
        print(f"{count:,} topics, {(folder / TOPICS).stat().st_size / 1e6:.1f} MB", flush=True)
        print(f"first publication  {_seconds(files.start):7.2f} s", flush=True)
        threads = [threading.Thread(target=run, args=(stop,)) for run in (matching.run, alerting.run, watch.run)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        try:
            last = f"t{count - 1}"
            wait_until(lambda: versions.applied_by(last), what="the topics are in force")
            print(f"start of a matcher {time.perf_counter() - started:7.2f} s", flush=True)
            took = list(edits(folder, versions, count, times))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    slowest = max(edit.in_force for edit in took)
    print(f"command: edit it   {percentile([edit.command for edit in took], 0.5):7.2f} s")
    print(f"saved to in force  {percentile([edit.in_force for edit in took], 0.5):7.2f} s, the slowest {slowest:.2f} s")
    print(f"CPU of both        {percentile([edit.cpu for edit in took], 0.5):7.2f} s")
    print(f"memory             {psutil.Process(os.getpid()).memory_info().rss / 1e6:7.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
