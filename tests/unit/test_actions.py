"""What a press on a button means and does: verdicts, mutes and details, whatever the payload holds."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from consumers.ids import delivery_id
from consumers.ledger import Step
from consumers.model import Evidence, Fact, Gated, Match, Part, Passage, Report, Story
from daemon.actions import GONE, Action, Actions, loaded, pressed
from daemon.actions_details import LONGEST, details
from daemon.store import Store
from daemon.store.ledger import write
from daemon.store.mutes import Mutes
from daemon.store.stories import Stories
from daemon.store.tables import (
    alerts,
    article_vectors,
    articles,
    living_messages,
    stories,
    story_matches,
    topic_versions,
)
from daemon.store.verdicts import Proposals, Verdicts
from daemon.wire import from_json, to_json
from tests.alert_samples import HOSTILE
from tests.fake_slack_socket import payload
from tests.kept_rows import NOW, HeldClock, KeptRows

HOUR, DAY = 3600.0, 86_400.0
PASSAGE = Passage(text="Aircraft carried out strikes in Homs.", number=1, of=1, marks=((0, 8),))
REPORTS = (
    Report(source="example.org", url="https://example.org/1", title="Strikes", at=NOW - 900),
    Report(source="two.example", url="https://two.example/1", title="Same", at=NOW - 300, copy_of="example.org"),
)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def topic(store: Store) -> str:
    return KeptRows(store).topic("Russian airstrikes Syria")


@pytest.fixture
def alert(store: Store, topic: str) -> str:
    rows = KeptRows(store)
    alert = rows.alert(topic, "Warplanes strike near Homs", passage=PASSAGE, reports=REPORTS, reasons=["names Homs"])
    vectors = {"model": "m", "rows": 1, "vectors": np.zeros((1, 4), np.float16).tobytes()}
    with store.write() as connection:
        connection.execute(insert(article_vectors).values(article_id=article_of(store, alert), **vectors))
    return alert


@pytest.fixture
def actions(store: Store, clock: HeldClock) -> Actions:
    return Actions(store, clock)


def press(kind: Any, alert: str, moment: str = "1.1", **more: Any) -> Action:
    return Action(**{"kind": kind, "alert_id": alert, "by": "Ana", "user": "U1", "moment": moment, **more})


def story_of(store: Store, alert: str) -> str:
    with store.read() as connection:
        return str(connection.execute(select(alerts.c.story_id).where(alerts.c.id == alert)).scalar_one())


def article_of(store: Store, alert: str) -> str:
    detail = Stories(store).alert(alert)
    assert detail is not None
    assert detail.match is not None
    return detail.match.article.id


# -- reading


@pytest.mark.parametrize(
    ("action_id", "kind"),
    [
        ("wirewatch.relevant", "relevant"),
        ("wirewatch.not_relevant", "not relevant"),
        ("wirewatch.details", "details"),
    ],
)
def test_each_button_is_read_with_its_alert_and_whoever_pressed_it(action_id: str, kind: str) -> None:
    action = pressed(payload(action_id, "f00" * 10, response_url="https://hooks.slack.com/actions/1"))
    assert action == Action(
        kind=kind,
        alert_id="f00" * 10,
        by="ana",
        user="U0123ABCD",
        moment="1763733720.000100",
        reply_to="https://hooks.slack.com/actions/1",
    )


@pytest.mark.parametrize(
    ("asked", "seconds", "new_facts"),
    [("3600", HOUR, False), ("86400", DAY, False), ("604800", 7 * DAY, False), ("new-facts", 7 * DAY, True)],
)
@pytest.mark.parametrize("menu", [True, False])
def test_a_mute_is_read_with_its_length(asked: str, seconds: float, new_facts: bool, menu: bool) -> None:
    action = pressed(payload("wirewatch.mute", f"{'a' * 32} {asked}", menu=menu))
    assert action is not None
    assert (action.kind, action.seconds, action.new_facts) == ("mute", seconds, new_facts)


@pytest.mark.parametrize("asked", ["", "0", "59", "-3600", "1e9", "999999999", "3600 7", "new", "٣٦٠٠", "nan", "inf"])
def test_a_mute_of_no_length_that_we_offer_is_not_taken(asked: str) -> None:
    assert pressed(payload("wirewatch.mute", f"{'a' * 32} {asked}")) is None


@pytest.mark.parametrize(
    "change",
    [
        {"type": "view_submission"},
        {"type": None},
        {"actions": None},
        {"actions": []},
        {"actions": {"0": {}}},
        {"actions": [None, 1, "x", []]},
        {"actions": [{"action_id": "wirewatch.relevant"}]},
        {"actions": [{"action_id": "wirewatch.relevant", "value": {"a": 1}}]},
        {"actions": [{"action_id": "wirewatch.explode", "value": "a" * 32}]},
        {"actions": [{"action_id": "other.app", "value": "a" * 32}]},
        {"actions": [{"action_id": "wirewatch.relevant", "value": "../" * 9}]},
        {"actions": [{"action_id": "wirewatch.relevant", "value": "A" * 32}]},
        {"actions": [{"action_id": "wirewatch.relevant", "value": "a" * 100_000}]},
    ],
)
def test_what_is_no_press_of_ours_is_none(change: dict[str, Any]) -> None:
    assert pressed(payload() | change) is None


@pytest.mark.parametrize("user", [None, {}, "ana", {"id": 7, "name": []}, {"id": "<@U1>", "username": ""}])
def test_a_press_by_nobody_in_particular_counts_all_the_same(user: object) -> None:
    action = pressed(payload() | {"user": user})
    assert action is not None
    assert (action.by, action.user) == ("somebody in Slack", "")


def test_a_name_is_made_readable_and_short() -> None:
    action = pressed(payload(name=f"an\x1b[2Ja\u202e\n{'x' * 5000}\ud800"))
    assert action is not None
    assert action.by.isprintable()
    assert len(action.by) <= 60


def test_a_press_that_arrives_twice_has_one_key_and_another_press_another() -> None:
    def key(moment: str, action_id: str = "wirewatch.relevant") -> str:
        action = pressed(payload(action_id, moment=moment))
        assert action is not None
        return action.key

    assert key("1.1") == key("1.1")
    assert len({key("1.1"), key("1.2"), key("1.1", "wirewatch.not_relevant")}) == 3
    assert key("soon") == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["actions", "user", "response_url", "type"]))
def test_reading_never_raises(value: object, where: str) -> None:
    pressed(value)
    pressed(payload() | {where: value})
    pressed(payload() | {"actions": [payload()["actions"][0] | {"value": value, "action_ts": value}]})


@pytest.mark.parametrize("text", ["", "{", "[" * 200_000, b"\xff\xfe{}", '{"a":' * 50_000, "9" * 10_000])
def test_what_is_no_json_that_slack_sends_is_nothing(text: str | bytes) -> None:
    assert loaded(text) is None


# -- verdicts


@pytest.mark.parametrize(("kind", "relevant"), [("relevant", True), ("not relevant", False)])
def test_a_verdict_is_kept_for_the_article_that_was_told_under_the_persons_name(
    store: Store, actions: Actions, topic: str, alert: str, kind: str, relevant: bool
) -> None:
    said = actions.carry_out(press(kind, alert))
    (verdict,) = Verdicts(store).of(topic)
    assert (verdict.article_id, verdict.relevant, verdict.by) == (article_of(store, alert), relevant, "Ana")
    assert verdict.state == "open"
    assert said.startswith(f"Kept: {kind}, says Ana.")
    assert f"wirewatch topics review {topic}" in said
    assert Proposals(store).get(topic) is not None


def test_a_verdict_that_is_given_again_changes_nothing_and_says_so(
    store: Store, actions: Actions, clock: HeldClock, topic: str, alert: str
) -> None:
    actions.carry_out(press("relevant", alert))
    before = Verdicts(store).of(topic), Proposals(store).get(topic)
    clock.pass_by(60)
    said = actions.carry_out(press("relevant", alert, "2.1", by="Ben", user="U2"))
    assert said.startswith("Already kept: Ana said relevant on 2026-11-18")
    assert (Verdicts(store).of(topic), Proposals(store).get(topic)) == before


def test_the_last_word_counts(store: Store, actions: Actions, clock: HeldClock, topic: str, alert: str) -> None:
    actions.carry_out(press("relevant", alert))
    clock.pass_by(60)
    assert actions.carry_out(press("not relevant", alert, "2.1", by="Ben")).startswith("Kept: not relevant, says Ben.")
    (verdict,) = Verdicts(store).of(topic)
    assert (verdict.relevant, verdict.by) == (False, "Ben")


def test_a_verdict_that_broke_off_before_its_proposal_gets_it_when_it_is_pressed_again(
    store: Store, actions: Actions, topic: str, alert: str
) -> None:
    actions.carry_out(press("relevant", alert))
    Proposals(store).drop(topic)
    actions.carry_out(press("relevant", alert))
    assert Proposals(store).get(topic) is not None


def test_an_alert_that_is_gone_is_a_sentence(store: Store, actions: Actions) -> None:
    for kind in ("relevant", "not relevant", "details"):
        assert actions.carry_out(press(kind, "a" * 32)) == GONE
    assert actions.carry_out(press("mute", "a" * 32, seconds=HOUR)) == GONE
    assert Mutes(store).all() == []


def test_an_old_alert_whose_article_match_or_topic_is_gone_is_a_sentence(
    store: Store, actions: Actions, topic: str, alert: str
) -> None:
    def without(table: Any) -> str:
        with store.write() as connection:
            connection.execute(delete(table))
        return actions.carry_out(press("relevant", alert))

    assert "cannot be kept" in without(articles)
    assert "cannot be kept" in without(topic_versions)
    assert "no longer kept" in without(story_matches)
    assert Verdicts(store).of(topic) == []
    assert "no longer kept" in actions.carry_out(press("details", alert))
    with store.write() as connection:
        connection.execute(delete(stories))
    assert "Its story is no longer kept" in actions.carry_out(press("details", alert))
    assert actions.carry_out(press("mute", alert, seconds=HOUR)).startswith("Muted by Ana")


# -- mutes


def test_a_mute_holds_the_story_and_says_until_when(
    store: Store, actions: Actions, clock: HeldClock, alert: str
) -> None:
    said = actions.carry_out(press("mute", alert, seconds=HOUR))
    (mute,) = Mutes(store).in_force(NOW)
    assert (mute.kind, mute.target, mute.by) == ("story", story_of(store, alert), "Ana")
    assert (mute.since, mute.until, mute.until_new_facts) == (NOW, NOW + HOUR, False)
    assert said == "Muted by Ana until 12:06 UTC; what it holds is told then."


def test_a_mute_until_new_facts_says_what_ends_it(store: Store, actions: Actions, alert: str) -> None:
    said = actions.carry_out(press("mute", alert, seconds=7 * DAY, new_facts=True))
    (mute,) = Mutes(store).in_force(NOW)
    assert (mute.until, mute.until_new_facts) == (NOW + 7 * DAY, True)
    assert said == "Muted by Ana until 25 Nov 11:06 UTC; what is new ends it early."


def test_a_press_that_is_brought_twice_is_one_mute(
    store: Store, actions: Actions, clock: HeldClock, alert: str
) -> None:
    once = actions.carry_out(press("mute", alert, seconds=HOUR))
    clock.pass_by(20)
    assert actions.carry_out(press("mute", alert, seconds=HOUR)) == once
    assert len(Mutes(store).all()) == 1


def test_a_mute_that_one_in_force_covers_is_not_added_and_says_whose_that_is(
    store: Store, actions: Actions, clock: HeldClock, alert: str
) -> None:
    actions.carry_out(press("mute", alert, seconds=DAY))
    clock.pass_by(30)
    for number, (seconds, new_facts) in enumerate([(DAY, False), (HOUR, False), (HOUR, True)]):
        again = press("mute", alert, f"2.{number}", by="Ben", user="U2", seconds=seconds, new_facts=new_facts)
        assert actions.carry_out(again).startswith("Already muted by Ana until 19 Nov 11:06 UTC")
    assert len(Mutes(store).all()) == 1


def test_a_longer_mute_or_one_that_nothing_ends_early_is_added(
    store: Store, actions: Actions, clock: HeldClock, alert: str
) -> None:
    actions.carry_out(press("mute", alert, seconds=DAY, new_facts=True))
    assert actions.carry_out(press("mute", alert, "2.1", seconds=HOUR)).startswith("Muted by Ana until 12:06")
    clock.pass_by(HOUR / 2)
    assert actions.carry_out(press("mute", alert, "2.2", seconds=HOUR)).startswith("Muted by Ana until 12:36")
    assert len(Mutes(store).in_force(clock.at)) == 3


def test_a_mute_that_has_ended_is_not_revived_by_its_own_press_and_another_press_mutes_again(
    store: Store, actions: Actions, alert: str
) -> None:
    actions.carry_out(press("mute", alert, seconds=HOUR))
    (mute,) = Mutes(store).in_force(NOW)
    Mutes(store).end(mute.id, NOW, "ended by Ben")
    actions.carry_out(press("mute", alert, seconds=HOUR))
    assert Mutes(store).in_force(NOW) == []
    actions.carry_out(press("mute", alert, "2.1", seconds=HOUR))
    assert len(Mutes(store).in_force(NOW)) == 1


def test_the_message_in_the_channel_is_brought_up_to_date_when_it_is_muted(
    store: Store, actions: Actions, alert: str
) -> None:
    row = {"delivery_id": "d", "alert_id": alert, "channel": "desk", "story_id": story_of(store, alert)}
    numbers = {"provider_id": "1.1", "wanted": 3, "shown": 3, "due": NOW, "updated": NOW}
    with store.write() as connection:
        connection.execute(insert(living_messages).values(**row, **numbers))
    actions.carry_out(press("mute", alert, seconds=HOUR))
    with store.read() as connection:
        assert connection.execute(select(living_messages.c.wanted)).scalar_one() == 4


def test_a_story_that_turned_out_to_be_another_one_is_muted_as_that(store: Store, actions: Actions, alert: str) -> None:
    with store.write() as connection:
        story = from_json(Story, connection.execute(select(stories.c.story)).scalar_one())
        merged = to_json(replace(story, merged_into="survivor")).decode()
        connection.execute(update(stories).values(story=merged))
    actions.carry_out(press("mute", alert, seconds=HOUR))
    assert [mute.target for mute in Mutes(store).in_force(NOW)] == ["survivor"]


# -- details


def test_details_say_why_it_matched_who_reports_it_and_what_was_told_when(
    store: Store, actions: Actions, topic: str, alert: str
) -> None:
    story = story_of(store, alert)
    step = Step(
        delivery_id=delivery_id(alert, "desk"),
        alert_id=alert,
        topic_id=topic,
        story_id=story,
        channel="desk",
        at=NOW - 50,
        event="sent",
    )
    held = replace(step, event="held", at=NOW - 55, why="quiet hours until 07:00")
    with store.write() as connection:
        write(connection, [step, held])
    actions.carry_out(press("mute", alert, seconds=HOUR))
    lines = actions.carry_out(press("details", alert)).splitlines()
    assert lines[0] == "Russian airstrikes Syria: Warplanes strike near Homs"
    assert "Why: names Homs" in lines
    assert "2 reports, 2 sources, 1 independent:" in lines
    assert "• two.example 11:01 (copy of example.org)" in lines
    assert "Muted by Ana until 12:06 UTC" in lines
    assert lines[-2:] == ["• 11:05 desk: held (quiet hours until 07:00)", "• 11:05 desk: sent"]


def test_details_of_an_alert_from_before_the_ledger_tell_its_deliveries(actions: Actions, alert: str) -> None:
    assert "• 11:05 console: sent" in actions.carry_out(press("details", alert)).splitlines()


def test_details_say_what_carried_the_score_which_conditions_were_met_and_what_is_new(
    store: Store, actions: Actions, alert: str
) -> None:
    fact = Fact(key="k", kind="toll", text="toll 12 → 19", quote="q", source="two.example", url="", at=NOW - 300)
    parts = (Part(name="words", share=0.7), Part(name="meaning", share=0.3))
    gates = (Gated(gate="require", passed=True, why="says Russian"),)
    with store.write() as connection:
        match = from_json(Match, connection.execute(select(story_matches.c.match)).scalar_one())
        story = from_json(Story, connection.execute(select(stories.c.story)).scalar_one())
        evident = replace(match, evidence=Evidence(parts=parts, gates=gates))
        connection.execute(update(story_matches).values(match=to_json(evident).decode()))
        connection.execute(update(stories).values(story=to_json(replace(story, facts=(fact,))).decode()))
    lines = actions.carry_out(press("details", alert)).splitlines()
    assert "What carried it: mostly its words; its meaning helped" in lines
    assert "Conditions met: says Russian" in lines
    assert "• toll 12 → 19 (two.example 11:01)" in lines


def test_details_change_nothing(store: Store, actions: Actions, topic: str, alert: str) -> None:
    actions.carry_out(press("details", alert))
    assert Verdicts(store).of(topic) == []
    assert Mutes(store).all() == []


def test_details_of_a_huge_and_hostile_story_fit_into_one_message(store: Store, topic: str) -> None:
    rows = KeptRows(store)
    hostile = HOSTILE.replace("\ud800", "")  # the store takes none
    reports = [Report(source=hostile, url="", title=hostile, at=float(n), copy_of=hostile) for n in range(300)]
    alert = rows.alert(topic, hostile * 50, passage=PASSAGE, reports=reports, reasons=[hostile * 20] * 30)
    detail = Stories(store).alert(alert)
    assert detail is not None
    step = Step(delivery_id="d", alert_id=alert, topic_id=topic, story_id="s", channel=hostile, at=NOW, event="held")
    steps = [replace(step, at=NOW + n, why=hostile * 9) for n in range(500)]
    text = details(detail, topic=hostile * 9, steps=steps, mutes=[], now=NOW)
    assert len(text) <= LONGEST
    assert all(line.isprintable() for line in text.splitlines())
    json.dumps(text).encode()
