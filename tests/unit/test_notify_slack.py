"""Slack: within its limits whatever the article, and its answers understood."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.errors import Refused, Reject, Retry
from consumers.model import Digest, Message
from consumers.notify import Editor, Finder, Tidings, Unanswered, slack_blocks, wording
from consumers.notify.rendered import Render, Rendered, own_words
from consumers.notify.slack import SlackNotifier
from consumers.notify.slack_text import Block, escape
from consumers.notify.slack_webhook import SlackWebhookNotifier
from tests.alert_samples import (
    ALERT,
    DIGEST,
    ESCALATION,
    HOSTILE,
    MERGED,
    NOON,
    NOTICE,
    TEXT,
    UPDATE,
    digests,
    messages,
)
from tests.fake_slack import FakeSlack
from tests.slack_rules import markup, problem, texts, units, without_links


@pytest.fixture
async def slack() -> AsyncIterator[tuple[FakeSlack, TestServer, ClientSession]]:
    fake = FakeSlack(now=lambda: NOON)
    async with fake.server() as server, ClientSession() as session:
        yield fake, server, session
        fake.release.set()


Setup = tuple[FakeSlack, TestServer, ClientSession]


def bot(setup: Setup, token: str = "xoxb-good", channel: str = "#desk", **more: Any) -> SlackNotifier:
    _, server, session = setup
    return SlackNotifier(session, token, channel, now=lambda: NOON, base_url=str(server.make_url("/api/")), **more)


def hook(setup: Setup, render: Render = own_words) -> SlackWebhookNotifier:
    _, server, session = setup
    url = str(server.make_url("/services/T/B/secret"))
    return SlackWebhookNotifier(session, url, now=lambda: NOON, render=render)


def shown(message: Message) -> str:
    return "\n".join(texts({"blocks": slack_blocks.blocks(message, NOON)}))


def test_an_alert_reads_as_people_expect_it() -> None:
    quote = TEXT.replace("Russian", "*Russian*").replace("strikes", "*strikes*").replace("Homs", "*Homs*")
    lines = shown(ALERT).strip().splitlines()
    assert lines == [
        "*Russian airstrikes Syria* · first report · 14:02 UTC",
        f"*<https://example.org/news/2025/11/21/homs?id=4&amp;lang=en|{ALERT.headline}>*",
        "(3 sources, 2 independent)",
        f">“… {quote} …”",
        "example.org 13:51 · site-two.example 13:57 · site-three.example 14:01 (copy of example.org)",
        "Why: words Russian, air strikes, Homs; passage 2 of 9; clearly above the line",
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages(), st.booleans())
def test_any_article_stays_within_slacks_limits_and_forges_no_markup(message: Message, buttons: bool) -> None:
    is_harmless(message, slack_blocks.blocks(message, NOON, buttons=buttons))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(digests())
def test_any_digest_stays_within_slacks_limits_and_forges_no_markup(digest: Digest) -> None:
    is_harmless(digest, slack_blocks.blocks(digest, NOON))


def is_harmless(message: Tidings, blocks: list[Block]) -> None:
    payload = {"text": slack_blocks.fallback(message), "blocks": blocks, "metadata": slack_blocks.metadata(message)}
    json.dumps(payload, ensure_ascii=False).encode()  # no lone surrogates
    assert problem(payload) == ""
    assert problem(payload, edit=True) == ""
    assert units(json.dumps(blocks, ensure_ascii=False)) < 10_000
    for text in texts(payload):
        assert not [line for line in text.splitlines() if markup(line.removeprefix(">"))]
    for text in texts({"blocks": blocks})[1:]:
        plain = re.sub(r"(?m)^(• )?:(rotating_light|warning): ", "", without_links(text))
        assert not re.search(r"[~`]|(?<![^\W_])_|_(?![^\W_])", plain)


@pytest.mark.parametrize("message", [ALERT, UPDATE, replace(UPDATE, thread=""), ESCALATION, MERGED, DIGEST])
def test_addresses_that_double_when_they_are_escaped_still_fit(message: Message | Digest) -> None:
    long = "https://x.example/?" + "&" * 1_400

    def worse(each: Message) -> Message:
        facts = tuple(replace(fact, url=long, text='"' * 200, quote='"\\' * 400) for fact in each.facts * 9)
        return replace(each, url=long, page=long, headline='"' * 300, facts=facts)

    if isinstance(message, Digest):
        topics = [replace(each, stories=tuple(map(worse, each.stories)) * 50) for each in message.topics]
        made: Message | Digest = replace(message, topics=tuple(topics), page=long)
    else:
        made = worse(message)
    is_harmless(made, slack_blocks.blocks(made, NOON, buttons=True))


def test_an_articles_own_asterisks_and_mentions_are_only_text() -> None:
    text = shown(replace(ALERT, headline=HOSTILE))
    assert "&lt;!channel&gt; &lt;@U1&gt;" in text
    assert "∗bold∗" in text
    assert "*bold*" not in text


async def test_a_message_is_posted_with_its_id_and_no_previews(slack: Setup) -> None:
    receipt = await bot(slack).send(ALERT)
    (posted,) = slack[0].posted
    assert receipt.provider_id == posted["ts"]
    assert posted["metadata"] == {
        "event_type": "wirewatch_alert",
        "event_payload": {"delivery_id": ALERT.delivery_id},
    }
    assert posted["unfurl_links"] is False
    assert posted["channel"] == "#desk"
    assert posted["text"].startswith("Russian airstrikes Syria: Russian warplanes")


async def test_a_notice_is_posted_too(slack: Setup) -> None:
    await bot(slack).send(NOTICE)
    assert "channel desk is disabled" in "".join(texts(slack[0].posted[0]))


async def test_too_fast_means_wait_as_long_as_slack_says(slack: Setup) -> None:
    slack[0].answers = ["ratelimited"]
    with pytest.raises(Retry) as caught:
        await bot(slack).send(ALERT)
    assert caught.value.after == 7.0
    assert not isinstance(caught.value, Unanswered)


@pytest.mark.parametrize(
    "code",
    ["channel_not_found", "not_in_channel", "is_archived", "token_revoked", "account_inactive", "missing_scope", "new"],
)
async def test_what_only_a_person_can_mend_is_refused(slack: Setup, code: str) -> None:
    slack[0].answers = [code]
    with pytest.raises(Refused, match=code):
        await bot(slack).send(ALERT)


async def test_a_wrong_token_is_refused_and_never_named(slack: Setup) -> None:
    with pytest.raises(Refused) as caught:
        await bot(slack, token="xoxb-wrong").send(ALERT)
    assert "xoxb" not in str(caught.value)
    assert "xoxb" not in repr(bot(slack))


@pytest.mark.parametrize("code", ["msg_too_long", "invalid_blocks", "msg_blocks_too_long"])
async def test_a_message_that_is_too_much_goes_out_once_more_in_plain_text(slack: Setup, code: str) -> None:
    slack[0].answers = [code]
    await bot(slack).send(ALERT)
    (posted,) = slack[0].posted
    assert "blocks" not in posted
    assert posted["metadata"]["event_payload"]["delivery_id"] == ALERT.delivery_id


async def test_a_message_that_slack_will_never_take_is_given_up_alone(slack: Setup) -> None:
    slack[0].answers = ["invalid_blocks", "msg_too_long"]
    with pytest.raises(Reject) as caught:
        await bot(slack).send(ALERT)
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize("answer", [500, 502, "internal_error", "fatal_error"])
async def test_a_failing_slack_is_tried_again_and_may_have_posted(slack: Setup, answer: str | int) -> None:
    slack[0].answers = [answer]
    with pytest.raises(Unanswered):
        await bot(slack).send(ALERT)


async def test_a_slack_that_hangs_is_given_a_deadline(slack: Setup) -> None:
    slack[0].answers = ["hang"]
    with pytest.raises(Unanswered):
        await bot(slack, timeout=1.0).send(ALERT)


async def test_a_slack_that_cannot_be_reached_has_surely_not_posted(slack: Setup) -> None:
    notifier = bot(slack)
    await slack[1].close()
    with pytest.raises(Retry) as caught:
        await notifier.send(ALERT)
    assert not isinstance(caught.value, Unanswered)


async def test_after_a_crash_the_message_is_found_by_its_id_and_the_channel_by_its_name(slack: Setup) -> None:
    await bot(slack).send(ALERT)
    after_the_crash = bot(slack)
    assert isinstance(after_the_crash, Finder)
    receipt = await after_the_crash.find(ALERT.delivery_id, NOON)
    assert receipt is not None
    assert receipt.provider_id == slack[0].posted[0]["ts"]
    (call,) = slack[0].history_calls
    assert call["limit"] == "15"
    assert call["channel"] == "C0123ABCD"


async def test_a_message_that_never_arrived_is_not_found_and_history_is_asked_once_a_minute(slack: Setup) -> None:
    notifier = bot(slack, channel="C0123ABCD")
    assert await notifier.find(ALERT.delivery_id, NOON) is None
    with pytest.raises(Retry) as caught:
        await notifier.find(ALERT.delivery_id, NOON)
    assert caught.value.after == 60.0
    assert len(slack[0].history_calls) == 1


async def test_without_the_right_to_read_history_slack_cannot_be_asked(slack: Setup) -> None:
    slack[0].scopes = {"chat:write"}
    with pytest.raises(Reject):
        await bot(slack, channel="C0123ABCD").find(ALERT.delivery_id, NOON)


async def test_through_an_incoming_webhook_an_update_is_a_message_that_names_its_story(slack: Setup) -> None:
    assert not isinstance(hook(slack), Editor)
    await hook(slack).send(UPDATE)
    (message,) = slack[0].messages()
    assert "thread_ts" not in message.payload
    assert message.text.startswith("*Russian airstrikes Syria* · update")
    assert "New: toll 12 → 19 (site-two.example)" in message.text
    assert ALERT.headline in message.text


async def test_an_incoming_webhook_gets_the_same_blocks(slack: Setup) -> None:
    await hook(slack).send(ALERT)
    assert slack[0].posted[0]["blocks"] == slack_blocks.blocks(ALERT, NOON)


@pytest.mark.parametrize("answer", ["no_service", "channel_is_archived", "invalid_token", 410, 404, 403])
async def test_a_removed_incoming_webhook_is_refused_and_its_address_never_named(
    slack: Setup, answer: str | int
) -> None:
    slack[0].answers = [answer]
    with pytest.raises(Refused) as caught:
        await hook(slack).send(ALERT)
    assert "secret" not in str(caught.value)


async def test_an_incoming_webhook_that_dislikes_the_blocks_gets_plain_text(slack: Setup) -> None:
    slack[0].answers = [400]
    await hook(slack).send(ALERT)
    assert "blocks" not in slack[0].posted[0]


async def test_an_incoming_webhook_that_is_too_busy_says_how_long(slack: Setup) -> None:
    slack[0].answers = [429]
    with pytest.raises(Retry) as caught:
        await hook(slack).send(ALERT)
    assert caught.value.after == 7.0


# -- templates


def said(text: str, subject: str = "", note: str = "") -> Render:
    return lambda tidings: Rendered(text=text, subject=subject, note=note)


async def test_what_a_template_says_stands_for_our_own_words(slack: Setup) -> None:
    words = f"*{escape('A & B *bold*', 1000)}*\n<{ALERT.url.replace('&', '&amp;')}|open>"
    receipt = await bot(slack, render=said(words, "Strikes", "line 3 was odd"), buttons=True).send(ALERT)
    (message,) = slack[0].messages()
    assert message.text == words == f"*A &amp; B ∗bold∗*\n<{ALERT.url.replace('&', '&amp;')}|open>"
    assert message.payload["text"] == "Strikes"
    assert message.payload["blocks"][-1]["type"] == "actions"
    assert receipt.note == "line 3 was odd"


async def test_what_became_of_a_story_is_shown_whatever_a_template_says(slack: Setup) -> None:
    notifier = bot(slack, render=said("short"))
    root = (await notifier.send(ALERT)).provider_id
    await notifier.edit(root, replace(MERGED, possible_repeat=True))
    assert slack[0].shown(root).splitlines() == [
        "Now part of the story “Strikes on Homs kill 19”",
        "Muted by Ana until 18:00 UTC",
        f":warning: {wording.REPEAT}",
        "short",
    ]


@pytest.mark.parametrize(
    "words",
    ["x" * 20_000, "a line\n" * 3_000, "<https://x.example/1|one> &amp; " * 900, "\U0001f600" * 9_000, '"' * 9_000],
)
@pytest.mark.parametrize("tidings", [UPDATE, DIGEST])
async def test_a_template_that_says_too_much_is_cut_at_the_end(slack: Setup, words: str, tidings: Tidings) -> None:
    await bot(slack, render=said(words), buttons=True).send(tidings)
    (message,) = slack[0].messages()
    assert "blocks" in message.payload
    assert units(message.text) > 1_000
    assert markup(message.text) == ""
    await hook(slack, render=said(words)).send(tidings)
    assert units(slack[0].messages()[-1].text) > 1_000


async def test_where_a_template_says_nothing_our_own_words_stay(slack: Setup) -> None:
    await bot(slack, render=said("")).send(DIGEST)
    assert slack[0].posted[0]["blocks"] == slack_blocks.blocks(DIGEST, NOON)
