"""How reports count people: "12 people were killed", "injuring 30", "the number of dead has risen to 19"."""

from collections.abc import Iterator

from consumers.facts_count_words import (
    AHEAD,
    ASIDE,
    BEHIND,
    COUNTED,
    COUNTERS,
    DIED,
    ENDS,
    FOUND,
    FREED,
    OBJECTS,
    PASSIVE,
    PERSON,
    TIMES,
    TO,
)
from consumers.facts_numbers import Number, numbers
from consumers.facts_reading import Sentence

_THE = frozenset("the its their his her those these".split())


def told_at(words: tuple[str, ...], every: tuple[Number, ...]) -> Iterator[tuple[str, Number]]:
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
    return before in TO and not is_age(words, number)


def counted_people(words: tuple[str, ...], number: Number, following: Number | None) -> str:
    end = number.end
    if words[end : end + 1] == ("of",):
        if following is None or following.first != end + 1:
            return _befell(words, end, 18) if words[end + 1 : end + 2] and words[end + 1] in _THE else ""
        end = following.end
    elif label := _after_relative(words, end):
        return label
    before = words[max(0, number.start - 2) : number.start]
    if before[-1:] == ("-",) or before == ("up", "to"):
        return ""  # "one patient infects up to 18 others"
    ahead = words[number.first - 1] if number.first else ""
    label = AHEAD.get(ahead, "")
    if label == "released" and FREED.isdisjoint(words[end : end + 3]):
        return ""
    if label:
        return label if ahead not in ("claimed", "claims", "claiming") or "lives" in words[number.end :] else ""
    return _told_behind(words, end)


def _told_behind(words: tuple[str, ...], end: int) -> str:
    """ "12 people were killed", "12 people, most of them children, died"."""
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


def _after_relative(words: tuple[str, ...], end: int) -> str:
    """ "The two teenagers who were missing after an avalanche were found dead"."""
    at = next((at for at in range(end, min(end + 3, len(words))) if words[at] in ("who", "that")), None)
    return "" if at is None else _befell(words, at + 3, 14)


def _befell(words: tuple[str, ...], start: int, most: int) -> str:
    """What became of them, told by a passive within so many words."""
    for at in range(start, min(start + most, len(words) - 1)):
        if words[at] in (",", ";", ":", "but", "and", "while") or (at > start + 1 and words[at] in ("who", "that")):
            return ""
        if words[at] in PASSIVE:
            behind = at + 1
            while behind < len(words) and words[behind] in FOUND:
                behind += 1
            if behind < len(words) and (label := BEHIND.get(words[behind])):
                return label
    return ""


def ends_number(words: tuple[str, ...], at: int) -> bool:
    return any(number.end == at + 1 for number in numbers(words[: at + 1]))


def _has_object(words: tuple[str, ...], at: int) -> bool:
    """ "Twenty strikes killed dozens": it is not the strikes that died."""
    if words[at] not in ("killed", "injured", "wounded", "hurt", "arrested", "detained", "rescued", "evacuated"):
        return words[at : at + 2] == ("lives", "in")
    if at and words[at - 1] in ("were", "was", "been", "are", "being", "people", "and", "or"):
        return False
    following = words[at + 1] if at + 1 < len(words) else ""
    return bool(following) and (following[0].isdigit() or following in OBJECTS)


def is_age(words: tuple[str, ...], number: Number) -> bool:
    """ "Mansour, 27, a student"; "aged 27"; "27-year-old"."""
    before = words[number.first - 1] if number.first else ""
    after = words[number.end] if number.end < len(words) else ""
    if before == "of" and number.first > 1 and words[number.first - 2] in PERSON:  # "a boy of 17"
        return True
    if before == "at" and number.first > 1 and words[number.first - 2] in DIED and number.value <= 110:
        return True  # "dead at 94"
    if before in ("aged", "age", "page", "chapter", "platform", "no", "top", "best", "flight", "route", "section"):
        return True
    return before == "," and after in (",", ")", "") and 1 <= number.value <= 110


def is_one(sentence: Sentence, verbs: frozenset[str]) -> bool:
    """ "A firefighter was killed on Friday"; in a headline "Firefighter dies"."""
    words = sentence.lower
    if words[0] in ("a", "an") and (_falls(words, verbs) or _falls_after_all(words, verbs)):
        return True
    if sentence.number == 0 and "dies" in verbs and "dies" in words[1:9] and not words[0].endswith("s"):
        return True  # "Exiled businessman Volkov dies in Zurich", "Woman stabbed at station dies"
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


def _falls_after_all(words: tuple[str, ...], verbs: frozenset[str]) -> bool:
    """ "A woman of 34 who was stabbed at the station on Friday died"."""
    if "died" not in verbs or "died" not in words[2:24] or PERSON.isdisjoint(words[1:4]):
        return False
    between = words[2 : words.index("died")]
    return "who" in between and {",", "and", "said", "after"}.isdisjoint(between)


def _falls(words: tuple[str, ...], verbs: frozenset[str]) -> bool:
    """ "A former navy diver died", "a 27-year-old was killed"."""
    for at in range(2, min(8, len(words))):
        if words[at] in verbs:
            return words[at] in ("died", "dies") or words[at - 1] in ("was", "been")
        if words[at] in (",", "who", "that", "after", "has"):
            return words[at] == "has" and words[at + 1 : at + 2] == ("died",)
    return False


def is_denied(words: tuple[str, ...]) -> bool:
    """ "Not 30 but 12"."""
    return "not" in words[:-1] and words[words.index("not") + 1][0] in "$€£123456789"
