"""Slack that lives: one message a story, edited in place, what is new in its thread, a ping for what is pressing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from consumers.errors import Refused, Reject, Retry
from consumers.model import Digest, Message, TopicDigest
from consumers.notify import Editor, Unanswered, slack_blocks, slack_buttons
from consumers.notify.slack import SlackNotifier
from consumers.notify.slack_pace import EDITS_A_MINUTE
from daemon.actions import pressed
from tests.alert_samples import ACTOR, ALERT, DIGEST, ESCALATION, MERGED, MORE, NOON, NOTICE, PLACE, TOLL, UPDATE
from tests.fake_channels import HeldClock
from tests.fake_slack import FakeSlack
from tests.slack_rules import problem, texts

LIVING = replace(ALERT, timeline=(ACTOR, PLACE, TOLL), articles=14, latest=NOON + 98 * 60)
"""The first report, 98 minutes later."""


@dataclass
class Desk:
    """A Slack, the channel "desk" there, and a clock for both."""

    slack: FakeSlack
    server: TestServer
    session: ClientSession
    clock: HeldClock

    def bot(self, *, buttons: bool = False, channel: str = "#desk", timeout: float = 20.0) -> SlackNotifier:
        """A new one knows nothing of what an old one has sent."""
        return SlackNotifier(
            self.session,
            "xoxb-good",
            channel,
            now=self.clock.now,
            buttons=buttons,
            base_url=str(self.server.make_url("/api/")),
            timeout=timeout,
        )

    async def told(self, *tidings: Message, by: SlackNotifier | None = None) -> list[str]:
        """Sent one after the other, a minute apart, those that follow under the first; their ids."""
        bot, ids = by or self.bot(), list[str]()
        for message in tidings:
            follows = replace(message, thread=ids[0]) if ids else replace(message, thread="")
            ids.append((await bot.send(follows)).provider_id)
            self.clock.advance(60)
        return ids


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = HeldClock()
    fake = FakeSlack(now=clock.now)
    async with fake.server() as server, ClientSession() as session:
        yield Desk(fake, server, session, clock)
        fake.release.set()


# -- threads


async def test_what_is_new_is_a_quiet_reply_under_the_first_report(desk: Desk) -> None:
    first, second = await desk.told(ALERT, UPDATE)
    assert [each.ts for each in desk.slack.pings()] == [first]
    (reply,) = desk.slack.thread(first)
    assert reply.ts == second
    assert reply.text.splitlines()[1:3] == [
        "*New: toll 12 → 19 (site-two.example)*",
        ">“At least 19 people were killed, the civil defence said.” (<https://site-two.example/toll|site-two.example>)",
    ]


async def test_a_reply_names_its_story_as_it_may_be_read_without_it(desk: Desk) -> None:
    first, _ = await desk.told(ALERT, UPDATE)
    (reply,) = desk.slack.thread(first)
    assert ALERT.headline in reply.text
    assert "14 reports, 4 sources, 3 independent · latest 15:40 UTC" in reply.text
    assert ALERT.headline in reply.payload["text"]
    assert reply.payload["text"].startswith("New: toll 12 → 19 (site-two.example)")


async def test_an_update_that_adds_no_fact_says_which_report_it_is(desk: Desk) -> None:
    first, _ = await desk.told(ALERT, MORE)
    assert "*Another report: “Toll rises to 19” (site-two.example)*" in desk.slack.thread(first)[0].text


async def test_an_escalation_is_a_reply_that_the_whole_channel_sees(desk: Desk) -> None:
    first, _, third = await desk.told(ALERT, UPDATE, ESCALATION)
    assert [each.ts for each in desk.slack.pings()] == [first, third]
    escalation = desk.slack.thread(first)[-1]
    assert escalation.broadcast
    assert escalation.text.startswith(":rotating_light: *Russian airstrikes Syria* · urgent")
    assert "*Urgent: 3 independent sources within 30 minutes*" in escalation.text
    assert ALERT.headline in escalation.text


async def test_an_escalation_without_a_thread_is_a_message_of_its_own(desk: Desk) -> None:
    await desk.told(ESCALATION)
    (message,) = desk.slack.pings()
    assert not message.thread
    assert "reply_broadcast" not in message.payload


async def test_an_update_without_a_thread_tells_the_story_whole(desk: Desk) -> None:
    await desk.told(UPDATE)
    (message,) = desk.slack.pings()
    assert ALERT.headline in message.text
    assert "example.org 13:51" in message.text
    assert "Why: words Russian" in message.text


async def test_a_first_report_and_a_notice_are_never_replies(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    await desk.bot().send(replace(ALERT, thread=root))
    await desk.bot().send(NOTICE)
    assert len(desk.slack.pings()) == 3


async def test_after_its_root_was_deleted_a_story_goes_on_in_one_new_thread(desk: Desk) -> None:
    bot = desk.bot()
    (root,) = await desk.told(ALERT, by=bot)
    desk.slack.delete(root)
    orphan = (await bot.send(replace(UPDATE, thread=root))).provider_id
    later = (await bot.send(replace(UPDATE, delivery_id="l" * 32, thread=root))).provider_id
    assert [each.ts for each in desk.slack.pings()] == [orphan]
    assert [each.ts for each in desk.slack.thread(orphan)] == [later]
    assert ALERT.headline in desk.slack.shown(orphan)


@pytest.mark.parametrize(
    "code", ["thread_not_found", "message_not_found", "cannot_reply_to_message", "restricted_action_thread_locked"]
)
async def test_where_slack_has_no_such_thread_the_update_stands_alone(desk: Desk, code: str) -> None:
    bot = desk.bot()
    (root,) = await desk.told(ALERT, by=bot)
    desk.slack.answers = [code]
    alone = (await bot.send(replace(UPDATE, thread=root))).provider_id
    later = (await bot.send(replace(UPDATE, delivery_id="l" * 32, thread=root))).provider_id
    assert "Why: words Russian" in desk.slack.shown(alone)
    assert [each.ts for each in desk.slack.thread(alone)] == [later]


async def test_a_thread_whose_first_message_is_only_a_tombstone_goes_on(desk: Desk) -> None:
    first, second = await desk.told(ALERT, UPDATE)
    desk.slack.delete(first)
    third = (await desk.bot().send(replace(UPDATE, thread=first))).provider_id
    assert [each.ts for each in desk.slack.thread(first)] == [second, third]


# -- what arrived


async def test_a_reply_in_doubt_is_found_in_its_thread(desk: Desk) -> None:
    first, *_ = await desk.told(ALERT)
    desk.slack.answers = ["cut"]
    with pytest.raises(Unanswered):
        await desk.bot().send(replace(UPDATE, thread=first))
    found = await desk.bot().find(UPDATE.delivery_id, desk.clock.now(), thread=first)
    assert found is not None
    assert found.provider_id == desk.slack.thread(first)[0].ts
    assert not desk.slack.history_calls


async def test_a_reply_that_was_posted_into_the_channel_is_found_there(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.delete(root)
    desk.slack.answers = ["cut"]
    with pytest.raises(Unanswered):
        await desk.bot().send(replace(UPDATE, thread=root))
    found = await desk.bot().find(UPDATE.delivery_id, desk.clock.now(), thread=root)
    assert found is not None
    assert found.provider_id == desk.slack.pings()[0].ts


async def test_a_reply_that_never_arrived_is_not_found_and_slack_is_asked_once_a_minute(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    bot = desk.bot()
    assert await bot.find(UPDATE.delivery_id, desk.clock.now(), thread=root) is None
    with pytest.raises(Retry):
        await bot.find(UPDATE.delivery_id, desk.clock.now(), thread=root)
    desk.clock.advance(60)
    assert await bot.find(UPDATE.delivery_id, desk.clock.now(), thread=root) is None
    assert desk.slack.breaches == []


# -- the message that lives


async def test_the_first_message_shows_how_its_story_went_on_and_pings_nobody(desk: Desk) -> None:
    assert isinstance(desk.bot(), Editor)
    (root,) = await desk.told(ALERT)
    await desk.bot().edit(root, LIVING)
    shown = desk.slack.shown(root)
    assert "14 reports, 3 sources, 2 independent · latest 15:40 UTC" in shown
    assert shown.index("15:10 toll 12 → 19 (site-two.example)") < shown.index("14:42 place Idlib (site-four.example)")
    assert len(desk.slack.pings()) == 1
    assert desk.slack.edits(root) == 1


async def test_an_edit_keeps_what_the_message_is_found_by(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    await desk.bot().edit(root, replace(LIVING, delivery_id="x" * 32))
    found = await desk.bot().find(ALERT.delivery_id, NOON)
    assert found is not None
    assert found.provider_id == root


async def test_a_story_that_was_merged_and_muted_says_so(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    await desk.bot().edit(root, MERGED)
    shown = desk.slack.shown(root)
    assert "Now part of the story “Strikes on Homs kill 19”" in shown
    assert "Muted by Ana until 18:00 UTC" in shown


async def test_an_update_that_became_its_storys_message_lives_too(desk: Desk) -> None:
    (root,) = await desk.told(UPDATE)
    await desk.bot().edit(root, replace(UPDATE, thread=root, articles=20))
    assert "20 reports" in desk.slack.shown(root)
    assert "example.org 13:51" in desk.slack.shown(root)


async def test_of_a_long_timeline_the_newest_are_shown(desk: Desk) -> None:
    facts = [replace(TOLL, key=str(n), text=f"toll {n} → {n + 1}", at=NOON + n * 60) for n in range(30)]
    (root,) = await desk.told(ALERT)
    await desk.bot().edit(root, replace(LIVING, timeline=tuple(facts)))
    shown = desk.slack.shown(root)
    assert "14:31 toll 29 → 30" in shown
    assert "toll 24 → 25" not in shown
    assert "and 25 more, earlier" in shown


@pytest.mark.parametrize("code", ["edit_window_closed", "cant_update_message", "is_inactive", "block_mismatch"])
async def test_a_message_that_can_no_longer_be_edited_is_left_alone(desk: Desk, code: str) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.answers = [code]
    with pytest.raises(Reject) as caught:
        await desk.bot().edit(root, LIVING)
    assert not isinstance(caught.value, Refused)


async def test_a_message_that_was_deleted_is_left_alone(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.delete(root)
    with pytest.raises(Reject, match="deleted") as caught:
        await desk.bot().edit(root, LIVING)
    assert not isinstance(caught.value, Refused)


async def test_an_edit_that_is_too_much_is_made_in_plain_text(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.answers = ["msg_blocks_too_long"]
    await desk.bot().edit(root, LIVING)
    assert desk.slack.shown(root) == slack_blocks.fallback(LIVING)


async def test_an_edit_that_slack_will_never_take_is_given_up(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.answers = ["invalid_blocks", "msg_too_long"]
    with pytest.raises(Reject) as caught:
        await desk.bot().edit(root, LIVING)
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "channel_not_found", "missing_scope"])
async def test_what_only_a_person_can_mend_refuses_edits_too(desk: Desk, code: str) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.answers = [code]
    with pytest.raises(Refused, match=code):
        await desk.bot(channel="C0123ABCD").edit(root, LIVING)


@pytest.mark.parametrize("answer", ["ratelimited", "update_failed", "internal_error", 503, "cut"])
async def test_an_edit_may_succeed_later(desk: Desk, answer: str | int) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.answers = [answer]
    with pytest.raises(Retry) as caught:
        await desk.bot().edit(root, LIVING)
    assert answer != "ratelimited" or caught.value.after == 7.0
    await desk.bot().edit(root, LIVING)
    assert "14 reports" in desk.slack.shown(root)


async def test_an_edit_needs_the_channels_id_and_without_it_only_edits_are_given_up(desk: Desk) -> None:
    (root,) = await desk.told(ALERT)
    desk.slack.scopes = {"chat:write"}
    with pytest.raises(Reject, match="channels:read") as caught:
        await desk.bot().edit(root, LIVING)
    assert not isinstance(caught.value, Refused)


async def test_edits_stay_within_what_slack_takes_a_minute(desk: Desk) -> None:
    bot = desk.bot()
    (root,) = await desk.told(ALERT, by=bot)
    for _ in range(EDITS_A_MINUTE):
        await bot.edit(root, LIVING)
    with pytest.raises(Retry) as caught:
        await bot.edit(root, LIVING)
    assert caught.value.after == 60.0
    desk.clock.advance(60)
    await bot.edit(root, LIVING)
    assert desk.slack.breaches == []


# -- buttons


async def test_buttons_are_there_only_where_somebody_hears_them(desk: Desk) -> None:
    await desk.bot(buttons=True).send(ALERT)
    await desk.bot().send(ALERT)
    with_buttons, without = desk.slack.pings()
    assert _actions(with_buttons.payload) is not None
    assert _actions(without.payload) is None


async def test_every_button_names_the_alert_and_a_mute_how_long(desk: Desk) -> None:
    await desk.told(ALERT, UPDATE, by=desk.bot(buttons=True))
    for posted, alert in zip(desk.slack.posted, (ALERT.alert_id, UPDATE.alert_id), strict=True):
        row = _actions(posted)
        assert row is not None
        assert row["block_id"] == "wirewatch.alert"
        relevant, not_relevant, details, mute = row["elements"]
        assert (relevant["action_id"], relevant["value"]) == ("wirewatch.relevant", alert)
        assert (not_relevant["action_id"], not_relevant["value"]) == ("wirewatch.not_relevant", alert)
        assert (details["action_id"], details["value"]) == ("wirewatch.details", alert)
        assert mute["action_id"] == "wirewatch.mute"
        assert [option["value"] for option in mute["options"]] == [
            f"{alert} 3600",
            f"{alert} 86400",
            f"{alert} 604800",
            f"{alert} new-facts",
        ]


def test_what_a_button_sends_is_understood_where_it_arrives() -> None:
    (row,) = slack_buttons.actions(ALERT)
    *buttons, menu = row["elements"]
    presses = [*buttons, *({"action_id": menu["action_id"], "selected_option": each} for each in menu["options"])]
    understood = [pressed({"type": "block_actions", "actions": [press]}) for press in presses]
    assert [(each.kind, each.seconds, each.new_facts) for each in understood if each and each.alert_id == "a" * 32] == [
        ("relevant", 0, False),
        ("not relevant", 0, False),
        ("details", 0, False),
        ("mute", 3_600, False),
        ("mute", 86_400, False),
        ("mute", 604_800, False),
        ("mute", 604_800, True),
    ]


def test_details_lead_to_the_page_where_there_is_one() -> None:
    (row,) = slack_buttons.actions(replace(ALERT, page="https://watch.example/alerts/a"))
    assert row["elements"][2]["url"] == "https://watch.example/alerts/a"
    (row,) = slack_buttons.actions(ALERT)
    assert "url" not in row["elements"][2]
    (row,) = slack_buttons.actions(replace(ALERT, page="javascript:alert(1)"))
    assert "url" not in row["elements"][2]


@pytest.mark.parametrize("alert", ["", "x" * 200])
def test_an_alert_that_no_button_can_name_has_none(alert: str) -> None:
    assert slack_buttons.actions(replace(ALERT, alert_id=alert)) == []


async def test_an_edit_keeps_the_buttons(desk: Desk) -> None:
    (root,) = await desk.told(ALERT, by=desk.bot(buttons=True))
    await desk.bot(buttons=True).edit(root, LIVING)
    (message,) = desk.slack.pings()
    assert _actions(message.payload) is not None


def _actions(payload: dict[str, object]) -> dict[str, list[dict[str, object]]] | None:
    blocks = payload["blocks"]
    assert isinstance(blocks, list)
    return next((block for block in blocks if block["type"] == "actions"), None)


# -- digests


async def test_a_digest_is_by_topic_and_by_story(desk: Desk) -> None:
    receipt = await desk.bot(buttons=True).send(DIGEST)
    (message,) = desk.slack.pings()
    assert receipt.provider_id == message.ts
    assert message.delivery_id == DIGEST.delivery_id
    lines = message.text.splitlines()
    assert lines[0] == "*Digest of 07:00 Europe/Paris* · 3 stories in 2 topics, 1 urgent"
    assert lines[1] == "What was reported since yesterday, 07:00."
    assert "*Russian airstrikes Syria* · 2 stories" in lines
    assert f"• *<https://site-two.example/toll|{ALERT.headline}>* (4 sources, 3 independent)" in lines
    assert "      Correction: twenty strikes → twelve strikes (example.org)" in lines
    assert any("Thousands leave their homes" in line for line in lines)
    assert any("Moscow denies new deployment" in line for line in lines)
    assert lines[-1] == "<https://wirewatch.example/digests/1|Open on the Wirewatch page>"


@pytest.mark.parametrize("shape", [(500, 1), (50, 10), (1, 500), (7, 70)])
def test_a_digest_of_500_stories_is_one_message_that_counts_what_it_leaves_out(shape: tuple[int, int]) -> None:
    stories, topics = shape
    told = tuple(replace(UPDATE, headline=f"Story {number} of the morning") for number in range(stories))
    topic = TopicDigest(topic_id="t", topic="Russian airstrikes Syria", stories=told)
    digest = replace(DIGEST, topics=(topic,) * topics)
    blocks = slack_blocks.blocks(digest, NOON)
    text = "\n".join(texts({"blocks": blocks}))
    assert problem({"text": slack_blocks.fallback(digest), "blocks": blocks}) == ""
    shown = text.count("• ")
    assert shown >= 20
    assert f"and {stories * topics - shown} more stories: <https://wirewatch.example/digests/1|" in text


def test_a_loud_topic_leaves_room_for_the_others() -> None:
    loud = replace(DIGEST.topics[0], stories=DIGEST.topics[0].stories * 200)
    text = "\n".join(texts({"blocks": slack_blocks.blocks(_with(loud, DIGEST.topics[1]), NOON)}))
    assert "Thousands leave their homes" in text


def _with(*topics: TopicDigest) -> Digest:
    return replace(DIGEST, topics=topics)
