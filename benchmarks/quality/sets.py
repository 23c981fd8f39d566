"""Evaluation sets on disk: gz JSON lines ``NAME.docs.jsonl.gz`` and ``NAME.topics.jsonl.gz``."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumers.model import Article, Topic


@dataclass(frozen=True, slots=True)
class Judgement:
    """A topic with its judged articles: places in ``EvaluationSet.articles``. What is not positive is negative.

    A set's "event" is one; its subjects, people, organisations, and running stories asked for by the title of their
    first report are themes, as our documentation tells a user to choose.
    """

    topic: Topic
    first: str  # id of the article whose title is the query, or empty
    places: NDArray[np.intp]
    positive: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    name: str
    articles: tuple[Article, ...]
    judgements: tuple[Judgement, ...]


def names(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".topics.jsonl.gz") for path in folder.glob("*.topics.jsonl.gz"))


def load(folder: Path, name: str) -> EvaluationSet:
    articles = tuple(_article(row) for row in _rows(folder / f"{name}.docs.jsonl.gz"))
    judgements = tuple(_judgement(row, articles) for row in _rows(folder / f"{name}.topics.jsonl.gz"))
    return EvaluationSet(name, articles, tuple(judged for judged in judgements if judged.positive.any()))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _article(row: dict[str, Any]) -> Article:
    at = _seconds(row["published"]) or 0.0
    return Article(
        id=row["id"],
        feed_id="evaluation",
        source=row["source"] or "",
        title=row["title"] or "",
        text=row["text"] or "",
        published=at,
        seen=at,
    )


def _seconds(stamp: str | None) -> float | None:
    return datetime.fromisoformat(stamp).timestamp() if stamp else None


def _judgement(row: dict[str, Any], articles: tuple[Article, ...]) -> Judgement:
    start, end = _seconds(row["active_from"]), _seconds(row["active_until"])
    positives = frozenset(row["positives"])
    places = [
        place
        for place, article in enumerate(articles)
        if article.id != row["first"]
        and (start is None or article.seen >= start)
        and (end is None or article.seen <= end)
    ]
    topic = Topic(id=row["id"], query=row["query"], kind="event" if row["kind"] == "event" else "theme")
    return Judgement(
        topic,
        row["first"] or "",
        np.array(places, dtype=np.intp),
        np.array([articles[n].id in positives for n in places]),
    )
