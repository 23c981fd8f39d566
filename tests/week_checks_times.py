"""What must be true of a week: what messages show in the end, and when what had to wait was told."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from consumers.notify import slack_blocks
from consumers.set_times import set_times
from daemon.store.digests import Carries
from daemon.store.outbox import Edit, Outbox
from daemon.wire import from_json
from tests.slack_rules import texts
from tests.week import PAGE, QUIET, SLACKS
from tests.week_account import Account
from tests.week_news import HOUR, MORNING

_SOON = 120.0  # seconds in which what is due is told, while nothing fails


def lifeless(account: Account) -> Iterator[str]:
    """A story's first message lives, and so does what became the first one of its story."""
    living = {(row.channel, row.delivery_id) for row in account.living}
    deleted = {(channel, each.delivery_id) for channel, each, _ in account.week.deleted}
    for telling in account.tellings:
        alert, here = account.alert_of(telling), (telling.channel, telling.id)
        if alert and alert.kind == "first" and telling.channel in SLACKS and here not in living | deleted:
            yield f"{account.title(account.rows[telling.id])} does not live"


def stale(account: Account) -> Iterator[str]:
    """Every message that lives shows its story as it stands: reports, facts, mutes, what it turned out to be."""
    outbox, slack = Outbox(account.week.store, page=PAGE), account.week.slack
    for row in account.living:
        title = account.title(account.rows[row.delivery_id])
        posted = slack.kept.get((slack.channels[row.channel], row.provider_id))
        if posted is None or posted.deleted:
            continue  # what somebody has deleted is found out with its next edit
        if row.wanted != row.shown:
            yield f"{title} wants to be edited"
            continue
        edit = Edit(
            delivery_id=row.delivery_id,
            alert_id=row.alert_id,
            channel=row.channel,
            provider_id=row.provider_id,
            wanted=row.wanted,
        )
        at = row.updated or posted.at  # of its last edit, where there was one
        blocks = slack_blocks.blocks(slack_blocks.alone(outbox.shown(edit, at)), at, buttons=True)
        expected = "\n".join(texts({"blocks": blocks})).strip()
        if posted.payload.get("blocks") and posted.text != expected:  # else Slack took it in plain text only
            yield f"{title}, edited {len(posted.edits)} times, shows\n{posted.text}\n--- in place of\n{expected}"


def apart(account: Account) -> Iterator[str]:
    """Of two stories that turned out to be one after both were told, the message of one points to the other."""
    gone = {absorbed: at for absorbed, _, at in account.unions}
    slack = account.week.slack
    for telling in account.tellings:
        row = account.rows.get(telling.id)
        if telling.channel not in SLACKS or row is None or not row.alert_id:
            continue
        alert = account.alerts[row.alert_id]
        at = gone.get(account.story_then[alert.id])
        posted = slack.kept.get((slack.channels[telling.channel], row.provider_id))
        if alert.kind != "first" or at is None or telling.at >= at or posted is None or posted.deleted:
            continue
        if "Now part of the story" not in posted.text and alert.story_id != account.story_then[alert.id]:
            yield f"{account.title(row)} does not say that it is part of another story:\n{posted.text}"


def out_of_time(account: Account) -> Iterator[str]:
    """Digests come at their set times in their zone, with everything that was decided before."""
    times, faults = set_times(MORNING), account.week.faults
    for telling in account.tellings:
        if reason(account, telling.id) != "times":
            continue
        when = telling.when
        on_time = (when.hour, when.minute, when.weekday() < 5) == (7, 0, True)
        if not on_time and faults.calm(telling.channel, telling.at - HOUR, telling.at):
            yield f"a digest came at {when:%a %H:%M}"
        for row in telling.rows:
            due = times.next(account.alerts[row.alert_id].at)
            late = telling.at > due + _SOON and faults.calm(telling.channel, due, telling.at)
            if row.held.startswith("digest ") and (telling.at < due or late):
                yield f"{account.title(row)} came {telling.at - due:.0f} s late, at {when:%a %H:%M}"


def in_the_night(account: Account) -> Iterator[str]:
    """In quiet hours only what is urgent is told, and the rest in the morning."""
    for telling in account.tellings:
        quiet = QUIET.get(telling.channel)
        if quiet is None or quiet.until(telling.at) is None:
            continue
        told = [account.alerts[row.alert_id] for row in telling.rows]
        if told and not any(alert.severity == "urgent" or alert.kind == "escalation" for alert in told):
            yield f"{account.title(account.rows[telling.id])} was told at {telling.when:%a %H:%M}"
    for row in account.rows.values():
        step, at = account.step(row, "held"), account.told_at(row)
        if row.held != "quiet hours" or step is None or at is None:
            continue
        morning = QUIET[row.channel].until(step.at)
        calm = morning is not None and account.week.faults.calm(row.channel, step.at, at)
        if morning is not None and calm and step.why.startswith("quiet hours") and at > morning + _SOON:
            yield f"{account.title(row)} came {at - morning:.0f} s after the night"


def mutes_unkept(account: Account) -> Iterator[str]:
    """What is muted is told when the mute ends, in a message that says how much it held."""
    for mute in account.mutes:
        if mute.ended is None:
            yield f"the mute {mute.id[-2:]} never ended"
            continue
        for row in account.rows.values():
            if row.held in (f"mute {mute.id}", f"source mute {mute.id}"):
                yield from _unkept(account, mute, row)


def _unkept(account: Account, mute: Any, row: Any) -> Iterator[str]:
    at, released = account.told_at(row), account.step(row, "released")
    if at is None:
        yield f"{account.title(row)} was muted and never told"
        return
    if row.held.startswith("source") and released and released.at <= mute.ended:
        return  # another source reports it
    if at < mute.ended:
        yield f"{account.title(row)} was told {mute.ended - at:.0f} s before its mute ended"
    why = reason(account, row.carrier)
    if why != "mute":
        yield f"{account.title(row)} was muted and came without a word of it ({why or 'by itself'})"
        return
    text = account.text_of(row.channel, row.carrier)
    if f"It held {len(account.carried[row.carrier])} alert" not in text:
        yield f"{account.title(row)}: the message after the mute says {text[:300]}"


def reason(account: Account, delivery_id: str) -> str:
    """Of a digest; empty for what is none."""
    row = account.rows.get(delivery_id)
    return from_json(Carries, row.carries).reason if row is not None and row.carries else ""


def missing(account: Account) -> list[str]:
    """What did not happen in this week."""
    week = account.week
    reasons = Counter(reason(account, row.id) for row in account.rows.values())
    events = Counter(step.event for step in account.steps)
    whys = Counter(step.why.partition(" ")[0] for step in account.steps if step.event == "held")
    kinds = Counter(alert.kind for alert in account.alerts.values())
    failed = Counter(method for method, _ in week.faults.failed)
    happened = {
        "a digest at set times": reasons["times"],
        "catch-up after a night": reasons["quiet hours"],
        "a mute that held something": reasons["mute"],
        "a flood": reasons["flood"],
        "an alert that was in doubt": events["in doubt"],
        "an alert that was tried again": events["retried"],
        "two stories that were one": events["merged"],
        "a story that was split": events["split"],
        "a topic that yields": whys["told"],
        "a story that waits": whys["waits"],
        "an update": kinds["update"],
        "an escalation": kinds["escalation"],
        "ten deaths of the sender": len(week.starts) > 10,
        "ten deaths of the alerter": week.alerters > 10,
        "a refusal": sum("is disabled" in getattr(each, "title", "") for each in week.console.received),
        "a post that failed": failed["chat.postMessage"],
        "an edit that failed": failed["chat.update"],
        "a message that somebody deleted": week.deleted,
    }
    return [what for what, times in happened.items() if not times]


ABOUT_TIMES = (lifeless, stale, apart, out_of_time, in_the_night, mutes_unkept)
