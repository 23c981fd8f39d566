"""Presses through Socket Mode: kept, acknowledged in time, answered, and none lost when Slack renews a connection."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from consumers.model import Passage
from daemon.actions import Action, Actions
from daemon.errors import Unavailable
from daemon.slack_presses import Patience, Presses
from daemon.slack_socket import SlackSocket
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.supervisor import Backoff
from tests.fake_slack_socket import TOKEN, FakeSlackSocket, payload
from tests.kept_rows import NOW, HeldClock, KeptRows

PASSAGE = Passage(text="It happened.", number=1, of=1)
SOON = Backoff(first=0.01, longest=0.05, calm=60.0)


@dataclass
class Desk:
    """Where actions are kept. ``troubles`` are raised in turn first; ``busy`` holds every thread until it is set."""

    kept: list[Action] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)
    busy: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.busy.set()

    def carry_out(self, action: Action) -> str:
        assert self.busy.wait(20)
        if self.troubles:
            raise self.troubles.pop(0)
        self.kept.append(action)
        return f"Kept: {action.kind}, says {action.by}. <!channel>"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlackSocket]:
    slack = FakeSlackSocket()
    async with slack.server():
        yield slack


@dataclass
class Running:
    task: asyncio.Task[None]
    stop: asyncio.Event
    troubles: list[str]
    works: asyncio.Event

    async def working(self) -> None:
        await asyncio.wait_for(self.works.wait(), 60)

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 60)


@asynccontextmanager
async def running(
    slack: FakeSlackSocket,
    desk: Desk | Actions,
    threads: ThreadPoolExecutor,
    *,
    token: str = TOKEN,
    acknowledge: float = 2.5,
    keep: float = 60.0,
    backoff: Backoff = SOON,
    until_changed: float = 0.01,
) -> AsyncIterator[Running]:
    async with aiohttp.ClientSession() as session:
        presses = Presses(
            desk.carry_out,
            session=session,
            threads=threads,
            answers_at=[slack.response_url.rpartition("/")[0]],
            patience=Patience(acknowledge=acknowledge, keep=keep),
            backoff=SOON,
        )
        troubles: list[str] = []
        works = asyncio.Event()

        def trouble(sentence: str) -> None:
            troubles.append(sentence)
            if not sentence:
                works.set()

        socket = SlackSocket(
            session,
            token,
            presses,
            trouble=trouble,
            api=slack.api,
            backoff=backoff,
            until_changed=until_changed,
        )
        stop = asyncio.Event()
        one = Running(asyncio.create_task(socket.run(stop)), stop, troubles, works)
        try:
            yield one
        finally:
            if isinstance(desk, Desk):
                desk.busy.set()
            await one.end()


def pressing(slack: FakeSlackSocket, moment: str = "1763733720.000100", **more: str) -> dict[str, object]:
    return payload(moment=moment, response_url=slack.response_url, **more)


# -- one press


async def test_a_press_is_kept_acknowledged_and_answered(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    async with running(slack, desk, threads) as one:
        await one.working()
        await slack.press(pressing(slack), envelope="e1")
        await slack.until(lambda: slack.acknowledged and slack.replied)
        assert slack.acknowledged == [("e1", 0)]
        (action,) = desk.kept
        assert (action.kind, action.alert_id, action.by) == ("relevant", "a" * 32, "ana")
        (answer,) = slack.replied
        assert (answer["response_type"], answer["replace_original"]) == ("ephemeral", False)
        assert one.troubles == [""]


async def test_an_answer_says_nothing_that_slack_would_obey(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    async with running(slack, desk, threads):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack))
        await slack.until(lambda: slack.replied)
        assert slack.texts == ["Kept: relevant, says ana. &lt;!channel&gt;"]


async def test_a_press_is_acknowledged_only_once_it_is_kept(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.busy.clear()
    async with running(slack, desk, threads, acknowledge=20):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack))
        await slack.say({"envelope_id": "other", "type": "events_api", "payload": {}})
        await slack.until(lambda: slack.acknowledged)
        assert slack.acknowledged == [("other", 0)]
        assert not desk.kept
        desk.busy.set()
        await slack.until(lambda: len(slack.acknowledged) == 2)
        assert len(desk.kept) == 1


async def test_a_press_that_takes_long_is_acknowledged_in_time_and_kept_afterwards(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.busy.clear()
    async with running(slack, desk, threads, acknowledge=0.05):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack))
        await slack.until(lambda: slack.acknowledged)
        assert not desk.kept
        desk.busy.set()
        await slack.until(lambda: slack.replied)
        assert len(desk.kept) == 1


async def test_a_store_that_is_away_is_asked_again_until_the_press_is_kept(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.troubles = [Unavailable("the store is away")] * 3
    async with running(slack, desk, threads):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack))
        await slack.until(lambda: slack.replied)
        assert len(desk.kept) == 1
        assert slack.texts[0].startswith("Kept")


async def test_a_press_that_could_not_be_kept_is_told_and_may_be_repeated(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.troubles = [Unavailable("the store is away")]
    async with running(slack, desk, threads, keep=0.0):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack))
        await slack.until(lambda: len(slack.replied) == 1)
        assert "Press again" in slack.texts[0]
        await slack.press(pressing(slack))
        await slack.until(lambda: len(slack.replied) == 2)
        assert len(desk.kept) == 1


async def test_a_press_that_meets_a_bug_is_told_and_takes_no_other_press_along(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.troubles = [KeyError("nobody thought of this")]
    async with running(slack, desk, threads):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack), envelope="bad")
        await slack.until(lambda: slack.replied)
        await slack.press(pressing(slack, moment="1763733721.000100"), envelope="good")
        await slack.until(lambda: len(slack.replied) == 2)
        assert [envelope for envelope, _ in slack.acknowledged] == ["bad", "good"]
        assert "its log says more" in slack.texts[0]
        assert len(desk.kept) == 1


async def test_a_press_that_arrives_twice_is_done_once_and_acknowledged_twice(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.busy.clear()
    async with running(slack, desk, threads, acknowledge=20):
        await slack.until(lambda: slack.live)
        for envelope in ("e1", "e1", "e2"):
            await slack.press(pressing(slack), envelope=envelope)
        desk.busy.set()
        await slack.until(lambda: len(slack.acknowledged) == 3)
        await slack.until(lambda: slack.replied)
        assert len(desk.kept) == 1
    assert len(slack.replied) == 1


async def test_an_answer_is_tried_again_when_slack_is_busy(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    slack.replies = [503, 500]
    async with running(slack, desk, threads):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack))
        await slack.until(lambda: slack.replied)


async def test_nothing_is_posted_to_an_address_that_is_not_slacks(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    async with running(slack, desk, threads):
        await slack.until(lambda: slack.live)
        elsewhere = slack.response_url.replace("/actions/", "/link/../actions/")
        for number, url in enumerate((elsewhere, "http://127.0.0.1:1/", "", f"https://x@{slack.response_url}")):
            await slack.press(payload(moment=f"{number}.1", response_url=url), envelope=str(number))
        await slack.until(lambda: len(slack.acknowledged) == 4)
    assert len(desk.kept) == 4
    assert slack.replied == []


# -- the connection


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_the_next_connection_is_there_before_the_old_one_goes(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor, reason: str
) -> None:
    async with running(slack, desk, threads) as one:
        await one.working()
        await slack.renew(reason)
        await slack.until(lambda: len(slack.connections) == 2)
        assert slack.most_open == 2
        await slack.press(pressing(slack), envelope="late", on=0)
        await slack.until(lambda: ("late", 0) in slack.acknowledged)
        await slack.end(on=0)
        await slack.press(pressing(slack, moment="2.1"), envelope="next", on=1)
        await slack.until(lambda: ("next", 1) in slack.acknowledged)
        assert len(desk.kept) == 2
        assert slack.least_open == 1
        assert one.troubles == ["", ""]


async def test_a_connection_that_breaks_off_is_replaced(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    async with running(slack, desk, threads):
        await slack.until(lambda: slack.live)
        slack.cut()
        await slack.until(lambda: len(slack.connections) == 2)
        await slack.end()
        await slack.until(lambda: len(slack.connections) == 3)
        await slack.press(pressing(slack))
        await slack.until(lambda: slack.acknowledged)


async def test_a_press_whose_connection_went_before_it_was_acknowledged_is_kept_and_not_done_twice(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.busy.clear()
    async with running(slack, desk, threads, acknowledge=20):
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack), envelope="e1")
        slack.cut()
        await slack.until(lambda: len(slack.connections) == 2)
        await slack.press(pressing(slack), envelope="e1", on=1)
        desk.busy.set()
        await slack.until(lambda: ("e1", 1) in slack.acknowledged)
        await slack.until(lambda: slack.replied)
        assert len(desk.kept) == 1


async def test_every_attempt_asks_for_an_address_of_its_own(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    slack.greetings = ["", '{"type": "disconnect", "reason": "too_many_websockets"}', "<html>", "[1]"]
    async with running(slack, desk, threads) as one:
        await one.working()
        assert slack.opened == slack.dialled == 5
        assert "too_many_websockets" in one.troubles[1]
        assert one.troubles[-1] == ""


async def test_slack_that_is_away_or_busy_is_tried_for_ever_and_told_of(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    slack.answers = [500, "internal_error", 502, "fatal_error", 503, 429]
    slack.retry_after = "0"
    async with running(slack, desk, threads) as one:
        await one.working()
        assert len(one.troubles) == 7
        assert all("buttons in Slack do not work" in trouble for trouble in one.troubles[:-1])
        assert one.troubles[-1] == ""


async def test_slack_that_asks_to_wait_is_waited_for(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    slack.answers, slack.retry_after = ["ratelimited"], "1"
    async with running(slack, desk, threads) as one:
        began = asyncio.get_running_loop().time()
        await slack.until(lambda: slack.live)
        assert asyncio.get_running_loop().time() - began >= 1.0
        assert "ratelimited" in one.troubles[0]


async def test_attempts_become_rarer(slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor) -> None:
    slack.answers = [500] * 4
    began = asyncio.get_running_loop().time()
    async with running(slack, desk, threads, backoff=Backoff(first=0.05, longest=0.2)):
        await slack.until(lambda: slack.live)
    assert asyncio.get_running_loop().time() - began >= 0.05 + 0.1 + 0.2 + 0.2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("invalid_auth", "the app-level token is not valid"),
        ("not_allowed_token_type", "begins with xapp-"),
        ("missing_scope", "connections:write"),
        ("some_code_of_tomorrow", "some_code_of_tomorrow"),
    ],
)
async def test_a_refusal_says_what_to_do_and_is_tried_again_later(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor, code: str, said: str
) -> None:
    slack.answers = [code]
    async with running(slack, desk, threads) as one:
        await one.working()
        assert said in one.troubles[0]


async def test_connections_that_end_as_soon_as_they_begin_are_told_and_opened_more_rarely(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    async with running(slack, desk, threads) as one:
        for number in range(6):
            await slack.until(lambda wanted=number: len(slack.connections) > wanted)
            await slack.end()
        await slack.until(lambda: len(slack.connections) == 7)
        assert any("end as soon as they begin" in trouble for trouble in one.troubles)


async def test_a_mute_pressed_in_slack_holds_the_story_and_is_answered_with_its_end(
    slack: FakeSlackSocket, store: Store, threads: ThreadPoolExecutor
) -> None:
    rows = KeptRows(store)
    alert = rows.alert(rows.topic("Airstrikes Syria"), "Warplanes strike", passage=PASSAGE, reports=[])
    async with running(slack, Actions(store, HeldClock()), threads):
        await slack.until(lambda: slack.live)
        for envelope in ("e1", "e1"):
            await slack.press(
                payload("wirewatch.mute", f"{alert} 3600", menu=True, response_url=slack.response_url),
                envelope=envelope,
            )
        await slack.until(lambda: len(slack.acknowledged) == 2)
        (mute,) = Mutes(store).in_force(NOW)
        assert (mute.kind, mute.by, mute.until) == ("story", "ana", NOW + 3600)
        await slack.until(lambda: slack.texts == ["Muted by ana until 12:06 UTC; what it holds is told then."])


async def test_socket_mode_that_is_switched_off_is_told(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    slack.greetings = ['{"type": "disconnect", "reason": "link_disabled"}']
    async with running(slack, desk, threads) as one:
        await one.working()
        assert "Socket Mode is switched off" in one.troubles[0]


async def test_no_trouble_names_the_token_or_the_ticket(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    slack.greetings = ["", "no"]
    slack.answers = [500, "invalid_auth"]
    async with running(slack, desk, threads) as one:
        await one.working()
    assert len(one.troubles) == 5
    assert not [trouble for trouble in one.troubles if TOKEN in trouble or "ticket" in trouble]


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "nonsense",
        "null",
        "[" * 100_000,
        '{"type": "interactive"}',
        '{"envelope_id": 7, "type": "interactive", "payload": {}}',
        '{"envelope_id": "odd", "payload": [1, 2]}',
        '{"envelope_id": "odd", "payload": {"type": "block_actions", "actions": [null, 3, {"action_id": []}]}}',
        '{"envelope_id": "\\ud800", "payload": null}',
    ],
)
async def test_what_nobody_understands_does_no_harm(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor, raw: str
) -> None:
    async with running(slack, desk, threads):
        await slack.until(lambda: slack.live)
        await slack.say_raw(raw)
        await slack.press(pressing(slack), envelope="good")
        await slack.until(lambda: ("good", 0) in slack.acknowledged)
        assert len(slack.connections) == 1


async def test_a_press_under_way_is_finished_before_it_stops(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    desk.busy.clear()
    async with running(slack, desk, threads, acknowledge=20) as one:
        await slack.until(lambda: slack.live)
        await slack.press(pressing(slack), envelope="last")
        await slack.say({"envelope_id": "after", "payload": {}})
        await slack.until(lambda: ("after", 0) in slack.acknowledged)  # so the press before it has been read
        one.stop.set()
        desk.busy.set()
        await asyncio.wait_for(one.task, 60)
        assert ("last", 0) in slack.acknowledged
        assert len(slack.replied) == len(desk.kept) == 1
        await slack.until(lambda: not slack.live)


async def test_it_stops_at_once_while_it_waits_for_its_next_attempt(
    slack: FakeSlackSocket, desk: Desk, threads: ThreadPoolExecutor
) -> None:
    slack.answers = ["invalid_auth"]
    async with running(slack, desk, threads, until_changed=300.0) as one:
        await slack.until(lambda: slack.opened == 1)
        await asyncio.wait_for(one.end(), 60)
