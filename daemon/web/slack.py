"""Slack's signed requests: what a press on a button sends where Socket Mode is not used.

The one address here that is meant to be reached from outside, through a reverse proxy. Who cannot sign learns nothing.
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from daemon.actions import loaded, pressed
from daemon.slack_presses import Presses

PATH = "/slack/actions"
LARGEST = 1_000_000  # bytes of a request
_OLDEST = 300.0  # seconds: what was recorded earlier is not taken again
_BODY = 5.0  # seconds for a body to arrive
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackEndpoint:
    """``secrets``: the signing secrets of the apps that may press, asked for with each request; it never raises.

    ``now``: seconds since the epoch.
    """

    secrets: Callable[[], Sequence[str]]
    presses: Presses
    now: Callable[[], float]


def add_slack(app: FastAPI, endpoint: SlackEndpoint) -> None:
    @app.post(PATH, include_in_schema=False)
    async def slack_actions(request: Request) -> Response:
        """Answered within three seconds, when the press is kept or, at the latest, after 2.5."""
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        if not signed(body, timestamp, signature, secrets=endpoint.secrets(), now=endpoint.now()):
            return Response(status_code=401)
        if action := pressed(_payload(body)):
            await endpoint.presses.take(action)
        return Response(status_code=200)


def is_slack(path: str) -> bool:
    """Whether a request to this path may name any host: its signature says who asks."""
    return path == PATH


def signed(body: bytes, timestamp: str, signature: str, *, secrets: Sequence[str], now: float) -> bool:
    """Whether one of the secrets made this signature over this body, at most five minutes from ``now``."""
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now - float(timestamp)) > _OLDEST:
        return False
    basis, given = b"v0:" + timestamp.encode() + b":" + body, signature.encode("utf-8", "surrogateescape")
    good = False
    for secret in secrets:
        made = b"v0=" + hmac.new(secret.encode(), basis, hashlib.sha256).hexdigest().encode()
        good |= bool(secret) and hmac.compare_digest(made, given)
    return good


async def _body(request: Request) -> bytes | None:
    """As it was sent; None where it is too large, too slow, or breaks off."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(_BODY):
            async for chunk in request.stream():
                size += len(chunk)
                if size > LARGEST:
                    return None
                chunks.append(chunk)
    except (TimeoutError, ClientDisconnect):
        return None
    return b"".join(chunks)


def _payload(body: bytes) -> object:
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=False, max_num_fields=20)
    except ValueError:  # not a form, or one of too many fields
        return None
    return loaded(fields.get("payload", [""])[0])
