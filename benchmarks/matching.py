"""The whole matcher beside embedding alone, and beside the library's own ``encode``, in one run.

    python -m benchmarks.matching [--articles 200] [--topics 1000] [--rounds 3]

Made-up articles of a title and 60 words, as feeds carry them, none of them twice. The three take turns, in another
order each round, so that whatever else the machine does hits all; a ratio is the median of the rounds'.

- matcher: decodes the articles as they come from the log, embeds, finds, weighs and explains, by topics that are
  calibrated, and archives into SQLite, in batches as the pump hands them over
- embedding: the same texts but for a number in each, in the same batches, by the same embedder, and nothing else
- encode: the same texts at once, by sentence-transformers with its defaults
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consumers.asked import asked_of
from consumers.calibration import calibrate
from consumers.corpus import CorpusBuilder
from consumers.embedding import TextEmbedder, model_folder, open_embedder
from consumers.matcher import Judged, Matcher
from consumers.model import ARTICLES, Article, Topic
from consumers.passages import texts_of
from daemon.log.codec import decode, encode
from daemon.store.archive import Archive
from daemon.store.opening import open_store

SUBJECTS = (
    "storm bridge election hospital harvest railway museum border court harbour river stadium budget strike".split()
)
VERBS = "reopens closes grows fails delays divides helps worries surprises unites".split()
PLACES = "Dover Lyon Porto Gdansk Bari Ghent Riga Cork Split Turku Graz Aarhus".split()
ELSEWHERE = "Osaka Lima Quito Perth Lagos Hanoi Dakar Tampa Bogota Nairobi Manila Karachi Tunis Havana Accra".split()
OTHERWISE = (
    "earthquake lawsuit merger parliament vaccine satellite prison copper tariff refinery typhoon pension".split()
)
WORDS = (
    "the a of in on after before officials said people two years new plan more than which will also city local early "
    "report week work water power school market police road night former group house public health cost talks"
).split()
ARCHIVED = 200  # articles that the topics are calibrated over


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matching", description=__doc__)
    parser.add_argument("--articles", type=int, default=200, help="of each round")
    parser.add_argument("--topics", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64, help="articles at a time, as the pump hands them over")
    arguments = parser.parse_args()
    rng = random.Random(7)
    rounds = [[_article(rng) for _ in range(arguments.articles)] for _ in range(arguments.rounds)]
    topics = {f"t{n}": Topic(id=f"t{n}", query=_query(rng)) for n in range(arguments.topics)}

    embedder = open_embedder()
    matcher = Matcher(embedder)
    applied, _ = _seconds(lambda: matcher.apply(topics))
    edited, _ = _seconds(lambda: matcher.apply({"t0": Topic(id="t0", query="one more", version=2)}))
    archived = [_article(rng) for _ in range(ARCHIVED)]
    calibrated, _ = _seconds(lambda: _calibrate(matcher, embedder, archived))
    with tempfile.TemporaryDirectory() as folder, closing(open_store("sqlite:", Path(folder))) as store:
        ways = Ways(matcher, embedder, _plain_model(), Archive(store), arguments.batch)
        for each in (ways.matcher, ways.embedding, ways.library):  # warm
            each([_article(rng) for _ in range(32)])
        warm = len(ways.judged)
        measured = _measured(ways, rounds)

    count, matched = arguments.articles, sum(len(each.matches) for each in ways.judged[warm:])
    texts = sum(len(_texts(articles)) for articles in rounds)
    print(
        f"{embedder.path}; {arguments.rounds} rounds of {count} articles ({texts} texts), {len(topics)} topics, ",
        end="",
    )
    print(f"{matched} matches")
    for name, took in measured.items():
        clock, cpu = (statistics.median(each) for each in zip(*took, strict=True))
        print(f"{name:10} {clock:7.2f} s  {count / clock:7.1f} articles/s  {cpu:7.2f} s of CPU")
    print(f"matcher / embedding  {_ratio(measured, 'matcher', 'embedding')}")
    print(f"encode / matcher     {_ratio(measured, 'encode', 'matcher')}")
    print(f"topics in force after {applied:.2f} s, an edit after {edited * 1e3:.0f} ms")
    print(f"calibrated over {len(archived)} articles after {calibrated:.2f} s")
    return 0


@dataclass
class Ways:
    by_topics: Matcher
    embedder: TextEmbedder  # the matcher's: a second one may be computing in another way
    plain: Any
    archive: Archive
    batch: int

    def __post_init__(self) -> None:
        self.judged: list[Judged] = []

    def matcher(self, articles: Sequence[Article]) -> None:
        records = [encode(ARTICLES, article) for article in articles]
        for start in range(0, len(records), self.batch):
            read = [decode(ARTICLES, record) for record in records[start : start + self.batch]]
            judged = self.by_topics.match(read)
            self.archive.put(judged)
            self.judged.extend(judged)

    def embedding(self, articles: Sequence[Article]) -> None:
        for start in range(0, len(articles), self.batch):
            renamed = [_renumbered(article) for article in articles[start : start + self.batch]]
            self.embedder.encode(_texts(renamed))

    def library(self, articles: Sequence[Article]) -> None:
        self.plain.encode(_texts(articles), show_progress_bar=False)


def _measured(ways: Ways, rounds: Sequence[Sequence[Article]]) -> dict[str, list[tuple[float, float]]]:
    """By way the seconds of each round, by the clock and of CPU."""
    works = [("matcher", ways.matcher), ("embedding", ways.embedding), ("encode", ways.library)]
    took: dict[str, list[tuple[float, float]]] = {name: [] for name, _ in works}
    for n, articles in enumerate(rounds):
        for name, work in works if n % 2 == 0 else reversed(works):
            took[name].append(_seconds(lambda work=work, articles=articles: work(articles)))  # type: ignore[misc]
    return took


def _ratio(measured: dict[str, list[tuple[float, float]]], above: str, below: str) -> str:
    pairs = [
        (one[0] / other[0], one[1] / other[1]) for one, other in zip(measured[above], measured[below], strict=True)
    ]
    clock, cpu = (statistics.median(each) for each in zip(*pairs, strict=True))
    spread = ", ".join(f"{pair[0]:.2f}" for pair in pairs)
    return f"{clock:5.2f} by the clock ({spread}), {cpu:5.2f} by CPU"


def _calibrate(matcher: Matcher, embedder: TextEmbedder, archive: Sequence[Article]) -> None:
    builder = CorpusBuilder()
    for judged in matcher.match(archive):
        assert judged.bag is not None
        article = judged.article
        builder.add(article.id, article.url, article.seen, judged.vectors[0], judged.vectors[1], judged.bag)
    corpus = builder.corpus()
    asked = asked_of([watch.topic for watch in matcher.watches.values()], embedder)
    made = [calibrate(each, corpus, model=embedder.model_id, now=0.0) for each in asked]
    matcher.calibrate({each.topic_id: each for each in made})


def _renumbered(article: Article) -> Article:
    """What an embedder has embedded it keeps; the number is in every text."""
    return replace(article, title=article.title.replace(article.id, article.id[::-1]))


def _texts(articles: Sequence[Article]) -> list[str]:
    return [text for article in articles for text in dict.fromkeys(texts_of(article).embedded)]


def _plain_model() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_folder("all-MiniLM-L6-v2")))


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of CPU."""
    started, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - used


def _query(rng: random.Random) -> str:
    """Nine topics of ten are about other things than the articles."""
    if rng.random() < 0.9:
        return f"{rng.choice(OTHERWISE)} {rng.choice(ELSEWHERE)}"
    return f"{rng.choice(SUBJECTS)} {rng.choice(PLACES)} {rng.choice(VERBS)}"


def _article(rng: random.Random) -> Article:
    n = rng.getrandbits(40)
    title = f"{rng.choice(SUBJECTS).title()} {rng.choice(VERBS)} {rng.choice(PLACES)}, {rng.choice(PLACES)} {n}"
    sentences = [
        " ".join([rng.choice(PLACES), *rng.choices(WORDS, k=18), rng.choice(SUBJECTS)]) + "." for _ in range(3)
    ]
    return Article(id=str(n), feed_id="f", source="example.org", title=title, text=" ".join(sentences), seen=n / 2**20)


if __name__ == "__main__":
    sys.exit(main())
