import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from daemon.errors import Unavailable
from daemon.fetch.failure import PollFailed
from daemon.fetch.parse_child import _json
from daemon.fetch.parse_process import Died, ParseProcess
from daemon.fetch.parsed import NotAFeed
from daemon.fetch.workers import ParserPool
from daemon.wire import from_json
from tests.fake_feeds import Item, rss

URL = "https://valley.example/rss"
GOOD = rss([Item(title="Bridge closed", guid="1")])
# html5ever is quadratic in unclosed nesting: this costs minutes
COSTLY = rss([Item(title="x", text="<div>" * 39_000)] * 4)
GREEDY = b'<rss version="2.0"><channel>' + b"<item><title>x</title></item>" * 40_000 + b"</channel></rss>"


@pytest.fixture
async def pool() -> AsyncIterator[ParserPool]:
    async with ParserPool(workers=1, timeout=1.0) as opened:
        yield opened


async def titles(pool: ParserPool, body: bytes = GOOD) -> list[str]:
    return [entry.title for entry in (await pool.parse(body, URL, {"content-type": "application/rss+xml"})).entries]


async def test_nothing_is_started_before_the_first_body(pool: ParserPool) -> None:
    assert pool.pids == ()
    assert await titles(pool) == ["Bridge closed"]
    assert len(pool.pids) == 1


async def test_one_process_parses_many_bodies(pool: ParserPool) -> None:
    await titles(pool)
    first = pool.pids
    assert await asyncio.gather(*(titles(pool) for _ in range(20))) == [["Bridge closed"]] * 20
    assert pool.pids == first


async def test_a_body_that_takes_too_long_fails_alone_and_its_process_is_replaced(pool: ParserPool) -> None:
    await titles(pool)
    (pid,) = pool.pids
    with pytest.raises(PollFailed, match="took longer than 1 s"):
        await titles(pool, COSTLY)
    assert await titles(pool) == ["Bridge closed"]
    assert pid not in pool.pids


async def test_a_costly_body_holds_up_nobody_else_for_long() -> None:
    async with ParserPool(workers=1, timeout=30.0) as pool:
        await titles(pool)
        costly = asyncio.create_task(titles(pool, COSTLY))
        await asyncio.sleep(0)
        assert await titles(pool) == ["Bridge closed"]
        assert not costly.done()
        costly.cancel()


async def test_a_body_that_needs_too_much_memory_fails_alone() -> None:
    async with ParserPool(workers=1, memory=50_000_000) as pool:
        with pytest.raises(PollFailed, match="needed more than 50 MB"):
            await titles(pool, GREEDY)
        assert await titles(pool) == ["Bridge closed"]


async def test_a_process_that_is_killed_fails_one_feed_and_is_replaced(pool: ParserPool) -> None:
    await titles(pool)
    parsing = asyncio.create_task(titles(pool, COSTLY))
    await asyncio.sleep(0)
    os.kill(pool.pids[0], signal.SIGKILL)
    with pytest.raises(PollFailed, match="crashed the parser"):
        await parsing
    assert await titles(pool) == ["Bridge closed"]


async def test_a_poll_that_is_cancelled_leaves_no_half_read_answer_behind(pool: ParserPool) -> None:
    await titles(pool)
    parsing = asyncio.create_task(titles(pool, COSTLY))
    await asyncio.sleep(0)
    parsing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await parsing
    assert await titles(pool) == ["Bridge closed"]


async def test_a_web_page_is_told_apart_with_the_feeds_it_announces(pool: ParserPool) -> None:
    page = b'<html><head><link rel="alternate" type="application/rss+xml" href="/f.xml"></head></html>'
    with pytest.raises(PollFailed) as caught:
        await titles(pool, page)
    assert (caught.value.kind, caught.value.discovered) == ("not_a_feed", ("https://valley.example/f.xml",))


async def test_closed_means_that_no_process_is_left() -> None:
    pool = ParserPool(workers=2)
    await asyncio.gather(titles(pool), titles(pool))
    pids = pool.pids
    await pool.close()
    await pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(Unavailable):
        await titles(pool)


async def test_a_process_that_cannot_start_is_not_the_feed_s_failure() -> None:
    async with ParserPool(workers=1, memory=1_000_000) as pool:
        with pytest.raises(Unavailable):
            await titles(pool)


async def test_the_process_holds_no_secret_and_imports_nothing_of_weight(pool: ParserPool) -> None:
    await titles(pool)
    process = psutil.Process(pool.pids[0])
    assert set(process.environ()) <= {"PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "LC_CTYPE"}
    assert process.memory_info().rss < 60_000_000


PARENT = """
import asyncio, sys
from daemon.fetch.workers import ParserPool

async def main():
    pool = ParserPool(workers=1)
    await pool.parse(sys.argv[1].encode(), "https://valley.example/rss", {})
    print(pool.pids[0], flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_the_process_ends_when_the_daemon_is_killed() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", PARENT, GOOD.decode()], stdout=subprocess.PIPE, cwd=root) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    with suppress(psutil.NoSuchProcess):
        child.wait(10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_an_answer_with_half_a_character_in_it_can_be_read() -> None:
    answer = NotAFeed(reason="a \ud800 b", discovered=("é",))
    assert from_json(NotAFeed, _json(answer)) == NotAFeed(reason="a ? b", discovered=("é",))


@pytest.mark.parametrize(
    "answer", [r"\x00\x00\x00\x01a\x00\x00\x00\x01{", r"\xff\xff\xff\xff"], ids=["nonsense", "endless"]
)
async def test_a_process_that_answers_nonsense_and_lives_on_is_ended(answer: str) -> None:
    program = f"import sys; sys.stdout.buffer.write(b'{answer}'); sys.stdout.flush(); sys.stdin.read()"
    process = ParseProcess(
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
    )
    with pytest.raises(Died):
        await asyncio.wait_for(process.ask(GOOD, URL, {}), 30)
    assert await asyncio.wait_for(process.ended(), 30) == -signal.SIGKILL
