"""Thousands of feeds on as many loopback addresses, some of them hanging, dripping or hostile.

    python -m benchmarks.feed_server --feeds 5000 --port 8099

Everything follows from the feed's number and the time, so nothing has to be asked of this process: feed ``n`` has
published item ``k`` from ``published(n, k)`` on, and shows the newest twenty.
"""

import argparse
import asyncio
import gzip
import random
import resource
import time
from collections.abc import Iterator
from email.utils import formatdate

from aiohttp import web

SHOWN = 20  # items on a page
PERIOD = 100.0  # seconds between two items of one feed
HANGING, DRIPPING, HOSTILE = 100, 50, 50
PER_HOST = 5  # healthy feeds
_WORDS = (
    "council market river strike budget harvest festival minister bridge court storm election hospital railway museum "
    "tariff school orchestra volcano ferry vaccine parliament drought harbour satellite wedding refinery glacier"
).split()


def kind(number: int) -> str:
    limits = (HANGING, HANGING + DRIPPING, HANGING + DRIPPING + HOSTILE)
    return ("hanging", "dripping", "hostile", "healthy")[sum(number >= limit for limit in limits)]


def host(number: int) -> str:
    """Troublemakers have a host of their own each; of the others five share one."""
    trouble = HANGING + DRIPPING + HOSTILE
    place = number if number < trouble else trouble + (number - trouble) // PER_HOST
    return f"127.1.{place // 250}.{place % 250 + 1}"


def url(number: int, port: int) -> str:
    return f"http://{host(number)}:{port}/{number}.xml"


def latest(number: int, moment: float) -> int:
    """The number of the newest item at ``moment``; feeds do not publish in step."""
    return int((moment + number * 37.0 % PERIOD) // PERIOD)


def published(number: int, item: int) -> float:
    return item * PERIOD - number * 37.0 % PERIOD


def page(number: int, moment: float) -> bytes:
    newest = latest(number, moment)
    items = "".join(_item(number, item) for item in range(newest, newest - SHOWN, -1))
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed {number}</title>{items}</channel></rss>'.encode()
    )


def _item(number: int, item: int) -> str:
    words = random.Random(number * 1_000_003 + item)
    title, text = " ".join(words.choices(_WORDS, k=8)), " ".join(words.choices(_WORDS, k=60))
    return (
        f"<item><title>{title}</title><link>http://{host(number)}/{item}</link><guid>{number}-{item}</guid>"
        f"<description>&lt;p&gt;{text}.&lt;/p&gt;</description><pubDate>{formatdate(published(number, item))}</pubDate>"
        "</item>"
    )


# -- what hostile feeds send

_BOMB = gzip.compress(b"<rss>" + b" " * 200_000_000)
_NESTED = b'<rss version="2.0"><channel><item><title>x</title><description>' + b"&lt;div&gt;" * 39_000
_NESTED += b"</description></item></channel></rss>"
_COUNTLESS = b'<rss version="2.0"><channel>' + b"<item><title>x</title></item>" * 300_000 + b"</channel></rss>"
_ENTITIES = b'<!DOCTYPE r [<!ENTITY a "' + b"a" * 1_000 + b'">'
_ENTITIES += b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 50) for n in range(6))
_ENTITIES += b']><rss version="2.0"><channel><item><title>&g;</title></item></channel></rss>'


async def _hostile(number: int, request: web.Request) -> web.StreamResponse:
    match number % 5:
        case 0:
            return web.Response(body=_BOMB, headers={"content-encoding": "gzip"})
        case 1:
            return web.Response(body=_NESTED)
        case 2:
            return web.Response(body=_COUNTLESS)
        case 3:
            return web.Response(body=_ENTITIES)
    return await _stream(request, b"<item><title>endless</title></item>" * 2_000, pause=0.0)


async def _stream(request: web.Request, chunk: bytes, *, pause: float) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/rss+xml"})
    await response.prepare(request)
    try:
        while True:
            await response.write(chunk)
            await asyncio.sleep(pause)
    except ConnectionError:
        return response


async def _respond(request: web.Request) -> web.StreamResponse:
    number = int(request.match_info["number"])
    match kind(number):
        case "hanging":
            await asyncio.sleep(600)
        case "dripping":
            return await _stream(request, b" ", pause=1.0)
        case "hostile":
            return await _hostile(number, request)
    return web.Response(body=page(number, time.time()), headers={"content-type": "application/rss+xml"})


async def serve(feeds: int, port: int) -> None:
    application = web.Application()
    application.router.add_get("/{number}.xml", _respond)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    for address in _addresses(feeds):
        await web.TCPSite(runner, address, port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def _addresses(feeds: int) -> Iterator[str]:
    yield from dict.fromkeys(host(number) for number in range(feeds))


def raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--feeds", type=int, default=5_000)
    parser.add_argument("--port", type=int, default=8_099)
    arguments = parser.parse_args()
    raise_file_limit()
    asyncio.run(serve(arguments.feeds, arguments.port))
