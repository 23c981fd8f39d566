"""One alert with everything that is kept of it: for its page and the API."""

from dataclasses import dataclass, fields

from consumers.holding import Mute
from consumers.model import Fact
from daemon.store import Store
from daemon.store.alert_cards import AlertCard, AlertCards
from daemon.store.story_history import Telling, history
from daemon.store.story_unions import OtherStory


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPage(AlertCard):
    """All but the card is of its story, as it stands now: empty where that is no longer kept."""

    timeline: tuple[Fact, ...] = ()  # what its reports added, the oldest first
    ledger: tuple[Telling, ...] = ()  # by channel, then in the order of time
    absorbed: tuple[OtherStory, ...] = ()  # other stories that are one with it now
    apart: tuple[OtherStory, ...] = ()  # stories that people said are not this one
    mutes: tuple[Mute, ...] = ()  # in force


def alert_page(store: Store, alert_id: str, now: float) -> AlertPage | None:
    """Raises ``Unavailable``."""
    card = AlertCards(store).find(alert_id)
    if card is None:
        return None
    known = {each.name: getattr(card, each.name) for each in fields(AlertCard)}
    found = history(store, card.story_id, now)
    if found is None:
        return AlertPage(**known)
    return AlertPage(
        **known | {"merged_into": found.merged_into(alert_id)},
        timeline=found.story.facts,
        ledger=found.tellings,
        absorbed=found.absorbed(alert_id),
        apart=found.apart,
        mutes=found.mutes,
    )
