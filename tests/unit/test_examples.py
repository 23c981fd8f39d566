"""The texts behind examples: from the archive, from the page, or with the reason why there is none."""

import asyncio
import threading
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from consumers.matcher import Judged
from consumers.model import Article, Topic
from daemon.errors import Unavailable
from daemon.example_reader import AGAIN, LONGEST, ExampleReader
from daemon.examples import MOST_TEXT, SampleReader, Unread, copy_of, unread
from daemon.fetch.client import FeedClient
from daemon.fetch.failure import PollFailed
from daemon.fetch.guard import EgressGuard
from daemon.page import read_page
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.examples import Example, Examples
from daemon.store.verdicts import Verdict, Verdicts
from tests.fake_embedder import DIMENSION, FakeEmbedder
from tests.fake_feeds import SteadyClock, serving_feeds

URL = "https://example.org/strikes"


def topic(*examples: str, counter: tuple[str, ...] = ()) -> Topic:
    return Topic(id="strikes", query="airstrikes", examples=examples, counter_examples=counter)


def archived(store: Store, name: str, *, url: str = "", model: str = "fake") -> Article:
    article = Article(
        id=name, feed_id="f", source="example.org", url=url, title=f"On {name}", text=f"About {name}.", seen=50.0
    )
    rows = np.full((3, DIMENSION), 0.125, np.float16)
    Archive(store).put([Judged(article, model, rows, (), ())])
    return article


class Pages:
    """Pages by URL: (title, text), or why they cannot be read. ``asked`` are all that were wanted, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.has: dict[str, tuple[str, str] | PollFailed] = {}

    async def read(self, url: str) -> tuple[str, str]:
        self.asked.append(url)
        answer = self.has.get(url) or PollFailed("missing", "the page is not there")
        if isinstance(answer, PollFailed):
            raise answer
        return answer


class Scene:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.examples = Examples(store)
        self.pages = Pages()
        self.clock = SteadyClock()
        self.reader = self.fresh_reader()

    def fresh_reader(self) -> ExampleReader:
        """As after a restart."""
        return ExampleReader(self.examples, Archive(self.store), read=self.pages.read, clock=self.clock)

    def samples(self, embedder: FakeEmbedder | None = None) -> SampleReader:
        return SampleReader(self.examples, Archive(self.store), embedder or FakeEmbedder(), threading.Lock())


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


# -- what is kept


def test_examples_come_back_by_the_name_that_the_topic_gave_them(store: Store) -> None:
    examples = Examples(store)
    long = "https://example.org/" + "x" * 3_500
    kept = [Example(ref=ref, url=ref, title="T", text="Text.", at=1.0) for ref in (URL, long, "article:a")]
    examples.put(kept)
    assert examples.get([URL, long, "article:a", "https://example.org/other"]) == {each.ref: each for each in kept}


def test_a_failure_never_replaces_a_text_and_a_text_replaces_a_failure(store: Store) -> None:
    examples = Examples(store)
    failure = Example(ref=URL, reason="away", at=1.0)
    examples.put([failure])
    assert list(examples.failed()) == [failure]
    read = Example(ref=URL, title="T", text="Text.", at=2.0)
    examples.put([read])
    examples.put([replace(failure, at=3.0)])
    assert examples.get([URL]) == {URL: read}
    assert list(examples.failed()) == []


def test_what_nobody_names_is_forgotten_but_for_what_a_verdict_is_about(store: Store) -> None:
    examples = Examples(store)
    examples.put([Example(ref=ref, text="t", at=1.0) for ref in ("article:named", "article:judged", URL)])
    Verdicts(store).put([Verdict(topic_id="t", article_id="judged", relevant=True, state="accepted", at=1.0)])
    assert examples.forget_all_but(["article:named"]) == 1
    assert set(examples.get(["article:named", "article:judged", URL])) == {"article:named", "article:judged"}


def test_no_more_of_a_page_is_kept_than_is_needed() -> None:
    article = Article(id="a", feed_id="f", source="s", title="t" * 900, text="x" * (MOST_TEXT + 1), seen=1.0)
    copy = copy_of(article, "article:a", 2.0)
    assert (len(copy.title), len(copy.text)) == (500, MOST_TEXT)


# -- reading


async def test_an_article_outlives_the_archive(scene: Scene) -> None:
    archived(scene.store, "a")
    await scene.reader.resolve([topic("article:a")])
    Archive(scene.store).delete_before(100.0, 10)
    assert scene.examples.get(["article:a"])["article:a"].text == "About a."
    assert len(scene.samples().samples_of(topic("article:a"))) == 1


async def test_a_page_of_the_archive_is_not_fetched(scene: Scene) -> None:
    archived(scene.store, "a", url=URL)
    await scene.reader.resolve([topic(URL + "?utm_source=x")])
    assert scene.pages.asked == []
    assert scene.examples.get([URL + "?utm_source=x"])[URL + "?utm_source=x"].title == "On a"


async def test_another_page_is_fetched_once(scene: Scene) -> None:
    scene.pages.has[URL] = ("Strikes", "Bombs fell.")
    for _ in range(2):
        await scene.reader.resolve([topic(URL)])
    await scene.fresh_reader().resolve([topic(URL)])
    assert scene.pages.asked == [URL]
    assert scene.examples.get([URL])[URL].text == "Bombs fell."


async def test_a_page_is_read_through_the_egress_guard(scene: Scene) -> None:
    async with serving_feeds() as fake:
        html = {"content-type": "text/html"}
        fake.answer("/page", b"<title>Strikes</title><p>Bombs fell on Homs.</p>", headers=html)
        url = fake.url("/page")
        for allowed in ([], ["127.0.0.0/8"]):
            async with FeedClient(guard=EgressGuard(allowed), clock=scene.clock, user_agent="test") as client:
                reader = ExampleReader(
                    scene.examples, Archive(scene.store), read=partial(read_page, client), clock=scene.clock
                )
                await reader.resolve([topic(url)])
                (left,) = unread(topic(url), scene.examples) or (None,)
                assert (left is None) is bool(allowed)
            scene.clock.go(AGAIN)
        assert scene.examples.get([url])[url].text == "Bombs fell on Homs."


async def test_what_failed_is_tried_again_with_growing_pauses(scene: Scene) -> None:
    named = [topic(URL)]
    await scene.reader.resolve(named)
    tried = [scene.clock.now()]
    while len(tried) < 12:
        scene.clock.go(AGAIN / 2)
        await scene.reader.resolve(named)
        if len(scene.pages.asked) > len(tried):
            tried.append(scene.clock.now())
    pauses = [after - before for before, after in pairwise(tried)]
    assert pauses == [min(AGAIN * 2**n, LONGEST) for n in range(11)]
    assert unread(topic(URL), scene.examples) == (Unread(ref=URL, relevant=True, why="the page is not there"),)
    scene.pages.has[URL] = ("Strikes", "Bombs fell.")
    scene.clock.go(LONGEST)
    await scene.reader.resolve(named)
    assert unread(topic(URL), scene.examples) == ()


async def test_a_site_that_wants_to_be_left_alone_is(scene: Scene) -> None:
    scene.pages.has[URL] = PollFailed("throttled", "too many requests", retry_after=5 * AGAIN)
    await scene.reader.resolve([topic(URL)])
    scene.clock.go(4 * AGAIN)
    await scene.reader.resolve([topic(URL)])
    assert len(scene.pages.asked) == 1
    scene.clock.go(AGAIN)
    await scene.reader.resolve([topic(URL)])
    assert len(scene.pages.asked) == 2


async def test_a_restart_does_not_ask_again_at_once(scene: Scene) -> None:
    await scene.reader.resolve([topic(URL)])
    scene.clock.go(AGAIN - 1)
    again = scene.fresh_reader()
    await again.resolve([topic(URL)])
    assert len(scene.pages.asked) == 1
    scene.clock.go(1)
    await again.resolve([topic(URL)])
    assert len(scene.pages.asked) == 2


async def test_a_page_that_hangs_holds_up_no_other_host(scene: Scene) -> None:
    released, other_read = asyncio.Event(), asyncio.Event()

    async def read(url: str) -> tuple[str, str]:
        if url == URL:
            await released.wait()
        else:
            other_read.set()
        return "T", "Text."

    reader = ExampleReader(scene.examples, Archive(scene.store), read=read, clock=scene.clock)
    reading = asyncio.create_task(reader.resolve([topic(URL, "https://other.example/a")]))
    async with asyncio.timeout(60):
        await other_read.wait()
        released.set()
        await reading
    assert unread(topic(URL, "https://other.example/a"), scene.examples) == ()


async def test_an_article_that_is_gone_is_said_to_be(scene: Scene) -> None:
    await scene.reader.resolve([topic(counter=("article:gone",))])
    (left,) = unread(topic(counter=("article:gone",)), scene.examples)
    assert (left.ref, left.relevant) == ("article:gone", False)
    assert "no article with this id" in left.why
    assert scene.pages.asked == []


async def test_an_example_that_no_topic_names_any_longer_is_forgotten(scene: Scene) -> None:
    scene.pages.has[URL] = ("Strikes", "Bombs fell.")
    await scene.reader.resolve([topic(URL)])
    await scene.reader.resolve([topic()])
    assert scene.examples.get([URL]) == {}
    await scene.reader.resolve([topic(URL)])
    assert len(scene.pages.asked) == 2


async def test_it_goes_on_after_the_store_was_away(scene: Scene) -> None:
    read = asyncio.Event()
    answers = [Unavailable("the store cannot be written")]

    class Away(Examples):
        def forget_all_but(self, refs: Collection[str]) -> int:
            if answers:
                raise answers.pop()
            return super().forget_all_but(refs)

    async def page(url: str) -> tuple[str, str]:
        read.set()
        return "Strikes", "Bombs fell."

    reader = ExampleReader(Away(scene.store), Archive(scene.store), read=page, clock=scene.clock, every=0.01)
    ended = asyncio.Event()
    task = asyncio.create_task(reader.run(lambda: [topic(URL)], ended))
    async with asyncio.timeout(60):
        await read.wait()
        ended.set()
        await task
    assert answers == []


async def test_whoever_takes_it_over_again_looks_at_what_is_there(scene: Scene) -> None:
    scene.pages.has[URL] = ("Strikes", "Bombs fell.")
    await scene.reader.resolve([topic(URL)])
    scene.examples.forget_all_but([])  # by the one who did it in between
    ended = asyncio.Event()
    await scene.reader.run(lambda: ended.set(), ended)
    await scene.reader.resolve([topic(URL)])
    assert len(scene.pages.asked) == 2


async def test_while_it_is_another_process_work_nothing_is_read_or_forgotten(scene: Scene) -> None:
    scene.examples.put([Example(ref="article:a", text="t", at=1.0)])
    ended = asyncio.Event()
    await scene.reader.run(lambda: ended.set(), ended)
    assert set(scene.examples.get(["article:a"])) == {"article:a"}


# -- rows


def test_a_text_is_its_own_example(scene: Scene) -> None:
    embedder = FakeEmbedder()
    (sample,) = scene.samples(embedder).samples_of(topic("text:Bombs fell on Homs."))
    assert (sample.ref, sample.relevant, sample.title) == ("text:Bombs fell on Homs.", True, "Bombs fell on Homs.")
    assert sample.row == embedder.encode(["Bombs fell on Homs."])[0].astype("<f2").tobytes()


def test_a_long_text_is_named_by_its_first_words(scene: Scene) -> None:
    (sample,) = scene.samples().samples_of(topic("text:" + "word " * 50))
    assert sample.title == "word " * 15 + "word …"


def test_what_could_not_be_read_yet_is_left_out_and_joins_when_it_is(scene: Scene) -> None:
    named = topic("text:one", URL, counter=("article:b",))
    samples = scene.samples()
    scene.examples.put([Example(ref=URL, reason="away", at=1.0)])
    assert [each.ref for each in samples.samples_of(named)] == ["text:one"]
    scene.examples.put([Example(ref=URL, title="T", text="Text.", at=2.0)])
    archived(scene.store, "b")
    found = samples.samples_of(named)
    assert [(each.ref, each.relevant) for each in found] == [("text:one", True), (URL, True), ("article:b", False)]


def test_nothing_is_embedded_twice(scene: Scene) -> None:
    embedder = FakeEmbedder()
    samples = scene.samples(embedder)
    named = topic("text:one", "text:two")
    assert samples.samples_of(named) == samples.samples_of(named)
    samples.samples_of(topic("text:two"))
    assert embedder.encoded == ["one", "two"]


def test_an_archived_article_brings_its_row_where_the_model_is_the_same(scene: Scene) -> None:
    archived(scene.store, "same")
    archived(scene.store, "other", model="older")
    embedder = FakeEmbedder()
    same, other = scene.samples(embedder).samples_of(topic("article:same", "article:other"))
    assert same.row == np.full(DIMENSION, 0.125, "<f2").tobytes()
    assert embedder.encoded == ["On other. About other."]
    assert other.title == "On other"


def test_the_row_of_a_copy_is_that_of_the_article(scene: Scene) -> None:
    article = archived(scene.store, "a", model="older")
    before = scene.samples().samples_of(topic("article:a"))
    scene.examples.put([copy_of(article, "article:a", 1.0)])
    Archive(scene.store).delete_before(100.0, 10)
    assert scene.samples().samples_of(topic("article:a")) == before
