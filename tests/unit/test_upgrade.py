"""An install of the release before goes on: what waited is told, and what was told is not told again."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from consumers.alerting import Alerter
from consumers.ids import alert_id, delivery_id, story_id
from consumers.model import Fact, Match, Message, Topic
from daemon.roles import Teller
from daemon.store import Store
from daemon.store.migrations import SCHEMA, Schema
from daemon.store.outbox import Outbox
from daemon.store.stories import Stories
from daemon.store.tables import alerts, deliveries, stories, story_matches, topic_versions
from daemon.wire import to_json
from tests.fake_channels import HeldClock
from tests.fake_events import START, Events
from tests.stores import KINDS, Place

BEFORE = "0003"
HARBOUR = Topic(id="harbour", query="harbour", channels=("console", "desk"))
LATER = START + 600.0


@pytest.fixture
def events() -> Events:
    return Events()


class OldInstall:
    """Rows as the release before wrote them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.write() as connection:
            row = {"topic_id": HARBOUR.id, "version": 1, "topic": to_json(HARBOUR).decode(), "at": 0.0}
            connection.execute(insert(topic_versions).values(row))

    def story(self, *matches: Match, state: str = "sent", told: bool = True) -> None:
        """One story of these matches; its first alert is in this state on every channel."""
        first = matches[0]
        story = story_id(first.id)
        reports = [
            {"source": each.article.source, "url": each.article.url, "title": each.article.title, "at": START}
            for each in matches
        ]
        kept = {"id": story, "topic_id": HARBOUR.id, "title": first.article.title, "started": START, "latest": START}
        alert = alert_id(HARBOUR.id, story, "first", 1)
        of_topic = {"topic_id": HARBOUR.id, "story_id": story}
        with self._store.write() as connection:
            written = to_json({**kept, "reports": reports}).decode()
            connection.execute(insert(stories).values(id=story, topic_id=HARBOUR.id, latest=START, story=written))
            for each in matches:
                row = {"match_id": each.id, "article_id": each.article.id, "at": START, "match": to_json(each).decode()}
                connection.execute(insert(story_matches).values(**of_topic, **row))
            if not told:
                return
            row = {"id": alert, "kind": "first", "match_id": first.id, "at": START, "channels": '["console","desk"]'}
            connection.execute(insert(alerts).values(**of_topic, **row))
            for channel in HARBOUR.channels:
                name = delivery_id(alert, channel)
                connection.execute(insert(deliveries).values(_delivery(name, alert, channel, state)))


def _delivery(name: str, alert: str, channel: str, state: str) -> dict[str, object]:
    return {
        "id": name,
        "alert_id": alert,
        "channel": channel,
        "state": state,
        "due": START,
        "attempts": int(state != "pending"),
        "in_doubt": False,
        "provider_id": f"{channel}-1" if state == "sent" else "",
        "reason": "",
        "notice": None,
        "created": START,
        "updated": START,
    }


class Desk:
    """The release that runs now."""

    def __init__(self, store: Store) -> None:
        self.clock = HeldClock(LATER)
        self.outbox = Outbox(store)
        alerter = Alerter(settle=0.0)
        alerter.apply_topics({HARBOUR.id: HARBOUR})
        self._teller = Teller(alerter, Stories(store), self.clock)

    def tell(self, *matches: Match) -> Sequence[tuple[str, Sequence[Fact]]]:
        """Kind and facts of the alerts that this makes."""
        self.clock.advance(60.0)
        return [(alert.kind, alert.facts) for alert in self._teller.tell(matches).alerts]

    def send(self, channel: str) -> list[Message]:
        sent = []
        while delivery := self.outbox.claim(self.clock.now(), channel):
            message = self.outbox.compose(delivery)
            assert isinstance(message, Message)
            self.outbox.sent(delivery.id, f"{channel}-{len(sent) + 2}", self.clock.now())
            sent.append(message)
        return sent


def schema_before(folder: Path) -> Schema:
    shutil.copytree(SCHEMA.steps, folder)
    for step in (folder / "versions").glob("*.py"):
        if step.name[:4] > BEFORE:
            step.unlink()
    return Schema(folder, BEFORE)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Empty, without any table."""
    if request.param == "sqlite":
        yield Place("sqlite:", tmp_path / "data")
        return
    server = request.getfixturevalue("postgres")
    url = server.database()
    yield Place(url, tmp_path)
    server.drop(url)


@pytest.fixture
def desk(place: Place, events: Events, tmp_path: Path) -> Iterator[Desk]:
    """Of the fire three sources told, of the strike one, which nobody was told yet; the flood is backfill."""
    with closing(place.open(schema_before(tmp_path / "steps"))) as old:
        install = OldInstall(old)
        install.story(*(events.report("fire", f"{name}.example", toll=12) for name in "abc"))
        install.story(events.report("strike", "a.example", toll=3), state="pending")
        install.story(events.report("flood", "a.example", toll=5, backfill=True), told=False)
    with closing(place.open()) as store:
        yield Desk(store)


def said(found: Sequence[tuple[str, Sequence[Fact]]]) -> list[tuple[str, list[str]]]:
    return [(kind, [fact.text for fact in facts]) for kind, facts in found]


def test_what_waited_is_told_on_each_channel(desk: Desk) -> None:
    for channel in HARBOUR.channels:
        assert [(message.kind, message.headline[:14]) for message in desk.send(channel)] == [
            ("first", "harbour strike")
        ]


def test_what_was_read_before_changes_nothing_when_it_comes_again(desk: Desk, events: Events) -> None:
    again = [events.report("fire", "a.example", toll=12), events.report("strike", "a.example", toll=3)]
    assert desk.tell(*again) == []


def test_a_story_that_was_told_goes_on_and_its_next_report_is_the_first_of_which_the_facts_are_known(
    desk: Desk, events: Events
) -> None:
    assert desk.tell(events.report("fire", "d.example", toll=12)) == []
    assert said(desk.tell(events.report("fire", "e.example", toll=19))) == [("update", ["toll 12 → 19"])]
    assert desk.tell(events.report("fire", "f.example", toll=19)) == []
    (message,) = desk.send("desk")[1:]
    assert (message.thread, len(message.reports)) == ("desk-1", 6)


def test_a_page_that_another_feed_brings_is_no_news_of_its_story(desk: Desk, events: Events) -> None:
    match = events.report("strike", "a.example", toll=3)
    again = replace(match, id="f" * 32, article=replace(match.article, id="e" * 32, feed_id="another"))
    assert desk.tell(again) == []


def test_a_story_from_backfill_is_told_once_when_it_goes_on(desk: Desk, events: Events) -> None:
    assert said(desk.tell(events.report("flood", "b.example", toll=5))) == [("first", [])]
    assert desk.tell(events.report("flood", "c.example", toll=5)) == []
