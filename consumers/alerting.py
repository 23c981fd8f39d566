"""What to tell, to whom and when. Pure: what it decides takes effect where it is recorded.

The first alert says that a story breaks, once per story and topic: with the first article that is read *live* while
the topic is enabled. Four cases follow from that one rule.

- What a feed already carried at its first poll is never sent. Its stories are kept, and when one of them goes on, the
  first live article alerts: nobody was told of it before, and "it was published and I was not told" is the complaint
  that costs most. It alerts once, like every story.
- An article that joins a story already told adds a report to it, and tells only what its topic asks for: facts that
  are new to the story, or every report that is no copy.
- While a topic is disabled or removed its matches find their stories silently; a story that still goes on when the
  topic is back was not told yet, and is then.
- Where a topic wants several sources, a story that was read live waits for them, and the ledger says so. It is told
  with the report that corroborates it, whichever way that one came. A copy corroborates nothing.

What a replay brings is never sent either. It may overtake the live match of the same article, which then still tells
the story: a replay takes no alert away.

Until the first alert is due, what reports add belongs to it. Two stories that turn out to be one were told where
either was, and nobody is told of that once more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from consumers.ids import alert_id
from consumers.ledger import Step
from consumers.model import Alert, AlertKind, Article, Fact, Match, Story, Topic
from consumers.routes import Due, decided, deliveries, waited_for, waits
from consumers.stories import Joined, Merged, Placed, StoryRule, StoryTracker
from consumers.updates import at_least, escalates, furthest, grown, is_another_report, span, united

_NONE: Mapping[str, Joined] = MappingProxyType({})
_LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What one batch of matches changed, to be recorded as one. ``stories`` are as they now stand.

    ``unsent``: alerts that take in what these reports add, so they must not have gone out when it is recorded.
    """

    at: float
    stories: tuple[Story, ...] = ()  # the absorbed ones, too
    joined: tuple[Joined, ...] = ()
    merged: tuple[Merged, ...] = ()  # in the order in which they are to be carried out
    alerts: tuple[Alert, ...] = ()
    deliveries: tuple[Due, ...] = ()
    steps: tuple[Step, ...] = ()  # for the ledger
    unsent: frozenset[str] = frozenset()

    @property
    def topics(self) -> frozenset[str]:
        """Those whose stories or alerts it changed."""
        return frozenset({joined.match.topic_id for joined in self.joined} | {alert.topic_id for alert in self.alerts})

    @property
    def founded(self) -> int:
        """How many of the stories are new."""
        return sum(joined.founded for joined in self.joined)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was recorded of the stories of ``topics`` that may still go on."""

    topics: frozenset[str] = frozenset()
    stories: tuple[Story, ...] = ()
    joined: tuple[Joined, ...] = ()  # of these stories, the newest
    alerts: tuple[Alert, ...] = ()  # of these stories, those of the stories they absorbed among them
    sent: frozenset[str] = frozenset()  # ids of alerts that went out, or are on their way


@dataclass(slots=True)
class _Told:
    """What was told of a story. ``first`` takes in what is added before ``until``."""

    first: str = ""
    until: float = _LONG_AGO
    facts: set[str] = field(default_factory=set)  # keys
    listed: int = 0  # reports, when it was looked at last


@dataclass(slots=True)
class _Batch:
    """What is decided so far."""

    now: float
    stories: dict[str, Story] = field(default_factory=dict)
    joined: list[Joined] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    unsent: set[str] = field(default_factory=set)
    into: dict[str, str] = field(default_factory=dict)

    def survivor(self, story_id: str) -> str:
        while story_id in self.into:
            story_id = self.into[story_id]
        return story_id

    def escalate(self, louder: Alert) -> None:
        """Together with the story's first alert, where that is decided in this batch."""
        for place, alert in enumerate(self.alerts):
            if alert.kind == "first" and alert.story_id == louder.story_id:
                why = f"{alert.why}; {louder.why}"
                self.alerts[place] = replace(alert, why=why, channels=louder.channels, severity=louder.severity)
                return
        self.alerts.append(louder)

    def drop(self, alert_ids: Collection[str]) -> None:
        self.alerts = [alert for alert in self.alerts if alert.id not in alert_ids]
        self.unsent -= set(alert_ids)

    def absorb(self, merged: Merged, into: str) -> None:
        absorbed = merged.absorbed
        self.merged.append(merged)
        self.stories[absorbed.id] = absorbed
        self.into[absorbed.id] = merged.into
        self.alerts = [
            replace(alert, story_id=into) if alert.story_id == absorbed.id else alert for alert in self.alerts
        ]


@dataclass(frozen=True, slots=True)
class _News:
    why: str
    facts: tuple[Fact, ...] = ()


class Alerter:
    """One thread. ``settle`` seconds pass before an alert is due, so that reports of the same minute are in it.

    The caller records every ``Decisions`` before it decides again. Where it gives one up, it restores the topics: what
    was decided and not recorded would otherwise count as told. A topic is on its stream before any match of it, so
    whoever applied the changes of that stream after it read a match knows the topic, or the topic was removed.
    """

    def __init__(self, *, settle: float = 1.0, rule: StoryRule | None = None) -> None:
        self._settle = settle
        self._rule = rule or StoryRule()
        self._tracker = StoryTracker(rule)
        self._topics: dict[str, Topic | None] = {}
        self._told: dict[str, dict[str, _Told]] = {}  # by topic and story

    def restore(self, remembered: Remembered) -> None:
        """In place of what it remembers of these topics: before their first decision, and when others decided."""
        forgotten = self._tracker.forget(remembered.topics)
        self._tracker.restore(remembered.stories, remembered.joined, forgotten)
        for topic_id in remembered.topics:
            self._told.pop(topic_id, None)
        for story in remembered.stories:
            if story.stage in ("told", "escalated"):
                self._told_of(story.topic_id)[story.id] = _Told(listed=len(story.reports))
        listed = {story.id: len(story.reports) for story in remembered.stories}
        for alert in sorted(remembered.alerts, key=lambda each: (each.at, each.id)):
            told = self._told_of(alert.topic_id).setdefault(alert.story_id, _Told(listed=listed.get(alert.story_id, 0)))
            told.facts.update(fact.key for fact in alert.facts)
            if alert.kind == "first" and not told.first:
                told.first = alert.id
                told.until = _LONG_AGO if alert.id in remembered.sent else alert.at + self._settle

    @property
    def remembered(self) -> int:
        """Matches that others are compared with."""
        return len(self._tracker)

    def forget(self, topic_ids: Collection[str]) -> None:
        """What was decided about these topics; they are to be restored before the next decision about them."""
        self._tracker.forget(topic_ids)
        for topic_id in topic_ids:
            self._told.pop(topic_id, None)

    def apply_topics(self, changes: Mapping[str, Topic | None]) -> None:
        """``None``: removed."""
        self._topics.update(changes)

    def decide(self, matches: Sequence[Match], now: float, before: Mapping[str, Joined] = _NONE) -> Decisions:
        """A match that was decided on before changes nothing, unless its article is a newer revision.

        ``before``: what was recorded of these matches, by id; their stories may be forgotten by now.
        """
        batch = _Batch(now)
        known = {name: each.match for name, each in before.items()}
        for each in known.values():
            self._tracker.know(each)
        for match in matches:
            placed, earlier = self._tracker.add(match, now), known.get(match.id)
            if placed is not None:
                self._take(placed, earlier.article if earlier else None, batch)
                known[match.id] = match
            elif earlier and match.id in before and _read_live_since(earlier, match):
                self._tell_forgotten(match, batch.survivor(before[match.id].story_id), batch)
        return self._decisions(batch)

    def _decisions(self, batch: _Batch) -> Decisions:
        due = {alert.id: tuple(self._deliveries(alert)) for alert in batch.alerts}
        steps = (step for alert in batch.alerts for step in decided(alert, due[alert.id]))
        return Decisions(
            at=batch.now,
            stories=tuple(batch.stories.values()),
            joined=tuple(replace(each, story_id=batch.survivor(each.story_id)) for each in batch.joined),
            merged=tuple(batch.merged),
            alerts=tuple(batch.alerts),
            deliveries=tuple(each for dues in due.values() for each in dues),
            steps=(*batch.steps, *steps),
            unsent=frozenset(batch.unsent - due.keys()),
        )

    def _deliveries(self, alert: Alert) -> Iterable[Due]:
        topic = self._topics[alert.topic_id]
        return deliveries(alert, topic, self._settle) if topic else ()

    # -- one match

    def _take(self, placed: Placed, before: Article | None, batch: _Batch) -> None:
        story, joined = placed.story, placed.joined
        for merged in placed.merged:
            story = self._merge(story, merged, batch)
        story, facts = grown(story, joined, before)
        topic = self._topics.get(story.topic_id)
        if topic is not None and topic.enabled:
            story = self._tell(topic, story, joined, facts, batch)
        self._tracker.put(story)
        batch.stories[story.id] = story
        batch.joined.append(joined)

    def _tell(self, topic: Topic, story: Story, joined: Joined, facts: tuple[Fact, ...], batch: _Batch) -> Story:
        """Adds the alerts that are due to the batch. Returns the story as far as it is told then."""
        match, live = joined.match, not joined.match.article.backfill
        told = self._told_of(topic.id).get(story.id)
        if told is None:
            if story.stage != "waiting" and (joined.again or not live):
                return story
            if story.independent < topic.min_sources:
                if story.stage == "new":
                    batch.steps += waits(topic, story.id, batch.now)
                return at_least(story, "waiting")
            told = self._tell_first(topic, match, story.id, batch, waited=story.stage == "waiting")
        story = at_least(story, "told")
        grew = len(story.reports) > told.listed or len(story.reports) >= self._rule.reports
        told.listed = len(story.reports)
        if not live:
            return story
        another = not joined.again and grew and is_another_report(story, match)
        return self._tell_more(topic, story, match, _worth_telling(topic, told, facts, another), told, batch)

    def _tell_first(self, topic: Topic, match: Match, story_id: str, batch: _Batch, *, waited: bool = False) -> _Told:
        told, warm = self._told_of(topic.id), self._tracker.warm(topic.id)
        if len(told) > 2 * len(warm) + 100:
            for gone in told.keys() - warm:
                del told[gone]
        why = "first report" + (f", after waiting for {waited_for(topic.min_sources)}" if waited else "")
        alert = _alert(topic, match, story_id, "first", batch.now, why)
        batch.alerts.append(alert)
        told[story_id] = _Told(first=alert.id, until=batch.now + self._settle)
        return told[story_id]

    def _tell_forgotten(self, match: Match, story_id: str, batch: _Batch) -> None:
        """Its story is not compared with any more, so nothing is known of its sources: nobody waits for them."""
        topic = self._topics.get(match.topic_id)
        if topic is not None and topic.enabled and story_id not in self._told_of(topic.id):
            self._tell_first(topic, match, story_id, batch)

    def _tell_more(
        self, topic: Topic, story: Story, match: Match, news: _News | None, told: _Told, batch: _Batch
    ) -> Story:
        """One ping at most: new facts go with an escalation, and that with a first alert of the same batch."""
        if news and batch.now <= told.until:
            batch.unsent.add(told.first)
            news = None
        facts = news.facts if news else ()
        told.facts.update(fact.key for fact in facts)
        louder = _louder(topic, story, match, batch.now, facts)
        if louder and story.stage != "escalated":
            batch.escalate(louder)
            return at_least(story, "escalated")
        if news:
            name = f"update {match.id} {match.article.revision}"
            batch.alerts.append(_alert(topic, match, story.id, "update", batch.now, news.why, facts, name=name))
        return story

    def _told_of(self, topic_id: str) -> dict[str, _Told]:
        return self._told.setdefault(topic_id, {})

    # -- two stories that are one

    def _merge(self, story: Story, merged: Merged, batch: _Batch) -> Story:
        """Told where either was. What was decided in this very batch and would tell it once more is dropped."""
        absorbed, everything = merged.absorbed, self._told_of(story.topic_id)
        told = [(each, everything.pop(each.id)) for each in (story, absorbed) if each.id in everything]
        new = {alert.id for alert in batch.alerts if alert.kind == "first"}
        loudest = sorted(told, key=lambda pair: pair[0].stage != "escalated")[:1]
        kept = [(each, known) for each, known in told if known.first not in new] or loudest
        batch.drop({known.first for _, known in told if known.first in new} - {known.first for _, known in kept})
        batch.absorb(merged, story.id)
        both = united(story, absorbed)
        if not kept:
            return both
        everything[story.id] = _Told(
            first=kept[0][1].first,
            until=min(known.until for _, known in kept),
            facts={key for _, known in kept for key in known.facts},
            listed=len(story.reports) - 1,
        )
        return replace(both, stage=furthest(each.stage for each, _ in kept))


def _worth_telling(topic: Topic, told: _Told, facts: Iterable[Fact], another: bool) -> _News | None:
    """What the topic wants to hear of a report, once its story is told. ``another``: it is one that is no copy."""
    if topic.updates == "none":
        return None
    if fresh := tuple(fact for fact in facts if fact.key not in told.facts):
        return _News("new facts", fresh)
    return _News("another report") if topic.updates == "all" and another else None


def _louder(topic: Topic, story: Story, match: Match, now: float, facts: tuple[Fact, ...]) -> Alert | None:
    rule = topic.escalate
    if rule is None or not (sources := escalates(story, match, rule)):
        return None
    why = f"{sources} independent sources within {span(rule.within)}"
    alert = _alert(topic, match, story.id, "escalation", now, why, facts)
    return replace(alert, channels=tuple(dict.fromkeys((*topic.channels, *rule.channels))), severity="urgent")


def _alert(
    topic: Topic,
    match: Match,
    story_id: str,
    kind: AlertKind,
    now: float,
    why: str,
    facts: tuple[Fact, ...] = (),
    *,
    name: str = "",
) -> Alert:
    return Alert(
        id=alert_id(topic.id, story_id, name or kind, 1),
        topic_id=topic.id,
        story_id=story_id,
        kind=kind,
        at=now,
        match_id=match.id,
        channels=tuple(dict.fromkeys(topic.channels)),
        why=why,
        facts=facts,
        severity=topic.severity,
    )


def _read_live_since(known: Match, match: Match) -> bool:
    """``known`` came from a replay, which overtook the live reading of the same revision."""
    old, new = known.article, match.article
    return old.backfill and not new.backfill and old.revision == new.revision
