"""Every metric in one place with its meaning.

Label sets are bounded: outcomes are literal types, so a wrong name is a type error, and every value of them is
exported from the start, so that a rate over it never begins with a gap.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVarTuple, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from consumers.model import AlertKind
from daemon.errors import Unavailable
from daemon.fetch.failure import FailureKind

ReadOutcome = Literal["new", "revision", "backfill", "unchanged", "duplicate", "empty", "over_limit", "rejected"]
MatchOutcome = Literal["matched", "near_miss", "no_match", "rejected"]
PollOutcome = Literal["articles", "unchanged", "put_off", FailureKind]
DeliveryOutcome = Literal["sent", "retried", "dead", "in_doubt"]
ChannelKind = Literal["console", "slack", "email", "webhook", "apprise"]

_LATENESS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_LATENCY = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
_EMBED = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_ROUND = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128)

Labels = TypeVarTuple("Labels")
Observation = Callable[[], Mapping[tuple[str, ...], float]]


class Tally(Generic[*Labels]):
    """A counter whose labels have types."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def add(self, *labels: *Labels, count: float = 1) -> None:
        (self._counter.labels(*labels) if labels else self._counter).inc(count)

    def total(self) -> float:
        """Over all labels, since the start of the process."""
        samples = (sample for family in self._counter.collect() for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name.endswith("_total"))


class Observed(Collector):
    """A gauge that is looked up when it is scraped. What cannot be read now is left out rather than guessed."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name, self._meaning, self._labels = name, meaning, tuple(labels)
        self._source: Observation = dict
        registry.register(self)

    def read_from(self, source: Observation) -> None:
        """``source`` gives a value for each tuple of label values; it may raise ``Unavailable``."""
        self._source = source

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=self._labels)
        try:
            values = self._source()
        except Unavailable:
            values = {}
        for labels, value in values.items():
            family.add_metric(labels, value)
        yield family


class Metrics:
    """All of them, on a registry of their own."""

    def __init__(self, *, version: str, python: str) -> None:
        self.registry = registry = CollectorRegistry()

        def tally(name: str, meaning: str, labels: Sequence[str] = (), values: Sequence[Sequence[str]] = ()) -> Counter:
            counter = Counter(f"wirewatch_{name}", meaning, labels, registry=registry)
            for row in values:
                counter.labels(*row)
            return counter

        def timing(name: str, meaning: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(f"wirewatch_{name}", meaning, buckets=buckets, registry=registry)

        def observed(name: str, meaning: str, *labels: str) -> Observed:
            return Observed(f"wirewatch_{name}", meaning, labels, registry)

        # -- fetch
        self.articles_read: Tally[ReadOutcome] = Tally(
            tally(
                "articles_read",
                "Items read from feeds: each ends in exactly one outcome. "
                "new, revision and backfill go on to be matched; the others end here, "
                "rejected because they cannot be written down.",
                ["outcome"],
                _rows(ReadOutcome),
            )
        )
        self.polls: Tally[PollOutcome] = Tally(
            tally(
                "polls",
                "Polls of feeds by how they ended; put_off: the log or the store could not be reached.",
                ["outcome"],
                _rows(PollOutcome),
            )
        )
        self.poll_lateness = timing(
            "poll_lateness_seconds", "How long after its due time a poll began.", buckets=_LATENESS
        )
        self.poll_seconds = timing("poll_seconds", "From the start of a poll to its articles handed over.", _LATENCY)
        self.feeds = observed("feeds", "Feeds listed in feeds.toml by health: healthy, failing, new.", "state")
        self.feeds_due = observed("feeds_due", "Feeds whose next poll is due now or overdue.")

        # -- match
        self.articles_matched: Tally[MatchOutcome] = Tally(
            tally(
                "articles_matched",
                "Articles compared with every topic in force: each ends in exactly one outcome, its best one. "
                "rejected: set aside as a dead letter.",
                ["outcome"],
                _rows(MatchOutcome),
            )
        )
        self.matches: Tally[()] = Tally(tally("matches", "Matches: an article that two topics accept counts twice."))
        self.embed_seconds = timing("embed_seconds", "Time to embed one batch of articles.", _EMBED)
        self.batch_articles = timing("batch_articles", "Articles in one batch of the matcher.", _BATCH)
        self.topics_in_force = observed("topics_in_force", "Topics that are enabled, in their latest version.")
        self.topics_pending = observed("topics_pending", "Topics whose latest version no matcher has applied yet.")
        self.topics_uncalibrated = observed(
            "topics_uncalibrated",
            "Topics in force whose latest version waits for its calibration; told by the process that calibrates.",
        )
        self.calibration_age = observed(
            "calibration_age_seconds", "Age of the oldest calibration in force; told by the process that calibrates."
        )
        self.calibrating_seconds = timing(
            "calibrating_seconds",
            "A round of calibration: from the first topic that was waiting or due until none was.",
            _ROUND,
        )

        # -- alert and send
        self.stories: Tally[()] = Tally(tally("stories", "Stories founded, those from backfill included."))
        self.alerts: Tally[AlertKind] = Tally(
            tally("alerts", "Decisions to tell somebody about a story.", ["kind"], _rows(AlertKind))
        )
        self.deliveries: Tally[ChannelKind, DeliveryOutcome] = Tally(
            tally(
                "deliveries",
                "Attempts to deliver by how they ended. retried: will be tried again; dead: given up and shown; "
                "in_doubt: the process died while the message was on the wire.",
                ["channel_kind", "outcome"],
                [(kind, outcome) for kind in get_args(ChannelKind) for outcome in get_args(DeliveryOutcome)],
            )
        )
        self.delivery_latency = timing(
            "delivery_latency_seconds",
            "From the decision to alert to its acceptance by a channel, the settling time included.",
            _LATENCY,
        )
        self.deliveries_waiting = observed("deliveries_waiting", "Deliveries that no channel has accepted yet.")
        self.channels_disabled = observed("channels_disabled", "Channels switched off after a permanent refusal.")

        # -- run
        self.log_lag = observed("log_lag_records", "Records appended but not yet done by a group.", "stream", "group")
        self.dead_letters = observed("dead_letters", "Records set aside and not yet replayed or dropped.")
        self.role_restarts: Tally[str] = Tally(
            tally("role_restarts", "Restarts of a role after it failed: fetch, match, alert, send, web.", ["role"])
        )
        self.config_errors = observed(
            "config_errors", "1 while an edit of the file is broken and its last good version is in force.", "file"
        )
        self.parts_ready = observed("part_ready", "1 for a part that is ready, 0 for one that is not.", "part")
        self.disk_free = observed("disk_free_bytes", "Free space where the data directory is.")
        self.build = Gauge("wirewatch_build_info", "Always 1.", ["version", "python"], registry=registry)
        self.build.labels(version, python).set(1)
        ProcessCollector(registry=registry)


@dataclass(frozen=True, slots=True)
class Meaning:
    name: str
    type: str
    meaning: str


def describe() -> tuple[Meaning, ...]:
    """Every metric of ours with its meaning, by name, for the documentation."""
    families = Metrics(version="", python="").registry.collect()
    ours = (family for family in families if family.name.startswith("wirewatch_"))
    return tuple(
        sorted((Meaning(family.name, family.type, family.documentation) for family in ours), key=lambda m: m.name)
    )


def _rows(literal: object) -> list[tuple[str]]:
    return [(value,) for value in get_args(literal)]
