"""Apprise: through its own json:// to a server of ours, which says no, nothing, or too late."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given

from consumers.errors import Retry
from consumers.model import Message
from consumers.notify import Unanswered, push_text, samples
from consumers.notify.apprise import AppriseNotifier
from consumers.notify.rendered import Rendered
from tests.alert_samples import ALERT, ESCALATION, HOSTILE, NOON, NOTICE, messages
from tests.fake_webhook import FakeWebhook

Setup = tuple[FakeWebhook, TestServer]


@pytest.fixture
async def service() -> AsyncIterator[Setup]:
    fake = FakeWebhook()
    async with fake.server() as server:
        yield fake, server
        fake.release.set()


def notifier(setup: Setup, *, rendered: Rendered | None = None, timeout: float = 10.0) -> AppriseNotifier:
    """Apprise itself waits 4 s for an answer. The header is what the fake receiver knows a message by."""
    url = f"json://desk:hunter2@127.0.0.1:{setup[1].port}/hook?+webhook-id=1"
    return AppriseNotifier(url, now=lambda: NOON, render=lambda _: rendered or Rendered(), timeout=timeout)


def posted(setup: Setup) -> dict[str, str]:
    ((_, content),) = setup[0].requests
    record: dict[str, str] = json.loads(content)
    return record


async def test_an_alert_arrives_as_a_title_and_a_text(service: Setup) -> None:
    receipt = await notifier(service).send(ALERT)
    record = posted(service)
    assert record["title"] == "Russian airstrikes Syria: Russian warplanes strike targets near Homs, ministry says"
    assert "site-three.example 14:01 (copy of example.org)" in record["message"]
    assert ALERT.url in record["message"]
    assert record["type"] == "info"
    assert receipt.note == ""


async def test_what_is_urgent_is_pushed_as_a_warning(service: Setup) -> None:
    await notifier(service).send(samples.alert("escalation"))
    assert posted(service)["type"] == "warning"


async def test_digests_and_notices_arrive_too(service: Setup) -> None:
    await notifier(service).send(samples.digest())
    await notifier(service).send(NOTICE)
    digest, notice = (json.loads(content) for _, content in service[0].requests)
    assert "Footbridge over the Elm" in digest["message"]
    assert notice["title"] == "Wirewatch: channel desk is disabled"
    assert notice["message"] == "It is archived.\nMend it."


async def test_a_template_makes_title_and_text_and_its_note_is_handed_on(service: Setup) -> None:
    rendered = Rendered(text="Just this.", subject="Look", note="careful")
    receipt = await notifier(service, rendered=rendered).send(replace(ALERT, possible_repeat=True))
    record = posted(service)
    assert record["title"] == "Look"
    assert record["message"].endswith("\nJust this.")
    assert record["message"].startswith("May be a repeat")
    assert receipt.note == "careful"


@pytest.mark.parametrize("status", [400, 403, 500, 302, 0])
async def test_a_no_is_in_doubt_for_it_has_no_reason(service: Setup, status: int) -> None:
    service[0].answers = [status]
    with pytest.raises(Unanswered) as raised:
        await notifier(service).send(ALERT)
    assert "hunter2" not in raised.value.reason
    assert len(service[0].requests) == 1


async def test_a_service_that_hangs_is_waited_for_so_long_and_not_asked_a_second_time_meanwhile(service: Setup) -> None:
    service[0].answers = [-1]
    channel = notifier(service, timeout=1.0)
    with pytest.raises(Unanswered):
        await channel.send(ALERT)
    with pytest.raises(Retry) as raised:
        await channel.send(ALERT)
    assert raised.value.after == 1.0
    service[0].release.set()
    async with asyncio.timeout(60):
        while True:
            try:
                await channel.send(ALERT)
                break
            except Retry:  # until the answer has come through Apprise
                await asyncio.sleep(0.01)
    assert len(service[0].requests) >= 2


async def test_nothing_that_is_logged_holds_the_address(service: Setup, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service[0].answers = [500]
    with pytest.raises(Unanswered):
        await notifier(service).send(ALERT)
    assert not [record for record in caplog.records if record.name.startswith(("apprise", "urllib3"))]
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("url", ["", "nosuch://hunter2@example.org", "slack://hunter2", "https://", "hunter2"])
def test_an_address_that_apprise_makes_nothing_of_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(ValueError, match=r"appriseit\.com") as raised:
        AppriseNotifier(url, now=lambda: NOON)
    assert "hunter2" not in str(raised.value)


def test_without_the_extra_it_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['apprise'] = None\n"
        "from consumers.notify.apprise import AppriseNotifier\n"
        "try: AppriseNotifier('json://127.0.0.1', now=lambda: 0.0)\n"
        "except ValueError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert 'pip install "apprise>=2.2,<3"' in told.stdout


def test_no_article_calls_a_whole_room() -> None:
    alert = replace(ALERT, headline="@everyone look @Here", reasons=("<!channel> <@U1> @all",))
    text = push_text.title(alert) + push_text.body(alert, NOON)
    for call in ("@everyone", "@Here", "<!channel>", "<@U1>", "@all"):
        assert call not in text
    assert push_text.unpinged("mail me at desk@example.org, @anna") == "mail me at desk@example.org, @anna"


def test_an_escalation_says_what_was_found_so_far_to_who_hears_of_it_for_the_first_time() -> None:
    text = push_text.body(replace(ESCALATION, facts=()), NOON)
    assert "So far: " in text
    assert "toll 12 → 19 (site-two.example)" in text
    assert "So far" not in push_text.body(ALERT, NOON)


@given(message=messages())
def test_any_article_gives_lines_without_control_characters(message: Message) -> None:
    text = push_text.body(message, NOON)
    assert all(char.isprintable() or char in "\n\u2060" or ord(char) > 127 for char in text)
    assert len(text) < 10_000


def test_hostile_text_stays_on_its_line() -> None:
    lines = push_text.body(replace(ALERT, headline=HOSTILE, reasons=(HOSTILE,)), NOON).split("\n")
    assert not any(line.startswith("Bcc:") for line in lines)
