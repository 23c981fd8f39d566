"""``wirewatch topics review``, ``accept``, ``history`` and ``rollback``, as they are typed."""

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from consumers.matcher import Judged, Score
from consumers.model import Article, Topic
from daemon.cli import app
from daemon.clock import SystemClock
from daemon.control import ControlServer, own
from daemon.log.opening import open_log
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.opening import open_store
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.store.verdicts import Proposals, Verdicts
from daemon.topics_file import topics_file
from daemon.verbs import verbs

FILE = '# ours\n\n[[topic]]\nid = "strikes" # for ever\nquery = "airstrikes Syria"\n'
FLED = Article(
    id="f1ed" * 8,
    feed_id="f",
    source="example.org",
    url="https://example.org/fled",
    title="Families flee Homs",
    text="Airstrikes hit Homs in Syria. Families fled.",
    seen=0.0,
)
WHEAT = replace(FLED, id="abe1" * 8, url="https://example.org/wheat", title="Wheat \x1b[31mdear", text="It rained.")


class Desk:
    """A folder with one topic in force, two articles near its line, and commands typed beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "topics.toml"
        self.file.write_text(FILE)
        self.now = time.time()
        with self.store() as store:
            for article, score in ((FLED, 0.6), (WHEAT, 0.4)):
                seen = replace(article, seen=self.now)
                given = Score(topic_id="strikes", topic_version=1, score=score, passage=1, matched=score >= 0.5)
                Archive(store).put([Judged(seen, "model", np.zeros((3, 4), np.float16), (given,), ())])
        self.publish(at=self.now - 60)

    @contextmanager
    def store(self) -> Iterator[Store]:
        with closing(open_store("sqlite:", self.folder / "data")) as store:
            yield store

    def publish(self, at: float | None = None) -> None:
        """What the daemon does with the file."""
        (topic,) = topics_file(self.file, ["console", "desk"]).load()
        with self.store() as store:
            versions = TopicVersions(store)
            number = len(versions.history("strikes")) + 1
            version = TopicVersion(
                topic_id="strikes", version=number, topic=replace(topic, version=number), at=at or time.time()
            )
            versions.remember([version])

    def remove(self) -> None:
        with self.store() as store:
            gone = TopicVersion(topic_id="strikes", version=2, topic=None, at=time.time())
            TopicVersions(store).remember([gone])

    def topics(self, *arguments: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, ["--config", str(self.folder), "topics", *arguments], input=typed)

    def said(self, *arguments: str) -> Result:
        """Verdicts without a back-test, which would load a model."""
        return self.topics("review", "strikes", "--no-test", *arguments)

    def written(self) -> Topic:
        (topic,) = topics_file(self.file, ["console", "desk"]).load()
        return topic

    def verdicts(self) -> dict[str, tuple[bool, str]]:
        with self.store() as store:
            return {each.article_id: (each.relevant, each.state) for each in Verdicts(store).of("strikes")}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "wirewatch.toml").write_text('[model]\ndevice = "cpu"\n[channel.desk]\ntype = "console"\n')
    return Desk(tmp_path)


def typed_at_a_terminal(desk: Desk, keys: str) -> str:
    """What the terminal shows; ``keys`` are typed ahead."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "daemon", "--config", str(desk.folder), "topics", "review", "strikes", "--no-test"]
    child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, keys.encode())
    shown = b""
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:  # Linux says so when the last one has closed its end
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert child.wait(30) == 0, shown
    return shown.decode()


# -- what is near the line


def test_the_review_shows_matches_and_near_misses_with_what_they_say(desk: Desk) -> None:
    shown = desk.said()
    assert shown.exit_code == 0, shown.output
    assert "airstrikes Syria · 1 match of the last 7 days; 1 just below the line" in shown.stdout
    assert "  1  Families flee Homs\n     match · example.org · " in shown.stdout
    assert f"{'f1ed' * 3} · https://example.org/fled" in shown.stdout
    assert "“Airstrikes hit Homs in Syria. Families fled.”" in shown.stdout
    assert "     Why: words Airstrikes, Syria; just above the line" in shown.stdout
    assert "     near miss · example.org · " in shown.stdout
    assert "Nothing is proposed" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_the_review_as_json(desk: Desk) -> None:
    report = json.loads(desk.said("--json").stdout)
    assert (report["topic"], report["matches"], report["proposal"]) == ("strikes", 1, None)
    assert [(row["number"], row["id"], row["matched"]) for row in report["articles"]] == [
        (1, FLED.id, True),
        (2, WHEAT.id, False),
    ]
    assert report["articles"][0]["passage"]["text"] == FLED.text
    assert report["articles"][0]["verdict"] is None


def test_an_unknown_topic_and_one_that_is_not_in_force_are_told(desk: Desk) -> None:
    assert 'did you mean "strikes"' in desk.topics("review", "strike").stderr
    desk.file.write_text(FILE + '\n[[topic]]\nid = "new"\nquery = "new"\n')
    result = desk.topics("review", "new")
    assert (result.exit_code, "not in force yet" in result.stderr) == (1, True)


# -- verdicts


def test_verdicts_are_given_by_id_or_url_and_end_in_a_proposal(desk: Desk) -> None:
    result = desk.said("--relevant", FLED.url + "?utm_source=x", "--not-relevant", WHEAT.id[:6])
    assert result.exit_code == 0, result.output
    assert "2 verdicts kept." in result.stderr
    assert "Proposed: examples +1, counter_examples +1 (version 1 with 2 verdicts)" in result.stdout
    assert "topics accept strikes\n" in result.stdout
    assert desk.verdicts() == {FLED.id: (True, "open"), WHEAT.id: (False, "open")}
    assert desk.file.read_text() == FILE


def test_a_second_verdict_replaces_the_first_and_both_are_not_taken_at_once(desk: Desk) -> None:
    desk.said("--relevant", WHEAT.id)
    desk.said("--not-relevant", WHEAT.id)
    assert desk.verdicts() == {WHEAT.id: (False, "open")}
    assert desk.said("--relevant", FLED.id, "--not-relevant", FLED.url).exit_code == 2
    assert FLED.id not in desk.verdicts()


@pytest.mark.parametrize(
    ("name", "advice"),
    [("zzz", "as `topics review` shows it"), ("https://example.org/other", "among the examples"), (" ", "shows it")],
)
def test_an_article_that_is_not_there_is_one_sentence(desk: Desk, name: str, advice: str) -> None:
    result = desk.said("--relevant", name)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert advice in result.stderr
    assert desk.verdicts() == {}


def test_what_was_judged_is_shown_with_its_verdict(desk: Desk) -> None:
    desk.said("--relevant", FLED.id, "--note", "yes indeed")
    assert "said: relevant (" in desk.said().stdout
    (first, _) = json.loads(desk.said("--json").stdout)["articles"]
    assert (first["verdict"]["relevant"], first["verdict"]["state"], first["verdict"]["note"]) == (
        True,
        "open",
        "yes indeed",
    )


def test_at_a_terminal_each_article_is_asked_about(desk: Desk) -> None:
    shown = typed_at_a_terminal(desk, "what\ny\nn\n")
    assert shown.count("relevant? [y]es, [n]o, [s]kip, [q]uit:") == 3
    assert "Proposed: examples +1, counter_examples +1" in shown
    assert desk.verdicts() == {FLED.id: (True, "open"), WHEAT.id: (False, "open")}
    assert "relevant? [y]es" not in typed_at_a_terminal(desk, "")


def test_skipping_says_nothing_and_leaving_keeps_what_was_said(desk: Desk) -> None:
    typed_at_a_terminal(desk, "s\nq\n")
    assert desk.verdicts() == {}
    typed_at_a_terminal(desk, "n\n\x04")
    assert desk.verdicts() == {FLED.id: (False, "open")}


async def test_beside_a_daemon_the_owner_keeps_the_verdicts(desk: Desk) -> None:
    with (
        own(desk.folder / "data", address="", clock=SystemClock()) as me,
        desk.store() as store,
        closing(open_log("sqlite:", desk.folder / "data", quarantine=lambda _: None, clock=SystemClock())) as log,
    ):
        stop = asyncio.Event()
        server = asyncio.create_task(ControlServer(Path(me.socket), verbs(store, log, SystemClock())).run(stop))
        async with asyncio.timeout(60):
            while not Path(me.socket).exists():
                await asyncio.sleep(0)
        result = await asyncio.to_thread(desk.said, "--relevant", FLED.id)
        dropped = await asyncio.to_thread(desk.topics, "accept", "strikes", "--drop", "--json")
        stop.set()
        await server
    assert result.exit_code == 0, result.output
    assert "Proposed: examples +1" in result.stdout
    assert json.loads(dropped.stdout) == {"topic": "strikes", "dropped": 1}


def test_the_proposal_is_shown_with_its_back_test_which_is_made_once(desk: Desk) -> None:
    result = desk.topics("review", "strikes", "--relevant", FLED.id)
    assert result.exit_code == 0, result.output
    assert "articles of 7 days: " in result.stdout
    with desk.store() as store:
        proposal = Proposals(store).get("strikes")
    assert proposal is not None
    kept = json.loads(proposal.report)
    assert kept["days"] == 7
    again = json.loads(desk.said("--json").stdout)
    assert again["proposal"]["back_test"] == kept


# -- accepting


def test_accepting_writes_the_examples_and_keeps_the_comments(desk: Desk) -> None:
    desk.said("--relevant", FLED.id, "--not-relevant", WHEAT.id)
    result = desk.topics("accept", "strikes")
    assert result.exit_code == 0, result.output
    assert "Accepted 2 verdicts into" in result.stdout
    assert "examples +1, counter_examples +1." in result.stdout
    assert desk.file.read_text().startswith(FILE)
    assert desk.written().examples == (f"article:{FLED.id}",)
    assert desk.written().counter_examples == (f"article:{WHEAT.id}",)
    assert {state for _, state in desk.verdicts().values()} == {"accepted"}
    again = desk.topics("accept", "strikes")
    assert (again.exit_code, "there is nothing to accept" in again.stderr) == (1, True)


def test_an_acceptance_that_was_cut_short_is_finished_by_another_one(desk: Desk) -> None:
    desk.said("--relevant", FLED.id)
    desk.file.write_text(FILE + f'examples = ["article:{FLED.id}"]\n')
    before = desk.file.read_text()
    assert "the examples are there already" in desk.topics("accept", "strikes").stdout
    assert desk.file.read_text() == before
    assert desk.verdicts() == {FLED.id: (True, "accepted")}


def test_accepting_as_json(desk: Desk) -> None:
    desk.said("--relevant", FLED.id)
    assert json.loads(desk.topics("accept", "strikes", "--json").stdout) == {
        "topic": "strikes",
        "accepted": 1,
        "changes": ["examples +1"],
        "rebased": False,
    }


def test_a_topic_that_was_edited_meanwhile_keeps_its_edit(desk: Desk) -> None:
    desk.said("--relevant", FLED.id)
    desk.file.write_text(FILE + 'channels = ["desk"]\nexamples = ["text:mine"]\n')
    result = desk.topics("accept", "strikes")
    assert "its verdicts still apply" in result.stdout
    assert desk.written().examples == ("text:mine", f"article:{FLED.id}")
    assert desk.written().channels == ("desk",)


def test_a_topic_that_asks_something_else_by_now_is_not_changed(desk: Desk) -> None:
    desk.said("--relevant", FLED.id)
    edited = FILE.replace("airstrikes Syria", "wheat prices")
    desk.file.write_text(edited)
    result = desk.topics("accept", "strikes")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "topics review strikes" in result.stderr
    assert desk.file.read_text() == edited
    assert desk.verdicts() == {FLED.id: (True, "open")}
    desk.publish()
    desk.said()  # it was seen what they do to the new question
    assert desk.topics("accept", "strikes").exit_code == 0
    assert desk.written().examples == (f"article:{FLED.id}",)


def test_dropping_forgets_the_verdicts(desk: Desk) -> None:
    desk.said("--relevant", FLED.id)
    assert "1 verdict forgotten." in desk.topics("accept", "strikes", "--drop").stdout
    assert "no open verdicts" in desk.topics("accept", "strikes", "--drop").stdout
    assert desk.topics("accept", "strikes").exit_code == 1
    assert desk.file.read_text() == FILE


# -- versions


def test_the_history_tells_what_each_version_changed(desk: Desk) -> None:
    desk.file.write_text(FILE + 'kind = "theme"\nenabled = false\n')
    desk.publish()
    lines = desk.topics("history", "strikes").stdout.splitlines()
    assert lines[0].endswith("  version 2: kind event -> theme, enabled yes -> no")
    assert lines[1].endswith('  version 1: added, query "airstrikes Syria"')
    versions = json.loads(desk.topics("history", "strikes", "--json").stdout)["versions"]
    assert [row["version"] for row in versions] == [2, 1]
    assert versions[0]["changes"] == ["kind event -> theme", "enabled yes -> no"]


def test_the_history_of_a_removed_topic_is_told_too(desk: Desk) -> None:
    desk.remove()
    assert "version 2: removed" in desk.topics("history", "strikes").stdout
    assert 'did you mean "strikes"' in desk.topics("history", "strike").stderr


def test_rolling_back_writes_the_version_before_and_asks_first(desk: Desk) -> None:
    edited = FILE + 'kind = "theme"\nchannels = ["desk"] # loud\n'
    desk.file.write_text(edited)
    desk.publish()
    refused = desk.topics("rollback", "strikes", typed="n\n")
    assert refused.exit_code == 1
    assert "Back to version 1 of strikes: kind theme -> event, channels +1 -1" in refused.stdout
    assert desk.file.read_text() == edited
    assert desk.topics("rollback", "strikes", typed="y\n").exit_code == 0
    assert desk.written() == Topic(id="strikes", query="airstrikes Syria")
    assert desk.file.read_text().startswith(FILE)


def test_an_accepted_proposal_is_taken_back_with_one_command(desk: Desk) -> None:
    desk.said("--relevant", FLED.id)
    desk.topics("accept", "strikes")
    assert desk.topics("rollback", "strikes", "--yes").exit_code == 0  # also before it is in force
    assert desk.file.read_text() == FILE


def test_any_version_can_be_rolled_back_to(desk: Desk) -> None:
    for query in ("air raids", "bombs"):
        desk.file.write_text(FILE.replace("airstrikes Syria", query))
        desk.publish()
    result = desk.topics("rollback", "strikes", "--version", "1", "--yes", "--json")
    assert json.loads(result.stdout) == {
        "topic": "strikes",
        "version": 1,
        "changes": ['query "bombs" -> "airstrikes Syria"'],
    }
    assert desk.written().query == "airstrikes Syria"
    missing = desk.topics("rollback", "strikes", "--version", "9", "--yes")
    assert (missing.exit_code, "has no version 9" in missing.stderr) == (1, True)


def test_a_topic_that_was_never_different_has_nothing_to_go_back_to(desk: Desk) -> None:
    result = desk.topics("rollback", "strikes", "--yes")
    assert (result.exit_code, "was never different" in result.stderr) == (1, True)
    assert desk.topics("rollback", "strikes", "--version", "1", "--yes").exit_code == 1
