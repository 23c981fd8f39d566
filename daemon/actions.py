"""What a press on a button of an alert means, and what is done about it.

A payload was written by whoever holds the signing secret or the socket, but its values were typed by strangers and may
be old: an alert may be gone, a topic removed, a button from a release of long ago.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from consumers.holding import Mute
from consumers.ids import digest
from consumers.notify.wording import one_line
from daemon.actions_details import details
from daemon.clock import Clock
from daemon.errors import Unusable
from daemon.feedback import Feedback, Said
from daemon.mutes import WEEK, covering, until_when
from daemon.status import stamp
from daemon.store import Store
from daemon.store.ledger import of_story
from daemon.store.mutes import Mutes
from daemon.store.stories import AlertDetail, Stories
from daemon.store.topics import TopicVersions
from daemon.store.verdicts import Verdicts

ActionKind = Literal["relevant", "not relevant", "mute", "details"]

KINDS: dict[str, ActionKind] = {
    "wirewatch.relevant": "relevant",
    "wirewatch.not_relevant": "not relevant",
    "wirewatch.mute": "mute",
    "wirewatch.details": "details",
}
_NEW_FACTS = "new-facts"
_SHORTEST, _LONGEST = 60.0, 30 * 86_400.0  # seconds of a mute that a button can ask for
_ALERT = re.compile(r"[0-9a-z]{1,64}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_MOMENT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)
_USER = re.compile(r"[A-Z0-9]{1,24}", re.ASCII)
_LONGEST_URL = 2000
GONE = "This alert is no longer kept, so nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One press. ``by`` is the person's name for people, ``user`` Slack's id of them; either may be empty.

    ``moment`` is Slack's own name for the press: the same press brought twice has the same one. Empty: unknown.
    ``seconds``: of a mute. ``reply_to``: where the person who pressed is answered; not checked yet.
    """

    kind: ActionKind
    alert_id: str
    by: str
    user: str = ""
    moment: str = ""
    seconds: float = 0.0
    new_facts: bool = False
    reply_to: str = ""

    @property
    def key(self) -> str:
        """Equal for one press that arrives twice; empty where nobody can tell."""
        if not self.moment:
            return ""
        return digest("press", self.kind, self.alert_id, self.user or self.by, self.moment, str(self.seconds))


# -- reading what Slack sends


def loaded(text: str | bytes) -> object:
    """The JSON in ``text``; None where there is none, or nests deeper than anything that Slack sends."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def pressed(payload: object) -> Action | None:
    """The first press of a button of ours in a ``block_actions`` payload; None where there is none. Never raises.

    https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
    """
    record = _record(payload)
    if record.get("type") != "block_actions" or not isinstance(record.get("actions"), list):
        return None
    for each in record["actions"][:25]:
        if action := _action(_record(each), record):
            return action
    return None


def _action(pressed_one: dict[str, Any], payload: dict[str, Any]) -> Action | None:
    kind = KINDS.get(_text(pressed_one.get("action_id")))
    chosen = _record(pressed_one.get("selected_option")) or pressed_one  # a menu's choice, or a button
    alert_id, _, rest = _text(chosen.get("value")).partition(" ")
    if kind is None or not _ALERT.fullmatch(alert_id):
        return None
    seconds, new_facts = _mute(rest) if kind == "mute" else (0.0, False)
    if kind == "mute" and not seconds:
        return None
    user = _record(payload.get("user"))
    user_id, moment = _text(user.get("id")), _text(pressed_one.get("action_ts"))
    url = _text(payload.get("response_url"))
    user_id = user_id if _USER.fullmatch(user_id) else ""
    return Action(
        kind=kind,
        alert_id=alert_id,
        by=_name(user) or user_id or "somebody in Slack",
        user=user_id,
        moment=moment if _MOMENT.fullmatch(moment) else "",
        seconds=seconds,
        new_facts=new_facts,
        reply_to=url if len(url) <= _LONGEST_URL and url.isascii() and url.isprintable() else "",
    )


def _mute(asked: str) -> tuple[float, bool]:
    """Seconds, and whether new facts end it early; no seconds for what no button of ours asks."""
    if asked == _NEW_FACTS:
        return WEEK, True
    seconds = float(asked) if _SECONDS.fullmatch(asked) else 0.0
    return (seconds, False) if _SHORTEST <= seconds <= _LONGEST else (0.0, False)


def _name(user: dict[str, Any]) -> str:
    return one_line(_text(user.get("name")) or _text(user.get("username")), 60)


def _record(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


# -- doing it


class Actions:
    """Threads may share it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._stories = Stories(store)
        self._topics = TopicVersions(store)
        self._feedback = Feedback(store, clock)
        self._verdicts = Verdicts(store)
        self._mutes = Mutes(store)
        self._clock = clock

    def carry_out(self, action: Action) -> str:
        """What the person who pressed is told. Returning means that it is kept; the same action again changes nothing.

        Raises ``Unavailable``.
        """
        detail = self._stories.alert(action.alert_id)
        if detail is None:
            return GONE
        match action.kind:
            case "mute":
                return self._mute(action, detail)
            case "details":
                return self._details(detail)
            case "relevant" | "not relevant":
                return self._verdict(action, detail)

    def _verdict(self, action: Action, detail: AlertDetail) -> str:
        relevant = action.kind == "relevant"
        if detail.match is None:
            return "The article of this alert is no longer kept, so your verdict cannot be either."
        article_id, topic_id = detail.match.article.id, detail.alert.topic_id
        said = next((one for one in self._verdicts.of(topic_id) if one.article_id == article_id), None)
        again = said is not None and said.relevant == relevant and said.state != "dropped"
        try:
            if said is not None and again:  # a press that broke off may have left it without its proposal
                proposal = self._feedback.propose(topic_id)
                kept = f"Already kept: {said.by or 'somebody'} said {action.kind} on {stamp(said.at)}."
            else:
                proposal = self._feedback.say(topic_id, [Said(article_id, relevant)], action.by)
                kept = f"Kept: {action.kind}, says {action.by}."
        except Unusable as error:
            return f"This verdict cannot be kept: {error}."
        if proposal is None:
            return f"{kept} It changes nothing in the topic."
        return f"{kept} Nothing changes before somebody accepts what it proposes: wirewatch topics review {topic_id}"

    def _mute(self, action: Action, detail: AlertDetail) -> str:
        now = self._clock.now()
        story = detail.story
        story_id = (story.merged_into if story else "") or detail.alert.story_id
        wanted = Mute(
            id=digest("mute", "story", story_id, action.user or action.by, action.moment or repr(now)),
            kind="story",
            target=story_id,
            since=now,
            until=now + action.seconds,
            by=action.by,
            until_new_facts=action.new_facts,
        )
        before = covering(wanted, self._mutes.in_force(now))
        if before is not None and before.id != wanted.id:
            return f"Already muted by {before.by} {until_when(before, now)}"
        muted = before or wanted
        self._mutes.add(muted)
        return f"Muted by {muted.by} {until_when(muted, now)}"

    def _details(self, detail: AlertDetail) -> str:
        now, topic_id, story_id = self._clock.now(), detail.alert.topic_id, detail.alert.story_id
        topic = self._topics.in_force().get(topic_id)
        return details(
            detail,
            topic=topic.query if topic else topic_id,
            steps=of_story(self._store, story_id),
            mutes=[mute for mute in self._mutes.in_force(now) if mute.target in {story_id, topic_id}],
            now=now,
        )
