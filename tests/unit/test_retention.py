"""What is forgotten, what is kept whatever its age, and that nobody waits for it."""

import base64
import random
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, select

from daemon.clock import SystemClock
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.feeds import FeedStates
from daemon.store.holds import FOR_GOOD
from daemon.store.retention import Retention
from daemon.store.space import DatabaseSpace
from daemon.store.tables import (
    alerts,
    article_vectors,
    articles,
    dead_letters,
    deliveries,
    feeds,
    ledger,
    line_moves,
    living_messages,
    mutes,
    scores,
    seen_items,
    stories,
    story_matches,
)
from daemon.store.upsert import upsert
from tests.stores import Place, Places, PostgresPlaces

DAY = 86400.0
NOW = 1000 * DAY


def retention(store: Store, *, articles: float = 90 * DAY, max_size: int = 10**12, rows: int = 100) -> Retention:
    return Retention(
        store,
        delete_articles=Archive(store).delete_before,
        delete_seen=FeedStates(store).prune_seen,
        articles=articles,
        seen=365 * DAY,
        max_size=max_size,
        rows=rows,
    )


def run(retention: Retention, now: float = NOW) -> int:
    steps = 1
    while retention.step(now):
        steps += 1
        assert steps < 10_000, "it never ends"
    return steps


def put(store: Store, table: Table, *rows: dict[str, object]) -> None:
    with store.write() as connection:
        upsert(table, rows, connection=connection)


def keys(store: Store, table: Table) -> set[str]:
    column = "article_id" if "article_id" in table.c and table is not story_matches else "id"
    column = "match_id" if table is story_matches else column
    with store.read() as connection:
        return set(connection.scalars(select(table.c[column])).all())


def noise(size: int) -> str:
    """Text that cannot be compressed: PostgreSQL does that with long values."""
    return base64.b64encode(random.randbytes(size * 3 // 4)).decode()


def put_articles(store: Store, ids: list[str], *, seen: float, size: int = 100) -> None:
    empty = {"revision": 1, "feed_id": "f", "source": "s", "url": "", "title": "", "published": None, "lang": ""}
    rows = [empty | {"id": id_, "text": noise(size), "seen": seen, "backfill": False} for id_ in ids]
    put(store, articles, *rows)
    put(
        store,
        article_vectors,
        *({"article_id": id_, "model": "m", "rows": 1, "vectors": random.randbytes(768)} for id_ in ids),
    )
    score = {"topic_version": 1, "score": 0.5, "passage": 1, "matched": False, "at": seen}
    put(store, scores, *(score | {"topic_id": topic, "article_id": id_} for id_ in ids for topic in ("t", "u")))


def put_story(
    store: Store, id_: str, *, latest: float, states: list[str], matches: int = 1, told: float | None = None
) -> None:
    """``latest`` is when its articles were published, ``told`` when they were read; the same unless given."""
    at = latest if told is None else told
    put(store, stories, {"id": id_, "topic_id": "t", "latest": latest, "story": "{}"})
    match = {"story_id": id_, "topic_id": "t", "article_id": "a", "at": at, "match": "{}"}
    put(store, story_matches, *(match | {"match_id": f"{id_}-{number}"} for number in range(matches)))
    alert = {"id": id_, "topic_id": "t", "story_id": id_, "kind": "first", "match_id": "m", "at": at}
    put(store, alerts, alert | {"channels": "[]"})
    for state in states:
        put(store, deliveries, delivery(f"{id_}-{state}", alert_id=id_, state=state, at=at))


def delivery(id_: str, *, alert_id: str, state: str, at: float) -> dict[str, object]:
    return {
        "id": id_,
        "alert_id": alert_id,
        "channel": "c",
        "state": state,
        "due": at,
        "attempts": 1,
        "in_doubt": False,
        "provider_id": "",
        "reason": "",
        "notice": None if alert_id else "{}",
        "created": at,
        "updated": at,
    }


def put_seen(store: Store, feed_id: str, at: dict[str, float], *, listed: bool = True) -> None:
    put(store, feeds, {"feed_id": feed_id, "listed": listed, "next_due": 0.0, "state": "{}"})
    row = {"feed_id": feed_id, "content_hash": "", "revision": 1}
    put(store, seen_items, *(row | {"article_id": id_, "last_seen": last} for id_, last in at.items()))


def size(place: Place, store: Store) -> int:
    """Bytes on disk; on PostgreSQL as they are once everything that was forgotten has been cleared away."""
    if store.external:
        with psycopg.connect(place.url, autocommit=True) as connection:
            connection.execute("VACUUM FULL")
            row = connection.execute("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'")
            return int(row.fetchall()[0][0])
    with store.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())


# -- by age


def test_an_old_article_goes_with_its_vectors_and_scores_and_a_younger_one_stays(store: Store) -> None:
    put_articles(store, ["old"], seen=NOW - 91 * DAY)
    put_articles(store, ["young"], seen=NOW - 89 * DAY)
    run(retention(store))
    assert keys(store, articles) == keys(store, article_vectors) == keys(store, scores) == {"young"}


def test_an_old_story_goes_with_everything_that_was_told_about_it(store: Store) -> None:
    put_story(store, "old", latest=NOW - 91 * DAY, states=["sent", "dead"], matches=25)
    put_story(store, "young", latest=NOW - 89 * DAY, states=["sent"])
    run(retention(store, rows=10))
    assert keys(store, stories) == keys(store, alerts) == {"young"}
    assert keys(store, story_matches) == {"young-0"}
    assert keys(store, deliveries) == {"young-sent"}


@pytest.mark.parametrize("state", ["pending", "sending", "retry"])
def test_a_story_that_is_still_being_told_stays_whatever_its_age(store: Store, state: str) -> None:
    put_story(store, "old", latest=NOW - 500 * DAY, states=["sent", state], matches=3)
    run(retention(store, rows=10))
    assert len(keys(store, story_matches)) == 3
    assert keys(store, deliveries) == {"old-sent", f"old-{state}"}


def test_old_notices_and_dead_letters_go(store: Store) -> None:
    put(store, deliveries, delivery("told", alert_id="", state="sent", at=NOW - 91 * DAY))
    put(store, deliveries, delivery("untold", alert_id="", state="retry", at=NOW - 91 * DAY))
    letter = {"stream": "s", "group": "g", "position": "1", "payload": b"", "reason": ""}
    put(store, dead_letters, *(letter | {"id": str(age), "at": NOW - age * DAY} for age in (89, 91)))
    run(retention(store))
    assert keys(store, deliveries) == {"untold"}
    assert keys(store, dead_letters) == {"89"}


def test_a_seen_id_goes_when_it_is_old_and_its_feed_has_listed_other_things_since(store: Store) -> None:
    old, older = NOW - 400 * DAY, NOW - 500 * DAY
    put_seen(store, "moving", {"gone": older, "gone too": old, "recent": NOW - 300 * DAY})
    put_seen(store, "still", {"left it": older, "in it": old, "in it too": old})  # unchanged, or down, for 400 days
    put_seen(store, "unlisted", {"nobody's": old}, listed=False)
    run(retention(store, rows=2))
    assert keys(store, seen_items) == {"recent", "in it", "in it too"}


def test_how_a_line_moved_is_forgotten_after_as_long_as_seen_ids_are_and_no_other_move_with_it(store: Store) -> None:
    move = {
        "topic_version": 1,
        "model": "m",
        "line": 0.5,
        "articles": 1,
        "expected": None,
        "came": None,
        "why": "drift",
    }
    days = [("t", 366), ("t", 400), ("t", 364), ("u", 370), ("v", 1)]
    put(store, line_moves, *(move | {"topic_id": topic, "at": NOW - age * DAY} for topic, age in days))
    run(retention(store, rows=2))
    with store.read() as connection:
        left = connection.execute(select(line_moves.c.topic_id, line_moves.c.at)).all()
    assert {tuple(row) for row in left} == {("t", NOW - 364 * DAY), ("v", NOW - DAY)}


def test_a_seen_id_outlives_its_article(store: Store) -> None:
    put_articles(store, ["a"], seen=NOW - 100 * DAY)
    put_seen(store, "f", {"a": NOW - 100 * DAY, "b": NOW})
    run(retention(store))
    assert keys(store, articles) == set()
    assert keys(store, seen_items) == {"a", "b"}


def test_nothing_to_forget_is_one_step(store: Store) -> None:
    assert run(retention(store)) == 1


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ages=st.lists(st.floats(0, 200), max_size=60), rows=st.integers(1, 20))
def test_exactly_what_is_older_than_the_limit_goes_whatever_the_step(
    places: Places, tmp_path_factory: pytest.TempPathFactory, ages: list[float], rows: int
) -> None:
    store = places(tmp_path_factory.mktemp("retention")).open()
    for number, age in enumerate(ages):
        put_articles(store, [str(number)], seen=NOW - age * DAY)
    run(retention(store, rows=rows))
    kept = {str(number) for number, age in enumerate(ages) if not NOW - age * DAY < NOW - 90 * DAY}
    assert keys(store, articles) == keys(store, scores) == kept
    store.close()


# -- by size


def test_a_store_that_is_too_large_loses_its_oldest_articles_and_shrinks_to_the_limit_and_no_further(
    store: Store, place: Place
) -> None:
    empty = size(place, store)
    for day in range(40):
        put_articles(store, [f"{day}-{number}" for number in range(10)], seen=NOW - day * DAY, size=8000)
    limit = size(place, store) // 2
    run(retention(store, max_size=limit, rows=20))
    # PostgreSQL's empty tables, and its catalogue, are not counted there: nobody can forget those
    assert 0.85 * limit < size(place, store) <= limit + (empty if store.external else 0)
    kept = {int(key.split("-")[0]) for key in keys(store, articles)}
    assert kept == set(range(len(kept)))  # the newest days, without a gap
    before = len(keys(store, articles))
    run(retention(store, max_size=limit, rows=20))
    assert len(keys(store, articles)) >= before - 20


def test_what_was_forgotten_and_not_cleared_away_yet_is_not_forgotten_for_again(store: Store) -> None:
    """PostgreSQL's files are as large as before until a vacuum, and never smaller after one."""
    put_articles(store, [str(number) for number in range(400)], seen=NOW, size=8000)
    sweeper = retention(store, max_size=2_500_000, rows=10)
    run(sweeper)
    left = len(keys(store, articles))
    assert 100 < left < 350
    for _ in range(3):
        run(sweeper)
    assert len(keys(store, articles)) >= left - 10


def test_a_table_is_measured_by_a_sample_of_it(postgres_places: PostgresPlaces, tmp_path: Path) -> None:
    with closing(postgres_places(tmp_path).open()) as store:
        row = {"topic_version": 1, "score": 0.5, "passage": 1, "matched": False, "at": 0.0, "topic_id": "t" * 64}
        put(store, scores, *(row | {"article_id": f"{number:064}"} for number in range(5_000)))
        whole, sampled = DatabaseSpace(store).size(), DatabaseSpace(store, sample=30).size()
    postgres_places.give_back()
    assert whole > 5_000 * 2 * 128
    assert sampled != whole
    assert 0.6 * whole < sampled < 1.4 * whole


def test_a_limit_that_cannot_be_met_forgets_all_articles_and_ends(store: Store) -> None:
    put_articles(store, ["a", "b"], seen=NOW)
    put_story(store, "s", latest=NOW, states=["pending"])
    run(retention(store, max_size=1))
    assert keys(store, articles) == set()
    assert keys(store, stories) == {"s"}


# -- and nobody waits


def test_a_write_during_a_big_sweep_waits_for_one_small_step_at_most(store: Store) -> None:
    """Deleted in one go these rows would hold the writer for as long as the whole sweep takes."""
    for batch in range(20):
        put_articles(store, [f"{batch}-{number}" for number in range(300)], seen=NOW - 100 * DAY, size=3000)
    sweeping = threading.Thread(target=retention(store).sweep, args=(At(NOW), threading.Event()))
    waits = []
    started = time.monotonic()
    sweeping.start()
    while sweeping.is_alive():
        before = time.monotonic()
        put(store, feeds, {"feed_id": "f", "listed": True, "next_due": before, "state": ""})
        waits.append(time.monotonic() - before)
    took = time.monotonic() - started
    assert keys(store, articles) == set()
    assert len(waits) > 30  # many got in between
    assert sorted(waits)[len(waits) * 95 // 100] < took / 10
    assert max(waits) < took / 3


def test_a_sweep_ends_when_it_is_told_to(store: Store) -> None:
    put_articles(store, [str(number) for number in range(50)], seen=NOW - 100 * DAY)
    stop = threading.Event()
    stop.set()
    retention(store, rows=1).sweep(At(NOW), stop)
    assert len(keys(store, articles)) == 50


class At(SystemClock):
    """Any day, with real seconds between two moments."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now


def test_a_story_of_an_old_article_that_was_read_lately_is_kept_with_what_was_told_of_it(store: Store) -> None:
    put_story(store, "old-news", latest=NOW - 400 * DAY, told=NOW - DAY, states=["sent"])
    run(retention(store))
    assert keys(store, stories) == keys(store, alerts) == {"old-news"}
    assert keys(store, story_matches) == {"old-news-0"}
    run(retention(store), NOW + 91 * DAY)
    assert keys(store, stories) == keys(store, alerts) == keys(store, deliveries) == set()


def test_a_story_that_may_still_go_on_is_kept_however_soon_articles_are_forgotten(store: Store) -> None:
    put_story(store, "warm", latest=NOW - 3 * DAY, states=["sent"])
    run(retention(store, articles=DAY))
    assert keys(store, stories) == {"warm"}


# -- what waits, what lives, and the ledger


def put_ledger(store: Store, delivery_id: str, story_id: str, at: float) -> None:
    row = {"delivery_id": delivery_id, "at": at, "event": "sent", "alert_id": "a", "topic_id": "t", "channel": "c"}
    put(store, ledger, row | {"story_id": story_id, "why": ""})


def put_living(store: Store, story_id: str) -> None:
    row = {"delivery_id": f"{story_id}-sent", "alert_id": story_id, "channel": "c", "story_id": story_id}
    put(store, living_messages, row | {"provider_id": "x", "wanted": 1, "shown": 0, "due": NOW, "updated": 0.0})


def column(store: Store, table: Table, name: str) -> set[str]:
    with store.read() as connection:
        return set(connection.scalars(select(table.c[name])).all())


def test_a_story_takes_its_ledger_and_its_living_messages_along(store: Store) -> None:
    for id_, at in (("old", NOW - 91 * DAY), ("new", NOW)):
        put_story(store, id_, latest=at, states=["sent"])
        put_ledger(store, f"{id_}-sent", id_, NOW - 91 * DAY)
        put_living(store, id_)
    put_ledger(store, "of a story that is gone", "gone", NOW - 91 * DAY)
    put_ledger(store, "of a story that is gone, lately", "gone", NOW)
    run(retention(store))
    assert column(store, ledger, "delivery_id") == {"new-sent", "of a story that is gone, lately"}
    assert column(store, living_messages, "story_id") == {"new"}


def test_what_waits_keeps_its_story_and_what_another_topic_told_does_not(store: Store) -> None:
    old = NOW - 91 * DAY
    for id_, due in (("waits", NOW + DAY), ("told by another", FOR_GOOD)):
        put_story(store, id_, latest=old, states=[])
        put(store, deliveries, delivery(id_, alert_id=id_, state="held", at=old) | {"due": due})
    put_story(store, "carried", latest=old, states=[])
    put(store, deliveries, delivery("c", alert_id="carried", state="held", at=old) | {"due": FOR_GOOD, "carrier": "d"})
    run(retention(store))
    assert keys(store, stories) == {"waits", "carried"}


def test_old_digests_go_when_they_are_finished(store: Store) -> None:
    old = NOW - 91 * DAY
    for state in ("sent", "pending", "held"):
        put(store, deliveries, delivery(state, alert_id="", state=state, at=old) | {"notice": None, "carries": "{}"})
    run(retention(store))
    assert keys(store, deliveries) == {"pending", "held"}


def test_mutes_are_forgotten_long_after_they_ended(store: Store) -> None:
    row: dict[str, object] = {"kind": "topic", "target": "t", "since": 0.0, "by": "Ana", "comment": ""}
    row |= {"until_new_facts": False, "ended_why": ""}
    old, new = NOW - 91 * DAY, NOW - DAY
    for id_, until, ended in (("over", old, old), ("ended late", old, new), ("in force", NOW + DAY, None)):
        put(store, mutes, row | {"id": id_, "until": until, "ended": ended})
    run(retention(store))
    assert keys(store, mutes) == {"ended late", "in force"}
