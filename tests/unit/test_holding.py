"""Whether a delivery goes out now or waits: mutes, quiet hours, topics that yield."""

from dataclasses import replace

import pytest

from consumers.holding import Mute, Standing, applies, ends, hold, muted_by
from tests.held_alerts import HOUR, NOON, Night, muted

STANDING = Standing(
    topic_id="syria",
    story_id="story-1",
    kind="first",
    severity="normal",
    new_facts=False,
    sources=frozenset({"example.org", "news.site-two.example"}),
)
UPDATE = replace(STANDING, kind="update", new_facts=True)
NIGHT = Night(end=NOON + HOUR)


def test_what_nothing_holds_goes_out() -> None:
    others = [muted(target="another story"), muted("topic", "floods"), muted("source", "example.org")]
    assert hold(STANDING, others, Night(end=NOON), NOON) is None
    assert hold(STANDING, [], None, NOON) is None


@pytest.mark.parametrize(("kind", "target"), [("story", "story-1"), ("topic", "syria")])
def test_a_mute_holds_what_it_names_until_it_ends(kind: str, target: str) -> None:
    mute = muted(kind, target, comment="covered already")
    held = hold(STANDING, [mute], None, NOON)
    assert held
    assert (held.held, held.until) == (f"mute {mute.id}", mute.until)
    assert held.why == "muted by Ana until 15:02 UTC: covered already"


def test_the_mute_that_lasts_longest_is_the_one_that_holds() -> None:
    short, long = muted(), muted("topic", "syria", until=NOON + 9 * HOUR)
    held = hold(STANDING, [long, short], None, NOON)
    assert held
    assert held.held == f"mute {long.id}"


def test_a_mute_holds_urgent_alerts_and_escalations_too() -> None:
    for loud in (replace(STANDING, severity="urgent"), replace(STANDING, kind="escalation")):
        assert hold(loud, [muted()], None, NOON)


@pytest.mark.parametrize(
    ("target", "sources", "holds"),
    [
        ("example.org", {"example.org"}, True),
        ("example.org", {"example.org", "site-two.example"}, False),
        ("example.org", {"news.example.org"}, False),
        ("*.example.org", {"news.example.org", "example.org"}, True),
        ("*.example.org", {"badexample.org"}, False),
        ("example.org", set(), False),
    ],
)
def test_a_muted_source_holds_a_story_while_nobody_else_reports_it(target: str, sources: set[str], holds: bool) -> None:
    mute = muted("source", target)
    held = hold(replace(STANDING, sources=frozenset(sources)), [mute], None, NOON)
    assert (held is not None) == holds
    if held:
        assert held.held == f"source mute {mute.id}"


def test_quiet_hours_hold_until_they_end() -> None:
    held = hold(STANDING, [], NIGHT, NOON)
    assert held
    assert (held.held, held.until) == ("quiet hours", NIGHT.end)
    assert held.why == "quiet hours 22:00-07:00 Europe/Paris"


def test_urgent_alerts_and_escalations_wait_for_no_quiet_hours() -> None:
    for loud in (replace(STANDING, severity="urgent"), replace(STANDING, kind="escalation")):
        assert hold(loud, [], NIGHT, NOON) is None


def test_new_facts_end_a_mute_that_was_to_last_until_then() -> None:
    mute, plain = muted(until_new_facts=True), muted("topic", "syria")
    assert hold(UPDATE, [mute], None, NOON) is None
    assert ends(UPDATE, [mute, plain]) == (mute,)
    held = hold(UPDATE, [mute, plain], None, NOON)
    assert held
    assert held.held == f"mute {plain.id}"


def test_nothing_but_an_update_with_new_facts_ends_a_mute() -> None:
    mute = muted(until_new_facts=True)
    for dull in (STANDING, replace(STANDING, new_facts=True), replace(UPDATE, new_facts=False)):
        assert ends(dull, [mute]) == ()
        assert hold(dull, [mute], None, NOON)
    assert ends(UPDATE, [muted()]) == ()
    assert ends(UPDATE, [muted(target="another story", until_new_facts=True)]) == ()


def test_a_topic_that_yields_is_held_for_good_and_an_escalation_is_not() -> None:
    told = replace(STANDING, told_by="homs")
    held = hold(told, [], None, NOON)
    assert held
    assert (held.held, held.until) == ("topic homs", None)
    assert hold(replace(told, kind="escalation"), [], None, NOON) is None


def test_a_mute_is_told_with_the_day_it_ends_on() -> None:
    mute = muted(until=NOON + 24 * HOUR)
    assert muted_by(mute, NOON) == "muted by Ana until 22 Nov 14:02 UTC"
    assert isinstance(mute, Mute)
    assert applies(mute, STANDING)
