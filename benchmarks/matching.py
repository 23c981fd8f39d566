"""Articles per second of the whole matcher, beside the model's own ``encode`` on the same texts, in one run.

    python -m benchmarks.matching [--articles 200] [--topics 1000]

Made-up articles of a title and 60 words, as feeds carry them. "encode" embeds every text that the matcher needs, with
the library's defaults; the matcher also finds, scores and explains.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from consumers.embedding import model_folder, open_embedder
from consumers.matcher import Judged, Matcher
from consumers.model import Article, Topic
from consumers.passages import texts_of

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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matching", description=__doc__)
    parser.add_argument("--articles", type=int, default=200)
    parser.add_argument("--topics", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=64, help="articles at a time, as the pump hands them over")
    arguments = parser.parse_args()
    rng = random.Random(7)
    articles = [_article(rng, n) for n in range(arguments.articles)]
    topics = {f"t{n}": Topic(id=f"t{n}", query=_query(rng)) for n in range(arguments.topics)}

    embedder = open_embedder()
    matcher = Matcher(embedder)
    applied, _ = _seconds(lambda: matcher.apply(topics))
    edited, _ = _seconds(lambda: matcher.apply({"t0": Topic(id="t0", query="one more", version=2)}))
    texts = [text for article in articles for text in dict.fromkeys(texts_of(article).embedded)]
    matcher.match(articles[:16])  # warm
    plain = _plain_model()
    library, library_cpu = _seconds(lambda: plain.encode(texts, show_progress_bar=False))
    judged: list[Judged] = []
    ours, ours_cpu = _seconds(lambda: judged.extend(_in_batches(matcher, articles, arguments.batch)))

    count, matched = len(articles), sum(len(each.matches) for each in judged)
    print(f"{count} articles ({len(texts)} texts), {len(topics)} topics, {matched} matches")
    print(f"matcher            {ours:7.2f} s  {count / ours:7.1f} articles/s  {ours_cpu:7.2f} s of CPU")
    print(f"encode, as it is   {library:7.2f} s  {count / library:7.1f} articles/s  {library_cpu:7.2f} s of CPU")
    print(f"topics in force after {applied:.2f} s, one edit after {edited * 1_000:.0f} ms")
    return 0


def _plain_model() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model_folder("all-MiniLM-L6-v2")))


def _in_batches(matcher: Matcher, articles: Sequence[Article], size: int) -> Iterator[Judged]:
    for start in range(0, len(articles), size):
        yield from matcher.match(articles[start : start + size])


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


def _article(rng: random.Random, n: int) -> Article:
    title = f"{rng.choice(SUBJECTS).title()} {rng.choice(VERBS)} {rng.choice(PLACES)}, {rng.choice(PLACES)} {n}"
    sentences = [
        " ".join([rng.choice(PLACES), *rng.choices(WORDS, k=18), rng.choice(SUBJECTS)]) + "." for _ in range(3)
    ]
    return Article(id=str(n), feed_id="f", source="example.org", title=title, text=" ".join(sentences), seen=float(n))


if __name__ == "__main__":
    sys.exit(main())
