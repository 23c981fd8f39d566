"""A broker that asks who we are, and proves who it is: what gets in, and what is told where nothing does."""

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consumers.model import ARTICLES
from daemon.cli import app
from daemon.errors import Unusable
from daemon.log.broker import Broker, Sasl, StreamPlan
from daemon.log.kafka import KafkaLog
from daemon.log.streams import wanted
from tests.fake_log import FakeClock, FakeQuarantine, article
from tests.servers.certificates import certificates, make
from tests.servers.kafka import KafkaCluster

PLAN = StreamPlan(partitions=1, replication=1, min_insync=1)
SOON = 15.0  # seconds within which somebody who waits at a terminal is told
SECRET = "not-the-right-one"  # what must be seen nowhere


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    cluster = KafkaCluster(tmp_path_factory.mktemp("secured"), secure=True)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def opened(broker: Broker, patience: float = 10.0) -> KafkaLog:
    return KafkaLog(broker, quarantine=FakeQuarantine(), clock=FakeClock(), patience=patience)


def with_tls(secured: KafkaCluster, sasl: Sasl = "") -> Broker:
    bootstrap = secured.sasl_tls_bootstrap if sasl else secured.tls_bootstrap
    broker = Broker(servers=(bootstrap,), tls=True, ca_file=secured.ca_file)
    return replace(broker, sasl=sasl, username=secured.username, password=secured.password) if sasl else broker


def refusal(broker: Broker, caplog: pytest.LogCaptureFixture) -> str:
    """The one sentence, which came soon and without the password, as did everything else that was told."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "kafka")  # as much as `wirewatch run --log-level debug` lets through of it
    started = time.monotonic()
    with closing(opened(broker, patience=2.0)) as log, pytest.raises(Unusable) as caught:
        log.append(ARTICLES, [article("a")])
    assert time.monotonic() - started < SOON
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(broker)
    assert not broker.password or broker.password not in told
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("sasl", ["", "plain", "scram-sha-256", "scram-sha-512"])
def test_records_pass_through_tls_and_every_way_to_log_in(secured: KafkaCluster, sasl: Sasl) -> None:
    broker = replace(with_tls(secured, sasl), prefix=f"tls-{sasl}.")
    with closing(opened(broker)) as log:
        log.make(wanted([ARTICLES], PLAN, broker))
        log.append(ARTICLES, [article("a")])
        with closing(log.reader(ARTICLES, "match")) as reader:
            assert [one.id for one in reader.read(10, 10.0)] == ["a"]
            reader.commit()


def test_a_server_that_asks_for_a_certificate_takes_ours(secured: KafkaCluster) -> None:
    broker = replace(
        with_tls(secured),
        servers=(secured.mutual_tls_bootstrap,),
        cert_file=secured.client_cert_file,
        key_file=secured.client_key_file,
    )
    with closing(opened(broker)) as log:
        assert log.brokers() == 1


def test_scram_needs_no_tls(secured: KafkaCluster) -> None:
    broker = Broker(
        servers=(secured.sasl_bootstrap,),
        prefix="scram.",
        sasl="scram-sha-512",
        username=secured.username,
        password=secured.password,
    )
    with closing(opened(broker)) as log:
        assert log.brokers() == 1


@pytest.mark.parametrize("sasl", ["plain", "scram-sha-256", "scram-sha-512"])
def test_a_wrong_password_is_told_with_the_keys_to_look_at(
    secured: KafkaCluster, sasl: Sasl, caplog: pytest.LogCaptureFixture
) -> None:
    sentence = refusal(replace(with_tls(secured, sasl), password=SECRET), caplog)
    assert "username" in sentence
    assert "password_env or password_file" in sentence


def test_an_unknown_user_is_told_in_the_same_way(secured: KafkaCluster, caplog: pytest.LogCaptureFixture) -> None:
    assert "username" in refusal(replace(with_tls(secured, "scram-sha-512"), username="nobody"), caplog)


def test_a_server_whose_authority_is_unknown_is_told_with_the_key_that_names_it(
    secured: KafkaCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(certificates(tmp_path))
    assert "ca_file" in refusal(replace(with_tls(secured, "plain"), ca_file=certificates(tmp_path).ca), caplog)
    assert "ca_file" in refusal(replace(with_tls(secured), ca_file=None), caplog)


def test_a_missing_certificate_of_ours_is_told_with_the_keys_that_name_it(
    secured: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    assert "cert_file and key_file" in refusal(
        replace(with_tls(secured), servers=(secured.mutual_tls_bootstrap,)), caplog
    )


def test_a_plain_client_on_a_port_for_tls_is_told_to_set_tls(
    secured: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    assert "tls = true" in refusal(Broker(servers=(secured.tls_bootstrap,)), caplog)


def test_a_client_with_tls_on_a_plain_port_is_told_so(secured: KafkaCluster, caplog: pytest.LogCaptureFixture) -> None:
    assert "tls = false" in refusal(replace(with_tls(secured), servers=(secured.bootstrap,)), caplog)


def test_a_client_that_does_not_log_in_where_it_has_to_is_told_to(
    secured: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    assert 'set sasl to "plain" or "scram-sha-256" or "scram-sha-512"' in refusal(
        replace(with_tls(secured), servers=(secured.sasl_tls_bootstrap,)), caplog
    )


def test_a_client_that_logs_in_where_nobody_asks_is_told_so(
    secured: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    assert 'set sasl = ""' in refusal(replace(with_tls(secured, "plain"), servers=(secured.tls_bootstrap,)), caplog)


def test_the_command_line_tells_it_in_one_line(secured: KafkaCluster, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET)
    (tmp_path / "wirewatch.toml").write_text(
        f'[log]\nurl = "kafka://{secured.sasl_tls_bootstrap}"\ntls = true\nca_file = "{secured.ca_file}"\n'
        f'sasl = "scram-sha-512"\nusername = "{secured.username}"\npassword_file = "password"\n'
    )
    result = CliRunner().invoke(app, ["--config", str(tmp_path), "streams", "check"])
    assert (result.exit_code, result.stderr.count("\n"), result.stdout) == (1, 1, "")
    assert "password_file" in result.stderr
    assert SECRET not in result.output
