"""What every process does beside its roles."""

from collections.abc import Mapping

import pytest

from daemon.errors import Unavailable
from daemon.health import Health
from daemon.store import Store
from daemon.store.leases import Leases
from daemon.upkeep import Election, Upkeep
from tests.fake_log import FakeClock

LEASE = 10.0


class Candidate:
    """A process that stands for "publisher"; ``down`` is what winning meets."""

    def __init__(self, store: Store, name: str, clock: FakeClock) -> None:
        self.won = 0
        self.down = False
        self.election = Election(Leases(store, owner=name, clock=clock, ttl=LEASE), "publisher", self._take_over)

    def _take_over(self) -> None:
        if self.down:
            raise Unavailable("the log is away")
        self.won += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_one_of_two_candidates_wins_and_is_told_so_once(store: Store, clock: FakeClock) -> None:
    first, second = Candidate(store, "first", clock), Candidate(store, "second", clock)
    for _ in range(3):
        first.election.step()
        second.election.step()
    assert (first.won, second.won) == (1, 0)
    assert first.election.won()
    assert not second.election.won()


def test_who_resigns_is_followed_at_once(store: Store, clock: FakeClock) -> None:
    first, second = Candidate(store, "first", clock), Candidate(store, "second", clock)
    first.election.step()
    first.election.resign()
    assert not first.election.won()
    second.election.step()
    assert second.won == 1


def test_who_is_not_heard_of_for_the_length_of_a_lease_has_lost(store: Store, clock: FakeClock) -> None:
    first, second = Candidate(store, "first", clock), Candidate(store, "second", clock)
    first.election.step()
    second.election.step()
    clock.forward(LEASE + 1)
    assert not first.election.won()
    second.election.step()
    assert second.election.won()
    first.election.step()
    assert not first.election.won()


def test_what_winning_needs_is_done_until_it_succeeds_and_nobody_has_won_before(store: Store, clock: FakeClock) -> None:
    candidate = Candidate(store, "first", clock)
    candidate.down = True
    with pytest.raises(Unavailable):
        candidate.election.step()
    assert not candidate.election.won()
    candidate.down = False
    candidate.election.step()
    assert candidate.election.won()
    assert candidate.won == 1


class Around:
    """A store and a log that may be away."""

    def __init__(self) -> None:
        self.store_away = self.log_away = ""
        self.health = Health(FakeClock())
        self.upkeep = Upkeep(beat=self._beat, elections=[], lag=self._lag, health=self.health)

    def _beat(self) -> None:
        if self.store_away:
            raise Unavailable(self.store_away)

    def _lag(self) -> Mapping[tuple[str, str], int]:
        if self.log_away:
            raise Unavailable(self.log_away)
        return {("articles", "matcher"): 7}

    def look(self) -> dict[str, str]:
        """The parts that are not ready, and why."""
        self.upkeep.look_at_the_store()
        self.upkeep.look_at_the_log()
        return {part.name: part.why for part in self.health.ready()[1] if not part.ready}


def test_a_store_or_a_log_that_is_away_is_told_until_it_is_back() -> None:
    around = Around()
    assert around.look() == {}
    around.store_away = "the server was stopped"
    assert around.look() == {"store": "the server was stopped"}
    around.log_away = "no broker answers"
    assert around.look() == {"store": "the server was stopped", "log": "no broker answers"}
    around.store_away = around.log_away = ""
    assert around.look() == {}


def test_what_is_behind_is_what_the_log_said_last() -> None:
    around = Around()
    assert around.upkeep.lag() == {}
    around.look()
    around.log_away = "no broker answers"
    around.look()
    assert around.upkeep.lag() == {("articles", "matcher"): 7}
