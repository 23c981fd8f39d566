"""A topic in force, ready to be compared: as it is asked, as it is calibrated, with its gates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.actors import Actors, actors_of
from consumers.asked import Asked
from consumers.bag import Bag, counts_in
from consumers.calibration import indexed, priors
from consumers.gates import Gates, gates_of
from consumers.model import Article, Calibration, Evidence, Gated, Part, PartName, Passage, Topic
from consumers.passages import ArticleTexts
from consumers.scoring import (
    CLEARLY,
    COVERAGE,
    FLOOR,
    LINE,
    PRESENCE,
    TITLE,
    WHOLE,
    margin_of,
    named,
    quoted,
    said_by_one,
    score_of,
    standing,
    terms_of,
    weights_of,
)
from consumers.words import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a topic makes of an article. ``gate``: the first one that failed, or empty."""

    score: float
    strength: float
    matched: bool
    gate: str
    gates: tuple[Gated, ...]
    worth: tuple[tuple[PartName, float], ...]  # of the strength

    @property
    def parts(self) -> tuple[Part, ...]:
        every = max(sum(worth for _, worth in self.worth), 1e-6)
        return tuple(Part(name=name, share=round(worth / every, 3)) for name, worth in self.worth if worth)


APART = 0.15  # at most, between the pull of an article's searched row and of its whole
LIKE = 0.5  # cosine with an example from which on an article is said to be like it


class Watch:
    """Immutable; threads may share it."""

    def __init__(
        self,
        asked: Asked,
        calibration: Calibration | None,
        gates: Gates | None = None,
        actors: Actors | None = None,
    ) -> None:
        """``calibration``: None before there is one of this version; then the shipped priors do."""
        self.asked = asked
        self.gates = gates or gates_of(asked.topic)
        self._actors = actors or actors_of(asked.topic)
        self.calibration = calibration or priors(asked.topic, "")
        self._weights = weights_of(self.calibration.rarity or (1.0,) * len(asked.terms))
        self._pull = np.frombuffer(self.calibration.pull, np.float16).astype(np.float32)
        self._samples = np.array(
            [np.frombuffer(sample.row, np.float16).astype(np.float32) for sample in self.calibration.samples]
        )
        # of a margin, for a score that is archived at all
        self._least = self.calibration.line + self.calibration.width * math.log(FLOOR / (1 - FLOOR))
        self._numbers = tuple((term.number, *term.others) for term in asked.terms)
        self._verdicts = {sample.ref.removeprefix("article:"): sample.relevant for sample in self.calibration.samples}

    @property
    def topic(self) -> Topic:
        return self.asked.topic

    @property
    def vector(self) -> NDArray[np.float32]:
        """What the index holds, (d,)."""
        return indexed(self.asked.row, self._pull.astype(np.float16) if len(self._pull) else None)

    def calibrated(self, calibration: Calibration | None) -> "Watch":
        return Watch(self.asked, calibration, self.gates, self._actors)

    def may_reach(self, product: float, bag: Bag) -> bool:
        """Whether a score worth keeping is possible, given what the index says; ten times as fast as to ``weigh``."""
        if self._verdicts:
            return True
        counted = bag.counted
        said = sum(
            weight
            for weight, numbers in zip(self._weights, self._numbers, strict=True)
            if any(number in counted for number in numbers)
        )
        return product + (COVERAGE + PRESENCE) * said + APART >= self._least

    def weigh(self, article: Article, bag: Bag, rows: NDArray[np.float32]) -> Weighed:
        """``rows``: the article's (whole, title, passages…), as they are archived."""
        whole, title = (rows[:2] @ self.asked.row).tolist()
        counts = counts_in(bag, self.asked.terms)
        coverage, presence = said_by_one(counts, self._weights, bag.length, self.calibration.length)
        words = COVERAGE * coverage + PRESENCE * presence
        evidence = WHOLE * whole + TITLE * title + words
        pull = float(rows[0] @ self._pull) if len(self._pull) else 0.0
        strength = evidence + pull
        score = score_of(margin_of(strength, evidence, self.calibration), 0.0, self.calibration.width)
        verdict = self._verdict(article)
        if verdict:
            score = max(score, CLEARLY)
        enough = evidence >= self.calibration.floor
        gates = self._gates(article, rows, verdict, enough=enough) if score >= FLOOR else ()
        gate = next((each.gate for each in gates if not each.passed), "")
        return Weighed(
            score=score,
            strength=strength,
            matched=score >= LINE and not gate,
            gate=gate,
            gates=gates,
            worth=(
                ("meaning", WHOLE * whole),
                ("title", TITLE * title),
                ("words", words),
                ("examples" if self._verdicts else "archive", pull),
            ),
        )

    def _verdict(self, article: Article) -> bool | None:
        """What its user said of this very article, if anything."""
        return self._verdicts.get(article.id, self._verdicts.get(article.url)) if self._verdicts else None

    def _gates(
        self, article: Article, rows: NDArray[np.float32], verdict: bool | None, *, enough: bool
    ) -> tuple[Gated, ...]:
        if verdict is not None:
            said = f"you said that it is {'relevant' if verdict else 'not relevant'}"
            return (Gated(gate="verdict", passed=verdict, why=said), *self.gates.judge(article))
        first = Gated(gate="evidence", passed=enough, why="" if enough else "too little evidence of its own")
        if self._actors is None:
            return (first, *self.gates.judge(article))
        actors = self._actors.judge(article, rows, self.asked.row, self.asked.without)
        return (first, actors, *self.gates.judge(article))

    def quote(
        self, texts: ArticleTexts, terms: Terms | None, rows: NDArray[np.float32]
    ) -> tuple[Passage, tuple[str, ...]]:
        """The passage to show, and the words that carried it."""
        cosines = (rows[2:] @ self.asked.row).tolist()
        return quoted(self.asked.words, texts, terms or terms_of(texts), cosines)

    def nearest(self, rows: NDArray[np.float32]) -> str:
        """The title of the example that the article is nearest to, where it is near to one at all."""
        relevant = [n for n, sample in enumerate(self.calibration.samples) if sample.relevant]
        if not relevant:
            return ""
        cosines = self._samples[relevant] @ rows[0]
        best = int(cosines.argmax())
        return self.calibration.samples[relevant[best]].title if cosines[best] >= LIKE else ""

    def evidence(self, weighed: Weighed, rows: NDArray[np.float32], model: str) -> Evidence:
        return Evidence(parts=weighed.parts, gates=weighed.gates, nearest=self.nearest(rows), model=model)

    def reasons(self, weighed: Weighed, passage: Passage, words: Sequence[str], nearest: str) -> tuple[str, ...]:
        """In a person's words."""
        place = (f"passage {passage.number} of {passage.of}",) if passage.of > 1 else ()
        like = (f"like your example “{nearest}”",) if nearest else ()
        failed = tuple(each.why for each in weighed.gates if not each.passed)
        return (named(words), *place, *like, f"{standing(weighed.score)} ({self.setting})", *failed)

    @property
    def setting(self) -> str:
        """ "balanced, about 2 a day"."""
        topic, expected = self.topic, self.calibration.expected
        asked = topic.sensitivity if topic.alerts_per_day is None else f"{topic.alerts_per_day:g} a day wanted"
        return asked if expected is None else f"{asked}, {about(expected)}"


def about(a_day: float, one: str = "", many: str = "") -> str:
    """ "about 2 a day", "about 3 a week"; with ``one`` and ``many`` what they are: "about 2 alerts a day"."""
    count, span = (a_day, "day") if a_day >= 0.95 else (a_day * 7, "week")
    if count < 0.95:
        return f"less than one {one} a week".replace("  ", " ")
    return f"about {count:.0f} {one if round(count) == 1 else many} a {span}".replace("  ", " ")
