"""What became of everything in a made-up week: what the store, Slack and the mailbox hold when it is over."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from consumers.ids import delivery_id
from consumers.model import Fact, Story
from daemon.store.tables import alerts, deliveries, ledger, living_messages, mutes, stories, story_matches
from daemon.wire import from_json
from tests.fake_slack import Posted
from tests.week import SLACKS, Week

PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True)
class Telling:
    """One message that a channel took, and what it tells."""

    channel: str
    at: float
    id: str
    rows: tuple[Any, ...]  # deliveries of alerts, in the order of their decision
    ping: bool

    @property
    def when(self) -> datetime:
        return datetime.fromtimestamp(self.at, PARIS)


class Account:
    """Rows as the store has them, and ``tellings`` as people have read them."""

    def __init__(self, week: Week) -> None:
        self.week = week
        with week.store.read() as connection:
            self.rows = {row.id: row for row in connection.execute(select(deliveries))}
            self.alerts = {row.id: row for row in connection.execute(select(alerts))}
            self.steps = connection.execute(select(ledger).order_by(ledger.c.at)).all()
            self.living = connection.execute(select(living_messages)).all()
            self.mutes = connection.execute(select(mutes)).all()
            self.matches = set(connection.execute(select(story_matches.c.match_id)).scalars())
            found = connection.execute(select(stories.c.story)).scalars()
            self.stories = {story.id: story for story in (from_json(Story, text) for text in found)}
        self.carried: Mapping[str, list[Any]] = defaultdict(list)
        for row in self.rows.values():
            if row.carrier:
                self.carried[row.carrier].append(row)
        self._first_step: dict[tuple[str, str], Any] = {}
        for step in self.steps:
            self._first_step.setdefault((step.delivery_id, step.event), step)

    def title(self, row: Any) -> str:
        """For people who read what is wrong."""
        alert = self.alerts.get(row.alert_id)
        what = f"{alert.topic_id} {alert.kind}" if alert else "digest" if row.carries else "notice"
        return f"{what} {row.id[:8]} on {row.channel} ({row.state}{f', {row.held}' if row.held else ''})"

    def step(self, row: Any, event: str) -> Any | None:
        """The first one in the ledger."""
        return self._first_step.get((row.id, event))

    def facts(self, row: Any) -> tuple[Fact, ...]:
        return from_json(tuple[Fact, ...], self.alerts[row.alert_id].facts)

    def at_set_times(self, row: Any) -> bool:
        """It was decided for a digest: a route of its own."""
        return bool(row.id != delivery_id(row.alert_id, row.channel))

    # -- what was told

    @cached_property
    def tellings(self) -> Sequence[Telling]:
        told = [
            self._telling(name, each.at, each.delivery_id, ping=each.top_level or each.broadcast)
            for name in SLACKS
            for each in self.messages(name)
        ]
        letters: dict[str, float] = {}
        for at, letter in self.week.office.letters:
            letters.setdefault(_delivery_of(str(letter["Message-ID"])), at)  # a mailbox drops what it has
        told += [self._telling("mail", at, name, ping=True) for name, at in letters.items()]
        return sorted(told, key=lambda each: each.at)

    def messages(self, channel: str) -> Sequence[Posted]:
        """All that Slack ever took there, also what somebody has deleted."""
        slack = self.week.slack
        gone = [each for name, each, _ in self.week.deleted if name == channel]
        kept = [each for each in slack.kept.values() if each.channel == slack.channels[channel]]
        return list({each.ts: each for each in (*gone, *kept)}.values())

    def _telling(self, channel: str, at: float, name: str, *, ping: bool) -> Telling:
        own = [self.rows[name]] if name in self.rows else []
        told = [row for row in (*own, *self.carried.get(name, ())) if row.alert_id]
        told.sort(key=lambda row: (row.created, self.alerts[row.alert_id].kind != "first", row.id))
        return Telling(channel, at, name, tuple(told), ping)

    def told_at(self, row: Any) -> float | None:
        name = row.carrier or row.id
        return next((each.at for each in self.tellings if each.id == name), None)

    def text_of(self, channel: str, name: str) -> str:
        """What people read in a message."""
        if channel in SLACKS:
            return next(each.text for each in self.messages(channel) if each.delivery_id == name)
        found = next(each for _, each in self.week.office.letters if _delivery_of(str(each["Message-ID"])) == name)
        part = found.get_body(("plain",))
        assert part is not None
        return " ".join(part.get_content().split())

    def alert_of(self, telling: Telling) -> Any | None:
        """Of a message that tells one story; ``None`` for a digest and for a notice."""
        row = self.rows.get(telling.id)
        return self.alerts[row.alert_id] if row is not None and row.alert_id else None

    def before(self, telling: Telling) -> Sequence[Telling]:
        """What was told of its story there, by itself."""
        mine = self.alert_of(telling)
        earlier = [each for each in self.tellings if each.channel == telling.channel and each.at < telling.at]
        told = [(each, self.alert_of(each)) for each in earlier]
        return [each for each, alert in told if alert and mine and self.same_story(alert, mine, telling.at)]

    # -- what was decided

    @cached_property
    def story_then(self) -> Mapping[str, str]:
        """By alert: its story when it was decided, before that turned out to be another one."""
        asked = (alert for decisions in self.week.decided for alert in decisions.alerts)
        return {alert.id: alert.story_id for alert in asked}

    @cached_property
    def unions(self) -> Sequence[tuple[str, str, float]]:
        """Stories that turned out to be another one: which, what, and when that was known."""
        merged = [each for decisions in self.week.decided for each in decisions.merged]
        by_itself = [(each.absorbed.id, each.into, each.at) for each in merged]
        return [*by_itself, *self.week.merged_by_hand]

    def same_story(self, one: Any, other: Any, now: float) -> bool:
        """Whether the stories of two alerts were known to be one by then."""
        into = {absorbed: story for absorbed, story, at in self.unions if at < now}

        def end(story: str) -> str:
            while story in into:
                story = into[story]
            return story

        return end(self.story_then[one.id]) == end(self.story_then[other.id])


def _delivery_of(message_id: str) -> str:
    return message_id.partition("@")[0].lstrip("<").removesuffix(".digest")
