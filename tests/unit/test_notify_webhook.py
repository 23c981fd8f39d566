"""The webhook: signed, small, and never sent elsewhere."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings

from consumers.errors import Refused, Reject, Retry
from consumers.model import Digest, Message
from consumers.notify import Unanswered
from consumers.notify.status import LONGEST_WAIT, wait
from consumers.notify.webhook import WebhookNotifier, body
from tests.alert_samples import ALERT, DIGEST, ESCALATION, MERGED, NOON, NOTICE, digests, messages
from tests.fake_webhook import FakeWebhook

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
Setup = tuple[FakeWebhook, TestServer, ClientSession]


@pytest.fixture
async def hook() -> AsyncIterator[Setup]:
    fake = FakeWebhook()
    async with fake.server() as server, ClientSession() as session:
        yield fake, server, session
        fake.release.set()


def notifier(setup: Setup, *, secret: str = SECRET, timeout: float = 10.0) -> WebhookNotifier:
    _, server, session = setup
    return WebhookNotifier(session, str(server.make_url("/hook")), secret=secret, now=lambda: NOON, timeout=timeout)


async def test_an_alert_is_posted_signed_and_a_receiver_can_check_it(hook: Setup) -> None:
    await notifier(hook).send(ALERT)
    ((headers, content),) = hook[0].requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    expected = base64.b64encode(hmac.new(b"k" * 24, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-id"] == ALERT.delivery_id
    assert headers["webhook-timestamp"] == str(int(NOON))


def test_the_signature_is_the_one_of_the_specifications_own_example() -> None:
    from consumers.notify.webhook import signature, signing_key

    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_body_is_what_the_documentation_says() -> None:
    record = json.loads(body(ALERT))
    assert record["type"] == "alert.first"
    assert record["timestamp"] == "2025-11-21T14:02:00Z"
    told = record["data"]
    assert told["topic"] == {"id": "russian-airstrikes-syria", "query": "Russian airstrikes Syria"}
    assert (told["sources"], told["independent"]) == (3, 2)
    assert told["reports"][2]["copy_of"] == "example.org"
    begin, end = told["passage"]["marks"][0]
    assert told["passage"]["text"][begin:end] == "Russian"
    assert "score" not in json.dumps(record)
    assert json.loads(body(NOTICE))["type"] == "notice"


def test_an_update_says_what_is_new_and_what_it_belongs_to() -> None:
    record = json.loads(body(replace(ESCALATION, follows=("d" * 32, "e" * 32), status=("muted by Ana",))))
    assert record["type"] == "alert.escalation"
    told = record["data"]
    assert told["facts"] == [
        {
            "kind": "toll",
            "text": "toll 12 → 19",
            "quote": "At least 19 people were killed, the civil defence said.",
            "source": "site-two.example",
            "url": "https://site-two.example/toll",
            "at": "2025-11-21T15:10:00Z",
        }
    ]
    assert [fact["kind"] for fact in told["timeline"]] == ["actor", "place", "toll"]
    assert (told["why"], told["severity"]) == ("3 independent sources within 30 minutes", "urgent")
    assert (told["articles"], told["latest"]) == (14, "2025-11-21T15:40:00Z")
    assert told["story_id"] == json.loads(body(ALERT))["data"]["story_id"]
    assert told["follows"] == ["d" * 32, "e" * 32]
    assert (told["merged_into"], told["status"]) == ("", ["muted by Ana"])
    assert json.loads(body(MERGED))["data"]["merged_into"] == "Strikes on Homs kill 19"


def test_a_digest_holds_its_stories_by_topic_and_says_what_it_leaves_out() -> None:
    record = json.loads(body(DIGEST))
    assert (record["type"], record["timestamp"]) == ("digest", "2025-11-21T15:42:00Z")
    told = record["data"]
    assert (told["reason"], told["title"]) == ("times", "Digest of 07:00 Europe/Paris")
    syria, floods, grain = told["topics"]
    assert syria["topic"] == {"id": "russian-airstrikes-syria", "query": "Russian airstrikes Syria"}
    assert [story["kind"] for story in syria["stories"]] == ["update", "escalation"]
    assert [fact["kind"] for fact in syria["stories"][0]["facts"]] == ["correction", "toll"]
    assert [miss["title"] for miss in grain["near_misses"]] == ["Wheat futures fall"]
    assert [topic["more"] for topic in (syria, floods, grain)] == [0, 0, 0]
    crowded = replace(DIGEST, topics=(replace(DIGEST.topics[0], stories=(ALERT,) * 150), DIGEST.topics[1]))
    topics = json.loads(body(crowded))["data"]["topics"]
    assert [(len(topic["stories"]), topic["more"]) for topic in topics] == [(99, 51), (1, 0)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(digests())
def test_any_digest_is_valid_json_with_web_links_only(digest: Digest) -> None:
    told = json.loads(body(digest))["data"]
    misses = [miss["url"] for topic in told["topics"] for miss in topic["near_misses"]]
    stories = [story["links"]["open"] for topic in told["topics"] for story in topic["stories"]]
    links = [told["links"]["page"], *misses, *stories]
    assert all(link == "" or link.startswith(("http://", "https://")) for link in links)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages())
def test_any_article_makes_valid_json_with_web_links_only(message: Message) -> None:
    told = json.loads(body(message))["data"]
    links = [told["links"]["open"], told["links"]["page"], *(report["url"] for report in told["reports"])]
    links += [fact["url"] for fact in (*told["facts"], *told["timeline"])]
    assert all(link == "" or link.startswith(("http://", "https://")) for link in links)


async def test_without_a_secret_it_is_not_signed(hook: Setup) -> None:
    await notifier(hook, secret="").send(ALERT)
    assert "webhook-signature" not in hook[0].requests[0][0]


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_message_the_receiver_dislikes_is_given_up_alone(hook: Setup, status: int) -> None:
    hook[0].answers = [status]
    with pytest.raises(Reject) as caught:
        await notifier(hook).send(ALERT)
    assert not isinstance(caught.value, Refused)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 410])
async def test_an_address_that_is_gone_or_closed_is_refused(hook: Setup, status: int) -> None:
    hook[0].answers = [status]
    with pytest.raises(Refused, match=str(status)):
        await notifier(hook).send(ALERT)


async def test_a_redirect_is_refused_and_not_followed(hook: Setup) -> None:
    hook[0].answers, hook[0].headers = [307], {"Location": "/elsewhere"}
    with pytest.raises(Refused):
        await notifier(hook).send(ALERT)
    assert len(hook[0].requests) == 1


async def test_a_busy_receiver_is_given_the_time_it_asks_for(hook: Setup) -> None:
    hook[0].answers, hook[0].headers = [429], {"Retry-After": "12"}
    with pytest.raises(Retry) as caught:
        await notifier(hook).send(ALERT)
    assert caught.value.after == 12.0


@pytest.mark.parametrize("status", [500, 502, 504, 0])
async def test_a_receiver_that_fails_may_have_taken_it(hook: Setup, status: int) -> None:
    hook[0].answers = [status]
    with pytest.raises(Unanswered):
        await notifier(hook).send(ALERT)


async def test_a_receiver_that_hangs_is_given_a_deadline(hook: Setup) -> None:
    hook[0].answers = [-1]
    with pytest.raises(Unanswered):
        await notifier(hook, timeout=1.0).send(ALERT)


async def test_no_receiver_means_try_again(hook: Setup) -> None:
    desk = notifier(hook)
    await hook[1].close()
    with pytest.raises(Retry) as caught:
        await desk.send(ALERT)
    assert not isinstance(caught.value, Unanswered)


def test_a_secret_that_is_no_base64_is_named_but_not_shown(hook: Setup) -> None:
    with pytest.raises(ValueError, match="base64") as caught:
        notifier(hook, secret="whsec_!!!hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("Fri, 21 Nov 2025 14:03:00 GMT", 60.0),
        ("Sat, 21 Nov 2020 14:03:00 GMT", 0.0),
        ("999999999", LONGEST_WAIT),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.2.3", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert wait(header, NOON) == seconds
