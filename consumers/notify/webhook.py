"""A signed webhook after the Standard Webhooks specification (https://www.standardwebhooks.com).

Headers: ``webhook-id`` (the delivery's id; the same on every attempt, so a receiver drops what it has already seen),
``webhook-timestamp`` (seconds, of this attempt) and, where a secret is set, ``webhook-signature``:
``v1,`` + base64(HMAC-SHA256(secret, ``id.timestamp.body``)).

The body of an alert; a notice has type "notice" and data ``{"title", "text"}``::

    {"type": "alert.first",                       // or "alert.update", "alert.digest"
     "timestamp": "2026-11-21T14:02:00Z",         // of the alert
     "data": {
       "delivery_id": "…", "alert_id": "…", "story_id": "…", "possible_repeat": false,
       "topic": {"id": "russian-airstrikes-syria", "query": "Russian airstrikes Syria"},
       "headline": "…", "sources": 3, "independent": 2,
       "reports": [{"source": "example.org", "url": "…", "title": "…", "at": "…", "copy_of": ""}],
       "passage": {"text": "…", "number": 2, "of": 9, "marks": [[0, 16]]},   // spans in Unicode code points
       "reasons": ["…"],
       "links": {"open": "…", "page": "…"}}}     // empty where there is none
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumers.model import Message, Notice, Receipt, Report
from consumers.notify import Repeats
from consumers.notify.http_post import post
from consumers.notify.status import classify
from consumers.notify.wording import readable, safe_url

if TYPE_CHECKING:
    from aiohttp import ClientSession


class WebhookNotifier:
    """Accepted is any 2xx; ``status.classify`` says what the other answers mean. Redirects are not followed."""

    repeats: Repeats = "deduplicated"
    gap = 0.0

    def __init__(
        self,
        session: "ClientSession",
        url: str,
        *,
        secret: str = "",
        now: Callable[[], float],
        timeout: float = 20.0,
    ) -> None:
        """``secret`` is "whsec_" and base64, or any text. Raises ``ValueError`` where the base64 is none."""
        self._session = session
        self._url = url
        self._key = signing_key(secret)
        self._now = now
        self._timeout = timeout

    async def send(self, message: Message | Notice) -> Receipt:
        content = body(message)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "wirewatch",
            "webhook-id": message.delivery_id,
            "webhook-timestamp": str(int(self._now())),
        }
        if self._key:
            headers["webhook-signature"] = signature(self._key, headers["webhook-id"], int(self._now()), content)
        answer = await post(self._session, self._url, content, headers, deadline=self._timeout)
        if error := classify(answer.status, retry_after=answer.retry_after, now=self._now()):
            raise error
        return Receipt(provider_id=message.delivery_id)


def signing_key(secret: str) -> bytes:
    """The bytes that sign; empty for no secret. Raises ``ValueError``, without the secret in it."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("after whsec_ comes base64, and this is none") from None


def signature(key: bytes, webhook_id: str, timestamp: int, content: bytes) -> str:
    signed = f"{webhook_id}.{timestamp}.".encode() + content
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def body(message: Message | Notice) -> bytes:
    """UTF-8 JSON."""
    if isinstance(message, Notice):
        kind, content = "notice", {"title": readable(message.title), "text": readable(message.text)}
        record = {"type": kind, "timestamp": _iso(message.at), "data": {"delivery_id": message.delivery_id, **content}}
    else:
        record = {"type": f"alert.{message.kind}", "timestamp": _iso(message.at), "data": _alert(message)}
    return json.dumps(record, ensure_ascii=False).encode()


def _alert(message: Message) -> dict[str, object]:
    passage = message.passage
    return {
        "delivery_id": message.delivery_id,
        "alert_id": message.alert_id,
        "story_id": message.story_id,
        "possible_repeat": message.possible_repeat,
        "topic": {"id": message.topic_id, "query": readable(message.topic)},
        "headline": readable(message.headline),
        "sources": len({report.source for report in message.reports}),
        "independent": message.independent,
        "reports": [_report(report) for report in message.reports],
        "passage": {
            "text": readable(passage.text),
            "number": passage.number,
            "of": passage.of,
            "marks": [list(mark) for mark in passage.marks],
        },
        "reasons": [readable(reason) for reason in message.reasons],
        "links": {"open": safe_url(message.url), "page": safe_url(message.page)},
    }


def _report(report: Report) -> dict[str, object]:
    return {
        "source": readable(report.source),
        "url": safe_url(report.url),
        "title": readable(report.title),
        "at": _iso(report.at),
        "copy_of": readable(report.copy_of),
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(min(max(at, 0.0), 4e10), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
