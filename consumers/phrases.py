"""Words, phrases and patterns found in an article as a reader would find them. Pure; never raises on any text.

- A word or phrase: whole words in any case, any white space or hyphen between them. The last word is found in its
  plural, too ("airstrike" finds "airstrikes"; nothing is cut off, or "Hamas" would find Hama), every word in its
  possessive, and two words that are also written as one in both ways ("air strike", "air-strike", "airstrike").
- In quotes inside the quotes, as in '"air force one"': these words and no other form of them.
- Capitals that are a little word in small letters (US, WHO, IT) are found in capitals only; US is U.S. and USA.
- ``re:`` and a pattern: RE2, which needs linear time for any pattern and text; in any case unless it says (?-i).
- Where a script writes no spaces (Chinese, Japanese, Thai, …) or hangs its particles on (Korean), a word may stand
  anywhere.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property, lru_cache

import re2

from consumers.passages import MAX_CHARS, MAX_TITLE
from consumers.words import FUNCTION_WORDS

LONGEST = 300  # characters of a term
_PATTERN_MEMORY = 1 << 20  # bytes of one compiled pattern
_AMERICA = ("US", "U.S.", "USA", "U.S.A.")
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_SPACED_RUN = re.compile(f"[^\\W_{_UNSPACED}]+")
_UNSPACED_ONE = re.compile(f"[{_UNSPACED}]")
_UNSEEN = {ord(unseen): None for unseen in "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"} | {0x2019: "'"}
_HYPHENS = dict.fromkeys(map(ord, "-\u2010\u2011\u2012\u2013\u2014\u2212"), " ")
_QUOTED = re.compile(r'\s*(?:"(.*)"|“(.*)”)\s*', re.DOTALL)
_LONG_WORD = 100
_PART = 3  # letters of each half of a joined word
_NOT_LATIN = "\u0250"
_JOINED = range(6, 15)  # letters of a word that may be two
_BLIND_BORDER = re.compile(r"\\b\(*[^\x00-\x7f]|[^\x00-\x7f]\)*\\b")


class Said:
    """What an article says, prepared once for the gates of all topics."""

    def __init__(self, title: str, text: str) -> None:
        self._parts = [_plain(title[:MAX_TITLE]), _plain(text[:MAX_CHARS])]

    @cached_property
    def bytes(self) -> bytes:
        """For patterns: the title, a line break, and the text with one space for any white space."""
        return "\n".join(self._parts).encode(errors="replace")

    @cached_property
    def typed(self) -> str:
        return "\n".join(_hyphens_as_spaces(part) for part in self._parts)

    @cached_property
    def folded(self) -> str:
        return "\n".join(_folded(part) for part in self._parts)


@lru_cache(maxsize=16)  # one article meets many topics before the next one comes
def said(title: str, text: str) -> Said:
    return Said(title, text)


class Sought:
    """One word, phrase or pattern. Raises ``ValueError`` with a sentence where it is none."""

    def __init__(self, term: str) -> None:
        _check_text(term)
        pattern = term.removeprefix("re:") if term.startswith("re:") else None
        self._pattern = None if pattern is None else _compiled(pattern.strip())
        self._typed, self._folded = ((), ()) if pattern is not None else _forms(term)
        self.shown = _unquoted(term) if pattern is None else pattern.strip()

    @property
    def is_pattern(self) -> bool:
        return self._pattern is not None

    def found_in(self, said: Said) -> bool:
        if self._pattern is not None:
            return self._pattern.search(said.bytes) is not None
        return any(_stands(form, said.typed) for form in self._typed) or any(
            _stands(form, said.folded) for form in self._folded
        )


def _check_text(term: str) -> None:
    if not term.removeprefix("re:").strip():
        raise ValueError('write a word, a phrase, or "re:" and a pattern between the quotes')
    if len(term) > LONGEST:
        raise ValueError(f'"{term[:40]}…" is too long: at most {LONGEST} characters')
    if any("\ud800" <= character <= "\udfff" for character in term):
        raise ValueError("this is no text that could be searched for: it holds half a character")


# -- patterns


def _compiled(pattern: str) -> "re2._Regexp":
    if _BLIND_BORDER.search(pattern):
        raise ValueError(
            f'the pattern "{pattern}" would never be found: \\b knows no letters but a to z; '
            "write the word without re:, its borders are found in every script"
        )
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        compiled = re2.compile(pattern.encode(), options)
    except re2.error as error:
        raise ValueError(
            f'the pattern "{pattern}" cannot be used: {_said_by(error)} (RE2, without look-around)'
        ) from error
    if compiled.search(b"") is not None:
        raise ValueError(f'the pattern "{pattern}" is found in every text, even in an empty one')
    return compiled


def _said_by(error: "re2.error") -> str:
    (message,) = error.args
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


# -- words and phrases


def _forms(term: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is looked for as typed, and what in any case."""
    bare = _unquoted(term)
    exact = bare != " ".join(term.split())
    words = _folded(_plain(bare)).split()
    if not any(character.isalnum() for word in words for character in word):
        raise ValueError(f'"{bare}" has no letter and no digit: write a word, a phrase, or "re:" and a pattern')
    if bare in _AMERICA:
        return ((bare,) if exact else _AMERICA), ()
    if bare.isupper() and bare.lower() in FUNCTION_WORDS:
        return (bare,), ()
    if exact:
        return (), (" ".join(words),)
    spelled = (" ".join(spelling) for spelling in _spellings(words))
    return (), tuple(dict.fromkeys(form for phrase in spelled for form in (phrase, _plural(phrase)) if form))


def _unquoted(term: str) -> str:
    quoted = _QUOTED.fullmatch(term)
    return " ".join((quoted[1] or quoted[2] or "" if quoted else term).split())


def _spellings(words: list[str]) -> Iterator[list[str]]:
    """The words, then one word of them as two, then two of them as one."""
    yield words
    for n, word in enumerate(words):
        for cut in range(_PART, len(word) - _PART + 1) if len(word) in _JOINED else ():
            if _may_join(word[:cut], word[cut:]):
                yield [*words[:n], word[:cut], word[cut:], *words[n + 1 :]]
    for n in range(len(words) - 1):
        if _may_join(words[n], words[n + 1]):
            yield [*words[:n], words[n] + words[n + 1], *words[n + 2 :]]


def _may_join(first: str, second: str) -> bool:
    """ "the rapist" is no therapist."""
    return (
        min(len(first), len(second)) >= _PART
        and len(first) + len(second) in _JOINED
        and (first + second).isascii()
        and (first + second).isalpha()
        and not {first, second} & FUNCTION_WORDS
    )


def _plural(phrase: str) -> str:
    """As English makes it; empty where the last word has none. Other languages' own plurals are words to be named."""
    last = phrase.rpartition(" ")[2]
    if len(last) < _PART or not last.isalpha() or last[-1] >= _NOT_LATIN:
        return ""
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return phrase + "es"
    return phrase[:-1] + "ies" if last[-1] == "y" and last[-2] not in "aeiou" else phrase + "s"


def _stands(form: str, text: str) -> bool:
    """Whether ``form`` is somewhere in ``text`` with a border of words on both sides."""
    at = text.find(form)
    while at >= 0:
        end = at + len(form)
        if not (_tied(text[at - 1 : at], form[0]) or _tied(form[-1], text[end : end + 1])):
            return True
        run = _SPACED_RUN.match(text, at)  # no border inside it
        at = text.find(form, run.end() if run else at + 1)
    return False


def _tied(before: str, after: str) -> bool:
    """Whether there is no border of words between two characters; an empty one is the end of the text."""
    return _in_word(before) and _in_word(after) if before and after else False


def _in_word(character: str) -> bool:
    part = character.isalnum() or unicodedata.category(character)[0] == "M"
    return part and not _UNSPACED_ONE.match(character)


def _plain(text: str) -> str:
    """Composed, one space for any white space, without what is not seen.

    A "word" of hundreds of characters stays as it is: composing a long row of accents takes quadratic time.
    """
    if not text.isascii():
        text = text.translate(_UNSEEN)
    words = text.split()
    if not text.isascii():
        words = [word if len(word) > _LONG_WORD else unicodedata.normalize("NFC", word) for word in words]
    return " ".join(words)


def _hyphens_as_spaces(plain: str) -> str:
    return " ".join(plain.translate(_HYPHENS).split())


def _folded(plain: str) -> str:
    return _plain(_hyphens_as_spaces(plain).casefold())
