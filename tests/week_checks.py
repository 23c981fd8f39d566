"""What must be true of a week, whatever failed in it. Each check lists what is wrong, in sentences."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from daemon.store.holds import FOR_GOOD
from tests.week import SLACKS
from tests.week_account import Account


def lost(account: Account) -> Iterator[str]:
    """Every alert is told on each of its channels, by itself or in another message, or is held for good."""
    told = {(each.channel, each.id) for each in account.tellings}
    told |= {("console", each.delivery_id) for each in account.week.console.received}
    for row in account.rows.values():
        if row.state == "held" and row.due >= FOR_GOOD:
            if account.step(row, "held") is None:
                yield f"{account.title(row)} is held and the ledger does not say so"
        elif row.state != "sent":
            yield f"{account.title(row)} was never told: {row.reason}"
        elif (row.channel, row.carrier or row.id) not in told:
            yield f"{account.title(row)} counts as sent, and nobody has it"
        elif row.alert_id and account.step(row, "carried" if row.carrier else "sent") is None:
            yield f"{account.title(row)} was sent and the ledger does not say so"
    for decisions in account.week.decided:
        for due in decisions.deliveries:
            if due.alert_id in account.alerts and due.id not in account.rows:
                yield f"a delivery of {due.alert_id[:8]} on {due.channel} was decided and is not there"


def unrecorded(account: Account) -> Iterator[str]:
    """Every match is in a story; every story is told or the ledger says why not; so it does of every delivery."""
    for matches in account.week.told:
        for match in matches:
            if match.id not in account.matches:
                yield f"the match {match.id[:8]} of {match.topic_id} is in no story"
    explained = {alert.story_id for alert in account.alerts.values()}
    explained |= {step.story_id for step in account.steps if step.event in ("split", "merged")}
    explained |= {step.story_id for step in account.steps if step.event == "held" and "waits for" in step.why}
    for story in account.stories.values():
        if not story.merged_into and story.id not in explained:
            yield f"the story {story.title} was not told, and the ledger does not say why"
    for row in account.rows.values():
        if row.alert_id and account.step(row, "decided") is None:
            yield f"{account.title(row)} was decided and the ledger does not say so"


def doubled(account: Account) -> Iterator[str]:
    """Nothing is told twice."""
    counted = Counter((each.channel, each.id) for each in account.tellings)
    for (channel, name), times in counted.items():
        row = account.rows.get(name)
        if row is None:
            yield f"{channel} has a message that nobody decided: {name[:8]}"
        elif times > 1:
            yield f"{account.title(row)} was told {times} times"
        elif row.carrier and (channel, row.carrier) in counted:
            yield f"{account.title(row)} was told by itself and in another message"
    for each in account.week.console.received:
        if getattr(each, "possible_repeat", False) or "may be a repeat" in getattr(each, "title", ""):
            yield f"the console shows {each.delivery_id[:8]} as a possible repeat, and it was never in doubt"


def pinged_twice(account: Account) -> Iterator[str]:
    """A story, and each of its facts, is told once on a channel; the digests of set times are a route of their own."""
    told: dict[tuple[str, bool, str], list[Any]] = defaultdict(list)  # by channel, route and what is told
    for telling in account.tellings:
        for row in telling.rows:
            alert = account.alerts[row.alert_id]
            for what in [fact.key for fact in account.facts(row)] + ["the story"] * (alert.kind == "first"):
                before = told[telling.channel, account.at_set_times(row), what]
                for other in before:
                    known = account.alerts[other.alert_id]
                    if known.id != alert.id and account.same_story(known, alert, max(known.at, alert.at)):
                        yield f"{account.title(row)} tells “{what}”, which {account.title(other)} has told"
                before.append(row)


def loud(account: Account) -> Iterator[str]:
    """What is new of a story that Slack has a message of is a reply to it, which pings nobody; an escalation pings."""
    deleted = {(channel, each.delivery_id) for channel, each, _ in account.week.deleted}
    for telling in account.tellings:
        alert = account.alert_of(telling)
        if telling.channel not in SLACKS or alert is None:
            continue
        row, before = account.rows[telling.id], account.before(telling)
        if alert.kind != "update":
            if not telling.ping:
                yield f"{account.title(row)} is hidden in a thread"
        elif not before and not telling.ping:
            yield f"{account.title(row)} is a reply to nothing"
        elif before and telling.ping and not any((each.channel, each.id) in deleted for each in before):
            yield f"{account.title(row)} pinged, though {account.title(account.rows[before[0].id])} was there"


def disordered(account: Account) -> Iterator[str]:
    """On a channel a story is told in the order in which it was decided, its first alert first.

    An escalation waits neither for the night to end nor for a mute of others.
    """
    last: dict[tuple[str, str, bool], Any] = {}
    for telling in account.tellings:
        for row in telling.rows:
            alert = account.alerts[row.alert_id]
            if alert.kind == "escalation":
                continue
            key = telling.channel, account.story_then[alert.id], account.at_set_times(row)
            before = last.get(key)
            if before is not None and (before.created > row.created or alert.kind == "first"):
                yield f"{account.title(row)} came after {account.title(before)}, at {telling.when:%a %H:%M}"
            last[key] = row


def breaches(account: Account) -> Iterator[str]:
    """No limit of Slack's was broken. What was asked before a start is forgotten by it, so its history is left out."""
    for breach in account.week.slack.breaches:
        at = float(breach.partition(" at ")[2].partition(":")[0])
        started = any(0 <= at - start <= 120 for start in account.week.starts)
        if not (breach.startswith("conversations.") and started):
            yield breach


def bloated(account: Account) -> Iterator[str]:
    """The sender remembers what is on the wire, the alerter its warm stories, and no more, however long they live."""
    for at, sender, alerter, matches in account.week.sizes:
        if sender > 500:
            yield f"after {at - account.week.begin:.0f} s the sender holds {sender} things"
        if alerter > 500 + 250 * matches:
            yield f"after {at - account.week.begin:.0f} s the alerter holds {alerter} things for {matches} matches"


ABOUT_TELLING = (lost, unrecorded, doubled, pinged_twice, loud, disordered, breaches, bloated)
