import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from daemon.logs import HIDDEN, clean, hide_secrets, neutralise, set_up


class Written(io.StringIO):
    def line(self, text: str) -> None:
        self.write(text + "\n")

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield Written()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def fail(log: structlog.stdlib.BoundLogger) -> None:
    try:
        {}["https://user:hunter2@example.org/ \x1b[31m"]
    except KeyError:
        log.exception("it failed")


def test_away_from_a_terminal_every_line_is_one_json_object(written: Written):
    set_up(written.line, pretty=False)
    structlog.get_logger("fetch").info("polled", feed="f", articles=3)
    (record,) = written.records()
    assert record["event"] == "polled"
    assert record["articles"] == 3
    assert record["level"] == "info"
    assert str(record["timestamp"]).endswith("Z")


def test_a_terminal_gets_a_short_line(written: Written):
    set_up(written.line, pretty=True, colours=False)
    structlog.get_logger("fetch").info("polled", articles=3)
    assert "polled" in written.getvalue()
    assert "articles=3" in written.getvalue()
    assert written.getvalue().count("\n") == 1
    assert "\x1b" not in written.getvalue()


@pytest.mark.parametrize("pretty", [True, False])
def test_what_a_library_logs_takes_the_same_way(written: Written, pretty: bool):
    set_up(written.line, pretty=pretty, colours=False)
    logging.getLogger("uvicorn.error").warning("bad request from %s", "\x1b]0;owned\x07")
    assert "bad request" in written.getvalue()
    assert "\x1b" not in written.getvalue()
    assert "\x07" not in written.getvalue()


def test_libraries_tell_their_own_story_only_when_asked_to(written: Written):
    set_up(written.line, pretty=False)
    logging.getLogger("apscheduler.scheduler").info("Added job")
    assert written.getvalue() == ""
    set_up(written.line, pretty=False, level="debug")
    logging.getLogger("apscheduler.scheduler").info("Added job")
    assert "Added job" in written.getvalue()


def test_the_level_is_obeyed(written: Written):
    set_up(written.line, pretty=False, level="warning")
    structlog.get_logger("x").info("no")
    structlog.get_logger("x").warning("yes")
    assert [record["event"] for record in written.records()] == ["yes"]


@pytest.mark.parametrize("pretty", [True, False])
def test_a_traceback_shows_no_secret_and_no_terminal_escape(written: Written, pretty: bool):
    set_up(written.line, pretty=pretty, colours=False)
    fail(structlog.get_logger("x"))
    assert "KeyError" in written.getvalue()
    assert "hunter2" not in written.getvalue()
    assert "\x1b" not in written.getvalue()


def test_a_sentence_has_no_traceback(written: Written):
    set_up(written.line, pretty=False)
    structlog.get_logger("x").warning("the role failed", why="no space")
    assert "exception" not in written.records()[0]


def test_a_reader_that_has_gone_stops_nothing(written: Written):
    def closed(_text: str) -> None:
        raise BrokenPipeError

    set_up(closed, pretty=False)
    structlog.get_logger("x").error("nobody hears this")


@pytest.mark.parametrize(
    "secret",
    [
        "https://user:hunter2@example.org/feed",
        "https://hunter2@example.org/feed",
        "token=xoxb-1-hunter2",
        "xapp-1-A-hunter2",
        "https://hooks.slack.com/services/T0/B0/hunter2",
        "Authorization: Bearer hunter2hunter2",
        "Basic aHVudGVyMg==hunter2",
        "whsec_hunter2",
        "https://example.org/feed?api_key=hunter2&x=1",
        "https://example.org/feed?x=1&access_token=hunter2",
    ],
)
def test_what_looks_like_a_secret_is_hidden_in_any_text(secret: str):
    assert "hunter2" not in hide_secrets(f"cannot reach {secret} now")
    assert hide_secrets(f"cannot reach {secret} now").endswith(" now")


def test_what_is_named_like_a_secret_is_hidden_however_deep():
    event = clean(None, "", {"event": "x", "password": "p", "settings": {"slack": {"bot_token": "t"}}, "empty": ""})
    assert event == {"event": "x", "password": HIDDEN, "settings": {"slack": {"bot_token": HIDDEN}}, "empty": ""}


@pytest.mark.parametrize(
    "harmless",
    ["https://example.org/a@b", "write to desk@example.org", "the basic idea", "https://example.org/?page=2"],
)
def test_what_is_no_secret_stays(harmless: str):
    assert hide_secrets(harmless) == harmless


@given(st.text())
def test_nothing_in_a_text_ends_the_line_or_moves_the_cursor(text: str):
    assert all(character.isprintable() or ord(character) > 0x9F for character in neutralise(text))
    assert len(neutralise(text).splitlines()) <= 1


def test_a_value_without_end_is_cut():
    event = clean(None, "", {"event": "x", "body": "a" * 100_000})
    assert len(event["body"]) < 2100
