"""Which language an article is in: what its feed says, else what its words look like.

A guess is used only where it is sure. Of 8,775 English headlines alone, 33 were taken for another language (30 of them
names of companies in capitals); of 5,731 with their text none was. What is too short to tell stays untold.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from consumers.words import FUNCTION_WORDS, words_of

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LEAST_LETTERS = 20
SURE = 0.5  # of the model's share; it sinks with the length of the text
_READ = 500  # characters of the title and of the text; four times as many tell no more
_FEW, _SMALL = 8, 0.1  # words; share of small ones: a third in English reports, below a tenth in other languages
_SAID_NOTHING = frozenset({"", "und", "mul", "mis", "zxx"})
_SAME = {"nb": "no", "nn": "no", "iw": "he", "in": "id", "ji": "yi", "fil": "tl", "cmn": "zh", "arb": "ar"}
_ALIKE = {"bs": "hr", "sr": "hr", "ms": "id"}  # nobody tells them apart by a few lines
# What newspapers are written in. The model knows 140; the rarer ones mostly catch names in English headlines.
TOLD = frozenset(
    "af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko "
    "ku ky lo lt lv mk ml mn mr ms mt my ne nl no pa pl ps pt ro ru si sk sl so sq sr sv sw ta te tg th tl tr uk ur uz "
    "vi zh".split()
)


def declared(lang: str) -> str:
    """What a feed says of an article's language, in lower case; empty where that says nothing."""
    lang = lang.strip().lower().replace("_", "-")
    return "" if lang.partition("-")[0] in _SAID_NOTHING else lang


def told(title: str, text: str) -> str:
    """One of ``TOLD``; empty where it is not sure."""
    return _told(f"{title[:_READ]}\n{text[:_READ]}")


def reads_as_english(title: str, text: str) -> bool:
    """By its small words, without the model; what is too short to tell does."""
    words = words_of(f"{title[:_READ]}\n{text[:_READ]}")
    return len(words) < _FEW or sum(word.lower in FUNCTION_WORDS for word in words) >= _SMALL * len(words)


def is_wanted(lang: str, wanted: Iterable[str]) -> bool:
    """Whether a declared language is one of those; "pt" and "pt-br" take each other, "pt-pt" and "pt-br" do not."""
    return any(_within(lang, each) or _within(each, lang) for each in wanted)


def may_be_wanted(guess: str, wanted: Iterable[str]) -> bool:
    """The same of a guess, which knows no regions and holds some languages for one another."""
    primary = {_primary(each) for each in wanted}
    return not primary <= TOLD or _ALIKE.get(guess, guess) in {_ALIKE.get(each, each) for each in primary}


def _within(one: str, other: str) -> bool:
    one_first, _, one_rest = one.lower().partition("-")
    other_first, _, other_rest = other.lower().partition("-")
    same = _SAME.get(one_first, one_first) == _SAME.get(other_first, other_first)
    return same and f"{one_rest}-".startswith(f"{other_rest}-" if other_rest else "")


def _primary(lang: str) -> str:
    first = lang.lower().partition("-")[0]
    return _SAME.get(first, first)


@lru_cache(maxsize=256)  # an article meets many topics; by its text, since drafts share an id
def _told(text: str) -> str:
    if sum(character.isalpha() for character in text) < LEAST_LETTERS:
        return ""
    language, share = _identifier().classify(text)
    return str(language) if share >= SURE else ""


@cache
def _identifier() -> "LanguageIdentifier":
    """A second and 90 MB, spent only where a topic names languages and a feed does not."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(TOLD)
    return identifier
