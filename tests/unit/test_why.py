"""Why, or why not: one answer for every fate of an article."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from consumers.alerting import Alerter
from consumers.embedding import Embedder
from consumers.ids import article_id
from consumers.matcher import Matcher
from consumers.model import Article, Match, Part, Topic, Wanted
from daemon.cli import app
from daemon.errors import Unusable
from daemon.feeds import Feed, FeedState, SeenItem
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.feeds import FeedStates
from daemon.store.opening import open_store
from daemon.store.stories import Stories
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.why import Why, why
from daemon.why_told import carried, happened, line_of
from tests.fake_embedder import FakeEmbedder
from tests.near_miss import near_miss

NOW = 1_790_000_000.0
DAY = 86_400.0
TOPIC = Topic(id="bridge", query="bridge collapse Dover")
FEED = Feed(id="world", url="https://feeds.example.org/world.xml")
URL = "https://example.org/bridge"
CLEAR = ("Bridge collapse in Dover", "A bridge collapsed in Dover.\n\nNobody was hurt, police said.")
NEARBY = near_miss("bridge collapse Dover")
OTHER = ("Wheat exports rise", "Exports of wheat rose again.")


def article(
    text: tuple[str, str] = CLEAR, *, id_: str = "a" * 32, url: str = URL, at: float = NOW - DAY, **others: Any
) -> Article:
    return Article(
        id=id_, feed_id="world", source="example.org", url=url, title=text[0], text=text[1], seen=at, **others
    )


class Desk:
    """What the daemon does with articles: matched, archived, told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.versions = TopicVersions(store)
        self.alerter = Alerter(settle=0.0)
        self.loaded = 0

    def topic(self, topic: Topic | None = TOPIC, *, version: int = 1, at: float = NOW - 9 * DAY) -> None:
        made = topic and replace(topic, version=version)
        self.versions.remember([TopicVersion(topic_id="bridge", version=version, topic=made, at=at)])

    def read(self, *articles: Article, topic: Topic = TOPIC) -> list[Match]:
        matcher = Matcher(FakeEmbedder())
        matcher.apply({topic.id: topic})
        judged = matcher.match(articles)
        Archive(self.store).put(judged)
        return [match for each in judged for match in each.matches]

    def tell(self, matches: list[Match], at: float, topic: Topic | None = TOPIC) -> None:
        self.alerter.apply_topics({"bridge": topic})
        stories = Stories(self.store)
        stories.record(self.alerter.decide(matches, at), stories.turns(["bridge"]))

    def why(self, name: str = URL, topic: str = "bridge", **others: Any) -> Why:
        def load() -> Embedder:
            self.loaded += 1
            return FakeEmbedder()

        return why(self.store, name, topic, load=load, feeds=[FEED], now=NOW, **others)

    def said(self, name: str = URL, **others: Any) -> str:
        return " ".join(happened(self.why(name, **others)))


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


# -- in the archive


def test_an_article_that_alerted_names_its_alert_and_its_story(desk: Desk):
    desk.topic()
    desk.tell(desk.read(article()), NOW - DAY + 5)
    assert desk.said().startswith("It matched and led to the alert ")
    assert "of the story “Bridge collapse in Dover”" in desk.said()
    (copy,) = desk.why().copies
    assert copy.joining is not None
    assert [each.match_id for each in copy.joining.alerts] == [copy.joining.match.id]


def test_an_article_that_joined_a_story_told_already_says_when_that_was(desk: Desk):
    desk.topic()
    desk.tell(desk.read(article(id_="b" * 32, url="https://example.org/first")), NOW - DAY)
    desk.tell(desk.read(article()), NOW - DAY + 3_600)
    assert "It matched and joined the story “Bridge collapse in Dover”" in desk.said()
    assert "which was told already on 2026-09-20 14:13 UTC" in desk.said()


def test_backfill_is_said_to_be_never_alerted(desk: Desk):
    desk.topic()
    desk.tell(desk.read(article(backfill=True)), NOW - DAY)
    assert "which was not told" in desk.said()
    assert desk.said().endswith(
        "It was already published when its feed was first polled: such articles are archived and never alerted."
    )


def test_a_story_that_was_found_while_the_topic_was_disabled_was_not_told_for_that(desk: Desk):
    off = replace(TOPIC, enabled=False)
    desk.topic()
    desk.topic(off, version=2, at=NOW - 2 * DAY)
    desk.tell(desk.read(article()), NOW - DAY, topic=off)
    assert "which was not told: the topic was disabled." in desk.said()
    assert "The topic is disabled: nothing is compared with it until it is enabled." in desk.said()


def test_a_gate_that_stopped_it_is_named_with_what_it_found(desk: Desk):
    shut = replace(TOPIC, exclude=Wanted(any=("police",)))
    desk.topic(shut)
    desk.read(article(), topic=shut)
    assert "it was above the line, and stopped by a gate (words it must not say)" in desk.said()
    now = desk.why().now
    assert now is not None
    assert [(each.gate, each.passed, each.why) for each in now.evidence.gates][-1] == (
        "exclude",
        False,
        'says "police"',
    )


def test_an_article_just_below_the_line_says_so_and_one_far_below_that_nothing_was_kept(desk: Desk):
    desk.topic()
    desk.read(article(NEARBY), article(OTHER, id_="c" * 32, url="https://example.org/wheat"))
    assert desk.said() == "It did not match version 1: it was just below the line."
    far = desk.said("https://example.org/wheat")
    assert far == "It did not match, and was too far from the topic for its score to be kept."


def test_a_topic_that_is_younger_than_the_article_was_never_compared_with_it(desk: Desk):
    desk.read(article(), topic=Topic(id="other", query="wheat"))
    desk.topic(at=NOW - 3_600)
    assert "It was never compared with this topic, which came into force on" in desk.said()
    assert "wirewatch replay" in desk.said()
    now = desk.why().now
    assert now is not None
    assert now.matched


def test_what_the_version_in_force_says_differently_is_told(desk: Desk):
    desk.topic()
    desk.tell(desk.read(article()), NOW - DAY)
    desk.topic(replace(TOPIC, exclude=Wanted(any=("police",))), version=2, at=NOW - 60)
    assert "By version 2 it would not match any more." in desk.said()


def test_a_removed_topic_is_judged_by_what_it_was_last(desk: Desk):
    desk.topic()
    desk.tell(desk.read(article()), NOW - DAY)
    desk.topic(None, version=2, at=NOW - 60)
    assert desk.why().removed
    assert "The topic was removed on 2026-09-21 14:12 UTC" in desk.said()


def test_every_feed_that_brought_the_page_is_told_the_one_that_alerted_first(desk: Desk):
    desk.topic()
    first = replace(article(id_="b" * 32, at=NOW - DAY + 60), feed_id="front")
    desk.tell(desk.read(first), NOW - DAY)
    desk.read(article())
    assert [copy.article.feed_id for copy in desk.why().copies] == ["front", "world"]


def test_it_shows_the_passage_its_words_and_the_model(desk: Desk):
    desk.topic()
    desk.read(article())
    found = desk.why()
    assert found.now is not None
    marks = [found.now.passage.text[start:end] for start, end in found.now.passage.marks]
    assert (found.model, marks) == ("fake", ["bridge", "collapsed", "Dover"])
    assert line_of(found) == "balanced; the line that is shipped, for the archive has drawn none yet"


def test_archived_vectors_are_used_and_another_model_s_are_made_anew(desk: Desk):
    desk.topic()
    archive = Archive(desk.store)
    archive.put(Matcher(FakeEmbedder("older")).match([article()]))
    before = desk.why().now
    archive.put(Matcher(FakeEmbedder()).match([article()]))
    after = desk.why().now
    assert before is not None
    assert after is not None
    assert before.score == pytest.approx(after.score, abs=1e-3)


# -- named, and not


@pytest.mark.parametrize("name", ["a" * 32, "aaaa", "article:aaaa", URL + "?utm_source=mail#top"])
def test_an_article_is_named_by_its_url_its_id_or_how_that_begins(desk: Desk, name: str):
    desk.topic()
    desk.read(article())
    assert len(desk.why(name).copies) == 1


def test_a_name_of_several_articles_is_refused(desk: Desk):
    desk.topic()
    desk.read(article(id_="abc1", url=""), article(id_="abc2", url="", text=NEARBY))
    with pytest.raises(Unusable, match="several articles"):
        desk.why("abc")


def test_an_unknown_topic_is_answered_with_the_nearest_name(desk: Desk):
    desk.topic()
    with pytest.raises(Unusable, match='did you mean "bridge"'):
        desk.why(topic="brigde")


def test_an_article_that_was_never_read_says_which_feeds_are_of_its_host_and_loads_no_model(desk: Desk):
    desk.topic()
    states = FeedStates(desk.store)
    states.sync([FEED], NOW)
    desk.read(article(OTHER, url="https://example.org/wheat"))
    said = desk.said("https://example.org/never")
    assert said.startswith("It is not in the archive. None of the feeds of example.org has carried this URL")
    assert "The feed world (https://feeds.example.org/world.xml) was never polled." in said
    assert "The last article of example.org was read on 2026-09-20 14:13 UTC." in said
    assert said.endswith("`--fetch` reads the page now and judges it.")
    assert desk.loaded == 0


def test_an_article_that_is_no_longer_kept_is_still_remembered(desk: Desk):
    desk.topic()
    states = FeedStates(desk.store)
    states.sync([FEED], NOW)
    item = SeenItem(article_id=article_id("world", URL), content_hash="h", revision=1, last_seen=NOW - 99 * DAY)
    states.record(FeedState(feed_id="world", host="feeds.example.org", polled=NOW), [item])
    assert "One of the feeds carried it, last on 2026-06-14" in desk.said()


def test_a_host_without_a_feed_and_a_name_without_an_article_say_so(desk: Desk):
    desk.topic()
    assert "No feed of elsewhere.net is listed in feeds.toml" in desk.said("https://elsewhere.net/1")
    assert desk.said("zzzz") == "No article of the archive has the id or the URL zzzz."


def test_a_page_that_was_fetched_is_judged(desk: Desk):
    desk.topic()
    found = desk.why(fetched=article(id_="draft"))
    assert found.fetched
    assert found.now is not None
    assert found.now.matched
    assert "--fetch" not in " ".join(happened(found))


# -- in words


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"words": 0.6, "meaning": 0.3, "archive": 0.1},
            "mostly its words; its meaning helped; its likeness to the topic's best articles helped a little",
        ),
        ({"words": 0.45, "meaning": 0.4, "title": 0.15}, "its words and its meaning; its title helped a little"),
        (
            {"meaning": 1.2, "archive": -0.2},
            "mostly its meaning; its likeness to the topic's best articles spoke against it",
        ),
        ({"meaning": 0.98, "words": 0.02}, "mostly its meaning"),
        ({}, "nothing in particular"),
    ],
)
def test_the_parts_of_a_score_are_told_without_numbers(parts: dict[str, float], said: str):
    assert carried([Part(name=name, share=share) for name, share in parts.items()]) == said  # type: ignore[arg-type]


# -- the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from consumers.embedding import open_embedder

    (tmp_path / "wirewatch.toml").write_text('[model]\ndevice = "cpu"\n')
    (tmp_path / "feeds.toml").write_text(f'[[feed]]\nid = "world"\nurl = "{FEED.url}"\n')
    store = open_store("sqlite:", tmp_path / "data")
    desk = Desk(store)
    desk.topic()
    matcher = Matcher(open_embedder(device="cpu"))
    matcher.apply({"bridge": TOPIC})
    judged = matcher.match([article()])
    Archive(store).put(judged)
    desk.tell([match for each in judged for match in each.matches], NOW - DAY)
    store.close()
    return tmp_path


@pytest.fixture
def ask(folder: Path) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(app, ["--config", str(folder), "why", *arguments])


def test_the_command_tells_what_happened_and_what_it_is_now_without_a_number_of_a_score(ask: Callable[..., Result]):
    result = ask(URL, "bridge")
    assert result.exit_code == 0, result.output
    assert "bridge collapse Dover · version 1, in force" in result.stdout
    assert "It matched and led to the alert" in result.stdout
    assert "Now it matches: clearly above the line (balanced; the line that is shipped" in result.stdout
    assert "  words bridge, collapsed, Dover\n" in result.stdout
    assert "gate, enough evidence of its own: passed" in result.stdout
    assert "model: all-MiniLM-L6-v2@" in result.stdout
    row = json.loads(ask(URL, "bridge", "--json").stdout)
    assert row["articles"][0]["then"]["matched"] is row["now"]["matched"] is True
    assert row["articles"][0]["story"]["alerts"][0]["by_this_article"] is True
    assert f"{row['now']['score']:.2f}" not in result.stdout


def test_what_cannot_be_answered_is_one_sentence(ask: Callable[..., Result]):
    for arguments, why_not in (((URL, "brigde"), "did you mean"), (("a", "nothing"), "known here")):
        result = ask(*arguments)
        assert (result.exit_code, why_not in result.stderr) == (1, True)
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_page_that_may_not_be_fetched_is_refused_in_one_sentence(ask: Callable[..., Result]):
    result = ask("http://127.0.0.1:9/page", "bridge", "--fetch")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
