"""What a report counts: the dead, the missing, sums of money, homes, percentages, magnitudes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from consumers.facts_count_words import (
    AWAY,
    BALANCE,
    DIED,
    DISTANCES,
    ENDS,
    FRACTIONS,
    HALVED,
    HURT,
    LOWER,
    MAYBE,
    MONTHS,
    ONE,
    ORDINALS,
    PART,
    PEOPLE,
    PRISON,
    SHARES,
    SPANS,
    THINGS,
    TIMES,
    TURNS,
    VOTES,
)
from consumers.facts_known import BARE, NTH, VOTE, Value
from consumers.facts_numbers import Number, Precision, may_count, numbers
from consumers.facts_people import counted_people, ends_number, is_age, is_denied, is_one, told_at
from consumers.facts_reading import Reading, Sentence
from consumers.model import FactKind

_NO_COUNT_AHEAD = TIMES | MONTHS | {"-"}  # "12 hours", "12 March", "12-page"
_NO_COUNT_BEHIND = PART | MONTHS
MAX_COUNTS = 40  # of one article
_BARE_SENTENCES = 6  # of the text: below them stand ages, prices and years
_LEAST_BARE = 10
_YEARS = range(1500, 2101)
_CALLED = frozenset({911, 999})
_NO_BARE_BEHIND = frozenset("- – / : . st th".split()) | TIMES | MONTHS
_NO_BARE_AHEAD = frozenset("no number page age aged chapter flight route section channel by at than".split()) | MONTHS


@dataclass(frozen=True, slots=True)
class Count:
    """``label``: "toll", "homes", "$", "%", "magnitude"… ``lowers``: the sentence says that it was more before."""

    kind: FactKind
    label: str
    value: float
    precision: Precision
    sentence: Sentence
    lowers: bool = False
    more: bool = False  # "two more", "another three": on top of others
    rest: str = ""  # of a value that is no single number: "61-39"

    @property
    def value_key(self) -> Value:
        """What two reports of the same count have in common."""
        return ("more" if self.more else self.label), self.rest or format(self.value, "g")

    @property
    def key(self) -> str:
        return "=".join(self.value_key)


class Counts:
    """All that one article counts, in the order of its sentences."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    @cached_property
    def every(self) -> tuple[Count, ...]:
        found: list[Count] = []
        for sentence in self._reading.sentences:
            if len(found) >= MAX_COUNTS:
                break
            found.extend(_counts(sentence))
        return tuple(found[:MAX_COUNTS])


def _counts(sentence: Sentence) -> Iterator[Count]:
    words = sentence.lower
    if not ORDINALS.isdisjoint(words):
        yield from _ordinals(sentence)
    if not may_count(sentence.text, words) and ONE.isdisjoint(words):
        return
    lowers = not LOWER.isdisjoint(words) or is_denied(words)
    taken: set[int] = set()
    every = tuple(numbers(words))
    for label, number in told_at(words, every):
        taken.add(number.start)
        kind: FactKind = "toll" if label in PEOPLE else "number"
        yield Count(kind, label, number.value, number.precision, sentence, lowers)
    for place, number in enumerate(every):
        if number.start in taken:
            continue
        following = every[place + 1] if place + 1 < len(every) else None
        yield from _count(sentence, number, following, lowers)
    if not FRACTIONS.isdisjoint(words):
        yield from _shares(sentence)
    for label, verbs in (("toll", DIED), ("injured", HURT)):
        if not verbs.isdisjoint(words) and is_one(sentence, verbs):
            yield Count("toll", label, 1.0, "floor", sentence)


def _shares(sentence: Sentence) -> Iterator[Count]:
    """ "A tenth of its staff"."""
    for share, of in pairwise(sentence.lower):
        if share in SHARES and (of == "of" or (share == "half" and of in ("the", "their", "its"))):
            yield Count("number", "%", SHARES[share], "vague", sentence)
        elif share in HALVED:
            yield Count("number", "%", SHARES["half"], "vague", sentence)


def _ordinals(sentence: Sentence) -> Iterator[Count]:
    """ "A third woman accuses him"."""
    for ordinal, noun in pairwise(sentence.lower):
        if ordinal in ORDINALS and noun.isalpha() and noun not in TURNS:
            yield Count("number", NTH, 0.0, "exact", sentence, rest=f"{ordinal}-{noun}")


def _count(sentence: Sentence, number: Number, following: Number | None, lowers: bool) -> Iterator[Count]:
    words = sentence.lower
    value, precision = number.value, number.precision
    after = words[number.end] if number.end < len(words) else ""
    before = words[number.first - 1] if number.first else ""
    if "/" in (before, after) or _is_converted(words, number) or _is_share(words, number):
        return  # nor "9/11", "1/6 cases"
    if number.unit and number.unit != "%":
        yield Count("sum", number.unit, value, precision, sentence, lowers)
    elif vote := _vote(words, number, following):
        yield Count("number", VOTE, value, "exact", sentence, rest=vote)
    elif number.unit == "%":
        if value != 100:  # a figure of speech
            yield Count("number", "%", value, precision, sentence, lowers)
    elif after in ("year", "years", "month", "months") or _is_span(words, number.end):
        if before != "served" and _is_in_prison(words, number):
            yield Count("number", "years in prison", value / _per_year(words, number), precision, sentence, lowers)
    elif label := _scale(words, number):
        yield Count("number", label, value, precision, sentence, lowers)
    elif after in _NO_COUNT_AHEAD or before in _NO_COUNT_BEHIND or is_age(words, number) or _is_whole(words, number):
        return
    elif label := counted_people(words, number, following):
        more = "another" in (before, *words[number.first : number.start]) or after in ("more", "additional")
        yield Count("toll", label, value, precision, sentence, lowers, more and label == "toll")
    elif label := _thing_or_bare(sentence, number):
        yield Count("number", label, value, precision, sentence, lowers)


def _thing_or_bare(sentence: Sentence, number: Number) -> str:
    if _is_model(sentence, number):
        return ""
    if label := _thing(sentence.lower, number):
        return label
    return BARE if sentence.number <= _BARE_SENTENCES and _is_bare(sentence.lower, number) else ""


def _is_bare(words: tuple[str, ...], number: Number) -> bool:
    """Of something that no list names: "80,000 baby car seats", "recall widened to 340,000"; no year, date or score."""
    if number.value < _LEAST_BARE or number.precision == "vague" or number.value != int(number.value):
        return False
    if number.value in _CALLED or (number.value in _YEARS and words[number.start] == format(number.value, ".0f")):
        return False
    after = words[number.end] if number.end < len(words) else ""
    before = words[number.first - 1] if number.first else ""
    return after not in _NO_BARE_BEHIND and before not in _NO_BARE_AHEAD and before not in ("-", "–", "/", ":", ",")


def _is_whole(words: tuple[str, ...], number: Number) -> bool:
    """ "Ninety of 120 were rescued"."""
    return number.first > 1 and words[number.first - 1] == "of" and ends_number(words, number.first - 2)


def _is_in_prison(words: tuple[str, ...], number: Number) -> bool:
    if words[number.end + 1 : number.end + 2] and words[number.end + 1].endswith("-old"):
        return False
    return not PRISON.isdisjoint(words[max(0, number.first - 5) : number.end + 4]) and MAYBE.isdisjoint(words)


def _is_share(words: tuple[str, ...], number: Number) -> bool:
    """ "A quarter of a million", "one in ten"."""
    ahead = words[max(0, number.first - 2) : number.first]
    return ahead == ("one", "in") or (ahead[1:] == ("of",) and ahead[0] in FRACTIONS)


def _is_converted(words: tuple[str, ...], number: Number) -> bool:
    """ "115,000 acres (46,500 hectares)": the same in other units."""
    return number.first > 1 and words[number.first - 1] == "(" and words[number.first - 2] not in (".", ",")


def _per_year(words: tuple[str, ...], number: Number) -> int:
    return 12 if any(word.startswith("month") for word in words[number.end : number.end + 2]) else 1


def _is_span(words: tuple[str, ...], at: int) -> bool:
    """ "62-year-old", "10-month"."""
    return words[at : at + 1] == ("-",) and words[at + 1 : at + 2] != () and words[at + 1].startswith(SPANS)


def _is_model(sentence: Sentence, number: Number) -> bool:
    """ "Falcon 9 rockets"."""
    return number.start > 1 and sentence.words[number.start - 1][0].isupper()


def _thing(words: tuple[str, ...], number: Number) -> str:
    start = number.end
    if words[start : start + 1] == ("of",) and words[start + 1 : start + 2] in (("the",), ("its",), ("their",)):
        start += 2  # "3,000 of the homes"
    for at in range(start, min(start + 3, len(words))):
        word = words[at]
        if label := THINGS.get(word):
            return "" if label in DISTANCES and _is_away(words, at + 1) else label
        if word == "strikes" and words[at - 1 : at] in (("air",), (words[start - 1],)):
            return "strikes"
        if not word[0].isalpha() or word in ENDS or word in ("of", "to", "in", "for", "from", "at", "on", "years"):
            return ""
    return ""


def _is_away(words: tuple[str, ...], at: int) -> bool:
    return at < len(words) and words[at] in AWAY


def _scale(words: tuple[str, ...], number: Number) -> str:
    if number.value >= 20:
        return ""
    ahead = words[max(0, number.first - 2) : number.first]
    behind = words[number.end : number.end + 2]
    if "magnitude" in ahead or "magnitude" in behind:
        return "magnitude"
    return "category" if ahead[-1:] == ("category",) else ""


def _vote(words: tuple[str, ...], number: Number, following: Number | None) -> str:
    """ "52-48", "52 votes to 48", "52 to 48"."""
    if following is None or following.unit or number.unit or VOTES.isdisjoint(words):
        return ""
    between = words[number.end : following.start]
    if between not in (("-",), ("–",), ("votes", "to"), ("to",), ("votes", "against"), ("votes", "-")):
        return ""
    if words[following.end : following.end + 1] and words[following.end] in BALANCE | {"majority"}:
        return ""  # a court's make-up
    yes, no = number.value, following.value
    if not (yes == int(yes) and no == int(no) and 3 < yes + no < 2000 and (between != ("to",) or yes + no >= 5)):
        return ""
    return f"{yes:.0f}-{no:.0f}"
