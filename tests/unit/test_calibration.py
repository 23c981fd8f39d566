"""What a made-up archive says of a topic."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.calibration import (
    ENOUGH,
    NARROWEST,
    PRIOR,
    SIGMAS,
    SMOOTHING,
    WIDTHS,
    YOUNG,
    calibrate,
    evidence_floor,
    indexed,
    priors,
    searched,
    strengths,
)
from consumers.corpus import Corpus
from consumers.model import Calibration, Kind, Sample, Sensitivity, Topic
from consumers.tally import field_of
from consumers.watch import Watch
from tests.corpora import (
    DAY,
    EVENT,
    MODEL,
    START,
    archive,
    article,
    ask,
    asked,
    corpus_of,
    event,
    mentions,
    noise,
    written,
)

NOW = START + 30 * DAY
KINDS: tuple[Kind, ...] = ("event", "theme")
WORDS: tuple[Sensitivity, ...] = ("fewer", "balanced", "more")
queries = written.filter(str.strip)


def drawn(topic: Topic, corpus: Corpus, previous: Calibration | None = None) -> Calibration:
    return calibrate(ask(topic), corpus, model=MODEL, now=NOW, previous=previous)


def topic(query: str = EVENT, **fields: object) -> Topic:
    return replace(Topic(id="t", query=query), **fields)  # type: ignore[arg-type]


def noise_of(total: NDArray[np.float32]) -> tuple[float, float]:
    return float(total.mean()), float(total.std())


@cache
def grown() -> Corpus:
    """No longer young."""
    return corpus_of([*noise(YOUNG), *event(12), *mentions(60)])


@cache
def busy() -> Corpus:
    """A year in which something of the topic happens every three days."""
    return corpus_of([*noise(1_200, days=365.0), *mentions(118)])


# -- before there is an archive


@pytest.mark.parametrize("articles", [0, 1, ENOUGH - 1])
@pytest.mark.parametrize(("kind", "word"), list(product(KINDS, WORDS)))
def test_an_archive_that_is_too_small_to_tell_leaves_the_shipped_priors(
    articles: int, kind: Kind, word: Sensitivity
) -> None:
    made = drawn(topic(kind=kind, sensitivity=word), corpus_of(event(articles)))
    assert made == priors(topic(kind=kind, sensitivity=word), MODEL, NOW)
    assert (made.line, made.articles, made.expected, made.pull) == (PRIOR[kind][word], 0, None, b"")


def test_an_archive_of_just_enough_articles_tells() -> None:
    assert drawn(topic(), corpus_of(noise(ENOUGH))).articles == ENOUGH


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_lines_are_higher_the_fewer_alerts_are_wanted(kind: Kind) -> None:
    fewer, balanced, more = (priors(topic(kind=kind, sensitivity=word), MODEL).line for word in WORDS)
    assert fewer > balanced > more


def test_a_calibration_says_what_it_was_drawn_for() -> None:
    sample = Sample(ref="text:x", title="x", relevant=True, row=np.ones(64, np.float16).tobytes())
    for corpus in (corpus_of(noise(5)), archive()):
        made = calibrate(asked(version=7), corpus, model="another", now=5.0, samples=[sample])
        assert (made.topic_id, made.topic_version, made.model, made.at) == ("t", 7, "another", 5.0)
        assert made.samples == (sample,)


# -- the line


@pytest.mark.parametrize(("kind", "word"), list(product(KINDS, WORDS)))
def test_the_reports_of_the_event_lie_above_the_line_and_the_noise_far_below(kind: Kind, word: Sensitivity) -> None:
    made, found = drawn(topic(kind=kind, sensitivity=word), archive()), strengths(asked(kind=kind), archive())
    reports = np.array([name.startswith("event") for name in archive().ids])
    assert reports.sum() == 12
    assert found.total[reports].min() > made.line
    assert found.evidence[reports].min() > evidence_floor(topic(kind=kind, sensitivity=word))
    assert found.total[~reports].max() < made.line - made.width


@settings(deadline=None, max_examples=40)
@given(queries, st.sampled_from(KINDS))
def test_the_line_lies_above_the_noise_and_higher_the_fewer_alerts_are_wanted(query: str, kind: Kind) -> None:
    made = [drawn(topic(query, kind=kind, sensitivity=word), archive()) for word in WORDS]
    fewer, balanced, more = (each.line for each in made)
    found = strengths(asked(query, kind=kind), archive())
    mean, spread = noise_of(found.total[found.original])
    assert fewer >= balanced >= more >= mean + max(SIGMAS * spread, WIDTHS * NARROWEST) - 1e-5
    for each in made:
        assert each.line - WIDTHS * each.width == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", [0.02, 0.05, 0.1, 0.15])
def test_about_as_many_stories_as_asked_for_lie_above_the_line(wanted: float, kind: Kind) -> None:
    made = drawn(topic(kind=kind, alerts_per_day=wanted), busy())
    assert made.expected == pytest.approx(wanted, abs=1.01 / busy().days)
    assert made.expected > 0


def test_the_words_of_the_sensitivity_do_not_matter_where_a_number_is_asked_for() -> None:
    lines = {drawn(topic(kind="theme", alerts_per_day=0.1, sensitivity=word), busy()).line for word in WORDS}
    assert max(lines) - min(lines) < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_asking_for_more_stories_than_there_are_does_not_take_the_noise_for_news(kind: Kind) -> None:
    for corpus in (busy(), archive(), corpus_of(noise(300))):
        made = drawn(topic(kind=kind, alerts_per_day=1_000.0), corpus)
        found = strengths(asked(kind=kind), corpus)
        mean, spread = noise_of(found.total[found.original])
        assert made.line >= mean + SIGMAS * spread - 1e-5


def test_asking_for_more_stories_than_there_are_takes_every_one_that_stands_out() -> None:
    made, found = drawn(topic(alerts_per_day=3.0), archive()), strengths(asked(), archive())
    reports = np.array([name.startswith("event") for name in archive().ids])
    assert found.total[reports].min() > made.line
    assert made.expected == pytest.approx(1 / archive().days)


@pytest.mark.parametrize("word", WORDS)
def test_a_topic_whose_event_has_not_happened_expects_nothing(word: Sensitivity) -> None:
    """The best articles of the archive are above a line that is drawn between them and the rest; they are noise."""
    corpus = corpus_of(noise(400))
    made = drawn(topic(sensitivity=word), corpus)
    assert made.expected == 0.0
    assert strengths(asked(), corpus).evidence.max() < evidence_floor(topic(sensitivity=word))


def test_an_archive_of_less_than_a_day_expects_nothing_yet() -> None:
    assert drawn(topic(), corpus_of([*noise(200, days=0.9), *event(3, first=START)])).expected is None
    assert drawn(topic(), corpus_of([*noise(200, days=1.1), *event(3, first=START)])).expected is not None


def test_reports_of_one_event_are_expected_as_one_story() -> None:
    made = drawn(topic(), archive(reports=12))
    assert made.expected == pytest.approx(1 / archive(reports=12).days)


def test_of_an_archive_that_is_a_sample_the_whole_is_expected() -> None:
    whole, half = busy(), replace(busy(), share=0.5)
    told, guessed = (drawn(topic(kind="theme"), corpus).expected for corpus in (whole, half))
    assert told
    assert guessed == pytest.approx(2 * told)


# -- the next calibration


def test_calibrating_again_over_the_same_archive_moves_nothing() -> None:
    for each in (topic(), topic(kind="theme"), topic(alerts_per_day=0.1), topic("!!!")):
        first = again = drawn(each, grown())
        for _ in range(3):
            again = drawn(each, grown(), again)
        assert again.line == pytest.approx(first.line, abs=1e-5)
        assert again.width == pytest.approx(first.width, abs=1e-5)
        assert again.pull == first.pull
        assert again.expected == first.expected


def test_a_line_that_is_known_moves_a_part_of_the_way_to_where_the_archive_has_it_today() -> None:
    fresh = drawn(topic(), grown())
    noise_level = fresh.line - WIDTHS * fresh.width
    known = replace(fresh, line=noise_level + 2 * WIDTHS * fresh.width, width=2 * fresh.width)
    moved = drawn(topic(), grown(), known)
    assert moved.line - fresh.line == pytest.approx((1 - SMOOTHING) * (known.line - fresh.line), rel=1e-3)
    assert moved.width - fresh.width == pytest.approx((1 - SMOOTHING) * (known.width - fresh.width), rel=1e-3)


def test_what_the_best_articles_share_moves_a_part_of_the_way() -> None:
    fresh = drawn(topic(), grown())
    known = replace(fresh, pull=np.zeros(64, np.float16).tobytes())
    np.testing.assert_allclose(pull_of(drawn(topic(), grown(), known)), SMOOTHING * pull_of(fresh), atol=1e-3)


@pytest.mark.parametrize("rounds", [1, 8])
def test_with_every_calibration_it_comes_nearer_and_never_passes(rounds: int) -> None:
    fresh = drawn(topic(), grown())
    at = replace(fresh, line=fresh.line + WIDTHS * fresh.width, width=2 * fresh.width)
    for _ in range(rounds):
        before, at = at.line, drawn(topic(), grown(), at)
        assert fresh.line < at.line < before
    assert at.line - fresh.line == pytest.approx((1 - SMOOTHING) ** rounds * WIDTHS * fresh.width, rel=1e-2)


@pytest.mark.parametrize(
    "change", [{"topic_version": 2}, {"model": "another"}, {"articles": YOUNG - 1}], ids=lambda change: str(change)
)
def test_a_calibration_of_something_else_or_of_a_young_archive_holds_nothing_back(change: dict[str, object]) -> None:
    fresh = drawn(topic(), grown())
    known = replace(fresh, line=fresh.line + 1.0, width=fresh.width * 3, **change)  # type: ignore[arg-type]
    assert drawn(topic(), grown(), known) == fresh


def test_a_young_archive_is_followed_at_once() -> None:
    fresh = drawn(topic(), archive())
    assert drawn(topic(), archive(), replace(fresh, line=fresh.line + 1.0, articles=YOUNG)) == fresh


# -- archives that could mislead


def test_copies_of_the_query_in_the_archive_do_not_move_the_line() -> None:
    copies = [article(EVENT, name=f"copy {n}", at=START + n * DAY) for n in range(5)]
    plain, copied = corpus_of([*noise(400), *event(12)]), corpus_of([*noise(400), *event(12), *copies])
    found = strengths(asked(), copied)
    assert (~found.original).sum() == len(copies)
    one, other = drawn(topic(), plain), drawn(topic(), copied)
    assert other.line == pytest.approx(one.line, abs=0.03)
    assert other.expected == pytest.approx(one.expected, rel=0.01)
    np.testing.assert_allclose(pull_of(other), pull_of(one), atol=0.01)


def pull_of(made: Calibration) -> NDArray[np.float32]:
    return np.frombuffer(made.pull, np.float16).astype(np.float32)


def finite(made: Calibration) -> bool:
    numbers = (made.line, made.width, made.bar, made.length, made.expected or 0.0, *made.rarity)
    return bool(np.isfinite(numbers).all() and np.isfinite(pull_of(made)).all())


@pytest.mark.parametrize("query", [EVENT, "Wheat exports", "!!!"])
@pytest.mark.parametrize("title", [EVENT, "Bridge in Dover collapsed at night", "Wheat exports", "?"])
def test_an_archive_of_one_article_over_and_over_leaves_a_line_above_it(query: str, title: str) -> None:
    corpus = corpus_of(article(title, name=str(n), at=START + n * DAY / 4) for n in range(ENOUGH + 20))
    made, found = drawn(topic(query), corpus), strengths(asked(query), corpus)
    assert finite(made)
    assert np.isfinite(found.total).all()
    assert made.line >= found.total.max() + WIDTHS * NARROWEST - 1e-4
    assert made.expected == 0.0


def test_a_single_article_has_a_strength() -> None:
    found = strengths(asked(), corpus_of(event(1)))
    assert np.isfinite(found.total).all()
    assert found.total > found.evidence


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(written, written), min_size=1, max_size=8), queries, st.sampled_from(KINDS), st.booleans())
def test_no_archive_makes_a_calibration_that_is_no_number(
    texts: list[tuple[str, str]], query: str, kind: Kind, counted: bool
) -> None:
    corpus = corpus_of(
        article(*texts[n % len(texts)], name=str(n), at=START + n * DAY / 10) for n in range(ENOUGH + len(texts))
    )
    each = topic(query, kind=kind, alerts_per_day=2.0 if counted else None)
    made = drawn(each, corpus)
    assert finite(made)
    assert made.width >= NARROWEST


def test_a_query_of_signs_is_calibrated_by_its_meaning_alone() -> None:
    made = drawn(topic("!!!"), archive())
    assert finite(made)
    assert made.rarity == ()
    assert made.expected == 0.0


# -- what the matcher needs


def test_rare_words_are_told_from_common_ones() -> None:
    dover, people = drawn(topic("Dover people"), archive()).rarity
    assert dover > people > 0


@settings(deadline=None, max_examples=40)
@given(queries, st.sampled_from(KINDS), st.sampled_from(WORDS))
def test_the_index_looks_at_every_archived_article_that_comes_near_the_line(
    query: str, kind: Kind, word: Sensitivity
) -> None:
    """One that says all words of the query is looked at by its words."""
    each = topic(query, kind=kind, sensitivity=word)
    made, found = drawn(each, archive()), strengths(ask(each), archive())
    rows = searched(archive().wholes.astype(np.float32), archive().titles.astype(np.float32))
    given_by_index = rows @ indexed(ask(each).row, found.pull)
    near = (found.total >= made.line - made.width) & (found.evidence >= made.floor - made.width) & ~found.complete
    assert (given_by_index[near] >= made.bar).all()


@settings(deadline=None, max_examples=40)
@given(queries, st.sampled_from(KINDS))
def test_a_calibration_gives_the_archive_the_strengths_that_it_was_drawn_from(query: str, kind: Kind) -> None:
    each = topic(query, kind=kind)
    before, after = strengths(ask(each), archive()), field_of(Watch(ask(each), drawn(each, archive())), archive())
    np.testing.assert_allclose(after.strength, before.total, atol=1e-5)
    np.testing.assert_allclose(after.evidence, before.evidence, atol=1e-5)


def test_an_archive_that_tells_nothing_of_a_topic_leaves_it_to_the_shipped_line() -> None:
    """Hundreds of items without any text, as a broken feed brings them."""
    junk = [article("zzz", name=f"item {n}") for n in range(300)]
    found = drawn(topic(), corpus_of(junk))
    shipped = priors(topic(), MODEL)
    assert found.articles == 300
    assert found.line == pytest.approx(shipped.line)
    assert not np.frombuffer(found.pull, np.float16).any()
