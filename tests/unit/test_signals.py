"""Spikes and silences: when they begin and end, and that each is told once."""

import math
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from consumers.holding import Mute
from consumers.model import Digest, Scheduled, Topic
from consumers.signals import HOUR, LastHour, at_least, is_silence, is_spike, usual
from daemon.signals import Signals
from daemon.store import Store, tables
from daemon.store.digests import Carries
from daemon.store.mutes import Mutes
from daemon.store.outbox import Outbox
from daemon.store.signals import SignalRows
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.wire import from_json
from tests.stores import Place

DAY = 24 * HOUR
NOW = 20_500 * DAY + 12 * HOUR + 1800  # half past twelve, UTC
STRIKES = Topic(id="strikes", query="Russian airstrikes Syria", channels=("desk",), spike=True)
QUIET = replace(STRIKES, spike=False, silence=6 * HOUR)


class News:
    """Feeds that bring something every hour, and topics that match some of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.articles = 0

    def topic(self, topic: Topic, *, at: float = NOW - 30 * DAY) -> None:
        TopicVersions(self.store).remember([TopicVersion(topic_id=topic.id, version=topic.version, topic=topic, at=at)])

    def article(self, seen: float, source: str = "a.example", title: str = "Other news", backfill: bool = False) -> str:
        row = self._row(seen, source, title, backfill)
        with self.store.write() as connection:
            connection.execute(insert(tables.articles).values(**row))
        return str(row["id"])

    def _row(
        self, seen: float, source: str = "a.example", title: str = "", backfill: bool = False
    ) -> dict[str, object]:
        self.articles += 1
        row = {"id": f"{self.articles:06}", "revision": 1, "feed_id": "f", "source": source, "url": "", "title": title}
        return {**row, "text": "", "seen": seen, "lang": "", "backfill": backfill}

    def match(
        self,
        seen: float,
        source: str = "a.example",
        *,
        topic: str = "strikes",
        story: str = "s",
        title: str = "Strike on Homs",
        backfill: bool = False,
        joined: float | None = None,
    ) -> None:
        article_id = self.article(seen, source, title, backfill)
        row = {"match_id": f"m{article_id}", "story_id": story, "topic_id": topic, "article_id": article_id}
        with self.store.write() as connection:
            connection.execute(
                insert(tables.story_matches).values(**row, at=seen + 1 if joined is None else joined, match="{}")
            )

    def week(self, *, until: float = NOW, hours: int = 8 * 24) -> None:
        """Other news in every hour before."""
        with self.store.write() as connection:
            connection.execute(insert(tables.articles), [self._row(until - hour * HOUR) for hour in range(hours)])

    def burst(
        self, at: float, sources: Sequence[str] = ("a.example", "b.example", "c.example"), count: int = 6
    ) -> None:
        for number in range(count):
            self.match(at - number * 60, sources[number % len(sources)], story=f"s{number % 2}", title=f"T{number % 2}")

    def told(self) -> list[tuple[str, Carries]]:
        """Channel and words of what was handed to the outbox, in its order."""
        rows = tables.deliveries
        with self.store.read() as connection:
            found = connection.execute(select(rows.c.channel, rows.c.carries).order_by(rows.c.created, rows.c.channel))
            return [(row.channel, from_json(Carries, row.carries)) for row in found]

    def kinds(self) -> list[str]:
        return [carries.reason for _, carries in self.told()]


@pytest.fixture
def news(store: Store) -> News:
    return News(store)


# -- what is unusual


@given(st.integers(0, 300), st.floats(0.001, 200))
def test_how_unlikely_a_number_is_follows_from_poisson(number: int, mean: float) -> None:
    below = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(number))
    found = at_least(number, mean)
    assert 0 <= found <= 1
    if number > mean:
        assert found == pytest.approx(1 - below, rel=1e-6, abs=1e-12)
        assert at_least(number + 1, mean) < found or found == 0
    else:
        assert found == 1


WEEK_BEFORE = range(1000 - 168, 1000)


def test_two_days_have_to_be_known_before_anything_is_usual() -> None:
    assert usual({}, range(1000 - 47, 1000), 1000) is None
    assert usual({}, range(1000 - 48, 1000), 1000) == 1 / 48


def test_what_is_usual_is_a_mean_over_the_hours_in_which_something_was_read() -> None:
    evenly = dict.fromkeys(WEEK_BEFORE, 2)
    assert usual(evenly, WEEK_BEFORE, 1000) == 2
    assert usual(evenly, WEEK_BEFORE[::2], 1000) == 2
    assert usual({990: 84}, WEEK_BEFORE, 1000) == 84 / 168


def test_a_topic_that_is_busy_at_this_time_of_every_day_is_as_usual() -> None:
    noon = {hour: 12 for hour in WEEK_BEFORE if hour % 24 == 1000 % 24}
    assert usual(noon, WEEK_BEFORE, 1000) == pytest.approx(4)  # of three hours around it, one
    assert usual(noon, WEEK_BEFORE, 1006) == pytest.approx(12 / 24, rel=0.01)


@pytest.mark.parametrize(
    ("articles", "sources", "usually", "spike"),
    [
        (5, 3, 0.05, True),
        (4, 4, 0.05, False),
        (50, 2, 0.05, False),
        (5, 3, 0.4, True),
        (5, 3, 0.5, False),
        (20, 9, 10.0, False),
        (25, 9, 10.0, True),
        (5, 3, None, False),
    ],
)
def test_a_spike_is_many_articles_of_several_sources_where_few_are_usual(
    articles: int, sources: int, usually: float | None, spike: bool
) -> None:
    assert is_spike(LastHour(articles, sources), usually, going_on=False) is spike


def test_a_spike_goes_on_until_the_hour_would_be_no_surprise() -> None:
    assert is_spike(LastHour(4, 1), 0.4, going_on=True)
    assert not is_spike(LastHour(2, 2), 0.4, going_on=True)


def test_silence_counts_only_the_hours_in_which_something_was_read() -> None:
    now, hours = 1000.5 * HOUR, range(980, 1001)
    assert is_silence(now, 994 * HOUR, 6 * HOUR, hours)
    assert not is_silence(now, 995 * HOUR, 6 * HOUR, hours)
    assert not is_silence(now, 980 * HOUR, 6 * HOUR, [980, 981, 1000])
    assert not is_silence(now, 980 * HOUR, 6 * HOUR, range(980, 999))  # nothing is read now
    assert not is_silence(now, 980 * HOUR, 600.0, [])
    assert is_silence(now, 980 * HOUR, 600.0, [1000])


# -- spikes


def test_a_spike_is_told_once_with_its_numbers_and_again_only_after_it_was_over(news: News) -> None:
    news.topic(STRIKES)
    news.week()
    news.match(NOW - 3 * DAY)
    news.burst(NOW - 60)
    signals = Signals(news.store)
    assert signals.round(NOW) == 1
    ((channel, carries),) = news.told()
    assert (channel, carries.reason, carries.title) == ("desk", "spike", "Spike: Russian airstrikes Syria")
    assert carries.lead == (
        "6 articles from 3 sources in the last hour, where less than one is usual. Most of them: “T1” (3); “T0” (3)."
    )
    assert signals.round(NOW + 60) == 0
    assert Signals(news.store).round(NOW + 120) == 0  # after a restart
    assert Signals(news.store).round(NOW + 2 * HOUR) == 0  # over
    news.week(until=NOW + 6 * HOUR, hours=5)
    news.burst(NOW + 6 * HOUR, count=20)
    assert signals.round(NOW + 6 * HOUR) == 1
    assert news.kinds() == ["spike", "spike"]


def test_what_a_feed_brought_at_first_and_what_is_replayed_is_no_spike(news: News) -> None:
    news.topic(STRIKES)
    news.week()
    for number in range(20):
        news.match(NOW - 60, f"{number}.example", backfill=True)
        news.match(NOW - 9 * DAY, f"{number}.example", joined=NOW - 60)
    assert Signals(news.store).round(NOW) == 0


def test_a_topic_that_is_new_has_no_spike(news: News) -> None:
    news.topic(STRIKES, at=NOW - 47 * HOUR)
    news.topic(replace(STRIKES, version=2), at=NOW - 46 * HOUR)
    news.week()
    news.burst(NOW)
    signals = Signals(news.store)
    assert signals.round(NOW) == 0
    news.burst(NOW + 4 * HOUR)
    news.week(until=NOW + 4 * HOUR, hours=4)
    assert signals.round(NOW + 4 * HOUR) == 1


def test_hours_without_any_article_do_not_make_an_ordinary_one_unusual(news: News) -> None:
    """The daemon was off for most of the week; when it runs, this topic has four articles an hour."""
    news.topic(STRIKES)
    for hour in range(50, 98):
        for number in range(4):
            news.match(NOW - hour * HOUR, f"{number}.example")
    news.burst(NOW)
    assert Signals(news.store).round(NOW) == 0


def test_a_topic_that_asks_for_nothing_is_never_told_of(news: News) -> None:
    news.topic(replace(STRIKES, spike=False))
    news.week()
    news.burst(NOW)
    assert Signals(news.store).round(NOW) == 0
    assert news.told() == []


def test_a_topic_that_is_paused_or_changes_its_mind_ends_what_went_on(news: News) -> None:
    news.topic(STRIKES)
    news.week()
    news.burst(NOW)
    signals = Signals(news.store)
    assert signals.round(NOW) == 1
    news.topic(replace(STRIKES, enabled=False, version=2), at=NOW)
    assert signals.round(NOW + 60) == 0
    assert SignalRows(news.store).going_on() == {}


def test_a_topic_of_digests_alone_is_told_on_their_channels(news: News) -> None:
    digests = tuple(Scheduled(channel="boss", when=when) for when in ("07:00 UTC", "18:00 UTC"))
    news.topic(replace(STRIKES, channels=(), digests=digests))
    news.topic(replace(STRIKES, id="both", channels=("desk", "pager"), digests=digests))
    news.week()
    news.burst(NOW)
    for number in range(6):
        news.match(NOW - number, f"{number}.example", topic="both")
    assert Signals(news.store).round(NOW) == 2
    assert sorted(channel for channel, _ in news.told()) == ["boss", "desk", "pager"]


def test_while_a_topic_is_muted_no_signal_begins_and_one_that_lasts_is_told_after(news: News) -> None:
    news.topic(STRIKES)
    news.week()
    news.burst(NOW)
    mute = Mute(id="1", kind="topic", target="strikes", since=NOW - 60, until=NOW + DAY, by="Ana")
    Mutes(news.store).add(mute)
    signals = Signals(news.store)
    assert signals.round(NOW) == 0
    Mutes(news.store).end("1", NOW + 60, "enough")
    assert signals.round(NOW + 120) == 1


def test_of_several_that_look_one_tells(news: News, place: Place) -> None:
    news.topic(STRIKES)
    news.week()
    news.burst(NOW)
    with closing(place.open()) as other:
        carries = Carries(reason="spike", title="t", lead="l")
        assert Signals(other).round(NOW) == 1
        assert not SignalRows(news.store).begin("strikes", carries, ["desk"], NOW + 0.25)
    assert news.kinds() == ["spike"]


# -- silences


def test_a_silence_is_told_once_and_again_only_after_something_matched(news: News) -> None:
    news.topic(QUIET)
    news.week()
    news.match(NOW - 5 * HOUR)
    signals = Signals(news.store)
    assert signals.round(NOW) == 0
    news.week(until=NOW + HOUR, hours=1)
    assert signals.round(NOW + HOUR + 60) == 1
    ((_, carries),) = news.told()
    assert (carries.reason, carries.title) == ("silence", "Silence: Russian airstrikes Syria")
    assert carries.lead.startswith("Nothing was reported for 6h, while the feeds went on with other news. The last ")
    assert "article was read at 07:30 UTC on" in carries.lead
    assert Signals(news.store).round(NOW + HOUR + 120) == 0  # after a restart
    news.match(NOW + 2 * HOUR)
    assert signals.round(NOW + 2 * HOUR + 60) == 0
    news.week(until=NOW + 9 * HOUR, hours=8)
    assert signals.round(NOW + 9 * HOUR) == 1


def test_a_match_during_an_outage_of_ours_ends_a_silence_too(news: News) -> None:
    news.topic(QUIET)
    news.week()
    signals = Signals(news.store)
    assert signals.round(NOW) == 1
    news.match(NOW + 1800)
    assert signals.round(NOW + 3 * HOUR) == 0
    assert SignalRows(news.store).going_on() == {}


def test_where_nothing_at_all_is_read_the_topic_is_not_the_one_that_is_silent(news: News) -> None:
    news.topic(QUIET)
    news.week(until=NOW - 7 * HOUR)
    news.match(NOW - 8 * HOUR)
    signals = Signals(news.store)
    assert signals.round(NOW) == 0
    news.week(until=NOW, hours=1)
    assert signals.round(NOW) == 0  # one hour with news after seven without


def test_a_topic_that_was_paused_begins_to_listen_when_it_is_back(news: News) -> None:
    news.topic(QUIET)
    news.topic(replace(QUIET, version=2, enabled=False), at=NOW - DAY)
    news.topic(replace(QUIET, version=3), at=NOW - HOUR)
    news.week()
    assert Signals(news.store).round(NOW) == 0


def test_what_was_matched_late_breaks_a_silence(news: News) -> None:
    """The matchers were two hours behind: it was read before the last hour."""
    news.topic(QUIET)
    news.week()
    signals = Signals(news.store)
    news.match(NOW - 5 * HOUR)
    assert signals.round(NOW) == 0
    news.match(NOW - 2 * HOUR, joined=NOW + HOUR)
    news.week(until=NOW + 2 * HOUR, hours=2)
    for minute in range(0, 120, 20):
        assert signals.round(NOW + minute * 60) == 0


def test_only_live_articles_break_a_silence(news: News) -> None:
    news.topic(QUIET)
    news.week()
    news.match(NOW - 60, backfill=True)
    assert Signals(news.store).round(NOW) == 1


# -- on its way


def test_a_signal_goes_out_as_a_digest_without_alerts(news: News) -> None:
    news.topic(STRIKES)
    news.week()
    news.burst(NOW)
    Signals(news.store).round(NOW)
    outbox = Outbox(news.store)
    delivery = outbox.claim(NOW, "desk")
    assert delivery is not None
    message = outbox.compose(delivery)
    assert isinstance(message, Digest)
    assert (message.reason, message.title, message.topics) == ("spike", "Spike: Russian airstrikes Syria", ())


def test_a_match_whose_article_is_forgotten_counts_no_more(news: News) -> None:
    news.topic(STRIKES)
    news.week()
    news.burst(NOW)
    with news.store.write() as connection:
        connection.execute(update(tables.story_matches).values(article_id="gone"))
    assert Signals(news.store).round(NOW) == 0


def hours(read: Collection[float]) -> set[int]:
    return {int(at // HOUR) for at in read}


def test_an_hour_counts_as_read_where_a_live_article_came(news: News) -> None:
    news.article(NOW)
    news.article(NOW - 5 * HOUR)
    news.article(NOW - 9 * HOUR, backfill=True)
    asked = range(int(NOW // HOUR) - 12, int(NOW // HOUR) + 1)
    assert SignalRows(news.store).read_in(asked) == hours([NOW, NOW - 5 * HOUR])
