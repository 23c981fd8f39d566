"""A draft on the archive: what it would have taken, against what is in force, decided as the matcher decides."""

from dataclasses import replace

import numpy as np
import pytest

from consumers.asked import asked_of
from consumers.bag import bag_of
from consumers.calibration import calibrate
from consumers.matcher import Matcher
from consumers.model import Article, Topic, Wanted
from consumers.passages import texts_of
from consumers.scoring import LINE
from consumers.tally import field_of
from consumers.watch import Watch
from daemon.draft import BackTest, InForce, back_test, try_article
from daemon.store import Store
from daemon.store.archive import Archive
from tests.fake_embedder import FakeEmbedder
from tests.near_miss import near_miss

DAY = 86_400.0
NOW = 40 * DAY
TOPIC = Topic(id="draft", query="bridge collapse Dover")
CLEAR = ("Bridge collapse in Dover", "A bridge collapsed in Dover.")
NEARBY = near_miss("bridge collapse Dover")
OTHER = ("Wheat exports rise", "Exports of wheat rose again.")
WORDS = "wheat rain council vote cinema match harvest train school tax island choir ferry budget museum storm".split()


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store)


def read(archive: Archive, *texts: tuple[str, str], day: float = 0, embedder: FakeEmbedder | None = None) -> None:
    articles = [
        Article(id=f"{day}-{n}", feed_id="f", source="example.org", title=title, text=text, seen=day * DAY)
        for n, (title, text) in enumerate(texts)
    ]
    archive.put(Matcher(embedder or FakeEmbedder()).match(articles))


def back_tested(
    archive: Archive, topic: Topic = TOPIC, *, since: float = 0.0, shown: int = 5, in_force: InForce | None = None
) -> BackTest:
    corpus = archive.corpus("fake", 0.0, 30_000)
    return back_test(topic, corpus, archive, FakeEmbedder(), since=since, now=NOW, shown=shown, in_force=in_force)


def a_month(archive: Archive) -> None:
    """Four bridges fall in thirty days, each told three times; the rest is other news."""
    for day in range(30):
        other = [
            (f"{WORDS[n]} {WORDS[(n + day) % 16]} news", f"The {WORDS[n]} and the {WORDS[(n * day) % 16]}, day {day}.")
            for n in range(16)
        ]
        fell = [CLEAR] * 3 if day % 8 == 4 else []
        read(archive, *other, *fell, NEARBY if day % 10 == 0 else OTHER, day=day)


# -- counting


def test_a_back_test_counts_articles_and_the_stories_that_they_make_by_day(archive: Archive):
    read(archive, CLEAR, OTHER, day=1)
    read(archive, CLEAR, CLEAR, OTHER, day=3)
    read(archive, CLEAR, day=20)
    found = back_tested(archive)
    assert (found.articles, found.tally.above, found.tally.stories) == (6, 4, 2)
    assert found.tally.by_day == (("1970-01-02", 1, 1), ("1970-01-04", 2, 0), ("1970-01-21", 1, 1))
    assert found.tally.a_day == pytest.approx(2 / 19)


def test_a_page_read_from_two_feeds_counts_once_and_is_shown_once_as_what_matches_best(archive: Archive):
    full, short = (
        Article(
            id=feed, feed_id=feed, source="example.org", url="https://example.org/1", title=title, text=text, seen=0
        )
        for feed, (title, text) in (("world", CLEAR), ("front", NEARBY))
    )
    archive.put(Matcher(FakeEmbedder()).match([full, short]))
    found = back_tested(archive)
    assert (found.articles, found.tally.above, found.tally.near) == (1, 1, 0)
    assert [tried.article.id for tried in (*found.best, *found.just_above, *found.just_below)] == ["world"]


def test_articles_from_before_the_span_are_left_out_of_the_count_and_not_of_the_calibration(archive: Archive):
    a_month(archive)
    found = back_tested(archive, since=20 * DAY)
    assert found.tally.above == 6
    assert found.calibration.articles == len(archive.corpus("fake", 0.0, 30_000)) > found.articles


def test_only_the_words_of_the_topic_are_embedded(archive: Archive):
    read(archive, CLEAR, OTHER)
    embedder = FakeEmbedder()
    back_test(TOPIC, archive.corpus("fake", 0.0, 100), archive, embedder, since=0.0, now=NOW)
    assert (embedder.queries, embedder.encoded) == ([TOPIC.query], [])


def test_vectors_of_another_model_are_no_part_of_it(archive: Archive):
    read(archive, CLEAR, embedder=FakeEmbedder("older model"))
    assert (back_tested(archive).articles, back_tested(archive).tally.above) == (0, 0)


def test_an_empty_archive_gives_an_empty_report(archive: Archive):
    found = back_tested(archive)
    assert (found.articles, found.tally.above, found.best, found.tally.by_day) == (0, 0, (), ())
    assert (found.tally.a_day, found.curve) == (None, None)


# -- as the matcher does it


def test_the_field_is_the_strength_that_one_article_is_weighed_with(archive: Archive):
    a_month(archive)
    corpus, embedder = archive.corpus("fake", 0.0, 30_000), FakeEmbedder()
    (asked,) = asked_of([TOPIC], embedder)
    watch = Watch(asked, calibrate(asked, corpus, model="fake", now=NOW))
    field = field_of(watch, corpus)
    for place in range(0, len(corpus), 7):
        (archived,) = archive.by_id([corpus.ids[place]])
        weighed = watch.weigh(archived.article, bag_of(texts_of(archived.article)), archived.vectors.astype(np.float32))
        assert field.strength[place] == pytest.approx(weighed.strength, abs=1e-5)


def test_a_back_test_decides_and_explains_as_the_matcher_with_the_same_calibration(archive: Archive):
    a_month(archive)
    found = back_tested(archive, shown=100)
    matcher = Matcher(FakeEmbedder())
    matcher.apply({"draft": TOPIC})
    matcher.calibrate({"draft": found.calibration})
    archived = [each.article for chunk in archive.recent(0.0) for each in chunk]
    matches = {match.article.id: match for judged in matcher.match(archived) for match in judged.matches}
    assert {tried.article.id for tried in found.best} == matches.keys()
    assert found.tally.above == len(matches) == 12
    for tried in found.best:
        match = matches[tried.article.id]
        assert (tried.passage, tried.reasons, tried.evidence) == (match.passage, match.reasons, match.evidence)
        assert tried.score == pytest.approx(match.score, abs=1e-6)


def test_gates_hold_and_what_they_stopped_is_counted_and_shown(archive: Archive):
    read(archive, CLEAR, (CLEAR[0], CLEAR[1] + " Police said so."), OTHER)
    found = back_tested(archive, replace(TOPIC, exclude=Wanted(any=("police",))))
    assert (found.tally.above, found.tally.stopped) == (1, {"exclude": 1})
    assert [tried.article.id for tried in found.stopped] == ["0-1"]
    assert 'says "police"' in found.stopped[0].reasons


# -- samples


def test_samples_show_passage_and_reasons_on_both_sides_of_the_line(archive: Archive):
    read(archive, CLEAR, NEARBY, OTHER)
    found = back_tested(archive)
    (best,), (below,) = found.best, found.just_below
    assert best.article.title == CLEAR[0]
    assert best.reasons[0] == "words bridge, collapsed, Dover"
    assert [best.passage.text[start:end] for start, end in best.passage.marks] == ["bridge", "collapsed", "Dover"]
    assert (below.article.title, below.matched) == (NEARBY[0], False)
    assert "just below the line (balanced)" in below.reasons
    assert below.score < LINE < best.score
    assert found.tally.near == 1


def test_the_samples_just_above_the_line_are_none_of_the_best(archive: Archive):
    read(archive, *[CLEAR] * 5)
    found = back_tested(archive, shown=3)
    assert (len(found.best), len(found.just_above)) == (3, 2)
    assert len({tried.article.id for tried in (*found.best, *found.just_above)}) == 5


def test_the_best_samples_are_of_different_stories_before_they_are_of_the_same(archive: Archive):
    a_month(archive)
    days = [tried.article.id.partition("-")[0] for tried in back_tested(archive, shown=5).best]
    assert sorted(days[:4], key=int) == ["4", "12", "20", "28"]
    assert days[4] in days[:4]


# -- the curve


def test_the_curve_rises_with_sensitivity_and_goes_through_where_the_topic_stands(archive: Archive):
    a_month(archive)
    found = back_tested(archive)
    assert found.curve is not None
    a_day = [stories for _, stories in found.curve.points]
    assert a_day == sorted(a_day)
    assert (found.curve.points[0][0], found.curve.points[-1][0]) == (0.0, 1.0)
    assert list(found.curve.words) == ["fewer", "balanced", "more"]
    assert (found.curve.here, found.curve.a_day) == (0.5, pytest.approx(found.tally.a_day, abs=1e-3))
    assert found.curve.words["balanced"] == found.curve.a_day


def test_the_curve_is_of_what_the_gates_let_through(archive: Archive):
    a_month(archive)
    shut = back_tested(archive, replace(TOPIC, require=Wanted(all=("nowhere to be found",))))
    assert shut.curve is not None
    assert {stories for _, stories in shut.curve.points} == {0.0}


# -- against the version in force


def test_the_difference_to_the_version_in_force_is_told_in_pages_with_samples_of_each(archive: Archive):
    read(archive, CLEAR, ("Tunnel floods in Calais", "The tunnel of Calais is under water."), day=1)
    read(archive, ("Dover bridge collapse: police", "A bridge collapsed in Dover, police said."), day=3)
    before = replace(TOPIC, exclude=Wanted(any=("police",)))
    found = back_tested(archive, replace(TOPIC, require=Wanted(any=("police",))), in_force=InForce(topic=before))
    difference = found.difference
    assert difference is not None
    assert (difference.both, difference.gained, difference.lost) == (0, 1, 1)
    assert [tried.article.id for tried in difference.samples_gained] == ["3-0"]
    assert [tried.article.id for tried in difference.samples_lost] == ["1-0"]
    assert (difference.tally.above, found.tally.above) == (1, 1)


def test_a_draft_that_changes_nothing_takes_what_is_in_force(archive: Archive):
    a_month(archive)
    first = back_tested(archive)
    again = back_tested(archive, in_force=InForce(topic=TOPIC, calibration=first.calibration))
    assert again.difference is not None
    assert (again.difference.both, again.difference.gained, again.difference.lost) == (12, 0, 0)
    assert again.difference.tally == again.tally


# -- one article


@pytest.mark.parametrize(("text", "matched"), [(CLEAR, True), (OTHER, False), (("", ""), False)])
def test_one_article_is_judged_as_the_matcher_would_do_it(text: tuple[str, str], matched: bool):
    article = Article(id="a", feed_id="", source="", title=text[0], text=text[1], seen=0.0)
    assert try_article(TOPIC, article, FakeEmbedder()).matched is matched


def test_gates_are_told_of_an_article_far_below_the_line(archive: Archive):
    article = Article(id="a", feed_id="", source="", title=OTHER[0], text=OTHER[1], seen=0.0)
    tried = try_article(replace(TOPIC, require=Wanted(all=("police",))), article, FakeEmbedder())
    assert [(each.gate, each.passed) for each in tried.evidence.gates] == [("require", False)]
