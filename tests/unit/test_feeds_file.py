"""feeds.toml: what is a feed, which two are the same, and edits."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import ConfigError
from daemon.feeds import Feed
from daemon.feeds_file import feed_id, feeds_file, normal_url, parse_feeds

SHIPPED = Path(__file__).parents[2] / "config" / "feeds.toml"
FILE = Path("/etc/wirewatch/feeds.toml")


def parse(text: str) -> tuple[Feed, ...]:
    return parse_feeds(text, FILE)


def test_a_url_is_enough_and_the_id_is_readable_and_stable() -> None:
    (feed,) = parse('[[feed]]\nurl = "https://feeds.bbci.co.uk/news/world/rss.xml"\n')
    assert feed.id == feed_id("https://feeds.bbci.co.uk/news/world/rss.xml")
    assert feed.id.startswith("bbci-world-")


def test_the_shipped_feeds_are_valid_and_read_over_https() -> None:
    feeds = parse_feeds(SHIPPED.read_text("utf-8"), SHIPPED)
    assert len(feeds) >= 8
    assert all(feed.url.startswith("https://") and feed.name for feed in feeds)


def test_every_key_arrives() -> None:
    (feed,) = parse(
        '[[feed]]\nurl = "http://example.org/a"\nid = "mine"\nname = "N"\ntags = ["t"]\nevery = "5m"\n'
        'headers = { "X-Desk" = "foreign" }\nbasic_auth_file = "auth"\nproxy = "http://proxy:3128"\nenabled = false\n'
    )
    assert feed == Feed(
        id="mine",
        url="http://example.org/a",
        name="N",
        tags=("t",),
        every=300.0,
        headers=(("X-Desk", "foreign"),),
        basic_auth_file="/etc/wirewatch/auth",
        proxy="http://proxy:3128",
        enabled=False,
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[[feed]]\nurl = "ftp://example.org/a"\n', 2, "https:// or http://"),
        ('[[feed]]\nurl = "file:///etc/passwd"\n', 2, "https:// or http://"),
        ('[[feed]]\nurl = "https://"\n', 2, "names a host"),
        ('[[feed]]\nurl = "https://example.org:99999/"\n', 2, "this is not a URL"),
        ('[[feed]]\nurl = "https://user:pass@example.org/"\n', 2, "basic_auth_file"),
        ('[[feed]]\nurl = "https://example.org/a b"\n', 2, "no spaces"),
        ('[[feed]]\nname = "x"\n', 1, "needed"),
        ('[[feed]]\nurl = "https://a.example/"\nevery = 5\n', 3, 'as in "15m"'),
        ('[[feed]]\nurl = "https://a.example/"\nheaders = { "X\\n" = "a" }\n', 3, "plain name"),
        ('[[feed]]\nurl = "https://a.example/"\nheaders = { "X" = "a\\r\\nHost: b" }\n', 3, "one line"),
        ('[[feed]]\nurl = "https://a.example/"\nproxy = "socks5://b"\n', 3, "http://"),
        (
            '[[feed]]\nurl = "https://a.example/"\n\n[[feed]]\nurl = "HTTPS://A.example:443/#x"\n',
            5,
            "feed 1 has the same",
        ),
        (
            '[[feed]]\nurl = "https://a.example/"\nid = "x"\n[[feed]]\nurl = "https://b.example/"\nid = "x"\n',
            6,
            "same id",
        ),
        ('[[feed]]\nurl = "https://a.example/"\nrul = "x"\n', 3, 'did you mean "url"?'),
        ('[[feed]]\nurl = "https://a.example/"\npassword = "geheim"\n', 3, "there is no such key"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert caught.value.line == line
    assert "geheim" not in str(caught.value)
    assert "pass@" not in str(caught.value)


def test_feeds_are_added_changed_and_removed_where_they_stand(tmp_path: Path) -> None:
    file = feeds_file(tmp_path / "feeds.toml")
    file.file.write_text('# mine\n\n[[feed]]\nurl = "https://a.example/rss" # the first\n')
    added = file.add({"url": "https://b.example/rss", "name": "B", "headers": {"X-A": "1"}})
    assert (added.name, added.headers) == ("B", (("X-A", "1"),))
    file.change(feed_id("https://a.example/rss"), {"enabled": False})
    assert "# the first\nenabled = false\n" in file.file.read_text()
    file.remove(added.id)
    assert [feed.url for feed in file.load()] == ["https://a.example/rss"]
    assert file.file.read_text() == ('# mine\n\n[[feed]]\nurl = "https://a.example/rss" # the first\nenabled = false\n')


def test_a_feed_that_is_there_already_is_not_added_again(tmp_path: Path) -> None:
    file = feeds_file(tmp_path / "feeds.toml")
    file.add({"url": "https://a.example/rss"})
    with pytest.raises(ConfigError, match="feed 1 has the same url"):
        file.add({"url": "https://A.EXAMPLE:443/rss#top"})


@settings(deadline=None)  # a busy machine is no mistake
@given(st.text(max_size=60) | st.text(max_size=40).map("https://a.example/{}".format))
def test_a_url_is_refused_or_has_one_writing_that_stays(url: str) -> None:
    try:
        once = normal_url(url)
    except ValueError:
        return
    assert normal_url(once) == once
    assert feed_id(once) == feed_id(normal_url(once))


@settings(deadline=None)  # a busy machine is no mistake
@given(st.text(max_size=200))
def test_whatever_stands_in_the_file_there_are_feeds_or_one_sentence(text: str) -> None:
    with suppress(ConfigError):  # the one error there is; any other fails the test
        parse(text)
