"""Places and actors that a report puts in front: in its headline, or at its beginning and again."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from consumers.facts_name_runs import EARLY, Name, name_stem, names_in, nation_words
from consumers.facts_name_words import GIVEN, MOVES, PLACE_BEFORE
from consumers.facts_reading import Reading, Sentence
from consumers.mentions import Mention, mentions, nations_said

LEAD = 2  # sentences of the text
NATION_SUBJECT = 2  # the same for nations
SUBJECT = 4  # words of a headline: who is named there does something
KNOWN_CHARS = 20_000  # of a text: whoever is named there is known

_CAPITALISED = re.compile(r"(?<!\w)[^\W\d_a-z][\w']{1,40}")
# The last word of the name behind a nation and at most two words that say what somebody is.
_BEARER = re.compile(r" (?:[\w-]+ ){0,2}?(?:[A-Z][\w'’-]+ ){1,3}?([A-Z][\w'’-]+)(?! [A-Z])")
_RUN = 24  # characters: longer ones seldom come again
_OUTLET = 4  # letters that are not by chance in a host's name
_CAPTION = 0.7  # of a headline's long words begin with a capital: it is in title case and tells no names


@dataclass(slots=True)
class Nation:
    name: str
    sentence: Sentence
    is_place: bool
    in_title: bool
    bearers: tuple[str, ...] = ()  # stems of the names behind it: "German Chancellor Julia Brandt"

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
        text = f"{article.title}\n{article.text[:KNOWN_CHARS]}".replace("’", "'")
        runs = (run for run in set(text.split()) if not (run.islower() and run.isascii()))  # most have no capital
        stems = frozenset().union(*map(_capitalised, runs))
        initials = {name.initials for name in self._every.values()} - {""}
        named = {stem for name in self._every.values() for stem in name.stems}
        return stems | named | initials | {f"nation {name}" for name in nations_said(text)}

    @cached_property
    def prominent(self) -> tuple[Name, ...]:
        """In the headline and in the text; or at its beginning and again."""
        return tuple(name for name in self._every.values() if _leads(name) and not self._publishes(name))

    def _publishes(self, name: Name) -> bool:
        return len(name.stems[-1]) >= _OUTLET and name.stems[-1] in self._reading.source

    @cached_property
    def nations(self) -> tuple[Nation, ...]:
        """In the headline, or the first word of the text and named again."""
        found: dict[str, Nation] = {}
        title, *body = self._reading.sentences[: LEAD + 1]
        for each in mentions(title.text):
            for name in each.form.nations if _is_in(each) or _is_subject(each, title.text) else ():
                found.setdefault(name, Nation(name, title, _is_in(each), True))
        for sentence in body:
            for each in mentions(sentence.text):
                for name in each.form.nations:
                    if name in found and each.kind == "adjective" and (bearer := _bearer(sentence.text[each.end :])):
                        found[name].bearers += (bearer,)
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
            for name in names_in(sentence, self._reading.vocabulary):
                if not name.begins or self._inside[name.stems[-1]]:
                    _add(found, name)
        in_title = {name_stem(word) for word in title.words}
        acting = {name_stem(word) for word in title.words[:SUBJECT] if not word.endswith(("'s", "s'"))}
        for name in _merged(found):
            said = {*name.stems, name.initials} - GIVEN - {""}
            name.mentions = max((self._written[each] for each in said), default=0)
            name.acts |= not acting.isdisjoint(said)
            name.in_title = not in_title.isdisjoint(said)
        return {stem: name for stem, name in found.items() if not nation_words().issuperset(name.stems)}

    @cached_property
    def _written(self) -> Counter[str]:
        """How often the words with a capital are in headline and text."""
        return _by_stem(self._reading.vocabulary)

    @cached_property
    def _inside(self) -> Counter[str]:
        """The same less the first word of every sentence."""
        firsts = Counter(sentence.words[0] for sentence in self._reading.sentences if sentence.words)
        return self._written - _by_stem(firsts)


def _by_stem(words: Counter[str]) -> Counter[str]:
    found = Counter[str]()
    for word, times in words.items():
        if word[0].isupper():
            found[name_stem(word)] += times
    return found


def _capitalised(run: str) -> frozenset[str]:
    """Stems of the words with a capital, of characters without a space."""
    return _stems(run) if len(run) <= _RUN else frozenset(map(name_stem, _CAPITALISED.findall(run)))


@lru_cache(maxsize=65_536)
def _stems(run: str) -> frozenset[str]:
    return frozenset(map(name_stem, _CAPITALISED.findall(run)))


def is_known(name: Name, said: Callable[[str], bool]) -> bool:
    """Vladimir Putin is Putin, Homs bridge is Homs, and the WHO is the World Health Organization."""
    if said(name.stems[-1]) or (name.stems[0] not in GIVEN and any(said(each) for each in name.stems)):
        return True
    return bool(name.initials) and said(name.initials)


def _leads(name: Name) -> bool:
    if name.in_title and name.in_text:
        return name.is_place or name.acts
    return name.first <= 1 and name.mentions >= 2 and (name.is_place or name.acts)


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


def _bearer(behind: str) -> str:
    named = _BEARER.match(behind)
    return name_stem(named[1]) if named else ""


def _is_in(mention: Mention) -> bool:
    return mention.kind != "adjective" and mention.before.lower() in PLACE_BEFORE


def _is_subject(mention: Mention, title: str) -> bool:
    """Of a headline: "US accuses Russia", "Two Russian jets collide"; not "Fewer Americans marry"."""
    if mention.before.lower() in ("to", "into", "toward", "towards", "from"):
        return not MOVES.isdisjoint(title.lower().split())
    people = mention.kind == "adjective" and title[: mention.end].endswith("s")
    return not people and title.count(" ", 0, mention.start) < NATION_SUBJECT


def _in_title_case(title: Sentence) -> bool:
    long = [word for word in title.words[1:] if len(word) > 3 and word[0].isalpha()]
    return len(long) > 1 and sum(word[0].isupper() for word in long) > _CAPTION * len(long)
