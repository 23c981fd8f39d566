"""A Slack that keeps Slack's documented limits, answers in its words, and can be told to misbehave."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

LINK = re.compile(r"<https?://[^<>|\s]+\|[^<>\n]+>")
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
MENTION = re.compile(r"<[!@#]")


def problem(payload: dict[str, Any]) -> str:
    """The error code that Slack gives for this message; empty where it takes it."""
    blocks = payload.get("blocks") or []
    if not payload.get("text") and not blocks:
        return "no_text"
    if units(payload.get("text", "")) > 40_000:
        return "msg_too_long"
    if len(blocks) > 50 or not all(valid(block) for block in blocks):
        return "invalid_blocks"
    if len(json.dumps(blocks, ensure_ascii=False)) >= 13_000:
        return "msg_blocks_too_long"
    return ""


def valid(block: dict[str, Any]) -> bool:
    if block["type"] == "section":
        return 1 <= units(block["text"]["text"]) <= 3000 and block["text"]["type"] in {"mrkdwn", "plain_text"}
    if block["type"] == "header":
        return block["text"]["type"] == "plain_text" and 1 <= units(block["text"]["text"]) <= 150
    if block["type"] == "context":
        texts = [element["text"] for element in block["elements"]]
        return 1 <= len(texts) <= 10 and all(1 <= units(text) <= 3000 for text in texts)
    return False


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def texts(payload: dict[str, Any]) -> list[str]:
    """Every text that Slack reads markup in."""
    found = [payload.get("text", "")]
    for block in payload.get("blocks") or []:
        found += [element["text"] for element in block.get("elements", [])] or [block["text"]["text"]]
    return found


def markup(text: str) -> str:
    """What is left that Slack would obey, once our own links are taken away; empty for a harmless text."""
    rest = LINK.sub("", text)
    return "".join(char for char in rest if char in "<>") + "".join(ENTITY.findall(rest))


@dataclass
class FakeSlack:
    """``answers`` are given in turn before Slack works: an error code, an HTTP status, "hang", or "lost" (posted,
    but the answer never arrives)."""

    answers: list[str | int] = field(default_factory=list)
    retry_after: str = "7"
    posted: list[dict[str, Any]] = field(default_factory=list)
    history_calls: list[dict[str, str]] = field(default_factory=list)
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "channels:history", "channels:read"})
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/chat.postMessage", self.post_message)
        app.router.add_post("/api/conversations.history", self.history)
        app.router.add_get("/api/conversations.history", self.history)
        app.router.add_get("/api/conversations.list", self.channels)
        app.router.add_post("/api/conversations.list", self.channels)
        app.router.add_post("/services/T/B/secret", self.webhook)
        return app

    def server(self) -> TestServer:
        return TestServer(self.app())

    async def misbehave(self, payload: dict[str, Any]) -> web.StreamResponse | None:
        answer = self.answers.pop(0) if self.answers else None
        match answer:
            case None:
                return None
            case "hang":
                await self.release.wait()
                return None
            case "lost":
                self.take(payload)
                await self.release.wait()
                return None
            case "ratelimited":
                body = {"ok": False, "error": "ratelimited"}
                return web.json_response(body, status=429, headers={"Retry-After": self.retry_after})
            case int(status):
                return web.Response(status=status, text="<html>broken</html>", content_type="text/html")
            case str(code):
                return web.json_response({"ok": False, "error": code})

    def take(self, payload: dict[str, Any]) -> str:
        ts = f"{1_700_000_000 + len(self.posted)}.000100"
        self.posted.append({**payload, "ts": ts})
        return ts

    async def post_message(self, request: web.Request) -> web.StreamResponse:
        payload = await request.json()
        if request.headers.get("Authorization") != "Bearer xoxb-good":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if answer := await self.misbehave(payload):
            return answer
        if code := problem(payload):
            return web.json_response({"ok": False, "error": code})
        return web.json_response({"ok": True, "channel": "C0123ABCD", "ts": self.take(payload), "message": {}})

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        payload = await request.json()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, int):
            return web.Response(status=answer, text="error", headers={"Retry-After": self.retry_after})
        if answer is not None:
            return web.Response(status=404 if answer.startswith("no_") else 403, text=answer)
        if code := problem(payload):
            return web.Response(status=400, text=code)
        self.take(payload)
        return web.Response(text="ok")

    async def history(self, request: web.Request) -> web.StreamResponse:
        asked = {**request.query, **(await request.post())} if request.method == "POST" else dict(request.query)
        self.history_calls.append({key: str(value) for key, value in asked.items()})
        if "channels:history" not in self.scopes:
            return web.json_response({"ok": False, "error": "missing_scope"})
        if not str(asked["channel"]).startswith("C"):
            return web.json_response({"ok": False, "error": "channel_not_found"})
        limit = min(int(str(asked["limit"])), 15)
        return web.json_response({"ok": True, "messages": list(reversed(self.posted))[:limit]})

    async def channels(self, request: web.Request) -> web.StreamResponse:
        if "channels:read" not in self.scopes:
            return web.json_response({"ok": False, "error": "missing_scope"})
        return web.json_response({"ok": True, "channels": [{"id": "C0123ABCD", "name": "desk"}]})
