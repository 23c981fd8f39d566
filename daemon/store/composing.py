"""What is told: a message from its alert and from its story as it stands now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select

from consumers.errors import Reject
from consumers.holding import Mute, Standing, applies, muted_by
from consumers.model import Fact, Match, Message, Story
from daemon.store import mutes
from daemon.store.ledger import in_chunks
from daemon.store.outbox_rows import of_story
from daemon.store.standing import facts_of, story_of, topic_of
from daemon.store.tables import alerts, deliveries, ledger, story_matches
from daemon.wire import from_json

_SEPARATE: tuple[str, ...] = ("split", "merged")  # steps of a story that its messages speak of
_GONE = "its story is no longer kept"

_column = deliveries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a message is told. ``now`` None: what is in force at the moment is left out."""

    page: str
    channel: str = ""
    delivery_id: str = ""
    now: float | None = None


def message(connection: Connection, alert_id: str, setting: Setting) -> Message:
    """Raises ``Reject`` where the alert or its story is no longer kept."""
    row = connection.execute(_told().where(alerts.c.id == alert_id)).one_or_none()
    if row is None:
        raise Reject(_GONE)
    carried = (
        select(alerts)
        .join(deliveries, _column.alert_id == alerts.c.id)
        .where(_column.carrier == setting.delivery_id, or_(_column.state == "held", _column.state == "sent"))
    )
    others = connection.execute(carried).all() if setting.delivery_id else ()
    return _threaded(connection, _composed(connection, [row, *others], setting), setting)


def in_digest(connection: Connection, rows: Sequence[Row[Any]], page: str, now: float | None) -> Message | None:
    """One story of a digest, from the deliveries that tell of it; ``None`` where it is no longer kept."""
    told = connection.execute(_told().where(alerts.c.id == _leading(rows).alert_id)).one_or_none()
    if told is None or story_of(connection, told.story_id) is None:
        return None
    others = [row for row in rows if row.alert_id != told.id]
    return _composed(connection, [told, *others], Setting(page=page, delivery_id=_leading(rows).id, now=now))


def _leading(rows: Sequence[Row[Any]]) -> Row[Any]:
    """The first alert where it is among them, or the last of the others."""
    return next((row for row in rows if row.kind == "first"), rows[-1])


def _told() -> Select[Any]:
    return select(alerts, story_matches.c.match).join(story_matches, story_matches.c.match_id == alerts.c.match_id)


def _composed(connection: Connection, rows: Sequence[Row[Any]], setting: Setting) -> Message:
    """The first of ``rows`` is the alert that is told, the others are told with it."""
    row = rows[0]
    story, match = story_of(connection, row.story_id), from_json(Match, row.match)
    if story is None:
        raise Reject(_GONE)
    topic = topic_of(connection, row.topic_id)
    return Message(
        delivery_id=setting.delivery_id,
        topic_id=row.topic_id,
        topic=topic.query if topic else row.topic_id,
        kind=row.kind,
        at=row.at,
        headline=match.article.title or story.title,  # the link and the passage are this article's
        url=match.article.url or next((report.url for report in story.reports if report.url), ""),
        reports=story.reports,
        independent=story.independent,
        passage=match.passage,
        reasons=match.reasons,
        alert_id=row.id,
        story_id=story.id,
        page=f"{setting.page}/alerts/{row.id}" if setting.page else "",
        why=row.why,
        severity="urgent" if any(each.severity == "urgent" for each in rows) else "normal",
        facts=_newest_first(rows),
        timeline=story.facts,
        articles=story.articles or len(story.reports),
        latest=story.latest,
        status=_status(connection, story, row, setting),
    )


def _newest_first(rows: Sequence[Row[Any]]) -> tuple[Fact, ...]:
    facts: Mapping[str, Fact] = {fact.key: fact for row in rows for fact in facts_of(row)}
    return tuple(sorted(facts.values(), key=lambda fact: -fact.at))  # of one report, the most important first


def _status(connection: Connection, story: Story, row: Row[Any], setting: Setting) -> tuple[str, ...]:
    """What people are to know of the story beside the news: who has split or muted it, what it waited for."""
    mine = ledger.c.delivery_id == (setting.delivery_id if setting.channel else "")  # a digest says it for all
    absorbed = setting.delivery_id in _absorbed(connection, [setting.delivery_id])  # then ``merged_into`` says it
    told = [event for event in _SEPARATE if event != "merged" or not absorbed]
    steps = select(ledger.c.why).where(
        or_(
            ledger.c.event.in_(told) & (ledger.c.story_id == story.id),
            mine & (ledger.c.event == "released"),
        ),
        ledger.c.why != "",
    )
    said = connection.execute(steps.order_by(ledger.c.at, ledger.c.delivery_id)).scalars().all()
    muted = [muted_by(mute, now) for mute, now in _in_force(connection, story, row, setting)]
    return tuple(dict.fromkeys([*said, *muted]))


def _in_force(connection: Connection, story: Story, row: Row[Any], setting: Setting) -> Sequence[tuple[Mute, float]]:
    if setting.now is None:
        return ()
    stands = Standing(
        topic_id=row.topic_id,
        story_id=story.id,
        kind=row.kind,
        severity=row.severity,
        new_facts=False,
        sources=frozenset(),  # what is muted with a source is that source, and not the story
    )
    return [(mute, setting.now) for mute in mutes.in_force(connection, setting.now) if applies(mute, stands)]


# -- what was told before


def _threaded(connection: Connection, message: Message, setting: Setting) -> Message:
    """What was told of the story on the channel before: alone, as a digest is nothing to answer to."""
    if not setting.delivery_id:
        return message
    told = of_story(connection, message.story_id, setting.channel)
    alone = [row for row in told if row.state == "sent" and row.provider_id and not row.carrier]
    rows = sorted((row for row in alone if row.id != setting.delivery_id), key=lambda row: row.updated)
    absorbed = _absorbed(connection, [setting.delivery_id, *(row.id for row in rows)])
    roots = [row for row in rows if row.kind == "first"] or rows
    root = next((row for row in roots if row.id not in absorbed), roots[0] if roots else None)
    return replace(
        message,
        thread=root.provider_id if root else "",
        follows=tuple(dict.fromkeys(row.provider_id for row in rows)),
        merged_into=_title(connection, message) if setting.delivery_id in absorbed else "",
    )


def _title(connection: Connection, message: Message) -> str:
    story = story_of(connection, message.story_id)
    return story.title if story else message.headline


def _absorbed(connection: Connection, delivery_ids: Sequence[str]) -> frozenset[str]:
    """Those that told of a story which turned out to be another one since then."""
    steps = (
        select(_column.id)
        .join(ledger, ledger.c.delivery_id == _column.id)
        .where(_column.state == "sent", ledger.c.event == "merged", ledger.c.at >= _column.updated)
    )
    return frozenset(
        each
        for ids in in_chunks(delivery_ids)
        for each in connection.execute(steps.where(_column.id.in_(ids))).scalars()
    )
