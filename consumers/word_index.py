"""Topics by their rarest word: an article that says all words of a query is looked at, whatever its vector says."""

from collections.abc import Sequence

from consumers.bag import Bag, QueryTerm


class WordIndex:
    """One thread."""

    def __init__(self) -> None:
        self._by_rarest: dict[int, dict[str, tuple[QueryTerm, ...]]] = {}
        self._keys: dict[str, tuple[int, ...]] = {}  # of each topic

    def put(self, topic_id: str, terms: Sequence[QueryTerm], rarity: Sequence[float]) -> None:
        """In place of what was known of the topic; without ``terms`` it is forgotten."""
        for key in self._keys.pop(topic_id, ()):
            del self._by_rarest[key][topic_id]
            if not self._by_rarest[key]:
                del self._by_rarest[key]
        if not terms:
            return
        rarest = max(range(len(terms)), key=lambda n: rarity[n]) if len(rarity) == len(terms) else len(terms) - 1
        self._keys[topic_id] = (terms[rarest].number, *terms[rarest].others)
        for key in self._keys[topic_id]:
            self._by_rarest.setdefault(key, {})[topic_id] = tuple(terms)

    def candidates(self, bag: Bag) -> set[str]:
        """The topics all of whose words the text says."""
        stems = set(bag.stems.tolist())
        return {
            topic_id
            for key in stems & self._by_rarest.keys()
            for topic_id, terms in self._by_rarest[key].items()
            if all(term.number in stems or not stems.isdisjoint(term.others) for term in terms)
        }
