"""Slack through an incoming webhook: the lesser way. It returns no id, so nothing is edited or threaded, and
cannot be asked what it holds.

The address is the secret, so it is in no error. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from consumers.errors import Refused, Reject, Retry
from consumers.model import Message, Receipt
from consumers.notify import Repeats, Tidings, slack_blocks
from consumers.notify.http_post import Answer, post
from consumers.notify.rendered import Render, own_words
from consumers.notify.status import classify

if TYPE_CHECKING:
    from aiohttp import ClientSession

_GONE = {
    "no_service": "the webhook was removed",
    "no_service_id": "the webhook's address is incomplete",
    "no_team": "the webhook's workspace is gone",
    "team_disabled": "the workspace is disabled",
    "invalid_token": "the webhook's address is not valid",
    "channel_not_found": "the webhook's channel is gone",
    "channel_is_archived": "the webhook's channel is archived",
    "action_prohibited": "an administrator does not allow it",
    "posting_to_general_channel_denied": "an administrator does not allow posts there",
}


class SlackWebhookNotifier:
    repeats: Repeats = "marked"

    def __init__(
        self,
        session: "ClientSession",
        url: str,
        *,
        now: Callable[[], float],
        render: Render = own_words,
        timeout: float = 30.0,
        gap: float = 1.0,
    ) -> None:
        self._session = session
        self._url = url
        self._now = now
        self._render = render
        self._timeout = timeout
        self.gap = gap

    async def send(self, message: Tidings) -> Receipt:
        """An update is a message of its own. One that Slack calls malformed is sent once more in plain text."""
        message = slack_blocks.alone(message) if isinstance(message, Message) else message
        words = self._render(message)
        text = slack_blocks.fallback(message, words.subject)
        error = await self._post({"text": text, "blocks": slack_blocks.blocks(message, self._now(), words=words.text)})
        if isinstance(error, Reject) and not isinstance(error, Refused):
            error = await self._post({"text": text})
        if error:
            raise error
        return Receipt(note=words.note)

    async def _post(self, payload: dict[str, object]) -> Retry | Reject | None:
        payload |= {"unfurl_links": False, "unfurl_media": False}
        content = json.dumps(payload, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return self._verdict(await post(self._session, self._url, content, headers, deadline=self._timeout))

    def _verdict(self, answer: Answer) -> Retry | Reject | None:
        if why := _GONE.get(answer.text.strip()):
            return Refused(f"Slack refuses: {why} ({answer.text.strip()})")
        return classify(answer.status, retry_after=answer.retry_after, now=self._now())
