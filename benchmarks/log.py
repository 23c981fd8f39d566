"""How fast the SQLite log is, beside bare sqlite3 doing the same durable work in the same run.

    python -m benchmarks.log [--articles 20000] [--batch 64] [--rounds 3]

Articles of about 2 kB are appended in batches, then read and committed in batches. Bare sqlite3 writes and reads the
same bytes with the same pragmas, without encoding, decoding or waking anybody: the ratio is what the log adds.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median

from consumers.model import ARTICLES, Article
from daemon.clock import SystemClock
from daemon.log import DeadLetter
from daemon.log.codec import encode
from daemon.log.sqlite import SqliteLog


def article(number: int) -> Article:
    text = f"Paragraph {number} of a report that is as long as reports in feeds are, with “quotes” in it.\n\n" * 18
    return Article(id=f"{number:032x}", feed_id="feed", source="example.org", title="A title", text=text, seen=1.0)


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def through_the_log(folder: Path, articles: Sequence[Article], batch: int) -> tuple[float, float]:
    """Seconds to append, and to read and commit."""

    def no_quarantine(letters: Sequence[DeadLetter]) -> None:
        raise AssertionError(letters)

    log = SqliteLog(folder / "log.sqlite", quarantine=no_quarantine, clock=SystemClock())

    def append() -> None:
        for start in range(0, len(articles), batch):
            log.append(ARTICLES, articles[start : start + batch])

    def read() -> None:
        with closing(log.reader(ARTICLES, "match")) as reader:
            while reader.read(batch, 0.0):
                reader.commit()

    with closing(log):
        return seconds(append), seconds(read)


def through_sqlite(folder: Path, articles: Sequence[Article], batch: int) -> tuple[float, float]:
    """The same without encoding, decoding, keys, order checks or wake-ups."""
    payloads = [encode(ARTICLES, one) for one in articles]
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.executescript(
        """PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE records (position INTEGER PRIMARY KEY, payload BLOB);
        CREATE TABLE place (position INTEGER); INSERT INTO place VALUES (0);"""
    )

    def append() -> None:
        for start in range(0, len(payloads), batch):
            connection.execute("BEGIN IMMEDIATE")
            rows = [(payload,) for payload in payloads[start : start + batch]]
            connection.executemany("INSERT INTO records (payload) VALUES (?)", rows)
            connection.execute("COMMIT")

    def read() -> None:
        query = "SELECT position, payload FROM records WHERE position > ? ORDER BY position LIMIT ?"
        position = 0
        while rows := connection.execute(query, (position, batch)).fetchall():
            position = rows[-1][0]
            connection.execute("UPDATE place SET position = ?", (position,))

    with closing(connection):
        return seconds(append), seconds(read)


def main() -> None:
    options = argparse.ArgumentParser(description="The SQLite log beside bare sqlite3.")
    options.add_argument("--articles", type=int, default=20_000)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    articles = [article(number) for number in range(given.articles)]
    size = len(encode(ARTICLES, articles[0]))
    print(f"{given.articles:,} articles of {size:,} bytes in batches of {given.batch}, median of {given.rounds} rounds")
    taken: dict[str, list[tuple[float, float]]] = {"log": [], "bare sqlite3": []}
    for _ in range(given.rounds):
        for name, run in (("log", through_the_log), ("bare sqlite3", through_sqlite)):
            with tempfile.TemporaryDirectory() as folder:
                taken[name].append(run(Path(folder), articles, given.batch))
    for part, what in enumerate(("append", "read and commit")):
        ours, bare = (given.articles / median(one[part] for one in rounds) for rounds in taken.values())
        print(f"{what:16} log {ours:9,.0f}/s   bare sqlite3 {bare:9,.0f}/s   ratio {ours / bare:.2f}")


if __name__ == "__main__":
    main()
