"""What is wrong after a crash benchmark, in sentences: what was published, what the store holds, what channels got.

* Every published article is archived, exactly once.
* What the archive says matched has joined a story, and nothing else has, but for what the archive scored anew: a batch
  that comes again after a kill may meet a newer calibration.
* Every story that a live match founded was told once, on each channel of its topic, or waits for another source and the
  ledger says so.
* What was decided was told on its channel, by itself or in another message; the ledger has its steps; no message came
  twice but under the id that lets a webhook's receiver drop it; no alert is in two digests.
* A story's updates came after its first alert, in Slack as replies to what was told of it.
* What was decided while its topic was muted came when the mute was over.
* Stories went on, a mute held something, digests went out, threads came about: else nothing of it was put to the test.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from consumers.ids import delivery_id
from tests.fake_slack import FakeSlack, Posted
from tests.grounds import Ground
from tests.scene import Receiver

SLACK = "chat"

_SAME = "m.topic_id = s.topic_id AND m.article_id = s.article_id"
_UNTOLD = f"SELECT count(*) FROM scores s WHERE s.matched AND NOT EXISTS (SELECT 1 FROM story_matches m WHERE {_SAME})"
_UNSCORED = f"SELECT count(*) FROM story_matches m WHERE NOT EXISTS (SELECT 1 FROM scores s WHERE {_SAME})"
_UNSENT = "SELECT count(*) FROM deliveries WHERE state NOT IN ('sent', 'dead')"


@dataclass(frozen=True, slots=True)
class Muted:
    """A topic, from when to when; seconds since the epoch."""

    topic_id: str
    since: float
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    alert_id: str
    channel: str
    state: str
    carrier: str
    carries: str

    @property
    def told_in(self) -> str:
        return self.carrier or self.id

    @property
    def at_once(self) -> bool:
        """It was not decided for a digest of set times."""
        return self.id == delivery_id(self.alert_id, self.channel)


@dataclass(frozen=True, slots=True)
class Alert:
    id: str
    topic_id: str
    story_id: str
    kind: str
    at: float
    channels: tuple[str, ...]


def number(ground: Ground, query: str) -> int:
    return int(str(ground.rows(query)[0][0]))


def undecided(ground: Ground) -> int:
    """How much is matched and in no story."""
    return number(ground, _UNTOLD)


def waiting(ground: Ground) -> int:
    """How much is matched and in no story, or decided and not told."""
    return undecided(ground) or number(ground, _UNSENT)


class Account:
    def __init__(
        self, ground: Ground, receivers: Mapping[str, Receiver], slack: FakeSlack, muted: Sequence[Muted]
    ) -> None:
        self.ground = ground
        self.muted = muted
        self.digests = [each.body for each in receivers["later"].accepted if each.body["type"] == "digest"]
        self.posted: Sequence[Posted] = list(slack.kept.values())
        told: dict[str, list[tuple[str, float]]] = {
            name: [(each.id, each.at) for each in receiver.accepted] for name, receiver in receivers.items()
        }
        told[SLACK] = [(each.delivery_id, each.at) for each in self.posted]
        self.told: Mapping[str, Sequence[tuple[str, float]]] = told
        rows = ground.rows("SELECT id, alert_id, channel, state, carrier, coalesce(carries, '') FROM deliveries")
        self.deliveries = {each.id: each for each in (Delivery(*map(str, row)) for row in rows)}
        self.alerts = {
            str(row[0]): Alert(*map(str, row[:4]), at=float(str(row[4])), channels=tuple(json.loads(str(row[5]))))
            for row in ground.rows("SELECT id, topic_id, story_id, kind, at, channels FROM alerts")
        }
        self.steps = {tuple(map(str, row)) for row in ground.rows("SELECT delivery_id, event FROM ledger")}
        self.held = Counter(str(why) for (why,) in ground.rows("SELECT why FROM ledger WHERE event = 'held'"))
        self.stories = {
            str(name): json.loads(str(story)) for name, story in ground.rows("SELECT id, story FROM stories")
        }

    @property
    def held_by_mutes(self) -> int:
        return sum(count for why, count in self.held.items() if why.startswith("muted by"))

    def first_told(self, channel: str) -> Mapping[str, tuple[int, float]]:
        """Each message's place among those of its channel, and when it came; of repeats the first."""
        found: dict[str, tuple[int, float]] = {}
        for place, (name, at) in enumerate(self.told[channel]):
            found.setdefault(name, (place, at))
        return found

    def summary(self) -> str:
        kinds = Counter(alert.kind for alert in self.alerts.values())
        repeats = sum(len(told) - len({name for name, _ in told}) for told in self.told.values())
        carried = sum(bool(each.carrier) for each in self.deliveries.values())
        merged = sum(bool(story["merged_into"]) for story in self.stories.values())
        waits = sum(story["stage"] == "waiting" for story in self.stories.values())
        digests = sum(bool(each.carries) for each in self.deliveries.values())
        replies = sum(bool(each.thread) for each in self.posted)
        edits = sum(len(each.edits) for each in self.posted)
        return (
            f"{kinds['first']} first alerts, {kinds['update']} updates, {kinds['escalation']} escalations, {waits} "
            f"stories wait for a source, {merged} merged; {self.held_by_mutes} deliveries held by a mute, {carried} "
            f"told in {digests} digests and others, {replies} replies and {edits} edits in Slack; {repeats} repeats "
            "under a known id"
        )


def verdict(account: Account, published: Collection[tuple[str, str]]) -> list[str]:
    return [
        *_articles(account.ground, {guid for _, guid in published}),
        *_stories(account),
        *_decided(account),
        *_told(account),
        *_doubled(account),
        *_ordered(account),
        *_replies(account),
        *_mutes(account),
        *_tried(account),
    ]


def _articles(ground: Ground, published: Collection[str]) -> Iterator[str]:
    archived = Counter(str(url).rsplit("/", 1)[1] for (url,) in ground.rows("SELECT url FROM articles"))
    if missing := set(published) - archived.keys():
        yield f"{len(missing)} articles were published and are not in the archive: {sorted(missing)[:5]}"
    if twice := [guid for guid, count in archived.items() if count > 1]:
        yield f"{len(twice)} articles are in the archive twice: {twice[:5]}"
    if untold := number(ground, _UNTOLD):
        yield f"{untold} matches are archived and in no story"
    if unscored := number(ground, _UNSCORED):
        yield f"{unscored} matches are in a story, and the archive never scored them"


def _stories(account: Account) -> Iterator[str]:
    live = {
        str(story)
        for story, match in account.ground.rows("SELECT story_id, match FROM story_matches")
        if not json.loads(str(match))["article"]["backfill"]
    }
    firsts = Counter(alert.story_id for alert in account.alerts.values() if alert.kind == "first")
    held = {str(story) for (story,) in account.ground.rows("SELECT story_id FROM ledger WHERE event = 'held'")}
    wait = {name for name, story in account.stories.items() if story["stage"] == "waiting"}
    merged = Counter(story["merged_into"] for story in account.stories.values())
    if unsaid := wait - held:
        yield f"{len(unsaid)} stories wait for another source, and the ledger does not say so"
    if live - wait != set(firsts):
        yield f"{len(live - wait)} stories have a live report and do not wait, and {len(firsts)} have an alert"
    if twice := [name for name, count in firsts.items() if count > 1 + merged[name]]:
        yield f"{len(twice)} stories have two first alerts"


def _decided(account: Account) -> Iterator[str]:
    missing, unsaid = 0, 0
    for alert in account.alerts.values():
        names = [delivery_id(alert.id, channel) for channel in alert.channels]
        if alert.kind != "escalation":
            names.append(delivery_id(alert.id, "later digest"))
        missing += sum(name not in account.deliveries for name in names)
        unsaid += sum((name, "decided") not in account.steps for name in names)
    if missing:
        yield f"{missing} deliveries of alerts are not there"
    if unsaid:
        yield f"{unsaid} deliveries were decided, and the ledger does not say so"


def _told(account: Account) -> Iterator[str]:
    wrong = Counter[str]()
    told = {channel: {name for name, _ in messages} for channel, messages in account.told.items()}
    for each in account.deliveries.values():
        if each.channel not in told:
            continue  # the operator's
        if each.state != "sent":
            wrong[f"are {each.state} on {each.channel}"] += 1
        elif each.told_in not in told[each.channel]:
            wrong[f"count as sent on {each.channel}, which never got them"] += 1
        elif each.alert_id and (each.id, "carried" if each.carrier else "sent") not in account.steps:
            wrong[f"were told on {each.channel}, and the ledger does not say so"] += 1
    for channel, names in told.items():
        if unknown := names - account.deliveries.keys():
            wrong[f"reached {channel}, and nobody decided them"] += len(unknown)
    yield from (f"{count} messages {what}" for what, count in wrong.items())


def _doubled(account: Account) -> Iterator[str]:
    told = {channel: {name for name, _ in messages} for channel, messages in account.told.items()}
    if both := [each for each in account.deliveries.values() if each.carrier and each.id in told[each.channel]]:
        yield f"{len(both)} deliveries were told by themselves and in another message"
    if twice := [name for name, times in Counter(each.delivery_id for each in account.posted).items() if times > 1]:
        yield f"{len(twice)} messages are in Slack twice"
    bodies = {str(body["data"]["delivery_id"]): body["data"] for body in account.digests}  # type: ignore[index]
    stories = Counter(
        story["alert_id"] for body in bodies.values() for topic in body["topics"] for story in topic["stories"]
    )
    if repeated := [alert for alert, times in stories.items() if times > 1]:
        yield f"{len(repeated)} alerts are in two digests"


def _ordered(account: Account) -> Iterator[str]:
    begun: dict[tuple[str, str, bool], list[int]] = defaultdict(list)
    others: list[tuple[tuple[str, str, bool], int]] = []
    places = {channel: account.first_told(channel) for channel in account.told}
    for each in account.deliveries.values():
        if not each.alert_id or each.told_in not in places[each.channel]:
            continue
        alert, place = account.alerts[each.alert_id], places[each.channel][each.told_in][0]
        key = each.channel, alert.story_id, each.at_once
        if alert.kind == "first":
            begun[key].append(place)
        elif alert.kind == "update":
            others.append((key, place))
    if early := [key for key, place in others if not begun[key] or place < min(begun[key])]:
        yield f"{len(early)} updates came before their story was told: {early[:3]}"


def _replies(account: Account) -> Iterator[str]:
    """A thread is of one story, as it is known now."""
    tells: dict[str, set[str]] = defaultdict(set)
    for each in account.deliveries.values():
        if each.alert_id:
            tells[each.told_in].add(account.alerts[each.alert_id].story_id)
    message = {each.ts: each.delivery_id for each in account.posted}
    if astray := [
        each for each in account.posted if each.thread and not tells[each.delivery_id] & tells[message[each.thread]]
    ]:
        yield f"{len(astray)} replies in Slack are in the thread of another story"


def _mutes(account: Account) -> Iterator[str]:
    places = {channel: account.first_told(channel) for channel in account.told}
    early = 0
    for each in account.deliveries.values():
        if not each.alert_id or each.told_in not in places[each.channel]:
            continue
        alert, at = account.alerts[each.alert_id], places[each.channel][each.told_in][1]
        early += any(
            mute.topic_id == alert.topic_id and mute.since < alert.at and at < mute.until for mute in account.muted
        )
    if early:
        yield f"{early} alerts of a muted topic were told before the mute was over"


def _tried(account: Account) -> Iterator[str]:
    if not any(alert.kind == "update" for alert in account.alerts.values()):
        yield "no story went on"
    if not account.digests:
        yield "no digest went out"
    if not account.held_by_mutes:
        yield "no mute held anything"
    if not any(each.thread for each in account.posted):
        yield "nothing is in a thread"
