"""Mutes in the store: kept once, in force until they end, and what ends with them."""

from dataclasses import replace

from daemon.store import Store
from daemon.store.living import raise_wanted
from daemon.store.mutes import Mutes
from daemon.store.outbox import Outbox
from tests.alert_samples import NOON
from tests.fake_channels import put_alert, row_of
from tests.held_alerts import HOUR, muted, put_more


def test_a_mute_is_in_force_from_its_beginning_to_its_end(store: Store) -> None:
    mutes, mute = Mutes(store), muted(comment="covered already", until_new_facts=True)
    mutes.add(mute)
    assert mutes.in_force(NOON - 1) == []
    assert mutes.in_force(NOON) == [mute]
    assert mutes.in_force(mute.until) == []


def test_the_same_mute_twice_is_one_and_the_first_is_kept(store: Store) -> None:
    mutes, mute = Mutes(store), muted()
    mutes.add(mute)
    mutes.add(replace(mute, by="Bob"))
    assert mutes.all() == [mute]


def test_a_mute_ends_once(store: Store) -> None:
    mutes, mute = Mutes(store), muted()
    mutes.add(mute)
    assert mutes.end(mute.id, NOON + 5, "ended by Bob")
    assert not mutes.end(mute.id, NOON + 6, "ended by Eve")
    assert not mutes.end("unknown", NOON + 6, "ended by Eve")
    assert mutes.all() == [replace(mute, ended=NOON + 5, ended_why="ended by Bob")]
    assert mutes.in_force(NOON + 7) == []


def test_those_in_force_are_listed_first_and_then_the_newest(store: Store) -> None:
    mutes = Mutes(store)
    old, new, over = (replace(muted(comment=str(each)), since=NOON + each) for each in range(3))
    for mute in (old, new, over):
        mutes.add(mute)
    mutes.end(over.id, NOON + 9, "")
    assert [mute.id for mute in mutes.all()] == [new.id, old.id, over.id]
    assert [mute.id for mute in mutes.all(limit=1)] == [new.id]


def test_a_mute_whose_time_is_over_has_ended(store: Store) -> None:
    mutes, mute = Mutes(store), muted()
    mutes.add(mute)
    Outbox(store).end_mutes(mute.until - 1)
    assert mutes.in_force(mute.until - 1)
    Outbox(store).end_mutes(mute.until + 9)
    assert mutes.all() == [replace(mute, ended=mute.until + 9, ended_why="its time was over")]


def test_only_what_a_mute_holds_is_due_when_it_ends(store: Store) -> None:
    ids = [put_alert(store, number)[0] for number in (1, 2)]
    mutes, outbox = Mutes(store), Outbox(store)
    one, other = muted(), muted(target="story-2")
    for mute in (one, other):
        mutes.add(mute)
    assert outbox.claim(NOON + 1, "desk") is None
    assert mutes.end(one.id, NOON + 5, "")
    assert [row_of(store, id_).due for id_ in ids] == [one.since, other.until]  # whatever a claimer's clock says


def test_a_change_of_a_story_lets_only_what_waits_for_sources_be_looked_at_again(store: Store) -> None:
    (id_,) = put_alert(store)
    (more,) = put_more(store)
    Mutes(store).add(muted())
    assert Outbox(store).claim(NOON + 1, "desk") is None
    with store.write() as connection:
        raise_wanted(connection, ["story-1"], NOON + 5)
    assert {row_of(store, each).due for each in (id_, more)} == {NOON + HOUR}
