"""What commands read from either store beside the daemon."""

from consumers.model import Passage, Report, Scheduled, Topic
from daemon.feeds import Feed, FeedState, SeenItem
from daemon.store import Store
from daemon.store.feeds import FeedStates
from daemon.store.overview import topic_lines
from daemon.store.polled import polled
from daemon.store.tables import alerts
from daemon.store.told import ids_starting_with, recent
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.store.upsert import upsert
from tests.kept_rows import NOW, KeptRows

PASSAGE = Passage(text="x", number=1, of=1)
REPORTS = [Report(source="example.org", url="https://example.org/1", title="t", at=NOW)]


def put_alerts(store: Store, *ids: str) -> None:
    alert = {"topic_id": "t", "story_id": "s", "kind": "first", "match_id": "m", "channels": "[]"}
    with store.write() as connection:
        rows = [alert | {"id": id_, "at": float(place)} for place, id_ in enumerate(ids)]
        upsert(alerts, rows, connection=connection)


def test_an_alert_is_found_by_the_start_of_its_id_and_nothing_in_it_is_a_pattern(store: Store) -> None:
    put_alerts(store, "abc1", "abd2", "a%d3", "a_d4", r"a\d5", "a/d6")
    assert sorted(ids_starting_with(store, "ab")) == ["abc1", "abd2"]
    assert ids_starting_with(store, "ab", limit=1) in (["abc1"], ["abd2"])
    for start, whole in (("a%", "a%d3"), ("a_", "a_d4"), ("a\\", r"a\d5"), ("a/", "a/d6")):
        assert ids_starting_with(store, start) == [whole]


def test_alerts_of_one_moment_are_listed_in_the_order_of_their_ids(store: Store) -> None:
    put_alerts(store, "b", "a")
    with store.write() as connection:
        connection.execute(alerts.update().values(at=1.0))
    assert [told.id for told in recent(store, limit=9)] == ["a", "b"]


def test_many_alerts_come_with_all_their_deliveries(store: Store) -> None:
    topic = KeptRows(store).topic("T")
    states = [("a", "sent", ""), ("b", "retry", "down"), ("C", "dead", "gone")]
    for number in range(3):
        KeptRows(store).alert(topic, str(number), passage=PASSAGE, reports=REPORTS, deliveries=states)
    for told in recent(store, limit=9, topic_id=topic):
        assert [(one.channel, one.state, one.reason) for one in told.deliveries] == [states[2], *states[:2]]
        assert told.story is not None


def test_what_polling_has_learned_is_counted_by_feed(store: Store) -> None:
    states = FeedStates(store)
    states.sync([Feed(id=id_, url=f"https://{id_}.example/") for id_ in ("a", "b")], 0.0)
    items = [SeenItem(article_id=id_, content_hash="h", revision=1, last_seen=1.0) for id_ in "xyz"]
    states.record(FeedState(feed_id="a", title="A"), items)
    found = polled(store)
    assert {id_: (state.title, count) for id_, (state, count) in found.items()} == {"a": ("A", 3), "b": ("", 0)}


def test_the_history_of_a_topic_is_newest_first_and_its_removal_a_version(store: Store) -> None:
    versions = TopicVersions(store)
    versions.remember(
        [TopicVersion(topic_id="t", version=number, topic=None, at=float(number)) for number in (2, 10, 1)]
    )
    assert [found.version for found in versions.history("t")] == [10, 2, 1]
    assert versions.latest()["t"].at == 10.0
    assert versions.in_force() == {}


def test_a_topic_is_listed_with_where_and_when_it_is_told(store: Store) -> None:
    digests = (Scheduled(channel="boss", when="07:00 Europe/Paris weekdays"),)
    topics = (Topic(id="a", query="a", channels=("desk",), digests=digests), Topic(id="b", query="b"))
    versions = [TopicVersion(topic_id=topic.id, version=1, topic=topic, at=1.0) for topic in topics]
    TopicVersions(store).remember(versions)
    told = {line.id: line.channels for line in topic_lines(store, 2.0)}
    assert told == {"a": ("desk", "boss at 07:00 Europe/Paris weekdays"), "b": ("console",)}
