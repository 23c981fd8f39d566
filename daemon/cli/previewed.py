"""The alert that a preview shows: a real one where there is one, else an invented one."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from consumers.model import AlertKind, Digest, Message, TopicDigest
from daemon.cli.context import fail

if TYPE_CHECKING:
    from daemon.settings import Settings
    from daemon.store import Store

_LOOKED_AT = 200  # of the newest alerts
_IN_DIGEST = 20


def newest(settings: "Settings", channel: str, *, kind: str, alert: str) -> tuple[Message | Digest, str]:
    """What is shown on ``channel``, and what it is, for people. Exits where ``alert`` names none."""
    from consumers.notify import samples
    from daemon.cli.kept import if_any

    if kind and kind not in get_args(AlertKind):
        fail(f"there is no kind {kind}: write one of {', '.join(get_args(AlertKind))}", code=2)
    found = if_any(settings, lambda store: _found(store, settings.web.public_url, channel, kind, alert))
    if found is not None:
        return found
    if alert:
        fail(f'no alert has an id that begins with "{alert}": see `wirewatch alerts list`')
    if kind == "digest":
        return samples.digest(), "an invented digest"
    invented = next(one for one in get_args(AlertKind) if one == (kind or "first"))
    return samples.alert(invented), f"an invented alert ({invented})"


def _found(store: "Store", page: str, channel: str, kind: str, alert: str) -> "tuple[Message | Digest, str] | None":
    messages = _messages(store, page, channel, alert)
    if kind == "digest":
        chosen = [message for message, _ in zip(messages, range(_IN_DIGEST), strict=False)]
        return (_digest(chosen), f"a digest of the newest {len(chosen)} alerts") if chosen else None
    for message in messages:
        if not kind or message.kind == kind:
            return message, f"the alert {message.alert_id[:12]} ({message.kind})"
        if alert:
            as_asked: AlertKind = next(one for one in get_args(AlertKind) if one == kind)
            return replace(message, kind=as_asked), f"the alert {message.alert_id[:12]} as if it was of kind {kind}"
    return None


def _messages(store: "Store", page: str, channel: str, alert: str) -> Iterable[Message]:
    """The one that is named, or the newest first."""
    from consumers.errors import Reject
    from daemon.store.outbox import Outbox
    from daemon.store.told import ids_starting_with, recent

    outbox = Outbox(store, page=page)
    if alert:
        ids = ids_starting_with(store, alert.strip().lower())
        if len(ids) > 1:
            fail(f'{len(ids)} alerts have an id that begins with "{alert}": give more of it')
    else:
        ids = [told.id for told in recent(store, limit=_LOOKED_AT)]
    for id_ in ids:
        try:
            yield outbox.message(id_, channel=channel)
        except Reject:  # its story is no longer kept
            continue


def _digest(messages: list[Message]) -> Digest:
    topics = dict.fromkeys(message.topic_id for message in messages)
    return Digest(
        delivery_id="preview",
        at=messages[0].at,
        reason="times",
        title="Digest",
        lead="The newest alerts, as a digest would tell them.",
        topics=tuple(
            TopicDigest(
                topic_id=topic,
                topic=next(message.topic for message in messages if message.topic_id == topic),
                stories=tuple({each.story_id: each for each in messages if each.topic_id == topic}.values()),
            )
            for topic in topics
        ),
    )
