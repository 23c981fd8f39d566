"""A Slack that keeps Slack's documented limits over time, answers in its words, and can be told to misbehave.

What it holds can be asked for afterwards: ``messages`` and ``thread`` in the order people see them, ``shown`` with
edits applied, ``pings`` that somebody was notified of, and ``breaches`` of a limit.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.slack_rules import TS, problem, texts

Answer = str | int
"""An error code, an HTTP status, "hang", "lost" (done, and the answer never arrives) or "cut" (done, and the connection
breaks before the answer)."""

Payload = dict[str, Any]
Handler = Callable[[str, Payload], Payload | str]

_WRITES = {"chat.postMessage", "chat.update"}


@dataclass
class Posted:
    """A message as Slack keeps it."""

    channel: str
    ts: str
    author: str  # the token that posted it; empty for an incoming webhook
    payload: Payload  # as it was posted, with every edit
    at: float
    thread: str = ""
    broadcast: bool = False
    deleted: bool = False
    edits: list[Payload] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All that people read, from top to bottom."""
        blocks = self.payload.get("blocks")
        return "\n".join(texts({"blocks": blocks}) if blocks else [self.payload.get("text") or ""]).strip()

    @property
    def top_level(self) -> bool:
        return not self.thread

    @property
    def delivery_id(self) -> str:
        payload = (self.payload.get("metadata") or {}).get("event_payload") or {}
        return str(payload.get("delivery_id", ""))

    def listed(self) -> Payload:
        """As conversations.history and conversations.replies give it."""
        thread = {"thread_ts": self.thread} if self.thread else {}
        kept = {key: self.payload[key] for key in ("text", "blocks", "metadata") if self.payload.get(key)}
        return {"type": "message", "ts": self.ts, **thread, **({"subtype": "tombstone"} if self.deleted else kept)}


@dataclass
class Bucket:
    """``rate`` calls a second and ``burst`` at once."""

    rate: float
    burst: int
    level: float = 0.0
    at: float = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until the next call is taken; 0: this one was."""
        self.level = max(0.0, self.level - (now - self.at) * self.rate) if self.at > float("-inf") else 0.0
        self.at = now
        if self.level + 1 > self.burst + 1e-6:
            return (self.level + 1 - self.burst) / self.rate
        self.level += 1
        return 0.0


@dataclass
class FakeSlack:
    """``answers`` are given in turn to what would post or edit, before Slack works; ``misbehaves`` is asked for one at
    every call, with the method and the time.

    Channel names are mapped to ids. ``edit_window`` is in seconds, ``None``: for ever. ``marketplace`` apps are not
    held to one conversations.history a minute.
    """

    answers: list[Answer] = field(default_factory=list)
    retry_after: str = "7"
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "channels:history", "channels:read"})
    now: Callable[[], float] = time.time
    tokens: set[str] = field(default_factory=lambda: {"xoxb-good"})
    channels: dict[str, str] = field(default_factory=lambda: {"desk": "C0123ABCD"})
    archived: set[str] = field(default_factory=set)
    burst: int = 3
    edit_window: float | None = None
    revoked_at: float = float("inf")
    marketplace: bool = False
    misbehaves: Callable[[str, float], Answer | None] = lambda method, now: None
    release: asyncio.Event = field(default_factory=asyncio.Event)

    posted: list[Payload] = field(default_factory=list)  # every message accepted, as it came, with its ts
    history_calls: list[dict[str, str]] = field(default_factory=list)
    replies_calls: list[dict[str, str]] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    kept: dict[tuple[str, str], Posted] = field(default_factory=dict)  # by channel and ts, the oldest first
    _buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)
    _blocked: dict[tuple[str, str], float] = field(default_factory=dict)
    _last_ts: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        for method, handler in {
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.getPermalink": self._permalink,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.list": self._list,
        }.items():
            app.router.add_route("*", f"/api/{method}", self._api(method, handler))
        app.router.add_post("/services/T/B/secret", self._webhook)
        return app

    def server(self) -> TestServer:
        return TestServer(self.app())

    # -- what to ask it afterwards

    def messages(self, channel: str = "desk") -> list[Posted]:
        """What stands in the channel itself, broadcast replies included, the oldest first."""
        return [each for each in self._in(channel) if each.top_level or each.broadcast]

    def thread(self, ts: str, channel: str = "desk") -> list[Posted]:
        """The replies to a message, the oldest first."""
        return [each for each in self._in(channel) if each.thread == ts]

    def shown(self, ts: str, channel: str = "desk") -> str:
        """What people read in a message now."""
        return self.kept[self._channel(channel), ts].text

    def edits(self, ts: str, channel: str = "desk") -> int:
        return len(self.kept[self._channel(channel), ts].edits)

    def pings(self, channel: str = "desk") -> list[Posted]:
        """Messages that notified everybody in the channel: no replies, no edits."""
        return self.messages(channel)

    def delivered(self, channel: str = "desk") -> list[str]:
        """The delivery ids of everything that was posted there, in order: one that is twice in it was told twice."""
        return [each.delivery_id for each in self._in(channel)]

    def delete(self, ts: str, channel: str = "desk") -> None:
        """Somebody deletes a message. One with replies leaves a tombstone, and its thread goes on."""
        message = self.kept[self._channel(channel), ts]
        message.deleted = True
        if not self.thread(ts, channel):
            del self.kept[message.channel, message.ts]

    # -- the Web API

    def _post_message(self, token: str, payload: Payload) -> Payload | str:
        channel = self._channel(str(payload.get("channel", "")))
        if not channel:
            return "channel_not_found"
        if channel in self.archived:
            return "is_archived"
        if self._limited("chat.postMessage", channel, rate=1.0, burst=self.burst):
            return "ratelimited"
        if code := problem(payload):
            return code
        kept = self.take(payload, channel, token)
        shown = {"text": payload.get("text"), "ts": kept.ts} | ({"thread_ts": kept.thread} if kept.thread else {})
        return {"channel": channel, "ts": kept.ts, "message": shown}

    def _update(self, token: str, payload: Payload) -> Payload | str:
        channel, ts = str(payload.get("channel", "")), str(payload.get("ts", ""))
        if channel not in self.channels.values():
            return "channel_not_found"  # names are not taken here
        if self._limited("chat.update", "", rate=50 / 60, burst=50):
            return "ratelimited"
        message = self.kept.get((channel, ts)) if TS.fullmatch(ts) else None
        if message is None or message.deleted:
            return "message_not_found"
        if message.author != token:
            return "cant_update_message"
        if channel in self.archived:
            return "is_inactive"
        if self.edit_window is not None and self.now() - message.at > self.edit_window:
            return "edit_window_closed"
        if code := problem(payload, edit=True):
            return code
        edit = {key: payload[key] for key in ("text", "blocks", "metadata") if key in payload}
        message.edits.append(edit)
        # text without blocks takes the blocks away, metadata that is left out stays
        message.payload = {key: value for key, value in message.payload.items() if key != "blocks"} | edit
        return {"channel": channel, "ts": ts, "text": payload.get("text"), "message": {"text": payload.get("text")}}

    def _permalink(self, token: str, payload: Payload) -> Payload | str:
        channel, ts = str(payload.get("channel", "")), str(payload.get("message_ts", ""))
        if channel not in self.channels.values():
            return "channel_not_found"
        if (channel, ts) not in self.kept:
            return "message_not_found"
        return {
            "channel": channel,
            "permalink": f"https://fake.slack.example/archives/{channel}/p{ts.replace('.', '')}",
        }

    def _history(self, token: str, payload: Payload) -> Payload | str:
        self.history_calls.append({key: str(value) for key, value in payload.items()})
        found = [each for each in reversed(self.kept.values()) if each.top_level or each.broadcast]
        return self._page("conversations.history", payload, found)

    def _replies(self, token: str, payload: Payload) -> Payload | str:
        self.replies_calls.append({key: str(value) for key, value in payload.items()})
        ts = str(payload.get("ts", ""))
        found = [each for each in self.kept.values() if ts in {each.ts, each.thread}]
        return self._page("conversations.replies", payload, found, missing="thread_not_found")

    def _list(self, token: str, payload: Payload) -> Payload | str:
        if "channels:read" not in self.scopes:
            return "missing_scope"
        return {"channels": [{"id": each, "name": name} for name, each in self.channels.items()]}

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        payload = await request.json()
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, int):
            return web.Response(status=answer, text="error", headers={"Retry-After": self.retry_after})
        if answer is not None:
            return web.Response(status=404 if answer.startswith("no_") else 403, text=answer)
        if code := problem(payload):
            return web.Response(status=400, text=code)
        self.take(payload, next(iter(self.channels.values())), "")
        return web.Response(text="ok")

    # -- how it works

    def _api(self, method: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            payload = await _payload(request)
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            wrong = self.misbehaves(method, self.now())
            if wrong is None and method in _WRITES and self.answers:
                wrong = self.answers.pop(0)
            match wrong:
                case None:
                    return self._answer(self._judged(token, payload, handler))
                case "hang":
                    await self.release.wait()
                    return web.Response(status=504)
                case "lost":
                    self._judged(token, payload, handler)
                    await self.release.wait()
                    return web.Response(status=504)
                case "cut":
                    self._judged(token, payload, handler)
                    assert request.transport is not None
                    request.transport.abort()
                    return web.Response()
                case int(status):
                    return web.Response(status=status, text="<html>broken</html>", content_type="text/html")
            return self._answer(wrong)

        return answer

    def _judged(self, token: str, payload: Payload, handler: Handler) -> Payload | str:
        if token not in self.tokens:
            return "invalid_auth"
        if self.now() >= self.revoked_at:
            return "token_revoked"
        return handler(token, payload)

    def _answer(self, found: Payload | str) -> web.StreamResponse:
        if found == "ratelimited":
            headers = {"Retry-After": self.retry_after}
            return web.json_response({"ok": False, "error": found}, status=429, headers=headers)
        return web.json_response({"ok": False, "error": found} if isinstance(found, str) else {"ok": True, **found})

    def take(self, payload: Payload, channel: str, token: str) -> Posted:
        """A reply to a message that is gone is posted into the channel, and nothing is said of it."""
        self._last_ts = max(self._last_ts + 1, int(self.now() * 1_000_000))
        ts = f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"
        asked = str(payload.get("thread_ts") or "")
        parent = self.kept.get((channel, asked))
        thread = (parent.thread or parent.ts) if parent else ""
        broadcast = bool(thread) and bool(payload.get("reply_broadcast"))
        kept = Posted(channel, ts, token, payload, self.now(), thread=thread, broadcast=broadcast)
        self.kept[channel, ts] = kept
        self.posted.append({**payload, "ts": ts})
        return kept

    def _page(self, method: str, asked: Payload, found: Iterable[Posted], missing: str = "") -> Payload | str:
        channel = str(asked.get("channel", ""))
        if "channels:history" not in self.scopes:
            return "missing_scope"
        if channel not in self.channels.values():
            return "channel_not_found"
        if not self.marketplace and self._limited(method, "", rate=1 / 60, burst=1):
            return "ratelimited"
        here = [each for each in found if each.channel == channel]
        if missing and not here:
            return missing
        oldest, latest = float(asked.get("oldest", 0)), float(asked.get("latest", "inf"))
        within = [each for each in here if oldest < float(each.ts) < latest]
        most = min(int(asked.get("limit", 15)), 1000 if self.marketplace else 15)
        return {"messages": [each.listed() for each in within[:most]], "has_more": len(within) > most}

    def _limited(self, method: str, key: str, *, rate: float, burst: int) -> bool:
        """Whether this call is one too many; then nothing is taken until Retry-After is over."""
        now, name = self.now(), (method, key)
        if now >= self._blocked.get(name, 0.0):
            wait = self._buckets.setdefault(name, Bucket(rate, burst)).wait(now)
            if not wait:
                return False
            self.breaches.append(f"{method} {key} at {now:.3f}: more often than {rate:.3g} a second")
            self._blocked[name] = now + math.ceil(wait)
        else:
            self.breaches.append(f"{method} {key} at {now:.3f}: called before Retry-After was over")
        self.retry_after = str(math.ceil(self._blocked[name] - now))
        return True

    def _channel(self, name: str) -> str:
        """The id of a channel that is given by "#name", name or id; empty where there is none."""
        return self.channels.get(name.removeprefix("#"), name if name in self.channels.values() else "")

    def _in(self, channel: str) -> list[Posted]:
        return [each for each in self.kept.values() if each.channel == self._channel(channel)]


async def _payload(request: web.Request) -> Payload:
    if request.content_type == "application/json":
        return {key: value for key, value in (await request.json()).items() if value is not None}
    return {**request.query, **({} if request.method == "GET" else await request.post())}
