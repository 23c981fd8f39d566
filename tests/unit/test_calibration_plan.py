"""Which topic is calibrated next, and why."""

from dataclasses import replace

import pytest

from consumers.model import Calibration, Sample, Topic
from daemon.calibration_plan import DAY, Plan, why_of


def topic(name: str, version: int = 1, **fields: object) -> Topic:
    return replace(Topic(id=name, query=name, version=version), **fields)


def made(name: str, *, at: float = 0.0, version: int = 1, articles: int = 1000) -> Calibration:
    return Calibration(topic_id=name, topic_version=version, model="m", at=at, articles=articles)


def plan_of(*topics: Topic, calibrated: tuple[Calibration, ...] = ()) -> Plan:
    plan = Plan()
    plan.put_topics({each.id: each for each in topics})
    for each in calibrated:
        plan.put_calibration(each.topic_id, each)
    return plan


def waiting(plan: Plan) -> list[str]:
    return [each.id for each in plan.next_waiting(10)]


def due(plan: Plan) -> list[str]:
    return [each.id for each in plan.next_due(10)]


def test_a_version_waits_until_it_has_a_calibration_of_its_own() -> None:
    plan = plan_of(topic("a", 2), calibrated=(made("a", version=1),))
    assert waiting(plan) == ["a"]
    plan.done(made("a", version=2), articles=1000, samples=0)
    assert (waiting(plan), plan.is_done) == ([], True)


def test_calibrations_may_come_before_their_topics() -> None:
    plan = Plan()
    plan.put_calibration("a", made("a"))
    plan.put_topics({"a": topic("a"), "b": topic("b")})
    assert waiting(plan) == ["b"]


def test_the_newest_edit_comes_first_and_so_few_at_a_time_as_are_asked_for() -> None:
    plan = plan_of(topic("a"), topic("b"), topic("c"))
    plan.put_topics({"a": topic("a", 2)})
    assert waiting(plan) == ["a", "c", "b"]
    assert [each.id for each in plan.next_waiting(1)] == ["a"]


def test_an_edit_while_its_topic_is_being_calibrated_goes_on_waiting() -> None:
    plan = plan_of(topic("a"))
    (asked,) = plan.next_waiting(1)
    plan.put_topics({"a": topic("a", 2)})
    plan.done(made("a", version=asked.version), articles=1000, samples=0)
    assert waiting(plan) == ["a"]


def test_a_topic_that_is_disabled_or_removed_waits_for_nothing() -> None:
    plan = plan_of(topic("a"), topic("b"), topic("c", enabled=False))
    plan.put_topics({"a": None, "b": topic("b", 2, enabled=False)})
    assert (waiting(plan), plan.waiting) == ([], 0)


def test_a_calibration_that_is_taken_back_is_made_again() -> None:
    plan = plan_of(topic("a"), calibrated=(made("a"),))
    plan.put_calibration("a", None)
    assert waiting(plan) == ["a"]


@pytest.mark.parametrize(("before", "now", "grown"), [(1000, 1199, False), (1000, 1200, True), (5000, 5499, False)])
def test_a_topic_is_due_when_the_archive_has_grown_by_a_tenth_and_two_hundred(
    before: int, now: int, grown: bool
) -> None:
    plan = plan_of(topic("a"), calibrated=(made("a", articles=before),))
    plan.look(now, 0.0)
    assert due(plan) == (["a"] if grown else [])


def test_a_topic_is_due_after_a_day_the_oldest_first() -> None:
    plan = plan_of(*map(topic, "abc"), calibrated=(made("a", at=5.0), made("b", at=1.0), made("c", at=9.0)))
    plan.look(1000, 5.0 + DAY)
    assert due(plan) == ["b", "a"]
    plan.done(made("b", at=5.0 + DAY), articles=1000, samples=0)
    assert due(plan) == ["a"]


def test_growth_is_counted_from_what_was_drawn_from_whatever_the_calibration_says() -> None:
    plan = plan_of(topic("a"))
    plan.done(made("a", articles=10), articles=1000, samples=0)
    plan.put_calibration("a", made("a", articles=10))  # the same one, read back from the stream
    plan.look(1000, 0.0)
    assert due(plan) == []


def test_whoever_waits_is_not_due_as_well() -> None:
    plan = plan_of(topic("a"), topic("b"), calibrated=(made("a"), made("b", at=1.0)))
    plan.look(1000, 2 * DAY)
    plan.put_topics({"a": topic("a", 2)})
    assert (waiting(plan), due(plan)) == (["a"], ["b"])


def test_the_oldest_is_looked_for_among_topics_in_force() -> None:
    plan = plan_of(topic("a"), topic("b"), calibrated=(made("a", at=3.0), made("b", at=5.0), made("gone", at=1.0)))
    assert plan.oldest == 3.0
    plan.put_topics({"a": None})
    assert plan.oldest == 5.0
    assert Plan().oldest is None


def test_topics_with_examples_that_could_not_be_read_take_turns_and_wait_again_when_they_can() -> None:
    some = [topic(name, examples=("text:x",), counter_examples=("https://e.example/",)) for name in "ab"]
    plan = plan_of(*some, topic("c"))
    for name in "abc":
        plan.done(made(name), articles=1000, samples=1)
    assert [[(each.id, had) for each, had in plan.unread(1)] for _ in range(3)] == [[("a", 1)], [("b", 1)], [("a", 1)]]
    plan.again("a")
    plan.put_calibration("a", made("a"))  # the last one, read back from the stream
    assert waiting(plan) == ["a"]
    plan.done(made("a", at=1.0), articles=1000, samples=2)
    assert (waiting(plan), [each.id for each, _ in plan.unread(5)]) == ([], ["b"])


def test_topics_that_waited_for_the_archive_are_told_so_and_later_ones_are_not() -> None:
    plan = plan_of(topic("a"), topic("b"))
    plan.next_waiting(1)
    plan.done(made("a"), articles=200, samples=0)
    plan.put_topics({"c": topic("c")})
    plan.next_waiting(1)
    assert plan.why(None, made("b"), other_model=False) == "first archive"
    assert plan.why(None, made("c"), other_model=False) == "new version"
    assert plan.why(None, made("b"), other_model=True) == "new model"


def test_a_new_calibration_says_what_has_changed() -> None:
    before = made("a")
    sample = Sample(ref="text:x", title="x", relevant=True, row=b"")
    assert why_of(before, made("a", at=1.0), other_model=True) == "drift"
    assert why_of(before, made("a", version=2), other_model=True) == "new version"
    assert why_of(before, replace(before, samples=(sample,)), other_model=False) == "examples"
    turned = replace(before, samples=(replace(sample, relevant=False),))
    assert why_of(replace(before, samples=(sample,)), turned, other_model=False) == "examples"
