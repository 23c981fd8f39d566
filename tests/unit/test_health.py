import pytest

from daemon.health import Health
from tests.kept_rows import HeldClock


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def health(clock: HeldClock) -> Health:
    return Health(clock, limit=120.0, limits={"match": 600.0})


def names(parts: tuple) -> list[str]:
    return [part.name for part in parts]


def test_nothing_is_ready_before_anything_has_started(health: Health):
    assert health.ready() == (False, ())


def test_a_part_that_is_not_ready_is_named_first_with_its_reason(health: Health):
    health.set("fetch", True)
    health.set("topics-file", False, "topics.toml:3: query is missing")
    ready, parts = health.ready()
    assert not ready
    assert names(parts) == ["topics-file", "fetch"]
    assert parts[0].why == "topics.toml:3: query is missing"


def test_a_part_that_is_ready_again_has_no_reason_left(health: Health):
    health.set("store", False, "no space")
    health.set("store", True, "no space")
    ready, (part,) = health.ready()
    assert ready
    assert part.why == ""


def test_since_tells_when_the_state_changed_and_not_when_it_was_last_said(health: Health, clock: HeldClock):
    health.set("store", False, "no space")
    began = clock.now()
    clock.pass_by(60)
    health.set("store", False, "still no space")
    assert health.ready()[1][0].since == began
    assert health.ready()[1][0].why == "still no space"


def test_a_role_is_ready_with_its_first_beat(health: Health):
    health.starting("match")
    assert health.ready()[1][0].why == "starting"
    health.beat("match")
    assert health.ready()[0]


def test_a_beat_does_not_hide_what_a_role_said_itself(health: Health):
    health.starting("fetch")
    health.set("fetch", False, "no network")
    health.beat("fetch")
    assert not health.ready()[0]


def test_a_role_that_does_not_beat_within_its_limit_is_not_alive(health: Health, clock: HeldClock):
    for role in ("fetch", "match"):
        health.starting(role)
    clock.pass_by(121)
    alive, silences = health.alive()
    assert not alive
    assert [(silence.name, silence.limit) for silence in silences] == [("fetch", 120.0)]
    health.beat("fetch")
    assert health.alive() == (True, ())


def test_a_role_that_waits_for_its_restart_is_not_expected_to_beat(health: Health, clock: HeldClock):
    health.starting("send")
    health.down("send", "starts again in 60 s")
    clock.pass_by(10_000)
    assert health.alive() == (True, ())
    assert not health.ready()[0]


def test_a_part_that_is_no_longer_wanted_is_forgotten(health: Health):
    health.set("fetch", True)
    health.set("channel:desk", False, "disabled")
    health.forget("channel:desk")
    assert health.ready()[0]
