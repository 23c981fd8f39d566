"""Calibrations as they are kept, and how lines moved."""

from dataclasses import replace

import pytest

from consumers.model import Calibration, Sample, Topic
from daemon.store import Store
from daemon.store.calibrations import DAY, DAYS, VISIBLE, Calibrations, Drawn, Known, Why
from daemon.store.tables import alerts
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.store.upsert import upsert

NOW = 1000 * DAY


@pytest.fixture
def calibrations(store: Store) -> Calibrations:
    return Calibrations(store)


def made(topic: str = "t", *, at: float = 1.0, line: float = 0.5, model: str = "m", version: int = 1) -> Calibration:
    sample = Sample(ref="text:storm", title="Storm", relevant=False, row=b"\x00\xff")
    return Calibration(
        topic_id=topic,
        topic_version=version,
        model=model,
        at=at,
        articles=500,
        rarity=(1.5, 0.25),
        pull=b"\x80\x00",
        line=line,
        width=0.1,
        expected=2.0,
        samples=(sample,),
    )


def drawn(calibration: Calibration, why: Why = "drift") -> Drawn:
    return Drawn(calibration=calibration, why=why)


def moves(calibrations: Calibrations, topic: str = "t") -> list[tuple[float, str]]:
    return [(move.at, move.why) for move in calibrations.history(topic)]


def test_the_latest_of_each_topic_and_model_comes_back_whole(calibrations: Calibrations) -> None:
    old, new, other = made(), made(at=2.0, line=0.7), made(model="n")
    calibrations.remember([drawn(old), drawn(other), drawn(made("u"))])
    calibrations.remember([drawn(new)])
    assert calibrations.latest("m", ["t", "nobody"]) == {"t": new}
    assert calibrations.latest("n", ["t", "u"]) == {"t": other}
    assert calibrations.known() == {("t", "m"): Known(1, 2.0), ("t", "n"): Known(1, 1.0), ("u", "m"): Known(1, 1.0)}


def test_an_older_one_that_comes_late_replaces_nothing(calibrations: Calibrations) -> None:
    new = made(at=2.0, version=2)
    calibrations.remember([drawn(new)])
    calibrations.remember([drawn(made(at=1.0))])
    assert calibrations.latest("m", ["t"]) == {"t": new}


def test_a_drift_is_told_once_it_is_visible_and_every_other_reason_at_once(calibrations: Calibrations) -> None:
    step = VISIBLE * 0.1 * 0.6
    lines: list[tuple[float, Why]] = [(0.5, "first archive"), (0.5 + step, "drift"), (0.5 + 2 * step, "drift")]
    lines += [(0.5 + 2.5 * step, "drift"), (0.5 + 2.5 * step, "new version"), (0.5 + 2.5 * step, "examples")]
    for at, (line, why) in enumerate(lines):
        calibrations.remember([drawn(made(at=float(at), line=line), why)])
    assert moves(calibrations) == [(5.0, "examples"), (4.0, "new version"), (2.0, "drift"), (0.0, "first archive")]
    assert [move.at for move in calibrations.history("t", limit=2)] == [5.0, 4.0]


def test_another_model_is_a_line_of_its_own(calibrations: Calibrations) -> None:
    calibrations.remember([drawn(made(at=1.0, line=0.5), "first archive")])
    calibrations.remember([drawn(made(at=2.0, line=0.9, model="n"), "new model")])
    calibrations.remember([drawn(made(at=3.0, line=0.5))])
    assert moves(calibrations) == [(2.0, "new model"), (1.0, "first archive")]


def test_a_move_says_what_was_promised_and_what_came(calibrations: Calibrations) -> None:
    calibrations.remember([drawn(replace(made(), came=1.8), "new version")])
    (move,) = calibrations.history("t")
    assert (move.topic_version, move.model, move.line, move.articles) == (1, "m", 0.5, 500)
    assert (move.expected, move.came) == (2.0, 1.8)


def test_remembering_again_changes_nothing(calibrations: Calibrations) -> None:
    some = [drawn(made(), "new version"), drawn(made("u"), "drift")]
    for _ in range(2):
        calibrations.remember(some)
    assert moves(calibrations) == [(1.0, "new version")]
    assert moves(calibrations, "u") == [(1.0, "drift")]  # the first of all is told, whatever its reason


def test_a_topic_that_is_gone_has_no_calibration_and_keeps_its_history(calibrations: Calibrations) -> None:
    calibrations.remember([drawn(made(), "new version"), drawn(made(model="n")), drawn(made("u"))])
    calibrations.forget(["t", "nobody"])
    assert set(calibrations.known()) == {("u", "m")}
    assert moves(calibrations)


def put_alerts(store: Store, *told: tuple[str, float, str]) -> None:
    with store.write() as connection:
        rows = [
            {"id": str(n), "topic_id": topic, "story_id": str(n), "kind": kind, "match_id": "", "at": at}
            for n, (topic, at, kind) in enumerate(told)
        ]
        upsert(alerts, [row | {"channels": "[]"} for row in rows], connection=connection)


def test_what_came_is_stories_a_day_over_a_month_or_the_life_of_the_topic(
    calibrations: Calibrations, store: Store
) -> None:
    ages = {"old": 90.0, "young": 4.0, "newborn": 0.5, "quiet": 50.0}
    TopicVersions(store).remember(
        [
            TopicVersion(topic_id=topic, version=version, topic=Topic(id=topic, query="q"), at=NOW - age * DAY)
            for topic, days in ages.items()
            for version, age in ((1, days), (2, days / 2))
        ]
    )
    recent = [("old", NOW - age * DAY, "first") for age in (1, 2, 3, 10, 20, 29)]
    before = [("old", NOW - (DAYS + 1) * DAY, "first"), ("old", NOW - DAY, "update")]
    put_alerts(store, *recent, *before, *[("young", NOW - age * DAY, "first") for age in (1, 2)])
    came = calibrations.came(["old", "young", "newborn", "quiet", "nobody"], NOW)
    assert came == {"old": pytest.approx(6 / DAYS), "young": pytest.approx(2 / 4), "quiet": 0.0}
