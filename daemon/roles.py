"""The two roles that compute: plain threads that run a pump.

    articles, articles.backfill ──▶ matching ──▶ matches, matches.backfill (the log), then the archive
    matches, matches.backfill   ──▶ alerting ──▶ stories, alerts and deliveries, in one transaction

Backfill keeps to its own lane all the way, so nothing that was published before delays what is published now.
Both follow the compacted stream of topics between two batches, so an edit is in force within a fraction of a second.
Matching follows the stream of calibrations, too: what the archive says of each topic (``daemon/calibrating.py``).
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Protocol

from consumers.alerting import Alerter, Decisions
from consumers.backfill_summary import AlreadyPublished, BackfillSummary
from consumers.errors import ModelUnusable
from consumers.matcher import Judged
from consumers.model import (
    ARTICLES,
    BACKFILL,
    CALIBRATIONS,
    MATCHES,
    MATCHES_BACKFILL,
    TOPICS,
    Article,
    Match,
)
from consumers.model_switch import Matchers
from consumers.stories import StoryRule
from daemon.clock import Clock
from daemon.errors import Fenced, Unavailable, Unusable
from daemon.log import Log, Placed, Quarantine
from daemon.pump import Pump
from daemon.store.archive import Archive
from daemon.store.stories import Stories
from daemon.store.topics import TopicVersions
from daemon.suspects import Suspects

Trouble = Callable[[str], None]

BATCH = 64  # articles: with 100,000 topics the search takes 1.1 ms of each, and 2.9 ms in batches of 16
_TRIES = 5  # to record a decision while others write the same topics
_IDLE = 7 * 86_400.0  # seconds; restoring a topic takes a millisecond for each of its matches
_MOST = 40_000  # matches that an alerter remembers; about 11 kB each


class Models(Protocol):
    """Which model decides. ``daemon.model_change.ModelChange`` is one. Used by the matcher's thread alone."""

    def open(self) -> Matchers:
        """Once, before anything else. Raises ``ModelUnusable``, ``Unavailable``."""
        ...

    def round(self) -> None:
        """Between two batches. Never raises for want of the store."""
        ...

    def beside(self, judged: Sequence[Judged]) -> None:
        """What was archived. Raises ``Unavailable``."""
        ...


class Matching:
    """Articles into matches. The model is loaded when it runs, so that polls begin before."""

    def __init__(
        self,
        *,
        worker: str,
        log: Log,
        archive: Archive,
        versions: TopicVersions,
        quarantine: Quarantine,
        clock: Clock,
        models: Models,
        beat: Callable[[], None],
        trouble: Trouble,
        judged: Callable[[Sequence[Judged], float], None],
        rejected: Callable[[str, str], None],
    ) -> None:
        """``worker`` reports which topics it has applied.

        ``judged`` hears of every batch that was handed over, with the seconds it took to compare it.
        """
        self._worker = worker
        self._log = log
        self._archive = archive
        self._versions = versions
        self._quarantine = quarantine
        self._clock = clock
        self._models = models
        self._beat = beat
        self._trouble = trouble
        self._judged = judged
        self._rejected = rejected
        self._suspects = Suspects()
        self._place = ""
        self._silent = threading.Event()  # what was applied is still to be reported, all of it

    @property
    def topics_place(self) -> str:
        """How far it has read the stream of topics, for people; empty where the log does not tell. From any thread."""
        return self._place

    def say_again(self) -> None:
        """Report everything that was applied once more, soon. From any thread."""
        self._silent.set()

    def run(self, stop: threading.Event) -> None:
        """Raises ``Unusable`` where the model cannot be loaded."""
        try:
            matcher = self._models.open()
        except ModelUnusable as error:
            raise Unusable(str(error)) from error
        with closing(self._log.table(TOPICS)) as table, closing(self._log.table(CALIBRATIONS)) as calibrations:
            self.say_again()

            def follow() -> None:
                changes = table.changes(0.0)
                if changes:
                    matcher.apply(changes)
                if calibrated := calibrations.changes(0.0):
                    matcher.calibrate(calibrated)
                self._models.round()
                if isinstance(table, Placed):
                    self._place = table.place
                if self._silent.is_set():
                    self._report(matcher.topics_in_force, whole=True)
                elif changes:
                    self._report({topic_id: topic.version if topic else None for topic_id, topic in changes.items()})
                self._beat()

            Pump(
                log=self._log,
                streams=[ARTICLES, BACKFILL],
                group="matcher",
                handle=lambda articles: self._compare(matcher, articles),
                sinks=[self._hand_over, self._keep, self._models.beside],
                quarantine=self._quarantine,
                clock=self._clock,
                suspects=self._suspects,
                each_round=follow,
                batch=BATCH,
                on_reject=self._rejected,
                on_trouble=self._trouble,
            ).run(stop)

    def _compare(self, matcher: Matchers, articles: Sequence[Article]) -> Sequence[Judged]:
        started = self._clock.monotonic()
        judged = matcher.match(articles)
        self._judged(judged, self._clock.monotonic() - started)
        return judged

    def _hand_over(self, judged: Sequence[Judged]) -> None:
        for stream, backfill in ((MATCHES, False), (MATCHES_BACKFILL, True)):
            lane = [match for each in judged for match in each.matches if match.article.backfill is backfill]
            if lane:
                self._log.append(stream, lane)

    def _keep(self, judged: Sequence[Judged]) -> None:
        """A replay brings copies that are marked as backfill: what is archived says how the article was read."""
        copies = [each.article.id for each in judged if each.article.backfill]
        kept = {archived.article.id: archived.article for archived in self._archive.by_id(copies)} if copies else {}
        self._archive.put([_as_read(each, kept.get(each.article.id)) for each in judged])

    def _report(self, versions: Mapping[str, int | None], *, whole: bool = False) -> None:
        """For people: the topics are in force without it, so nothing waits for it. It is made up for when it fails."""
        self._silent.clear()
        try:
            if whole:
                self._versions.forget_applied(self._worker)
            self._versions.applied(self._worker, versions, self._clock.now())
        except Unavailable as error:
            self._silent.set()
            self._trouble(str(error))
        else:
            if whole:
                self._trouble("")


def _as_read(judged: Judged, kept: Article | None) -> Judged:
    if kept is None or kept.backfill or kept.revision != judged.article.revision:
        return judged
    return replace(judged, article=replace(judged.article, backfill=False))


class Alerting:
    """Matches into stories and alerts."""

    def __init__(
        self,
        *,
        log: Log,
        stories: Stories,
        quarantine: Quarantine,
        clock: Clock,
        settle: float,
        beat: Callable[[], None],
        trouble: Trouble,
        decided: Callable[[Decisions], None],
        rejected: Callable[[str, str], None],
        summary: Callable[[AlreadyPublished, str], None],
    ) -> None:
        """``summary`` is told what a first poll would have alerted, with the topic's query."""
        self._log = log
        self._stories = stories
        self._quarantine = quarantine
        self._clock = clock
        self._settle = settle
        self._beat = beat
        self._trouble = trouble
        self._decided = decided
        self._rejected = rejected
        self._summary = summary
        self._suspects = Suspects()

    def run(self, stop: threading.Event) -> None:
        alerter = Alerter(settle=self._settle)
        teller = Teller(alerter, self._stories, self._clock)
        summaries = BackfillSummary()
        queries: dict[str, str] = {}
        with closing(self._log.table(TOPICS)) as table:

            def follow() -> None:
                changes = table.changes(0.0)
                if changes:
                    alerter.apply_topics(changes)
                    queries.update({topic_id: topic.query for topic_id, topic in changes.items() if topic})
                for summary in summaries.ready(self._clock.now()):
                    self._summary(summary, queries.get(summary.topic_id, summary.topic_id))
                self._beat()

            def tell(batches: Sequence[Sequence[Match]]) -> None:
                follow()  # a topic is on its stream before its first match: whoever reads the match finds it
                for matches in batches:
                    decisions = teller.tell(matches)
                    summaries.add(decisions, self._clock.now())
                    self._decided(decisions)

            Pump(
                log=self._log,
                streams=[MATCHES, MATCHES_BACKFILL],
                group="alerter",
                handle=lambda matches: [matches],  # what is decided depends on what is recorded, so both come together
                sinks=[tell],
                quarantine=self._quarantine,
                clock=self._clock,
                suspects=self._suspects,
                each_round=follow,
                on_reject=self._rejected,
                on_trouble=self._trouble,
            ).run(stop)


class Teller:
    """Decides with the stories as they are kept, whoever wrote them last, and records what it decided. One thread.

    What an alerter remembers of a topic is good as long as the topic's turn is the one that this alerter wrote last.
    Otherwise others have written since, or this one has not recorded what it decided: then the topic is restored first.
    Topics without a match for a while are forgotten, and those left alone longest where too much is remembered.
    """

    def __init__(
        self,
        alerter: Alerter,
        stories: Stories,
        clock: Clock,
        *,
        window: float = StoryRule().window,
        idle: float = _IDLE,
        most: int = _MOST,
    ) -> None:
        """``window``: stories that were joined in so many seconds are restored; ``idle``: seconds until a topic is
        forgotten; ``most``: matches that are remembered, unless the topics of one batch have more.
        """
        self._alerter = alerter
        self._stories = stories
        self._clock = clock
        self._window = window
        self._idle = idle
        self._most = most
        self._turns: dict[str, int] = {}  # of the topics that are remembered as they are kept
        self._touched: dict[str, float] = {}  # when; the one that was left alone longest first

    def tell(self, matches: Sequence[Match]) -> Decisions:
        """What was recorded. Raises ``Unavailable``, or ``Fenced`` where others are always first; then nothing was."""
        for _ in range(_TRIES - 1):
            with suppress(Fenced):
                return self._decide_and_record(matches)
        return self._decide_and_record(matches)

    def _decide_and_record(self, matches: Sequence[Match]) -> Decisions:
        topics = frozenset(match.topic_id for match in matches)
        turns = self._stories.turns(topics)
        now = self._clock.now()  # later than what others have decided before: a story is told in the order of time
        late = [topic_id for topic_id in topics if self._turns.get(topic_id) != turns[topic_id]]
        if late:
            self._alerter.restore(self._stories.restore(now - self._window, late))
        self._forget(now, topics)
        before = self._stories.recorded({match.id for match in matches})
        for topic_id in topics:
            self._turns.pop(topic_id, None)  # until it is recorded, what is remembered is not what is kept
            self._touched.pop(topic_id, None)
            self._touched[topic_id] = now
        decisions = self._alerter.decide(matches, now, before)
        self._turns |= {**turns, **self._stories.record(decisions, turns)}
        return decisions

    def _forget(self, now: float, needed: Collection[str]) -> None:
        for topic_id, touched in list(self._touched.items()):
            if touched >= now - self._idle and self._alerter.remembered <= self._most:
                return
            if topic_id not in needed:
                self._alerter.forget([topic_id])
                self._turns.pop(topic_id, None)
                del self._touched[topic_id]
