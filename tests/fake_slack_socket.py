"""A Slack that speaks Socket Mode: addresses good for one connection, greetings, renewals, envelopes that want an
acknowledgement, and the address where whoever pressed is answered. It can be told to misbehave."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

TOKEN = "xapp-1-good"
MOST_CONNECTIONS = 10


@dataclass
class Connection:
    """One socket, seen from Slack's side. ``open`` until either side ended it."""

    number: int
    socket: web.WebSocketResponse
    open: bool = True


@dataclass
class FakeSlackSocket:
    """``answers`` are given in turn to ``apps.connections.open`` before it works: an error code, an HTTP status,
    "ratelimited" or "hang". ``greetings``: what is sent in place of a hello; "" ends the connection without one.
    ``replies``: HTTP statuses in turn of the address for answers.
    """

    answers: list[str | int] = field(default_factory=list)
    greetings: list[str] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)
    retry_after: str = "1"
    tickets: set[str] = field(default_factory=set)
    opened: int = 0  # calls of apps.connections.open
    dialled: int = 0  # of the socket's address
    connections: list[Connection] = field(default_factory=list)
    acknowledged: list[tuple[str, int]] = field(default_factory=list)  # (envelope, number of the connection)
    replied: list[dict[str, Any]] = field(default_factory=list)
    most_open: int = 0
    least_open: int = 99  # since the first connection
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    _server: TestServer | None = None

    # -- the server

    def server(self) -> TestServer:
        app = web.Application()
        app.router.add_post("/api/apps.connections.open", self._open)
        app.router.add_get("/link/", self._link)
        app.router.add_post("/actions/{rest:.*}", self._reply)
        self._server = TestServer(app)
        return self._server

    @property
    def api(self) -> str:
        return self._url("/api/")

    @property
    def response_url(self) -> str:
        return self._url("/actions/T1/2/secret")

    async def _open(self, request: web.Request) -> web.StreamResponse:
        self.opened += 1
        await self._tell()
        answer = self.answers.pop(0) if self.answers else None
        match answer:
            case None:
                pass
            case "hang":
                await self.release.wait()
            case "ratelimited":
                body = {"ok": False, "error": "ratelimited"}
                return web.json_response(body, status=429, headers={"Retry-After": self.retry_after})
            case int(status):
                return web.Response(status=status, text="<html>broken</html>", content_type="text/html")
            case str(code):
                return web.json_response({"ok": False, "error": code})
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        ticket = f"ticket-{self.opened}"
        self.tickets.add(ticket)
        url = self._url(f"/link/?ticket={ticket}&app_id=A1").replace("http://", "ws://")
        return web.json_response({"ok": True, "url": url})

    async def _link(self, request: web.Request) -> web.StreamResponse:
        self.dialled += 1
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=408)  # what Slack says of an address that was used
        self.tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.greetings:
            if greeting := self.greetings.pop(0):
                await socket.send_str(greeting)
            await socket.close()
            return socket
        await socket.send_json(
            {"type": "hello", "num_connections": len(self.live) + 1, "connection_info": {"app_id": "A1"}}
        )
        connection = Connection(len(self.connections), socket)
        self.connections.append(connection)
        await self._count()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.acknowledged.append((json.loads(message.data)["envelope_id"], connection.number))
                await self._tell()
        connection.open = False
        await self._count()
        return socket

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if self.replies and (status := self.replies.pop(0)) != 200:
            return web.Response(status=status)
        self.replied.append(body)
        await self._tell()
        return web.Response(text="ok")

    # -- what a test asks for

    @property
    def live(self) -> list[Connection]:
        return [each for each in self.connections if each.open]

    async def until(self, true: Callable[[], object]) -> None:
        """Returns when ``true`` is; looked at again whenever anything happens here."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: bool(true()))

    async def press(self, payload: object, *, envelope: str = "e1", on: int = -1) -> None:
        await self.say({"envelope_id": envelope, "type": "interactive", "payload": payload}, on=on)

    async def say(self, record: object, *, on: int = -1) -> None:
        await self.say_raw(json.dumps(record), on=on)

    async def say_raw(self, text: str, *, on: int = -1) -> None:
        await self.connections[on].socket.send_str(text)

    async def renew(self, reason: str = "warning", *, on: int = -1) -> None:
        await self.say({"type": "disconnect", "reason": reason, "debug_info": {"host": "w1"}}, on=on)

    async def end(self, *, on: int = -1) -> None:
        await self.connections[on].socket.close()

    def cut(self, *, on: int = -1) -> None:
        """As a network does it: without a word."""
        transport = self.connections[on].socket._req.transport
        assert transport is not None
        transport.abort()

    @property
    def texts(self) -> Sequence[str]:
        return [body["text"] for body in self.replied]

    # --

    async def _count(self) -> None:
        self.most_open = max(self.most_open, len(self.live))
        self.least_open = min(self.least_open, len(self.live))
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _url(self, path: str) -> str:
        assert self._server is not None
        return str(self._server.make_url(path))


def payload(
    action_id: str = "wirewatch.relevant",
    value: str = "a" * 32,
    *,
    moment: str = "1763733720.000100",
    response_url: str = "",
    name: str = "ana",
    user: str = "U0123ABCD",
    menu: bool = False,
) -> dict[str, Any]:
    """What Slack sends when somebody presses a button, or chooses from a menu."""
    chosen: dict[str, Any] = {"selected_option": {"value": value}} if menu else {"value": value}
    return {
        "type": "block_actions",
        "user": {"id": user, "username": name, "name": name, "team_id": "T1"},
        "api_app_id": "A1",
        "container": {"type": "message", "message_ts": "1763733700.000100", "channel_id": "C1"},
        "trigger_id": "1.2.3",
        "response_url": response_url,
        "actions": [
            {
                "type": "overflow" if menu else "button",
                "action_id": action_id,
                "block_id": "wirewatch.alert",
                "action_ts": moment,
                **chosen,
            }
        ],
    }
