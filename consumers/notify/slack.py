"""Slack with a bot token: chat.postMessage, and conversations.history to ask what arrived.

Rights that the token needs: chat:write; to be asked after a crash also channels:history (private channels:
groups:history), and where the channel is given by name channels:read (groups:read).
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from consumers.errors import Refused, Reject, Retry
from consumers.model import Message, Notice, Receipt
from consumers.notify import Repeats, Unanswered, slack_blocks
from consumers.notify.status import classify, wait

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web.async_slack_response import AsyncSlackResponse

API = "https://slack.com/api/"
HISTORY_GAP = 60.0  # one conversations.history a minute and 15 messages a call, for apps outside the Marketplace
HISTORY_PAGE = 15
_EARLY, _LATE = 60.0, 600.0  # seconds around the sending in which the message is looked for; clocks differ
_LIST_PAGES = 20

# https://docs.slack.dev/reference/methods/chat.postMessage#errors
_BUSY = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_FAILED = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}  # may have been done all the same
_TOO_MUCH = {"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "metadata_too_large"}
_THIS_ONE = {"no_text", "invalid_arguments", "duplicate_message_not_found", "restricted_action_non_threadable_channel"}
_WHAT_TO_DO = {
    "channel_not_found": "it knows no such channel: check the name, and invite the app if the channel is private",
    "not_in_channel": "the app is not in the channel: invite it there",
    "is_archived": "the channel is archived",
    "invalid_auth": "the token is not valid",
    "not_authed": "there is no token",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "account_inactive": "the token's account was removed",
    "missing_scope": "the token lacks a right: it needs chat:write",
}

_ID = re.compile(r"[CDG][A-Z0-9]{8,}")

Call = Coroutine[Any, Any, "AsyncSlackResponse"]


class SlackNotifier:
    """Both a ``Notifier`` and a ``Finder``. The caller keeps ``gap``: about one message a second and channel."""

    repeats: Repeats = "marked"

    def __init__(
        self,
        session: "ClientSession",
        token: str,
        channel: str,
        *,
        now: Callable[[], float],
        base_url: str = API,
        timeout: float = 30.0,
        gap: float = 1.0,
    ) -> None:
        """``channel``: an id ("C0123ABCD") or "#name"."""
        from slack_sdk.web.async_client import AsyncWebClient

        # its own retries would repeat a message whose answer got lost
        self._client = AsyncWebClient(token=token, session=session, base_url=base_url, retry_handlers=[])
        self._channel = channel
        self._channel_id = channel if _ID.fullmatch(channel) else ""
        self._now = now
        self._timeout = timeout
        self._asked = float("-inf")
        self.gap = gap

    async def send(self, message: Message | Notice) -> Receipt:
        """A message that is too much for Slack is sent once more in plain text, before it is given up."""
        text = slack_blocks.fallback(message)
        try:
            return await self._post(message, text, slack_blocks.blocks(message, self._now()))
        except _TooMuchError:
            pass
        try:
            return await self._post(message, text, None)
        except _TooMuchError as error:
            raise Reject(f"Slack takes this message neither in blocks nor in plain text ({error.code})") from error

    async def find(self, delivery_id: str, since: float) -> Receipt | None:
        """One call of 15 messages, at most one a minute."""
        if (left := self._asked + HISTORY_GAP - self._now()) > 0:
            raise Retry("Slack's history may be asked once a minute", after=left)
        channel = await self._id()
        self._asked = self._now()
        answer = await self._ask(
            self._client.conversations_history(
                channel=channel,
                oldest=f"{since - _EARLY:.6f}",
                latest=f"{since + _LATE:.6f}",
                limit=HISTORY_PAGE,
                include_all_metadata=True,
            )
        )
        for message in answer.get("messages") or []:
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if payload.get("delivery_id") == delivery_id:
                return Receipt(provider_id=str(message.get("ts", "")))
        return None

    async def _post(self, message: Message | Notice, text: str, blocks: list[slack_blocks.Block] | None) -> Receipt:
        answer = await self._ask(
            self._client.chat_postMessage(
                channel=self._channel,
                text=text,
                blocks=blocks,
                metadata=slack_blocks.metadata(message),
                unfurl_links=False,
                unfurl_media=False,
            )
        )
        self._channel_id = str(answer.get("channel") or self._channel_id)
        return Receipt(provider_id=str(answer.get("ts", "")))

    async def _id(self) -> str:
        """History takes ids only. The channel's is known from a message sent before, else it is looked up."""
        cursor, wanted = "", self._channel.removeprefix("#")
        for _ in range(0 if self._channel_id else _LIST_PAGES):
            answer = await self._ask(
                self._client.conversations_list(
                    types="public_channel,private_channel", exclude_archived=True, limit=200, cursor=cursor
                )
            )
            for channel in answer.get("channels") or []:
                if channel.get("name") == wanted:
                    self._channel_id = str(channel["id"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if self._channel_id or not cursor:
                break
        if not self._channel_id:
            raise Reject(f"Slack lists no channel named {wanted}")
        return self._channel_id

    async def _ask(self, call: Call) -> dict[str, Any]:
        import aiohttp
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            async with asyncio.timeout(self._timeout):
                data = (await call).data
        except SlackApiError as error:
            raise verdict(error, self._now()) from error
        except TimeoutError as error:
            raise Unanswered(f"Slack did not answer within {self._timeout:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise Retry("cannot connect to Slack") from error
        except (
            aiohttp.ClientError,
            SlackClientError,
            AttributeError,
        ) as error:  # AttributeError: text where JSON was due
            raise Unanswered("Slack's answer broke off or was no answer of Slack's") from error
        return data if isinstance(data, dict) else {}


class _TooMuchError(Reject):
    def __init__(self, code: str) -> None:
        super().__init__(f"too much for Slack ({code})")
        self.code = code


def verdict(error: "SlackApiError", now: float) -> Reject | Retry:
    """What a refusal of the Web API means for the sender.

    An unknown code disables the channel, where alerts wait, rather than give up one alert after the other.
    """
    response = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    body = getattr(response, "data", None)
    code = str(body.get("error", "")) if isinstance(body, dict) else ""
    after = wait(response.headers.get("Retry-After", ""), now)
    if status == 429 or code in _BUSY:
        return Retry("Slack asked us to slow down", after=after if after is not None else 30.0)
    if code in _TOO_MUCH:
        return _TooMuchError(code)
    if code in _THIS_ONE:
        return Reject(f"Slack does not take this message ({code})")
    if code in _FAILED or not code:
        return classify(status, now=now) or Unanswered(
            f"Slack failed ({code or f'HTTP {status}, no answer'})", after=after
        )
    return Refused(f"Slack refuses: {_WHAT_TO_DO.get(code, 'see its documentation')} ({code[:60]})")
