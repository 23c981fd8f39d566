"""What must be true of a week, whatever failed in it. Each check lists what is wrong, in sentences."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from consumers.model import Alert, Digest, Fact, Message, Story
from consumers.notify import slack_blocks
from consumers.set_times import quiet_hours, set_times
from daemon.store.digests import Carries
from daemon.store.holds import FOR_GOOD
from daemon.store.outbox import Edit, Outbox
from daemon.store.tables import alerts, deliveries, ledger, living_messages, mutes, stories, story_matches
from daemon.wire import from_json
from tests.fake_slack import Posted
from tests.slack_rules import texts
from tests.week import PAGE, SLACKS, Week
from tests.week_news import HOUR, MORNING, NIGHT, TOPICS

_PARIS = ZoneInfo("Europe/Paris")
_SOON = 120.0  # seconds in which what is due is told, while nothing fails


@dataclass(frozen=True)
class Telling:
    """One message that a channel took, and the alerts that it tells."""

    channel: str
    at: float
    delivery_id: str
    rows: tuple[Any, ...]  # deliveries with an alert, in the order of their decision
    ping: bool


class Account:
    """What the store, Slack and the mailbox hold when the week is over."""

    def __init__(self, week: Week) -> None:
        self.week = week
        with week.store.read() as connection:
            self.rows = {row.id: row for row in connection.execute(select(deliveries))}
            self.alerts = {row.id: row for row in connection.execute(select(alerts))}
            self.steps = connection.execute(select(ledger).order_by(ledger.c.at)).all()
            self.living = connection.execute(select(living_messages)).all()
            self.mutes = connection.execute(select(mutes)).all()
            self.matches = set(connection.execute(select(story_matches.c.match_id)).scalars())
            self.stories = [
                from_json(Story, text) for text in connection.execute(select(stories.c.story)).scalars()
            ]
        self.carried: Mapping[str, list[Any]] = defaultdict(list)
        for row in self.rows.values():
            if row.carrier:
                self.carried[row.carrier].append(row)

    # -- what was told

    @cached_property
    def tellings(self) -> Sequence[Telling]:
        slack = self.week.slack
        posted = [self._posted(name, each) for name in SLACKS for each in slack._in(name)]
        seen: set[str] = set()
        for at, letter in self.week.office.letters:
            name = str(letter["Message-ID"]).partition("@")[0].lstrip("<").removesuffix(".digest")
            if name not in seen:  # a mailbox drops what it has
                seen.add(name)
                posted.append(self._telling("mail", at, name, ping=True))
        return sorted(posted, key=lambda each: each.at)

    def _posted(self, channel: str, message: Posted) -> Telling:
        ping = message.top_level or message.broadcast
        return self._telling(channel, message.at, message.delivery_id, ping=ping)

    def _telling(self, channel: str, at: float, name: str, *, ping: bool) -> Telling:
        own = [self.rows[name]] if name in self.rows else []
        told = [row for row in (*own, *self.carried.get(name, ())) if row.alert_id]
        told.sort(key=lambda row: (self.alerts[row.alert_id].at, self.alerts[row.alert_id].kind != "first", row.created))
        return Telling(channel, at, name, tuple(told), ping)

    def told_at(self, row: Any) -> float | None:
        name = row.carrier or row.id
        return next((each.at for each in self.tellings if each.delivery_id == name), None)

    def facts(self, row: Any) -> tuple[Fact, ...]:
        return from_json(tuple[Fact, ...], self.alerts[row.alert_id].facts)

    # -- what was decided

    @cached_property
    def story_then(self) -> Mapping[str, str]:
        """By alert: its story when it was decided, before that turned out to be another one."""
        asked = (alert for decisions in self.week.decided for alert in decisions.alerts)
        return {alert.id: alert.story_id for alert in asked}

    def one_story(self, first: str, second: str, at: float) -> bool:
        """Whether the stories of two alerts were known to be one at that time."""
        into = {
            merged.absorbed.id: merged.into
            for decisions in self.week.decided
            for merged in decisions.merged
            if merged.at < at
        }

        def end(story: str) -> str:
            while story in into:
                story = into[story]
            return story

        return end(self.story_then[first]) == end(self.story_then[second])

    # -- what failed

    def calm(self, channel: str, begin: float, end: float) -> bool:
        """Whether nothing failed there then, nor shortly before: a channel is tried again every 15 minutes."""
        week = self.week
        troubles = [(each.begin, each.end) for each in (week.mail_troubles if channel == "mail" else week.troubles)]
        troubles += [] if channel == "mail" else week.outages
        return all(end < first or begin > last + HOUR for first, last in troubles)

    def step_of(self, delivery_id: str, event: str) -> Any | None:
        return next((step for step in self.steps if (step.delivery_id, step.event) == (delivery_id, event)), None)


def title(account: Account, row: Any) -> str:
    alert = account.alerts.get(row.alert_id)
    what = f"{alert.topic_id} {alert.kind}" if alert else "digest" if row.carries else "notice"
    return f"{what} {row.id[:8]} on {row.channel} ({row.state}{f', {row.held}' if row.held else ''})"


def lost(account: Account) -> Iterator[str]:
    """Every alert is told on each of its channels, by itself or in another message, or is held for good."""
    told = {(each.channel, each.delivery_id) for each in account.tellings}
    told |= {("console", each.delivery_id) for each in account.week.console.received}
    for row in account.rows.values():
        name = row.carrier or row.id
        if row.state == "held" and row.due >= FOR_GOOD:
            if account.step_of(row.id, "held") is None:
                yield f"{title(account, row)} is held and the ledger does not say so"
        elif row.state != "sent":
            yield f"{title(account, row)} was never told: {row.reason}"
        elif (row.channel, name) not in told:
            yield f"{title(account, row)} counts as sent, and nobody has it"
        elif row.alert_id and account.step_of(row.id, "carried" if row.carrier else "sent") is None:
            yield f"{title(account, row)} was sent and the ledger does not say so"
    for decisions in account.week.decided:
        for due in decisions.deliveries:
            if due.alert_id in account.alerts and due.id not in account.rows:
                yield f"a delivery of {due.alert_id[:8]} on {due.channel} was decided and is not there"


def unrecorded(account: Account) -> Iterator[str]:
    """Every match is in a story; every story is told, waits for another source, or turned out to be another one."""
    for _, matches in account.week.told:
        for match in matches:
            if match.id not in account.matches:
                yield f"the match {match.id[:8]} of {match.topic_id} is in no story"
    told = {alert.story_id for alert in account.alerts.values()}
    waiting = {step.story_id for step in account.steps if step.event == "held" and "waits for" in step.why}
    for story in account.stories:
        if not story.merged_into and story.id not in told and story.id not in waiting:
            yield f"the story {story.title} was not told, and the ledger does not say why"
    decided = {step.delivery_id for step in account.steps if step.event == "decided"}
    for row in account.rows.values():
        if row.alert_id and row.id not in decided:
            yield f"{title(account, row)} was decided and the ledger does not say so"


def doubled(account: Account) -> Iterator[str]:
    """Nothing is told twice."""
    counted = Counter((each.channel, each.delivery_id) for each in account.tellings)
    for (channel, name), times in counted.items():
        if times > 1:
            yield f"{title(account, account.rows[name])} was told {times} times"
        row = account.rows.get(name)
        if row is None:
            yield f"{channel} has a message that nobody decided"
        elif row.carrier and row.carrier != name and (channel, row.carrier) in counted:
            yield f"{title(account, row)} was told by itself and in another message"
    for each in account.week.console.received:
        if getattr(each, "possible_repeat", False):
            yield f"the console shows {each.delivery_id[:8]} as a possible repeat"


def pinged_twice(account: Account) -> Iterator[str]:
    """A story, and each of its facts, is told once on a channel; the digests of set times are a route of their own."""
    told: dict[tuple[str, bool, str], list[Any]] = defaultdict(list)  # by channel, route and what is told
    for telling in account.tellings:
        for row in telling.rows:
            alert = account.alerts[row.alert_id]
            whats = [fact.key for fact in account.facts(row)] + (["first"] if alert.kind == "first" else [])
            for what in whats:
                before = told[telling.channel, is_of_digest(account, row), what]
                before.append(row)
                for other in before[:-1]:
                    later = max(alert.at, account.alerts[other.alert_id].at)
                    if other.alert_id != row.alert_id and account.one_story(other.alert_id, row.alert_id, later):
                        yield f"{title(account, row)} tells “{what}” which {title(account, other)} has told"


def is_of_digest(account: Account, row: Any) -> bool:
    """Whether it was decided for set times."""
    step = account.step_of(row.id, "held")
    return step is not None and step.at == account.alerts[row.alert_id].at and "Paris weekdays" in step.why


def loud_updates(account: Account) -> Iterator[str]:
    """What is new of a story that the channel has a message of is a reply to it, and no ping."""
    for telling in account.tellings:
        row = account.rows.get(telling.delivery_id)
        if telling.channel not in SLACKS or row is None or not row.alert_id:
            continue
        alert = account.alerts[row.alert_id]
        if alert.kind == "first" and not telling.ping:
            yield f"{title(account, row)} is hidden in a thread"
        roots = [
            other
            for other in account.tellings
            if other.channel == telling.channel and other.at < telling.at and is_root_of(account, other, alert)
        ]
        if alert.kind == "update" and roots and telling.ping:
            yield f"{title(account, row)} pinged, though {title(account, account.rows[roots[0].delivery_id])} was there"
        if alert.kind == "update" and not roots and not telling.ping:
            yield f"{title(account, row)} is a reply to nothing"
        if alert.kind == "escalation" and not telling.ping:
            yield f"{title(account, row)} was not noticed by anybody"


def is_root_of(account: Account, telling: Telling, alert: Any) -> bool:
    row = account.rows.get(telling.delivery_id)
    return row is not None and bool(row.alert_id) and account.alerts[row.alert_id].story_id == alert.story_id


def disordered(account: Account) -> Iterator[str]:
    """On a channel a story is told in the order in which it was decided, its first alert first."""
    last: dict[tuple[str, str, bool], tuple[float, Any]] = {}
    for telling in account.tellings:
        for row in telling.rows:
            alert = account.alerts[row.alert_id]
            if alert.kind == "escalation":
                continue  # it waits for nothing
            key = (telling.channel, account.story_then[alert.id], is_of_digest(account, row))
            place = (alert.at, row)
            before = last.get(key)
            if before and before[0] > alert.at and alert.kind != "first":
                yield f"{title(account, row)} came after {title(account, before[1])}"
            if before and alert.kind == "first":
                yield f"{title(account, row)} came after {title(account, before[1])}, which follows it"
            last[key] = place


def breaches(account: Account) -> Iterator[str]:
    """No limit of Slack's was broken. What was asked before a start is forgotten by it, so its history is left out."""
    for breach in account.week.slack.breaches:
        at = float(breach.partition(" at ")[2].partition(":")[0])
        if not (breach.startswith("conversations.") and any(0 <= at - start <= 120 for start in account.week.starts)):
            yield breach


def stale(account: Account) -> Iterator[str]:
    """Every message that lives shows its story as it stands."""
    outbox, living = Outbox(account.week.store, page=PAGE), {row.delivery_id: row for row in account.living}
    for telling in account.tellings:
        row = account.rows.get(telling.delivery_id)
        if telling.channel in SLACKS and row is not None and row.alert_id and row.id not in living:
            if account.alerts[row.alert_id].kind == "first":
                yield f"{title(account, row)} does not live"
    for row in account.living:
        if row.wanted != row.shown:
            yield f"{title(account, account.rows[row.delivery_id])} wants to be edited"
            continue
        edit = Edit(
            delivery_id=row.delivery_id,
            alert_id=row.alert_id,
            channel=row.channel,
            provider_id=row.provider_id,
            wanted=row.wanted,
        )
        posted = account.week.slack.kept[account.week.slack.channels[row.channel], row.provider_id]
        at = row.updated or posted.at  # it was edited, or not yet
        message = outbox.shown(edit, at)
        if not posted.payload.get("blocks"):
            continue  # Slack took it in plain text only
        expected = texts({"blocks": slack_blocks.blocks(slack_blocks.alone(message), at, buttons=True)})
        if posted.text != "\n".join(expected).strip():
            yield (
                f"{title(account, account.rows[row.delivery_id])}, edited {len(posted.edits)} times, shows\n"
                f"{posted.text}\n--- instead of\n" + "\n".join(expected)
            )


def merged_apart(account: Account) -> Iterator[str]:
    """Of two stories that turned out to be one after both were told, one message points to the other."""
    slack = account.week.slack
    by_id = {story.id: story for story in account.stories}
    for telling in account.tellings:
        row = account.rows.get(telling.delivery_id)
        if telling.channel not in SLACKS or row is None or not row.alert_id:
            continue
        alert = account.alerts[row.alert_id]
        then = by_id.get(account.story_then[alert.id])
        if alert.kind == "first" and then and then.merged_into and telling.at < merged_at(account, then.id):
            shown = slack.shown(row.provider_id, telling.channel)
            if "Now part of the story" not in shown:
                yield f"{title(account, row)} does not say that it is part of another story: {shown[:200]}"


def merged_at(account: Account, story_id: str) -> float:
    every = (merged for decisions in account.week.decided for merged in decisions.merged)
    return next(merged.at for merged in every if merged.absorbed.id == story_id)


def out_of_time(account: Account) -> Iterator[str]:
    """Digests come at their set times in their zone, with everything that was decided before."""
    times = set_times(MORNING)
    for telling in account.tellings:
        row = account.rows.get(telling.delivery_id)
        if row is None or not row.carries or from_json(Carries, row.carries).reason != "times":
            continue
        when = datetime.fromtimestamp(telling.at, _PARIS)
        if account.calm("mail", telling.at - HOUR, telling.at) and (when.hour, when.minute, when.weekday() < 5) != (7, 0, True):
            yield f"a digest came at {when:%a %H:%M}"
        for each in telling.rows:
            due = times.next(account.alerts[each.alert_id].at)
            if telling.at < due or (account.calm("mail", due, due + HOUR) and telling.at > due + _SOON):
                yield f"{title(account, each)} was to be told at {datetime.fromtimestamp(due, _PARIS)}, not at {when}"


def in_the_night(account: Account) -> Iterator[str]:
    """In quiet hours only what is urgent is told, and the rest in the morning."""
    quiet = quiet_hours(NIGHT)
    for telling in account.tellings:
        if telling.channel != "night":
            continue
        told = [account.alerts[row.alert_id] for row in telling.rows]
        loud = any(alert.severity == "urgent" or alert.kind == "escalation" for alert in told)
        if told and not loud and quiet.until(telling.at) is not None:
            yield f"{datetime.fromtimestamp(telling.at, _PARIS)}: {title(account, account.rows[telling.delivery_id])}"
    for step in account.steps:
        if step.event != "held" or not step.why.startswith("quiet hours"):
            continue
        morning, row = quiet.until(step.at), account.rows[step.delivery_id]
        at = account.told_at(row)
        if morning is None:
            yield f"{title(account, row)} was held by quiet hours that were none"
        elif at is not None and row.held == "quiet hours" and account.calm("night", step.at, morning + HOUR):
            if at > morning + _SOON:
                yield f"{title(account, row)} came {at - morning:.0f} s after the night"


def mutes_unkept(account: Account) -> Iterator[str]:
    """What is muted is told when the mute ends, in a message that says what it held."""
    for mute in account.mutes:
        if mute.ended is None:
            yield f"the mute {mute.id[-2:]} never ended"
            continue
        held = [row for row in account.rows.values() if row.held in (f"mute {mute.id}", f"source mute {mute.id}")]
        for row in held:
            at, carrier = account.told_at(row), account.rows.get(row.carrier)
            if at is None:
                yield f"{title(account, row)} was muted and never told"
            elif carrier is None or not carrier.carries:
                released = account.step_of(row.id, "released")
                if not (row.held.startswith("source") and released and released.at <= mute.ended):
                    yield f"{title(account, row)} was muted and came without a word of it"
            elif at < mute.ended:
                yield f"{title(account, row)} was told {mute.ended - at:.0f} s before its mute ended"
            elif from_json(Carries, carrier.carries).reason == "mute":
                text, number = text_of(account, row.channel, carrier.id), len(account.carried[carrier.id])
                if f"it held {number} alert" not in text:
                    yield f"{title(account, row)}: the message after the mute says {text[:300]}"


def text_of(account: Account, channel: str, delivery_id: str) -> str:
    if channel != "mail":
        slack = account.week.slack
        return next(each.text for each in slack._in(channel) if each.delivery_id == delivery_id)
    found = (letter for _, letter in account.week.office.letters if delivery_id in str(letter["Message-ID"]))
    part = next(found).get_body(("plain",))
    assert part is not None
    return " ".join(part.get_content().split())


def bloated(account: Account) -> Iterator[str]:
    """The sender remembers what is on the wire, the alerter its warm stories, and no more, however long they live."""
    for at, sender, alerter, matches in account.week.sizes:
        when = datetime.fromtimestamp(at, _PARIS)
        if sender > 500:
            yield f"{when:%a %H:%M}: the sender holds {sender} things"
        if alerter > 500 + 250 * matches:
            yield f"{when:%a %H:%M}: the alerter holds {alerter} things for {matches} matches"


def missing(account: Account) -> list[str]:
    """What did not happen in this week."""
    week = account.week
    reasons = Counter(from_json(Carries, row.carries).reason for row in account.rows.values() if row.carries)
    events = Counter(step.event for step in account.steps)
    whys = Counter(step.why.partition(" ")[0] for step in account.steps if step.event == "held")
    kinds = Counter(alert.kind for alert in account.alerts.values())
    methods = Counter(method for method, _ in week.failed)
    happened = {
        "set times": reasons["times"],
        "catch-up": reasons["quiet hours"],
        "a mute that held something": reasons["mute"],
        "a flood": reasons["flood"],
        "an alert that was in doubt": events["in doubt"],
        "an alert that was tried again": events["retried"],
        "two stories that were one": events["merged"],
        "a topic that yields": whys["told"],
        "a story that waits": whys["waits"],
        "an update": kinds["update"],
        "an escalation": kinds["escalation"],
        "ten deaths of the sender": len(week.starts) > 10,
        "ten deaths of the alerter": week.alerters > 10,
        "two refusals": len([each for each in week.console.received if "is disabled" in getattr(each, "title", "")]) > 1,
        "a post that failed": methods["chat.postMessage"],
        "an edit that failed": methods["chat.update"],
    }
    return [what for what, times in happened.items() if not times]


CHECKS = (
    lost,
    unrecorded,
    doubled,
    pinged_twice,
    loud_updates,
    disordered,
    breaches,
    stale,
    merged_apart,
    out_of_time,
    in_the_night,
    mutes_unkept,
    bloated,
)
