"""What a report counts: the dead, the missing, sums of money, homes, percentages, magnitudes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from consumers.facts_count_words import (
    AHEAD,
    ASIDE,
    AWAY,
    BEHIND,
    COUNTED,
    COUNTERS,
    DIED,
    DISTANCES,
    ENDS,
    FREED,
    HURT,
    LOWER,
    MAYBE,
    MONTHS,
    OBJECTS,
    ONE,
    ORDINALS,
    PART,
    PEOPLE,
    PERSON,
    PRISON,
    SPANS,
    THINGS,
    TIMES,
    TO,
    TURNS,
    VOTES,
)
from consumers.facts_known import NTH, VOTE, Value
from consumers.facts_numbers import Number, Precision, may_count, numbers
from consumers.facts_reading import Reading, Sentence
from consumers.model import FactKind

MAX_COUNTS = 40  # of one article


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
    lowers = not LOWER.isdisjoint(words) or _is_denied(words)
    taken: set[int] = set()
    every = tuple(numbers(words))
    for label, number in _phrases(words, every):
        taken.add(number.start)
        kind: FactKind = "toll" if label in PEOPLE else "number"
        yield Count(kind, label, number.value, number.precision, sentence, lowers)
    for place, number in enumerate(every):
        if number.start in taken:
            continue
        following = every[place + 1] if place + 1 < len(every) else None
        yield from _count(sentence, number, following, lowers)
    for label, verbs in (("toll", DIED), ("injured", HURT)):
        if not verbs.isdisjoint(words) and _is_one(sentence, verbs):
            yield Count("toll", label, 1.0, "floor", sentence)


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
    if number.unit and number.unit != "%":
        yield Count("sum", number.unit, value, precision, sentence, lowers)
    elif vote := _vote(words, number, following):
        yield Count("number", VOTE, value, "exact", sentence, rest=vote)
    elif number.unit == "%":
        if value == 100:  # a figure of speech
            return
        yield Count("number", "%", value, precision, sentence, lowers)
    elif after in ("year", "years", "month", "months") or _is_span(words, number.end):
        if (
            not PRISON.isdisjoint(words[max(0, number.first - 5) : number.end + 4])
            and before != "served"
            and MAYBE.isdisjoint(words)
        ):
            yield Count("number", "years in prison", value / _per_year(words, number), precision, sentence, lowers)
    elif label := _scale(words, number):
        yield Count("number", label, value, precision, sentence, lowers)
    elif after in TIMES or before in PART or before in MONTHS or after in MONTHS or _is_age(words, number):
        return
    elif before == "of" and number.first > 1 and _ends_number(words, number.first - 2):
        return  # the whole of "90 of 120 were rescued"
    elif label := _people(words, number, following):
        more = "another" in (before, *words[number.first : number.start]) or after in ("more", "additional")
        yield Count("toll", label, value, precision, sentence, lowers, more and label == "toll")
    elif label := _thing(words, number):
        yield Count("number", label, value, precision, sentence, lowers)


def _per_year(words: tuple[str, ...], number: Number) -> int:
    return 12 if any(word.startswith("month") for word in words[number.end : number.end + 2]) else 1


def _is_span(words: tuple[str, ...], at: int) -> bool:
    """ "62-year-old", "10-month"."""
    return words[at : at + 1] == ("-",) and words[at + 1 : at + 2] != () and words[at + 1].startswith(SPANS)


def _is_denied(words: tuple[str, ...]) -> bool:
    """ "Not 30 but 12"."""
    return "not" in words[:-1] and words[words.index("not") + 1][0] in "$€£123456789"


def _phrases(words: tuple[str, ...], every: tuple[Number, ...]) -> Iterator[tuple[str, Number]]:
    """ "The toll from Monday's earthquake has risen from 12 to 19", "the number of dead to 11"."""
    if COUNTERS.isdisjoint(words):
        return
    for at, word in enumerate(words):
        label = ""
        if word == "toll" and words[at + 1 : at + 2] != ("road",):
            label = "toll"
        elif word in COUNTERS:
            label = next((COUNTED[each] for each in words[at + 1 : at + 5] if each in COUNTED), "")
        if label:
            for number in every:
                if at < number.start <= at + 16 and not number.unit and _stands_at(words, number):
                    yield label, number
                    break


def _stands_at(words: tuple[str, ...], number: Number) -> bool:
    before = words[number.first - 1] if number.first else ""
    after = words[number.end] if number.end < len(words) else ""
    if before == "from" or after in TIMES or words[number.end : number.end + 1] == ("-",):
        return False
    return before in TO and not _is_age(words, number)


def _people(words: tuple[str, ...], number: Number, following: Number | None) -> str:
    end = number.end
    if words[end : end + 1] == ("of",):
        if following is None or following.first != end + 1:
            return ""
        end = following.end
    if number.start and words[number.start - 1] == "-":
        return ""
    ahead = words[number.first - 1] if number.first else ""
    label = AHEAD.get(ahead)
    if label == "released" and FREED.isdisjoint(words[end : end + 3]):
        return ""
    if label:
        return label if ahead not in ("claimed", "claims", "claiming") or "lives" in words[number.end :] else ""
    at, last = end, end + 9
    while at < min(last, len(words)):
        word = words[at]
        if label := BEHIND.get(word):
            return "" if _has_object(words, at) else label
        if word == ",":
            if words[at + 1 : at + 2] and words[at + 1] in ASIDE and "," in words[at + 1 : at + 10]:
                at = words.index(",", at + 1) + 1
                last = at + 6
                continue
            return ""
        if word in ENDS or (word[0].isdigit() and at > end):
            return ""
        at += 1
    return ""


def _ends_number(words: tuple[str, ...], at: int) -> bool:
    return any(number.end == at + 1 for number in numbers(words[: at + 1]))


def _has_object(words: tuple[str, ...], at: int) -> bool:
    """ "Twenty strikes killed dozens": it is not the strikes that died."""
    if words[at] not in ("killed", "injured", "wounded", "hurt", "arrested", "detained", "rescued", "evacuated"):
        return words[at : at + 2] == ("lives", "in")
    if at and words[at - 1] in ("were", "was", "been", "are", "being", "people", "and", "or"):
        return False
    following = words[at + 1] if at + 1 < len(words) else ""
    return bool(following) and (following[0].isdigit() or following in OBJECTS)


def _thing(words: tuple[str, ...], number: Number) -> str:
    for at in range(number.end, min(number.end + 3, len(words))):
        word = words[at]
        if label := THINGS.get(word):
            return "" if label in DISTANCES and _is_away(words, at + 1) else label
        if word == "strikes" and words[at - 1 : at] in (("air",), (words[number.end - 1],)):
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
    yes, no = number.value, following.value
    if not (yes == int(yes) and no == int(no) and 3 < yes + no < 2000 and (between != ("to",) or yes + no >= 5)):
        return ""
    return f"{yes:.0f}-{no:.0f}"


def _is_age(words: tuple[str, ...], number: Number) -> bool:
    """ "Mansour, 27, a student"; "aged 27"; "27-year-old"."""
    before = words[number.first - 1] if number.first else ""
    after = words[number.end] if number.end < len(words) else ""
    if before == "of" and number.first > 1 and words[number.first - 2] in PERSON:  # "a boy of 17"
        return True
    if before in ("aged", "age", "page", "chapter", "platform", "no", "top", "best", "flight", "route", "section"):
        return True
    return before == "," and after in (",", ")", "") and 1 <= number.value <= 110


def _is_one(sentence: Sentence, verbs: frozenset[str]) -> bool:
    """ "A firefighter was killed on Friday"; in a headline "Firefighter dies"."""
    words = sentence.lower
    if words[0] in ("a", "an") and _falls(words, verbs):
        return True
    for at, word in enumerate(words):
        if word not in PERSON:
            continue
        if sentence.number and {"a", "an", "one"}.isdisjoint(words[max(0, at - 3) : at]):
            continue
        behind = words[at + 1 : at + 5]
        for n, each in enumerate(behind):
            if each in verbs and not _has_object(words, at + 1 + n):
                return True
            if each in ("who", "suspected", "accused", ",", "after"):
                break
    return False


def _falls(words: tuple[str, ...], verbs: frozenset[str]) -> bool:
    """ "A former navy diver died", "a 27-year-old was killed"."""
    for at in range(2, min(8, len(words))):
        if words[at] in verbs:
            return words[at] in ("died", "dies") or words[at - 1] in ("was", "been")
        if words[at] in (",", "who", "that", "after", "has"):
            return words[at] == "has" and words[at + 1 : at + 2] == ("died",)
    return False
