"""A small world around a real daemon: sites that serve feeds, a receiver of webhooks, the process itself.

Used by the end-to-end tests and by the benchmarks. Everything listens on loopback and lives in threads of the caller,
so that it survives whatever is done to the daemon.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

from tests.grounds import ALL, Embedded, Ground
from tests.servers.ports import free_ports

PATIENCE = 180.0  # seconds; what takes one where nothing else runs may take a minute among other tests


def wait_until(true: Callable[[], object], *, seconds: float = PATIENCE, what: str) -> None:
    """Returns as soon as ``true()`` is; raises AssertionError with ``what`` after the deadline."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        pause.wait(0.05)


@dataclass(frozen=True)
class Item:
    guid: str
    title: str
    text: str
    host: str = "site-one.example"
    published: float = 0.0  # seconds since the epoch; 0: now

    def xml(self) -> str:
        # Feeds carry their text escaped; a blank line between paragraphs becomes <p>.
        body = "".join(f"<p>{escape(part.strip())}</p>" for part in self.text.split("\n\n") if part.strip())
        return (
            f"<item><guid isPermaLink='false'>{escape(self.guid)}</guid><title>{escape(self.title)}</title>"
            f"<link>https://{self.host}/{escape(self.guid)}</link>"
            f"<pubDate>{formatdate(self.published or time.time())}</pubDate>"
            f"<description>{escape(body)}</description></item>"
        )


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words: object) -> None:
        """The default prints every request."""

    def answer(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server:
    """On one port of as many loopback addresses as there are ``hosts``: 127.0.0.1, 127.0.0.2 …"""

    def __init__(self, handler: type[BaseHTTPRequestHandler], hosts: int = 1) -> None:
        class Listening(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that was killed in the middle of a request is nothing to report."""

        first = Listening(("127.0.0.1", 0), handler)
        others = [Listening((f"127.0.0.{host + 1}", first.server_port), handler) for host in range(1, hosts)]
        self._servers = [first, *others]
        self.urls = [f"http://127.0.0.{host + 1}:{first.server_port}" for host in range(hosts)]
        self.url = self.urls[0]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


class Site(Server):
    """Feeds by path, newest item first, the last ``keep`` of them."""

    def __init__(self, keep: int = 200, hosts: int = 1) -> None:
        self._items: dict[str, list[Item]] = {}
        self._lock = threading.Lock()
        self.polls: list[tuple[float, str]] = []
        self._held: set[str] = set()
        self._waiting: set[str] = set()
        self._go_on = threading.Condition(self._lock)
        site = self

        class Handler(Quiet):
            def do_GET(self) -> None:
                with site._lock:
                    if self.path in site._held:
                        site._waiting.add(self.path)
                    site._go_on.wait_for(lambda: self.path not in site._held, PATIENCE)
                    items = list(site._items.get(self.path, ()))[-keep:]
                    known = self.path in site._items
                body = "".join(item.xml() for item in reversed(items))
                page = (
                    "<?xml version='1.0' encoding='utf-8'?><rss version='2.0'><channel>"
                    f"<title>{escape(self.path)}</title><link>https://site-one.example/</link>{body}</channel></rss>"
                ).encode()
                self.answer(200 if known else 404, page if known else b"", "application/rss+xml")
                with site._lock:
                    site.polls.append((time.time(), self.path))

        super().__init__(Handler, hosts)

    def publish(self, path: str, *items: Item) -> None:
        with self._lock:
            self._items.setdefault(path, []).extend(items)

    @contextmanager
    def at_one_moment(self, *paths: str) -> Iterator[None]:
        """What is published inside is answered in all places at once, when the next poll of each has come."""
        with self._lock:
            self._held.update(paths)
            self._waiting.clear()
        try:
            yield
            wait_until(lambda: self._waiting >= set(paths), what="every path is polled")
        finally:
            with self._lock:
                self._held.clear()
                self._go_on.notify_all()

    def polled(self, path: str) -> int:
        with self._lock:
            return sum(1 for _, polled in self.polls if polled == path)


@dataclass(frozen=True)
class Received:
    at: float
    id: str
    body: dict[str, object]


class Receiver(Server):
    """A webhook endpoint. ``status`` is what it answers; what it accepts it keeps."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.accepted: list[Received] = []
        self.refused = 0
        receiver = self

        class Handler(Quiet):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if receiver.status < 300:
                    receiver.accepted.append(Received(time.time(), self.headers["webhook-id"], body))
                else:
                    receiver.refused += 1
                self.answer(receiver.status, b"", "text/plain", receiver.headers)

        super().__init__(Handler)

    @property
    def ids(self) -> set[str]:
        return {one.id for one in self.accepted}


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


class Desk:
    """A configuration folder and the daemon that runs on it, in as many processes as its ground has."""

    def __init__(self, folder: Path, ground: Ground | None = None) -> None:
        self.folder = folder
        self.ground: Ground = ground or Embedded(folder)
        self.ports = dict(zip(self.ground.processes, free_ports(len(self.ground.processes)), strict=True))
        self.port = next(iter(self.ports.values()))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def configure(
        self,
        *,
        feeds: Sequence[str],
        topics: Sequence[Mapping[str, object]],
        channels: str = "",
        settle: str = "500ms",
        min_interval: str = "1s",
        extra: str = "",
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "wirewatch.toml").write_text(
            f'[web]\nlisten = "127.0.0.1:{self.port}"\n\n{self.ground.settings()}'
            f'[alerts]\nsettle = "{settle}"\n\n'
            f'[fetch]\nallow_networks = ["127.0.0.0/8"]\nhost_gap = "0s"\nper_host = 16\n'
            f'min_interval = "{min_interval}"\ndefault_interval = "{min_interval}"\n\n{channels}\n{extra}\n'
        )
        self.feeds(feeds, min_interval)
        self.topics(topics)

    def feeds(self, urls: Sequence[str], every: str = "1s") -> None:
        text = "".join(f'[[feed]]\nurl = "{url}"\nevery = "{every}"\n\n' for url in urls)
        (self.folder / "feeds.toml").write_text(text)

    def topics(self, topics: Sequence[Mapping[str, object]]) -> None:
        lines = []
        for topic in topics:
            lines.append("[[topic]]")
            lines += [f"{key} = {_toml(value)}" for key, value in topic.items()]
            lines.append("")
        (self.folder / "topics.toml").write_text("\n".join(lines))

    def start(self, *names: str, output: int | None = subprocess.DEVNULL) -> None:
        """These processes, or all of them."""
        for name in names or self.ground.processes:
            roles = self.ground.processes[name]
            words = [word for role in roles for word in ("--role", role)] if len(roles) < len(ALL) else []
            self.processes[name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "daemon", "--config", str(self.folder), "run", *words),
                    *("--listen", f"127.0.0.1:{self.ports[name]}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if os.environ.get("WIREWATCH_TEST_VERBOSE") else output,
            )

    def wirewatch(self, *words: str, seconds: float = PATIENCE) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "daemon", "--config", str(self.folder), *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )

    def get(self, path: str, process: str = "") -> tuple[int, str]:
        """From the process with the page, unless another one is named. 0 where nobody listens, or nobody answers."""
        port = self.ports[process] if process else self.port
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, OSError):
            return 0, ""

    def not_ready(self) -> dict[str, str]:
        """By process, what it says of itself; those that are ready are left out. One that has ended says nothing."""
        ended = {name: process.poll() for name, process in self.processes.items() if process.poll() is not None}
        assert not ended, f"ended, with these exit codes: {ended}"
        said = {name: self.get("/readyz", name) for name in self.processes}
        return {name: body for name, (status, body) in said.items() if status != 200}

    def wait_ready(self) -> None:
        wait_until(lambda: not self.not_ready(), what="the daemon is ready")

    def kill(self, *names: str) -> None:
        for name in names or list(self.processes):
            process = self.processes.pop(name)
            process.kill()
            process.wait()

    def stop(self, *names: str, seconds: float = PATIENCE) -> int:
        """SIGTERM; the worst exit code."""
        chosen = names or list(self.processes)
        for name in chosen:
            if self.processes[name].poll() is None:
                self.processes[name].send_signal(signal.SIGTERM)
        return max(self.processes.pop(name).wait(seconds) for name in chosen)


@contextmanager
def running(desk: Desk) -> Iterator[Desk]:
    desk.start()
    try:
        desk.wait_ready()
        yield desk
    finally:
        desk.kill()
