"""The ledger: what became of each alert on each channel, step by step. Steps are added and never changed."""

from dataclasses import dataclass
from typing import Literal

LedgerEvent = Literal[
    "decided",  # ``why``: "first report", "new facts", "3 independent sources within 30 minutes"
    "held",  # "quiet hours until 07:00 Europe/Paris", "mute of Ana until …", "waits for a second independent source"
    "released",  # what it waited for has come
    "carried",  # told in another message: a digest, a summary, an update of the same story
    "sent",
    "retried",
    "in doubt",
    "dead",
    "merged",  # its story turned out to be another one, too
    "split",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one delivery. ``delivery_id`` is what ``consumers.ids.delivery_id`` makes, also before it exists."""

    delivery_id: str
    alert_id: str
    topic_id: str
    story_id: str
    channel: str
    at: float
    event: LedgerEvent
    why: str = ""
