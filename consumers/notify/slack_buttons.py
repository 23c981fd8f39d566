"""What people can do about an alert without leaving Slack.

The ids and values are what ``daemon`` reads when somebody presses one: "wirewatch.relevant" and so on, with the
alert's id; a mute says after a blank for how many seconds, or "new-facts".
"""

from consumers.model import Message
from consumers.notify import wording
from consumers.notify.slack_text import Block

BLOCK_ID = "wirewatch.alert"
RELEVANT, NOT_RELEVANT = "wirewatch.relevant", "wirewatch.not_relevant"
MUTE, DETAILS = "wirewatch.mute", "wirewatch.details"
NEW_FACTS = "new-facts"

_MUTES = {
    "3600": "Mute this story for 1 hour",
    "86400": "Mute this story until tomorrow (24 hours)",
    "604800": "Mute this story for 7 days",
    NEW_FACTS: "Mute this story until new facts, 7 days at most",
}
_LONGEST_ID = (
    130  # an option's value takes 150: https://docs.slack.dev/reference/block-kit/composition-objects/option-object
)


def actions(message: Message) -> list[Block]:
    """The row of buttons, or nothing where the alert cannot be named in one.

    The mutes are an overflow menu and no select: a select keeps showing what was chosen, whatever the message is
    edited to, and does not let the same be chosen again.
    """
    alert = message.alert_id
    if not 0 < len(alert) <= _LONGEST_ID:
        return []
    elements: list[Block] = [
        _button("Relevant", RELEVANT, value=alert),
        _button("Not relevant", NOT_RELEVANT, value=alert),
        _details(message),
        {"type": "overflow", "action_id": MUTE, "options": [_option(alert, *mute) for mute in _MUTES.items()]},
    ]
    return [{"type": "actions", "block_id": BLOCK_ID, "elements": elements}]


def _details(message: Message) -> Block:
    page = wording.safe_url(message.page)
    return _button("Details", DETAILS, value=message.alert_id) | ({"url": page} if page else {})


def _button(text: str, action_id: str, *, value: str) -> Block:
    return {"type": "button", "text": _plain(text), "action_id": action_id, "value": value}


def _option(alert: str, duration: str, text: str) -> Block:
    return {"text": _plain(text), "value": f"{alert} {duration}"}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
