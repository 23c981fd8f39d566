"""Archives that are made up: plain news of many subjects, and a few reports of one event among them."""

import random
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from hypothesis import strategies as st

from consumers.asked import Asked, asked_of
from consumers.bag import bag_of
from consumers.corpus import Corpus, CorpusBuilder
from consumers.embedding import Embedder
from consumers.model import Article, Topic
from consumers.passages import texts_of
from tests.fake_embedder import FakeEmbedder

MODEL = "fake"
START = 1_790_000_000.0
DAY = 86_400.0
SUBJECTS = (
    "budget election harvest hospital railway museum court stadium parliament vaccine tariff merger satellite pension "
    "prison refinery orchestra teachers wages pollen marathon festival library census lottery"
).split()
VERBS = "reopens closes grows fails delays divides helps worries surprises unites begins ends".split()
PLACES = "Lyon Porto Gdansk Bari Ghent Riga Cork Split Turku Graz Aarhus Osaka Lima Quito Perth Lagos Hanoi".split()
COMMON = (
    "officials said people two years new plan city local early report week work water power school market police road "
    "night former group house public health cost talks minister friday morning district company north season"
).split()
EVENT = "Bridge collapse Dover"  # the topic that the reports of `event` are about
REPORTED = (
    "Bridge collapses in Dover",
    "Dover bridge collapse kills two",
    "Bridge in Dover collapsed at night",
    "Collapse of Dover bridge: mayor speaks",
    "Divers search under collapsed Dover bridge",
    "Dover mourns after bridge collapse",
)

_SAID = (
    "air strikes airstrikes Airstrike fire storm firestorm big bigair bridge collapse Dover the in U.S. 12,5".split()
)
# Texts that a made-up topic may be found in, and any other text there is.
written = st.lists(st.sampled_from(_SAID), max_size=14).map(" ".join) | st.text(max_size=60)


def article(title: str, text: str = "", *, at: float = START, name: str = "", source: str = "example.org") -> Article:
    named = name or f"{title} {at:.0f}"
    return Article(
        id=named, feed_id="f", source=source, url=f"https://{source}/{named}", title=title, text=text, seen=at
    )


def noise(count: int, *, seed: int = 1, days: float = 30.0) -> list[Article]:
    """Evenly over the days, one subject each."""
    chance = random.Random(seed)
    return [
        article(
            f"{chance.choice(SUBJECTS).title()} {chance.choice(VERBS)} {chance.choice(PLACES)}",
            " ".join(chance.choices(COMMON, k=12)).capitalize() + f" in {chance.choice(PLACES)}.",
            at=START + days * DAY * n / max(count - 1, 1),
            name=f"noise {seed} {n}",
        )
        for n in range(count)
    ]


def event(count: int, *, seed: int = 1, first: float = START + 10 * DAY, apart: float = 3_600.0) -> list[Article]:
    """Reports of one event, ``apart`` seconds from each other."""
    chance = random.Random(seed)
    return [
        article(
            REPORTED[n % len(REPORTED)],
            f"The bridge collapsed in Dover. {' '.join(chance.choices(COMMON, k=6)).capitalize()}.",
            at=first + apart * n,
            name=f"event {seed} {n}",
            source=f"{n}.example.org",
        )
        for n in range(count)
    ]


def mentions(count: int, *, seed: int = 1, apart: float = 3.1 * DAY) -> list[Article]:
    """Articles that say the event's words among others, some more and some less: each another story."""
    chance = random.Random(seed)
    return [
        article(
            f"{' '.join(chance.sample(['Bridge', 'collapse', 'Dover'], k=1 + n % 3))}: {chance.choice(SUBJECTS)} "
            f"{chance.choice(VERBS)} {chance.choice(PLACES)}",
            f"{' '.join(chance.choices(COMMON + SUBJECTS, k=10)).capitalize()} {'Dover ' * (n % 4)}.",
            at=START + apart * n,
            name=f"mention {seed} {n}",
        )
        for n in range(count)
    ]


def corpus_of(articles: Iterable[Article], embedder: Embedder | None = None) -> Corpus:
    """As the archive would give it: rows of float16, and bags."""
    return add(CorpusBuilder(), articles, embedder or FakeEmbedder()).corpus()


def add(builder: CorpusBuilder, articles: Iterable[Article], embedder: Embedder) -> CorpusBuilder:
    for each in articles:
        texts = texts_of(each)
        whole, title = embedder.encode(texts.embedded[:2]).astype(np.float16)
        builder.add(each.id, each.url, each.published or each.seen, whole, title, bag_of(texts))
    return builder


@cache
def archive(count: int = 400, reports: int = 12) -> Corpus:
    """A month of noise with one event in it. Shared: nobody changes a corpus."""
    return corpus_of([*noise(count), *event(reports)])


def asked(query: str = EVENT, embedder: Embedder | None = None, **fields: object) -> Asked:
    return ask(Topic(id="t", query=query, **fields), embedder)  # type: ignore[arg-type]


def ask(topic: Topic, embedder: Embedder | None = None) -> Asked:
    return asked_of([topic], embedder or FakeEmbedder())[0]


def ids(articles: Sequence[Article]) -> list[str]:
    return [each.id for each in articles]
