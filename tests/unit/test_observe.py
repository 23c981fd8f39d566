"""What those who look from outside are told of what happens inside."""

import pytest

from daemon.feeds import Feed
from daemon.fetch.poll import Polled
from daemon.health import Health
from daemon.observe import Observer
from daemon.status import Status
from daemon.store import Store
from daemon.store.feeds import FeedStates
from daemon.store.survey import Kept
from daemon.telemetry import Metrics
from tests.kept_rows import NOW, HeldClock


class Watched:
    def __init__(self, store: Store) -> None:
        clock = HeldClock()
        self.health = Health(clock)
        self.states = FeedStates(store)
        self.observer = Observer(metrics=Metrics(version="0", python="3"), health=self.health, clock=clock)
        self.observer.watch(
            status=lambda: Status(at=NOW, kept=Kept()),
            lag=dict,
            errors=dict,
            states=self.states,
            channels=["console", "desk"],
        )

    def feeds(self, *ids: str) -> None:
        self.states.sync([Feed(id=id_, url=f"https://{id_}.example/") for id_ in ids], NOW)

    def poll(self, feed_id: str, outcome: str, reason: str = "") -> None:
        self.observer.polled(
            Polled(feed_id=feed_id, outcome=outcome, due=NOW, started=NOW, finished=NOW, reason=reason)  # type: ignore[arg-type]
        )

    def why(self, name: str) -> str | None:
        """None: no such part; empty: ready."""
        return next((part.why for part in self.health.ready()[1] if part.name == name), None)


@pytest.fixture
def watched(store: Store) -> Watched:
    return Watched(store)


def test_while_polls_are_put_off_fetching_is_not_ready_and_says_why(watched: Watched) -> None:
    watched.feeds("one", "two")
    watched.poll("one", "put_off", "the disk is full")
    watched.poll("two", "put_off", "the disk is full")
    assert watched.why("fetch") == "polls are put off: the disk is full"
    watched.poll("one", "articles")
    assert watched.why("fetch")
    watched.poll("two", "unchanged")
    assert watched.why("fetch") == ""


def test_a_feed_that_was_put_off_and_is_gone_is_not_waited_for(watched: Watched) -> None:
    watched.feeds("one", "two")
    watched.poll("one", "put_off", "the disk is full")
    watched.feeds("two")
    watched.poll("two", "unchanged")
    assert watched.why("fetch") == ""


def test_a_channel_that_was_taken_out_of_the_settings_is_not_waited_for(watched: Watched) -> None:
    watched.observer.channel("desk", False, "it refuses")
    watched.observer.channels(before=["console", "desk"], now=["console", "news"])
    assert (watched.why("channel:desk"), watched.why("channel:news")) == (None, "")
