"""``wirewatch replay``: with a daemon and without one."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from consumers.embedding import TextEmbedder, open_embedder
from consumers.matcher import Matcher
from consumers.model import BACKFILL, MATCHES_BACKFILL, Article, Stream, Topic
from daemon.cli import root
from daemon.cli.replay import replay
from daemon.clock import SystemClock
from daemon.control import ControlServer, own
from daemon.errors import Unavailable
from daemon.log.opening import open_log
from daemon.replay import verbs
from daemon.store.archive import Archive
from daemon.store.dead_letters import DeadLetters
from daemon.store.opening import open_store
from daemon.store.topics import TopicVersion, TopicVersions

Answer = Callable[[dict[str, Any]], dict[str, Any]]

app = typer.Typer()
app.callback()(root)
app.command()(replay)
app.command()(lambda: None)  # a second one, so that the first is called by its name


@pytest.fixture(scope="module")
def embedder() -> TextEmbedder:
    return open_embedder()


class Install:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        (folder / "wirewatch.toml").write_text("")

    def keep(self, embedder: TextEmbedder, *titles: str, topic: Topic | None = None) -> None:
        articles = [
            Article(id=f"a{n}", feed_id="f", source="example.org", title=title, text=title, seen=time.time() - 3600 + n)
            for n, title in enumerate(titles)
        ]
        with closing(open_store("sqlite:", self.data)) as store:
            Archive(store).put(Matcher(embedder).match(articles))
            if topic:
                TopicVersions(store).remember([TopicVersion(topic_id=topic.id, version=1, topic=topic, at=1.0)])

    def __call__(self, *args: str) -> Result:
        return CliRunner().invoke(app, ["--config", str(self.folder), "replay", *args])

    def on(self, stream: Stream[Any]) -> list[Any]:
        log = open_log("sqlite:", self.data, quarantine=lambda letters: None, clock=SystemClock())
        with closing(log), closing(log.reader(stream, "someone")) as reader:
            return list(reader.read(100, 0.0))


@pytest.fixture
def install(tmp_path: Path) -> Install:
    return Install(tmp_path)


def test_while_nobody_runs_it_takes_the_place_of_the_daemon(install: Install, embedder: TextEmbedder) -> None:
    install.keep(embedder, "Fire in the harbour", "Wedding in the town hall")
    done = install("--since", "7d")
    assert done.exit_code == 0, done.output
    assert "2 articles handed over" in done.stdout
    assert [(each.id, each.backfill) for each in install.on(BACKFILL)] == [("a0", True), ("a1", True)]


def test_what_is_older_is_left_alone(install: Install, embedder: TextEmbedder) -> None:
    install.keep(embedder, "Fire in the harbour")
    assert json.loads(install("--since", "10m", "--json").stdout) == {"articles": 0, "other_model": 0}
    assert "Nothing was read in that time." in install("--since", "10m").stdout
    assert install.on(BACKFILL) == []


def test_one_topic_is_compared_at_once_and_no_other(install: Install, embedder: TextEmbedder) -> None:
    install.keep(
        embedder, "Fire in the harbour of Odessa", "Wedding in the town hall", topic=Topic(id="h", query="harbour fire")
    )
    done = install("--since", "7d", "--topic", "h", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"topic": "h", "articles": 2, "matches": 1, "other_model": 0}
    assert [(match.topic_id, match.article.id) for match in install.on(MATCHES_BACKFILL)] == [("h", "a0")]
    assert install.on(BACKFILL) == []
    assert "2 articles compared with h: 1 above the line" in install("--since", "7d", "--topic", "h").stdout


def test_wrong_use_is_a_sentence_and_changes_nothing(install: Install, embedder: TextEmbedder) -> None:
    assert "wirewatch run" in install("--since", "7d").stderr
    assert not install.data.exists()
    install.keep(embedder, "Fire in the harbour")
    for args, why in ((["--since", "soon"], "neither"), (["--since", "7d", "--topic", "nobody"], "no topic")):
        done = install(*args)
        assert done.exit_code == 1
        assert why in done.stderr
        assert "Traceback" not in done.output
    assert install.on(BACKFILL) == []


async def with_a_daemon(install: Install, wrap: Callable[[Answer], Answer], *args: str) -> Result:
    clock = SystemClock()
    with (
        own(install.data, address="", clock=clock) as me,
        closing(open_store("sqlite:", install.data)) as store,
        closing(open_log("sqlite:", install.data, quarantine=DeadLetters(store).put, clock=clock)) as log,
    ):
        mine: Mapping[str, Answer] = verbs(store, log, clock)
        stop = asyncio.Event()
        server = ControlServer(Path(me.socket), {**mine, "replay": wrap(mine["replay"])})
        running = asyncio.create_task(server.run(stop))
        async with asyncio.timeout(60):
            while not Path(me.socket).exists():
                await asyncio.sleep(0)
        done = await asyncio.to_thread(install, *args)
        stop.set()
        await running
        return done


async def test_while_the_daemon_runs_the_daemon_does_it(install: Install, embedder: TextEmbedder) -> None:
    install.keep(embedder, "Fire in the harbour")
    asked: list[dict[str, Any]] = []

    def observed(step: Answer) -> Answer:
        def answer(args: dict[str, Any]) -> dict[str, Any]:
            asked.append(args)
            return step(args)

        return answer

    done = await with_a_daemon(install, observed, "--since", "7d", "--json")
    assert json.loads(done.stdout) == {"articles": 1, "other_model": 0}
    assert len(asked) == 2
    assert len(install.on(BACKFILL)) == 1


async def test_what_was_broken_off_says_how_to_go_on(install: Install, embedder: TextEmbedder) -> None:
    install.keep(embedder, "Fire in the harbour")
    steps = iter(range(10))

    def failing(step: Answer) -> Answer:
        def answer(args: dict[str, Any]) -> dict[str, Any]:
            if next(steps):
                raise Unavailable("the log is away")
            return step(args)

        return answer

    done = await with_a_daemon(install, failing, "--since", "7d")
    assert done.exit_code == 1
    assert "the log is away; 1 article done, go on with `wirewatch replay --since 20" in done.stderr
    again = done.stderr.split("--since ")[1].split("`")[0]
    assert "1 article handed over" in install("--since", again).stdout
