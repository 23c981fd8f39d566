"""``wirewatch mutes``, as typed: with a running daemon and without one."""

import asyncio
import getpass
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from consumers.model import Passage, Report
from daemon.cli import app
from daemon.clock import SystemClock
from daemon.control import ControlServer, own
from daemon.mutes import verbs
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.opening import open_store
from daemon.store.tables import stories
from tests.kept_rows import NOW, KeptRows

PASSAGE = Passage(text="It happened.", number=1, of=1)
REPORT = Report(source="example.org", url="https://example.org/1", title="Strikes", at=NOW - 900)


@pytest.fixture
def story(tmp_path: Path) -> str:
    """Its id. The store is closed: a command opens it."""
    (tmp_path / "wirewatch.toml").write_text("")
    with closing(open_store("sqlite:", tmp_path / "data")) as store:
        rows = KeptRows(store)
        rows.alert(rows.topic("Airstrikes Syria"), "Warplanes \x1b[2J strike", passage=PASSAGE, reports=[REPORT])
        with store.read() as connection:
            return str(connection.execute(select(stories.c.id)).scalar_one())


def mutes(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(folder), "mutes", *words], catch_exceptions=False)


def listed(folder: Path, *words: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(mutes(folder, "list", "--json", *words).stdout)
    return rows


@contextmanager
def daemon(folder: Path) -> Iterator[Store]:
    """Somebody who owns the data directory and answers."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    data = folder / "data"
    with own(data, address="", clock=SystemClock()) as owner, closing(open_store("sqlite:", data)) as store:
        server = ControlServer(Path(owner.socket), verbs(store, SystemClock()))
        serving = asyncio.run_coroutine_threadsafe(server.run(stop), loop)
        while not Path(owner.socket).exists():
            serving.exception(0.01) if serving.done() else None
        yield store
        loop.call_soon_threadsafe(stop.set)
        serving.result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_before_anything_is_muted_the_list_says_so(story: str, tmp_path: Path) -> None:
    assert mutes(tmp_path, "list").stdout == "Nothing is muted.\n"
    assert listed(tmp_path) == []


def test_a_story_is_muted_for_a_day_under_the_users_name_unless_said_otherwise(story: str, tmp_path: Path) -> None:
    done = mutes(tmp_path, "add", "--story", story[:8])
    assert done.exit_code == 0
    assert f"Muted the story {story[:12]} until " in done.stdout
    (row,) = listed(tmp_path)
    assert (row["kind"], row["target"], row["by"]) == ("story", story, getpass.getuser())
    assert (row["in_force"], row["until_new_facts"], row["ended"]) == (True, False, None)
    with closing(open_store("sqlite:", tmp_path / "data")) as store:
        (mute,) = Mutes(store).all()
    assert mute.until - mute.since == 86_400.0
    assert abs(mute.since - time.time()) < 60


@pytest.mark.parametrize(
    ("words", "seconds", "early"),
    [
        (["--for", "90m"], 5400.0, False),
        (["--until-new-facts"], 7 * 86_400.0, True),
        (["--until-new-facts", "--for", "2d"], 2 * 86_400.0, True),
    ],
)
def test_how_long_it_lasts_can_be_said(
    story: str, tmp_path: Path, words: list[str], seconds: float, early: bool
) -> None:
    said = mutes(tmp_path, "add", "--topic", "airstrikes-syria", *words).stdout
    with closing(open_store("sqlite:", tmp_path / "data")) as store:
        (mute,) = Mutes(store).all()
    assert (mute.kind, mute.until - mute.since, mute.until_new_facts) == ("topic", pytest.approx(seconds), early)
    assert ("what is new ends it early" in said) == early


def test_author_and_comment_are_kept_and_shown(story: str, tmp_path: Path) -> None:
    mutes(tmp_path, "add", "--source", "https://www.example.org/", "--by", "Ana", "--comment", "copies us")
    shown = mutes(tmp_path, "list").stdout
    for text in ("the source example.org", "Ana", "copies us", "in force"):
        assert text in shown


def test_a_story_is_listed_by_its_title_without_what_a_terminal_would_obey(story: str, tmp_path: Path) -> None:
    mutes(tmp_path, "add", "--story", story)
    shown = mutes(tmp_path, "list").stdout
    assert "“Warplanes" in shown
    assert "\x1b" not in shown + mutes(tmp_path, "list", "--json").stdout


def test_a_mute_is_ended_by_the_first_characters_of_its_id(story: str, tmp_path: Path) -> None:
    added = json.loads(mutes(tmp_path, "add", "--story", story, "--json").stdout)
    done = mutes(tmp_path, "remove", added["id"][:8], "--by", "Ben")
    assert (done.exit_code, listed(tmp_path)) == (0, [])
    assert "what it held is told now" in done.stdout
    (row,) = listed(tmp_path, "--all")
    assert (row["in_force"], row["ended_why"]) == (False, "ended by Ben")
    assert "ended by Ben" in mutes(tmp_path, "list", "--all").stdout
    again = mutes(tmp_path, "remove", added["id"])
    assert again.exit_code == 1
    assert "has ended already" in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["add"], 2, "one of --story, --topic and --source"),
        (["add", "--story", "a", "--topic", "b"], 2, "one of --story, --topic and --source"),
        (["add", "--topic", "airstrikes-syria", "--for", "a while"], 2, "--for"),
        (["add", "--topic", "airstrikes-syria", "--for", "1s"], 1, "between a minute and a year"),
        (["add", "--topic", "weather"], 1, "wirewatch topics list"),
        (["add", "--story", "zzz"], 1, "wirewatch stories list"),
        (["add", "--source", "no host"], 1, "example.org"),
        (["remove", "zzz"], 1, "wirewatch mutes list"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_that_says_what_to_do(
    story: str, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    done = mutes(tmp_path, *words)
    assert done.exit_code == code
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert listed(tmp_path) == []


def test_without_a_store_it_says_what_to_start(tmp_path: Path) -> None:
    (tmp_path / "wirewatch.toml").write_text("")
    for words in (["list"], ["add", "--source", "example.org"], ["remove", "a"]):
        done = mutes(tmp_path, *words)
        assert done.exit_code == 1
        assert "wirewatch run" in done.stderr


def test_a_running_daemon_is_asked_to_do_it(story: str, tmp_path: Path) -> None:
    with daemon(tmp_path) as store:
        added = json.loads(mutes(tmp_path, "add", "--story", story, "--json").stdout)
        assert [mute.id for mute in Mutes(store).all()] == [added["id"]]
        assert [row["id"] for row in listed(tmp_path)] == [added["id"]]
        refused = mutes(tmp_path, "add", "--topic", "weather")
        assert refused.exit_code == 1
        assert "wirewatch topics list" in refused.stderr
        assert mutes(tmp_path, "remove", added["id"]).exit_code == 0
        assert Mutes(store).all()[0].ended is not None
