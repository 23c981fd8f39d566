"""The archive: every article read, its vectors, and every score above a low floor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, and_, delete, func, or_, select

from consumers.matcher import Judged, Score
from consumers.model import Article
from daemon.store import Store
from daemon.store.tables import article_vectors, articles, scores
from daemon.store.upsert import upsert

CHUNK = 500  # rows a query reads at once, and ids it names at once


@dataclass(frozen=True, slots=True, eq=False)
class Archived:
    """``vectors``: float16 rows (whole, title, passages…), shape (n, d); (0, 0) for an article without any text."""

    article: Article
    model: str
    vectors: NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A score with the article it was given to. ``at`` is when the article was seen."""

    article: Article
    score: Score
    at: float


class Archive:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, judged: Sequence[Judged]) -> None:
        """Keep these; returning means durable. Putting them again changes nothing; the newest revision wins.

        Also against somebody who puts another revision at the same time: an article's row is locked before anything
        that belongs to it is written.
        """
        newest: dict[str, Judged] = {}
        for each in judged:
            known = newest.get(each.article.id)
            if known is None or each.article.revision >= known.article.revision:
                newest[each.article.id] = each
        if not newest:
            return
        ids = sorted(newest)
        rows = [_article_row(newest[id_].article) for id_ in ids]
        with self._store.write() as connection:
            before = _locked_revisions(connection, ids)
            upsert(articles, rows, connection=connection, newest="revision")
            after = before | _locked_revisions(connection, [id_ for id_ in ids if id_ not in before])
            wanted = [newest[id_] for id_ in ids if newest[id_].article.revision >= after[id_]]
            changed = [each.article.id for each in wanted if each.article.revision != before.get(each.article.id)]
            _delete_where(connection, scores.c.article_id, changed)  # what an older text scored is no longer true
            upsert(article_vectors, [_vectors_row(each) for each in wanted], connection=connection)
            upsert(scores, [row for each in wanted for row in _score_rows(each)], connection=connection)

    def recent(self, since: float, limit: int | None = None) -> Iterator[Sequence[Archived]]:
        """Articles seen at ``since`` or later, newest first, in chunks. No connection is held between two chunks."""
        below: tuple[float, str] | None = None
        left = limit
        while left is None or left > 0:
            query = _with_vectors().where(articles.c.seen >= since)
            if below is not None:
                seen, identity = below
                query = query.where(
                    or_(articles.c.seen < seen, and_(articles.c.seen == seen, articles.c.id < identity))
                )
            query = query.order_by(articles.c.seen.desc(), articles.c.id.desc())
            query = query.limit(CHUNK if left is None else min(CHUNK, left))
            with self._store.read() as connection:
                chunk = [_archived(row) for row in connection.execute(query)]
            if not chunk:
                return
            yield chunk
            below = (chunk[-1].article.seen, chunk[-1].article.id)
            left = None if left is None else left - len(chunk)

    def by_url(self, url: str) -> Sequence[Archived]:
        """Every article with this canonical URL, newest first: two feeds may carry one page."""
        query = _with_vectors().where(articles.c.url == url).order_by(articles.c.seen.desc(), articles.c.id)
        with self._store.read() as connection:
            return [_archived(row) for row in connection.execute(query)]

    def by_id(self, ids: Sequence[str]) -> Sequence[Archived]:
        """These articles, in this order; one that is no longer kept is left out."""
        found: dict[str, Archived] = {}
        with self._store.read() as connection:
            for part in _parts(ids):
                rows = connection.execute(_with_vectors().where(articles.c.id.in_(part)))
                found.update((row.id, _archived(row)) for row in rows)
        return [found[each] for each in ids if each in found]

    def scores(self, topic_id: str, since: float = 0.0, limit: int = 100) -> Sequence[Scored]:
        """What a topic gave articles seen at ``since`` or later, best first."""
        return self._scored(scores.c.topic_id == topic_id, scores.c.at >= since, limit=limit)

    def near_misses(self, topic_id: str, since: float = 0.0, limit: int = 20, *, at_least: float) -> Sequence[Scored]:
        """Articles under the topic's line with a score of ``at_least`` or more, best first."""
        return self._scored(
            scores.c.topic_id == topic_id,
            scores.c.at >= since,
            scores.c.matched.is_(False),
            scores.c.score >= at_least,
            limit=limit,
        )

    def _scored(self, *conditions: Any, limit: int) -> Sequence[Scored]:
        query = (
            select(articles, scores)
            .join(articles, articles.c.id == scores.c.article_id)
            .where(*conditions)
            .order_by(scores.c.score.desc(), scores.c.article_id)
            .limit(limit)
        )
        with self._store.read() as connection:
            return [_scored_row(row) for row in connection.execute(query)]

    def count(self) -> int:
        """Articles kept."""
        with self._store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(articles)).scalar_one())

    def size(self) -> int:
        """Bytes of the kept texts and vectors; reads every row's lengths, so ask seldom."""
        # PostgreSQL knows how many bytes a text has without reading it; SQLite before 3.43 counts characters only
        length = func.octet_length if self._store.external else func.length
        texts = select(func.coalesce(func.sum(length(articles.c.title) + length(articles.c.text)), 0))
        vectors = select(func.coalesce(func.sum(length(article_vectors.c.vectors)), 0))
        with self._store.read() as connection:
            return int(connection.execute(texts).scalar_one()) + int(connection.execute(vectors).scalar_one())

    def delete_before(self, cutoff: float, limit: int) -> int:
        """Forget at most ``limit`` of the oldest articles seen before ``cutoff``, all of each; how many it were."""
        query = select(articles.c.id).where(articles.c.seen < cutoff).order_by(articles.c.seen).limit(limit)
        with self._store.write() as connection:
            ids = sorted(_locked_revisions(connection, sorted(connection.execute(query).scalars())))
            for column in (scores.c.article_id, article_vectors.c.article_id, articles.c.id):
                _delete_where(connection, column, ids)
        return len(ids)


def _locked_revisions(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Of those that are there. Until the transaction ends nobody else changes or removes them."""
    found: dict[str, int] = {}
    for part in _parts(ids):
        query = select(articles.c.id, articles.c.revision).where(articles.c.id.in_(part))
        rows = connection.execute(query.order_by(articles.c.id).with_for_update())
        found.update((row.id, row.revision) for row in rows)
    return found


def _delete_where(connection: Connection, column: Any, ids: Sequence[str]) -> None:
    for part in _parts(ids):
        connection.execute(delete(column.table).where(column.in_(part)))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


# -- rows

_FIELDS = tuple(column.name for column in articles.columns)


def _article_row(article: Article) -> dict[str, Any]:
    return {name: getattr(article, name) for name in _FIELDS}


def _vectors_row(judged: Judged) -> dict[str, Any]:
    return {
        "article_id": judged.article.id,
        "model": judged.model,
        "rows": len(judged.vectors),
        "vectors": judged.vectors.astype("<f2").tobytes(),
    }


def _score_rows(judged: Judged) -> Iterator[dict[str, Any]]:
    for score in judged.scores:
        yield {
            "topic_id": score.topic_id,
            "article_id": judged.article.id,
            "topic_version": score.topic_version,
            "score": score.score,
            "passage": score.passage,
            "matched": score.matched,
            "at": judged.article.seen,
        }


def _with_vectors() -> Any:
    return select(
        articles, article_vectors.c.model, article_vectors.c["rows"].label("row_count"), article_vectors.c.vectors
    ).join(article_vectors, article_vectors.c.article_id == articles.c.id)


def _article(row: Row[Any]) -> Article:
    return Article(**{name: row._mapping[articles.c[name]] for name in _FIELDS})


def _archived(row: Row[Any]) -> Archived:
    vectors = np.frombuffer(row.vectors, dtype="<f2").astype(np.float16)
    shape = (row.row_count, -1) if row.row_count else (0, 0)
    return Archived(_article(row), row.model, vectors.reshape(shape))


def _scored_row(row: Row[Any]) -> Scored:
    score = Score(
        topic_id=row.topic_id,
        topic_version=row.topic_version,
        score=row.score,
        passage=row.passage,
        matched=row.matched,
    )
    return Scored(article=_article(row), score=score, at=row.at)
