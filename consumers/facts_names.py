"""Places and actors that a report puts in front: in its headline, or at its beginning and again."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

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
)
from consumers.facts_reading import Reading, Sentence
from consumers.mentions import Mention, mentions, nations_said
from consumers.nations import forms
from consumers.words import stem

LEAD = 2  # sentences of the text
EARLY = 4
SUBJECT = 4  # words of a headline: who is named there does something
LONGEST = 40  # letters of a name
ACRONYM = 6  # letters; longer words in capitals shout
OFTEN = 3  # mentions of an actor that the headline does not name
KNOWN_CHARS = 20_000  # of a text: whoever is named there is known

_POSSESSIVE = re.compile(r"'s?$")
_CONTRACTED = ("n't", "'m", "'ve", "'ll", "'re", "'d")
_CAPITALISED = re.compile(r"(?<!\w)[^\W\d_a-z][\w'’]{1,40}")
_CAPTION = 0.7  # of a headline's long words begin with a capital: it is in title case and tells no names


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


@dataclass(slots=True)
class Nation:
    name: str
    sentence: Sentence
    is_place: bool
    in_title: bool

    @property
    def key(self) -> str:
        return f"nation {self.name}"


class Names:
    """Who and what one article names."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    @cached_property
    def said(self) -> frozenset[str]:
        """Stems of every word that is written with a capital, initials, and "nation X": whoever is in it is known."""
        article = self._reading.article
        text = f"{article.title}\n{article.text[:KNOWN_CHARS]}"
        stems = {name_stem(word) for word in dict.fromkeys(_CAPITALISED.findall(text))}
        initials = {name.initials for name in self._every.values()} - {""}
        stems.update(stem for name in self._every.values() for stem in name.stems)
        return frozenset(stems | initials | {f"nation {name}" for name in nations_said(text)})

    @cached_property
    def prominent(self) -> tuple[Name, ...]:
        """In the headline and in the text; or at its beginning and again."""
        source = self._reading.source
        return tuple(name for name in self._every.values() if _leads(name) and name.stems[-1] not in source)

    @cached_property
    def nations(self) -> tuple[Nation, ...]:
        """In the headline, or the first word of the text and named again."""
        found: dict[str, Nation] = {}
        title, *body = self._reading.sentences[: LEAD + 1]
        for each in mentions(title.text):
            for name in each.form.nations:
                found.setdefault(name, Nation(name, title, _is_in(each), True))
        for sentence in body:
            for each in mentions(sentence.text):
                for name in each.form.nations:
                    if name in found and found[name].sentence.number == 0:
                        found[name].sentence = sentence
                        found[name].is_place |= _is_in(each)
                    elif each.first and each.kind != "adjective" and not each.possessive and self._again(name):
                        found.setdefault(name, Nation(name, sentence, False, False))
        return tuple(found.values())

    def _again(self, nation: str) -> bool:
        rest = self._reading.article.text[:2000]
        return sum(nation in each.form.nations for each in mentions(rest)) > 1

    @cached_property
    def _every(self) -> dict[str, Name]:
        """By head: names of the headline and of the first sentences, counted in the whole text."""
        title, *body = self._reading.sentences[: EARLY + 1]
        found: dict[str, Name] = {}
        for sentence in body if _in_title_case(title) else (title, *body):
            for name in _runs(sentence, self._reading.vocabulary):
                if not name.begins or self._inside[name.stems[-1]]:
                    _add(found, name)
        in_title = {name_stem(word) for word in title.words}
        acting = {name_stem(word) for word in title.words[:SUBJECT]}
        for name in _merged(found):
            said = {*name.stems, name.initials} - GIVEN - {""}
            name.mentions = max((self._written[each] for each in said), default=0)
            name.acts |= not acting.isdisjoint(said)
            name.in_title = not in_title.isdisjoint(said)
        return {stem: name for stem, name in found.items() if not nation_words().issuperset(name.stems)}

    @cached_property
    def _written(self) -> Counter[str]:
        """How often the words with a capital are in headline and text."""
        return self._inside + Counter(
            name_stem(sentence.words[0])
            for sentence in self._reading.sentences
            if sentence.words and sentence.words[0][0].isupper()
        )

    @cached_property
    def _inside(self) -> Counter[str]:
        """The same less the first word of every sentence."""
        return Counter(
            name_stem(word) for sentence in self._reading.sentences for word in sentence.words[1:] if word[0].isupper()
        )


@cache
def nation_words() -> frozenset[str]:
    """Stems of all that names a nation: told as nations, not by their words."""
    named = (form for same in forms().values() for form in same if form.kind in ("name", "adjective"))
    return frozenset(name_stem(word) for form in named for word in form.words)


@lru_cache(maxsize=65_536)
def name_stem(word: str) -> str:
    return stem(_POSSESSIVE.sub("", word.casefold()).replace(".", ""))


def is_known(name: Name, said: Callable[[str], bool]) -> bool:
    """Vladimir Putin is Putin, Homs bridge is Homs, and the WHO is the World Health Organization."""
    if said(name.stems[-1]) or (name.stems[0] not in GIVEN and any(said(each) for each in name.stems)):
        return True
    return bool(name.initials) and said(name.initials)


def _leads(name: Name) -> bool:
    if name.in_title and name.in_text:
        return name.is_place or name.acts
    return name.first <= 1 and name.mentions >= (2 if name.is_place or name.opens else OFTEN)


def _add(found: dict[str, Name], name: Name) -> None:
    known = found.setdefault(name.stems[-1], name)
    if known is not name:
        known.also(name)


def _merged(found: dict[str, Name]) -> list[Name]:
    """Osmond is Osmond Capital, and the WHO is the World Health Organization."""
    for name in [each for each in found.values() if len(each.words) > 1]:
        for short in {name.initials, *name.stems[:-1]} - GIVEN:
            if short in found and len(found[short].words) == 1:
                name.also(found.pop(short))
    return list(found.values())


def _runs(sentence: Sentence, vocabulary: frozenset[str]) -> Iterator[Name]:
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


def _is_name(word: str, vocabulary: frozenset[str]) -> bool:
    if not word[0].isupper() or not 1 < len(word) <= LONGEST or word.endswith(_CONTRACTED):
        return False
    lower = word.lower()
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
    while start < end and (words[start].lower() in GENERIC or words[start] in LINKS):
        start += 1
    while start < end - 1 and name_stem(words[start]) in nation_words():  # "Russia's Vladimir Putin", "U.S. Navy"
        start += 1
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


def _placed(sentence: Sentence, start: int, before: str, after: str, size: int) -> bool:
    earlier = sentence.lower[max(0, start - 6) : start]
    if before in PLACE_BEFORE or after in PLACE_AFTER:
        return True
    if earlier[-1:] == ("of",) and not SORTS.isdisjoint(earlier):
        return True
    if size > 1:
        return False
    return before in MOVED_BEFORE and (before not in ("to", "into", "from", "at") or not MOVES.isdisjoint(earlier))


def _is_in(mention: Mention) -> bool:
    return mention.kind != "adjective" and mention.before.lower() in PLACE_BEFORE


def _in_title_case(title: Sentence) -> bool:
    long = [word for word in title.words[1:] if len(word) > 3 and word[0].isalpha()]
    return len(long) > 1 and sum(word[0].isupper() for word in long) > _CAPTION * len(long)
