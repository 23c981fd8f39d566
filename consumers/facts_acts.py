"""What a report says was done: official acts and statements, turns, corrections, retractions.

An act is known by a verb that has happened: "may resign", "to be suspended" and "calls on her to resign" have not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from consumers.facts_count_words import TIMES
from consumers.facts_notes import may_note, note_in
from consumers.facts_numbers import numbers
from consumers.facts_reading import READ_CHARS, Reading, Sentence
from consumers.facts_verbs import (
    ACTIVE_ONLY,
    ARTICLES,
    ASIDES,
    ATTACKER,
    AUXILIARY,
    BEHIND_PARTICIPLE,
    BEING,
    BODIES,
    DECIDED,
    DETERMINERS,
    FELL_BEFORE,
    HEADLINE_ASIDES,
    HEADLINE_ONLY,
    I_SAY,
    KEYWORDS,
    LAST_WEEK,
    MODAL,
    NO_DENIAL,
    NOT_YET,
    NOUNS,
    OFFICIAL,
    PAPERS,
    PHRASES_BY_WORD,
    PLURALS,
    REFUSED,
    SAYS,
    SPEAKERS,
    SPOKEN,
    TELLS,
    TITLED,
    TURNING_PHRASES,
    UNDECIDED,
    VERBS,
    VOTED,
)
from consumers.model import FactKind
from consumers.words import FUNCTION_WORDS

LEAD = 2  # sentences of the text whose acts may be news
_NEAR = 8  # words to either side
_CLAUSE = 12  # words before a verb that may make it one told in passing
_TEXT_CHARS = 90
_SAY = frozenset("say says said".split())
_NOTE = -1  # number of a sentence at the end of a long text


@dataclass(frozen=True, slots=True)
class Act:
    """``key``: "act resign", "body minister". ``number`` of the sentence that says it."""

    kind: FactKind
    key: str
    text: str
    sentence: str
    number: int
    happens: bool  # now: no background, nothing told in passing

    @property
    def verb(self) -> str:
        return self.key.removeprefix("act ")

    @property
    def leads(self) -> bool:
        return self.happens and (self.number <= LEAD or self.kind in ("correction", "retraction"))


class Acts:
    """Everything that one article says was done, its headline first."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    @cached_property
    def every(self) -> tuple[Act, ...]:
        found: list[Act] = []
        noted = may_note(f"{self._reading.article.title}\n{self._reading.article.text[:READ_CHARS]}")
        for sentence in self._reading.sentences:
            if noted and (note := _note(sentence.text, sentence.number)):
                found.append(note)
            elif self._reading.english:
                found.extend(_acts(sentence))
        if may_note(self._reading.ending):
            found.extend(note for text in self._reading.notes if (note := _note(text, _NOTE)))
        if any(act.kind == "correction" and act.number for act in found):  # the note says more than its headline
            found = [act for act in found if act.kind != "correction" or act.number]
        return tuple(found)

    @cached_property
    def is_official(self) -> bool:
        """The text begins with what an official says: "The driver was drunk, police said"."""
        lead = next(iter(self._reading.sentences[1:2]), None)
        if lead is None:
            return False
        words = lead.lower
        if "according" in words and not PAPERS.isdisjoint(words[words.index("according") :]):
            return True  # of a paper that came to light the past is news, too
        if lead.past and not self.is_attributed:
            return False
        said = [at for at, word in enumerate(words) if word in TELLS]
        return any(not SPEAKERS.isdisjoint(words[max(0, at - 6) : at + 4]) or _is_body(lead, at) for at in said)

    @property
    def is_attributed(self) -> bool:
        """The headline says which official says it: "Pilot had drunk, police say"."""
        words = self._reading.sentences[0].lower
        return any(
            word in _SAY and not SPEAKERS.isdisjoint(words[max(0, at - 3) : at]) for at, word in enumerate(words)
        )


def _is_body(sentence: Sentence, at: int) -> bool:
    """ "…, Nimbus said": a company, a club; not "Dana Whitlow said", "he said"."""
    return at > 1 and _is_named(sentence.words[at - 1]) and not _is_named(sentence.words[at - 2])


def _note(sentence: str, number: int) -> Act | None:
    found = note_in(sentence, 0 <= number <= LEAD)
    return Act(*found, short(sentence), sentence, number, True) if found else None


def _acts(sentence: Sentence) -> Iterator[Act]:
    words = sentence.lower
    if KEYWORDS.isdisjoint(words):
        return
    for at, word in enumerate(words):
        if word not in KEYWORDS:
            continue
        for act, kind, near in VERBS.get(word, ()):
            if _is_done(sentence, at, act, near):
                yield _act(kind, f"act {act}", sentence, at, _is_now(sentence, at, act))
        if sentence.number == 0 and word in PLURALS and NOT_YET.isdisjoint(words[max(0, at - 2) : at]):
            yield _act("statement", f"act {word}", sentence, at, False)
        if word in PLURALS and at and words[at - 1] == "to" and not VOTED.isdisjoint(words[:at]):
            yield _act("statement", f"act {word}", sentence, at, False)
        if sentence.number == 0 and word in DECIDED and _is_decided(words, at):
            yield _act("statement", f"act will {DECIDED[word]}", sentence, at, True)
        if word in PHRASES_BY_WORD:
            yield from _phrases(sentence, at)
        if body := BODIES.get(word):
            body = "premier" if at and words[at - 1] == "prime" else body
            yield _act("statement", f"body {body}", sentence, at, _speaks(sentence, at))
        elif word in ATTACKER and _falls(words, at):
            yield _act("statement", "act suspect dead", sentence, at, not sentence.past)


def _is_decided(words: tuple[str, ...], at: int) -> bool:
    return at > 1 and words[at - 1] == "to" and UNDECIDED.isdisjoint(words[:at])


def _is_done(sentence: Sentence, at: int, act: str, near: frozenset[str]) -> bool:
    words = sentence.lower
    if words[at] in NOUNS and sentence.number > 0 and not near:
        return False
    before = words[max(0, at - (1 if words[at].endswith("s") else 2)) : at]  # "move to Rovers collapses" has happened
    if act == "seize" and words[at + 1 : at + 2] == ("on",):
        return False
    if words[at].endswith("ed") and (at == 0 or words[at - 1] in DETERMINERS):
        return False  # "convicted felons", "over halted payments"
    if act == "order" and next(numbers(words[at + 1 : at + 2]), None) and TIMES.isdisjoint(words[at + 2 : at + 3]):
        return False  # "has ordered sixty aircraft"; not "orders three days of mourning"
    if at and words[at - 1] in ARTICLES:
        return False  # "the spread of the virus"
    if not NOT_YET.isdisjoint(before) or not MODAL.isdisjoint(words[max(0, at - 4) : at]):
        return False
    if sentence.number and not I_SAY.isdisjoint(words[max(0, at - 6) : at]):
        return False
    if near and near.isdisjoint(words[max(0, at - _NEAR) : at + _NEAR + 1]):
        return False
    if act == "deny" and not REFUSED.isdisjoint(words[at + 1 : at + 2]):
        return False
    if act in ACTIVE_ONLY and (not BEING.isdisjoint(before) or words[at + 1 : at + 2] == ("of",)):
        return False
    return act not in SPOKEN or _has_speaker(sentence, at)


def _is_now(sentence: Sentence, at: int, act: str) -> bool:
    words = sentence.lower
    if sentence.past or (act in HEADLINE_ONLY and sentence.number > 0):
        return False
    if sentence.number and (_is_modifier(words, at) or _is_last_week(words)):
        return False
    had = words[max(0, at - 1) : at] == ("had",) or words[max(0, at - 2) : at] == ("had", "been")
    return not had and not _is_aside(sentence, at)


def _is_modifier(words: tuple[str, ...], at: int) -> bool:
    """ "Sanctions imposed by the United States", "the officer convicted of murder"."""
    if not words[at].endswith("ed") or not AUXILIARY.isdisjoint(words[max(0, at - 4) : at]):
        return False
    return not BEHIND_PARTICIPLE.isdisjoint(words[at + 1 : at + 2])


def _is_last_week(words: tuple[str, ...]) -> bool:
    return any(words[at] == "last" and words[at + 1] in LAST_WEEK for at in range(len(words) - 1))


def _is_aside(sentence: Sentence, at: int) -> bool:
    """ "The man who was sentenced", "three days after he resigned"."""
    asides = ASIDES if sentence.number else HEADLINE_ASIDES
    for word in reversed(sentence.lower[max(0, at - _CLAUSE) : at]):
        if word == ",":
            return False
        if word in asides:
            return True
    return False


def _has_speaker(sentence: Sentence, at: int) -> bool:
    """A body, an official or a name before the verb, or "by" behind it."""
    if not OFFICIAL.isdisjoint(sentence.lower[max(0, at - _NEAR) : at]):
        return True
    named = any(_is_named(word) for word in sentence.words[max(0, at - 5) : at])
    return named or "by" in sentence.lower[at + 1 : at + _NEAR]


def _is_named(word: str) -> bool:
    return word[0].isupper() and len(word) > 1 and word.lower() not in FUNCTION_WORDS


def _phrases(sentence: Sentence, at: int) -> Iterator[Act]:
    """``at``: of the word that a phrase is known by."""
    words, by = sentence.lower, at
    for act, phrase in PHRASES_BY_WORD[words[by]]:
        start = by - phrase.index(words[by])
        if start < 0 or words[start : start + len(phrase)] != phrase:
            continue
        at = start + len(phrase) - 1
        before = words[max(0, at - 3) : at - 1] if at else ()
        if not NOT_YET.isdisjoint(before) or (act == "convict" and "not" in before):
            continue
        if act == "will appeal" and words[at + 1 : at + 2] == ("to",) and words[at + 2 : at + 3] != ("the",):
            continue  # "a message that will appeal to voters"
        if _is_denial(act, words, at) and (sentence.number > 1 or not NO_DENIAL.isdisjoint(words[at + 1 : at + 3])):
            continue
        if act == "charge" and sentence.number and BEING.isdisjoint(words[max(0, at - 4) : at]):
            continue  # "a panel charged with finding out"
        kind: FactKind = "reversal" if act in TURNING_PHRASES else "statement"
        led = sentence.number == 0 or act not in HEADLINE_ONLY
        yield _act(kind, f"act {act}", sentence, at, led and not sentence.past)


def _is_denial(act: str, words: tuple[str, ...], at: int) -> bool:
    """ "Was not the source"."""
    return act == "deny" and words[at] == "the"


def _speaks(sentence: Sentence, at: int) -> bool:
    """A body that speaks for the first time, in the headline or at the beginning of the text."""
    words = sentence.lower
    early = sentence.number == 0 or (sentence.number == 1 and at < 6 and words[at] not in TITLED)
    return early and not sentence.past and not SAYS.isdisjoint(words[at + 1 : at + 7])


def _falls(words: tuple[str, ...], at: int) -> bool:
    """ "The gunman was shot dead by police"; not "a gunman shot dead two people"."""
    for n in range(at + 1, min(at + 5, len(words))):
        if words[n] in ("killed", "dead", "dies"):
            return n + 1 == len(words) or words[n + 1] in FELL_BEFORE
    return False


def _act(kind: FactKind, key: str, sentence: Sentence, at: int, happens: bool) -> Act:
    text = short(sentence.text) if sentence.number == 0 else _around(sentence.words, at)
    return Act(kind, key, text, sentence.text, sentence.number, happens)


def _around(words: tuple[str, ...], at: int) -> str:
    """A dozen words around one, not beyond a comma."""
    start, end = max(0, at - 6), min(len(words), at + 8)
    start = max((n + 1 for n in range(start, at) if words[n] in ",;:()"), default=start)
    end = min((n for n in range(at + 1, end) if words[n] in ",;:()"), default=end)
    return short(" ".join(words[start:end]).replace(" - ", "-"))


def short(text: str) -> str:
    """Cut behind a word, where it is longer than ``_TEXT_CHARS``."""
    if len(text) <= _TEXT_CHARS:
        return text
    cut = text.rfind(" ", 0, _TEXT_CHARS)
    return f"{text[: cut if cut > 0 else _TEXT_CHARS]}…"
