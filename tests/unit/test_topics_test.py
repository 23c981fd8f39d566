import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.matcher import Judged
from consumers.model import Article
from daemon.cli import app
from daemon.store.archive import Archive
from daemon.store.opening import open_store

STRIKES = Path(__file__).parents[1] / "data" / "matching" / "airstrikes" / "talks.txt"
QUERY = "Russian airstrikes Syria"


def wirewatch(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(folder), "topics", "test", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wirewatch.toml").write_text('[model]\ndevice = "cpu"\n')
    return tmp_path


@pytest.fixture(scope="session")
def judged() -> Judged:
    from consumers.embedding import open_embedder
    from consumers.matcher import Matcher

    title, _, text = STRIKES.read_text(encoding="utf-8").partition("\n")
    article = Article(id="a", feed_id="f", source="example.org", title=title, text=text, seen=time.time() - 3_600)
    return Matcher(open_embedder(device="cpu")).match([article])[0]


@pytest.fixture
def archived(folder: Path, judged: Judged) -> Path:
    store = open_store("sqlite:", folder / "data")
    Archive(store).put([judged])
    store.close()
    return folder


def test_a_draft_is_tried_on_a_file(folder: Path):
    result = wirewatch(folder, QUERY, "--file", str(STRIKES))
    assert result.exit_code == 0
    assert "Russian airstrikes Syria · matches this article" in result.stdout
    assert "Why: words" in result.stdout
    assert "clearly above the line" in result.stdout


def test_a_file_about_something_else_does_not_match(folder: Path):
    result = wirewatch(folder, "wheat exports", "--file", str(STRIKES), "--json")
    assert json.loads(result.stdout)["matched"] is False


def test_a_draft_is_tried_on_the_archive(archived: Path):
    result = wirewatch(archived, QUERY)
    assert result.exit_code == 0, result.stderr
    assert "1 article of the last 7 days" in result.stdout
    assert "1 article above the line" in result.stdout
    assert "Washington and Moscow to discuss air raids in Syria" in result.stdout


def test_the_archive_report_as_json(archived: Path):
    report = json.loads(wirewatch(archived, QUERY, "--days", "2", "--json").stdout)
    assert (report["articles"], report["above"]) == (1, 1)
    assert report["best"][0]["reasons"][0].startswith("words ")


def test_before_the_first_run_it_says_what_to_do(folder: Path):
    result = wirewatch(folder, QUERY)
    assert result.exit_code == 1
    assert "wirewatch run" in result.stderr


@pytest.mark.parametrize("arguments", [(" ",), (QUERY, "--days", "2", "--url", "https://example.org")])
def test_wrong_use_is_refused(folder: Path, arguments: tuple[str, ...]):
    assert wirewatch(folder, *arguments).exit_code == 2


def test_a_page_that_may_not_be_read_is_refused_in_one_sentence(folder: Path):
    result = wirewatch(folder, QUERY, "--url", "http://127.0.0.1:9/")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_empty_file_is_refused(folder: Path):
    (folder / "empty.txt").write_text("\n \n")
    result = wirewatch(folder, QUERY, "--file", str(folder / "empty.txt"))
    assert (result.exit_code, "empty" in result.stderr) == (1, True)
