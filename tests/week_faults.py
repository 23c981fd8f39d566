"""What fails in a made-up week, and when."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fake_slack import Answer
from tests.week_news import DAY, HOUR


@dataclass(frozen=True)
class Trouble:
    """From ``begin`` to ``end`` a call fails so with this probability."""

    begin: float
    end: float
    share: float
    answers: tuple[Answer, ...]


KINDS: tuple[tuple[float, tuple[Answer, ...]], ...] = (
    (0.5, ("ratelimited",)),
    (0.6, (503, 500, "internal_error")),
    (0.4, ("cut", "fatal_error")),
    (0.2, ("hang", "lost")),
    (1.0, (503,)),
)


@dataclass
class Faults:
    """``slack`` and ``mail`` answer for the servers: what a call gets in place of what it asked for."""

    rng: random.Random
    busy: Sequence[float]  # when something is told: what fails at other times fails nobody
    over: float  # nothing fails from here on
    of_slack: list[Trouble] = field(default_factory=list)
    of_mail: list[Trouble] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)  # of Slack, until somebody mends it
    failed: list[tuple[str, Answer]] = field(default_factory=list)  # calls of Slack's
    _too_long: float = 0.0  # when it was the last time

    def __post_init__(self) -> None:
        for number in range(20):
            share, answers = KINDS[number % len(KINDS)]
            at = self._moment()
            self.of_slack.append(Trouble(at, at + self.rng.choice([600.0, HOUR, 2 * HOUR]), share, answers))
        for _ in range(4):
            at = self._moment()
            self.of_mail.append(Trouble(at, at + HOUR, 0.5, ("451 4.3.0 later", "cut")))

    def outage(self, seconds: float) -> tuple[float, float]:
        """One more. Two of them never overlap."""
        while True:
            at = self._moment()
            if all(at > last + HOUR or at + seconds + HOUR < first for first, last in self.outages):
                self.outages.append((at, at + seconds))
                return self.outages[-1]

    def slack(self, method: str, now: float) -> Answer | None:
        answer = self._drawn(self.of_slack, now)
        posts = method == "chat.postMessage" and answer is None and now < self.over
        if posts and now > self._too_long + 10 and self.rng.random() < 0.05:  # twice, and it would be given up
            self._too_long, answer = now, "msg_too_long"
        if answer is not None:
            self.failed.append((method, answer))
        return answer

    def mail(self, now: float) -> str:
        return str(self._drawn(self.of_mail, now) or "")

    def calm(self, channel: str, begin: float, end: float) -> bool:
        """Whether nothing failed then, nor shortly before: what failed is tried again after some minutes."""
        troubles = [(each.begin, each.end) for each in (self.of_mail if channel == "mail" else self.of_slack)]
        troubles += [] if channel == "mail" else self.outages
        return all(end < first or begin > last + HOUR for first, last in troubles)

    def _drawn(self, troubles: list[Trouble], now: float) -> Answer | None:
        for trouble in troubles:
            if trouble.begin <= now < trouble.end and self.rng.random() < trouble.share:
                return self.rng.choice(trouble.answers)
        return None

    def _moment(self) -> float:
        return self.rng.choice([each for each in self.busy if each < self.over - DAY / 2]) - 60
