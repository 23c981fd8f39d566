"""What a cluster must have: what is wanted, what is found wrong, and what makes it right."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from consumers.model import STREAMS
from daemon.errors import Unusable
from daemon.log.broker import Broker, StreamPlan
from daemon.log.streams import Finding, Found, Wanted, compare, options, prepare, wanted

BROKER = Broker(servers=("b1:9092", "b2:9092"))
PLAN = StreamPlan(partitions=6, replication=3, min_insync=2, retention=3 * 86400.0)
WANTED = {stream.name: stream for stream in wanted(STREAMS, PLAN, BROKER)}
TOPICS, ARTICLES, MATCHES = (WANTED[f"wirewatch.{name}"] for name in ("topics", "articles", "matches"))
REACH = "--bootstrap-server b1:9092,b2:9092"


def as_wanted(stream: Wanted, **configs: str) -> Found:
    named = {key.replace("_", "."): value for key, value in configs.items()}
    return Found(partitions=stream.partitions, replication=stream.replication, configs={**stream.configs, **named})


def findings(stream: Wanted, found: Found | None, *, brokers: int = 3) -> list[Finding]:
    return compare([stream], {stream.name: found}, brokers, REACH)


@dataclass
class FakeCluster:
    """Streams in memory. A stream in ``rival`` is made by somebody else right before we make ours."""

    streams: dict[str, Found] = field(default_factory=dict)
    serving: int = 3
    rival: dict[str, Found] = field(default_factory=dict)

    def found(self, names: Collection[str]) -> Mapping[str, Found | None]:
        return {name: self.streams.get(name) for name in names}

    def make(self, wanted: Iterable[Wanted]) -> None:
        self.streams.update(self.rival)
        for stream in wanted:
            self.streams.setdefault(stream.name, as_wanted(stream))

    def brokers(self) -> int:
        return self.serving


def test_every_stream_is_wanted_under_the_prefix() -> None:
    assert set(WANTED) == {
        "wirewatch.articles",
        "wirewatch.articles.backfill",
        "wirewatch.matches",
        "wirewatch.matches.backfill",
        "wirewatch.topics",
        "wirewatch.calibrations",
    }
    assert [stream.name for stream in wanted(STREAMS[:1], PLAN, replace(BROKER, prefix="desk-"))] == ["desk-articles"]


def test_what_passes_through_is_kept_for_the_retention_and_then_removed() -> None:
    assert (ARTICLES.partitions, ARTICLES.replication) == (6, 3)
    assert ARTICLES.configs == {
        "cleanup.policy": "delete",
        "retention.ms": "259200000",
        "retention.bytes": "-1",
        "min.insync.replicas": "2",
        "max.message.bytes": "1000000",
        "unclean.leader.election.enable": "false",
    }


def test_topics_are_kept_for_ever_in_one_partition_and_their_removals_for_the_retention() -> None:
    assert TOPICS.partitions == 1
    assert TOPICS.configs["cleanup.policy"] == "compact"
    assert TOPICS.configs["delete.retention.ms"] == "259200000"
    assert "retention.ms" not in TOPICS.configs


def test_a_record_as_long_as_allowed_fits_with_what_is_around_it() -> None:
    longer = wanted(STREAMS, PLAN, replace(BROKER, max_record=5_000_000))
    assert {stream.configs["max.message.bytes"] for stream in longer} == {"5100000"}


@pytest.mark.parametrize("stream", WANTED.values(), ids=WANTED)
def test_a_cluster_as_it_is_wanted_has_no_findings(stream: Wanted) -> None:
    assert findings(stream, as_wanted(stream)) == []


def test_more_than_is_wanted_is_no_finding() -> None:
    more = as_wanted(ARTICLES, retention_ms="-1", min_insync_replicas="3", max_message_bytes="20000000")
    assert findings(ARTICLES, replace(more, partitions=50, replication=5)) == []
    longer = as_wanted(ARTICLES, retention_ms="259200001")
    assert findings(ARTICLES, longer) == []


def test_a_setting_that_the_cluster_does_not_tell_is_no_finding() -> None:
    assert findings(ARTICLES, Found(partitions=6, replication=3, configs={})) == []


@pytest.mark.parametrize(
    ("stream", "key", "value", "fatal"),
    [
        (TOPICS, "cleanup.policy", "delete", True),
        (TOPICS, "cleanup.policy", "compact,delete", True),
        (MATCHES, "cleanup.policy", "compact", True),
        (MATCHES, "cleanup.policy", "compact,delete", True),
        (ARTICLES, "retention.ms", "259199999", True),
        (ARTICLES, "retention.bytes", "1000000000", False),
        (TOPICS, "delete.retention.ms", "86400000", True),
        (ARTICLES, "min.insync.replicas", "1", True),
        (ARTICLES, "min.insync.replicas", "4", True),
        (ARTICLES, "max.message.bytes", "999999", True),
        (ARTICLES, "unclean.leader.election.enable", "true", True),
        (TOPICS, "min.cleanable.dirty.ratio", "0.5", False),
        (TOPICS, "segment.ms", "604800000", False),
    ],
)
def test_a_wrong_setting_is_found_with_the_command_that_repairs_it(
    stream: Wanted, key: str, value: str, fatal: bool
) -> None:
    there = as_wanted(stream)
    (finding,) = findings(stream, replace(there, configs={**there.configs, key: value}))
    assert finding.fatal is fatal
    assert finding.problem.startswith(f"has {key}={value}, so ")
    assert finding.repair == (
        f"kafka-configs.sh {REACH} --alter --entity-type topics --entity-name {stream.name} "
        f"--add-config {key}={stream.configs[key]}"
    )


def test_too_few_copies_are_repaired_in_the_settings_or_by_reassignment_and_not_by_asking_more_to_be_in_sync() -> None:
    there = as_wanted(ARTICLES, min_insync_replicas="1")
    (finding,) = findings(ARTICLES, replace(there, replication=1))
    assert finding.fatal
    assert "has 1 of 3 copies" in finding.problem
    assert "set replication = 1 and min_insync = 1 in [log]" in finding.repair
    assert f"kafka-reassign-partitions.sh {REACH}" in finding.repair


def test_too_few_partitions_can_wait_and_the_command_comes_with_a_warning() -> None:
    (finding,) = findings(MATCHES, replace(as_wanted(MATCHES), partitions=2))
    assert not finding.fatal
    assert "at most 2 workers" in finding.problem
    assert "equal keys go to other partitions" in finding.repair
    assert finding.repair.endswith(f"kafka-topics.sh {REACH} --alter --topic wirewatch.matches --partitions 6")


def test_a_stream_that_is_not_there_is_found_with_the_command_that_makes_it() -> None:
    (finding,) = findings(TOPICS, None)
    assert finding.fatal
    assert finding.makeable
    assert f"kafka-topics.sh {REACH} --create --topic wirewatch.topics --partitions 1" in finding.repair
    for key, value in TOPICS.configs.items():
        assert f" --config {key}={value}" in finding.repair


def test_a_stream_that_the_cluster_is_too_small_for_says_which_settings_fit_it() -> None:
    (finding,) = findings(TOPICS, None, brokers=1)
    assert finding.fatal
    assert not finding.makeable
    assert "because 1 broker can be reached" in finding.problem
    assert "set replication = 1 and min_insync = 1 in [log]" in finding.repair


def test_a_broker_that_is_down_is_no_finding_where_the_streams_are_there() -> None:
    assert findings(TOPICS, as_wanted(TOPICS), brokers=2) == []


@pytest.mark.parametrize("broker", [replace(BROKER, tls=True), replace(BROKER, sasl="scram-sha-512", username="w")])
def test_the_commands_for_a_secured_cluster_take_the_file_that_says_how_to_log_in(broker: Broker) -> None:
    assert options(broker) == f"{REACH} --command-config client.properties"
    assert options(BROKER) == REACH


def test_what_is_missing_is_made_and_then_everything_is_as_wanted() -> None:
    cluster = FakeCluster()
    made = prepare(cluster, BROKER, PLAN, create=True)
    assert [stream.name for stream in made.missing] == list(WANTED)
    assert set(cluster.streams) == set(WANTED)
    again = prepare(cluster, BROKER, PLAN, create=True)
    assert (again.missing, again.findings) == ([], [])


def test_what_somebody_else_makes_at_the_same_time_is_left_as_it_is() -> None:
    others = as_wanted(TOPICS, segment_ms="7")
    cluster = FakeCluster(rival={TOPICS.name: others})
    prepare(cluster, BROKER, PLAN, create=True)
    assert cluster.streams[TOPICS.name] == others
    assert set(cluster.streams) == set(WANTED)


def test_nothing_is_made_where_that_is_for_others_to_do() -> None:
    cluster = FakeCluster()
    with pytest.raises(Unusable, match=r"^wirewatch\.articles is not there: .*; and 5 more, see `wirewatch streams"):
        prepare(cluster, BROKER, PLAN, create=False)
    assert cluster.streams == {}


def test_nothing_is_made_beside_a_stream_that_is_wrong() -> None:
    cluster = FakeCluster({TOPICS.name: as_wanted(TOPICS, cleanup_policy="delete")})
    with pytest.raises(Unusable) as refusal:
        prepare(cluster, BROKER, PLAN, create=True)
    assert str(refusal.value) == (
        "wirewatch.topics has cleanup.policy=delete, so it would forget records that are still needed: "
        f"kafka-configs.sh {REACH} --alter --entity-type topics --entity-name wirewatch.topics "
        "--add-config cleanup.policy=compact"
    )
    assert set(cluster.streams) == {TOPICS.name}


def test_nothing_is_made_on_a_cluster_that_is_too_small() -> None:
    cluster = FakeCluster(serving=2)
    with pytest.raises(Unusable, match="because 2 brokers can be reached: start the others, or set replication = 2"):
        prepare(cluster, BROKER, PLAN, create=True)
    assert cluster.streams == {}


def test_what_can_wait_is_told_and_stops_nobody() -> None:
    cluster = FakeCluster({name: as_wanted(stream) for name, stream in WANTED.items()})
    cluster.streams[MATCHES.name] = replace(as_wanted(MATCHES), partitions=2)
    (finding,) = prepare(cluster, BROKER, PLAN, create=True).findings
    assert finding.stream == MATCHES.name
