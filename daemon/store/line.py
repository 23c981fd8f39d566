"""What lies near a topic's line, for people to judge."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from consumers.ids import match_id
from consumers.model import Article, Match, Topic
from daemon.store import Store
from daemon.store.tables import articles, scores, story_matches
from daemon.wire import from_json

DAY = 86_400.0
_OURS = ("", "evidence", "actors")  # what the user's own gates keep out is no near miss
_COPIES = 4  # so many feeds may bring one page before a day shows fewer pages than it could
_LAST = "\U0010ffff"  # sorts behind whatever an id goes on with; unlike LIKE, the comparison uses the index
_FIELDS = tuple(column.name for column in articles.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """An article near a topic's line. ``at`` is when it was seen, ``passage`` the number of the best one, from 1.

    ``gate`` is the first that failed, or empty. ``match`` is there for one that matched and whose story is still kept.
    """

    article: Article
    score: float
    matched: bool
    gate: str
    passage: int
    topic_version: int
    at: float
    match: Match | None = None


def near_line(
    store: Store, topic: Topic, *, since: float, until: float, near: float, per_day: int = 10
) -> Sequence[Near]:
    """The matches and the near misses nearest to the line: at most ``per_day`` of each for every day (UTC).

    Newest day first, then best first. ``near``: the score of a near miss. The same page read from two feeds is one.
    Raises ``Unavailable``.
    """
    found: list[Near] = []
    pages: set[str] = set()
    for start, end in _days(since, until):
        seen = (scores.c.at >= start, scores.c.at < end)
        missed = (scores.c.matched.is_(False), scores.c.score >= near, scores.c.gate.in_(_OURS))
        with store.read() as connection:
            above = _nearest(connection, topic.id, *seen, scores.c.matched, order=scores.c.score.asc(), limit=per_day)
            below = _nearest(connection, topic.id, *seen, *missed, order=scores.c.score.desc(), limit=per_day)
            day = [*_new(above, pages, per_day), *_new(below, pages, per_day)]
            matches = _matches(connection, [match_id(row.id, topic.id, topic.epoch) for row in day if row.matched])
        found.extend(_near(row, matches) for row in sorted(day, key=lambda row: (not row.matched, -row.score, row.id)))
    return found


def matches_since(store: Store, topic_id: str, since: float) -> int:
    """Articles that matched. Raises ``Unavailable``."""
    wanted = select(func.count()).select_from(scores)
    with store.read() as connection:
        return int(
            connection.execute(
                wanted.where(scores.c.topic_id == topic_id, scores.c.at >= since, scores.c.matched)
            ).scalar_one()
        )


def named(store: Store, topic_id: str, name: str, url: str) -> Sequence[Article]:
    """Articles with this id, with an id that begins so, or with this canonical URL, where it is not empty.

    At most two of different pages; of one page the copy that the topic scored best. Raises ``Unavailable``.
    """
    which = articles.c.url == url if url else and_(articles.c.id >= name, articles.c.id < name + _LAST)
    query = (
        select(articles)
        .outerjoin(scores, (scores.c.article_id == articles.c.id) & (scores.c.topic_id == topic_id))
        .where(which)
        .order_by(func.coalesce(scores.c.score, -1.0).desc(), articles.c.seen.desc(), articles.c.id)
    )
    with store.read() as connection:
        rows = connection.execute(query.limit(1 if url else 2)).all()
    return [_article(row) for row in rows]


def _days(since: float, until: float) -> Iterator[tuple[float, float]]:
    """(start, end) of each day (UTC) that reaches into the time given, newest first."""
    day = until // DAY
    while (day + 1) * DAY > since:
        yield max(day * DAY, since), (day + 1) * DAY
        day -= 1


def _nearest(
    connection: Connection, topic_id: str, *conditions: ColumnElement[bool], order: Any, limit: int
) -> Sequence[Row[Any]]:
    query = select(
        articles, scores.c.score, scores.c.matched, scores.c.gate, scores.c.passage, scores.c.topic_version, scores.c.at
    ).join(articles, articles.c.id == scores.c.article_id)
    query = query.where(scores.c.topic_id == topic_id, *conditions).order_by(order, articles.c.id)
    return connection.execute(query.limit(limit * _COPIES)).all()


def _new(rows: Sequence[Row[Any]], pages: set[str], limit: int) -> Sequence[Row[Any]]:
    """Those of pages that were not there yet, which they join."""
    chosen: list[Row[Any]] = []
    for row in rows:
        page = row.url or row.id
        if page not in pages and len(chosen) < limit:
            pages.add(page)
            chosen.append(row)
    return chosen


def _matches(connection: Connection, ids: Sequence[str]) -> Mapping[str, Match]:
    """By article."""
    query = select(story_matches.c.article_id, story_matches.c.match).where(story_matches.c.match_id.in_(ids))
    return {row.article_id: from_json(Match, row.match) for row in connection.execute(query)}


def _article(row: Row[Any]) -> Article:
    return Article(**{name: row._mapping[articles.c[name]] for name in _FIELDS})


def _near(row: Row[Any], matches: Mapping[str, Match]) -> Near:
    return Near(
        article=_article(row),
        score=row.score,
        matched=row.matched,
        gate=row.gate,
        passage=row.passage,
        topic_version=row.topic_version,
        at=row.at,
        match=matches.get(row.id),
    )
