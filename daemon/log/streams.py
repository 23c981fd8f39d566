"""What the cluster must have for our streams, what it has, and what repairs each difference."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from consumers.model import STREAMS, Stream
from daemon.errors import Unusable
from daemon.log.broker import Broker, StreamPlan
from daemon.log.stream_rules import RULES

_BATCH = 100_000  # bytes beside the longest record: its key, and what Kafka writes around a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A stream as it is to be made: ``name`` with the prefix, ``configs`` as Kafka names and writes them."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A stream as the cluster describes it. ``configs`` are those in force, defaults of the broker included."""

    partitions: int
    replication: int  # of the partition with the fewest copies
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A stream that is not as it is wanted. ``fatal``: a promise of the log would not hold."""

    stream: str  # as the cluster calls it
    problem: str
    repair: str  # what to type, or what to set
    fatal: bool = True
    makeable: bool = False  # it is not there, and nothing hinders it from being made

    def __str__(self) -> str:
        return f"{self.stream} {self.problem}: {self.repair}"


class Cluster(Protocol):
    """What a log that is kept by a cluster tells and makes. Each raises ``Unavailable`` or ``Unusable``."""

    def found(self, names: Collection[str]) -> Mapping[str, Found | None]:
        """Each of the names; ``None`` where there is no such stream."""
        ...

    def make(self, wanted: Iterable[Wanted]) -> None:
        """Returns when each is there, also where somebody else made it meanwhile."""
        ...

    def brokers(self) -> int:
        """How many serve now."""
        ...


def wanted(streams: Iterable[Stream[Any]], plan: StreamPlan, broker: Broker) -> list[Wanted]:
    """What the cluster must have, in the order of ``streams``.

    A compacted stream has one partition: it is small, everybody reads all of it, and one partition keeps the order of
    its edits. A removal stays in it for as long as records stay in the others, so that no follower misses one.
    """
    lifetime = f"{plan.retention * 1000:.0f}"
    every = {
        "min.insync.replicas": str(plan.min_insync),
        "max.message.bytes": str(broker.max_record + _BATCH),
        "unclean.leader.election.enable": "false",
    }
    removed = {"cleanup.policy": "delete", "retention.ms": lifetime, "retention.bytes": "-1", **every}
    # By default half of a stream has to be old before it is compacted, and its open segment never is for a week:
    # every start would read a week of edits.
    timely = {"min.cleanable.dirty.ratio": "0.1", "segment.ms": "3600000"}
    compacted = {"cleanup.policy": "compact", "delete.retention.ms": lifetime, **timely, **every}
    return [
        Wanted(
            name=broker.prefix + stream.name,
            partitions=1 if stream.compacted else plan.partitions,
            replication=plan.replication,
            configs=compacted if stream.compacted else removed,
        )
        for stream in streams
    ]


def compare(wanted: Iterable[Wanted], found: Mapping[str, Found | None], brokers: int, reach: str) -> list[Finding]:
    """What is missing or wrong, in the order of ``wanted``. More than is wanted (copies, partitions, a longer life)
    is no finding, and neither is a setting that the cluster does not tell.

    ``brokers`` that serve now; ``reach``: as ``options`` gives it.
    """
    findings: list[Finding] = []
    for stream in wanted:
        there = found.get(stream.name)
        findings += _differences(stream, there, reach) if there else [_missing(stream, brokers, reach)]
    return findings


def options(broker: Broker) -> str:
    """How Kafka's own tools reach the cluster: what follows their names on the command line."""
    secured = " --command-config client.properties" if broker.tls or broker.sasl else ""
    return f"--bootstrap-server {','.join(broker.servers)}{secured}"


def _missing(stream: Wanted, brokers: int, reach: str) -> Finding:
    if stream.replication > brokers:
        there = "1 broker" if brokers == 1 else f"{brokers} brokers"
        return Finding(
            stream=stream.name,
            problem=f"cannot be made with {stream.replication} copies of every record, because {there} can be reached",
            repair=f"start the others, or set replication = {brokers} and min_insync = {max(1, brokers - 1)} in [log]",
        )
    configs = "".join(f" --config {key}={value}" for key, value in stream.configs.items())
    return Finding(
        stream=stream.name,
        problem="is not there",
        makeable=True,
        repair=f"wirewatch streams create, or: kafka-topics.sh {reach} --create --topic {stream.name} "
        f"--partitions {stream.partitions} --replication-factor {stream.replication}{configs}",
    )


def _differences(stream: Wanted, there: Found, reach: str) -> Iterator[Finding]:
    if there.replication < stream.replication:
        yield Finding(
            stream=stream.name,
            problem=f"has {there.replication} of {stream.replication} copies of every record",
            repair=f"set replication = {there.replication} and min_insync = {max(1, there.replication - 1)} in [log] "
            f"if that is enough, else give it more: kafka-reassign-partitions.sh {reach} --execute "
            '--reassignment-json-file FILE (Kafka\'s manual, "Increasing replication factor")',
        )
    for key, wanted in stream.configs.items():
        value, rule = there.configs.get(key), RULES[key]
        if value is None or rule.holds(value, wanted, there.replication):
            continue
        yield Finding(
            stream=stream.name,
            problem=f"has {key}={value}, so {rule.otherwise}",
            repair=f"kafka-configs.sh {reach} --alter --entity-type topics --entity-name {stream.name} "
            f"--add-config {key}={wanted}",
            fatal=rule.fatal,
        )
    if there.partitions < stream.partitions:
        yield Finding(
            stream=stream.name,
            problem=f"has {there.partitions} of {stream.partitions} partitions, so at most {there.partitions} workers "
            "share its records",
            repair="equal keys go to other partitions from then on, so stop fetchers and matchers, wait until "
            "`wirewatch status` shows no lag (else a later record could be handled before an earlier one), then "
            f"kafka-topics.sh {reach} --alter --topic {stream.name} --partitions {stream.partitions}",
            fatal=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The streams as they are wanted and as they are."""

    wanted: Sequence[Wanted]
    found: Mapping[str, Found | None]
    findings: Sequence[Finding]

    @property
    def missing(self) -> list[Wanted]:
        return [stream for stream in self.wanted if self.found.get(stream.name) is None]


def survey(cluster: Cluster, broker: Broker, plan: StreamPlan) -> Survey:
    """Changes nothing. Raises ``Unavailable``, ``Unusable``."""
    streams = wanted(STREAMS, plan, broker)
    found = cluster.found([stream.name for stream in streams])
    findings = compare(streams, found, cluster.brokers(), options(broker))
    return Survey(wanted=streams, found=found, findings=findings)


def prepare(cluster: Cluster, broker: Broker, plan: StreamPlan, *, create: bool) -> Survey:
    """Makes what is missing, where ``create`` allows it; returns how it was before.

    Raises ``Unusable``, and nothing was made, where a promise of the log would not hold: what is found beside streams
    that were missing can wait. Raises ``Unavailable`` while the cluster is away.
    """
    there = survey(cluster, broker, plan)
    wrong = [finding for finding in there.findings if finding.fatal and not (create and finding.makeable)]
    if wrong:
        more = f"; and {len(wrong) - 1} more, see `wirewatch streams check`" if len(wrong) > 1 else ""
        raise Unusable(f"{wrong[0]}{more}")
    if there.missing:
        cluster.make(there.missing)
    return there
