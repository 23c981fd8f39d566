"""``wirewatch topics``, as it is typed."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumers.model import Escalation, Scheduled, Topic, Wanted
from daemon.cli import app
from daemon.clock import SystemClock
from daemon.control import own
from daemon.log.opening import open_log
from daemon.publish import TopicPublisher
from daemon.store.opening import open_store
from daemon.store.topics import TopicVersions
from daemon.store.workers import Worker, Workers
from daemon.topics_file import TopicEntry, topics_file
from daemon.watch import FolderWatch


class Desk:
    """A folder with two topics, and commands typed beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "topics.toml"
        self.file.write_text('# ours\n\n[[topic]]\nid = "strikes" # for ever\nquery = "airstrikes Syria"\n')

    def topics(self, *arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--config", str(self.folder), "topics", *arguments], input=typed)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_add_writes_the_topic_shows_it_and_says_when_it_takes_effect(desk: Desk) -> None:
    result = desk.topics("add", "Undersea cables cut", "--kind", "event")
    assert result.exit_code == 0, result.output
    assert '[[topic]]\nid = "undersea-cables-cut"\nquery = "Undersea cables cut"\nkind = "event"' in result.stdout
    assert "takes effect at the next start" in result.stdout
    assert desk.file.read_text().endswith('query = "Undersea cables cut"\nkind = "event"\nchannels = ["console"]\n')
    assert desk.file.read_text().startswith('# ours\n\n[[topic]]\nid = "strikes" # for ever\n')


EVERY_OPTION = (
    *("--kind", "theme", "--description", "From the air.", "--sensitivity", "fewer", "--max-age", "7d"),
    *("--example", "https://example.org/a", "--example", "text:Planes struck.", "--counter-example", "article:5f"),
    *("--require", "Russia", "--require", '"air force"', "--exclude", r"re:\bIsraeli (air)?strike"),
    *("--language", "en", "--language", "fr", "--source", "*.example.org", "--not-source", "www.other.test"),
    *("--channel", "console", "--channel", "console=7:00 Europe/Paris weekdays", "--updates", "all"),
    *("--min-sources", "2", "--severity", "urgent", "--escalate", "3 within 30m to console", "--yields-to", "strikes"),
    *("--silence", "6h"),
)


def test_add_takes_every_key_of_a_topic(desk: Desk) -> None:
    result = desk.topics("add", "raids", *EVERY_OPTION, "--spike")
    assert result.exit_code == 0, result.output
    assert 'channels = [{name = "console", when = ["instant", "7:00 Europe/Paris weekdays"]}]' in result.stdout
    assert topics_file(desk.file, ["console"]).find("raids") == Topic(
        id="raids",
        query="raids",
        kind="theme",
        description="From the air.",
        sensitivity="fewer",
        examples=("https://example.org/a", "text:Planes struck."),
        counter_examples=("article:5f",),
        require=Wanted(any=("Russia", '"air force"')),
        exclude=Wanted(any=(r"re:\bIsraeli (air)?strike",)),
        languages=("en", "fr"),
        sources=("*.example.org",),
        not_sources=("other.test",),
        max_age=7 * 86_400.0,
        digests=(Scheduled(channel="console", when="07:00 Europe/Paris weekdays"),),
        updates="all",
        min_sources=2,
        severity="urgent",
        escalate=Escalation(sources=3, within=1800.0, channels=("console",)),
        yields_to=("strikes",),
        spike=True,
        silence=6 * 3600.0,
    )


def test_no_key_of_a_topic_is_missing_on_the_command_line(desk: Desk) -> None:
    """The tests about every option would not notice a new key."""
    desk.topics("add", "raids")
    given = {*EVERY_OPTION, "--query", "--alerts-per-day", "--disable", "--spike", "--no-spike"}
    every = [word.replace("strikes", "raids") for word in EVERY_OPTION]
    changed = desk.topics("edit", "strikes", *every, "--query", "x", "--disable", "--spike")
    assert changed.exit_code == 0, changed.output
    written = set(re.findall(r"^(\w+) = ", desk.file.read_text().replace('"strikes" # for ever', '"strikes"'), re.M))
    assert written | {"alerts_per_day"} == set(TopicEntry.model_fields)
    help_says = desk.topics("edit", "--help").stdout + desk.topics("add", "--help").stdout
    assert all(option in help_says for option in given if option.startswith("--"))


def test_add_says_what_kind_it_took_where_none_was_named(desk: Desk) -> None:
    said = desk.topics("add", "AI regulation").stdout
    assert "Its kind is event: one thing that happens, reported for a few days." in said
    assert "a running story with many reports: `wirewatch topics edit ai-regulation --kind theme`" in said
    assert "Its kind" not in desk.topics("add", "floods", "--kind", "event").stdout


def test_an_option_of_edit_replaces_the_list_and_an_empty_text_clears_it(desk: Desk) -> None:
    desk.topics("add", "raids", *EVERY_OPTION)
    result = desk.topics("edit", "raids", "--require", "Moscow", "--exclude", "", "--language", "", "--max-age", "")
    assert result.exit_code == 0, result.output
    assert 'require = ["Moscow"]; back to the default: exclude, languages, max_age' in result.stdout
    topic = topics_file(desk.file, ["console"]).find("raids")
    assert (topic.require, topic.exclude) == (Wanted(any=("Moscow",)), Wanted())
    assert (topic.languages, topic.max_age, topic.sources) == ((), None, ("*.example.org",))
    cleared = [word if word.startswith("--") else "" for word in EVERY_OPTION]
    assert desk.topics("edit", "raids", *cleared, "--require", "").exit_code == 0
    assert topics_file(desk.file, ["console"]).find("raids") == Topic(id="raids", query="raids")


def test_words_cannot_be_cleared(desk: Desk) -> None:
    result = desk.topics("edit", "strikes", "--query", "")
    assert result.exit_code == 1
    assert "say in plain words what to watch for" in result.stderr


def test_a_number_of_alerts_takes_the_place_of_a_sensitivity_and_back(desk: Desk) -> None:
    desk.topics("add", "raids", "--sensitivity", "more")
    assert desk.topics("edit", "raids", "--alerts-per-day", "2").exit_code == 0
    assert desk.file.read_text().endswith("alerts_per_day = 2\n")
    assert desk.topics("edit", "raids", "--sensitivity", "fewer").exit_code == 0
    assert desk.file.read_text().endswith('sensitivity = "fewer"\n')
    both = desk.topics("edit", "raids", "--sensitivity", "fewer", "--alerts-per-day", "2")
    assert both.exit_code == 1
    assert "takes the place of sensitivity: keep one of the two" in both.stderr


def test_a_number_that_is_none_is_wrong_use(desk: Desk) -> None:
    result = desk.topics("edit", "strikes", "--alerts-per-day", "few")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--alerts-per-day few: write a number" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--require", "re:(", "the pattern"),
        ("--language", "jp", 'did you mean "ja"'),
        ("--kind", "evnt", '"event" or "theme"'),
        ("--sensitivity", "most", '"fewer", "balanced" or "more"'),
        ("--max-age", "7", "is not a duration"),
        ("--source", "https://example.org/a", 'did you mean "example.org"'),
        ("--example", "a page", "text:…"),
        ("--channel", "console=07:00", "name the zone"),
        ("--channel", "console=07:00 Paris", 'did you mean "Europe/Paris"'),
        ("--updates", "new", '"all", "new-facts" or "none"'),
        ("--min-sources", "21", "a whole number from 1 to 20"),
        ("--severity", "high", '"normal" or "urgent"'),
        ("--escalate", "1 within 30m", "a whole number from 2 to 50"),
        ("--escalate", "3 within 30m to pager", 'there is no channel "pager"'),
        ("--yields-to", "strike", 'there is no topic "strike"'),
        ("--silence", "1s", "from 10m to 30d"),
    ],
)
def test_a_value_that_is_wrong_is_one_sentence_and_nothing_is_written(
    desk: Desk, option: str, value: str, sentence: str
) -> None:
    before = desk.file.read_text()
    result = desk.topics("edit", "strikes", option, value)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert sentence in result.stderr
    assert desk.file.read_text() == before


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [("--min-sources", "two", "how many independent sources"), ("--escalate", "3", 'as in "3 within 30m"')],
)
def test_an_option_that_cannot_be_read_is_wrong_use(desk: Desk, option: str, value: str, sentence: str) -> None:
    result = desk.topics("edit", "strikes", option, value)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"{option} {value}: write" in result.stderr
    assert sentence in result.stderr


def test_show_says_in_words_how_a_topic_is_told(desk: Desk) -> None:
    desk.topics("add", "raids", "--spike", *EVERY_OPTION)
    shown = desk.topics("show", "raids").stdout
    for line in (
        "channels         console at once and at 07:00 Europe/Paris weekdays",
        "updates          all: every report of a story is told",
        "min_sources      2 independent sources before anybody is told",
        "severity         urgent, told in quiet hours, too",
        "escalate         3 sources within 30m, also on console",
        "yields_to        strikes: what is told there is not told here again",
        "spike            told when far more is reported than usual",
        "silence          told when nothing was reported for 6h",
    ):
        assert f"{line}\n" in shown
    assert "console at once and at 07:00" in desk.topics("list").stdout
    (_, row) = json.loads(desk.topics("list", "--json").stdout)
    assert row["channels"] == [{"name": "console", "when": ["instant", "07:00 Europe/Paris weekdays"]}]


def test_show_prints_only_what_is_not_at_its_default(desk: Desk) -> None:
    shown = desk.topics("show", "strikes").stdout
    assert [line.split()[0] for line in shown.splitlines()] == ["id", "query", "not"]
    desk.topics(
        "edit", "strikes", "--require", "Homs", "--require", "Hama", "--max-age", "36h", "--alerts-per-day", "2"
    )
    shown = desk.topics("show", "strikes").stdout
    assert 'require          any of "Homs", "Hama"\n' in shown
    assert "max_age          36h\n" in shown
    assert "alerts_per_day   2\n" in shown
    assert "sensitivity" not in shown


def test_json_shows_every_key_of_a_topic(desk: Desk) -> None:
    shown = json.loads(desk.topics("show", "strikes", "--json").stdout)
    assert set(TopicEntry.model_fields) <= set(shown)
    assert shown["require"] == {"any": [], "all": []}
    (row,) = json.loads(desk.topics("list", "--json").stdout)
    assert set(row) == {*TopicEntry.model_fields, "version"}


def test_add_makes_the_file_where_there_is_none(desk: Desk) -> None:
    desk.file.unlink()
    assert desk.topics("add", "cables").exit_code == 0
    assert desk.file.read_text() == '[[topic]]\nid = "cables"\nquery = "cables"\nchannels = ["console"]\n'


def test_a_channel_that_does_not_exist_is_one_sentence_without_a_traceback(desk: Desk) -> None:
    before = desk.file.read_text()
    result = desk.topics("add", "cables", "--channel", "desk")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert 'there is no channel "desk"' in result.stderr
    assert desk.file.read_text() == before


def test_edit_keeps_comments(desk: Desk) -> None:
    result = desk.topics("edit", "strikes", "--query", "air raids", "--disable")
    assert result.exit_code == 0, result.output
    assert '"strikes" # for ever\nquery = "air raids"\nenabled = false\n' in desk.file.read_text()


def test_edit_without_a_change_is_wrong_use(desk: Desk) -> None:
    assert desk.topics("edit", "strikes").exit_code == 2


def test_remove_asks_first(desk: Desk) -> None:
    assert desk.topics("remove", "strikes", typed="n\n").exit_code == 1
    assert "strikes" in desk.file.read_text()
    assert desk.topics("remove", "strikes", typed="y\n").exit_code == 0
    assert desk.file.read_text() == "# ours\n"


def test_remove_with_yes_does_not_ask_and_an_unknown_one_is_told(desk: Desk) -> None:
    assert 'did you mean "strikes"' in desk.topics("remove", "strike", "--yes").stderr
    assert desk.topics("remove", "strikes", "--yes").exit_code == 0


def test_list_in_a_table_and_as_json(desk: Desk) -> None:
    assert "airstrikes Syria" in desk.topics("list").stdout
    (row,) = json.loads(desk.topics("list", "--json").stdout)
    assert (row["id"], row["channels"], row["enabled"], row["version"]) == ("strikes", ["console"], True, None)


def test_an_empty_list_says_how_to_begin(desk: Desk) -> None:
    desk.file.write_text("")
    assert "wirewatch topics add" in desk.topics("list").stdout
    assert json.loads(desk.topics("list", "--json").stdout) == []


def test_a_terminal_cannot_be_steered_by_a_topic(desk: Desk) -> None:
    desk.file.write_text('[[topic]]\nid = "x"\nquery = "a\\u001b[31m\\u202eb [bold]"\n')
    for command in (["list"], ["show", "x"]):
        shown = desk.topics(*command).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "[bold]" in shown


def test_show_says_that_a_topic_waits_for_the_daemon(desk: Desk) -> None:
    assert "not in force yet" in desk.topics("show", "strikes").stdout
    assert json.loads(desk.topics("show", "strikes", "--json").stdout)["versions"] == []


@pytest.fixture
def running(desk: Desk) -> Iterator[TopicVersions]:
    """A daemon's part in an edit: follows the file, publishes, and works with what is published."""
    data = desk.folder / "data"
    with own(data, address="", clock=SystemClock()):
        store = open_store("sqlite:", data)
        log = open_log("sqlite:", data, quarantine=lambda letters: None, clock=SystemClock())
        versions = TopicVersions(store)
        publisher = TopicPublisher(log, versions, SystemClock())
        working: dict[str, int | None] = {}
        Workers(store).beat(
            Worker(id="match", roles=("match",), host="here", pid=1, version="0", since=0.0, seen=0.0, ready=True)
        )

        def follow(_: str) -> None:
            publisher.publish(topics_file(desk.file, ["console"]).load())
            now = {key: topic.version for key, topic in versions.in_force().items()}
            versions.applied("match", {**dict.fromkeys(working), **now}, 0.0)
            working.update(now)

        follow("topics.toml")
        stop = threading.Event()
        watch = FolderWatch(desk.folder, ["topics.toml"], follow)
        thread = threading.Thread(target=watch.run, args=(stop,))
        thread.start()
        yield versions
        stop.set()
        thread.join()
        log.close()
        store.close()


def test_beside_a_daemon_every_edit_says_that_it_is_in_force(desk: Desk, running: TopicVersions) -> None:
    assert "In force after" in desk.topics("add", "cables").stdout
    assert "version 2." in desk.topics("edit", "cables", "--query", "cables cut").stdout
    assert running.in_force()["cables"].query == "cables cut"
    shown = desk.topics("show", "cables").stdout
    assert "version 2 by match" in shown
    assert "on 1/1 matcher since" in shown
    assert "In force after" in desk.topics("remove", "cables", "--yes").stdout
    assert "cables" not in running.in_force()
