"""The whole daemon, as its user meets it: a process, files, feeds, a receiver."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.grounds import Ground, ground
from tests.scene import Desk, Item, Receiver, Site, running, wait_until

AIRSTRIKES = {"id": "russian-airstrikes-syria", "query": "Russian airstrikes Syria", "channels": ["desk"]}
PROMISE = 2.0  # seconds until an edit is in force
FERRIES = {"id": "ferry-accidents", "query": "ferry accident", "channels": ["desk"]}

FOOTBALL = Item("football", "Striker signs two-year deal", "The top scorer has signed until 2028, the club said.")
OLD_RAID = Item(
    "old-raid",
    "Russian jets bomb Idlib in northern Syria",
    "Russian aircraft carried out air strikes on Idlib province in Syria on Monday, residents said.",
)
HOMS = [
    Item(
        "homs-1",
        "Russian warplanes strike targets near Homs, ministry says",
        "Russian aircraft carried out twenty strikes on Wednesday in Homs in Syria, the defence ministry said.\n\n"
        "Residents said at least three houses in Talbiseh were hit.",
        "site-one.example",
    ),
    Item(
        "homs-2",
        "Moscow confirms air raids on Homs countryside in Syria",
        "Share\n\nRussia's air force bombed positions north of Homs on Wednesday. Moscow confirmed the air "
        "raids in Syria and put the number of strikes at twenty.\n\nAdvertisement",
        "site-two.example",
    ),
    Item(
        "homs-3",
        "Russian jets hit Syrian province of Homs",
        "Advertisement\n\nRussian aircraft carried out twenty strikes on Wednesday in Homs province in Syria, the "
        "defence ministry said.\n\nOil prices rose after the reports of Russian airstrikes.",
        "site-three.example",
    ),
]


class World:
    """One daemon, three feeds, one receiver."""

    def __init__(self, folder: Path, ground: Ground) -> None:
        self.site, self.receiver, self.desk = Site(), Receiver(), Desk(folder, ground)
        for path in ("/one", "/two", "/three"):
            self.site.publish(path)
        self.site.publish("/one", FOOTBALL, OLD_RAID)
        self.desk.configure(
            feeds=[f"{self.site.url}{path}" for path in ("/one", "/two", "/three")],
            topics=[AIRSTRIKES],
            channels=f'[channel.desk]\ntype = "webhook"\nurl = "{self.receiver.url}/hook"\n',
            settle="3s",
        )

    def headlines(self) -> list[str]:
        alerts = [one.body["data"] for one in self.receiver.accepted if str(one.body["type"]).startswith("alert.")]
        return [str(alert["headline"]) for alert in alerts]  # type: ignore[index]

    def watch_ferries(self) -> None:
        """Returns once the second topic is in force; each test that needs it asks, for it may be the first to run."""
        self.desk.topics([AIRSTRIKES, FERRIES])
        wait_until(self.watches_ferries, what="the new topic is in force")

    def watches_ferries(self) -> bool:
        topics = self.asked("/api/topics")
        return any(topic["id"] == FERRIES["id"] and topic["applied"] >= topic["version"] for topic in topics)

    def asked(self, path: str) -> Any:
        """What the page answers; one that cannot answer just now is asked again."""
        answers: list[str] = []

        def answered() -> bool:
            status, body = self.desk.get(path)
            answers.append(body)
            return status == 200

        wait_until(answered, what=f"{path} answers")
        return json.loads(answers[-1])

    def not_ready_parts(self) -> list[dict[str, object]]:
        return [part for body in self.desk.not_ready().values() if body for part in json.loads(body)["not_ready"]]

    def archived(self) -> int:
        return int(self.asked("/api/status")["kept"]["articles_24h"])


@pytest.fixture(scope="module", params=["embedded", "shared"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("desk")
    world = World(folder, ground(request, folder))
    with running(world.desk):
        wait_until(lambda: world.archived() >= 2, what="the backfill is archived")
        yield world
        assert world.desk.stop() == 0, "SIGTERM ends the daemon in good order"


def test_what_a_feed_already_carried_is_archived_and_not_told(world: World) -> None:
    world.site.publish("/two", Item("marker", "Ice rink to reopen after refit", "Entry is free on the first day."))
    wait_until(lambda: world.archived() >= 3, what="a later article is through")
    assert world.headlines() == []
    listed = world.desk.wirewatch("alerts", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout) == []


def test_three_sites_report_one_event_and_one_alert_names_all_three(world: World) -> None:
    paths = ("/one", "/two", "/three")
    with world.site.at_one_moment(*paths):
        for path, item in zip(paths, HOMS, strict=True):
            world.site.publish(path, item)
    wait_until(lambda: world.receiver.accepted, what="an alert is accepted")
    archived = world.archived()
    world.site.publish("/two", Item("marker-2", "Chess: teenager becomes grandmaster", "She needed a draw and won."))
    wait_until(lambda: world.archived() > archived, what="a later article is through")
    assert len(world.receiver.accepted) == 1
    alert = world.receiver.accepted[0].body
    assert alert["type"] == "alert.first"
    sources = {report["source"] for report in alert["data"]["reports"]}  # type: ignore[index]
    assert sources == {"site-one.example", "site-two.example", "site-three.example"}
    shown = world.desk.wirewatch("alerts", "list", "--json")
    assert len(json.loads(shown.stdout)) == 1


def test_an_edit_of_the_topics_is_in_force_within_two_seconds(world: World) -> None:
    took: list[float] = []
    while min(took, default=PROMISE) >= PROMISE and len(took) < 5:  # others who work here may slow down some of them
        world.desk.topics([AIRSTRIKES])
        wait_until(lambda: not world.watches_ferries(), what="the topic is gone")
        saved = time.monotonic()
        world.watch_ferries()
        took.append(time.monotonic() - saved)
    told = len(world.receiver.accepted)
    world.site.publish(
        "/three",
        Item(
            "ferry",
            "Ferry accident off Crete leaves nine injured",
            "A ferry hit a pier. Nine were injured in the accident.",
        ),
    )
    wait_until(lambda: len(world.receiver.accepted) > told, what="the new topic alerts")
    assert world.headlines()[-1] == "Ferry accident off Crete leaves nine injured"
    assert min(took) < PROMISE, took


def test_a_broken_edit_leaves_the_last_good_topics_in_force_and_names_the_line(world: World) -> None:
    world.desk.topics([AIRSTRIKES, {"id": "broken", "qery": "a typing error"}])
    try:
        said = ""

        def named() -> bool:
            nonlocal said
            said = str(world.desk.not_ready())
            return "qery" in said

        wait_until(named, what="readyz names the key")
        assert "topics.toml" in said
        assert "query" in said
        wait_until(lambda: "qery" in world.desk.get("/")[1], what="the page names the key")
        told = len(world.receiver.accepted)
        world.site.publish(
            "/one",
            Item(
                "aleppo",
                "Russian bombers hit Aleppo airfield",
                "Russian airstrikes in Syria destroyed the Aleppo airfield.",
            ),
        )
        wait_until(lambda: len(world.receiver.accepted) > told, what="the old topics still alert")
    finally:
        world.desk.topics([AIRSTRIKES, FERRIES])
    world.desk.wait_ready()


def test_a_second_daemon_for_the_same_page_exits_at_once_and_says_why(world: World) -> None:
    second = world.desk.wirewatch("run")
    assert second.returncode == 1
    alone = len(world.desk.processes) == 1
    assert (str(world.desk.processes["all"].pid) if alone else "another program uses this port") in second.stderr
    assert "Traceback" not in second.stderr


def test_a_receiver_that_is_down_gets_the_alert_when_it_is_back(world: World) -> None:
    world.watch_ferries()
    world.receiver.status = 503
    told, refused = len(world.receiver.accepted), world.receiver.refused
    world.site.publish(
        "/two",
        Item(
            "ferry-2", "Two ferries collide in Bergen fjord accident", "The ferry accident happened in fog off Bergen."
        ),
    )
    wait_until(lambda: world.receiver.refused > refused, what="a first attempt")
    world.receiver.status = 200
    wait_until(lambda: len(world.receiver.accepted) > told, what="the alert arrives after all")
    assert "collide" in world.headlines()[-1]


def test_a_channel_that_refuses_for_good_keeps_its_alerts_until_a_test_arrives(world: World) -> None:
    world.watch_ferries()
    world.receiver.status = 410
    told = len(world.receiver.accepted)
    world.site.publish(
        "/one",
        Item("ferry-3", "Ferry sinks in the Sulu Sea", "The accident of the ferry Luzon Star cost two lives off Jolo."),
    )
    wait_until(lambda: "'part': 'channel:desk'" in str(world.not_ready_parts()), what="it is told")
    listed = json.loads(world.desk.wirewatch("channels", "list", "--json").stdout)
    assert [row["state"] for row in listed if row["name"] == "desk"] == ["disabled"]
    world.receiver.status = 200
    mended = world.desk.wirewatch("channels", "test", "desk")
    assert mended.returncode == 0, mended.stderr
    wait_until(lambda: len(world.receiver.accepted) > told + 1, what="the alert follows the test")
    assert "Sulu" in world.headlines()[-1]
    world.desk.wait_ready()


def test_a_record_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(world: World) -> None:
    world.desk.ground.append("articles", b"{broken")
    archived = world.archived()
    world.site.publish("/one", Item("after", "Lighthouse diary found in attic", "It covers the winters to 1891."))
    wait_until(lambda: world.archived() > archived, what="a later article is through")
    letters: list[dict[str, object]] = []

    def set_aside() -> bool:
        """On another partition it may be read after that article."""
        letters[:] = json.loads(world.desk.wirewatch("dead-letters", "list", "--json").stdout)
        return bool(letters)

    wait_until(set_aside, what="it is set aside")
    assert [letter["stream"] for letter in letters] == ["articles"]
    dropped = world.desk.wirewatch("dead-letters", "drop", "--all", "--yes")
    assert dropped.returncode == 0, dropped.stderr


def test_metrics_and_status_answer_while_it_runs(world: World) -> None:
    status, metrics = world.desk.get("/metrics")
    assert status == 200
    assert "wirewatch_" in metrics
    told = world.desk.wirewatch("status", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)


def test_the_page_shows_the_alert(world: World) -> None:
    depot = Item(
        "depot", "Russian jets bomb oil depot near Palmyra", "Russian airstrikes in Syria hit a depot on Sunday."
    )
    world.site.publish("/one", depot)
    wait_until(lambda: "site-one.example/depot" in world.desk.get("/")[1], what="the page shows the alert")
