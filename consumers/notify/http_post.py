"""One POST with a deadline, no redirects and a bounded answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consumers.errors import Refused, Retry
from consumers.notify import Unanswered

if TYPE_CHECKING:
    from aiohttp import ClientSession

LARGEST_ANSWER = 4096  # bytes; the rest is not read


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: str
    text: str


async def post(
    session: "ClientSession", url: str, body: bytes, headers: Mapping[str, str], *, deadline: float
) -> Answer:
    """``deadline`` is in seconds, over all.

    Raises ``Retry`` (nothing was sent), ``Unanswered`` or ``Refused`` (not an address). Only the host is named: an
    address may be a secret.
    """
    import aiohttp

    host = urlsplit(url).hostname or "the address"
    try:
        async with (
            asyncio.timeout(deadline),
            session.post(url, data=body, headers=dict(headers), allow_redirects=False) as response,
        ):
            text = (await response.content.read(LARGEST_ANSWER)).decode("utf-8", "replace")
            return Answer(response.status, response.headers.get("Retry-After", ""), text)
    except TimeoutError as error:
        raise Unanswered(f"{host} did not answer within {deadline:g} s") from error
    except aiohttp.InvalidURL as error:
        raise Refused("its address is not a valid URL") from error
    except aiohttp.ClientConnectorError as error:
        raise Retry(f"cannot connect to {host}") from error
    except aiohttp.ClientError as error:
        raise Unanswered(f"{host} broke off the connection") from error
