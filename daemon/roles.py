"""The two roles that compute: plain threads that run a pump.

    articles, articles.backfill ──▶ matching ──▶ matches (the log), then the archive
    matches                     ──▶ alerting ──▶ stories, alerts and deliveries, in one transaction

Both follow the compacted stream of topics between two batches, so an edit is in force within a fraction of a second.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from consumers.alerting import Alerter, AlreadyPublished, BackfillSummary, Decisions
from consumers.embedding import Embedder
from consumers.errors import ModelUnusable
from consumers.matcher import Judged, Matcher
from consumers.model import ARTICLES, BACKFILL, MATCHES, TOPICS, Article, Match, Topic
from consumers.stories import StoryRule
from daemon.clock import Clock
from daemon.errors import Unavailable, Unusable
from daemon.log import Log, Quarantine
from daemon.pump import Pump
from daemon.store.archive import Archive
from daemon.store.stories import Stories
from daemon.store.topics import TopicVersions
from daemon.suspects import Suspects

Trouble = Callable[[str], None]


class Matching:
    """Articles into matches. The model is loaded when it runs, so that polls begin before."""

    def __init__(
        self,
        *,
        log: Log,
        archive: Archive,
        versions: TopicVersions,
        quarantine: Quarantine,
        clock: Clock,
        load: Callable[[], Embedder],
        beat: Callable[[], None],
        trouble: Trouble,
        judged: Callable[[Sequence[Judged], float], None],
        rejected: Callable[[str, str], None],
    ) -> None:
        """``judged`` hears of every batch that was handed over, with the seconds it took to compare it."""
        self._log = log
        self._archive = archive
        self._versions = versions
        self._quarantine = quarantine
        self._clock = clock
        self._load = load
        self._beat = beat
        self._trouble = trouble
        self._judged = judged
        self._rejected = rejected
        self._suspects = Suspects()

    def run(self, stop: threading.Event) -> None:
        """Raises ``Unusable`` where the model cannot be loaded."""
        try:
            matcher = Matcher(self._load())
        except ModelUnusable as error:
            raise Unusable(str(error)) from error
        with closing(self._log.table(TOPICS)) as table:
            fresh = True

            def follow() -> None:
                nonlocal fresh
                changes = table.changes(0.0)
                if changes:
                    matcher.apply(changes)
                if changes or fresh:
                    self._applied(changes, whole=fresh)
                    fresh = False
                self._beat()

            Pump(
                log=self._log,
                streams=[ARTICLES, BACKFILL],
                group="matcher",
                handle=lambda articles: self._compare(matcher, articles),
                sinks=[self._hand_over, self._archive.put],
                quarantine=self._quarantine,
                clock=self._clock,
                suspects=self._suspects,
                each_round=follow,
                on_reject=self._rejected,
                on_trouble=self._trouble,
            ).run(stop)

    def _compare(self, matcher: Matcher, articles: Sequence[Article]) -> Sequence[Judged]:
        started = self._clock.monotonic()
        judged = matcher.match(articles)
        self._judged(judged, self._clock.monotonic() - started)
        return judged

    def _hand_over(self, judged: Sequence[Judged]) -> None:
        matches = [match for each in judged for match in each.matches]
        if matches:
            self._log.append(MATCHES, matches)

    def _applied(self, changes: Mapping[str, Topic | None], *, whole: bool) -> None:
        """A report for people: the topics are in force without it, so it is not worth a retry."""
        versions = {topic_id: topic.version if topic else None for topic_id, topic in changes.items()}
        try:
            if whole:
                self._versions.forget_applied("matcher")
            self._versions.applied("matcher", versions, self._clock.now())
        except Unavailable as error:
            self._trouble(str(error))


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
        """What it remembers of stories is read from the store first; so a restart begins where the last one ended."""
        alerter = Alerter(settle=self._settle)
        alerter.restore(self._stories.restore(self._clock.now() - StoryRule().window))
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

            def decide(matches: Sequence[Match]) -> Sequence[Decisions]:
                follow()  # a topic is on its stream before its first match: whoever reads the match finds it
                return [alerter.decide(matches, self._clock.now())]

            def record(decisions: Sequence[Decisions]) -> None:
                for each in decisions:
                    self._stories.record(each)

            def observe(decisions: Sequence[Decisions]) -> None:
                for each in decisions:
                    summaries.add(each, self._clock.now())
                    self._decided(each)

            Pump(
                log=self._log,
                streams=[MATCHES],
                group="alerter",
                handle=decide,
                sinks=[record, observe],
                quarantine=self._quarantine,
                clock=self._clock,
                suspects=self._suspects,
                each_round=follow,
                on_reject=self._rejected,
                on_trouble=self._trouble,
            ).run(stop)
