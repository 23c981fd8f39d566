"""Edits under a running daemon: a good one is in force, a broken one is told and changes nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from consumers.model import Topic
from daemon.channel_settings import ChannelSettings, SlackChannel
from daemon.errors import Unavailable
from daemon.feeds import Feed
from daemon.publish import Publication
from daemon.reload import ConfigFiles, Reloaded
from daemon.settings import load_settings

DESK = '[channel.desk]\ntype = "webhook"\nurl = "https://hooks.example/a"\n'


class Daemon:
    """What is in force, and every report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published: Sequence[Topic] = ()
        self.topics: list[str] = []
        self.feeds: list[str] = []
        self.channels: list[str] = []
        self.reports: list[Reloaded] = []
        self.away = False
        self.files = self.start()

    def start(self) -> ConfigFiles:
        self.files = ConfigFiles(
            self.folder,
            load_settings(self.folder / "wirewatch.toml"),
            kept=self.folder / "data" / "in-force",
            publish=self.publish,
            set_feeds=self.set_feeds,
            set_channels=self.set_channels,
            report=self.reports.append,
        )
        self.files.start()
        return self.files

    def publish(self, topics: Sequence[Topic]) -> Publication:
        if self.away:
            raise Unavailable("the log is away")
        self.published = topics
        self.topics = [topic.id for topic in topics]
        return Publication(changed=tuple(self.topics))

    def set_feeds(self, feeds: Sequence[Feed]) -> None:
        self.feeds = [feed.id for feed in feeds]

    def set_channels(self, channels: Mapping[str, ChannelSettings]) -> None:
        for channel in channels.values():
            if isinstance(channel, SlackChannel):
                channel.token.reveal()
        self.channels = sorted(channels)

    def save(self, name: str, text: str) -> Reloaded:
        (self.folder / name).write_text(text)
        self.files.on_change(name)
        return self.reports[-1]


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    (tmp_path / "topics.toml").write_text('[[topic]]\nquery = "a"\n')
    (tmp_path / "feeds.toml").write_text('[[feed]]\nurl = "https://a.example/"\nid = "a"\n')
    return Daemon(tmp_path)


def test_at_the_start_topics_and_feeds_are_in_force(daemon: Daemon) -> None:
    assert (daemon.topics, daemon.feeds, daemon.files.errors) == (["a"], ["a"], {})


def test_a_good_edit_is_in_force_and_told(daemon: Daemon) -> None:
    report = daemon.save("topics.toml", '[[topic]]\nquery = "b"\n')
    assert daemon.topics == ["b"]
    assert (report.part, report.error, report.changed) == ("topics-file", "", "1 changed: b")


def test_a_topic_that_was_not_edited_is_published_as_the_same_object(daemon: Daemon) -> None:
    """The publisher compares nothing else: with 100,000 topics that would take longer than all the rest."""
    daemon.save("topics.toml", "".join(f'[[topic]]\nquery = "{word}"\n' for word in "abc"))
    before = daemon.published
    daemon.save("topics.toml", "".join(f'[[topic]]\nquery = "{word}"\n' for word in "axc"))
    assert [one is other for one, other in zip(before, daemon.published, strict=True)] == [True, False, True]


def test_a_broken_edit_leaves_what_was_in_force_and_says_where(daemon: Daemon) -> None:
    report = daemon.save("topics.toml", '[[topic]]\nqeury = "b"\n')
    assert daemon.topics == ["a"]
    assert report.error == f'{daemon.folder}/topics.toml:2: topic[1].qeury: there is no such key, did you mean "query"?'
    assert daemon.files.errors == {"topics.toml": report.error}
    daemon.save("topics.toml", '[[topic]]\nquery = "b"\n')
    assert (daemon.topics, daemon.files.errors) == (["b"], {})


def test_a_deleted_file_leaves_what_was_in_force(daemon: Daemon) -> None:
    (daemon.folder / "topics.toml").unlink()
    daemon.files.on_change("topics.toml")
    assert daemon.topics == ["a"]
    assert "there is no such file" in daemon.files.errors["topics.toml"]


def test_feeds_are_handed_over_and_the_difference_is_told(daemon: Daemon) -> None:
    report = daemon.save(
        "feeds.toml",
        '[[feed]]\nurl = "https://a.example/"\nid = "a"\nevery = "5m"\n'
        '[[feed]]\nurl = "https://b.example/"\nid = "b"\n',
    )
    assert daemon.feeds == ["a", "b"]
    assert report.changed == "1 added: b; 1 changed: a"


def test_a_restart_beside_a_broken_edit_goes_on_with_the_last_good_one(daemon: Daemon) -> None:
    daemon.save("topics.toml", "[[topic\n")
    daemon.save("feeds.toml", "[[feed\n")
    again = Daemon(daemon.folder)
    assert (again.topics, again.feeds) == (["a"], ["a"])
    assert set(again.files.errors) == {"topics.toml", "feeds.toml"}


def test_a_first_start_beside_a_broken_file_puts_nothing_in_force(tmp_path: Path) -> None:
    (tmp_path / "topics.toml").write_text("[[topic\n")
    daemon = Daemon(tmp_path)
    assert (daemon.topics, daemon.feeds) == ([], [])
    assert set(daemon.files.errors) == {"topics.toml", "feeds.toml"}


def test_a_new_channel_is_in_force_and_topics_may_name_it(daemon: Daemon) -> None:
    with_desk = '[[topic]]\nquery = "a"\nchannels = ["desk"]\n[[topic]]\nquery = "b"\n'
    assert 'there is no channel "desk"' in daemon.save("topics.toml", with_desk).error
    daemon.save("wirewatch.toml", DESK)
    assert daemon.channels == ["console", "desk"]
    assert (daemon.topics, daemon.files.errors) == (["a", "b"], {})


def test_a_channel_that_goes_while_a_topic_names_it_is_told_at_that_topic(daemon: Daemon) -> None:
    daemon.save("wirewatch.toml", DESK)
    daemon.save("topics.toml", '[[topic]]\nquery = "a"\nchannels = ["desk"]\n')
    daemon.save("wirewatch.toml", "")
    assert ":3: topic[1].channels" in daemon.files.errors["topics.toml"]
    assert daemon.topics == ["a"]


def test_a_channel_without_its_secret_is_refused_and_the_channels_stay(daemon: Daemon) -> None:
    daemon.save("wirewatch.toml", DESK)
    daemon.save("wirewatch.toml", '[channel.slack]\ntype = "slack"\nchannel = "#a"\ntoken_file = "gone"\n')
    assert "gone cannot be read" in daemon.files.errors["wirewatch.toml"]
    assert daemon.channels == ["console", "desk"]
    daemon.save("topics.toml", '[[topic]]\nquery = "b"\nchannels = ["desk"]\n')
    assert daemon.topics == ["b"]


def test_other_sections_take_effect_at_the_next_start_and_that_is_said(daemon: Daemon) -> None:
    (daemon.folder / "wirewatch.toml").write_text(f'[fetch]\nper_host = 1\n{DESK}[web]\nlisten = "[::1]:1"\n')
    daemon.files.on_change("wirewatch.toml")
    report = next(report for report in reversed(daemon.reports) if report.part == "settings-file")
    assert (report.changed, report.restart) == ("1 added: desk", ("[fetch]", "[web]"))


def test_an_edit_during_an_outage_waits_and_is_not_called_wrong(daemon: Daemon) -> None:
    daemon.away = True
    with pytest.raises(Unavailable):
        daemon.save("topics.toml", '[[topic]]\nquery = "b"\n')
    assert "not in force yet" in daemon.files.errors["topics.toml"]
    daemon.away = False
    daemon.files.on_change("topics.toml")
    assert (daemon.topics, daemon.files.errors) == (["b"], {})


def test_what_is_kept_may_hold_headers_and_is_for_the_owner_alone(daemon: Daemon) -> None:
    kept = daemon.folder / "data" / "in-force"
    assert {path.name: path.stat().st_mode & 0o777 for path in kept.iterdir()} == {
        "topics.toml": 0o600,
        "feeds.toml": 0o600,
    }
