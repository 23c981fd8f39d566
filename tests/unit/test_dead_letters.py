"""What was set aside is kept once, shown safely, and handed over again before it is forgotten."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.model import ARTICLES, MATCHES, Article
from daemon.cli import app
from daemon.clock import SystemClock
from daemon.control import ControlServer, own
from daemon.errors import Unavailable, Unusable
from daemon.log import DeadLetter, Log
from daemon.log.codec import encode
from daemon.log.opening import open_log
from daemon.store import Store
from daemon.store.dead_letters import DeadLetters, verbs
from daemon.store.opening import open_store

ARTICLE = Article(id="a", feed_id="f", source="example.org", title="Harbour reopens", seen=1.0)


@pytest.fixture
def letters(store: Store) -> DeadLetters:
    return DeadLetters(store)


@pytest.fixture
def log(tmp_path: Path, letters: DeadLetters) -> Iterator[Log]:
    with closing(a_log(tmp_path, letters)) as log:
        yield log


def a_log(tmp_path: Path, letters: DeadLetters) -> Log:
    return open_log("sqlite:", tmp_path / "data", quarantine=letters.put, clock=SystemClock())


def letter(position: str = "7", *, stream: str = ARTICLES.name, payload: bytes = b"?", at: float = 1.0) -> DeadLetter:
    return DeadLetter(stream=stream, group="matcher", position=position, payload=payload, reason="unreadable", at=at)


def good(position: str = "7") -> DeadLetter:
    return letter(position, payload=encode(ARTICLES, ARTICLE))


def read(log: Log) -> list[Article]:
    with closing(log.reader(ARTICLES, "someone")) as reader:
        return list(reader.read(100, timeout=0.0))


# -- keeping


def test_a_record_that_is_set_aside_twice_is_kept_once_with_its_first_reason(letters: DeadLetters) -> None:
    letters.put([letter(), letter("8")])
    again = DeadLetter(
        stream=ARTICLES.name, group="matcher", position="7", payload=b"?", reason="another reason", at=9.0
    )
    letters.put([again])
    assert {kept.letter.reason for kept in letters.list()} == {"unreadable"}
    assert letters.count() == 2
    letters.put([])


def test_the_list_is_newest_first_and_as_long_as_asked(letters: DeadLetters) -> None:
    letters.put([letter(str(number), at=float(number)) for number in range(5)])
    assert [kept.letter.position for kept in letters.list(limit=3)] == ["4", "3", "2"]
    assert letters.list()[0].letter == letter("4", at=4.0)


def test_one_is_found_by_the_start_of_its_id(letters: DeadLetters) -> None:
    letters.put([letter(str(number)) for number in range(40)])
    one = letters.list()[0]
    assert letters.get(one.id[:12]) == one
    with pytest.raises(Unusable, match="give more of it"):
        letters.get(next(start for start in "0123456789abcdef" if sum(id_[0] == start for id_ in letters.ids()) > 1))
    for unknown in ("zzz", "", "%", "_"):
        with pytest.raises(Unusable, match="no dead letter"):
            letters.get(unknown)


def test_what_is_dropped_is_gone(letters: DeadLetters) -> None:
    letters.put([letter("1"), letter("2")])
    first = letters.list()[0].id
    assert letters.drop([first, first, "unknown"]) == 1
    assert letters.count() == 1


# -- replaying


def test_a_replayed_letter_is_on_its_stream_again_and_forgotten(letters: DeadLetters, log: Log) -> None:
    letters.put([good()])
    letters.replay(letters.list()[0], log)
    assert read(log) == [ARTICLE]
    assert letters.count() == 0


def test_a_letter_that_still_cannot_be_read_stays(letters: DeadLetters, log: Log) -> None:
    letters.put([letter(payload=b"not json"), letter(stream="retired", payload=b"{}")])
    for kept in letters.list():
        with pytest.raises(Unusable):
            letters.replay(kept, log)
    assert letters.count() == 2
    assert read(log) == []


def test_a_letter_is_kept_while_the_log_cannot_be_reached(letters: DeadLetters, log: Log) -> None:
    letters.put([good()])
    log.close()
    with pytest.raises(Unavailable):
        letters.replay(letters.list()[0], log)
    assert letters.count() == 1


def test_replaying_all_goes_on_past_what_fails(letters: DeadLetters, log: Log) -> None:
    letters.put([good("1"), letter("2"), good("3"), letter("4", stream=MATCHES.name)])
    answer = verbs(letters, log)["dead-letters.replay"]({"ids": []})
    assert answer["done"] == 2
    assert len(answer["failed"]) == 2
    assert len(read(log)) == 2


# -- the command


class Command:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *args: str, answer: str = "") -> Result:
        return CliRunner().invoke(app, ["--config", str(self._folder), "dead-letters", *args], input=answer)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "wirewatch.toml").write_text("")
    return Command(tmp_path)


def set_aside(tmp_path: Path, *aside: DeadLetter) -> None:
    with closing(open_store("sqlite:", tmp_path / "data")) as store:
        DeadLetters(store).put(aside)


def left(tmp_path: Path) -> int:
    with closing(open_store("sqlite:", tmp_path / "data")) as store:
        return DeadLetters(store).count()


def test_the_list_names_each_with_its_reason(tmp_path: Path, command: Command) -> None:
    set_aside(tmp_path, letter("1"), letter("2"))
    shown = command("list")
    assert shown.exit_code == 0
    assert shown.stdout.count("unreadable") == 2
    rows = json.loads(command("list", "--json").stdout)
    assert {row["position"] for row in rows} == {"1", "2"}
    assert rows[0].keys() >= {"id", "at", "stream", "group", "reason"}


def test_the_payload_of_one_is_shown_without_its_escape_sequences(tmp_path: Path, command: Command) -> None:
    set_aside(tmp_path, letter(payload=b"\x1b]0;title\x07 \xff caf\xc3\xa9"))
    row = json.loads(command("list", "--json").stdout)[0]
    shown = command("show", row["id"][:12]).stdout
    assert "\x1b" not in shown
    assert "\\xff café" in shown
    assert json.loads(command("show", row["id"], "--json").stdout)["payload"].endswith("\\xff café")


def test_an_unknown_id_is_one_sentence_and_code_1(tmp_path: Path, command: Command) -> None:
    set_aside(tmp_path, letter())
    shown = command("show", "zzz")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("no dead letter")
    assert "Traceback" not in shown.output


def test_without_a_store_there_is_a_sentence_and_nothing_is_made(tmp_path: Path, command: Command) -> None:
    for args in (["list"], ["show", "a"], ["replay", "--all"], ["drop", "--all", "--yes"]):
        shown = command(*args)
        assert shown.exit_code == 1
        assert "wirewatch run" in shown.stderr
    assert not (tmp_path / "data").exists()


def test_dropping_asks_first(tmp_path: Path, command: Command) -> None:
    set_aside(tmp_path, letter())
    assert command("drop", "--all", answer="n\n").exit_code == 1
    assert left(tmp_path) == 1
    assert "1 dropped" in command("drop", "--all", "--yes").stdout
    assert left(tmp_path) == 0


def test_which_ones_must_be_said(tmp_path: Path, command: Command) -> None:
    set_aside(tmp_path, letter())
    assert command("drop", "--yes").exit_code == 2
    assert command("replay", "abc", "--all").exit_code == 2
    assert left(tmp_path) == 1


def test_replaying_while_nobody_runs_takes_the_directory_for_that_long(tmp_path: Path, command: Command) -> None:
    set_aside(tmp_path, good("1"), letter("2"))
    shown = command("replay", "--all")
    assert shown.exit_code == 1  # one of them could not be
    assert "1 replayed." in shown.stdout
    assert "still cannot be read" in shown.stderr
    assert left(tmp_path) == 1


async def test_replaying_while_the_daemon_runs_lets_the_daemon_do_it(tmp_path: Path, command: Command) -> None:
    set_aside(tmp_path, good())
    done_by: list[str] = []
    with (
        own(tmp_path / "data", address="", clock=SystemClock()) as me,
        closing(open_store("sqlite:", tmp_path / "data")) as store,
        closing(a_log(tmp_path, DeadLetters(store))) as log,
    ):
        letters = DeadLetters(store)
        replay = verbs(letters, log)["dead-letters.replay"]

        def observed(args: dict[str, object]) -> dict[str, object]:
            done_by.append(threading.current_thread().name)
            return replay(args)

        stop = asyncio.Event()
        server = asyncio.create_task(ControlServer(Path(me.socket), {"dead-letters.replay": observed}).run(stop))
        async with asyncio.timeout(60):
            while not Path(me.socket).exists():
                await asyncio.sleep(0)
        shown = await asyncio.to_thread(command, "replay", "--all", "--json")
        stop.set()
        await server
        assert shown.exit_code == 0, shown.output
        assert json.loads(shown.stdout) == {"done": 1, "failed": []}
        assert len(done_by) == 1
        assert read(log) == [ARTICLE]
