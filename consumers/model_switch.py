"""Two models at once: the one that decides, and the one that is getting ready to.

Both know the same topics, and each its own calibrations. The second one learns the topics a few at a time, so that a
hundred thousand of them hold up no article; when it knows all, it takes the place of the first between two batches.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from consumers.embedding import Embedder
from consumers.model import Article, Calibration, Topic
from consumers.passages import texts_of

if TYPE_CHECKING:
    from consumers.matcher import Judged
    from consumers.watch import Watch


class Deciding(Protocol):
    """What ``consumers.matcher.Matcher`` is to a change of the model."""

    @property
    def topics_in_force(self) -> Mapping[str, int]: ...

    @property
    def watches(self) -> "Mapping[str, Watch]": ...

    def apply(self, changes: Mapping[str, Topic | None]) -> None: ...

    def calibrate(self, changes: Mapping[str, Calibration | None]) -> None:
        """By topic. One that comes before its topic waits for it."""
        ...

    def match(self, articles: Sequence[Article]) -> "list[Judged]": ...


@dataclass(slots=True, eq=False)
class _Next:
    embedder: Embedder
    matcher: Deciding
    waiting: dict[str, Topic | None] = field(default_factory=dict)  # changes that it was not told yet


class Matchers:
    """One thread. ``make`` is ``Matcher``."""

    def __init__(self, embedder: Embedder, make: Callable[[Embedder], Deciding]) -> None:
        self._make = make
        self._embedder = embedder
        self._matcher = make(embedder)
        self._next: _Next | None = None
        self._topics: dict[str, Topic] = {}
        self._calibrations: dict[str, dict[str, Calibration]] = {}  # by model, by topic

    @property
    def model(self) -> str:
        """The id of the one that decides."""
        return self._embedder.model_id

    @property
    def next_model(self) -> str:
        """The id of the other one, or empty."""
        return self._next.embedder.model_id if self._next else ""

    @property
    def told(self) -> bool:
        """The next one knows every topic."""
        return self._next is not None and not self._next.waiting

    @property
    def topics_in_force(self) -> Mapping[str, int]:
        return self._matcher.topics_in_force

    @property
    def enabled(self) -> Sequence[Topic]:
        """The topics that articles are compared with, by id."""
        return [topic for _, topic in sorted(self._topics.items()) if topic.enabled]

    def apply(self, changes: Mapping[str, Topic | None]) -> None:
        """In force at once for the model that decides; the next one learns of it in ``catch_up``."""
        self._matcher.apply(changes)
        for topic_id, topic in changes.items():
            if topic is None:
                self._topics.pop(topic_id, None)
            else:
                self._topics[topic_id] = topic
        if self._next is not None:
            self._next.waiting.update(changes)

    def calibrate(self, changes: Mapping[str, Calibration | None]) -> None:
        """By ``calibration_key``, as their stream brings them; each goes to the model that it was drawn for."""
        by_model: dict[str, dict[str, Calibration | None]] = {}
        for key, calibration in changes.items():
            topic_id, _, model = key.partition(" ")
            by_model.setdefault(model, {})[topic_id] = calibration
            known = self._calibrations.setdefault(model, {})
            if calibration is None:
                known.pop(topic_id, None)
            else:
                known[topic_id] = calibration
        if mine := by_model.get(self.model):
            self._matcher.calibrate(mine)
        if self._next is not None and (others := by_model.get(self.next_model)):
            self._next.matcher.calibrate(others)

    def match(self, articles: Sequence[Article]) -> "list[Judged]":
        """By the model that decides, in the order given."""
        return self._matcher.match(articles)

    def pairs(self) -> "dict[str, tuple[Watch, Watch]]":
        """Each topic as the model that decides knows it, and as the next one does."""
        if self._next is None:
            return {}
        ahead = self._next.matcher.watches
        return {
            topic_id: (watch, ahead[topic_id]) for topic_id, watch in self._matcher.watches.items() if topic_id in ahead
        }

    def prepare(self, embedder: Embedder) -> None:
        """Let it be the next one. It knows no topic yet."""
        if embedder.model_id != self.next_model:
            self._next = _Next(embedder, self._make(embedder), dict(self._topics))
            self._next.matcher.calibrate(self._calibrations.get(embedder.model_id, {}))

    def withdraw(self) -> None:
        self._next = None

    def catch_up(self, limit: int) -> None:
        """Tell the next one at most ``limit`` changes of topics."""
        if self._next is None:
            return
        some = [self._next.waiting.popitem() for _ in range(min(limit, len(self._next.waiting)))]
        self._next.matcher.apply(dict(some))

    def switch(self) -> None:
        """The next one decides from now on, with every topic that is in force."""
        if self._next is None:
            return
        self.catch_up(len(self._next.waiting))
        self._embedder, self._matcher, self._next = self._next.embedder, self._next.matcher, None

    def embedder(self, model: str) -> Embedder:
        """Of the two, the one with this id. Raises ``KeyError``."""
        return {embedder.model_id: embedder for embedder in (self._embedder, *self._embedders_beside())}[model]

    def _embedders_beside(self) -> tuple[Embedder, ...]:
        return (self._next.embedder,) if self._next else ()


def vectors_of(articles: Sequence[Article], embedder: Embedder) -> list[NDArray[np.float16]]:
    """Rows of each article (whole, title, passages…), as a matcher makes them: (0, 0) for one without any text."""
    texts = [texts_of(each).embedded if each.title.strip() or each.text.strip() else () for each in articles]
    flat = [text for each in texts for text in each]
    rows = embedder.encode(flat).astype(np.float16) if flat else np.zeros((0, 0), np.float16)
    found, start = [], 0
    for each in texts:
        found.append(rows[start : start + len(each)] if each else np.zeros((0, 0), np.float16))
        start += len(each)
    return found
