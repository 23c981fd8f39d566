"""What a topic would have taken of an archive, counted: articles, stories, days. Pure.

    corpus ─▶ field: strength of every article ─▶ candidates ─▶ (read and weighed one by one, with gates) ─▶ Tally

The field is one pass over arrays, the same sum as ``Watch.weigh``. It says which articles are worth reading; what is
counted is what ``Watch.weigh`` said of those, so that a back-test decides as the matcher does.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumers.calibration import calibrate, reading_of, same_story, searched
from consumers.corpus import Corpus
from consumers.model import Sensitivity
from consumers.scoring import LINE, NEAR
from consumers.watch import Watch, Weighed

LOOKED_AT = 1_000  # articles that are read and weighed one by one, best first: 2 s
BELOW = 100  # of them below the line, however many lie above it
POSITIONS = 41  # of a curve
_ROUNDING = 1e-6  # of a product of rows
SHORTEST = 0.9  # days that tell something of one


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Of every article of a corpus, shape (n,). ``evidence``: without the pull; ``whole``: it says all words."""

    evidence: NDArray[np.float32]
    strength: NDArray[np.float32]
    whole: NDArray[np.bool_]


def field_of(watch: Watch, corpus: Corpus) -> Field:
    calibration, read = watch.calibration, reading_of(watch.asked, corpus)
    rarity = np.array(calibration.rarity or (1.0,) * len(watch.asked.terms), np.float32)
    evidence = read.evidence(rarity, calibration.length)
    if not calibration.pull:
        return Field(evidence, evidence, read.complete)
    pull = np.frombuffer(calibration.pull, np.float16).astype(np.float32)
    return Field(evidence, evidence + corpus.whole_cosines(pull), read.complete)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """``places`` in the corpus of the articles to be weighed, best first. ``beyond``: above the line, and too many."""

    places: NDArray[np.intp]
    beyond: int


def candidates(watch: Watch, corpus: Corpus, field: Field, within: NDArray[np.bool_], lowest: float) -> Candidates:
    """Of the articles ``within``, those from a near miss on, or from the strength ``lowest`` on, and the examples."""
    line, width = watch.calibration.line, watch.calibration.width
    lowest = min(lowest, line + width * float(np.log(NEAR / (1 - NEAR))))
    strength = np.where(_found(watch, corpus, field, within & (field.strength >= lowest)), field.strength, -np.inf)
    order = np.argsort(-strength, kind="stable")
    above = int((strength >= line).sum())
    until = int((strength >= lowest).sum())
    named = [sample.ref.removeprefix("article:") for sample in watch.calibration.samples]
    known = [place for place in (corpus.places(named) if named else ()) if place is not None and within[place]]
    kept = above if until <= LOOKED_AT else min(above, LOOKED_AT - BELOW)
    below = order[above : min(until, above + LOOKED_AT - kept)]
    places = dict.fromkeys([*order[:kept].tolist(), *below.tolist(), *known])
    return Candidates(np.array(list(places), np.intp), above - kept)


def _found(watch: Watch, corpus: Corpus, field: Field, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of them that the matcher's indexes would bring: near enough, or saying all words."""
    places = np.flatnonzero(which)
    if not len(places):
        return which
    heads = searched(corpus.wholes[places].astype(np.float32), corpus.titles[places].astype(np.float32))
    found = which.copy()
    found[places] = (heads @ watch.vector >= watch.calibration.bar - _ROUNDING) | field.whole[places]
    return found


@dataclass(frozen=True, slots=True)
class Page:
    """What one page came to. ``place``: in the corpus, of the copy that matches best."""

    place: int
    weighed: Weighed


def pages_of(corpus: Corpus, weighed: Mapping[int, Weighed]) -> list[Page]:
    """Best first. The same page read from two feeds is one."""
    best: dict[str, Page] = {}
    for place, each in weighed.items():
        key = corpus.urls[place] or corpus.ids[place]
        known = best.get(key)
        if known is None or _rank(each) > _rank(known.weighed):
            best[key] = Page(place, each)
    return sorted(best.values(), key=lambda page: (*_rank(page.weighed), corpus.ids[page.place]), reverse=True)


def _rank(weighed: Weighed) -> tuple[bool, float]:
    return weighed.matched, weighed.score


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """``above``: articles that match; ``stories``: alerts; ``near``: articles just below the line.

    ``stopped``: above the line, by the first gate that failed. ``by_day``: (date in UTC, articles, stories that began),
    oldest first. ``a_day``: stories; None where the time is too short to tell. ``beyond``: above the line by meaning
    and words, more than could be weighed with their gates, and counted nowhere else.
    """

    above: int
    stories: int
    near: int
    stopped: Mapping[str, int]
    by_day: tuple[tuple[str, int, int], ...]
    a_day: float | None
    beyond: int


def tally(corpus: Corpus, pages: Sequence[Page], days: float, beyond: int) -> Tally:
    """``days`` are those that the articles span; less than most of one tell nothing of a day."""
    matched = [page for page in pages if page.weighed.matched]
    places = [page.place for page in matched]
    story = told_apart(corpus, places)
    began: dict[int, float] = {}
    for number, place in zip(story, places, strict=True):
        began[number] = min(began.get(number, np.inf), float(corpus.at[place]))
    articles = Counter(_date(float(corpus.at[place])) for place in places)
    stories = Counter(_date(at) for at in began.values())
    above_line = [page for page in pages if page.weighed.score >= LINE]
    return Tally(
        above=len(matched),
        stories=len(began),
        near=sum(NEAR <= page.weighed.score < LINE for page in pages),
        stopped=dict(Counter(page.weighed.gate for page in above_line if page.weighed.gate)),
        by_day=tuple((day, count, stories[day]) for day, count in sorted(articles.items())),
        a_day=a_day(len(began), days, corpus.share),
        beyond=beyond,
    )


def a_day(stories: int, days: float, share: float) -> float | None:
    """``share`` of the articles of that time were looked at."""
    return stories / days / share if days >= SHORTEST else None


def told_apart(corpus: Corpus, places: Sequence[int]) -> list[int]:
    """The story of each article, by number. ``places``: strongest first, for an article joins the strongest near it."""
    story: list[int] = []
    for n, near in enumerate(same_story(corpus, np.array(places, np.intp))):
        before = np.flatnonzero(near[:n])
        story.append(story[before[0]] if len(before) else n)
    return story


# -- alerts against sensitivity


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Alerts a day against sensitivity: 0 is "fewer", ½ "balanced", 1 "more".

    ``points``: (sensitivity, alerts a day), from few to many. ``words``: at each word. ``here``: where the topic
    stands, with ``a_day``; that may be beyond both ends where it names a number of alerts.
    """

    points: tuple[tuple[float, float], ...]
    words: Mapping[Sensitivity, float]
    here: float
    a_day: float


class Line(NamedTuple):
    """The strength, and the evidence of its own, from which on an article matches."""

    line: float
    floor: float


def curve_of(
    watch: Watch, corpus: Corpus, field: Field, pages: Sequence[Page], lines: Mapping[Sensitivity, Line], days: float
) -> Curve | None:
    """None where the time is too short to tell.

    Gates and verdicts hold everywhere; the floor of evidence moves with the line.
    """
    if days < SHORTEST:
        return None
    kept = sorted(
        (page for page in pages if all(each.passed for each in page.weighed.gates if each.gate != "evidence")),
        key=lambda page: -field.strength[page.place],
    )
    places = np.array([page.place for page in kept], np.intp)
    near = np.tril(same_story(corpus, places), -1)
    strength, evidence = field.strength[places], field.evidence[places]
    said = np.array([any(each.gate == "verdict" for each in page.weighed.gates) for page in kept], np.bool_)
    scale = _Scale(lines)

    def stories(position: float) -> float:
        line, floor = scale.at(position)
        taken = said | ((strength >= line) & (evidence >= floor))
        return float((~near[np.ix_(taken, taken)].any(axis=1)).sum()) / days / corpus.share

    here = scale.position(watch.calibration.line, watch.topic.sensitivity)
    positions = np.linspace(min(0.0, here), max(1.0, here), POSITIONS)
    return Curve(
        points=tuple((round(float(each), 3), round(stories(each), 3)) for each in positions),
        words={word: round(stories(place), 3) for word, place in _WORDS.items()},
        here=round(here, 3),
        a_day=round(tally(corpus, pages, days, 0).a_day or 0.0, 3),
    )


def lines(watch: Watch, corpus: Corpus) -> Mapping[Sensitivity, Line]:
    """Where the line lies for each word, were the topic calibrated by ``corpus`` as it was by its own word."""
    own = watch.calibration
    found: dict[Sensitivity, Line] = {}
    for word in _WORDS:
        topic = replace(watch.topic, sensitivity=word, alerts_per_day=None)
        if topic == watch.topic:
            made = own
        else:
            asked = replace(watch.asked, topic=topic)
            made = calibrate(asked, corpus, model=own.model, now=own.at, samples=own.samples)
        found[word] = Line(made.line, made.floor)
    return found


_WORDS: Mapping[Sensitivity, float] = {"fewer": 0.0, "balanced": 0.5, "more": 1.0}
_FURTHEST = 1.0  # beyond both ends of the scale


class _Scale:
    """Between the words both line and floor move evenly; beyond them as they did last."""

    def __init__(self, lines: Mapping[Sensitivity, Line]) -> None:
        self._lines = [lines[word].line for word in _WORDS]
        self._floors = [lines[word].floor for word in _WORDS]

    def at(self, position: float) -> tuple[float, float]:
        return _along(self._lines, position), max(0.0, _along(self._floors, position))

    def position(self, line: float, word: Sensitivity) -> float:
        """Where a line lies; where the lines of two words are one, the place of the word."""
        first, middle, last = self._lines
        if not first > middle > last:
            return _WORDS[word]
        steps = (first - middle, middle - last)
        found = 0.5 * (first - line) / steps[0] if line > middle else 0.5 + 0.5 * (middle - line) / steps[1]
        return float(min(max(found, -_FURTHEST), 1 + _FURTHEST))


def _along(values: Sequence[float], position: float) -> float:
    first, middle, last = values
    step = (middle - first) if position < 0.5 else (last - middle)
    return middle + 2 * (position - 0.5) * step


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
