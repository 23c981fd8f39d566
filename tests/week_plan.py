"""What people and misfortune do in a made-up week: deaths, mutes, outages that end, stories put right by hand."""

import random
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import select

from consumers.holding import Mute, MuteKind
from daemon.errors import Unusable
from daemon.store.mutes import Mutes
from daemon.store.story_edits import StoryEdits
from daemon.store.tables import alerts, story_matches
from tests.week import SLACKS, Week
from tests.week_news import DAY, HOUR


class Plan:
    """``Plan(week).make()`` before the week is run."""

    def __init__(self, week: Week) -> None:
        self._week = week
        self._rng = random.Random(week.seed + 3)

    def make(self) -> None:
        week, rng = self._week, self._rng
        for batch in week.news.batches:
            week.at(batch.at, partial(week.tell, batch.matches))
        for _ in range(6):
            again = rng.choice(week.news.batches)  # read twice: the first time was not committed
            week.at(again.at + 60 * rng.random(), partial(week.tell, again.matches))
        for _ in range(30):
            week.at(self._before_news(), partial(week.kill_sender, rng.randint(1, 90)))
            week.at(self._before_news(), partial(week.kill_alerter, rng.randint(1, 7)))
        for _ in range(3):
            week.at(self._before_news(), week.restart_sender)
        for number in range(16):
            kind: MuteKind = rng.choice(("story", "story", "topic", "source"))
            week.at(self._before_news() + 30, partial(self._mute, f"{number:032}", kind))
        for _ in range(3):
            week.at(self._before_news() + 600, self._split)
            week.at(self._before_news() + 600, self._merge)
            week.at(self._before_news() + 600, self._delete)
        self._plan_outages()

    def _before_news(self) -> float:
        return self._rng.choice(self._week.news.batches).at - 0.5

    # -- people

    def _mute(self, name: str, kind: MuteKind) -> None:
        now = self._week.clock.now()
        mute = Mute(
            id=name,
            kind=kind,
            target=self._target(kind),
            since=now,
            until=now + self._rng.choice([HOUR, 5 * HOUR, DAY]),
            by="Ana",
            comment="seen",
            until_new_facts=self._rng.random() < 0.4,
        )
        mutes = Mutes(self._week.store)
        mutes.add(mute)
        if self._rng.random() < 0.3:
            self._week.at(now + 0.7 * (mute.until - now), lambda: mutes.end(name, self._week.clock.now(), "by Ben"))

    def _target(self, kind: MuteKind) -> str:
        found = self._newest()
        if kind == "source" or not found:
            return f"{self._rng.choice('abcdefgh')}.example"
        chosen = self._rng.choice(found)
        return str(chosen.topic_id if kind == "topic" else chosen.story_id)

    def _newest(self) -> Sequence[Any]:
        with self._week.store.read() as connection:
            query = select(alerts.c.story_id, alerts.c.topic_id).order_by(alerts.c.at.desc(), alerts.c.id)
            return connection.execute(query.limit(4)).all()

    def _split(self) -> None:
        for story in self._newest():
            with self._week.store.read() as connection:
                mine = select(story_matches.c.match_id).where(story_matches.c.story_id == story.story_id)
                ids = connection.execute(mine.order_by(story_matches.c.match_id)).scalars().all()
            if len(ids) > 2:
                StoryEdits(self._week.store).split(story.story_id, ids[:2], by="Ben", now=self._week.clock.now())
                return

    def _merge(self) -> None:
        by_topic: dict[str, str] = {}
        for story in self._newest():
            other = by_topic.setdefault(story.topic_id, story.story_id)
            if other != story.story_id:
                now = self._week.clock.now()
                with suppress(Unusable):
                    both = StoryEdits(self._week.store).merge(other, story.story_id, by="Ben", now=now)
                    absorbed = story.story_id if both.id == other else other
                    self._week.merged_by_hand.append((absorbed, both.id, now))
                return

    def _delete(self) -> None:
        """Somebody deletes a message of Slack's."""
        slack = self._week.slack
        channel = self._rng.choice([name for name in SLACKS if name in slack.channels])
        roots = [each for each in slack.messages(channel) if each.top_level and not each.deleted]
        if roots:
            self._week.deleted.append((channel, roots[-1], self._week.clock.now()))
            slack.delete(roots[-1].ts, channel)

    # -- outages

    def _plan_outages(self) -> None:
        week = self._week
        flood = next(each.at for each in week.news.batches if "flood0" in each.matches[0].article.url)
        week.faults.outages.append((flood, flood + HOUR))
        week.at(flood, self._lose_desk)
        week.at(flood + HOUR, self._find_desk)
        revoked, again = week.faults.outage(6 * HOUR)
        week.at(revoked, self._revoke)
        week.at(again, self._install_again)

    def _lose_desk(self) -> None:
        self._desk = self._week.slack.channels.pop("desk")

    def _find_desk(self) -> None:
        """The channel is there again, and somebody tries it."""
        slack = self._week.slack
        slack.channels = {"desk": self._desk, **slack.channels}
        self._week.sender.enable("desk")

    def _revoke(self) -> None:
        self._week.slack.revoked_at = self._week.clock.now()

    def _install_again(self) -> None:
        """The token is good again, and the settings were saved."""
        self._week.slack.revoked_at = float("inf")
        self._week.new_settings()
