"""What the parts do, told to those who watch: metrics, health, the log, the terminal. Decides nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from consumers.alerting import Decisions
from consumers.matcher import Judged
from consumers.scoring import NEAR
from daemon.clock import Clock
from daemon.fetch.items import Outcome
from daemon.fetch.poll import Polled
from daemon.health import Health
from daemon.live_line import Figures
from daemon.reload import FILES, Reloaded
from daemon.sender import Kind
from daemon.sender import Outcome as Attempt
from daemon.status import Status
from daemon.store.feeds import FeedStates
from daemon.telemetry import MatchOutcome, Metrics, PollOutcome

logger = structlog.get_logger("wirewatch")


class Observer:
    """Threads may share it. Every method returns at once."""

    def __init__(self, *, metrics: Metrics, health: Health, clock: Clock) -> None:
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._states: FeedStates | None = None
        self._put_off: set[str] = set()  # feeds

    def watch(
        self,
        *,
        status: Callable[[], Status],
        lag: Callable[[], Mapping[tuple[str, str], int]],
        errors: Callable[[], Mapping[str, str]],
        states: FeedStates | None,
        channels: Iterable[str],
    ) -> None:
        """Where the gauges look when they are scraped."""
        self._states = states
        metrics = self._metrics
        metrics.log_lag.read_from(lambda: {key: float(records) for key, records in lag().items()})
        metrics.feeds.read_from(
            lambda: {
                ("healthy",): float((kept := status().kept).feeds - kept.feeds_failing - kept.feeds_new),
                ("failing",): float(kept.feeds_failing),
                ("new",): float(kept.feeds_new),
            }
        )
        metrics.feeds_due.read_from(lambda: {(): float(status().kept.feeds_due)})
        metrics.topics_in_force.read_from(lambda: {(): float(status().kept.topics_in_force)})
        metrics.topics_pending.read_from(lambda: {(): float(status().kept.topics_pending)})
        metrics.deliveries_waiting.read_from(lambda: {(): float(status().kept.deliveries_waiting)})
        metrics.channels_disabled.read_from(lambda: {(): float(len(status().kept.channels_disabled))})
        metrics.dead_letters.read_from(lambda: {(): float(status().kept.dead_letters)})
        metrics.disk_free.read_from(lambda: {(): float(now.disk_free)} if (now := status()).data_dir else {})
        metrics.config_errors.read_from(
            lambda: {(name.removesuffix(".toml"),): float(name in errors()) for name in FILES}
        )
        metrics.parts_ready.read_from(lambda: {(part.name,): float(part.ready) for part in self._health.ready()[1]})
        for name in channels:
            self._health.set(f"channel:{name}", True)

    # -- fetch

    def read(self, outcome: Outcome, number: int) -> None:
        self._metrics.articles_read.add(outcome, count=number)

    def polled(self, polled: Polled) -> None:
        self._metrics.polls.add(_ending(polled))
        self._note_put_off(polled)
        self._metrics.poll_lateness.observe(max(0.0, polled.started - polled.due))
        self._metrics.poll_seconds.observe(polled.finished - polled.started)
        if polled.rejected:
            logger.error("items that cannot be written down were left out", feed=polled.feed_id, items=polled.rejected)
        if polled.outcome == "failed":
            logger.info("a feed could not be read", feed=polled.feed_id, why=polled.reason)
        elif polled.outcome == "put_off":
            logger.warning("a poll was put off", feed=polled.feed_id, why=polled.reason)
        else:
            logger.debug("polled", feed=polled.feed_id, articles=polled.articles)

    def _note_put_off(self, polled: Polled) -> None:
        """What is put off is read later, and nobody would know that nothing is read meanwhile."""
        if polled.outcome == "put_off":
            self._put_off.add(polled.feed_id)
            self._health.set("fetch", False, f"polls are put off: {polled.reason}")
        elif self._put_off:
            listed = {state.feed_id for state in self._states.states()} if self._states else set()
            self._put_off &= listed - {polled.feed_id}
            if not self._put_off:
                self._health.set("fetch", True)

    def stalled(self, job: str, seconds: float) -> None:
        logger.error("a scheduled job stood still and was started again", job=job, seconds=round(seconds))

    # -- match and alert

    def judged(self, judged: Sequence[Judged], seconds: float) -> None:
        self._metrics.embed_seconds.observe(seconds)
        self._metrics.batch_articles.observe(len(judged))
        self._metrics.matches.add(count=sum(len(each.matches) for each in judged))
        for outcome, number in Counter(map(_outcome, judged)).items():
            self._metrics.articles_matched.add(outcome, count=number)

    def decided(self, decisions: Decisions) -> None:
        self._metrics.stories.add(count=decisions.founded)
        for alert in decisions.alerts:
            self._metrics.alerts.add(alert.kind)
            logger.info(
                "alert",
                topic=alert.topic_id,
                kind=alert.kind,
                why=alert.why,
                story=alert.story_id[:12],
                channels=list(alert.channels),
            )

    def rejected(self, stream: str, reason: str) -> None:
        if stream.startswith("articles"):
            self._metrics.articles_matched.add("rejected")
        logger.error("a record was set aside", stream=stream, why=reason, see="wirewatch dead-letters list")

    def trouble(self, part: str, why: str) -> None:
        """Empty: it is over."""
        if why:
            self._health.set(part, False, why)
        else:
            self._health.set(part, True)

    # -- send

    def attempted(self, kind: Kind, outcome: Attempt) -> None:
        self._metrics.deliveries.add(kind, outcome)

    def channel(self, name: str, works: bool, why: str) -> None:
        self._health.set(f"channel:{name}", works, why)

    def channels(self, *, before: Iterable[str], now: Iterable[str]) -> None:
        """The settings name others: one that is gone is nothing to wait for, a new one works until it does not."""
        there, listed = set(before), set(now)
        for name in there - listed:
            self._health.forget(f"channel:{name}")
        for name in listed - there:
            self._health.set(f"channel:{name}", True)

    # -- the files

    def reloaded(self, reloaded: Reloaded) -> None:
        self._health.set(reloaded.part, not reloaded.error, reloaded.error)
        if reloaded.error:
            logger.error("this edit is not in force", why=reloaded.error)
            return
        if reloaded.changed:
            logger.info("in force", file=reloaded.file.name, changed=reloaded.changed)
        if reloaded.restart:
            logger.warning("takes effect at the next start", file=reloaded.file.name, sections=list(reloaded.restart))

    def figures(self) -> Figures:
        """For the live line. Counts are since the start."""
        now = self._clock.now()
        states = self._states.states() if self._states else []
        return Figures(
            feeds=len(states),
            due=sum(state.next_due <= now for state in states),
            failing=sum(bool(state.error) for state in states),
            articles=int(self._metrics.articles_matched.total()),
            matches=int(self._metrics.matches.total()),
            alerts=int(self._metrics.alerts.total()),
            not_ready=tuple(part.name for part in self._health.ready()[1] if not part.ready),
        )


def _ending(polled: Polled) -> PollOutcome:
    if polled.outcome == "failed":
        return polled.kind or "unreadable"
    return polled.outcome


def _outcome(judged: Judged) -> MatchOutcome:
    if judged.matches:
        return "matched"
    return "near_miss" if any(score.score >= NEAR for score in judged.scores) else "no_match"
