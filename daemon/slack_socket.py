"""Slack's Socket Mode: presses on buttons arrive on a connection that we open, so nothing of ours has to be public.

https://docs.slack.dev/apis/events-api/using-socket-mode. Slack ends a connection every few hours and says so some
seconds before; the next one is opened before the old one goes, because a press that finds none is lost. The client of
slack_sdk 3.47 closes first and opens then, and after a failure dials the same address for ever, which is good for one
use: 15 attempts on one address in three seconds, against a fake of Slack.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from consumers.errors import Refused, Retry
from consumers.notify.http_post import post
from consumers.notify.status import wait
from daemon.actions import loaded, pressed
from daemon.slack_presses import Presses
from daemon.supervisor import Backoff

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse

API = "https://slack.com/api/"
_ANSWER = 10.0  # seconds for each step of connecting
_HEARTBEAT = 20.0  # seconds between two pings of ours: a connection that went silently is noticed
_OVERLAP = 30.0  # seconds in which a connection that Slack is about to end is still listened to
_LARGEST = 1 << 20  # bytes of one message
_SOON_ENDED = 3  # in a row, before anybody is told

_WHAT_TO_DO = {
    "invalid_auth": "the app-level token is not valid",
    "not_authed": "there is no app-level token",
    "token_revoked": "the app-level token was revoked",
    "token_expired": "the app-level token has expired",
    "account_inactive": "the app was removed from the workspace",
    "not_allowed_token_type": "that is no app-level token, which begins with xapp-",
    "missing_scope": "the app-level token lacks the right connections:write",
    "forbidden_team": "the workspace does not let this app in",
    "link_disabled": "Socket Mode is switched off for the app",
}
_BUSY = {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}


@dataclass(slots=True)
class _Connection:
    """``ending``: no longer to be relied on, because it ended or Slack is about to end it."""

    socket: "ClientWebSocketResponse"
    ending: asyncio.Event = field(default_factory=asyncio.Event)


class SlackSocket:
    """One app. Presses are acknowledged once they are kept; what else arrives is acknowledged and let go."""

    def __init__(
        self,
        session: "ClientSession",
        token: str,
        presses: Presses,
        *,
        trouble: Callable[[str], None],
        api: str = API,
        backoff: Backoff = Backoff(calm=60.0),  # noqa: B008 - frozen
        until_changed: float = 300.0,
    ) -> None:
        """``token``: app-level, "xapp-…". ``trouble`` is told in a sentence what keeps buttons from working, and ""
        when they work again: alerts go out all the same. ``until_changed``: seconds between two attempts while
        somebody has to change something first.
        """
        self._session = session
        self._token = token
        self._presses = presses
        self._trouble = trouble
        self._api = api
        self._backoff = backoff
        self._until_changed = until_changed
        self._acknowledging: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("slack")

    async def run(self, stop: asyncio.Event, *, drain: float = 5.0) -> None:
        """Until ``stop``, connected as far as Slack lets us; then ``drain`` seconds for what is under way."""
        readers: set[asyncio.Task[None]] = set()
        failures, now = 0, asyncio.get_running_loop().time
        try:
            while not stop.is_set():
                began = now()
                try:
                    connection = await self._open()
                except (Retry, Refused) as error:
                    failures += 1
                    pause = self._pause(error, failures)
                    self._trouble(f"buttons in Slack do not work: {error.reason} (tried again in {pause:.0f} s)")
                else:
                    self._trouble("")
                    reader = asyncio.create_task(self._read(connection))
                    readers.add(reader)
                    reader.add_done_callback(readers.discard)
                    await _either(stop, connection.ending)
                    if stop.is_set():
                        break
                    failures = self._backoff.count(failures, now() - began)
                    pause = self._backoff.wait(failures - 1) if failures > 1 else 0.0
                    if failures > _SOON_ENDED:
                        self._trouble("buttons in Slack hardly work: connections fail, or end as soon as they begin")
                if pause:
                    await _within(pause, stop)
        finally:
            await self._finish(readers, drain)

    def _pause(self, error: Retry | Refused, failures: int) -> float:
        if isinstance(error, Refused):
            return self._until_changed
        return max(error.after or 0.0, self._backoff.wait(failures))

    async def _finish(self, readers: set[asyncio.Task[None]], drain: float) -> None:
        if self._acknowledging:
            await asyncio.wait(set(self._acknowledging), timeout=drain)
        await self._presses.finish(drain)
        for reader in (ending := list(readers)):
            reader.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _open(self) -> _Connection:
        """Connected and greeted. Raises ``Retry`` or ``Refused``."""
        import aiohttp

        url = await self._address()
        try:
            async with asyncio.timeout(_ANSWER):
                socket = await self._session.ws_connect(
                    url,
                    heartbeat=_HEARTBEAT,
                    max_msg_size=_LARGEST,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),  # Slack leaves TCP open after the closing handshake
                )
                hello = await socket.receive()
        except TimeoutError as error:
            raise Retry(f"Slack's socket did not answer within {_ANSWER:g} s") from error
        except aiohttp.ClientError as error:
            raise Retry("cannot connect to Slack's socket") from error
        greeting = _record(loaded(hello.data)) if hello.type is aiohttp.WSMsgType.TEXT else {}
        if greeting.get("type") != "hello":
            await socket.close()
            raise _refusal(greeting) or Retry("Slack's socket did not greet us")
        return _Connection(socket)

    async def _address(self) -> str:
        """Good for one connection. Raises ``Retry`` or ``Refused``."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = await post(self._session, f"{self._api}apps.connections.open", b"", headers, deadline=_ANSWER)
        record = _record(loaded(answer.text))
        url, code = record.get("url"), str(record.get("error", ""))[:60]
        if record.get("ok") is True and isinstance(url, str) and url.startswith(("wss://", "ws://")):
            return url
        if answer.status == 429 or code in _BUSY or not code:
            raise Retry(
                f"Slack does not connect ({code or f'HTTP {answer.status}'})", after=wait(answer.retry_after, 0)
            )
        raise Refused(f"{_WHAT_TO_DO.get(code, 'Slack does not let us connect')} ({code})")

    async def _read(self, connection: _Connection) -> None:
        """Until the connection ends, which nothing that arrives on it brings about but Slack's own word."""
        import aiohttp

        socket, loop = connection.socket, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                async for message in socket:
                    record = _record(loaded(message.data)) if message.type is aiohttp.WSMsgType.TEXT else {}
                    if record.get("type") == "disconnect":
                        self._log.info("Slack renews the connection", why=str(record.get("reason", ""))[:60])
                        connection.ending.set()
                        limit.reschedule(loop.time() + _OVERLAP)
                    elif isinstance(envelope := record.get("envelope_id"), str):
                        task = asyncio.create_task(self._take(socket, envelope, record.get("payload")))
                        self._acknowledging.add(task)
                        task.add_done_callback(self._acknowledging.discard)
        except TimeoutError:
            pass
        finally:
            connection.ending.set()
            await socket.close()

    async def _take(self, socket: "ClientWebSocketResponse", envelope: str, payload: object) -> None:
        if action := pressed(payload):
            await self._presses.take(action)
        with suppress(ConnectionError):  # it went meanwhile: Slack may bring the press again, and it is known then
            await socket.send_str(json.dumps({"envelope_id": envelope}))


def _refusal(greeting: dict[str, Any]) -> Retry | Refused | None:
    """Of a connection that Slack ends in place of a greeting."""
    reason = str(greeting.get("reason", ""))[:60]
    if why := _WHAT_TO_DO.get(reason):
        return Refused(f"{why} ({reason})")
    return Retry(f"Slack ended the connection at once ({reason})") if reason else None


def _record(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (first, second)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


async def _within(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
