"""The fake Slack keeps the rules of the real one: whoever breaks one is told so."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, ServerDisconnectedError
from aiohttp.test_utils import TestServer

from tests.fake_channels import HeldClock
from tests.fake_slack import FakeSlack
from tests.slack_rules import problem

DESK = "C0123ABCD"


class Caller:
    """Calls the Web API as any client would."""

    def __init__(self, slack: FakeSlack, server: TestServer, session: ClientSession, clock: HeldClock) -> None:
        self.slack, self.clock = slack, clock
        self._server, self._session = server, session

    async def __call__(self, method: str, token: str = "xoxb-good", **payload: Any) -> dict[str, Any]:
        url, headers = self._server.make_url(f"/api/{method}"), {"Authorization": f"Bearer {token}"}
        async with self._session.post(url, json=payload, headers=headers) as answer:
            found: dict[str, Any] = await answer.json()
            return {**found, "status": answer.status, "after": answer.headers.get("Retry-After")}

    async def post(self, text: str = "news", **payload: Any) -> str:
        ts: str = (await self("chat.postMessage", channel=DESK, text=text, **payload))["ts"]
        self.clock.advance(1)
        return ts


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    clock = HeldClock()
    slack = FakeSlack(now=clock.now)
    async with slack.server() as server, ClientSession() as session:
        yield Caller(slack, server, session, clock)
        slack.release.set()


async def test_a_message_a_second_is_taken_for_ever(call: Caller) -> None:
    for _ in range(100):
        await call.post()
    assert len(call.slack.messages()) == 100
    assert call.slack.breaches == []


async def test_more_than_a_short_burst_is_told_to_wait_and_must_wait(call: Caller) -> None:
    answers = [await call("chat.postMessage", channel=DESK, text="news") for _ in range(5)]
    assert [answer["status"] for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[3]["after"] == "1"
    assert len(call.slack.breaches) == 2
    assert len(call.slack.messages()) == 3
    call.clock.advance(1)
    assert (await call("chat.postMessage", channel=DESK, text="news"))["ok"]


async def test_channels_have_a_limit_each(call: Caller) -> None:
    call.slack.channels["wire"] = "C0000WIRE"
    for _ in range(3):
        await call("chat.postMessage", channel="#desk", text="news")
        await call("chat.postMessage", channel="#wire", text="news")
    assert call.slack.breaches == []
    assert [len(call.slack.messages(name)) for name in ("desk", "wire")] == [3, 3]


async def test_a_reply_pings_nobody_unless_it_is_broadcast(call: Caller) -> None:
    root = await call.post()
    quiet = await call.post(thread_ts=root)
    loud = await call.post(thread_ts=root, reply_broadcast=True)
    assert [each.ts for each in call.slack.thread(root)] == [quiet, loud]
    assert [each.ts for each in call.slack.pings()] == [root, loud]


async def test_a_reply_to_a_reply_is_in_the_same_thread(call: Caller) -> None:
    root = await call.post()
    reply = await call.post(thread_ts=root)
    await call.post(thread_ts=reply)
    assert len(call.slack.thread(root)) == 2


async def test_a_reply_to_nothing_stands_in_the_channel_and_only_the_answer_says_so(call: Caller) -> None:
    answer = await call("chat.postMessage", channel=DESK, text="news", thread_ts="1700000000.000100")
    assert answer["ok"]
    assert "thread_ts" not in answer["message"]
    assert len(call.slack.pings()) == 1


async def test_an_edit_changes_what_is_shown_and_no_more(call: Caller) -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "in blocks"}}
    metadata = {"event_type": "x", "event_payload": {"delivery_id": "d"}}
    ts = await call.post(blocks=[block], metadata=metadata)
    assert call.slack.shown(ts) == "in blocks"
    assert (await call("chat.update", channel=DESK, ts=ts, text="changed"))["ok"]
    assert call.slack.shown(ts) == "changed"
    assert call.slack.edits(ts) == 1
    assert call.slack.delivered() == ["d"]
    assert len(call.slack.pings()) == 1


async def test_an_edit_must_be_of_a_message_of_ones_own_that_is_there_and_not_too_old(call: Caller) -> None:
    call.slack.tokens.add("xoxb-other")
    call.slack.edit_window = 60.0
    ts = await call.post()
    edit = {"channel": DESK, "ts": ts, "text": "changed"}
    assert (await call("chat.update", token="xoxb-other", **edit))["error"] == "cant_update_message"
    assert (await call("chat.update", **edit | {"ts": "1700000000.000100"}))["error"] == "message_not_found"
    assert (await call("chat.update", **edit | {"channel": "#desk"}))["error"] == "channel_not_found"
    assert (await call("chat.update", **edit | {"text": "x" * 4_001}))["error"] == "msg_too_long"
    call.clock.advance(61)
    assert (await call("chat.update", **edit))["error"] == "edit_window_closed"
    assert call.slack.edits(ts) == 0


async def test_fifty_edits_a_minute_are_taken(call: Caller) -> None:
    ts = await call.post()
    answers = [await call("chat.update", channel=DESK, ts=ts, text="changed") for _ in range(51)]
    assert [answer["ok"] for answer in answers].count(True) == 50
    assert answers[-1]["error"] == "ratelimited"


async def test_history_is_asked_once_a_minute_and_gives_fifteen_messages_and_no_replies(call: Caller) -> None:
    root = await call.post()
    await call.post(thread_ts=root)
    for _ in range(20):
        await call.post()
    found = await call("conversations.history", channel=DESK, limit=100)
    assert len(found["messages"]) == 15
    assert found["has_more"]
    assert (await call("conversations.history", channel=DESK))["status"] == 429
    call.clock.advance(60)
    window = {"oldest": f"{float(root) - 1}", "latest": f"{float(root) + 2.5}"}
    found = await call("conversations.history", channel=DESK, **window)
    assert [each["ts"] for each in found["messages"]][-1] == root
    assert all("thread_ts" not in each for each in found["messages"])


async def test_a_thread_is_listed_with_its_root_and_one_that_is_not_there_is_an_error(call: Caller) -> None:
    root = await call.post()
    reply = await call.post(thread_ts=root)
    found = await call("conversations.replies", channel=DESK, ts=root)
    assert [each["ts"] for each in found["messages"]] == [root, reply]
    call.clock.advance(60)
    found = await call("conversations.replies", channel=DESK, ts="1700000000.000100")
    assert found["error"] == "thread_not_found"


async def test_a_token_is_good_until_it_is_revoked(call: Caller) -> None:
    call.slack.revoked_at = call.clock.now() + 10
    await call.post()
    call.clock.advance(10)
    assert (await call("chat.postMessage", channel=DESK, text="news"))["error"] == "token_revoked"
    assert (await call("chat.postMessage", token="xoxb-x", channel=DESK, text="news"))["error"] == "invalid_auth"


async def test_an_archived_channel_and_one_that_is_not_there_take_nothing(call: Caller) -> None:
    ts = await call.post()
    call.slack.archived.add(DESK)
    assert (await call("chat.postMessage", channel=DESK, text="news"))["error"] == "is_archived"
    assert (await call("chat.update", channel=DESK, ts=ts, text="news"))["error"] == "is_inactive"
    assert (await call("chat.postMessage", channel="#none", text="news"))["error"] == "channel_not_found"


async def test_an_answer_that_is_cut_off_comes_after_the_message_was_taken(call: Caller) -> None:
    call.slack.misbehaves = lambda method, now: "cut" if len(call.slack.posted) == 0 else None
    with pytest.raises(ServerDisconnectedError):
        await call("chat.postMessage", channel=DESK, text="news")
    assert len(call.slack.messages()) == 1


async def test_a_message_has_an_address(call: Caller) -> None:
    ts = await call.post()
    found = await call("chat.getPermalink", channel=DESK, message_ts=ts)
    assert found["permalink"].endswith(ts.replace(".", ""))


def _button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Press"}, "action_id": "a", "value": "v"} | more


def _menu(kind: str, options: int, value: str = "v") -> dict[str, Any]:
    option = {"text": {"type": "plain_text", "text": "One"}, "value": value}
    return {"type": kind, "action_id": "m", "options": [option] * options}


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [_button(action_id=str(number)) for number in range(26)],
        [_button(), _button()],
        [_button(text={"type": "plain_text", "text": "x" * 76})],
        [_button(text={"type": "mrkdwn", "text": "Press"})],
        [_button(value="x" * 2_001)],
        [_button(url="https://x.example/" + "x" * 3_000)],
        [_button(action_id="x" * 256)],
        [_menu("overflow", 6)],
        [_menu("overflow", 0)],
        [_menu("overflow", 2, value="x" * 151)],
        [_menu("static_select", 101)],
    ],
)
def test_actions_that_slack_does_not_take(elements: list[dict[str, Any]]) -> None:
    assert problem({"text": "x", "blocks": [{"type": "actions", "elements": elements}]}) == "invalid_blocks"


def test_two_blocks_of_the_same_name_are_not_taken() -> None:
    block = {"type": "section", "block_id": "b", "text": {"type": "mrkdwn", "text": "x"}}
    assert problem({"text": "x", "blocks": [block]}) == ""
    assert problem({"text": "x", "blocks": [block, block]}) == "invalid_blocks"


def test_actions_that_slack_takes() -> None:
    elements = [_button(), _menu("overflow", 5), {**_menu("static_select", 100), "action_id": "s"}]
    assert problem({"text": "x", "blocks": [{"type": "actions", "block_id": "b", "elements": elements}]}) == ""


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "metadata": {"event_type": "x", "event_payload": {"x": "x" * 9_000}}}, "metadata_too_large"),
        ({"text": "x", "metadata": {"event_payload": {}}}, "invalid_metadata_format"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2_900}}] * 5}, "msg_blocks_too_long"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}] * 51}, "invalid_blocks"),
        (
            {"blocks": [{"type": "section", "block_id": "b", "text": {"type": "mrkdwn", "text": "x"}}] * 2},
            "invalid_blocks",
        ),
    ],
)
def test_messages_that_slack_does_not_take(payload: dict[str, Any], code: str) -> None:
    assert problem(payload) == code
