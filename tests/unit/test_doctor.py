import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from daemon import doctor as checks
from daemon import reachability
from daemon.channel_settings import ConsoleChannel, EmailChannel, SlackChannel, WebhookChannel
from daemon.cli import app as command_line
from daemon.doctor import Finding
from daemon.fetch.check import FeedReport


def test_an_old_python_fails_and_says_what_to_install():
    assert checks.python((3, 11, 0), "/usr/bin/python").state == "ok"
    finding = checks.python((3, 10, 9), "/usr/bin/python")
    assert finding.state == "fail"
    assert "3.11" in finding.advice


def test_a_missing_package_fails_by_name():
    finding = checks.packages({"aiohttp": "3.14", "feedparser": None})
    assert finding.state == "fail"
    assert "feedparser" in finding.detail


def test_a_cuda_build_without_a_gpu_is_no_fault():
    assert checks.torch_build("2.15", None, None).detail == "2.15, CPU build"
    assert "CPU" in checks.torch_build("2.15", "13.2", None).detail
    assert checks.torch_build("2.15", "13.2", None).state == "ok"
    assert checks.torch_build("2.15", "13.2", "H200").detail == "2.15, on H200"


def test_weights_that_are_not_the_expected_ones_fail():
    assert checks.model("m", "ab", "ab").state == "ok"
    assert checks.model("m", "ab", None).state == "ok"
    assert checks.model("m", "ab", "cd").state == "fail"


@pytest.mark.parametrize(
    ("version", "state", "noted"),
    [
        ("3.34.1", "fail", True),
        ("3.40.1", "ok", True),
        ("3.51.2", "ok", True),
        ("3.51.3", "ok", False),
        ("4.0", "ok", False),
    ],
)
def test_sqlite_is_judged_by_its_version(version: str, state: str, noted: bool):
    finding = checks.sqlite(version)
    assert finding.state == state
    assert bool(finding.advice) == noted


@pytest.mark.parametrize(
    ("writable", "free", "state"), [(True, 50e9, "ok"), (True, 1e9, "warn"), (True, 1e6, "fail"), (False, 50e9, "fail")]
)
def test_the_data_directory_has_to_be_writable_and_have_room(writable: bool, free: float, state: str):
    assert checks.data_dir("/data", exists=True, writable=writable, free=int(free)).state == state


@pytest.mark.parametrize(
    ("year", "drift", "state"), [(2026, 0.001, "ok"), (1970, 0.0, "fail"), (2026, 3.0, "warn"), (2026, -3.0, "warn")]
)
def test_the_clock_is_steady_and_in_our_time(year: int, drift: float, state: str):
    assert checks.clock(year, drift).state == state


def test_a_port_that_we_serve_ourselves_is_fine():
    assert checks.port("127.0.0.1:8470", free=False, ours=True).state == "ok"
    assert checks.port("127.0.0.1:8470", free=True, ours=False).state == "ok"
    assert checks.port("127.0.0.1:8470", free=False, ours=False).state == "fail"


def test_a_secret_that_is_not_seen_here_is_only_a_warning():
    assert checks.config_file("/c/topics.toml", "3 topics", "", []).state == "ok"
    assert checks.config_file("/c/wirewatch.toml", "", "", ["SLACK is not set"]).state == "warn"
    assert checks.config_file("/c/wirewatch.toml", "", "line 3: …", []).state == "fail"


def test_what_fails_is_counted_at_the_end():
    findings = [Finding(name="a", detail="x"), Finding(name="b", state="fail", detail="y", advice="do z")]
    text = checks.render(findings)
    assert "FAIL  b" in text
    assert "→ do z" in text
    assert text.endswith("1 to put right, 0 to look at.")
    assert checks.failed(findings)
    assert checks.render(findings[:1]).endswith("All is well.")


def report(url: str, problem: str = "") -> FeedReport:
    return FeedReport(url=url, readable=not problem, problems=(problem,) if problem else ())


def test_one_feed_of_many_that_fails_is_a_warning_and_all_of_them_a_failure():
    assert reachability.feeds_finding([report("a"), report("b")], 2).state == "ok"
    some = reachability.feeds_finding([report("a"), report("https://u:hunter2@b/", "HTTP 503")], 50)
    assert some.state == "warn"
    assert "1 of 2 sampled feeds of 50" in some.detail
    assert "HTTP 503" in some.detail
    assert "hunter2" not in some.detail
    assert reachability.feeds_finding([report("a", "no network")], 1).state == "fail"
    assert reachability.feeds_finding([], 0).state == "warn"


@given(st.integers(0, 300), st.integers(1, 40))
def test_a_sample_has_no_feed_twice_and_keeps_their_order(count: int, size: int):
    chosen = reachability.sample(list(range(count)), size)
    assert len(chosen) == min(count, size)
    assert chosen == sorted(set(chosen))


class FakeSlack:
    def __init__(self) -> None:
        self.tokens = {"xoxb-good"}
        self.base = ""

    async def auth_test(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        good = token in self.tokens
        return web.json_response(
            {"ok": good, **({"user": "wirewatch", "team": "Desk"} if good else {"error": "invalid_auth"})}
        )


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    fake = FakeSlack()
    site = web.Application()
    site.router.add_post("/api/auth.test", fake.auth_test)
    runner = web.AppRunner(site)
    await runner.setup()
    served = web.TCPSite(runner, "127.0.0.1", 0)
    await served.start()
    fake.base = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    yield fake
    await runner.cleanup()


def secret(folder: Path, value: str) -> Path:
    file = folder / "secret"
    file.write_text(value)
    return file


async def one(settings: Any, *, limit: float = 10.0) -> Finding:
    (finding,) = await reachability.channels({"x": settings}, limit=limit)
    return finding


async def test_slack_is_asked_whose_token_it_is(slack: FakeSlack, tmp_path: Path):
    token = secret(tmp_path, "xoxb-good")
    good = SlackChannel(type="slack", token_file=token, channel="#desk", api_url=slack.base)
    finding = await one(good)
    assert finding.state == "ok"
    assert "wirewatch in Desk" in finding.detail
    slack.tokens.clear()
    finding = await one(good)
    assert finding.state == "fail"
    assert "invalid_auth" in finding.detail
    assert "xoxb" not in finding.detail


async def test_a_secret_that_is_not_there_is_said(tmp_path: Path):
    finding = await one(SlackChannel(type="slack", token_file=tmp_path / "none", channel="#desk"))
    assert finding.state == "fail"
    assert "token_file" in finding.detail


async def test_a_mail_server_is_greeted_and_sent_nothing(tmp_path: Path):
    received: list[object] = []

    class Handler:
        async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802
            received.append(envelope)
            return "250 OK"

    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler()), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mail = EmailChannel(
        type="email",
        host="127.0.0.1",
        port=port,
        security="none",
        sender="a@example.org",
        recipients=("b@example.org",),
    )
    finding = await one(mail)
    server.close()
    assert finding.state == "ok", finding
    assert received == []
    assert (await one(mail)).state == "fail"


async def test_a_webhook_is_dialled_and_sent_nothing():
    received: list[bytes] = []
    done = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()
        done.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    hook = WebhookChannel(type="webhook", url=f"http://127.0.0.1:{port}/T0/hunter2")
    finding = await one(hook)
    await asyncio.wait_for(done.wait(), 60)
    server.close()
    assert finding.state == "ok"
    assert received == [b""]
    assert "hunter2" not in finding.detail
    assert (await one(hook)).state == "fail"


async def test_a_channel_that_never_answers_does_not_hold_up_the_doctor():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        mail = EmailChannel(
            type="email", host="127.0.0.1", port=silent.getsockname()[1], security="none",
            sender="a@example.org", recipients=("b@example.org",),
        )  # fmt: skip
        finding = await one(mail, limit=0.2)
    assert finding.state == "fail"


async def test_the_console_needs_nobody():
    assert (await one(ConsoleChannel())).state == "ok"


def test_the_command_checks_this_machine_and_exits_by_what_it_finds(tmp_path: Path):
    (tmp_path / "topics.toml").write_text("")
    (tmp_path / "feeds.toml").write_text("")
    (tmp_path / "wirewatch.toml").write_text('[web]\nlisten = "127.0.0.1:0"\n')
    arguments = ["--config", str(tmp_path), "doctor", "--offline"]
    result = CliRunner().invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    assert "the expected weights" in result.output
    (tmp_path / "topics.toml").write_text("[[topic]]\n")
    result = CliRunner().invoke(command_line, [*arguments, "--json"])
    assert result.exit_code == 1
    assert "topics.toml" in result.output
