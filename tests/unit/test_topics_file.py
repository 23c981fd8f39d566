"""topics.toml: read with positions; edited without losing a byte that was not meant."""

import multiprocessing
import os
import re
import stat
import tomllib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.model import Escalation, Scheduled, Topic, Wanted
from daemon.entry_file import EntryFile
from daemon.errors import ConfigError
from daemon.toml_entries import add, change, remove
from daemon.toml_file import edit
from daemon.toml_scan import scan
from daemon.topic_keys import MOST
from daemon.topic_routes import Route, divided, joined, written
from daemon.topics_file import TopicEntry, parse_topics, slug, topic_of, topics_file

SHIPPED = Path(__file__).parents[2] / "config" / "topics.toml"
FILE = Path("topics.toml")
CHANNELS = ("console", "desk")

TWO = """\
# What we watch for.

# Syria desk
[[topic]]
id = "strikes"          # never change
query = 'Russian airstrikes Syria'
channels = [
  "console",            # everybody
  "desk",
]
# sensitivity comes later

[[topic]]
query = "Undersea cables"
"""


def parse(text: str) -> tuple[Topic, ...]:
    return parse_topics(text, FILE, CHANNELS)


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value


@pytest.fixture
def two(tmp_path: Path) -> EntryFile[Topic]:
    (tmp_path / "topics.toml").write_text(TWO)
    return topics_file(tmp_path / "topics.toml", CHANNELS)


def test_a_query_is_enough() -> None:
    assert parse('[[topic]]\nquery = "  Undersea   cables "\n') == (
        Topic(id="undersea-cables", query="Undersea cables"),
    )


def test_the_shipped_topics_are_valid() -> None:
    topics = parse_topics(SHIPPED.read_text("utf-8"), SHIPPED, ["console"])
    assert "Russian airstrikes Syria" in [topic.query for topic in topics]


def header() -> str:
    return SHIPPED.read_text("utf-8").partition("\n\n")[0]


def test_the_shipped_file_explains_every_key_and_no_other() -> None:
    assert re.findall(r"^#   (\w+)  +\S", header(), re.MULTILINE) == list(TopicEntry.model_fields)


def uncommented() -> Topic:
    """The example at the end of the shipped file."""
    example = SHIPPED.read_text("utf-8").rpartition("# [[topic]]\n")[2]
    lines = [line.removeprefix("# ") for line in example.splitlines()]
    return parse("\n".join([SHIPPED.read_text("utf-8"), "[[topic]]", *lines]))[-1]


def test_the_shipped_file_shows_how_every_key_is_written() -> None:
    """With a value of its own, in a topic or in the example at its end."""
    shown = [*parse_topics(SHIPPED.read_text("utf-8"), SHIPPED, ["console"]), uncommented()]
    default = Topic(id="", query="")
    for field in fields(Topic):
        if field.name not in ("version", "epoch", "channels"):
            assert any(getattr(topic, field.name) != getattr(default, field.name) for topic in shown), field.name


def test_the_words_about_terms_in_the_shipped_file_are_true() -> None:
    assert uncommented().exclude == Wanted(any=("re:\\bIsraeli (air)?strike", '"air show"'))
    for example in (r"'re:\bcable (tv|news)'", r'"\"Hama\""', '["Russia", "Russian"]', '["en", "pt-br"]', '"7d"'):
        assert example in SHIPPED.read_text("utf-8")
    (topic,) = parse("[[topic]]\nquery = 'a'\n" + r"""exclude = ['re:\bcable (tv|news)', "\"Hama\""]""")
    assert topic.exclude.any == (r"re:\bcable (tv|news)", '"Hama"')


WHOLE = """\
[[topic]]
id = "strikes"
query = "Airstrikes"
kind = "theme"
description = " From the air. "
sensitivity = "fewer"
examples = ["https://example.org/a", " text:Planes struck. ", "https://example.org/a"]
counter_examples = ["article:5f2b"]
require = { any = ["Russia", " Russian "], all = ["Syria"] }
exclude = ['re:\\bIsraeli', '"air show"']
languages = ["EN_us", "de"]
sources = ["WWW.Example.org", "*.münchen.example"]
not_sources = ["opinion.example.org."]
max_age = "1.5d"
channels = ["desk", "desk", { name = "console", when = ["Instant", "18:30, 7:00 europe/paris Mon-Fri"] }]
updates = "all"
min_sources = 2
severity = "urgent"
escalate = { sources = 3, within = "0.5h", channels = ["console", "console"] }
yields_to = ["narrow", "narrow"]
spike = true
silence = "6h"
enabled = false

[[topic]]
id = "narrow"
query = "Airstrikes on Homs"
"""


def test_every_key_reaches_the_topic_in_one_spelling() -> None:
    topic, _ = parse(WHOLE)
    assert topic == Topic(
        id="strikes",
        query="Airstrikes",
        kind="theme",
        description="From the air.",
        sensitivity="fewer",
        examples=("https://example.org/a", "text:Planes struck."),
        counter_examples=("article:5f2b",),
        require=Wanted(any=("Russia", "Russian"), all=("Syria",)),
        exclude=Wanted(any=(r"re:\bIsraeli", '"air show"')),
        languages=("en-us", "de"),
        sources=("example.org", "*.xn--mnchen-3ya.example"),
        not_sources=("opinion.example.org",),
        max_age=1.5 * 86_400,
        channels=("desk", "console"),
        digests=(Scheduled(channel="console", when="07:00,18:30 Europe/Paris weekdays"),),
        updates="all",
        min_sources=2,
        severity="urgent",
        escalate=Escalation(sources=3, within=1800.0, channels=("console",)),
        yields_to=("narrow",),
        spike=True,
        silence=6 * 3600.0,
        enabled=False,
    )
    counted, _ = parse(WHOLE.replace('sensitivity = "fewer"', "alerts_per_day = 3"))
    assert (counted.alerts_per_day, counted.sensitivity) == (3.0, "balanced")


def test_every_key_of_a_topic_is_a_key_of_the_file() -> None:
    """``channels`` of the file are the digests, too."""
    assert {field.name for field in fields(Topic)} - {"version", "epoch", "digests"} == set(TopicEntry.model_fields)


def test_what_the_file_does_not_say_is_the_default_of_a_topic() -> None:
    assert topic_of(TopicEntry(query="a")) == Topic(id="a", query="a")


def test_a_table_of_its_own_under_a_topic_is_read_and_edited(tmp_path: Path) -> None:
    text = '[[topic]]\nquery = "a"\n\n[topic.require]\nany = ["x"]\n\n[[topic]]\nquery = "b"\n'
    (tmp_path / "topics.toml").write_text(text)
    file = topics_file(tmp_path / "topics.toml", CHANNELS)
    assert [topic.require for topic in file.load()] == [Wanted(any=("x",)), Wanted()]
    assert file.change("a", {"enabled": False}).require == Wanted(any=("x",))
    assert file.change("a", {"require": {"all": ["y", "z"]}}).require == Wanted(all=("y", "z"))
    assert file.change("a", {"require": None}).require == Wanted()
    assert file.find("b") == Topic(id="b", query="b")


def test_an_empty_file_holds_no_topics() -> None:
    assert parse("") == ()


def test_a_query_without_latin_letters_gets_a_stable_id() -> None:
    assert slug("Удары по Сирии") == slug("Удары по Сирии")
    assert slug("Удары по Сирии").startswith("topic-")
    assert slug("Élections à Genève!") == "elections-a-geneve"


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ('[[topic]]\nquery = "a"\n\n[[topic]]\nid = "b"\n', 4, "topic[2].query", "needed"),
        ('[[topic]]\nquery = "a"\n[[topic]]\nqeury = "b"\n', 4, "topic[2].qeury", 'did you mean "query"?'),
        ('[[topic]]\nquery = "a"\nchannels = ["dsk"]\n', 3, "topic[1].channels[1]", 'did you mean "desk"?'),
        ('[[topic]]\nquery = "a"\nchannels = []\n', 3, "topic[1].channels", "at least 1 item"),
        ('[[topic]]\nquery = "a"\nchannels = "desk"\n', 3, "topic[1].channels", "write a list"),
        ('[[topic]]\nquery = "a"\n[[topic]]\nquery = "A"\n', 3, "topic[2].id", "topic 1 has the id"),
        (
            '[[topic]]\nid = "x"\nquery = "a"\n[[topic]]\nquery = "b"\nid = "x"\n',
            6,
            "topic[2].id",
            "topic 1 has the id",
        ),
        ('[[topic]]\nid = "A b"\nquery = "a"\n', 2, "topic[1].id", "a-z, 0-9"),
        ('[[topic]]\nquery = " "\n', 2, "topic[1].query", "plain words"),
        ('[[topic]]\nquery = "a"\nkind = "evnt"\n', 3, "topic[1].kind", '"event" or "theme"'),
        ('[[topic]]\nquery = "a"\nenabled = "yes"\n', 3, "topic[1].enabled", "true or false"),
        ('[topic]\nquery = "a"\n', 1, "topic", "write a list"),
        ('topic = [\n  { query = "a" },\n  { query = 3 },\n]\n', 3, "topic[2].query", "text in quotes"),
        ('[[topics]]\nquery = "a"\n', 1, "topics", 'did you mean "topic"?'),
    ],
)
def test_a_mistake_is_told_with_line_and_key(text: str, line: int, key: str, words: str) -> None:
    error = refusal(text)
    assert (error.line, error.key) == (line, key)
    assert words in str(error)


@pytest.mark.parametrize(
    ("written", "line", "key", "words"),
    [
        ('sensitivity = "mor"', 3, "sensitivity", 'write "fewer", "balanced" or "more"'),
        ('sensitivity = "more"\nalerts_per_day = 3', 4, "alerts_per_day", "takes the place of sensitivity"),
        ('alerts_per_day = 3\nsensitivity = "balanced"', 3, "alerts_per_day", "takes the place of sensitivity"),
        ("alerts_per_day = 0", 3, "alerts_per_day", "more than 0"),
        ("alerts_per_day = -1", 3, "alerts_per_day", "more than 0"),
        ("alerts_per_day = nan", 3, "alerts_per_day", "more than 0"),
        ("alerts_per_day = inf", 3, "alerts_per_day", "more than 0"),
        ("alerts_per_day = true", 3, "alerts_per_day", "how many stories a day"),
        ('alerts_per_day = "3"', 3, "alerts_per_day", "how many stories a day"),
        ('examples = "x"', 3, "examples", "write a list"),
        ('examples = [\n "text:a",\n "a page",\n]', 5, "examples[2]", '"text:…" with the words'),
        ('examples = ["text:  "]', 3, "examples[1]", "text:…"),
        ('examples = ["article:a b"]', 3, "examples[1]", "article:…"),
        ('examples = ["https://"]', 3, "examples[1]", "no address of a page"),
        ('examples = ["ftp://example.org/a"]', 3, "examples[1]", "https://…"),
        (f'examples = ["text:{"a" * 20_001}"]', 3, "examples[1]", "at most 20,000 characters"),
        (f"examples = {[f'text:{n}' for n in range(MOST + 1)]}", 3, "examples", "these are 101: at most 100"),
        ('examples = ["text:a"]\ncounter_examples = ["text:a"]', 4, "counter_examples", "one of the examples, too"),
        (
            'counter_examples = ["https://Example.org/a#top"]\nexamples = ["https://example.org/a"]',
            3,
            "counter_examples",
            "one of the examples, too",
        ),
        ('require = "Russia"', 3, "require", 'write a list, as in ["Russia", "Russian"], or {'),
        ('require = ["Russia", 3]', 3, "require[2]", "write text in quotes"),
        ('require = [\n"Russia",\n"",\n]', 5, "require[2]", "write a word, a phrase"),
        ('require = [\n"Russia",\n"re:(a",\n]', 5, "require[2]", 'the pattern "(a" cannot be used'),
        ('require = { al = ["x"] }', 3, "require.al", 'did you mean "all"?'),
        ('exclude = { all = ["x"], any = ["y", "re:*"] }', 3, "exclude.any[2]", 'the pattern "*" cannot be used'),
        ('[topic.exclude]\nany = ["y"]\nall = [\n"re:a*"]', 6, "exclude.all[1]", "found in every text"),
        ('exclude = { any = "y" }', 3, "exclude.any", "write a list"),
        (f"exclude = {[str(n) for n in range(MOST + 1)]}", 3, "exclude", "at most 100"),
        ('languages = "en"', 3, "languages", "write a list"),
        ('languages = ["en", "english"]', 3, "languages[2]", "no code of a language"),
        ('languages = ["jp"]', 3, "languages[1]", 'did you mean "ja"?'),
        ('languages = ["xq"]', 3, "languages[1]", 'there is no language "xq"'),
        ('sources = ["https://www.example.org/world"]', 3, "sources[1]", 'did you mean "example.org"?'),
        ('sources = ["example"]', 3, "sources[1]", '"example" is no host name'),
        ('sources = ["*"]', 3, "sources[1]", "*.example.org"),
        ('sources = ["example.*"]', 3, "sources[1]", "no host name"),
        (f'sources = ["{"é" * 70}.org"]', 3, "sources[1]", "no host name"),
        ('sources = ["a.org"]\nnot_sources = ["b.org", "A.org"]', 4, "not_sources", '"a.org" is one of the sources'),
        ("max_age = 7", 3, "max_age", "a duration with its unit"),
        ('max_age = "7"', 3, "max_age", "is not a duration"),
        ('max_age = "0d"', 3, "max_age", "greater than 0"),
        ('exlude = ["x"]', 3, "exlude", 'did you mean "exclude"?'),
        ('counter_example = ["text:x"]', 3, "counter_example", 'did you mean "counter_examples"?'),
    ],
)
def test_a_mistake_in_a_key_of_matching_is_told_with_its_place(written: str, line: int, key: str, words: str) -> None:
    error = refusal(f'[[topic]]\nquery = "a"\n{written}\n')
    assert (error.line, error.key) == (line, f"topic[1].{key}")
    assert words in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("written", "line", "key", "words"),
    [
        ("channels = [3]", 3, "channels[1]", 'write the name of a channel, or { name = "desk", when ='),
        ('channels = [\n"desk",\n"dsk",\n]', 5, "channels[2]", 'did you mean "desk"?'),
        ('channels = [{ name = "dsk" }]', 3, "channels[1]", 'did you mean "desk"?'),
        ('channels = [{ when = "instant" }]', 3, "channels[1].name", "needed"),
        ('channels = [{ name = "desk", wen = "instant" }]', 3, "channels[1].wen", 'did you mean "when"?'),
        ('channels = [{ name = "desk", when = "instand" }]', 3, "channels[1].when", 'write "instant", or a time'),
        ('channels = [{ name = "desk", when = 7 }]', 3, "channels[1].when", 'write "instant", a time as in'),
        ('channels = [{ name = "desk", when = [] }]', 3, "channels[1].when", 'write "instant", a time as in'),
        ('channels = [{ name = "desk", when = "07:00" }]', 3, "channels[1].when", "name the zone"),
        ('channels = [{ name = "desk", when = ["instant", "07:00 Paris"] }]', 3, "channels[1].when[2]", "Europe/Paris"),
        ('channels = [{ name = "desk", near_misses = true }]', 3, "channels[1].near_misses", "come in a digest"),
        ('[[topic.channels]]\nname = "desk"\nwhen = "7 UTC"', 5, "channels[1].when", '"7" is no time of day'),
        ('updates = "news"', 3, "updates", '"all", "new-facts" or "none"'),
        ("min_sources = 0", 3, "min_sources", "a whole number from 1 to 20"),
        ("min_sources = 21", 3, "min_sources", "a whole number from 1 to 20"),
        ('min_sources = "2"', 3, "min_sources", "write a whole number"),
        ('severity = "high"', 3, "severity", '"normal" or "urgent"'),
        ("escalate = 3", 3, "escalate", "write a table, as in { sources = 3"),
        ("escalate = { sources = 3 }", 3, "escalate.within", "needed"),
        ('escalate = { sources = 1, within = "30m" }', 3, "escalate.sources", "a whole number from 2 to 50"),
        ('escalate = { sources = 51, within = "30m" }', 3, "escalate.sources", "a whole number from 2 to 50"),
        ("escalate = { sources = 3, within = 30 }", 3, "escalate.within", "a duration with its unit"),
        ('escalate = { sorces = 3, within = "30m" }', 3, "escalate.sorces", 'did you mean "sources"?'),
        (
            '[topic.escalate]\nsources = 3\nwithin = "30m"\nchannels = ["dsk"]',
            6,
            "escalate.channels[1]",
            'did you mean "desk"?',
        ),
        ('yields_to = ["a"]', 3, "yields_to[1]", "cannot yield to itself"),
        ('yields_to = [\n"narrow",\n"narow"]', 5, "yields_to[2]", 'did you mean "narrow"?'),
        ('yields_to = ["else"]', 3, "yields_to[1]", 'there is no topic "else", `wirewatch topics list`'),
        ('spike = "yes"', 3, "spike", "true or false"),
        ('silence = "5m"', 3, "silence", "from 10m to 30d"),
        ('silence = "31d"', 3, "silence", "from 10m to 30d"),
        ("silence = 6", 3, "silence", "a duration with its unit"),
    ],
)
def test_a_mistake_in_a_key_of_telling_is_told_with_its_place(written: str, line: int, key: str, words: str) -> None:
    error = refusal(f'[[topic]]\nquery = "a"\n{written}\n[[topic]]\nid = "narrow"\nquery = "b"\n')
    assert (error.line, error.key) == (line, f"topic[1].{key}")
    assert words in str(error)
    assert "\n" not in str(error)


def test_a_topic_may_be_told_in_digests_alone() -> None:
    (topic,) = parse('[[topic]]\nquery = "a"\nchannels = [{ name = "desk", when = "07:00 UTC", near_misses = true }]\n')
    assert topic.channels == ()
    assert topic.digests == (Scheduled(channel="desk", when="07:00 UTC", near_misses=True),)


routes = st.builds(
    Route,
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.sampled_from(["instant", "07:00 UTC", "08:00 UTC weekdays"]), min_size=1, max_size=3).map(tuple),
    st.booleans(),
)


@given(st.lists(routes, min_size=1, max_size=6))
def test_what_a_topic_is_told_on_is_written_as_it_would_be_read(said: list[Route]) -> None:
    told, digests = divided(said)
    topic = Topic(id="a", query="a", channels=told, digests=digests)
    (read,) = parse_topics(add("", "topic", {"query": "a", "channels": written(joined(topic))}), FILE, "abc")
    assert read == topic
    assert {(route.name, when) for route in said for when in route.when} == {
        *((name, "instant") for name in told),
        *((scheduled.channel, scheduled.when) for scheduled in digests),
    }


def test_a_topic_that_another_one_yields_to_cannot_be_taken_out(tmp_path: Path) -> None:
    text = TWO + 'yields_to = ["strikes"]\n'
    (tmp_path / "topics.toml").write_text(text)
    file = topics_file(tmp_path / "topics.toml", CHANNELS)
    with pytest.raises(ConfigError, match=r'yields_to\[1\]: there is no topic "strikes"'):
        file.remove("strikes")
    assert file.file.read_text() == text
    assert file.change("undersea-cables", {"yields_to": None, "spike": True}).spike
    file.remove("strikes")
    assert [topic.id for topic in file.load()] == ["undersea-cables"]


def test_routes_that_are_edited_keep_the_comments_around_them(two: EntryFile[Topic]) -> None:
    values = [{"name": "desk", "when": ["instant", "07:00 Europe/Paris weekdays"]}, "console"]
    changed = two.change("strikes", {"channels": values, "escalate": {"sources": 3, "within": "30m"}})
    assert changed.channels == ("desk", "console")
    assert two.file.read_text() == (
        TWO[: TWO.index("channels")]
        + 'channels = [{name = "desk", when = ["instant", "07:00 Europe/Paris weekdays"]}, "console"]\n'
        + 'escalate = {sources = 3, within = "30m"}\n'
        + TWO[TWO.index("# sensitivity") :]
    )


def test_adding_appends_and_leaves_the_rest_as_it_is(two: EntryFile[Topic]) -> None:
    added = two.add({"id": "wildfires", "query": 'wildfires "Greece"', "channels": ["console"]})
    assert added == Topic(id="wildfires", query='wildfires "Greece"')
    text = two.file.read_text()
    assert text.startswith(TWO)
    assert text.endswith('\n[[topic]]\nid = "wildfires"\nquery = "wildfires \\"Greece\\""\nchannels = ["console"]\n')


def test_a_topic_that_is_there_already_is_not_added_again(two: EntryFile[Topic]) -> None:
    with pytest.raises(ConfigError, match="topic 1 has the id"):
        two.add({"id": "strikes", "query": "x"})
    assert two.file.read_text() == TWO


def test_changing_keeps_the_comments_inside_the_topic(two: EntryFile[Topic]) -> None:
    changed = two.change("strikes", {"query": "airstrikes", "enabled": False})
    assert (changed.query, changed.enabled) == ("airstrikes", False)
    assert two.file.read_text() == TWO.replace("'Russian airstrikes Syria'", '"airstrikes"').replace(
        "]\n# sens", "]\nenabled = false\n# sens"
    )


def test_new_words_do_not_change_an_id_that_was_made_from_the_old_ones(two: EntryFile[Topic]) -> None:
    assert two.change("undersea-cables", {"query": "cables cut"}) == Topic(id="undersea-cables", query="cables cut")


def test_a_value_of_none_goes_back_to_the_default(two: EntryFile[Topic]) -> None:
    assert two.change("strikes", {"channels": None}).channels == ("console",)
    assert "desk" not in two.file.read_text().partition("[[topic]]")[2]


def test_removing_takes_the_comments_that_touch_the_topic(two: EntryFile[Topic]) -> None:
    two.remove("strikes")
    assert two.file.read_text() == '# What we watch for.\n\n[[topic]]\nquery = "Undersea cables"\n'


def test_removing_the_last_one_leaves_the_others_byte_for_byte(two: EntryFile[Topic]) -> None:
    two.remove("undersea-cables")
    assert two.file.read_text() == TWO[: TWO.index("\n[[topic]]\nquery")]


def test_removing_a_topic_that_is_not_there_says_which_one_may_be_meant(two: EntryFile[Topic]) -> None:
    with pytest.raises(ConfigError, match='did you mean "strikes"'):
        two.remove("strike")


def test_topics_on_one_line_are_not_edited_but_refused(tmp_path: Path) -> None:
    (tmp_path / "topics.toml").write_text('topic = [{ query = "a" }]\n')
    with pytest.raises(ConfigError, match=r"\[\[topic\]\]"):
        topics_file(tmp_path / "topics.toml", CHANNELS).remove("a")


def test_a_broken_file_is_told_and_not_edited(tmp_path: Path) -> None:
    (tmp_path / "topics.toml").write_text("[[topic]]\nquery = 3\n")
    with pytest.raises(ConfigError, match=":2: "):
        topics_file(tmp_path / "topics.toml", CHANNELS).add({"query": "x"})
    assert (tmp_path / "topics.toml").read_text() == "[[topic]]\nquery = 3\n"


def test_an_edit_keeps_mode_link_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.toml"
    real.write_bytes(b'\xef\xbb\xbf# top\r\n[[topic]]\r\nquery = "a"\r\n')
    real.chmod(0o640)
    link = tmp_path / "topics.toml"
    link.symlink_to(real)
    file = topics_file(link, CHANNELS)
    file.add({"id": "b", "query": "b"})
    file.change("a", {"kind": "theme"})
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    content = real.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf# top\r\n[[topic]]\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert [topic.id for topic in file.load()] == ["a", "b"]


def test_a_save_by_an_editor_in_the_middle_of_an_edit_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text('[[topic]]\nquery = "a"\n')
    saves = iter(['[[topic]]\nquery = "saved meanwhile"\n'])

    def add_one(text: str) -> str:
        for saved in saves:
            file.write_text(saved)
        return add(text, "topic", {"query": "mine"})

    edit(file, add_one, parse)
    assert [topic.query for topic in parse(file.read_text())] == ["saved meanwhile", "mine"]


def test_nothing_is_left_behind_by_an_edit_that_fails(two: EntryFile[Topic]) -> None:
    with pytest.raises(ConfigError):
        two.change("strikes", {"channels": ["nowhere"]})
    assert {path.name for path in two.file.parent.iterdir()} == {"topics.toml", ".topics.toml.lock"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "gone" / "topics.toml"
    with pytest.raises(ConfigError, match="cannot be written"):
        topics_file(file, CHANNELS).add({"query": "x"})


def _add_many(file: Path, worker: int) -> None:
    for number in range(10):
        topics_file(file, CHANNELS).add({"id": f"w{worker}-{number}", "query": f"topic {worker} {number}"})


def test_editors_at_the_same_time_never_lose_each_others_change(two: EntryFile[Topic]) -> None:
    spawn = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    workers = [spawn.Process(target=_add_many, args=(two.file, worker)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert two.file.read_text().startswith(TWO)
    assert len(two.load()) == 42


# -- properties

comments = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=12).map("# {}".format)
values = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
blanks = st.sampled_from(["", "\n", "\n\n"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A file and the lines of each entry in it, each entry between comments of its own."""
    entries = []
    for number in range(draw(st.integers(0, 4))):
        lines = [f"{draw(comments)} above {number}\n[[topic]]", f'id = "t{number}"  {draw(comments)} id {number}']
        lines.append(
            draw(st.sampled_from(['query = "q"', "'query' = '''\n[[topic]]\nq'''", 'query = """a"\\" # q"""']))
        )
        lines.append(
            draw(st.sampled_from(['channels = [ # ]\n  "desk", # x\n]', 'kind = "theme"', f"{draw(comments)}"]))
        )
        entries.append("\n".join(lines) + f"\n{draw(comments)} below {number}\n")
    head = f"{draw(comments)} head\n\n"
    return head + "\n".join(entries), entries


edits = st.lists(
    st.tuples(st.sampled_from(["add", "change", "remove"]), st.integers(0, 5), values.filter(str.strip)), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(files(), edits)
def test_any_sequence_of_edits_keeps_untouched_topics_and_comments_byte_for_byte(
    file: tuple[str, list[str]], sequence: list[tuple[str, int, str]]
) -> None:
    text, entries = file
    head = text[: text.index(" head\n") + 6]
    untouched = {f"t{number}": entry for number, entry in enumerate(entries)}
    for number, (verb, pick, query) in enumerate(sequence):
        ids = [topic.id for topic in parse(text)]
        expected = list(parse(text))
        if verb == "add":
            text = add(text, "topic", {"id": f"new{number}", "query": query})
            assert parse(text)[:-1] == tuple(expected)
            assert parse(text)[-1].query == " ".join(query.split())
        elif ids:
            index = pick % len(ids)
            untouched.pop(ids[index], None)
            if verb == "change":
                text = change(text, "topic", index, {"query": query})
                assert parse(text)[index].query == " ".join(query.split())
            else:
                text = remove(text, "topic", index)
            kept = [topic for place, topic in enumerate(parse(text)) if verb == "remove" or place != index]
            assert kept == expected[:index] + expected[index + 1 :]
        assert text.startswith(head)
        for entry in untouched.values():
            assert entry in text


scalars = st.sampled_from(
    ["1", "-2.5e3", "true", '"a # ] }"', "'''x\n]'''", "1979-05-27 07:32:00", '"""\n"\\""""', "'\"'"]
)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[ # c ]\n" + "".join(f"{i},\n" for i in items) + "]")
        | st.lists(inner.filter(lambda text: "\n" not in text), max_size=3).map(
            lambda items: "{" + ", ".join(f"k{n} = {item}" for n, item in enumerate(items)) + "}"
        )
    ),
    max_leaves=8,
)
keys = st.sampled_from(["a", "b", '"c.d"', "'e f'", "g.h", '"\\u0041".i'])
statements = st.one_of(
    st.tuples(keys, nested).map(lambda pair: f"{pair[0]} = {pair[1]} # c"),
    st.sampled_from(["[x]", "[[y]]", "[y.z]", "[[y.w]]", "# [[topic]]", "", "[ 'q r' . s ]"]),
)


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path, *(found for key, item in inside for found in paths(item, (*path, key)))]


@settings(deadline=None)  # a busy machine is no mistake
@given(st.lists(statements, max_size=8).map("\n".join))
def test_everything_that_is_in_a_file_has_a_place_and_nothing_else(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = scan(text)
    assert set(found.offsets) == set(paths(document)) - {()}


@settings(deadline=None)  # a busy machine is no mistake
@given(st.text(max_size=200) | st.lists(statements, max_size=8).map("\n".join))
def test_whatever_stands_in_the_file_there_are_topics_or_one_sentence(text: str) -> None:
    with suppress(ConfigError):  # the one error there is; any other fails the test
        parse(text)
