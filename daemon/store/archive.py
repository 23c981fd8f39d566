"""The archive: every article read, its vectors and its words, and every score above a low floor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Integer, LargeBinary, Row, Select, Table, and_, delete, func, or_, select

from consumers.bag import Bag, bag_of, from_bytes
from consumers.corpus import Corpus, CorpusBuilder
from consumers.matcher import Judged, Score
from consumers.model import Article
from consumers.passages import texts_of
from daemon.store import Store
from daemon.store.tables import article_vectors, article_words, articles, next_vectors, scores
from daemon.store.upsert import insert_new, upsert

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
            for table in (scores, article_words, next_vectors):  # what was made of an older text is no longer true
                _delete_where(connection, table.c.article_id, changed)
            upsert(article_vectors, [_vectors_row(each) for each in wanted], connection=connection)
            upsert(
                article_words,
                [_words_row(each.article.id, each.bag) for each in wanted if each.bag is not None],
                connection=connection,
            )
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

    def corpus(self, model: str, since: float, limit: int) -> Corpus:
        """The articles seen at ``since`` or later that have vectors of ``model``, newest first.

        Of more than ``limit`` articles every so-many-th is taken, so that they cover the same time. One without words
        (an older release archived it) gets them from its text. No connection is held between two chunks.
        """
        builder = CorpusBuilder()
        for ids in _parts(self._spread(since, limit)):
            with self._store.read() as connection:
                rows = {row.id: row for row in connection.execute(_leading(article_vectors, model, ids))}
                others = [id_ for id_ in ids if id_ not in rows]
                if others:
                    rows.update((row.id, row) for row in connection.execute(_leading(next_vectors, model, others)))
                wordless = [id_ for id_, row in rows.items() if row.words is None]
                texts = connection.execute(select(articles).where(articles.c.id.in_(wordless))) if wordless else ()
                made = {row.id: _bag(_article(row)) for row in texts}
            for row in (rows[id_] for id_ in ids if id_ in rows):
                whole, title = np.frombuffer(row.leading, "<f2").astype(np.float16).reshape(2, -1)
                if not (np.isfinite(whole).all() and np.isfinite(title).all()):
                    continue  # one such number would spoil what is drawn for every topic
                bag = made[row.id] if row.words is None else from_bytes(row.words)
                builder.add(row.id, row.url, row.at, whole, title, bag)
        return builder.corpus(share=min(1.0, limit / max(self.count_since(since), 1)))

    def count_since(self, since: float) -> int:
        """Articles seen at ``since`` or later."""
        with self._store.read() as connection:
            query = select(func.count()).select_from(articles).where(articles.c.seen >= since)
            return int(connection.execute(query).scalar_one())

    def add_words(self, since: float, limit: int = CHUNK) -> int:
        """Make the words of at most ``limit`` articles that an older release archived, newest first; how many it were.

        Each takes a millisecond or two, so whoever has many does a few at a time.
        """
        query = (
            select(articles)
            .join(article_vectors, article_vectors.c.article_id == articles.c.id)
            .outerjoin(article_words, article_words.c.article_id == articles.c.id)
            .where(articles.c.seen >= since, article_words.c.article_id.is_(None), article_vectors.c["rows"] > 0)
            .order_by(articles.c.seen.desc(), articles.c.id.desc())
            .limit(limit)
        )
        with self._store.read() as connection:
            found = [_article(row) for row in connection.execute(query)]
        rows = [(article.revision, _words_row(article.id, _bag(article))) for article in found]
        if rows:
            with self._store.write() as connection:
                now = _locked_revisions(connection, sorted(article.id for article in found))
                wanted = [row for revision, row in rows if now.get(row["article_id"]) == revision]
                insert_new(article_words, wanted, connection=connection)
        return len(rows)

    def _spread(self, since: float, limit: int) -> Sequence[str]:
        """At most ``limit`` articles, evenly out of all that were seen since then, newest first."""
        count = self.count_since(since)
        newest = (articles.c.seen.desc(), articles.c.id.desc())
        place = func.row_number().over(order_by=newest).label("place")
        numbered = select(articles.c.id, place).where(articles.c.seen >= since).subquery()
        query = select(numbered.c.id).order_by(numbered.c.place)
        if count > limit:
            share = (numbered.c.place * limit) // count
            query = query.where(share > ((numbered.c.place - 1) * limit) // count)
        with self._store.read() as connection:
            return connection.execute(query.limit(limit)).scalars().all()

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
            for table in (scores, article_words, next_vectors, article_vectors):
                _delete_where(connection, table.c.article_id, ids)
            _delete_where(connection, articles.c.id, ids)
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


def _words_row(article_id: str, bag: Bag) -> dict[str, Any]:
    return {"article_id": article_id, "words": bag.to_bytes()}


def _bag(article: Article) -> Bag:
    return bag_of(texts_of(article))


def _score_rows(judged: Judged) -> Iterator[dict[str, Any]]:
    for score in judged.scores:
        yield {
            "topic_id": score.topic_id,
            "article_id": judged.article.id,
            "topic_version": score.topic_version,
            "score": score.score,
            "passage": score.passage,
            "matched": score.matched,
            "gate": score.gate,
            "at": judged.article.seen,
        }


def _leading(vectors: Table, model: str, ids: Sequence[str]) -> Select[Any]:
    """Of each article the first two rows of its vectors, which are a fifth of them, and its words."""
    size = func.length(vectors.c.vectors, type_=Integer) // vectors.c["rows"]
    return (
        select(
            articles.c.id,
            articles.c.url,
            func.coalesce(articles.c.published, articles.c.seen).label("at"),
            func.substr(vectors.c.vectors, 1, 2 * size, type_=LargeBinary).label("leading"),
            article_words.c.words,
        )
        .join(vectors, vectors.c.article_id == articles.c.id)
        .outerjoin(article_words, article_words.c.article_id == articles.c.id)
        .where(articles.c.id.in_(ids), vectors.c.model == model, vectors.c["rows"] > 0)
    )


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
        gate=row.gate,
    )
    return Scored(article=_article(row), score=score, at=row.at)
