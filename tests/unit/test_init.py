"""``wirewatch init`` and ``wirewatch config check``."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from daemon.cli import app


def wirewatch(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_init_writes_a_configuration_that_is_valid_and_says_what_to_do_next(tmp_path: Path) -> None:
    result = wirewatch("init", tmp_path / "desk")
    assert result.exit_code == 0, result.output
    assert f"wirewatch --config {tmp_path / 'desk'} run" in result.stdout
    assert {path.name for path in (tmp_path / "desk").iterdir()} == {"wirewatch.toml", "topics.toml", "feeds.toml"}
    checked = wirewatch("--config", tmp_path / "desk", "config", "check", "--json")
    assert checked.exit_code == 0
    assert [row["error"] for row in json.loads(checked.stdout)] == ["", "", ""]


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "topics.toml").write_text("# mine\n")
    result = wirewatch("init", tmp_path)
    assert result.exit_code == 1
    assert "holds topics.toml already" in result.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["# mine\n"]


def test_init_into_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = wirewatch("init", tmp_path / "file" / "desk")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize("folder", ["", "missing"])
def test_run_where_there_is_no_configuration_says_what_writes_one(tmp_path: Path, folder: str) -> None:
    result = wirewatch("--config", tmp_path / folder, "run")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"there is no configuration in {tmp_path / folder}" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_names_every_broken_file_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "wirewatch.toml").write_text("[fetch]\ntimeout = 3\n")
    (tmp_path / "topics.toml").write_text('[[topic]]\nid = "x"\n')
    (tmp_path / "feeds.toml").write_text('[[feed]]\nurl = "https://a.example/"\n')
    result = wirewatch("--config", tmp_path, "config", "check")
    assert result.exit_code == 1
    assert f"{tmp_path}/wirewatch.toml:2: fetch.timeout: " in result.stderr
    assert f"{tmp_path}/topics.toml:1: topic[1].query: " in result.stderr
    assert f"{tmp_path}/feeds.toml: ok, 1 feed" in result.stdout


def test_check_notes_a_secret_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIREWATCH_NEVER_SET", raising=False)
    (tmp_path / "wirewatch.toml").write_text(
        '[channel.desk]\ntype = "slack"\ntoken_env = "WIREWATCH_NEVER_SET"\nchannel = "#a"\n'
    )
    (tmp_path / "topics.toml").write_text("")
    (tmp_path / "feeds.toml").write_text("")
    result = wirewatch("--config", tmp_path, "config", "check")
    assert result.exit_code == 0
    assert "note: channel desk: the environment variable WIREWATCH_NEVER_SET is not set" in result.stdout


def test_the_folder_comes_from_the_environment_or_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wirewatch("init", tmp_path / "config")
    wirewatch("init", tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WIREWATCH_CONFIG", raising=False)
    assert "\nconfig/topics.toml: ok" in wirewatch("config", "check").stdout
    monkeypatch.setenv("WIREWATCH_CONFIG", "other")
    assert "\nother/topics.toml: ok" in wirewatch("config", "check").stdout


def test_wrong_use_is_code_two_and_a_near_miss_is_named() -> None:
    result = wirewatch("topcs")
    assert result.exit_code == 2
    assert "Did you mean 'topics'?" in result.stderr


def test_version() -> None:
    assert wirewatch("--version").stdout == "wirewatch 0.1.0\n"
