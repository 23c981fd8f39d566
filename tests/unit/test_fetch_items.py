from dataclasses import replace

from daemon.feeds import Feed, FeedState, SeenItem
from daemon.fetch.items import Reading, candidates, clamped, read
from daemon.fetch.parsed import ParsedEntry, ParsedFeed

NOW = 1_800_000_000.0
HOUR = 3_600.0
FEED = Feed(id="valley", url="https://feeds.valley.example/rss")
OLD = FeedState(feed_id="valley", backfilled=True, succeeded=NOW - HOUR, polled=NOW - HOUR)
NEW = FeedState(feed_id="valley")


class Polls:
    """A feed polled again and again; remembers as the store does."""

    def __init__(self, state: FeedState = OLD) -> None:
        self.state = state
        self.seen: dict[str, SeenItem] = {}
        self.now = NOW

    def poll(self, *entries: ParsedEntry, left_out: int = 0) -> Reading:
        parsed = ParsedFeed(kind="rss20", entries=entries, left_out=left_out)
        found = candidates(FEED.id, parsed.entries)
        reading = read(FEED, self.state, parsed, found, self.seen, self.now)
        self.seen.update({item.article_id: item for item in reading.seen})
        self.state = replace(self.state, backfilled=True, succeeded=self.now)
        self.now += HOUR
        return reading


def entry(title: str = "Bridge closed", **fields: object) -> ParsedEntry:
    defaults = {"guid": title, "url": "https://valley.example/bridge", "text": f"{title} until spring."}
    return ParsedEntry(title=title, **{**defaults, **fields})  # type: ignore[arg-type]


def test_an_item_is_handed_over_once() -> None:
    polls = Polls()
    (article,) = polls.poll(entry()).articles
    assert (article.revision, article.backfill, article.source) == (1, False, "valley.example")
    again = polls.poll(entry())
    assert again.articles == ()
    assert again.outcomes == {"unchanged": 1}


def test_what_a_new_feed_already_carries_is_backfill_and_what_comes_later_is_not() -> None:
    polls = Polls(NEW)
    assert polls.poll(entry("a"), entry("b")).outcomes == {"backfill": 2}
    (article,) = polls.poll(entry("c"), entry("a"), entry("b")).articles
    assert (article.title, article.backfill) == ("c", False)


def test_a_changed_text_is_a_revision_of_the_same_article() -> None:
    polls = Polls()
    (first,) = polls.poll(entry(text="Twelve people are hurt.")).articles
    reading = polls.poll(entry(text="Nineteen people are hurt."))
    (second,) = reading.articles
    assert (second.id, second.revision) == (first.id, 2)
    assert reading.outcomes == {"revision": 1}
    assert polls.poll(entry(text="Nineteen people are hurt.")).articles == ()


def test_a_changed_figure_is_a_change() -> None:
    polls = Polls()
    polls.poll(entry(text="Toll: 12"))
    assert polls.poll(entry(text="Toll: 19")).outcomes == {"revision": 1}


def test_spacing_case_punctuation_and_a_count_of_comments_are_no_change() -> None:
    polls = Polls()
    polls.poll(entry(text="The bridge is closed. 12 comments"))
    assert polls.poll(entry(text="the  Bridge is closed\n\n1,024 comments")).outcomes == {"unchanged": 1}


def test_an_item_without_guid_is_its_link() -> None:
    polls = Polls()
    polls.poll(entry("Bridge closed", guid=""))
    assert polls.poll(entry("Bridge still closed", guid="")).outcomes == {"revision": 1}


def test_items_without_guid_that_share_a_link_are_told_apart_by_title() -> None:
    polls = Polls()
    assert len(polls.poll(entry("a", guid=""), entry("b", guid="")).articles) == 2
    assert polls.poll(entry("b", guid=""), entry("a", guid="")).articles == ()


def test_an_item_with_neither_guid_nor_link_is_its_title_date_and_text() -> None:
    polls = Polls()
    bare = entry(guid="", url="", published=NOW)
    polls.poll(bare)
    assert polls.poll(bare).outcomes == {"unchanged": 1}
    assert polls.poll(replace(bare, text="Something else")).outcomes == {"new": 1}


def test_one_guid_with_two_links_is_two_articles_and_stays_two() -> None:
    polls = Polls()
    one = entry("a", guid="0", url="https://valley.example/a")
    two = entry("b", guid="0", url="https://valley.example/b")
    assert len({article.id for article in polls.poll(one, two).articles}) == 2
    assert polls.poll(one).articles == ()
    assert polls.poll(two).articles == ()


def test_an_item_keeps_its_name_when_another_with_its_guid_appears() -> None:
    polls = Polls()
    one = entry("a", guid="0", url="https://valley.example/a")
    polls.poll(one)
    (article,) = polls.poll(entry("b", guid="0", url="https://valley.example/b"), one).articles
    assert article.title == "b"


def test_the_same_item_twice_in_one_feed_is_one_article_the_later_one() -> None:
    reading = Polls().poll(entry(text="early", published=NOW - 60), entry(text="late", published=NOW - 30))
    assert [article.text for article in reading.articles] == ["late"]
    assert reading.outcomes == {"new": 1, "duplicate": 1}


def test_a_counter_behind_an_address_as_guid_makes_no_new_article() -> None:
    polls = Polls()
    polls.poll(entry(guid="https://valley.example/bridge#0"))
    assert polls.poll(entry(guid="https://valley.example/bridge#1")).outcomes == {"unchanged": 1}


def test_a_feed_that_renames_its_old_items_raises_no_flood() -> None:
    polls = Polls()
    titles = [f"story {n}" for n in range(10)]
    polls.poll(*(entry(title, published=NOW - 10 * HOUR) for title in titles))
    fresh = entry("breaking", guid="v2-breaking", published=polls.now - 60)
    reading = polls.poll(fresh, *(entry(title, guid=f"v2-{title}", published=NOW - 10 * HOUR) for title in titles))
    assert reading.outcomes == {"backfill": 10, "new": 1}
    assert [article.title for article in reading.articles if not article.backfill] == ["breaking"]


def test_a_busy_feed_with_only_new_items_is_news() -> None:
    polls = Polls()
    polls.poll(*(entry(f"a{n}", published=NOW - 60) for n in range(10)))
    assert polls.poll(*(entry(f"b{n}", published=polls.now - 60) for n in range(10))).outcomes == {"new": 10}


def test_every_item_ends_in_exactly_one_outcome() -> None:
    polls = Polls()
    polls.poll(entry("a"), entry("b"))
    reading = polls.poll(entry("a"), entry("b", text="changed"), entry("c"), entry("c"), entry("", text=""), left_out=3)
    assert reading.outcomes == {"unchanged": 1, "revision": 1, "new": 1, "duplicate": 1, "empty": 1, "over_limit": 3}
    assert (reading.items, reading.known) == (3, 2)


def test_dates_before_the_web_or_far_ahead_are_nonsense_and_a_wrong_zone_is_now() -> None:
    assert clamped(NOW - HOUR, NOW) == NOW - HOUR
    assert clamped(NOW + HOUR, NOW) == NOW
    assert clamped(NOW + 2 * 86_400, NOW) is None
    assert clamped(0.0, NOW) is None
    assert clamped(None, NOW) is None


def test_that_an_item_is_still_there_is_written_down_once_a_day() -> None:
    polls = Polls()
    polls.poll(entry())
    assert polls.poll(entry()).seen == ()
    polls.now += 86_400
    (item,) = polls.poll(entry()).seen
    assert (item.revision, item.last_seen) == (1, NOW + 2 * HOUR + 86_400)
