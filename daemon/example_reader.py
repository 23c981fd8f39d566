"""Reading what topics name as examples: from the archive, else the page; what fails is tried again later."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from consumers.model import Topic
from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.examples import MOST_TEXT, MOST_TITLE, archived_as, copy_of, named_by
from daemon.fetch.failure import PollFailed
from daemon.fetch.urls import host_of
from daemon.store.archive import Archive
from daemon.store.examples import ARTICLE, TEXT, Example, Examples

T = TypeVar("T")

EVERY = 10.0  # seconds between two looks for new examples
AGAIN, LONGEST = 300.0, 86_400.0  # seconds before the second attempt, and at most; doubled each time
_HOSTS = 4  # pages that are read at once, each from another host

ReadPage = Callable[[str], Awaitable[tuple[str, str]]]
"""Title and text of the page at a URL. Raises ``PollFailed``."""


@dataclass(slots=True)
class _Waiting:
    attempts: int
    due: float


class ExampleReader:
    """Copies what the archive has, reads the pages it does not have, and tries what failed again later. One loop.

    Store and archive are asked in ``threads``.
    """

    def __init__(
        self,
        examples: Examples,
        archive: Archive,
        *,
        read: ReadPage,
        clock: Clock,
        threads: Executor | None = None,
        every: float = EVERY,
    ) -> None:
        self._examples = examples
        self._archive = archive
        self._page = read
        self._clock = clock
        self._threads = threads
        self._every = every
        self._named: frozenset[str] = frozenset()
        self._done: set[str] = set()
        self._waiting: dict[str, _Waiting] = {}

    async def run(self, topics: Callable[[], Iterable[Topic] | None], ended: asyncio.Event) -> None:
        """Until ``ended``. ``topics`` are those in force; None while this is another process's work."""
        while not ended.is_set():
            wanted = topics()
            try:
                if wanted is None:
                    self._named = frozenset()  # whoever does it now may read and forget what we know of
                else:
                    await self.resolve(wanted)
            except Unavailable:
                self._named = frozenset()  # the store is away, as others report: all of it once more
            try:
                await asyncio.wait_for(ended.wait(), self._every)
            except TimeoutError:
                continue

    async def resolve(self, topics: Iterable[Topic]) -> None:
        """One look at the examples of all topics: what is new or due is read. Raises ``Unavailable``."""
        named = await self._in_thread(lambda: _named(topics))
        if named != self._named:
            await self._in_thread(lambda: self._learn(named))
            self._named = named
        now = self._clock.now()
        due = [ref for ref in sorted(named - self._done) if ref not in self._waiting or self._waiting[ref].due <= now]
        if not due:
            return
        found = await self._in_thread(lambda: self._from_archive(due, now))
        self._settle(found, {})
        hosts: dict[str, list[str]] = {}
        for ref in due:
            if ref not in self._done and not ref.startswith(ARTICLE):
                hosts.setdefault(host_of(ref), []).append(ref)
        turns = asyncio.Semaphore(_HOSTS)
        await asyncio.gather(*(self._from_host(refs, turns) for refs in hosts.values()))

    def _learn(self, named: frozenset[str]) -> None:
        """What is there already; and what nobody names any longer goes."""
        self._examples.forget_all_but(named)
        known = self._examples.get(named)
        self._done = {ref for ref, example in known.items() if not example.reason}
        waiting = {
            ref: self._waiting.get(ref) or _Waiting(1, example.at + AGAIN)
            for ref, example in known.items()
            if example.reason
        }
        self._waiting = waiting

    def _from_archive(self, refs: Sequence[str], now: float) -> list[Example]:
        archived = archived_as(self._archive, refs)
        found = [copy_of(each.article, ref, now) for ref, each in archived.items()]
        found += [
            Example(ref=ref, reason="no article with this id is kept any longer", at=now)
            for ref in refs
            if ref not in archived and ref.startswith(ARTICLE)
        ]
        self._examples.put(found)
        return found

    async def _from_host(self, refs: Sequence[str], turns: asyncio.Semaphore) -> None:
        """One page after the other: a host is asked politely."""
        for ref in refs:
            async with turns:
                example, after = await self._from_page(ref)
            await self._in_thread(partial(self._examples.put, [example]))
            self._settle([example], {ref: after})

    async def _from_page(self, url: str) -> tuple[Example, float]:
        """And the seconds that the site wants to be left alone."""
        try:
            title, text = await self._page(url)
        except PollFailed as error:
            return Example(ref=url, url=url, reason=error.reason, at=self._clock.now()), error.retry_after or 0.0
        read = Example(ref=url, url=url, title=title[:MOST_TITLE], text=text[:MOST_TEXT], at=self._clock.now())
        return read, 0.0

    def _settle(self, tried: Iterable[Example], after: Mapping[str, float]) -> None:
        for example in tried:
            if not example.reason:
                self._done.add(example.ref)
                self._waiting.pop(example.ref, None)
                continue
            last = self._waiting.get(example.ref)
            attempts = last.attempts + 1 if last else 1
            pause = min(LONGEST, AGAIN * 2.0 ** min(attempts - 1, 30))
            self._waiting[example.ref] = _Waiting(attempts, example.at + max(pause, after.get(example.ref, 0.0)))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _named(topics: Iterable[Topic]) -> frozenset[str]:
    return frozenset(ref for topic in topics for ref, _ in named_by(topic) if not ref.startswith(TEXT))
