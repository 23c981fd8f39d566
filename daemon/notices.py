"""What the operator is told about channels: every notice in one place. Equal causes give equal ids, told once."""

from datetime import UTC, datetime

from consumers.ids import digest
from consumers.model import Notice
from daemon.store.outbox import Delivery


def refused(channel: str, reason: str, at: float) -> Notice:
    text = (
        f"{channel} takes no messages: {reason}.\n\n"
        f"Its alerts wait and none is lost. Mend the cause, then run `wirewatch channels test {channel}`: "
        "when the test arrives, the alerts follow."
    )
    return Notice(
        delivery_id=digest("notice", "refused", channel, reason, repr(at)),
        at=at,
        title=f"channel {channel} is disabled",
        text=text,
    )


def unreachable(channel: str, reason: str, since: float, at: float) -> Notice:
    text = (
        f"Nothing has reached {channel} since {_time(since)}: {reason}.\n\n"
        "Its alerts wait and are tried again and again; none is lost."
    )
    return Notice(
        delivery_id=digest("notice", "unreachable", channel, repr(since)),
        at=at,
        title=f"channel {channel} cannot be reached",
        text=text,
    )


def given_up(delivery: Delivery, reason: str, at: float) -> Notice:
    text = f"{delivery.channel}: {reason}.\n\nRead it with `wirewatch alerts show {delivery.alert_id[:12]}`."
    return Notice(
        delivery_id=digest("notice", "given up", delivery.id),
        at=at,
        title=f"an alert could not be delivered to {delivery.channel}",
        text=text,
    )


def not_delivered_to(channel: str, note: str, at: float) -> Notice:
    """At most one a day and channel: servers put their own numbers into such notes."""
    return Notice(
        delivery_id=digest("notice", "note", channel, f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"),
        at=at,
        title=f"channel {channel} does not reach everybody",
        text=f"{note}.\n\nThe others got the message.",
    )


def channel_test(channel: str, delivery_id: str, at: float) -> Notice:
    text = (
        f"This is a test of the channel {channel}, asked for by hand. Nothing has happened in the news.\n\n"
        "Where you read this, alerts will arrive."
    )
    return Notice(delivery_id=delivery_id, at=at, title=f"TEST of channel {channel}", text=text)


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d %b %H:%M} UTC"
