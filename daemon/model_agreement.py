"""What two models take from the same archive, topic by topic, with the lines and gates that each has now."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from consumers.agreement import Agreement, Example, agreement, taken
from consumers.corpus import Corpus
from consumers.model import Article
from consumers.watch import Watch
from daemon.store.models import Models


class Agreements:
    """The archive is read once for each model, and kept until ``forget``. Threads take turns."""

    def __init__(self, models: Models, corpus: Callable[[str], Corpus]) -> None:
        """``corpus``: the archive of the window as a model has read it; may raise ``Unavailable``."""
        self._models = models
        self._corpus = corpus
        self._kept: dict[str, Corpus] = {}
        self._turn = threading.Lock()

    def __call__(self, before: str, after: str, topics: Sequence[tuple[Watch, Watch]]) -> Sequence[Agreement]:
        """Each topic as the one model knows it and as the other one does. Raises ``Unavailable``."""
        with self._turn:
            for model in self._kept.keys() - {before, after}:
                del self._kept[model]
            for model in (before, after):
                if model not in self._kept:
                    self._kept[model] = self._corpus(model)
            return [self._agreement(self._kept[before], self._kept[after], *pair) for pair in topics]

    def forget(self) -> None:
        """Nothing more is compared for now."""
        with self._turn:
            self._kept.clear()

    def _agreement(self, before: Corpus, after: Corpus, old: Watch, new: Watch) -> Agreement:
        first, second = taken(old, before), taken(new, after)
        articles = self._models.articles(first.keys() | second.keys())
        passing = {id_ for id_, article in articles.items() if all(gated.passed for gated in old.gates.judge(article))}
        found = agreement(
            old.topic.id,
            {id_: score for id_, score in first.items() if id_ in passing},
            {id_: score for id_, score in second.items() if id_ in passing},
        )
        return replace(
            found,
            taken_by_both=_titled(found.taken_by_both, articles),
            taken_before=_titled(found.taken_before, articles),
            taken_after=_titled(found.taken_after, articles),
        )


def _titled(examples: Sequence[Example], articles: Mapping[str, Article]) -> tuple[Example, ...]:
    return tuple(
        replace(each, title=articles[each.article_id].title, url=articles[each.article_id].url) for each in examples
    )
