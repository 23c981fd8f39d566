from dataclasses import replace

import pytest

from consumers.model import Topic
from daemon.store import Store
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.store.workers import Applied, Worker, WorkerDetail, Workers

NOW = 1_800_000_000.0
SILENT = 30.0


def worker(name: str, *roles: str) -> Worker:
    return Worker(
        id=name, roles=roles or ("match",), host="h", pid=7, version="1.0", since=NOW, seen=NOW + 1, ready=True
    )


@pytest.fixture
def workers(store: Store) -> Workers:
    return Workers(store)


@pytest.fixture
def versions(store: Store) -> TopicVersions:
    versions = TopicVersions(store)
    versions.remember([published("t", 1, NOW - 10), published("t", 2, NOW)])
    return versions


def published(topic_id: str, version: int, at: float, *, removed: bool = False) -> TopicVersion:
    topic = None if removed else Topic(id=topic_id, query="rain", version=version)
    return TopicVersion(topic_id=topic_id, version=version, topic=topic, at=at)


def test_what_a_worker_says_of_itself_is_what_others_read(workers: Workers) -> None:
    detail = WorkerDetail(
        waiting=(("log", "the brokers are away"),), topics_place="0:17", shards=21, lag=(("articles", "match", 3),)
    )
    said = replace(worker("b", "fetch", "match"), listen="127.0.0.1:8420", ready=False, detail=detail)
    workers.beat(worker("c"))
    workers.beat(worker("b"))
    workers.beat(said)
    assert workers.all() == [said, worker("c")]


def test_a_worker_hears_whether_it_was_known(workers: Workers) -> None:
    assert workers.beat(worker("a")) is False
    assert workers.beat(worker("a")) is True
    workers.gone("a")
    assert workers.beat(worker("a")) is False


def test_a_worker_that_stops_takes_along_what_it_had_applied(workers: Workers, versions: TopicVersions) -> None:
    for name in ("a", "b"):
        workers.beat(worker(name))
        versions.applied(name, {"t": 2}, NOW)
    workers.gone("a")
    assert [found.id for found in workers.all()] == ["b"]
    assert set(versions.applied_by("t")) == {"b"}


def test_a_worker_whose_turn_stands_still_is_removed_with_what_it_had_applied(
    store: Store, workers: Workers, versions: TopicVersions
) -> None:
    observer = Workers(store)
    for name in ("killed", "well"):
        workers.beat(worker(name))
        versions.applied(name, {"t": 2}, NOW)
    for second in range(int(SILENT)):
        workers.beat(worker("well"))
        assert observer.prune(second, SILENT) == ()
    assert observer.prune(SILENT, SILENT) == ("killed",)
    assert [found.id for found in workers.all()] == ["well"]
    assert set(versions.applied_by("t")) == {"well"}


def test_nobody_is_taken_for_gone_by_somebody_who_has_only_just_come(store: Store, workers: Workers) -> None:
    workers.beat(worker("a"))
    assert Workers(store).prune(1_000_000.0, SILENT) == ()


def test_a_worker_that_wakes_up_after_it_was_removed_is_told(store: Store, workers: Workers) -> None:
    workers.beat(worker("asleep"))
    observer = Workers(store)
    observer.prune(0.0, SILENT)
    assert observer.prune(SILENT, SILENT) == ("asleep",)
    assert workers.beat(worker("asleep")) is False
    assert observer.prune(SILENT + 1, SILENT) == ()


def test_what_nobody_there_has_applied_is_removed(workers: Workers, versions: TopicVersions) -> None:
    """As left by a release whose only worker had another name."""
    workers.beat(worker("a"))
    versions.applied("a", {"t": 2}, NOW)
    versions.applied("matcher", {"t": 1}, NOW - 5)
    workers.prune(0.0, SILENT)
    assert set(versions.applied_by("t")) == {"a"}


def test_who_owns_the_data_directory_alone_finds_nobody(workers: Workers, versions: TopicVersions) -> None:
    workers.beat(worker("a"))
    versions.applied("a", {"t": 2}, NOW)
    workers.clear()
    assert workers.all() == []
    assert versions.applied_by("t") == {}


def test_a_topic_is_in_force_since_the_last_matcher_has_applied_it(workers: Workers, versions: TopicVersions) -> None:
    assert workers.in_force("unknown") is None
    assert workers.in_force("t") == Applied(version=2, on=0, of=0, since=None)
    for name in ("a", "b", "c"):
        workers.beat(worker(name, "match", "alert"))
    workers.beat(worker("f", "fetch"))
    versions.applied("a", {"t": 2}, NOW + 1)
    versions.applied("b", {"t": 1}, NOW + 9)
    versions.applied("f", {"t": 2}, NOW + 9)
    assert workers.in_force("t") == Applied(version=2, on=1, of=3, since=NOW + 1, behind=("b", "c"))
    versions.applied("b", {"t": 2}, NOW + 3)
    versions.applied("c", {"t": 2}, NOW + 2)
    force = workers.in_force("t")
    assert force == Applied(version=2, on=3, of=3, since=NOW + 3)
    assert force.everywhere


def test_a_topic_that_was_removed_is_in_force_once_everybody_has_dropped_it(
    workers: Workers, versions: TopicVersions
) -> None:
    for name in ("a", "b"):
        workers.beat(worker(name))
        versions.applied(name, {"t": 2}, NOW)
    versions.remember([published("t", 3, NOW + 1, removed=True)])
    versions.applied("a", {"t": None}, NOW + 2)
    assert workers.in_force("t") == Applied(version=3, on=1, of=2, since=None, behind=("b",))
