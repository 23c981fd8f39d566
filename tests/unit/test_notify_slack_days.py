"""Days in a Slack that fails again and again: what a patient sender tells through it is told once, in order."""

import random
from dataclasses import replace

from aiohttp import ClientSession

from consumers.errors import Retry
from consumers.model import Message
from consumers.notify import Unanswered
from consumers.notify.slack import SlackNotifier
from tests.alert_samples import ALERT, ESCALATION, UPDATE
from tests.fake_channels import HeldClock
from tests.fake_slack import Answer, FakeSlack

STORIES, FOLLOWS = 60, 4
FAILURES: list[Answer] = ["cut", "ratelimited", 503, 500, "internal_error", "fatal_error"]


class Patient:
    """Sends like the daemon: one at a time, a second apart; what may have arrived is asked for before a repeat."""

    def __init__(self, notifier: SlackNotifier, clock: HeldClock) -> None:
        self._notifier, self._clock = notifier, clock

    async def tell(self, message: Message) -> str:
        in_doubt, since = False, self._clock.now()
        while True:
            self._clock.advance(self._notifier.gap)
            try:
                if in_doubt and (found := await self._notifier.find(message.delivery_id, since, message.thread)):
                    return found.provider_id
                in_doubt, since = False, self._clock.now()
                return (await self._notifier.send(message)).provider_id
            except Retry as error:
                in_doubt = in_doubt or isinstance(error, Unanswered)
                self._clock.advance(error.after or 5.0)

    async def show(self, provider_id: str, message: Message) -> None:
        while True:
            self._clock.advance(self._notifier.gap)
            try:
                return await self._notifier.edit(provider_id, message)
            except Retry as error:
                self._clock.advance(error.after or 5.0)


async def test_whatever_fails_every_message_is_told_once_in_order_and_within_every_limit() -> None:
    rng, clock = random.Random(7), HeldClock()
    slack = FakeSlack(
        now=clock.now, misbehaves=lambda method, now: rng.choice(FAILURES) if rng.random() < 0.2 else None
    )
    async with slack.server() as server, ClientSession() as session:
        url = str(server.make_url("/api/"))
        patient = Patient(
            SlackNotifier(session, "xoxb-good", "#desk", now=clock.now, base_url=url, buttons=True), clock
        )
        roots, sent = [], []
        for story in range(STORIES):
            first = replace(ALERT, delivery_id=f"first {story}")
            roots.append(await patient.tell(first))
            sent.append(first.delivery_id)
            for number in range(FOLLOWS):
                kind = ESCALATION if number == FOLLOWS - 1 else UPDATE
                follows = replace(kind, delivery_id=f"{story} {number}", thread=roots[-1])
                await patient.tell(follows)
                sent.append(follows.delivery_id)
                await patient.show(roots[-1], replace(first, articles=number + 5, latest=clock.now()))
    assert slack.delivered() == sent
    assert [each.ts for each in slack.pings() if not each.thread] == roots
    assert len(slack.pings()) == 2 * STORIES
    assert all(len(slack.thread(root)) == FOLLOWS for root in roots)
    assert all(f"{FOLLOWS + 4} reports" in slack.shown(root) for root in roots)
    assert slack.breaches == []
