"""Slack with a bot token: a story's first report is a message that lives, what is new are replies in its thread.

Rights that the token needs: chat:write; to be asked after a crash also channels:history (private channels:
groups:history), and where the channel is given by name channels:read (groups:read).
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from consumers.errors import Reject, Retry
from consumers.model import Message, Receipt
from consumers.notify import Repeats, Tidings, Unanswered, slack_blocks
from consumers.notify.rendered import Render, own_words
from consumers.notify.slack_errors import (
    LacksScopeError,
    NotEditableError,
    NoThreadError,
    TooMuchError,
    edit_verdict,
    verdict,
)
from consumers.notify.slack_pace import Pace
from consumers.notify.slack_text import Block

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web.async_slack_response import AsyncSlackResponse

API = "https://slack.com/api/"
HISTORY_PAGE = 15  # messages of one call, for apps outside the Marketplace
_EARLY, _LATE = 60.0, 600.0  # seconds around the sending in which the message is looked for; clocks differ
_LIST_PAGES = 20
_IN_THREAD = {"update", "escalation"}

_ID = re.compile(r"[CDG][A-Z0-9]{8,}")

Answer = dict[str, Any]
Call = Coroutine[Any, Any, "AsyncSlackResponse"]
Verdict = Callable[["SlackApiError", float], Reject | Retry]


class SlackNotifier:
    """``Notifier``, ``Finder`` and ``Editor``. The caller keeps ``gap``: about one message a second and channel."""

    repeats: Repeats = "marked"

    def __init__(
        self,
        session: "ClientSession",
        token: str,
        channel: str,
        *,
        now: Callable[[], float],
        buttons: bool = False,
        render: Render = own_words,
        base_url: str = API,
        timeout: float = 30.0,
        gap: float = 1.0,
        pace: Pace | None = None,
    ) -> None:
        """``channel``: an id ("C0123ABCD") or "#name". ``buttons``: somebody hears it when one is pressed.

        ``pace``: of the token, where others use it, too.
        """
        from slack_sdk.web.async_client import AsyncWebClient

        # its own retries would repeat a message whose answer got lost
        self._client = AsyncWebClient(token=token, session=session, base_url=base_url, retry_handlers=[])
        self._channel = channel
        self._channel_id = channel if _ID.fullmatch(channel) else ""
        self._now = now
        self._buttons = buttons
        self._render = render
        self._timeout = timeout
        self._pace = pace or Pace(now)
        self._roots: dict[str, str] = {}  # of threads that are gone: the message that took the root's place
        self.gap = gap

    async def send(self, message: Tidings) -> Receipt:
        """An update is a reply in its story's thread, an escalation is shown in the channel as well.

        Where the thread is gone the message goes into the channel, and what follows goes under it. A message that is
        too much for Slack is sent once more in plain text, before it is given up.
        """
        if not isinstance(message, Message):
            return await self._tell(message, "")
        thread = self._roots.get(message.thread, message.thread) if message.kind in _IN_THREAD else ""
        if thread:
            try:
                return await self._tell(message, thread)
            except NoThreadError:
                pass
        receipt = await self._tell(slack_blocks.alone(message), "")
        if thread:
            self._roots[message.thread] = receipt.provider_id
        return receipt

    async def edit(self, provider_id: str, message: Message) -> None:
        self._pace.edit()
        channel = await self._editable_in()
        text, shown, _ = self._content(slack_blocks.alone(message))
        try:
            await self._update(channel, provider_id, text, shown)
        except TooMuchError:
            try:
                await self._update(channel, provider_id, text, None)
            except TooMuchError as error:
                raise NotEditableError(f"Slack takes this edit neither in blocks nor plain ({error.code})") from error

    async def find(self, delivery_id: str, since: float, thread: str = "") -> Receipt | None:
        """At most once a minute, one call of 15 messages; two for a reply: it is in its thread, unless that is gone."""
        channel = await self._id()
        self._pace.look()
        if thread:
            with suppress(NoThreadError):
                replies = await self._look("conversations.replies", channel, since, ts=self._roots.get(thread, thread))
                if found := _found(replies, delivery_id):
                    return found
        return _found(await self._look("conversations.history", channel, since), delivery_id)

    async def _look(self, method: str, channel: str, since: float, **where: str) -> Answer:
        """Each method has its own limit. No GET: aiohttp repeats one by itself when the connection breaks."""
        asked = {
            "channel": channel,
            "oldest": f"{since - _EARLY:.6f}",
            "latest": f"{since + _LATE:.6f}",
            "limit": HISTORY_PAGE,
            "include_all_metadata": True,
        }
        return await self._ask(self._client.api_call(method, data=asked | where))

    def _content(self, message: Tidings) -> tuple[str, list[Block], str]:
        """Text, blocks, and a note for the operator."""
        words = self._render(message)
        blocks = slack_blocks.blocks(message, self._now(), buttons=self._buttons, words=words.text)
        return slack_blocks.fallback(message, words.subject), blocks, words.note

    async def _tell(self, message: Tidings, thread: str) -> Receipt:
        text, blocks, note = self._content(message)
        try:
            ts = await self._post(message, text, blocks, thread)
        except TooMuchError:
            try:
                ts = await self._post(message, text, None, thread)
            except TooMuchError as error:
                raise Reject(f"Slack takes this message neither in blocks nor plain ({error.code})") from error
        return Receipt(provider_id=ts, note=note)

    async def _post(self, message: Tidings, text: str, blocks: list[Block] | None, thread: str) -> str:
        broadcast = bool(thread) and isinstance(message, Message) and message.kind == "escalation"
        answer = await self._ask(
            self._client.chat_postMessage(
                channel=self._channel,
                text=text,
                blocks=blocks,
                metadata=slack_blocks.metadata(message),
                thread_ts=thread or None,
                reply_broadcast=broadcast or None,
                unfurl_links=False,
                unfurl_media=False,
            )
        )
        self._channel_id = str(answer.get("channel") or self._channel_id)
        ts, posted = str(answer.get("ts", "")), answer.get("message") or {}
        if thread and isinstance(message, Message) and posted and not posted.get("thread_ts"):
            # Slack posts a reply to a deleted message into the channel, and says so only here (slack-go/slack #1571)
            self._roots[message.thread] = ts
        return ts

    async def _update(self, channel: str, ts: str, text: str, blocks: list[Block] | None) -> None:
        """The metadata that is left out stays as it is; ``parse`` would not: its default here is "client"."""
        await self._ask(
            self._client.chat_update(channel=channel, ts=ts, text=text, blocks=blocks, parse="none"), edit_verdict
        )

    async def _editable_in(self) -> str:
        try:
            return await self._id()
        except LacksScopeError as error:
            raise NotEditableError(
                "to edit a message Slack needs the channel's id: name it by that, or give the token channels:read"
            ) from error

    async def _id(self) -> str:
        """Some calls take ids only. The channel's is known from a message sent before, else it is looked up."""
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

    async def _ask(self, call: Call, judged: Verdict = verdict) -> Answer:
        import aiohttp
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            async with asyncio.timeout(self._timeout):
                data = (await call).data
        except SlackApiError as error:
            raise judged(error, self._now()) from error
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


def _found(answer: Answer, delivery_id: str) -> Receipt | None:
    for message in answer.get("messages") or []:
        payload = (message.get("metadata") or {}).get("event_payload") or {}
        if payload.get("delivery_id") == delivery_id:
            return Receipt(provider_id=str(message.get("ts", "")))
    return None
