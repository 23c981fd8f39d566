"""What the operator is told about channels: every notice in one place. Equal causes give equal ids, told once."""

from datetime import UTC, datetime

from consumers.ids import digest
from consumers.model import Notice
from daemon.store.outbox import Delivery


def refused(channel: str, reason: str, at: float) -> Notice:
    text = (
        f"The channel {channel} takes no messages. {_capital(reason)}.\n\n"
        "Its alerts wait and none is lost. Mend the cause, then run this; when the test arrives, the alerts follow:\n\n"
        f"wirewatch channels test {channel}"
    )
    return Notice(
        delivery_id=digest("notice", "refused", channel, reason, repr(at)),
        at=at,
        title=f"Channel {channel} is disabled",
        text=text,
    )


def unreachable(channel: str, reason: str, since: float, at: float) -> Notice:
    text = (
        f"Nothing has reached the channel {channel} since {_time(since)}. {_capital(reason)}.\n\n"
        "Its alerts wait and are tried again and again; none is lost."
    )
    return Notice(
        delivery_id=digest("notice", "unreachable", channel, repr(since)),
        at=at,
        title=f"Channel {channel} cannot be reached",
        text=text,
    )


def given_up(delivery: Delivery, reason: str, at: float) -> Notice:
    what = "Read it with" if delivery.alert_id else "It was a digest. Read what it was to tell with"
    command = f"show {delivery.alert_id[:12]}" if delivery.alert_id else "list"
    text = (
        f"The channel {delivery.channel} did not get it. {_capital(reason)}.\n\n{what}:\n\nwirewatch alerts {command}"
    )
    return Notice(
        delivery_id=digest("notice", "given up", delivery.id),
        at=at,
        title=f"An alert could not be delivered to {delivery.channel}",
        text=text,
    )


def not_as_asked(channel: str, note: str, at: float) -> Notice:
    """Accepted, though a recipient was refused or a template failed. At most one a day and channel: servers put their
    own numbers into such notes.
    """
    return Notice(
        delivery_id=digest("notice", "note", channel, f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"),
        at=at,
        title=f"Channel {channel} took a message, but not as it should",
        text=f"{_capital(note)}.\n\nThe message went out all the same.",
    )


def channel_test(channel: str, delivery_id: str, at: float) -> Notice:
    text = (
        f"This is a test of the channel {channel}, asked for by hand. Nothing has happened in the news.\n\n"
        "Where you read this, alerts will arrive."
    )
    return Notice(delivery_id=delivery_id, at=at, title=f"TEST of channel {channel}", text=text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d %b %H:%M} UTC"
