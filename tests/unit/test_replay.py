"""Archived articles are compared once more: in the lane of backfill, in order, and as often as anybody likes."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from consumers.asked import asked_of
from consumers.matcher import Judged, Matcher
from consumers.model import BACKFILL, MATCHES_BACKFILL, Article, Calibration, Topic
from consumers.watch import Watch
from daemon.errors import Unavailable, Unusable
from daemon.log.codec import decode
from daemon.replay import Replay, since, verbs
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.calibrations import Calibrations, Drawn
from daemon.store.chronicle import Chronicle, Place, Span
from daemon.store.topics import TopicVersion, TopicVersions
from tests.fake_embedder import FakeEmbedder
from tests.fake_log import Broker, FakeClock, FakeQuarantine, MemoryLog

NOW = 1_790_000_000.0
DAY = 86_400.0
HARBOUR = Topic(id="harbour", query="harbour fire")


def article(
    number: int, title: str = "Fire in the harbour", *, at: float = NOW - DAY, backfill: bool = False
) -> Article:
    return Article(
        id=f"article-{number:03}",
        feed_id="feed",
        source="wire.example",
        url=f"https://wire.example/{number}",
        title=title,
        text=f"{title}, said the harbour master.",
        seen=at,
        backfill=backfill,
    )


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def log(broker: Broker, clock: FakeClock) -> MemoryLog:
    return MemoryLog(broker, quarantine=FakeQuarantine(), clock=clock)


def keep(store: Store, *articles: Article, topics: Sequence[Topic] = (), model: str = "fake") -> list[Judged]:
    """As the matcher archives them."""
    matcher = Matcher(FakeEmbedder(model))
    matcher.apply({topic.id: topic for topic in topics})
    judged = matcher.match(articles)
    Archive(store).put(judged)
    return judged


def on(broker: Broker, stream: Any) -> list[Any]:
    return [decode(stream, data) for _, data in broker.records[stream.name] if data is not None]


def watch(topic: Topic = HARBOUR) -> Watch:
    return Watch(asked_of([topic], FakeEmbedder())[0], None)


EVER = Span(Place(0.0), NOW)


# -- since when


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("7d", NOW - 7 * DAY),
        ("12h", NOW - DAY / 2),
        ("2026-09-20", 1_789_862_400.0),
        ("2026-09-20T10:00:00Z", 1_789_898_400.0),
        ("2026-09-20T12:00:00+02:00", 1_789_898_400.0),
    ],
)
def test_since_is_a_duration_or_a_date_in_utc(text: str, at: float) -> None:
    assert since(text, NOW) == at


@pytest.mark.parametrize(("text", "why"), [("soon", "neither a duration nor a date"), ("2999-01-01", "still to come")])
def test_anything_else_is_refused_with_what_to_write(text: str, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        since(text, NOW)


# -- the chronicle


def test_the_chronicle_goes_from_the_oldest_to_the_newest_in_steps_and_misses_nothing(store: Store) -> None:
    keep(store, *(article(number, at=NOW - (number // 3) * DAY) for number in range(10)))
    chronicle, span, seen = Chronicle(store), EVER, []
    while True:
        found, after = chronicle.next(span, 4)
        if after is None:
            break
        seen += [each.article for each in found]
        span = replace(span, after=after)
    assert [each.id for each in seen] == [each.id for each in sorted(seen, key=lambda each: (each.seen, each.id))]
    assert len(seen) == 10 == chronicle.count(EVER)


def test_only_the_span_is_gone_through(store: Store) -> None:
    keep(store, article(1, at=NOW - 9 * DAY), article(2, at=NOW - DAY), article(3, at=NOW + 5))
    span = Span(Place(NOW - 7 * DAY), NOW)
    assert [each.article.id for each in Chronicle(store).next(span, 10)[0]] == ["article-002"]
    assert Chronicle(store).count(span) == 1


# -- all topics


def test_articles_are_handed_to_the_matchers_as_backfill_in_the_order_in_which_they_were_read(
    store: Store, broker: Broker, log: MemoryLog
) -> None:
    keep(store, article(2, at=NOW - DAY), article(1, at=NOW - 2 * DAY), article(3, backfill=True, at=NOW))
    step = Replay(store, log).all_topics(EVER, 10)
    assert step.articles == 3
    assert [(each.id, each.backfill) for each in on(broker, BACKFILL)] == [
        ("article-001", True),
        ("article-002", True),
        ("article-003", True),
    ]
    assert [each.article.backfill for each in Archive(store).by_id(["article-001", "article-003"])] == [False, True]


def test_a_step_that_the_log_did_not_take_is_done_again_whole(store: Store, broker: Broker, log: MemoryLog) -> None:
    keep(store, article(1))
    broker.down = True
    with pytest.raises(Unavailable):
        Replay(store, log).all_topics(EVER, 10)
    broker.down = False
    assert Replay(store, log).all_topics(EVER, 10).articles == 1


# -- one topic


def test_one_topic_gets_the_matches_and_scores_that_the_matcher_would_have_given_it(
    store: Store, broker: Broker, log: MemoryLog
) -> None:
    articles = [article(1), article(2, "Wedding in the town hall"), article(3, "Harbour reopens after the fire")]
    keep(store, *articles)
    step = Replay(store, log).one_topic(EVER, 10, watch(), "fake")
    matcher = Matcher(FakeEmbedder())
    matcher.apply({HARBOUR.id: HARBOUR})
    expected = matcher.match([replace(each, backfill=True) for each in articles])
    assert on(broker, MATCHES_BACKFILL) == [match for judged in expected for match in judged.matches]
    assert step.matches == len(on(broker, MATCHES_BACKFILL)) > 0
    kept = {scored.article.id: scored.score for scored in Archive(store).scores(HARBOUR.id)}
    assert kept == {judged.article.id: score for judged in expected for score in judged.scores}
    assert not broker.records[BACKFILL.name]


def test_one_topic_leaves_articles_and_the_scores_of_other_topics_as_they_are(store: Store, log: MemoryLog) -> None:
    other = Topic(id="quay", query="harbour master")
    keep(store, article(1), topics=[other])
    before = Archive(store).by_id(["article-001"])[0].article, Archive(store).scores(other.id)
    Replay(store, log).one_topic(EVER, 10, watch(), "fake")
    assert (Archive(store).by_id(["article-001"])[0].article, Archive(store).scores(other.id)) == before
    assert before[1]


def test_repeating_it_brings_the_same_matches(store: Store, broker: Broker, log: MemoryLog) -> None:
    keep(store, article(1))
    for _ in range(2):
        Replay(store, log).one_topic(EVER, 10, watch(), "fake")
    first, second = on(broker, MATCHES_BACKFILL)
    assert first == second


def test_vectors_of_another_model_are_left_out_and_counted(store: Store, log: MemoryLog) -> None:
    keep(store, article(1), model="older")
    step = Replay(store, log).one_topic(EVER, 10, watch(), "fake")
    assert (step.articles, step.matches, step.other_model) == (1, 0, 1)


def test_an_article_without_any_text_is_passed_by(store: Store, log: MemoryLog) -> None:
    keep(store, replace(article(1), title="", text=""))
    assert Replay(store, log).one_topic(EVER, 10, watch(), "fake").matches == 0


# -- as it is asked for


def test_step_after_step_leads_to_the_end_and_what_is_read_meanwhile_is_left_alone(
    store: Store, broker: Broker, log: MemoryLog, clock: FakeClock
) -> None:
    keep(store, *(article(number) for number in range(3)))
    ask = verbs(store, log, clock)
    span = ask["replay.begin"]({"since": NOW - 7 * DAY})
    assert span == {"until": NOW, "articles": 3}
    keep(store, article(9, at=NOW + 1))
    first = ask["replay"]({"after": [NOW - 7 * DAY, ""], "until": span["until"]})
    assert (first["articles"], first["after"]) == (3, [NOW - DAY, "article-002"])
    assert ask["replay"]({"after": first["after"], "until": span["until"]})["after"] is None
    assert len(on(broker, BACKFILL)) == 3


def test_a_topic_that_is_unknown_disabled_or_just_edited_is_refused(
    store: Store, log: MemoryLog, clock: FakeClock
) -> None:
    ask = verbs(store, log, clock)
    row = [float(number) for number in watch().asked.row]

    def step(topic: str, version: int = 1) -> None:
        more = {"topic": topic, "version": version, "row": row, "model": "fake"}
        ask["replay"]({"after": [0.0, ""], "until": NOW, **more})

    disabled = Topic(id="off", query="off", enabled=False)
    TopicVersions(store).remember(
        [TopicVersion(topic_id=topic.id, version=1, topic=topic, at=NOW) for topic in (HARBOUR, disabled)]
    )
    step("harbour")
    for topic, version, why in (("nobody", 1, "no topic"), ("off", 1, "disabled"), ("harbour", 2, "edited")):
        with pytest.raises(Unusable, match=why):
            step(topic, version)


def test_a_topic_is_compared_by_its_calibration_in_force_as_the_matchers_have_it(
    store: Store, broker: Broker, log: MemoryLog, clock: FakeClock
) -> None:
    keep(store, article(1))
    ask = verbs(store, log, clock)
    row = [float(number) for number in watch().asked.row]

    def matches(topic: Topic) -> int:
        TopicVersions(store).remember([TopicVersion(topic_id=topic.id, version=topic.version, topic=topic, at=NOW)])
        whom = {"topic": topic.id, "version": topic.version, "row": row, "model": "fake"}
        return int(ask["replay"]({"after": [0.0, ""], "until": NOW, **whom})["matches"])

    assert matches(HARBOUR) == 1
    high = Calibration(topic_id="harbour", topic_version=1, model="fake", at=NOW, line=9.0, width=0.1)
    Calibrations(store).remember([Drawn(calibration=high, why="new version")])
    assert matches(HARBOUR) == 0
    assert matches(replace(HARBOUR, version=2, channels=("desk",))) == 0
    assert matches(replace(HARBOUR, version=3, description="Fires in harbours.")) == 1
    (found,) = [match for match in on(broker, MATCHES_BACKFILL) if match.topic_version == 3]
    assert found.score > 0.5


def test_two_replays_at_the_same_time_do_not_disturb_each_other(store: Store, log: MemoryLog) -> None:
    keep(store, *(article(number) for number in range(20)))
    threads = [
        threading.Thread(target=Replay(store, log).one_topic, args=(EVER, 20, watch(), "fake")) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(Archive(store).scores(HARBOUR.id)) == 20
