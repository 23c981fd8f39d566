"""Which model decides, where there is only ever one."""

from collections.abc import Sequence

from consumers.embedding import Embedder
from consumers.matcher import Judged, Matcher
from consumers.model_switch import Matchers


class OneModel:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def open(self) -> Matchers:
        return Matchers(self._embedder, Matcher)

    def round(self) -> None:
        """Nothing changes."""

    def beside(self, judged: Sequence[Judged]) -> None:
        """Nothing reads along."""
