"""What was told: alerts with their stories and deliveries, for people to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, select

from consumers.model import Article, Fact, Match, Story
from daemon.store import Store
from daemon.store.standing import facts_of
from daemon.store.tables import alerts, deliveries, stories, story_matches
from daemon.wire import from_json

_CHUNK = 500  # ids in one IN: SQLite before 3.32 takes 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One delivery as it stands. ``at`` is when it was sent, given up or last put on the wire."""

    id: str
    channel: str
    state: str  # pending | held | sending | retry | sent | dead
    attempts: int
    reason: str
    provider_id: str
    created: float
    due: float
    at: float
    held: str = ""  # what it waits for until ``due``, or waited for last
    carrier: str = ""  # the delivery that tells this one as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An alert in a list, as it was decided. Without a story or an article where that is no longer kept."""

    id: str
    topic_id: str
    kind: str
    at: float
    story: Story | None
    deliveries: tuple[Progress, ...]
    why: str = ""
    facts: tuple[Fact, ...] = ()  # that it tells
    article: Article | None = None  # that caused it


def recent(store: Store, *, limit: int, topic_id: str = "", since: float = 0.0, held: bool = False) -> list[Told]:
    """The newest first; ``held``: only those that some channel is not told yet, on purpose. Raises ``Unavailable``."""
    query = select(alerts, stories.c.story, story_matches.c.match)
    query = query.outerjoin(stories, stories.c.id == alerts.c.story_id)
    query = query.outerjoin(story_matches, story_matches.c.match_id == alerts.c.match_id)
    query = query.where(alerts.c.at >= since).order_by(alerts.c.at.desc(), alerts.c.id).limit(limit)
    if held:
        query = query.where(exists().where(deliveries.c.alert_id == alerts.c.id, deliveries.c.state == "held"))
    if topic_id:
        query = query.where(alerts.c.topic_id == topic_id)
    with store.read() as connection:
        rows = connection.execute(query).all()
        progress = _progress(connection, [row.id for row in rows])
    return [
        Told(
            id=row.id,
            topic_id=row.topic_id,
            kind=row.kind,
            at=row.at,
            story=from_json(Story, row.story) if row.story else None,
            deliveries=progress.get(row.id, ()),
            why=row.why,
            facts=facts_of(row),
            article=from_json(Match, row.match).article if row.match else None,
        )
        for row in rows
    ]


def ids_starting_with(store: Store, prefix: str, *, limit: int = 10) -> list[str]:
    """Alerts whose id begins so. Raises ``Unavailable``."""
    with store.read() as connection:
        query = select(alerts.c.id).where(alerts.c.id.startswith(prefix, autoescape=True))
        return list(connection.execute(query.limit(limit)).scalars())


def deliveries_of(store: Store, alert_id: str) -> tuple[Progress, ...]:
    with store.read() as connection:
        return _progress(connection, [alert_id]).get(alert_id, ())


def _progress(connection: Connection, alert_ids: Sequence[str]) -> Mapping[str, tuple[Progress, ...]]:
    found: dict[str, tuple[Progress, ...]] = {}
    for start in range(0, len(alert_ids), _CHUNK):
        query = select(deliveries).where(deliveries.c.alert_id.in_(alert_ids[start : start + _CHUNK]))
        for row in connection.execute(query.order_by(deliveries.c.channel)):
            one = Progress(
                id=row.id,
                channel=row.channel,
                state=row.state,
                attempts=row.attempts,
                reason=row.reason,
                provider_id=row.provider_id,
                created=row.created,
                due=row.due,
                at=row.updated,
                held=row.held,
                carrier=row.carrier,
            )
            found[row.alert_id] = (*found.get(row.alert_id, ()), one)
    return found
