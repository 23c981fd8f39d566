"""A topic in force, and what it makes of one article."""

import json
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.bag import Bag, bag_of
from consumers.calibration import calibrate, indexed, priors, searched, strengths
from consumers.corpus import CorpusBuilder
from consumers.gates import gates_of
from consumers.model import MATCHES, Article, Calibration, Kind, Match, Passage, Sample, Topic, Wanted
from consumers.passages import ArticleTexts, texts_of
from consumers.scoring import LINE
from consumers.watch import Watch, Weighed, about
from daemon.log.codec import decode, encode
from tests.corpora import EVENT, MODEL, add, archive, article, ask, event, noise, written
from tests.fake_embedder import FakeEmbedder

FELL = article("Bridge collapse in Dover", "A bridge collapsed in Dover. It rained. Nobody was hurt. The mayor came.")
TOPIC = Topic(id="t", query=EVENT)


def read(each: Article) -> tuple[ArticleTexts, Bag, NDArray[np.float32]]:
    """As the matcher reads it: by the rows that are archived."""
    texts = texts_of(each)
    rows = FakeEmbedder().encode(texts.embedded).astype(np.float16).astype(np.float32)
    return texts, bag_of(texts), rows


def weighed(watch: Watch, each: Article) -> Weighed:
    _, bag, rows = read(each)
    return watch.weigh(each, bag, rows)


def told(watch: Watch, each: Article) -> tuple[str, ...]:
    texts, bag, rows = read(each)
    found = watch.weigh(each, bag, rows)
    passage, words = watch.quote(texts, None, rows)
    return watch.reasons(found, passage, words, watch.nearest(rows))


def watching(topic: Topic = TOPIC, calibration: Calibration | None = None) -> Watch:
    return Watch(ask(topic), calibration)


@cache
def drawn(topic: Topic = TOPIC) -> Calibration:
    return calibrate(ask(topic), archive(), model=MODEL, now=0.0)


def calibrated(topic: Topic = TOPIC, **changes: object) -> Watch:
    return watching(topic, replace(drawn(topic), **changes))  # type: ignore[arg-type]


def sample(each: Article, *, relevant: bool = True) -> Sample:
    row = FakeEmbedder().encode([texts_of(each).embedded[0]])[0].astype(np.float16)
    return Sample(ref=f"article:{each.id}", title=each.title, relevant=relevant, row=row.tobytes())


# -- the same strengths live and in a back-test


@cache
def noise_builder() -> CorpusBuilder:
    return add(CorpusBuilder(), [*noise(120), *event(3)], FakeEmbedder())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(written, written), min_size=1, max_size=6),
    written.filter(str.strip),
    written,
    st.sampled_from(["event", "theme"]),
)
def test_a_back_test_and_the_matcher_find_the_same_strength(
    texts: list[tuple[str, str]], query: str, description: str, kind: Kind
) -> None:
    known = noise_builder()
    builder = CorpusBuilder(*(list(getattr(known, name)) for name in ("ids", "urls", "at", "wholes", "titles", "bags")))
    articles = [article(title, text, name=str(n)) for n, (title, text) in enumerate(texts)]
    corpus = add(builder, articles, FakeEmbedder()).corpus()
    asked = ask(Topic(id="t", query=query, description=description, kind=kind))
    found = strengths(asked, corpus)
    watch = Watch(asked, calibrate(asked, corpus, model=MODEL, now=0.0))
    live = [weighed(watch, each).strength for each in articles]
    np.testing.assert_allclose(found.total[-len(articles) :], live, atol=1e-5)


@settings(deadline=None)
@given(written, written, st.booleans())
def test_the_index_and_the_words_together_are_the_strength(title: str, text: str, drawn_before: bool) -> None:
    """What the index leaves out are words alone: an article without them is found by the index where it is strong."""
    watch = calibrated() if drawn_before else watching()
    _, bag, rows = read(article(title, text))
    silent = Bag(np.zeros(0, np.uint32), np.zeros(0, np.uint8), bag.length)
    (row,) = searched(rows[:1], rows[1:2])
    strength = watch.weigh(article(title, text), silent, rows).strength
    pull = watch.vector - indexed(watch.asked.row, None)
    title_pull = (row - rows[0]) @ pull  # the index takes the pull by whole and title, the strength by the whole
    assert watch.vector @ row == pytest.approx(strength + title_pull, abs=1e-3)


# -- what it makes of an article


def test_without_a_calibration_the_shipped_priors_do() -> None:
    watch = watching()
    assert watch.calibration == priors(TOPIC, "")
    assert weighed(watch, FELL).matched
    assert not weighed(watch, article("Wheat exports rise")).matched


def test_an_article_on_the_line_matches_and_one_just_below_does_not() -> None:
    strength = weighed(calibrated(), FELL).strength
    on, under = (weighed(calibrated(line=line), FELL) for line in (strength, strength + 1e-6))
    assert (on.score, on.matched) == (LINE, True)
    assert (under.matched, under.gate) == (False, "")
    assert under.score == pytest.approx(LINE, abs=1e-4)


def test_what_archived_news_share_is_no_evidence_of_its_own() -> None:
    """An archive without the event draws its topic's articles towards noise: they are strong, and still no match."""
    each = noise(1)[0]
    pull = (3 * read(each)[2][0]).astype(np.float16).tobytes()
    found = weighed(calibrated(pull=pull), each)
    assert found.strength > calibrated(pull=pull).calibration.line
    assert found.score < LINE
    assert not found.matched


@settings(deadline=None)
@given(written, written, st.booleans())
def test_the_parts_of_a_score_sum_to_one(title: str, text: str, drawn_before: bool) -> None:
    found = weighed(calibrated() if drawn_before else watching(), article(title, text))
    assert sum(part.share for part in found.parts) == pytest.approx(1.0, abs=0.01)
    assert {part.name for part in found.parts} <= {"meaning", "title", "words", "archive"}


def test_only_parts_that_count_are_named() -> None:
    names = [part.name for part in weighed(watching(), article("Wheat exports rise")).parts]
    assert names == ["meaning", "title"]
    assert [part.name for part in weighed(calibrated(), FELL).parts] == ["meaning", "title", "words", "archive"]


def test_what_it_found_can_be_written_on_the_log_as_it_is() -> None:
    watch = calibrated(replace(TOPIC, exclude=Wanted(any=("drill",))), samples=(sample(event(1)[0]),))
    texts, bag, rows = read(FELL)
    found = watch.weigh(FELL, bag, rows)
    match = Match(
        id="m",
        topic_id="t",
        topic_version=1,
        article=FELL,
        score=found.score,
        passage=texts.passages[0],
        evidence=watch.evidence(found, rows, MODEL),
    )
    assert decode(MATCHES, encode(MATCHES, match)) == match
    assert [gate["passed"] for gate in json.loads(encode(MATCHES, match))["record"]["evidence"]["gates"]] == [
        True,
        True,
    ]
    assert all(type(gate.passed) is bool for gate in found.gates)
    assert type(found.matched) is bool


@pytest.mark.parametrize(
    ("gates", "failed"),
    [
        ({"require": Wanted(all=("drill",))}, "require"),
        ({"exclude": Wanted(any=("rained",))}, "exclude"),
        ({"languages": ("de",)}, "languages"),
        ({"sources": ("other.example",)}, "sources"),
        ({"not_sources": ("example.org",)}, "not_sources"),
        ({"max_age": 60.0}, "max_age"),
        ({"not_sources": ("example.org",), "exclude": Wanted(any=("rained",))}, "exclude"),
    ],
    ids=str,
)
def test_an_article_that_fails_a_gate_keeps_its_score_and_is_told_the_first_one(
    gates: dict[str, object], failed: str
) -> None:
    each = replace(FELL, lang="en", published=FELL.seen - 3_600)
    open_watch, watch = watching(), watching(replace(TOPIC, **gates))  # type: ignore[arg-type]
    found = weighed(watch, each)
    assert (found.matched, found.gate) == (False, failed)
    assert found.score == weighed(open_watch, each).score > LINE


@settings(deadline=None)
@given(written, written)
def test_a_gate_holds_for_any_text(title: str, text: str) -> None:
    each = article(title, f"{text} A drill.")
    low = Calibration(topic_id="t", topic_version=1, model=MODEL, at=0.0, line=-9.0)  # everything is above it
    found = weighed(watching(replace(TOPIC, exclude=Wanted(any=("drill",))), low), each)
    assert found.score > LINE
    assert not found.matched
    assert [gate.passed for gate in found.gates if gate.gate == "exclude"] == [False]


def test_a_topic_without_gates_asks_for_evidence_alone() -> None:
    assert gates_of(TOPIC) is gates_of(Topic(id="another", query="wheat"))  # one for all that have none
    assert gates_of(TOPIC).judge(FELL) == ()
    assert [gate.gate for gate in weighed(watching(), FELL).gates] == ["evidence"]


# -- its examples


def test_the_nearest_example_is_named_by_its_title() -> None:
    near, far = event(1)[0], noise(1)[0]
    watch = calibrated(samples=(sample(far), sample(near)))
    assert watch.nearest(read(FELL)[2]) == near.title
    assert f"like your example “{near.title}”" in told(watch, FELL)


def test_a_counter_example_is_never_named_as_like() -> None:
    assert calibrated(samples=(sample(event(1)[0], relevant=False),)).nearest(read(FELL)[2]) == ""


def test_an_example_of_something_else_is_not_named() -> None:
    other = article("Wheat exports rise")
    assert calibrated(samples=(sample(other),)).nearest(read(article("Orchestra surprises Turku"))[2]) == ""


# -- what people read


def test_people_read_words_passage_and_setting() -> None:
    each = replace(FELL, text="It rained. Nobody was hurt. The mayor came. The bridge in Dover collapsed. Help came.")
    assert told(calibrated(expected=2.2), each) == (
        "words bridge, collapsed, Dover",
        "passage 2 of 2",
        "clearly above the line (balanced, about 2 a day)",
    )


def test_a_short_article_has_no_passage_to_name() -> None:
    assert told(watching(), article("Bridge collapse in Dover")) == (
        "words Bridge, collapse, Dover",
        "clearly above the line (balanced)",
    )


def test_a_failed_gate_is_told_last() -> None:
    assert told(watching(replace(TOPIC, exclude=Wanted(any=("rained",)))), FELL)[-1] == 'says "rained"'


@pytest.mark.parametrize(
    ("topic", "expected", "setting"),
    [
        (TOPIC, None, "balanced"),
        (replace(TOPIC, sensitivity="fewer"), 0.0, "fewer, less than one a week"),
        (replace(TOPIC, alerts_per_day=3.0), 1.8, "3 a day wanted, about 2 a day"),
        (replace(TOPIC, alerts_per_day=3.0), None, "3 a day wanted"),
    ],
)
def test_the_setting_says_what_was_asked_for_and_what_is_expected(
    topic: Topic, expected: float | None, setting: str
) -> None:
    assert calibrated(topic, expected=expected).setting == setting


@pytest.mark.parametrize(
    ("a_day", "words"),
    [
        (0.0, "less than one a week"),
        (0.13, "less than one a week"),
        (1 / 7, "about 1 a week"),
        (0.5, "about 4 a week"),
        (0.94, "about 7 a week"),
        (0.95, "about 1 a day"),
        (17.6, "about 18 a day"),
    ],
)
def test_a_rate_is_told_in_whole_alerts(a_day: float, words: str) -> None:
    assert about(a_day) == words


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("bridge collapse Dover fell in the harbour storm . and".split()), max_size=40).map(
        " ".join
    ),
    st.floats(-0.5, 2.0),
    st.floats(0.02, 0.5),
    st.none() | st.floats(0, 500),
)
def test_no_reason_carries_a_raw_number(text: str, line: float, width: float, expected: float | None) -> None:
    watch = calibrated(line=line, width=width, expected=expected, samples=(sample(event(1)[0]),))
    for reason in told(watch, article("Bridge collapse", text)):
        assert not re.search(r"\d[.,]\d", reason), reason


def test_the_passage_is_the_one_that_says_the_words() -> None:
    each = article("News", "It rained. Nobody came. Nobody left. The bridge in Dover collapsed. Help came.")
    texts, _, rows = read(each)
    passage, words = watching().quote(texts, None, rows)
    assert isinstance(passage, Passage)
    assert passage.number == 2
    assert words == ("bridge", "collapsed", "Dover")
    assert [passage.text[start:end] for start, end in passage.marks] == ["bridge", "Dover", "collapsed"]
