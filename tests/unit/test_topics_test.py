import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.matcher import Judged
from consumers.model import Article, Topic
from daemon.cli import app
from daemon.store.archive import Archive
from daemon.store.opening import open_store
from daemon.store.topics import TopicVersion, TopicVersions

STRIKES = Path(__file__).parents[1] / "data" / "matching" / "airstrikes" / "talks.txt"
DAY = 86_400.0
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
    assert "too few days to say how many alerts a day (1 story, 1 article in 7 days); 0 just below" in result.stdout
    assert "judged by the line that is shipped" in result.stdout
    assert "Washington and Moscow to discuss air raids in Syria" in result.stdout


def test_the_archive_report_as_json(archived: Path):
    report = json.loads(wirewatch(archived, QUERY, "--days", "2", "--json").stdout)
    assert (report["articles"], report["above"]) == (1, 1)
    assert report["best"][0]["reasons"][0].startswith("words ")
    assert {part["name"] for part in report["best"][0]["evidence"]["parts"]} == {"meaning", "title", "words"}


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


# -- a month of made-up news


WORDS = "wheat rain council vote cinema match harvest train school tax island choir ferry budget museum storm".split()
BRIDGE = ("Bridge collapse in Dover", "A bridge collapsed in Dover.")


@pytest.fixture(scope="session")
def month() -> list[Judged]:
    from consumers.embedding import open_embedder
    from consumers.matcher import Matcher

    texts = [
        (
            day,
            n,
            f"{WORDS[n]} and {WORDS[(n + day) % 16]}",
            f"The {WORDS[n]} of the {WORDS[(n * day) % 16]}, it is said.",
        )
        for day in range(20)
        for n in range(8)
    ]
    texts += [(day, 20 + n, *BRIDGE) for day in (3, 9, 16) for n in range(2)]
    articles = [
        Article(
            id=f"{day}-{n}", feed_id="f", source="example.org", title=title, text=text, seen=time.time() - day * DAY
        )
        for day, n, title, text in texts
    ]
    return Matcher(open_embedder(device="cpu")).match(articles)


@pytest.fixture
def kept(folder: Path, month: list[Judged]) -> Path:
    store = open_store("sqlite:", folder / "data")
    Archive(store).put(month)
    topic = Topic(id="bridge", query="bridge collapse Dover", version=3)
    TopicVersions(store).remember([TopicVersion(topic_id="bridge", version=3, topic=topic, at=time.time())])
    store.close()
    (folder / "topics.toml").write_text('[[topic]]\nid = "bridge"\nquery = "bridge collapse Dover"\n')
    return folder


def test_alerts_a_day_are_told_with_stories_articles_days_and_the_curve(kept: Path):
    result = wirewatch(kept, "collapse of a bridge in Dover", "--days", "20")
    assert result.exit_code == 0, result.stderr
    assert "about 1 alert a week (3 stories, 6 articles in 20 days)" in result.stdout
    assert "Alerts a day, by sensitivity:" in result.stdout
    assert "balanced     0.2  <- this topic" in result.stdout


def test_a_topic_is_named_by_its_id_and_a_draft_of_it_is_compared_with_the_version_in_force(kept: Path):
    result = wirewatch(kept, "bridge", "--days", "20", "--exclude", "collapsed", "--sensitivity", "more")
    assert result.exit_code == 0, result.stderr
    assert "bridge collapse Dover" in result.stdout
    assert "Against version 3, which is in force (sensitivity balanced -> more, exclude none" in result.stdout
    assert "0 articles in both, 0 new, 6 no more" in result.stdout
    assert "stopped by a gate: exclude 6" in result.stdout


def test_a_topic_as_it_is_in_force_is_not_compared_with_itself(kept: Path):
    report = json.loads(wirewatch(kept, "bridge", "--days", "20", "--json").stdout)
    assert (report["above"], report["difference"]) == (6, None)


def test_the_report_as_json_has_the_curve_the_days_and_the_difference(kept: Path):
    report = json.loads(wirewatch(kept, "bridge", "--days", "20", "--require", "nowhere", "--json").stdout)
    assert (report["above"], report["stories"], report["alerts_a_day"]) == (0, 0, 0.0)
    assert set(report["curve"]["words"]) == {"fewer", "balanced", "more"}
    assert report["difference"]["in_force"]["stories"] == 3
    assert sum(day["stories"] for day in report["difference"]["in_force"]["by_day"]) == 3
    assert len(report["difference"]["lost_samples"]) == 5


def test_the_curve_is_drawn_into_a_picture(kept: Path):
    result = wirewatch(kept, "bridge", "--days", "20", "--png", str(kept / "curve.png"))
    assert result.exit_code == 0, result.stderr
    assert (kept / "curve.png").read_bytes().startswith(b"\x89PNG")
    nowhere = wirewatch(kept, "bridge", "--days", "20", "--png", str(kept / "missing" / "curve.png"))
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (1, True)


def test_one_article_is_judged_by_what_the_archive_says_of_the_topic(kept: Path):
    (kept / "article.txt").write_text("\n".join(BRIDGE))
    report = json.loads(wirewatch(kept, "bridge", "--file", str(kept / "article.txt"), "--json").stdout)
    assert (report["matched"], report["line"]["drawn_from_articles"]) == (True, 166)


def test_an_example_that_nobody_has_read_is_said_not_to_count(kept: Path):
    result = wirewatch(kept, "bridge", "--example", "https://example.org/bridge")
    assert "The example https://example.org/bridge does not count here: not read yet." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--sensitivity", "much"), "--sensitivity: write"),
        (("--exclude", "re:(("), "--exclude: "),
        (("--not-source", "nowhere"), "--not-source: "),
        (("--alerts-per-day", "few"), "--alerts-per-day few: write a number"),
    ],
)
def test_a_wrong_option_is_named_in_one_sentence(kept: Path, arguments: tuple[str, ...], why: str):
    result = wirewatch(kept, "bridge", *arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_no_number_of_a_score_is_shown_to_people(kept: Path):
    shown = wirewatch(kept, "bridge", "--days", "20").stdout
    report = json.loads(wirewatch(kept, "bridge", "--days", "20", "--json").stdout)
    for row in report["best"]:
        assert f"{row['score']:.2f}" not in shown
