"""The promises of ``Log``, each a test, over every implementation."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from consumers.model import ARTICLES, BACKFILL, MATCHES, TOPICS, Article, Match, Passage, Stream
from daemon.errors import Fenced, QuarantineLimitReached, Unavailable
from daemon.log import Log, Placed, Reader, Tombstone
from tests.contract.logs import IMPLEMENTATIONS, LogUnderTest
from tests.fake_log import article, articles, topic

NEWER = Stream("articles", Article, lambda article: article.id, schema=ARTICLES.schema + 1)  # a later version's


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> LogUnderTest:
    return IMPLEMENTATIONS[request.param](request, tmp_path)


@pytest.fixture
def log(under_test: LogUnderTest) -> Iterator[Log]:
    log = under_test.open()
    yield log
    log.close()


@pytest.fixture
def impatient(under_test: LogUnderTest) -> Iterator[Log]:
    log = under_test.open(patient=False)
    yield log
    log.close()


def drain(reader: Reader[Article], limit: int = 100) -> list[Article]:
    """Everything there is now, committed."""
    records: list[Article] = []
    while batch := reader.read(limit, 0.0):
        records += batch
        reader.commit()
    return records


def take(reader: Reader[Article], count: int) -> list[Article]:
    """As many as that: one read may give fewer than there are."""
    records: list[Article] = []
    while len(records) < count:
        batch = reader.read(count - len(records), 30.0)
        assert batch, "a record is missing"
        records += batch
    return records


def ids(records: Sequence[Article]) -> list[str]:
    """Sorted: only records of one key come in a promised order."""
    return sorted(record.id for record in records)


def revisions(records: Sequence[Article]) -> list[int]:
    return [record.revision for record in records]


def revision(number: int) -> Article:
    return replace(article("a"), revision=number)


def test_what_was_appended_is_there_after_the_log_was_opened_again(under_test: LogUnderTest, log: Log) -> None:
    log.append(ARTICLES, articles(3))
    again = under_test.open()
    assert ids(drain(again.reader(ARTICLES, "match"))) == ["a0", "a1", "a2"]
    again.close()


def test_a_record_comes_back_as_it_was_appended(log: Log) -> None:
    match = Match(
        id="m",
        topic_id="t",
        topic_version=3,
        article=replace(article("a"), published=12.5, lang="fr", title='“Ünïcödé” \0 \x1b[31m 😀 "quoted" \\'),
        score=0.1 + 0.2,
        passage=Passage(text="p", number=1, of=2, marks=((0, 1), (3, 9))),
        reasons=("one", "two"),
        vector=bytes(range(256)),
    )
    log.append(MATCHES, [match])
    assert log.reader(MATCHES, "alert").read(1, 0.0) == [match]


def test_records_come_in_the_order_of_their_key(log: Log) -> None:
    appended = [replace(article(f"a{number % 3}"), revision=number) for number in range(30)]
    for one in appended:
        log.append(ARTICLES, [one])
    read = drain(log.reader(ARTICLES, "match"), limit=4)
    for key in ("a0", "a1", "a2"):
        assert [one for one in read if one.id == key] == [one for one in appended if one.id == key]


def test_one_append_keeps_the_order_of_its_records_per_key(log: Log) -> None:
    appended = [replace(article(f"a{number % 3}"), revision=number) for number in range(300)]
    log.append(ARTICLES, appended)
    read = drain(log.reader(ARTICLES, "match"))
    for key in ("a0", "a1", "a2"):
        assert [one for one in read if one.id == key] == [one for one in appended if one.id == key]


def test_a_new_group_begins_at_the_first_record(log: Log) -> None:
    log.append(ARTICLES, articles(3))
    assert ids(drain(log.reader(ARTICLES, "match"))) == ["a0", "a1", "a2"]


def test_a_group_resumes_after_its_last_commit(under_test: LogUnderTest, log: Log) -> None:
    log.append(ARTICLES, articles(5))
    reader = log.reader(ARTICLES, "match")
    first = take(reader, 2)
    reader.commit()
    reader.close()
    log.close()
    again = under_test.open()
    rest = drain(again.reader(ARTICLES, "match"))
    assert len(rest) == 3
    assert ids(first + rest) == ["a0", "a1", "a2", "a3", "a4"]
    again.close()


def test_what_was_read_and_not_committed_comes_back_after_close(log: Log) -> None:
    log.append(ARTICLES, articles(3))
    reader = log.reader(ARTICLES, "match")
    take(reader, 3)
    reader.close()
    assert ids(drain(log.reader(ARTICLES, "match"))) == ["a0", "a1", "a2"]


def test_commit_covers_every_read_before_it(log: Log) -> None:
    log.append(ARTICLES, articles(4))
    reader = log.reader(ARTICLES, "match")
    read = take(reader, 1) + take(reader, 2)
    reader.commit()
    reader.commit()
    reader.close()
    rest = drain(log.reader(ARTICLES, "match"))
    assert len(rest) == 1
    assert ids(read + rest) == ["a0", "a1", "a2", "a3"]


def test_commit_before_any_read_and_close_twice_are_harmless(log: Log) -> None:
    log.append(ARTICLES, articles(1))
    reader = log.reader(ARTICLES, "match")
    reader.commit()
    reader.close()
    reader.close()
    assert drain(log.reader(ARTICLES, "match")) == articles(1)


def test_groups_know_nothing_of_each_other(log: Log) -> None:
    log.append(ARTICLES, articles(3))
    assert ids(drain(log.reader(ARTICLES, "match"))) == ["a0", "a1", "a2"]
    assert ids(drain(log.reader(ARTICLES, "audit"))) == ["a0", "a1", "a2"]


def test_streams_know_nothing_of_each_other(log: Log) -> None:
    log.append(ARTICLES, [article("live")])
    log.append(BACKFILL, [article("old")])
    assert ids(drain(log.reader(ARTICLES, "match"))) == ["live"]
    assert ids(drain(log.reader(BACKFILL, "match"))) == ["old"]


def test_two_readers_of_a_group_never_both_commit_a_record(log: Log) -> None:
    log.append(ARTICLES, articles(4))
    done: list[str] = []
    fenced = 0
    readers = [log.reader(ARTICLES, "match") for _ in range(2)]
    batches = [reader.read(2, 0.0) for reader in readers]
    for reader, batch in zip(readers, batches, strict=True):
        try:
            reader.commit()
            done += ids(batch)
        except Fenced:
            fenced += 1
    for reader in readers:
        reader.close()
    done += ids(drain(log.reader(ARTICLES, "match")))
    assert sorted(done) == ["a0", "a1", "a2", "a3"]
    assert fenced <= 1


def test_a_reader_that_the_group_went_on_without_is_fenced_and_stays_it(under_test: LogUnderTest, log: Log) -> None:
    log.append(ARTICLES, articles(4))
    reader = log.reader(ARTICLES, "match")
    take(reader, 4)
    under_test.go_on(ARTICLES, "match")
    for _ in range(2):
        with pytest.raises(Fenced):
            reader.commit()
    with pytest.raises(Fenced):
        reader.read(2, 0.0)
    reader.close()
    assert len(drain(log.reader(ARTICLES, "match"))) == 3


def test_a_poison_record_is_set_aside_before_any_record_after_it_is_read(under_test: LogUnderTest, log: Log) -> None:
    log.append(ARTICLES, [revision(0)])
    log.append(NEWER, [replace(revision(1), title="poison")])
    log.append(ARTICLES, [revision(2)])
    reader = log.reader(ARTICLES, "match")
    assert revisions(take(reader, 1)) == [0]
    assert revisions(take(reader, 1)) == [2]
    (letter,) = under_test.quarantine.letters.values()
    assert (letter.stream, letter.group) == ("articles", "match")
    assert b"poison" in letter.payload
    assert "newer Wirewatch" in letter.reason


def test_a_poison_record_waits_while_the_quarantine_is_down(under_test: LogUnderTest, log: Log) -> None:
    log.append(NEWER, [revision(0)])
    log.append(ARTICLES, [revision(1)])
    reader = log.reader(ARTICLES, "match")
    under_test.quarantine.down = True
    for _ in range(10):  # more often than the quarantine's limit: it is still one record
        with pytest.raises(Unavailable):
            reader.read(10, 0.0)
    under_test.quarantine.down = False
    assert revisions(drain(reader)) == [1]
    assert len(under_test.quarantine.letters) == 1


def test_setting_a_record_aside_twice_changes_nothing(under_test: LogUnderTest, log: Log) -> None:
    log.append(NEWER, [revision(0)])
    log.append(ARTICLES, [revision(1)])
    for _ in range(2):
        reader = log.reader(ARTICLES, "match")
        assert revisions(take(reader, 1)) == [1]
        reader.close()
    assert len(under_test.quarantine.letters) == 1


def test_poison_alone_is_set_aside_and_nothing_is_read(under_test: LogUnderTest, log: Log) -> None:
    log.append(NEWER, articles(3))
    assert list(log.reader(ARTICLES, "match").read(10, 0.01)) == []
    assert len(under_test.quarantine.letters) == 3


def test_a_stream_of_nothing_but_poison_stops_its_reader(under_test: LogUnderTest, log: Log) -> None:
    log.append(NEWER, articles(20))
    with pytest.raises(QuarantineLimitReached, match="version of Wirewatch"):
        log.reader(ARTICLES, "match").read(20, 0.0)
    assert len(under_test.quarantine.letters) == 5


def test_a_read_without_records_ends_after_its_timeout(log: Log) -> None:
    started = time.monotonic()
    assert list(log.reader(ARTICLES, "match").read(1, 0.05)) == []
    assert 0.04 < time.monotonic() - started < 5


def test_a_waiting_reader_wakes_when_something_is_appended(log: Log) -> None:
    read: list[Article] = []
    reading = in_thread(lambda: read.extend(log.reader(ARTICLES, "match").read(1, 60.0)))
    log.append(ARTICLES, [article("news")])
    reading.join(30)
    assert ids(read) == ["news"]


def test_a_waiting_reader_wakes_at_once(log: Log) -> None:
    """Mostly within a quarter of a second: a reader that only looked twice a second would need half of one."""
    arrived, waits = threading.Semaphore(0), list[float]()

    def read() -> None:
        reader = log.reader(ARTICLES, "match")
        for _ in range(40):
            assert len(reader.read(1, 60.0)) == 1
            arrived.release()

    reading = in_thread(read)
    for number in range(40):
        started = time.monotonic()
        log.append(ARTICLES, [article(f"a{number}")])
        assert arrived.acquire(timeout=60)
        waits.append(time.monotonic() - started)
    reading.join(30)
    assert median(waits) < 0.25


def test_closing_the_log_wakes_its_readers(log: Log) -> None:
    reader = log.reader(ARTICLES, "match")
    reader.read(1, 0.0)
    reading = in_thread(lambda: read_until_closed(reader))
    log.close()
    log.close()
    reading.join(30)
    assert not reading.is_alive()


def read_until_closed(reader: Reader[Article]) -> None:
    """Either answer is right: the log closed before the read began, or while it waited."""
    try:
        assert list(reader.read(1, 60.0)) == []
    except Unavailable:
        return


def test_many_threads_append_and_every_record_is_read_once_in_its_thread_s_order(log: Log) -> None:
    def append(name: str) -> None:
        for number in range(20):
            log.append(ARTICLES, [replace(article(name), revision=number)])

    threads = [in_thread(partial(append, f"thread{number}")) for number in range(4)]
    reader = log.reader(ARTICLES, "match")
    read: list[Article] = []
    while len(read) < 80:
        read += reader.read(7, 30.0)
        reader.commit()
    for thread in threads:
        thread.join(30)
    for number in range(4):
        assert [one.revision for one in read if one.id == f"thread{number}"] == list(range(20))


def test_an_append_takes_any_iterable_and_an_empty_one(log: Log) -> None:
    log.append(ARTICLES, iter(()))
    log.append(ARTICLES, (article(f"a{number}") for number in range(1_000)))
    assert len(drain(log.reader(ARTICLES, "match"))) == 1_000


def test_an_append_whose_records_fail_half_way_appends_nothing(log: Log) -> None:
    def failing() -> Iterator[Article]:
        yield article("a")
        raise LookupError

    with pytest.raises(LookupError):
        log.append(ARTICLES, failing())
    assert drain(log.reader(ARTICLES, "match")) == []


def test_an_append_during_an_outage_says_so_and_works_again_afterwards(
    under_test: LogUnderTest, impatient: Log
) -> None:
    """What could not be written may have been written all the same: its id tells."""
    log = impatient
    log.append(ARTICLES, [article("before")])
    with under_test.outage(), pytest.raises(Unavailable):
        log.append(ARTICLES, [article("during")])
    log.append(ARTICLES, [article("during")])
    log.append(ARTICLES, [article("later")])
    read = drain(log.reader(ARTICLES, "match"))
    assert set(ids(read)) == {"before", "during", "later"}
    assert len(read) <= 4


def test_a_commit_during_an_outage_can_be_repeated_afterwards(under_test: LogUnderTest, impatient: Log) -> None:
    log = impatient
    log.append(ARTICLES, articles(3))
    reader = log.reader(ARTICLES, "match")
    first = take(reader, 2)
    with under_test.outage(), pytest.raises(Unavailable):
        reader.commit()
    reader.commit()
    rest = drain(reader)
    assert len(rest) == 1
    assert ids(first + rest) == ["a0", "a1", "a2"]
    reader.close()
    assert drain(log.reader(ARTICLES, "match")) == []


def test_a_table_gives_all_of_it_at_once_then_what_changed(log: Log) -> None:
    log.append(TOPICS, [topic("floods"), topic("fires"), topic("floods", "river floods")])
    table = log.table(TOPICS)
    assert table.changes(60.0) == {"floods": topic("floods", "river floods"), "fires": topic("fires")}
    assert table.changes(0.0) == {}
    log.append(TOPICS, [topic("fires", "forest fires")])
    assert table.changes(60.0) == {"fires": topic("fires", "forest fires")}
    table.close()


def test_an_empty_table_answers_at_once(log: Log) -> None:
    table = log.table(TOPICS)
    started = time.monotonic()
    assert table.changes(60.0) == {}
    assert time.monotonic() - started < 30
    log.append(TOPICS, [topic("floods")])
    assert table.changes(60.0) == {"floods": topic("floods")}


def test_a_key_that_was_removed_is_told_to_followers_and_unknown_to_newcomers(log: Log) -> None:
    log.append(TOPICS, [topic("floods"), topic("fires")])
    follower = log.table(TOPICS)
    follower.changes(0.0)
    log.append(TOPICS, [Tombstone("floods"), Tombstone("never-was")])
    assert follower.changes(60.0) == {"floods": None, "never-was": None}
    assert log.table(TOPICS).changes(0.0) == {"fires": topic("fires")}
    log.append(TOPICS, [topic("floods", "back")])
    assert follower.changes(60.0) == {"floods": topic("floods", "back")}


def test_a_waiting_table_wakes_when_something_changes(log: Log) -> None:
    table = log.table(TOPICS)
    table.changes(0.0)
    changed: list[object] = []
    following = in_thread(lambda: changed.append(table.changes(60.0)))
    log.append(TOPICS, [topic("floods")])
    following.join(30)
    assert changed == [{"floods": topic("floods")}]


def test_a_table_sets_poison_aside_and_goes_on(under_test: LogUnderTest, log: Log) -> None:
    poison = replace(TOPICS, schema=TOPICS.schema + 1)
    log.append(TOPICS, [topic("floods")])
    log.append(poison, [topic("strange")])
    log.append(TOPICS, [topic("fires")])
    assert log.table(TOPICS).changes(0.0) == {"floods": topic("floods"), "fires": topic("fires")}
    assert len(under_test.quarantine.letters) == 1


def test_a_table_resumes_after_an_outage_of_its_quarantine(under_test: LogUnderTest, log: Log) -> None:
    table = log.table(TOPICS)
    table.changes(0.0)
    log.append(TOPICS, [topic("floods")])
    log.append(replace(TOPICS, schema=TOPICS.schema + 1), [topic("strange")])
    under_test.quarantine.down = True
    with pytest.raises(Unavailable):
        table.changes(0.0)
    under_test.quarantine.down = False
    assert table.changes(0.0) == {"floods": topic("floods")}


def test_two_tables_that_have_read_as_far_tell_the_same_place(log: Log) -> None:
    log.append(TOPICS, [topic("floods"), topic("fires")])
    first, second = log.table(TOPICS), log.table(TOPICS)
    assert isinstance(first, Placed)
    assert isinstance(second, Placed)
    first.changes(0.0)
    before = first.place
    second.changes(0.0)
    assert second.place == before
    log.append(TOPICS, [topic("fires", "forest fires")])
    first.changes(0.0)
    assert first.place != before


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
