"""A signed webhook after the Standard Webhooks specification (https://www.standardwebhooks.com).

Headers: ``webhook-id`` (the delivery's id; the same on every attempt, so a receiver drops what it has already seen),
``webhook-timestamp`` (seconds, of this attempt) and, where a secret is set, ``webhook-signature``:
``v1,`` + base64(HMAC-SHA256(secret, ``id.timestamp.body``)).

The body of an alert::

    {"type": "alert.first",                       // or "alert.update", "alert.escalation"
     "timestamp": "2026-11-21T14:02:00Z",         // of the alert
     "data": {
       "delivery_id": "…", "alert_id": "…", "possible_repeat": false,
       "story_id": "…",                           // equal for everything that is told of a story: thread by it
       "follows": ["…"],                          // deliveries that told of the story before, the oldest first
       "why": "new facts", "severity": "normal",  // or "urgent"
       "topic": {"id": "russian-airstrikes-syria", "query": "Russian airstrikes Syria"},
       "headline": "…", "sources": 3, "independent": 2,
       "articles": 14, "latest": "…",             // that belong to the story, and the time of the latest
       "facts": [{"kind": "toll", "text": "toll 12 → 19", "quote": "…", "source": "…", "url": "…", "at": "…"}],
       "timeline": [],                            // all facts, the oldest first; "facts" are the new ones, newest first
       "merged_into": "",                         // headline of the story that this one turned out to be
       "status": ["muted by Ana until 14:02 UTC"],
       "reports": [{"source": "example.org", "url": "…", "title": "…", "at": "…", "copy_of": ""}],
       "passage": {"text": "…", "number": 2, "of": 9, "marks": [[0, 16]]},   // spans in Unicode code points
       "reasons": ["…"],
       "links": {"open": "…", "page": "…"}}}     // empty where there is none

After a merge the ``story_id`` is that of the story that stays; ``follows`` then names what was told of both.

A digest has type "digest". Its ``stories`` are as ``data`` above, with "kind" and at most 12 reports each, those with
the newest facts first; ``more`` counts what is left out, for it holds 100 stories and 100 near misses at most::

    {"delivery_id": "…", "possible_repeat": false, "reason": "times", "title": "…", "lead": "…",
     "topics": [{"topic": {"id": "…", "query": "…"}, "stories": [], "more": 0,
                 "near_misses": [{"title": "…", "source": "…", "url": "…", "at": "…"}], "more_near_misses": 0}],
     "links": {"page": "…"}}

A notice has type "notice" and data ``{"delivery_id", "title", "text"}``.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumers.model import Digest, Fact, Message, NearMiss, Notice, Receipt, Report
from consumers.notify import Repeats, Tidings
from consumers.notify.http_post import post
from consumers.notify.status import classify
from consumers.notify.wording import listed, readable, safe_url
from consumers.notify.wording_digest import shares

if TYPE_CHECKING:
    from aiohttp import ClientSession


_MOST_STORIES = 100  # of a digest; many receivers take no more than 1 MB


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

    async def send(self, message: Tidings) -> Receipt:
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


def body(message: Tidings) -> bytes:
    """UTF-8 JSON."""
    match message:
        case Notice():
            kind, data = "notice", _notice(message)
        case Digest():
            kind, data = "digest", _digest(message)
        case Message():
            kind, data = f"alert.{message.kind}", _alert(message)
    record = {"type": kind, "timestamp": _iso(message.at), "data": data}
    return json.dumps(record, ensure_ascii=False).encode()


def _notice(notice: Notice) -> dict[str, object]:
    return {"delivery_id": notice.delivery_id, "title": readable(notice.title), "text": readable(notice.text)}


def _digest(digest: Digest) -> dict[str, object]:
    told = shares([len(each.stories) for each in digest.topics], _MOST_STORIES)
    listed_near = shares([len(each.near_misses) for each in digest.topics], _MOST_STORIES)
    return {
        "delivery_id": digest.delivery_id,
        "possible_repeat": digest.possible_repeat,
        "reason": digest.reason,
        "title": readable(digest.title),
        "lead": readable(digest.lead),
        "topics": [
            {
                "topic": {"id": each.topic_id, "query": readable(each.topic)},
                "stories": [_story(story) for story in each.stories[:stories]],
                "more": len(each.stories) - stories,
                "near_misses": [_near_miss(miss) for miss in each.near_misses[:near]],
                "more_near_misses": len(each.near_misses) - near,
            }
            for each, stories, near in zip(digest.topics, told, listed_near, strict=True)
        ],
        "links": {"page": safe_url(digest.page)},
    }


def _story(story: Message) -> dict[str, object]:
    reports, _ = listed(story.reports, newest=True)
    return {"kind": story.kind, **_alert(story), "reports": [_report(report) for report in reports]}


def _near_miss(miss: NearMiss) -> dict[str, object]:
    return {
        "title": readable(miss.title),
        "source": readable(miss.source),
        "url": safe_url(miss.url),
        "at": _iso(miss.at),
    }


def _alert(message: Message) -> dict[str, object]:
    passage = message.passage
    return {
        "delivery_id": message.delivery_id,
        "alert_id": message.alert_id,
        "story_id": message.story_id,
        "follows": [readable(each) for each in message.follows],
        "possible_repeat": message.possible_repeat,
        "why": readable(message.why),
        "severity": message.severity,
        "topic": {"id": message.topic_id, "query": readable(message.topic)},
        "headline": readable(message.headline),
        "sources": len({report.source for report in message.reports}),
        "independent": message.independent,
        "articles": max(message.articles, len(message.reports)),
        "latest": _iso(message.latest or max((report.at for report in message.reports), default=message.at)),
        "facts": [_fact(fact) for fact in message.facts],
        "timeline": [_fact(fact) for fact in message.timeline],
        "merged_into": readable(message.merged_into),
        "status": [readable(line) for line in message.status],
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


def _fact(fact: Fact) -> dict[str, object]:
    return {
        "kind": fact.kind,
        "text": readable(fact.text),
        "quote": readable(fact.quote),
        "source": readable(fact.source),
        "url": safe_url(fact.url),
        "at": _iso(fact.at),
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
