"""What a test cluster's nodes are told: pure, no files and no processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LISTENERS = ("PLAINTEXT", "CONTROLLER", "SASL_PLAINTEXT", "SSL", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class Access:
    """Who may connect to the listeners that ask, and the server's certificate."""

    username: str
    password: str
    ca_file: Path
    server_file: Path  # private key and certificates, PEM


@dataclass(frozen=True)
class NodeSettings:
    number: int  # from 1
    ports: Mapping[str, int]  # by listener
    data: Path


def properties(node: NodeSettings, cluster: Sequence[NodeSettings], access: Access | None) -> str:
    """server.properties of one node."""
    listeners = {name: f"{name}://127.0.0.1:{port}" for name, port in node.ports.items()}
    replicas = min(3, len(cluster))
    in_sync = 2 if replicas == 3 else 1
    lines = {
        "node.id": node.number,
        "process.roles": "broker,controller",
        "controller.quorum.voters": ",".join(f"{one.number}@127.0.0.1:{one.ports['CONTROLLER']}" for one in cluster),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": ",".join(listeners.values()),
        "advertised.listeners": ",".join(url for name, url in listeners.items() if name != "CONTROLLER"),
        "listener.security.protocol.map": ",".join(
            f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in node.ports
        ),
        "log.dirs": node.data,
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        # a node that was killed may register again only when its old session is over, and a paused one stays leader
        # for that long; the defaults are 9 s and 30 s
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "replica.lag.time.max.ms": 4000,
        # groups: no wait for members that might still come, and short sessions, so that a killed member is missed soon
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # one machine's memory and files for all nodes
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 1,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
    }
    for internal in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        lines[f"{internal}.replication.factor"] = replicas
        lines[f"{internal}.num.partitions"] = 3
    for internal in ("transaction.state.log", "share.coordinator.state.topic"):
        lines[f"{internal}.min.isr"] = in_sync
    if access is not None:
        lines |= _access(access)
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _access(access: Access) -> dict[str, object]:
    module = "org.apache.kafka.common.security"
    who = f'username="{access.username}" password="{access.password}"'
    lines: dict[str, object] = {
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": access.server_file,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": access.ca_file,
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        place = f"listener.name.{listener}"
        lines[f"{place}.plain.sasl.jaas.config"] = (
            f'{module}.plain.PlainLoginModule required {who} user_{access.username}="{access.password}";'
        )
        for scram in ("scram-sha-256", "scram-sha-512"):
            lines[f"{place}.{scram}.sasl.jaas.config"] = f"{module}.scram.ScramLoginModule required;"
    return lines


LOGGING = """\
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{HH:mm:ss.SSS} %p %c{1}: %m%n%ex{3}"/></Console>
  </Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""
