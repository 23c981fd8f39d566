"""Reading only what changed gives what reading everything gives: the topics, or the very same sentence."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.model import Topic
from daemon.entry_file import EntryFile
from daemon.errors import ConfigError
from daemon.toml_scan import cut
from daemon.topics_file import TopicsFile, parse_topics, topics_file
from daemon.topics_reader import TopicsReader

FILE = Path("topics.toml")
CHANNELS = ("console", "desk")

Outcome = tuple[Topic, ...] | tuple[str, int | None, str | None]


def whole(text: str) -> tuple[Topic, ...]:
    return parse_topics(text, FILE, CHANNELS)


class Counted:
    """``parse_topics``, and the texts it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> tuple[Topic, ...]:
        self.texts.append(text)
        return whole(text)


def outcome(read: "TopicsReader | None", text: str) -> Outcome:
    try:
        return read.read(text) if read else whole(text)
    except ConfigError as error:
        return str(error), error.line, error.key


def blocks(count: int) -> list[str]:
    return [f'# about {n}\n[[topic]]\nid = "t{n}"\nquery = "words {n}"\n\n' for n in range(count)]


def test_only_the_block_that_changed_is_parsed() -> None:
    parse = Counted()
    reader = TopicsReader(parse)
    text = "".join(blocks(5))
    reader.read(text)
    parse.texts.clear()
    after = reader.read(text.replace("words 3", "other words"))
    assert after == whole(text.replace("words 3", "other words"))
    assert parse.texts == ['[[topic]]\nid = "t3"\nquery = "other words"\n\n# about 4\n']


def test_what_did_not_change_is_the_same_object() -> None:
    reader = TopicsReader(whole)
    before = reader.read("".join(blocks(3)))
    after = reader.read("".join(blocks(3)[1:]))
    assert [topic is known for topic, known in zip(after, before[1:], strict=True)] == [True, True]


def test_a_mistake_forgets_nothing() -> None:
    parse = Counted()
    reader = TopicsReader(parse)
    text = "".join(blocks(5))
    reader.read(text)
    with pytest.raises(ConfigError):
        reader.read(text.replace("query", "qeury", 1))
    parse.texts.clear()
    reader.read(text)
    assert parse.texts == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# about 0", "[other]"),
        ("# about 0", "topic = []"),
        ("# about 0", "kind = 'theme'"),
        ('id = "t3"', 'id = "t1"'),
        ('query = "words 3"', 'query = "words 3"\nchannels = ["nowhere"]'),
        ('query = "words 3"', "query = '''"),
        ("# about 3", '[[ topic ]]\nid = "t1"\nquery = "again"'),
    ],
)
def test_a_mistake_is_told_in_the_sentence_of_the_whole_file(before: str, after: str) -> None:
    reader = TopicsReader(whole)
    text = "".join(blocks(5))
    reader.read(text)
    wrong = outcome(reader, text.replace(before, after))
    assert wrong == outcome(None, text.replace(before, after))
    assert isinstance(wrong[0], str)
    assert reader.read(text) == whole(text)


def test_a_file_that_cannot_be_cut_is_read_as_a_whole() -> None:
    parse = Counted()
    text = "[[topic]]\nquery = '''a\n[[topic]]\nb'''\n"
    assert TopicsReader(parse).read(text) == (Topic(id="a-topic-b", query="a [[topic]] b"),)
    assert parse.texts[-1] == text


def test_an_entry_depends_on_its_own_table_alone() -> None:
    """Another key of the file, such as defaults for all, would have to be part of what a block is remembered by."""
    assert set(TopicsFile.model_fields) == {"topic"}


@given(st.text(st.sampled_from("[]topic\n\r #x"), max_size=60))
def test_the_parts_of_a_cut_are_the_text(text: str) -> None:
    head, parts = cut(text, "topic")
    assert head + "".join(parts) == text
    assert all(part.startswith("[[topic]]") for part in parts)
    assert "\n[[topic]]" not in f"\n{head}"


def misleading() -> str:
    """Six topics in a spelling that is not cut, of which the third quotes five blocks and a beginning."""
    quoted = "".join(f'[[topic]]\nid = "quoted{n}"\nquery = "quoted"\n' for n in range(5)) + "[[topic]]\n"
    entries = [f'[[ topic ]]\nid = "t{n}"\nquery = "words {n}"\n' for n in range(6)]
    entries[2] += f"description = '''\n{quoted}'''\n"
    return "\n".join(entries)


def test_a_cut_inside_a_string_never_has_the_wrong_text_changed(tmp_path: Path) -> None:
    file = topics_file(tmp_path / "topics.toml", CHANNELS)
    file.file.write_text(misleading())
    assert len(cut(misleading(), "topic")[1]) == len(file.load()) == 6
    file.change("t2", {"query": "new"})
    assert file.file.read_text() == misleading().replace('"words 2"', '"new"')
    file.remove("t2")
    assert [topic.id for topic in file.load()] == ["t0", "t1", "t3", "t4", "t5"]


# -- properties

MULTILINE = (
    "'''\n[[topic]]\nq'''",
    '"""\n[[topic]]\nid = "x"\nquery = "y"\n[[topic]]\n"""',
    "'''\n[[topic]]\nid = \"t1\"\nquery = \"q\"\n# '''",
)
queries = st.sampled_from(['"words"', "'words'", '"[[topic]]"', *MULTILINE])
headers = st.sampled_from(["[[topic]]"] * 6 + ["[[topic]] # the next", "[[ topic ]]", " [[topic]]", '[["topic"]]'])
keys = st.lists(
    st.sampled_from(
        [
            *(f"description = {text}" for text in MULTILINE),
            'channels = [\n"console", # [[topic]]\n"desk",\n]',
            "enabled = false",
            'kind = "theme"',
            "examples = [\"text:one\", '''text:\n[[topic]]\n''']",
            "require = { any = ['a'] }",
            "# '''",
            "",
        ]
    ),
    unique_by=lambda line: line.partition(" ")[0],
    max_size=3,
)
tables = st.sampled_from(["", "", '[topic.exclude]\nall = ["a"]\n# about that', "# above\n"])
odd = st.sampled_from(
    [
        'id = "t1"',
        'query = "again"',
        "channels = [ # one\n[[topic]]\n]",
        'channels = ["nowhere"]',
        "[other]",
        "[topic.sub]",
        "topic = []",
        'kind = "theme"\r',
        "kind = '''",
        'description = """',
        "[[topic]]",
        "[[topic]] x",
        "[[topics]]",
        "\r",
    ]
)


@st.composite
def entries(draw: st.DrawFn, number: int) -> str:
    lines = [draw(headers), f'id = "t{number}"', f"query = {draw(queries)}", *draw(keys), draw(tables)]
    return "\n".join(lines)


@st.composite
def files(draw: st.DrawFn) -> list[str]:
    """Most of them are valid, one in four has a line in it that does not belong there."""
    file = ["# head\n", *(draw(entries(number)) for number in range(draw(st.integers(0, 6))))]
    if draw(st.integers(0, 3)) == 0:
        file.insert(draw(st.integers(0, len(file))), draw(odd))
    return file


edits = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 1), st.one_of(st.integers(6, 9).flatmap(entries), odd, st.just(""))),
    max_size=5,
)


@settings(max_examples=300, deadline=None)  # a busy machine is no mistake
@given(files(), edits, st.sampled_from(["\n", "\r\n"]))
def test_after_any_edits_it_gives_what_parsing_the_whole_gives(
    file: list[str], sequence: list[tuple[int, int, str]], end: str
) -> None:
    reader = TopicsReader(whole)
    for place, gone, line in [(9, 0, ""), *sequence]:
        file = [*file[:place], line, *file[place + gone :]]
        text = end.join("\n".join(file).split("\n"))
        for written in (text, text + end):
            assert outcome(reader, written) == outcome(None, written)


@settings(max_examples=200, deadline=None)
@given(files(), st.integers(0, 500), st.text(st.sampled_from("'\"[]\n\r#=tx "), max_size=3))
def test_no_broken_keystroke_makes_a_difference(file: list[str], at: int, typed: str) -> None:
    text = "\n".join(file)
    reader = TopicsReader(whole)
    outcome(reader, text)
    edited = text[:at] + typed + text[at + 1 :]
    assert outcome(reader, edited) == outcome(None, edited)


values = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(["new words", "with\n[[topic]]\nin it"]),
        "description": st.sampled_from([None, "what is meant"]),
        "enabled": st.booleans(),
    },
)


@settings(max_examples=100, deadline=None)
@given(files(), st.integers(0, 9), st.none() | values)
def test_an_edit_around_the_entry_gives_the_text_that_an_edit_of_the_whole_gives(
    tmp_path_factory: pytest.TempPathFactory, file: list[str], pick: int, change: dict[str, object] | None
) -> None:
    text = "# head\n\n" + "\n".join(file) + "\n# tail\n"
    found = outcome(None, text)
    ids = [topic.id for topic in found if isinstance(topic, Topic)]
    if not ids:
        return
    folder = tmp_path_factory.mktemp("edit")
    results = []
    for name in ("around", "whole"):
        at = folder / f"{name}.toml"
        at.write_text(text)
        quick = topics_file(at, CHANNELS)
        entries = quick if name == "around" else EntryFile(at, "topic", quick.parse)
        try:
            if change is None:
                entries.remove(ids[pick % len(ids)])
            else:
                entries.change(ids[pick % len(ids)], change)
        except ConfigError as error:
            results.append(str(error).replace(str(at), ""))
        else:
            results.append(at.read_text())
    assert results[0] == results[1]
