"""A receiver of Standard Webhooks that drops what it has already seen, and can be told to misbehave."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class FakeWebhook:
    """``answers`` are statuses given in turn before it works; 0 hangs up without an answer, -1 hangs."""

    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)  # by webhook-id
    repeats: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def server(self) -> TestServer:
        app = web.Application()
        app.router.add_post("/hook", self.receive)
        app.router.add_post("/elsewhere", self.receive)
        return TestServer(app)

    async def receive(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        self.requests.append(({name.lower(): value for name, value in request.headers.items()}, content))
        status = self.answers.pop(0) if self.answers else 200
        if status == -1:
            await self.release.wait()
        if status == 0 and request.transport:
            request.transport.close()
        if 200 <= status < 300:
            name = request.headers["webhook-id"]
            self.repeats += name in self.accepted
            self.accepted[name] = json.loads(content)
        return web.Response(status=max(status, 200), headers=self.headers, text="x" * 100_000)
