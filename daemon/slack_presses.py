"""Presses on Slack's buttons, by whichever way they come: each is kept first, and then the person is answered."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from consumers.errors import Reject, Retry
from consumers.notify.http_post import post
from consumers.notify.slack_text import escape
from consumers.notify.status import classify
from daemon.actions import Action
from daemon.errors import Unavailable
from daemon.supervisor import Backoff

if TYPE_CHECKING:
    from aiohttp import ClientSession

SLACK_ANSWERS = ("https://hooks.slack.com/", "https://hooks.slack-gov.com/")
LONGEST_ANSWER = 3000  # UTF-16 units, as Slack counts a section
_REMEMBERED = 1000  # presses
_ANSWER_TRIES = 3  # Slack takes five answers to one press, for half an hour
_LATER = "Wirewatch could not keep this: its store cannot be reached. Press again in a few minutes."
_BROKE = "Wirewatch failed at this, and nobody foresaw how: its log says more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """All in seconds. Slack shows the person a failure when a press is not acknowledged within three."""

    acknowledge: float = 2.5
    keep: float = 600.0  # while the store is away
    answer: float = 10.0


class Presses:
    """On the loop. ``carry_out`` keeps an action, runs in a thread and may be called again with the same one."""

    def __init__(
        self,
        carry_out: Callable[[Action], str],
        *,
        session: "ClientSession",
        threads: Executor,
        answers_at: Sequence[str] = SLACK_ANSWERS,
        patience: Patience = Patience(),
        backoff: Backoff = Backoff(longest=30.0),  # noqa: B008 - frozen
    ) -> None:
        """``answers_at``: how the address of an answer must begin; a payload does not decide where we post to."""
        self._carry_out = carry_out
        self._session = session
        self._threads = threads
        self._answers_at = tuple(answers_at)
        self._patience = patience
        self._backoff = backoff
        self._known: OrderedDict[str, asyncio.Task[str]] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("slack")

    async def take(self, action: Action) -> None:
        """To be acknowledged when it returns: once the press is kept, or when that takes too long to wait for.

        It is kept, and answered, all the same. A press that arrives twice is carried out once.
        """
        keeping = self._known.get(action.key) if action.key else None
        if keeping is None:
            keeping = self._begin(action)
        await asyncio.wait({keeping}, timeout=self._patience.acknowledge)

    async def finish(self, seconds: float) -> None:
        """Waits so long for what is under way."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=seconds)

    def _begin(self, action: Action) -> asyncio.Task[str]:
        keeping = asyncio.create_task(self._keep(action))
        if action.key:
            self._known[action.key] = keeping
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        answering = asyncio.create_task(self._then_answer(action, keeping))
        self._under_way.add(answering)
        answering.add_done_callback(self._under_way.discard)
        return keeping

    async def _keep(self, action: Action) -> str:
        loop = asyncio.get_running_loop()
        until, attempts = loop.time() + self._patience.keep, 0
        while True:
            try:
                return await loop.run_in_executor(self._threads, self._carry_out, action)
            except Unavailable as error:
                attempts += 1
                wait = self._backoff.wait(attempts)
                if loop.time() + wait > until:
                    self._known.pop(action.key, None)
                    self._log.warning("a press was not kept", action=action.kind, by=action.by, why=str(error))
                    return _LATER
                await asyncio.sleep(wait)

    async def _then_answer(self, action: Action, keeping: asyncio.Task[str]) -> None:
        await asyncio.wait({keeping})
        if keeping.cancelled():
            return
        if error := keeping.exception():  # one press is no reason to lose the others
            self._log.error("a press failed", action=action.kind, by=action.by, exc_info=error)
        await self._answer(action, _BROKE if error else keeping.result())

    async def _answer(self, action: Action, text: str) -> None:
        url = action.reply_to
        if not url.startswith(self._answers_at):
            self._log.warning("a press cannot be answered", action=action.kind, why="its address is not Slack's")
            return
        body = json.dumps(
            {"response_type": "ephemeral", "replace_original": False, "text": escape(text, LONGEST_ANSWER)}
        ).encode()
        for attempt in range(1, _ANSWER_TRIES + 1):
            try:
                await self._post(url, body)
            except Retry as error:
                if attempt == _ANSWER_TRIES:
                    self._log.warning("a press was not answered", action=action.kind, why=error.reason)
                else:
                    await asyncio.sleep(max(error.after or 0.0, self._backoff.wait(attempt)))
            except Reject as error:
                self._log.warning("a press was not answered", action=action.kind, why=error.reason)
                return
            else:
                return

    async def _post(self, url: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        answer = await post(self._session, url, body, headers, deadline=self._patience.answer)
        if error := classify(answer.status):
            raise error
