"""From the file to the stream: versions, repeats and crashes between the two."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.model import Topic
from daemon.errors import Unavailable
from daemon.log import Tombstone
from daemon.publish import Publication, TopicPublisher, decide
from daemon.store import Store
from daemon.store.topics import TopicVersion, TopicVersions


class TickingClock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        self.time += 1.0
        return self.time

    def monotonic(self) -> float:
        return self.now()


class TopicsStream:
    """The one stream, as a log keeps it. ``broken`` makes the next append fail after it was written."""

    def __init__(self) -> None:
        self.records: list[Topic | Tombstone] = []
        self.broken = False

    def append(self, stream: object, records: Iterable[Any]) -> None:
        self.records += records
        if self.broken:
            self.broken = False
            raise Unavailable("the log went away")

    def table(self, stream: object) -> Any:
        return self

    def reader(self, stream: object, group: str) -> Any:
        raise AssertionError("topics are read as a table")

    def changes(self, timeout: float) -> Mapping[str, Topic | None]:
        return dict(self.held)

    @property
    def held(self) -> dict[str, Topic]:
        table: dict[str, Topic] = {}
        for record in self.records:
            if isinstance(record, Tombstone):
                table.pop(record.key, None)
            else:
                table[record.id] = record
        return table

    def close(self) -> None:
        pass


@pytest.fixture
def versions(store: Store) -> TopicVersions:
    return TopicVersions(store)


@pytest.fixture
def stream() -> TopicsStream:
    return TopicsStream()


@pytest.fixture
def publisher(stream: TopicsStream, versions: TopicVersions) -> TopicPublisher:
    return TopicPublisher(stream, versions, TickingClock())


STRIKES = Topic(id="strikes", query="airstrikes")
CABLES = Topic(id="cables", query="undersea cables")


def test_new_topics_are_version_one(publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions) -> None:
    published = publisher.publish([STRIKES, CABLES])
    assert published.added == ("strikes", "cables")
    assert stream.held == {"strikes": STRIKES, "cables": CABLES} == versions.in_force()


def test_an_edit_raises_the_version_and_keeps_the_epoch(publisher: TopicPublisher, versions: TopicVersions) -> None:
    publisher.publish([STRIKES, CABLES])
    published = publisher.publish([replace(STRIKES, query="air raids"), CABLES])
    assert (published.changed, published.summary) == (("strikes",), "1 changed: strikes")
    assert versions.in_force()["strikes"] == Topic(id="strikes", query="air raids", version=2, epoch=1)
    assert [one.version for one in versions.history("strikes")] == [2, 1]


def test_publishing_the_same_again_does_nothing(publisher: TopicPublisher, stream: TopicsStream) -> None:
    publisher.publish([STRIKES])
    assert publisher.publish([STRIKES]).summary == ""
    assert stream.records == [STRIKES]


def test_a_topic_that_is_gone_leaves_a_tombstone_and_its_history(
    publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions
) -> None:
    publisher.publish([STRIKES, CABLES])
    assert publisher.publish([CABLES]).removed == ("strikes",)
    assert stream.held == {"cables": CABLES}
    assert [one.topic for one in versions.history("strikes")] == [None, STRIKES]
    assert set(versions.in_force()) == {"cables"}


def test_a_topic_that_comes_back_goes_on_counting(publisher: TopicPublisher, versions: TopicVersions) -> None:
    publisher.publish([STRIKES])
    publisher.publish([])
    assert publisher.publish([STRIKES]).added == ("strikes",)
    assert versions.in_force()["strikes"].version == 3


def test_a_restart_publishes_nothing_new(
    publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions
) -> None:
    publisher.publish([STRIKES])
    assert TopicPublisher(stream, versions, TickingClock()).publish([STRIKES]).records == ()


def test_after_a_crash_between_stream_and_store_no_number_is_given_twice(
    publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions
) -> None:
    publisher.publish([STRIKES])
    stream.broken = True
    with pytest.raises(Unavailable):
        publisher.publish([replace(STRIKES, query="written, but not remembered")])
    again = TopicPublisher(stream, versions, TickingClock())
    again.publish([replace(STRIKES, query="edited once more")])
    assert [(one.version, one.topic and one.topic.query) for one in versions.history("strikes")] == [
        (3, "edited once more"),
        (2, "written, but not remembered"),
        (1, "airstrikes"),
    ]
    assert stream.held == versions.in_force()


def test_the_same_call_after_an_outage_makes_the_same_version(
    publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions
) -> None:
    stream.broken = True
    with pytest.raises(Unavailable):
        publisher.publish([STRIKES])
    publisher.publish([STRIKES])
    assert versions.in_force() == {"strikes": STRIKES} == stream.held


def test_a_stream_that_was_lost_is_filled_from_the_store(publisher: TopicPublisher, versions: TopicVersions) -> None:
    publisher.publish([STRIKES])
    publisher.publish([replace(STRIKES, kind="theme")])
    empty = TopicsStream()
    TopicPublisher(empty, versions, TickingClock()).publish([replace(STRIKES, kind="theme")])
    assert empty.held == {"strikes": replace(STRIKES, kind="theme", version=2)}


def test_a_store_that_was_lost_takes_the_versions_of_the_stream(stream: TopicsStream, versions: TopicVersions) -> None:
    stream.records = [replace(STRIKES, version=7, epoch=2), replace(CABLES, version=4)]
    TopicPublisher(stream, versions, TickingClock()).publish([STRIKES])
    assert versions.in_force() == {"strikes": replace(STRIKES, version=7, epoch=2)}
    assert set(stream.held) == {"strikes"}


def test_workers_tell_which_version_they_work_with(versions: TopicVersions) -> None:
    versions.applied("match-1", {"strikes": 1, "cables": 1}, 10.0)
    versions.applied("match-2", {"strikes": 1}, 11.0)
    versions.applied("match-1", {"strikes": 2, "cables": None}, 12.0)
    assert versions.applied_by("strikes") == {"match-1": (2, 12.0), "match-2": (1, 11.0)}
    assert versions.applied_by("cables") == {}


def test_an_edit_touches_nothing_but_its_own_topic(
    publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions
) -> None:
    publisher.publish([STRIKES, CABLES])
    stream.records.clear()  # whoever read the stream again would now find the others missing, and put them there
    edited = replace(STRIKES, query="air raids")
    publisher.publish([edited, CABLES])
    assert stream.records == [replace(edited, version=2)]
    assert [one.version for one in versions.history("cables")] == [1]


def test_what_others_published_is_seen_after_forgetting(
    publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions
) -> None:
    publisher.publish([STRIKES])
    TopicPublisher(stream, versions, TickingClock()).publish([replace(STRIKES, query="by somebody else"), CABLES])
    publisher.forget()
    assert publisher.publish([STRIKES]).removed == ("cables",)
    assert versions.in_force() == {"strikes": replace(STRIKES, version=3)} == stream.held


def test_after_a_failure_no_number_is_given_to_two_texts(
    publisher: TopicPublisher, stream: TopicsStream, versions: TopicVersions
) -> None:
    publisher.publish([STRIKES])
    stream.broken = True
    with pytest.raises(Unavailable):
        publisher.publish([replace(STRIKES, query="written, but not remembered")])
    publisher.publish([replace(STRIKES, query="edited once more")])
    assert [one.version for one in versions.history("strikes")] == [3, 2, 1]
    assert versions.in_force()["strikes"].query == "edited once more"


topics = st.builds(Topic, id=st.sampled_from("abc"), query=st.sampled_from(["x", "y"]), enabled=st.booleans())
wanted = st.lists(topics, unique_by=lambda topic: topic.id, max_size=3)


class VersionsInMemory(TopicVersions):
    """Without a database: a property needs hundreds of them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], TopicVersion] = {}

    def latest(self) -> dict[str, TopicVersion]:
        return {topic_id: version for (topic_id, _), version in sorted(self.rows.items(), key=lambda row: row[0])}

    def remember(self, versions: Sequence[TopicVersion]) -> None:
        self.rows |= {(version.topic_id, version.version): version for version in versions}


def ids(published: Publication) -> list[set[str]]:
    return [set(kind) for kind in (published.added, published.changed, published.removed)]


@settings(deadline=None)  # a busy machine is no mistake
@given(st.lists(st.tuples(wanted, st.sampled_from(["kept", "forgotten", "failed"])), min_size=2, max_size=6))
def test_a_publisher_that_remembers_publishes_what_one_that_reads_anew_does(
    steps: list[tuple[list[Topic], str]],
) -> None:
    streams, kept = [TopicsStream(), TopicsStream()], [VersionsInMemory(), VersionsInMemory()]
    remembers, reads = (
        TopicPublisher(stream, versions, TickingClock()) for stream, versions in zip(streams, kept, strict=True)
    )
    for want, fate in steps:
        told = []
        if fate == "forgotten":
            remembers.forget()
        reads.forget()
        for publisher, stream in zip((remembers, reads), streams, strict=True):
            stream.broken = fate == "failed"
            with suppress(Unavailable):
                told.append(ids(publisher.publish(want)))
            stream.broken = False
        assert told[:1] == told[1:]
        assert streams[0].held == streams[1].held
        rows = [{key: version.topic for key, version in versions.rows.items()} for versions in kept]
        assert rows[0] == rows[1]


@settings(deadline=None)  # a busy machine is no mistake
@given(st.lists(st.tuples(wanted, st.sampled_from(["whole", "no store", "no stream"])), max_size=6))
def test_whatever_was_lost_the_topics_in_force_are_those_wanted(steps: list[tuple[list[Topic], str]]) -> None:
    remembered: dict[str, TopicVersion] = {}
    stream: dict[str, Topic] = {}
    numbers: dict[tuple[str, int], Topic | None] = {}
    for want, fate in steps:
        publication = decide(want, remembered, stream, 0.0)
        for record in publication.records:
            if isinstance(record, Tombstone):
                del stream[record.key]
            else:
                stream[record.id] = record
        remembered |= {version.topic_id: version for version in publication.versions}
        assert {key: replace(found, version=1) for key, found in stream.items()} == {one.id: one for one in want}
        assert {key: found.topic for key, found in remembered.items() if found.topic} == stream
        for version in publication.versions:
            assert numbers.setdefault((version.topic_id, version.version), version.topic) == version.topic
        if fate == "no stream":
            stream = {}
        elif fate == "no store":
            remembered = {}
            numbers = {(key, found.version): found for key, found in stream.items()}
