"""The servers that other tests rely on: what they keep, who may connect, and that nothing of them is left behind."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.kafka import KafkaCluster
from tests.servers.ports import kept_ports
from tests.servers.postgres import PostgresServer
from tests.servers.process import Died, Process


def make_stream(cluster: KafkaCluster, name: str) -> None:
    client = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for made in client.create_topics([NewTopic(name, 1)]).values():
        made.result(10)


def write(settings: Mapping[str, str], stream: str, *values: str) -> None:
    """Returns when all are acknowledged."""
    refused: list[KafkaError] = []
    producer = Producer({"acks": "all", "delivery.timeout.ms": 20_000, "log_level": 0, **settings})
    for value in values:
        producer.produce(stream, value, on_delivery=lambda error, _: refused.append(error) if error else None)
    assert producer.flush(25) == 0
    assert refused == []


def read(cluster: KafkaCluster, stream: str, count: int) -> list[str]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "none", "log_level": 0})
    with closing(consumer):
        consumer.assign([TopicPartition(stream, 0, OFFSET_BEGINNING)])
        found = consumer.consume(count, timeout=20)
        return [value.decode() for record in found if (value := record.value()) is not None]


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Not the shared one: these tests kill it."""
    with closing(KafkaCluster(tmp_path_factory.mktemp("own-kafka"), secure=True)) as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    with closing(PostgresServer(tmp_path)) as server:
        server.start()
        yield server


def test_a_killed_kafka_keeps_what_it_acknowledged(own_kafka: KafkaCluster) -> None:
    make_stream(own_kafka, "kept")
    write({"bootstrap.servers": own_kafka.bootstrap}, "kept", "before")
    own_kafka.kill(1)
    own_kafka.revive(1)
    write({"bootstrap.servers": own_kafka.bootstrap}, "kept", "after")
    assert read(own_kafka, "kept", 2) == ["before", "after"]


def test_a_paused_kafka_answers_nothing_until_it_is_resumed(own_kafka: KafkaCluster) -> None:
    make_stream(own_kafka, "paused")
    client = AdminClient({"bootstrap.servers": own_kafka.bootstrap, "log_level": 0})
    own_kafka.pause(1)
    with pytest.raises(KafkaException):
        client.list_topics(timeout=1)
    own_kafka.resume(1)
    write({"bootstrap.servers": own_kafka.bootstrap}, "paused", "after")
    assert read(own_kafka, "paused", 1) == ["after"]


def doors(cluster: KafkaCluster) -> dict[str, dict[str, str]]:
    login = {"sasl.username": cluster.username, "sasl.password": cluster.password}
    tls = {"ssl.ca.location": str(cluster.ca_file)}
    sasl = {"bootstrap.servers": cluster.sasl_bootstrap, "security.protocol": "SASL_PLAINTEXT", **login}
    sasl_tls = {"bootstrap.servers": cluster.sasl_tls_bootstrap, "security.protocol": "SASL_SSL", **login, **tls}
    certificate = {
        "ssl.certificate.location": str(cluster.client_cert_file),
        "ssl.key.location": str(cluster.client_key_file),
    }
    return {
        "plain": {**sasl, "sasl.mechanism": "PLAIN"},
        "scram-256": {**sasl, "sasl.mechanism": "SCRAM-SHA-256"},
        "scram-512": {**sasl, "sasl.mechanism": "SCRAM-SHA-512"},
        "tls": {"bootstrap.servers": cluster.tls_bootstrap, "security.protocol": "SSL", **tls},
        "plain over tls": {**sasl_tls, "sasl.mechanism": "PLAIN"},
        "scram over tls": {**sasl_tls, "sasl.mechanism": "SCRAM-SHA-512"},
        "certificate": {
            "bootstrap.servers": cluster.mutual_tls_bootstrap,
            "security.protocol": "SSL",
            **tls,
            **certificate,
        },
    }


def test_a_secure_kafka_lets_in_who_it_should(own_kafka: KafkaCluster) -> None:
    make_stream(own_kafka, "secure")
    for settings in doors(own_kafka).values():
        write(settings, "secure", "let in")


@pytest.mark.parametrize(
    ("door", "wrong"),
    [
        ("plain", {"sasl.password": "guessed"}),
        ("scram-256", {"sasl.password": "guessed"}),
        ("plain", {"security.protocol": "PLAINTEXT"}),
        ("tls", {"ssl.ca.location": "/etc/hostname"}),
        ("certificate", {"ssl.certificate.location": "", "ssl.key.location": ""}),
    ],
)
def test_a_secure_kafka_lets_nobody_else_in(own_kafka: KafkaCluster, door: str, wrong: dict[str, str]) -> None:
    with pytest.raises(KafkaException):
        AdminClient({**doors(own_kafka)[door], **wrong, "log_level": 0}).list_topics(timeout=2)


def test_three_nodes_go_on_without_one(tmp_path: Path) -> None:
    with closing(KafkaCluster(tmp_path, 3)) as cluster:
        cluster.start()
        make_stream(cluster, "replicated")
        write({"bootstrap.servers": cluster.bootstrap}, "replicated", "all there")
        cluster.kill(1)
        write({"bootstrap.servers": cluster.bootstrap}, "replicated", "one away")
        cluster.revive(1)
        cluster.await_in_sync()
        cluster.pause(2)
        write({"bootstrap.servers": cluster.bootstrap}, "replicated", "one silent")
        cluster.resume(2)
        assert read(cluster, "replicated", 3) == ["all there", "one away", "one silent"]


@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.kill])
@pytest.mark.parametrize("durable", [True, False])
def test_postgres_keeps_its_rows_and_its_url(tmp_path: Path, durable: bool, end: object) -> None:
    with closing(PostgresServer(tmp_path, durable=durable)) as server:
        server.start()
        url = server.database("kept")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
            connection.execute("INSERT INTO kept VALUES (1)")
        server.stop() if end is PostgresServer.stop else server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]


def test_a_database_is_dropped_with_connections_open(postgres: PostgresServer) -> None:
    url = postgres.database()
    with closing(psycopg.connect(url)):
        postgres.drop(url)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)


def test_postgres_listens_on_a_socket_as_well(own_postgres: PostgresServer, tmp_path: Path) -> None:
    with psycopg.connect(f"host={tmp_path / 'data'} port={own_postgres.port} user=wirewatch dbname=postgres") as one:
        assert one.execute("SELECT 1").fetchall() == [(1,)]


OWNER = textwrap.dedent("""
    import signal, sys, threading
    from pathlib import Path
    import psutil
    from tests.servers.kafka import KafkaCluster
    from tests.servers.postgres import PostgresServer

    postgres, kafka = PostgresServer(Path(sys.argv[1]) / "postgres"), KafkaCluster(Path(sys.argv[1]) / "kafka")
    # from a thread that ends: the servers stay as long as the process
    for server in (postgres, kafka):
        thread = threading.Thread(target=server.start)
        thread.start()
        thread.join()
    kafka.pause(1)
    print(*(f"{child.pid}:{child.name()}" for child in psutil.Process().children(recursive=True)), flush=True)
    signal.pause()
""")


def test_nothing_is_left_of_servers_whose_owner_was_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner, owner.stdout:
        names = {int(pid): name for pid, _, name in (one.partition(":") for one in owner.stdout.readline().split())}
        servers = [psutil.Process(pid) for pid in names]
        owner.kill()
    assert {"java", "postgres"} < set(names.values())
    assert psutil.wait_procs(servers, timeout=10)[1] == []


def test_nothing_is_left_of_a_server_whose_keeper_was_killed(own_postgres: PostgresServer, tmp_path: Path) -> None:
    keepers = [one for one in psutil.Process().children() if str(tmp_path) in " ".join(one.cmdline())]
    servers = [one for keeper in keepers for one in keeper.children(recursive=True)]
    assert len(keepers) == 1
    assert len(servers) > 1
    keepers[0].kill()
    assert psutil.wait_procs(servers, timeout=10)[1] == []
    own_postgres.close()
    own_postgres.start()


def test_a_server_that_ends_at_once_shows_its_last_words(tmp_path: Path) -> None:
    process = Process(["sh", "-c", "echo no such luck; exit 3"], log=tmp_path / "log")
    with closing(process), pytest.raises(Died, match="no such luck"):
        process.wait_until(lambda: False, 10)


def test_a_signal_reaches_nobody_after_the_end(tmp_path: Path) -> None:
    process = Process(["true"], log=tmp_path / "log")
    process.wait(10)
    process.send(signal.SIGTERM)
    process.close()
    process.close()


def test_ports_stay_below_those_that_clients_are_given(tmp_path: Path) -> None:
    ports = kept_ports(tmp_path / "ports.json", 20)
    assert len(set(ports)) == 20
    assert max(ports) < 32768
    assert kept_ports(tmp_path / "ports.json", 20) == ports
    with pytest.raises(ValueError, match="another folder"):
        kept_ports(tmp_path / "ports.json", 3)
