"""What a test cluster's nodes are told: pure, no files and no processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Certificates

PROTOCOLS = {  # of each listener
    "PLAINTEXT": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SSL": "SSL",
    "SASL_SSL": "SASL_SSL",
    "MUTUAL": "SSL",  # asks for the client's certificate as well
}
OPEN = ("PLAINTEXT", "CONTROLLER")  # listeners that a cluster has which is not secure
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Access:
    """Who may connect to the listeners that ask."""

    username: str
    password: str
    certificates: Certificates


@dataclass(frozen=True)
class Node:
    number: int  # from 1
    ports: Mapping[str, int]  # by listener
    data: Path


def properties(node: Node, cluster: Sequence[Node], access: Access | None) -> str:
    """server.properties of one node."""
    lines = _network(node, cluster) | {"log.dirs": node.data} | _copies(len(cluster)) | PACE | SIZE
    if access is not None:
        lines |= _secure(access)
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _network(node: Node, cluster: Sequence[Node]) -> dict[str, object]:
    listeners = {name: f"{name}://127.0.0.1:{port}" for name, port in node.ports.items()}
    return {
        "node.id": node.number,
        "process.roles": "broker,controller",
        "controller.quorum.voters": ",".join(f"{one.number}@127.0.0.1:{one.ports['CONTROLLER']}" for one in cluster),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": ",".join(listeners.values()),
        "advertised.listeners": ",".join(url for name, url in listeners.items() if name != "CONTROLLER"),
        "listener.security.protocol.map": ",".join(f"{name}:{PROTOCOLS[name]}" for name in node.ports),
    }


def _copies(nodes: int) -> dict[str, object]:
    replicas, in_sync = (3, 2) if nodes >= 3 else (1, 1)
    internal = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return {
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        **{f"{name}.replication.factor": replicas for name in internal},
        **{f"{name}.num.partitions": 3 for name in internal},
        **{f"{name}.min.isr": in_sync for name in internal[1:]},
    }


PACE: dict[str, object] = {
    # a killed node may register again only when its old session is over, and a paused one leads for that long: 9 s
    # and 30 s by default
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    "replica.lag.time.max.ms": 4000,
    # groups do not wait for members that might still come, and may ask for short sessions
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # a test that waits for compaction or retention: 15 s and 5 minutes by default
    "log.cleaner.backoff.ms": 500,
    "log.retention.check.interval.ms": 1000,
}

SIZE: dict[str, object] = {  # all nodes share one machine
    "num.network.threads": 2,
    "num.io.threads": 4,
    "num.recovery.threads.per.data.dir": 1,
    "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    "log.index.size.max.bytes": 1024 * 1024,
}


def _secure(access: Access) -> dict[str, object]:
    login = f'username="{access.username}" password="{access.password}" user_{access.username}="{access.password}"'
    lines: dict[str, object] = {
        "sasl.enabled.mechanisms": ",".join(("PLAIN", *SCRAM)),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": access.certificates.server,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": access.certificates.ca,
        "listener.name.mutual.ssl.client.auth": "required",
    }
    for listener in ("listener.name.sasl_plaintext", "listener.name.sasl_ssl"):
        lines[f"{listener}.plain.sasl.jaas.config"] = f"{MODULES}.plain.PlainLoginModule required {login};"
        for mechanism in SCRAM:
            place = f"{listener}.{mechanism.lower()}.sasl.jaas.config"
            lines[place] = f"{MODULES}.scram.ScramLoginModule required;"
    return lines


LOGGING = """\
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{HH:mm:ss.SSS} %p %c{1}: %m%n%ex{3}"/></Console>
  </Appenders>
  <Loggers>
    <Logger name="org.apache.kafka.clients.NetworkClient" level="ERROR"/>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"""
