"""``wirewatch replay``: articles that are in the archive already are compared once more.

    all topics    the archive ──▶ articles.backfill ──▶ the matchers, which compare them with every topic in force
    one topic     the archive ──▶ matches.backfill      compared here, by the archived vectors and the line in force

Both lanes are backfill: nothing on them alerts, and nothing live waits for them. Ids are deterministic, so what is
replayed twice is there once, and a replay may be broken off and begun again anywhere.

One topic is compared here and not by the matchers, because an article has no room to say whom it is for: every other
topic that was edited lately would get stories that nobody asked for. It also costs no embedding, so a week of articles
takes seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumers.asked import Asked
from consumers.bag import Bag, bag_of, counts_in, query_terms
from consumers.calibration import searched
from consumers.matcher import Judged, compare
from consumers.model import BACKFILL, MATCHES_BACKFILL
from consumers.passages import texts_of
from consumers.watch import Watch
from consumers.words import query_words
from daemon.clock import Clock
from daemon.errors import Unusable
from daemon.log import Log
from daemon.store import Store
from daemon.store.archive import Archive, Archived
from daemon.store.chronicle import Chronicle, Place, Span
from daemon.topics_in_force import TopicsInForce
from daemon.units import parse_duration

STEP = 500  # articles in one request


def since(text: str, now: float) -> float:
    """Seconds since the epoch in "7d" or "12h" (that long ago), "2026-11-14" or "2026-11-14T10:00:00Z" (UTC).

    Raises ``Unusable`` for anything else, and for what is still to come.
    """
    try:
        at = datetime.fromisoformat(text)
        begin = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except ValueError:
        try:
            begin = now - parse_duration(text)
        except ValueError as error:
            raise Unusable(
                f'--since "{text[:40]}" is neither a duration nor a date: write it as in "7d", "12h" or "2026-11-14"'
            ) from error
    if begin > now:
        raise Unusable(f'--since "{text[:40]}" is still to come: write when the articles were read, as in "7d"')
    return begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step did. ``after`` is where the next one begins; ``None``: this was the end."""

    articles: int = 0
    matches: int = 0
    other_model: int = 0  # left out: their vectors come from another model
    after: Place | None = None


class Replay:
    """Any thread. Every method raises ``Unavailable``; then the same step may be done again."""

    def __init__(self, store: Store, log: Log) -> None:
        self._chronicle = Chronicle(store)
        self._archive = Archive(store)
        self._log = log

    def count(self, span: Span) -> int:
        return self._chronicle.count(span)

    def all_topics(self, span: Span, limit: int) -> Step:
        """The next ``limit`` articles of the span, oldest first, to be compared by the matchers."""
        found, after = self._chronicle.next(span, limit)
        if found:
            self._log.append(BACKFILL, [replace(each.article, backfill=True) for each in found])
        return Step(articles=len(found), after=after)

    def one_topic(self, span: Span, limit: int, watch: Watch, model: str) -> Step:
        """The next ``limit`` articles of the span, compared with one topic. ``model`` made the topic's vector."""
        found, after = self._chronicle.next(span, limit)
        comparable = [each for each in found if each.model == model]
        judged = [each for each in (_judged(archived, watch) for archived in comparable) if each is not None]
        matches = [match for each in judged for match in each.matches]
        if matches:
            self._log.append(MATCHES_BACKFILL, matches)
        if judged:
            self._archive.put(judged)
        return Step(articles=len(found), matches=len(matches), other_model=len(found) - len(comparable), after=after)


def _judged(archived: Archived, watch: Watch) -> Judged | None:
    """As the matcher does it; ``None`` where the topic's score is not worth keeping. The article stays as it was."""
    rows = archived.vectors
    if not len(rows):
        return None
    texts = texts_of(archived.article)
    bag = bag_of(texts)
    if not _is_candidate(watch, bag, rows):
        return None
    judged = compare(archived.article, texts, rows, [watch], model=archived.model, bag=bag)
    if not judged.scores:
        return None
    copies = (replace(match, article=replace(match.article, backfill=True)) for match in judged.matches)
    return replace(judged, matches=tuple(copies))


def _is_candidate(watch: Watch, bag: Bag, rows: NDArray[np.float16]) -> bool:
    """Whether the matcher's indexes would have found the topic."""
    (head,) = searched(rows[:1].astype(np.float32), rows[1:2].astype(np.float32))
    terms = watch.asked.terms
    return bool(head @ watch.vector >= watch.calibration.bar) or (bool(terms) and all(counts_in(bag, terms)))


# -- asked of whoever owns the log and the store


def verbs(store: Store, log: Log, clock: Clock) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """``replay.begin`` says which span a replay goes through; then ``replay`` is asked for step after step."""
    replay, topics = Replay(store, log), TopicsInForce(store)

    def begin(args: dict[str, Any]) -> dict[str, Any]:
        span = Span(Place(float(args["since"])), clock.now())
        return {"until": span.until, "articles": replay.count(span)}

    def step(args: dict[str, Any]) -> dict[str, Any]:
        seen, article_id = args["after"]
        span = Span(Place(float(seen), str(article_id)), float(args["until"]))
        if args.get("topic"):
            watch = _watch(topics, str(args["topic"]), int(args["version"]), args["row"], str(args["model"]))
            done = replay.one_topic(span, STEP, watch, str(args["model"]))
        else:
            done = replay.all_topics(span, STEP)
        after = [done.after.seen, done.after.id] if done.after else None
        return {"articles": done.articles, "matches": done.matches, "other_model": done.other_model, "after": after}

    return {"replay.begin": begin, "replay": step}


def _watch(topics: TopicsInForce, topic_id: str, version: int, row: Sequence[float], model: str) -> Watch:
    """As the matchers have it: with the calibration in force, else with the shipped priors."""
    topic = topics.enabled(topic_id)
    if topic.version != version:
        raise Unusable(f"{topic_id} was edited while it was replayed: begin the replay again")
    words = query_words(topic.query)
    asked = Asked(topic, np.array(row, dtype=np.float32), words, query_terms(words))
    return Watch(asked, topics.calibration(topic, model))
