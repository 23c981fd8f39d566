"""``wirewatch models``, as typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.agreement import AgreementReport, Example, agreement
from daemon.cli import models as command
from daemon.store import Store
from daemon.store.models import Models
from daemon.store.opening import open_store
from daemon.wire import to_json

NOON = 1_763_726_400.0  # 2025-11-21 12:00 UTC
OLD, NEW = "all-MiniLM-L6-v2@53aa51172d14", "e5@0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "wirewatch.toml").write_text("")
    store = open_store("sqlite:", tmp_path / "data")
    yield store
    store.close()


def models(folder: Path, *words: str) -> Result:
    return CliRunner(env={"WIREWATCH_CONFIG": str(folder)}).invoke(command.app, words, catch_exceptions=False)


def changed(store: Store) -> None:
    known = Models(store)
    known.adopt(OLD, "all-MiniLM-L6-v2", NOON)
    known.prepare(NEW, "/models/e5", NOON + 60)
    found = agreement("bridge", {"a": 0.9, "b": 0.8}, {"a": 0.9, "c": 0.7})
    named = Example(article_id="c", title="Die Brücke \x1b[2J fiel", url="https://example.org/c")
    topic = type(found)(
        topic_id="bridge", both=1, only_before=1, only_after=1, taken_before=found.taken_before, taken_after=(named,)
    )
    report = AgreementReport(before=OLD, after=NEW, at=NOON + 120, articles=12_300, topics=(topic,))
    known.report(NEW, to_json(report).decode())


def test_before_anything_ran_the_list_says_so(store: Store, tmp_path: Path) -> None:
    assert models(tmp_path, "list").stdout == "No model has been used yet.\n"
    shown = models(tmp_path, "report")
    assert shown.exit_code == 1
    assert "no report" in shown.stderr


def test_the_list_shows_which_model_is_in_what_state_since_when(store: Store, tmp_path: Path) -> None:
    changed(store)
    first, second = models(tmp_path, "list").stdout.splitlines()[1:]
    assert first.split()[:3] == [NEW, "preparing", "2025-11-21"]
    assert second.split()[:3] == [OLD, "in", "force"]
    rows = json.loads(models(tmp_path, "list", "--json").stdout)
    assert rows[1] == {"id": OLD, "state": "in force", "since": "2025-11-21T12:00:00Z", "name": "all-MiniLM-L6-v2"}


def test_the_report_shows_the_agreement_by_topic_with_what_would_be_new_and_what_would_be_missing(
    store: Store, tmp_path: Path
) -> None:
    changed(store)
    shown = models(tmp_path, "report").stdout
    assert "12,300 articles" in shown
    assert "33%" in shown
    assert "both 1, no more 1, new 1" in shown
    assert "  + Die Brücke" in shown
    assert "  - b\n" in shown
    assert "\x1b" not in shown
    told = json.loads(models(tmp_path, "report", "--json").stdout)
    assert (told["after"], told["topics"][0]["share"]) == (NEW, pytest.approx(1 / 3))
    assert models(tmp_path, "report", OLD).exit_code == 1
