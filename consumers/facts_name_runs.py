"""Names as a sentence writes them: words with capitals that stand together, less titles and the like."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

from consumers.facts_name_words import (
    GENERIC,
    GIVEN,
    LINKS,
    MOVED_BEFORE,
    MOVES,
    NO_NAME,
    PLACE_AFTER,
    PLACE_BEFORE,
    SORTS,
    TITLES,
)
from consumers.facts_reading import Sentence
from consumers.nations import forms
from consumers.words import stem

EARLY = 4
LONGEST = 40  # letters of a name
ACRONYM = 6  # letters; longer words in capitals shout

_POSSESSIVE = re.compile(r"'s?$")
_GLUED = re.compile(r"(?<!Mc)(?<!Mac)(?<!De)(?<!Le)(?<!La)(?<!Di)(?<!Da)[a-z]{3,}[A-Z][a-z]{2,}")
_CONTRACTED = ("n't", "'m", "'ve", "'ll", "'re", "'d")


@dataclass(slots=True)
class Name:
    """``words`` as written, without "President" in front. ``stems`` of those that name it, the last is its head."""

    words: tuple[str, ...]
    stems: tuple[str, ...]
    first: int  # sentence
    sentence: Sentence
    begins: bool = False  # a sentence, with one word: it may be no name
    mentions: int = 1
    early: int = 1  # of those
    in_title: bool = False
    in_text: bool = False  # in a sentence of it that comes early
    opens: bool = False  # the text
    acts: bool = False  # it begins the headline, or is who somebody turned out to be: "named as"
    placed: int = 0  # mentions as a place

    @property
    def is_place(self) -> bool:
        """Mostly, and no initials: "in Ordesa"; not "confidence in Trump", "in FBI files"."""
        if len(self.words) > 1 and name_stem(self.words[0]) in GIVEN:
            return False
        return self.placed * 2 >= self.early and not (len(self.words) == 1 and self.words[0].isupper())

    def also(self, other: "Name") -> None:
        """The same name in other words."""
        self.early += other.early
        self.in_text |= other.in_text
        self.acts |= other.acts
        self.opens |= other.opens
        self.placed += other.placed
        self.first = min(self.first, other.first)
        if self.sentence.number == 0:
            self.sentence = other.sentence
        if len(other.words) > len(self.words):
            self.words, self.stems = other.words, other.stems

    @property
    def shown(self) -> str:
        return " ".join(self.words)

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.words if word[0].isupper()).lower() if len(self.words) > 1 else ""


@cache
def nation_words() -> frozenset[str]:
    """Stems of all that names a nation: told as nations, not by their words."""
    named = (form for same in forms().values() for form in same if form.kind in ("name", "adjective"))
    return frozenset(name_stem(word) for form in named for word in form.words)


@lru_cache(maxsize=65_536)
def name_stem(word: str) -> str:
    return stem(_POSSESSIVE.sub("", word.casefold()).replace(".", ""))


def names_in(sentence: Sentence, vocabulary: Container[str]) -> Iterator[Name]:
    """Words with capitals that stand together, "of" and the like between them."""
    words = sentence.words
    named = [_is_name(word, vocabulary) for word in words]
    at = 0
    while at < len(words):
        end = at + 1
        while named[at] and not _POSSESSIVE.search(words[end - 1]):
            link = end
            while link < len(words) and link < end + 2 and words[link] in LINKS:
                link += 1
            if link >= len(words) or not named[link]:
                break
            end = link + 1
        if named[at] and (name := _name(sentence, at, end)):
            yield name
        at = end


def _is_name(word: str, vocabulary: Container[str]) -> bool:
    if not word[0].isupper() or not 1 < len(word) <= LONGEST or word.endswith(_CONTRACTED):
        return False
    lower = _POSSESSIVE.sub("", word.lower())
    if word.isupper():
        return len(word) <= ACRONYM and (lower not in NO_NAME or lower == "who")
    if "-" in word and not word.rpartition("-")[2][:1].isupper():  # "Obama-era"
        return False
    return lower not in NO_NAME and lower not in vocabulary


def _name(sentence: Sentence, start: int, end: int) -> Name | None:
    words = sentence.words
    after = sentence.lower[end] if end < len(words) else ""
    before = sentence.lower[start - 1] if start else ""
    whole = words[start:end]
    if len(whole) > 2 and all(map(str.isupper, whole)):  # a line that shouts
        return None
    if _is_debris(whole):
        return None
    start = max((at + 1 for at in range(start, end) if words[at].lower() in TITLES), default=start)
    while start < end and _only_leads(words[start], last=start == end - 1):
        start += 1
    if start < end and name_stem(words[start]) in GIVEN:  # "Susan Collins of Maine"
        end = next((at for at in range(start + 1, end) if words[at] in ("of", "for")), end)
    kept = tuple(word for word in words[start:end])
    telling = [
        part
        for word in kept
        for part in word.split("-")
        if len(part) > 1 and part.lower() not in GENERIC and part not in LINKS
    ]
    if not telling:
        return None
    if len(whole) > len(kept) and whole[0] in ("World", "Islamic", "National", "International", "Supreme", "United"):
        kept = whole
    stems = tuple(name_stem(word) for word in telling)
    if len(stems[-1]) < 2:
        return None
    kept = (*kept[:-1], _POSSESSIVE.sub("", kept[-1]))
    return Name(
        kept,
        stems,
        sentence.number,
        sentence,
        opens=start == 0 and sentence.number == 1,
        begins=start == 0 and end == 1 and not words[0].isupper(),
        in_text=0 < sentence.number <= EARLY,
        acts=before in ("as", "names", "identified", "named"),
        placed=_placed(sentence, start, before, after, len(telling)),
    )


def _is_debris(words: tuple[str, ...]) -> bool:
    """Pages that were glued together: "Trump Donald John TrumpKamala Harris", "John Bacon USA TODAY"."""
    if any(not word[1:].islower() and _GLUED.search(word) for word in words):
        return True
    return any(one.isupper() and two.isupper() and len(one) + len(two) > ACRONYM for one, two in pairwise(words))


def _only_leads(word: str, *, last: bool) -> bool:
    """ "US President Vladimir Putin" is Vladimir Putin; what is left of "the US" is a nation."""
    return word.lower() in GENERIC or word in LINKS or (not last and name_stem(word) in nation_words())


def _placed(sentence: Sentence, start: int, before: str, after: str, size: int) -> bool:
    earlier = sentence.lower[max(0, start - 6) : start]
    if before in PLACE_BEFORE or after in PLACE_AFTER:
        return True
    if earlier[-1:] == ("of",) and not SORTS.isdisjoint(earlier):
        return True
    if size > 1:
        return False
    return before in MOVED_BEFORE and (before not in ("to", "into", "from", "at") or not MOVES.isdisjoint(earlier))
