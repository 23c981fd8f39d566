"""Signed requests from Slack: the one path that any Host may name, and only a signature opens."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from daemon.actions import Action
from daemon.health import Health
from daemon.slack_presses import Patience, Presses
from daemon.status import Status, report
from daemon.store import Store
from daemon.telemetry import Metrics
from daemon.web.app import make_app
from daemon.web.server import address, bind, serve
from daemon.web.slack import LARGEST, PATH, SlackEndpoint
from daemon.web.views import Views
from tests.fake_slack_socket import FakeSlackSocket, payload
from tests.kept_rows import NOW, HeldClock

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@dataclass
class Desk:
    kept: list[Action] = field(default_factory=list)
    busy: threading.Event = field(default_factory=threading.Event)

    def carry_out(self, action: Action) -> str:
        assert self.busy.wait(20)
        self.kept.append(action)
        return "Kept."


@dataclass
class Site:
    base: str
    session: aiohttp.ClientSession
    slack: FakeSlackSocket

    async def press(
        self,
        body: bytes,
        *,
        secret: str = SECRET,
        at: float | str = NOW,
        signed: bytes | None = None,
        signature: str | None = None,
        path: str = PATH,
    ) -> tuple[int, str, dict[str, str]]:
        """``signed``: the body that the signature is made over, where it is another one."""
        when = at if isinstance(at, str) else str(int(at))
        made = "v0=" + hmac.new(secret.encode(), f"v0:{when}:".encode() + (signed or body), hashlib.sha256).hexdigest()
        headers = {
            "Host": "wirewatch.example.org",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": when,
            "X-Slack-Signature": made if signature is None else signature,
        }
        async with self.session.post(self.base + path, data=body, headers=headers) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    def form(self) -> bytes:
        return urlencode({"payload": json.dumps(payload(response_url=self.slack.response_url))}).encode()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.busy.set()
    yield desk
    desk.busy.set()


@pytest.fixture
def secrets() -> list[str]:
    return [SECRET]


@pytest.fixture
async def site(store: Store, desk: Desk, secrets: list[str], tmp_path: Path) -> AsyncIterator[Site]:
    clock, slack = HeldClock(), FakeSlackSocket()

    def status() -> Status:
        return report(store, now=NOW, data_dir=tmp_path, channels=(), running=None)

    health = Health(clock)
    health.set("fetch", True)
    views = Views(store, clock=clock, status=status, feeds=dict, channels=dict)
    bound, stop = bind("127.0.0.1:0"), asyncio.Event()
    async with slack.server(), aiohttp.ClientSession() as session:
        with ThreadPoolExecutor(2) as threads:
            presses = Presses(
                desk.carry_out,
                session=session,
                threads=threads,
                answers_at=[slack.response_url],
                patience=Patience(acknowledge=0.2),
            )
            endpoint = SlackEndpoint(secrets=lambda: secrets, presses=presses, now=clock.now)
            app = make_app(health, Metrics(version="0", python="3").registry, views, slack=endpoint)
            serving = asyncio.create_task(serve(app, bound, stop))
            yield Site(f"http://{address(bound)}", session, slack)
            desk.busy.set()
            await presses.finish(10)
            stop.set()
            await asyncio.wait_for(serving, 60)


async def test_a_signed_press_is_kept_and_answered_whatever_host_it_names(site: Site, desk: Desk) -> None:
    status, text, headers = await site.press(site.form())
    assert (status, text) == (200, "")
    assert [action.by for action in desk.kept] == ["ana"]
    await site.slack.until(lambda: site.slack.texts == ["Kept."])
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


async def test_a_press_that_takes_long_is_answered_in_time_and_kept_afterwards(site: Site, desk: Desk) -> None:
    desk.busy.clear()
    assert (await site.press(site.form()))[0] == 200
    assert desk.kept == []
    desk.busy.set()
    await site.slack.until(lambda: site.slack.texts == ["Kept."])
    assert len(desk.kept) == 1


async def test_the_same_press_sent_twice_is_done_once(site: Site, desk: Desk) -> None:
    assert [(await site.press(site.form()))[0] for _ in range(2)] == [200, 200]
    assert len(desk.kept) == 1


async def test_the_signature_of_slacks_own_documentation_is_accepted() -> None:
    from daemon.web.slack import signed

    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
        b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    at = 1531420618.0
    secret = "8f742231b10e8888abcd99yyyzzz85a5"
    assert signed(body, "1531420618", signature, secrets=[secret], now=at)
    assert not signed(body + b"&", "1531420618", signature, secrets=[secret], now=at)


@pytest.mark.parametrize("secrets", [["other", SECRET]])
async def test_any_of_several_apps_may_sign(site: Site, desk: Desk) -> None:
    assert (await site.press(site.form()))[0] == 200
    assert (await site.press(site.form(), secret="other"))[0] == 200


@pytest.mark.parametrize("secrets", [[], [""]])
async def test_without_a_secret_nobody_can_sign(site: Site, desk: Desk) -> None:
    assert (await site.press(site.form(), secret=""))[0] == 401
    assert desk.kept == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "guessed"},
        {"signed": b"payload=other"},
        {"at": NOW - 301},
        {"at": NOW + 301},
        {"at": ""},
        {"at": "soon"},
        {"at": "1e9"},
        {"at": "9" * 400},
        {"signature": ""},
        {"signature": "v0="},
        {"signature": "v1=" + "0" * 64},
        {"signature": "v0=" + "é" * 64},
    ],
)
async def test_who_cannot_sign_is_sent_away_without_a_reason(site: Site, desk: Desk, wrong: dict[str, str]) -> None:
    status, text, _ = await site.press(site.form(), **wrong)
    assert (status, text) == (401, "")
    assert desk.kept == []


async def test_within_five_minutes_either_way_clocks_may_differ(site: Site, desk: Desk) -> None:
    assert [(await site.press(site.form(), at=NOW + seconds))[0] for seconds in (-300, 300)] == [200, 200]


async def test_a_body_that_is_too_large_is_not_read_to_its_end(site: Site, desk: Desk) -> None:
    largest = site.form() + b"&x="
    largest += b"y" * (LARGEST - len(largest))
    assert (await site.press(largest))[0] == 200
    assert (await site.press(largest + b"y"))[0] == 413
    assert len(desk.kept) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ssl_check=1&token=x",
        b"payload=",
        b"payload=%7B",
        b"payload=null",
        b"payload=" + b"[" * 100_000,
        b"payload=%FF%FE",
        b"\xff\xfe\x00",
        b"&".join([b"a=1"] * 1000),
        urlencode({"payload": json.dumps({"type": "view_submission"})}).encode(),
    ],
)
async def test_a_signed_request_that_is_no_press_is_accepted_and_let_go(site: Site, desk: Desk, body: bytes) -> None:
    assert (await site.press(body))[0] == 200
    assert desk.kept == []


@pytest.mark.parametrize("path", ["/", "/api/status", "/slack", "/slack/", "/slack/actions/", "/slack/actions/../../"])
async def test_every_other_path_stays_closed_to_foreign_hosts(site: Site, path: str) -> None:
    headers = {"Host": "wirewatch.example.org"}
    for method in ("GET", "POST"):
        async with site.session.request(method, site.base + path, headers=headers) as answer:
            assert answer.status == 421


@pytest.mark.parametrize("host", ["evil.example/slack/actions?", "evil.example/slack/actions#", "evil/slack/actions"])
async def test_no_host_name_passes_for_the_path(site: Site, host: str) -> None:
    reader, writer = await asyncio.open_connection(*site.base.removeprefix("http://").split(":"))
    writer.write(f"GET /api/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.split(b" ")[1] in {b"400", b"421"}


async def test_the_path_takes_nothing_but_a_post(site: Site) -> None:
    headers = {"Host": "wirewatch.example.org"}
    async with site.session.get(site.base + PATH, headers=headers) as answer:
        assert answer.status == 405
        assert "wirewatch" not in (await answer.text()).lower()


async def test_without_a_signing_secret_there_is_no_such_path(store: Store, tmp_path: Path) -> None:
    def status() -> Status:
        return report(store, now=NOW, data_dir=tmp_path, channels=(), running=None)

    clock = HeldClock()
    views = Views(store, clock=clock, status=status, feeds=dict, channels=dict)
    app = make_app(Health(clock), Metrics(version="0", python="3").registry, views)
    bound, stop = bind("127.0.0.1:0"), asyncio.Event()
    serving = asyncio.create_task(serve(app, bound, stop))
    async with aiohttp.ClientSession() as session:
        url = f"http://{address(bound)}{PATH}"
        async with session.post(url, headers={"Host": "wirewatch.example.org"}) as answer:
            assert answer.status == 421
        async with session.post(url) as answer:
            assert answer.status == 404
    stop.set()
    await asyncio.wait_for(serving, 60)
