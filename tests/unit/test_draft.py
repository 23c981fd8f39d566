import pytest

from consumers.matcher import Matcher
from consumers.model import Article, Topic
from daemon.draft import back_test, try_article
from daemon.store import Store
from daemon.store.archive import Archive
from tests.fake_embedder import FakeEmbedder

DAY = 86_400.0
TOPIC = Topic(id="draft", query="bridge collapse Dover")
CLEAR = ("Bridge collapse in Dover", "A bridge collapsed in Dover.")
NEARBY = ("Bridge repairs and traffic jams in the county", "Drivers wait at the bridge. The mayor is sorry about that.")
OTHER = ("Wheat exports rise", "Exports of wheat rose again.")


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store)


def read(archive: Archive, *texts: tuple[str, str], day: int = 0, embedder: FakeEmbedder | None = None) -> None:
    articles = [
        Article(id=f"{day}-{n}", feed_id="f", source="example.org", title=title, text=text, seen=day * DAY)
        for n, (title, text) in enumerate(texts)
    ]
    archive.put(Matcher(embedder or FakeEmbedder()).match(articles))


def test_a_back_test_counts_what_would_have_matched_by_day(archive: Archive):
    read(archive, CLEAR, OTHER, day=1)
    read(archive, CLEAR, CLEAR, OTHER, day=3)
    tested = back_test(TOPIC, archive, FakeEmbedder(), since=0.0)
    assert (tested.articles, tested.above) == (5, 3)
    assert tested.by_day == (("1970-01-02", 1), ("1970-01-04", 2))


def test_a_page_read_from_two_feeds_counts_once_and_is_shown_once_as_what_matches_best(archive: Archive):
    full, short = (
        Article(
            id=feed, feed_id=feed, source="example.org", url="https://example.org/1", title=title, text=text, seen=0
        )
        for feed, (title, text) in (("world", CLEAR), ("front", NEARBY))
    )
    archive.put(Matcher(FakeEmbedder()).match([full, short]))
    tested = back_test(TOPIC, archive, FakeEmbedder(), since=0.0)
    assert (tested.articles, tested.above, tested.near) == (1, 1, 0)
    assert [tried.article.id for tried in (*tested.best, *tested.just_above, *tested.just_below)] == ["world"]


def test_articles_seen_before_the_span_are_left_out(archive: Archive):
    read(archive, CLEAR, day=1)
    read(archive, CLEAR, day=3)
    assert back_test(TOPIC, archive, FakeEmbedder(), since=2 * DAY).above == 1


def test_no_archived_article_is_embedded_again(archive: Archive):
    read(archive, CLEAR, OTHER)
    embedder = FakeEmbedder()
    back_test(TOPIC, archive, embedder, since=0.0)
    assert (embedder.queries, embedder.encoded) == ([TOPIC.query], [])


def test_samples_show_passage_and_reasons_on_both_sides_of_the_line(archive: Archive):
    read(archive, CLEAR, NEARBY, OTHER)
    tested = back_test(TOPIC, archive, FakeEmbedder(), since=0.0)
    (best,), (below,) = tested.best, tested.just_below
    assert best.article.title == CLEAR[0]
    assert best.reasons[0] == "words bridge, collapsed, Dover"
    assert [best.passage.text[start:end] for start, end in best.passage.marks] == ["bridge", "collapsed", "Dover"]
    assert (below.article.title, below.matched, below.reasons[-1]) == (NEARBY[0], False, "just below the line")
    assert tested.near == 1


def test_the_samples_just_above_the_line_are_none_of_the_best(archive: Archive):
    read(archive, *[CLEAR] * 5)
    tested = back_test(TOPIC, archive, FakeEmbedder(), since=0.0, samples=3)
    assert (len(tested.best), len(tested.just_above)) == (3, 2)
    assert len({tried.article.id for tried in (*tested.best, *tested.just_above)}) == 5


def test_a_back_test_finds_the_score_that_the_matcher_gave(archive: Archive):
    matcher = Matcher(FakeEmbedder())
    matcher.apply({"draft": TOPIC})
    (judged,) = matcher.match([Article(id="a", feed_id="f", source="s", title=CLEAR[0], text=CLEAR[1], seen=0.0)])
    archive.put([judged])
    (best,) = back_test(TOPIC, archive, FakeEmbedder(), since=0.0).best
    assert best.score == pytest.approx(judged.scores[0].score, abs=1e-5)
    assert best.passage == judged.matches[0].passage
    assert best.reasons == judged.matches[0].reasons


def test_vectors_of_another_model_are_left_out_and_counted(archive: Archive):
    read(archive, CLEAR, embedder=FakeEmbedder("older model"))
    tested = back_test(TOPIC, archive, FakeEmbedder(), since=0.0)
    assert (tested.articles, tested.other_model, tested.above) == (1, 1, 0)


def test_an_empty_archive_gives_an_empty_report(archive: Archive):
    tested = back_test(TOPIC, archive, FakeEmbedder(), since=0.0)
    assert (tested.articles, tested.above, tested.best, tested.by_day) == (0, 0, (), ())


@pytest.mark.parametrize(("text", "matched"), [(CLEAR, True), (OTHER, False), (("", ""), False)])
def test_one_article_is_judged_as_the_matcher_would_do_it(text: tuple[str, str], matched: bool):
    article = Article(id="a", feed_id="", source="", title=text[0], text=text[1], seen=0.0)
    assert try_article(TOPIC, article, FakeEmbedder()).matched is matched
