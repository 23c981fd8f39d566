"""An article as its facts are looked for: headline and sentences in words, page furniture left out."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import chain

from consumers.copies import paragraphs
from consumers.facts_genre import Furniture, is_comment, is_explainer
from consumers.languages import declared, reads_as_english
from consumers.model import Article
from consumers.passages import MAX_TITLE, sentences
from consumers.runs import by_run
from consumers.words import FUNCTION_WORDS, stem

READ_CHARS = 4000  # of a text: about 650 words; what stands below is background
BEGINNING = 12  # sentences that tell what a report speaks of
NOTE_CHARS = 1200  # at its end: where newspapers put their corrections
QUOTE_CHARS = 300

_WORD = re.compile(
    r"[^\W\d_](?:(?:\.[^\W\d_])+\.?|\w*(?:['-]\w+)*)|[$€£¥₹]?[0-9]+(?:[.,][0-9]+)*(?:%|[^\W_]*)|[,;:()\-–—/]"
)
_words = by_run(_WORD, str.isalpha)
_DATELINE = re.compile(r"[^\W\d_a-z]{3,}[^a-z(\n]{0,40}(?:\w{3,9}\.? \d{1,2} ?)?(?:\([^)\n]{1,40}\) ?)?[-–—]+ ")
_AGENCY = re.compile(r"[^()\n]{0,60}\((?:Reuters|AP|AFP|UPI|CNN|Bloomberg|Xinhua|dpa)\) ?[-–—]*")
_MONTHS = (
    "january february march april may june july august september october november december".split()
)  # in their order
_MONTH_NAMES = frozenset(_MONTHS)
_LONG_AGO = re.compile(
    r"\b(?:(?:months?|years?|decades?|century|centuries) (?:ago|earlier|before|after|since)|decades? of|"
    r"(?:last|previous|past|recent|earlier this|each|every|per|a) (?:year|decade|century|few years|two years)|"
    r"(?:this|so far this) year|in history|history of|historic|anniversary|since the (?:\w+ ){1,3}(?:began|started|"
    r"broke out)|(?:war|conflict|crisis|uprising|pandemic|insurgency)\b.{0,60}\bkilled|"
    r"\b(?<!banned )(?<!jailed )(?<!suspended )(?<!barred )(?<!imprisoned )(?:for|over|after|lasted) (?:\w+ ){1,3}"
    r"(?:years|decades)|previous(?:ly)?|"
    r"on average|estimated \w+ people a year)\b",
    re.IGNORECASE,
)
# Looked for first: most sentences have none of them, and the pattern takes 20 times as long.
_LONG_AGO_WORDS = frozenset(
    "month months year years decade decades century centuries history historic anniversary since killed previous "
    "previously average estimated past".split()
)
_YEAR = re.compile("[12][0-9][0-9][0-9]")
_DATED = re.compile(
    r"\b(?:in|since|from|of|between|during|until|by)(?: (?:early|late|mid|the|an?|\w{3,9}))?(?: \d{1,2},)?[ -]"
    r"(1[5-9]\d\d|20\d\d)(?:s\b|\b)",
    re.IGNORECASE,
)
_IN_MONTH = re.compile(
    r"\b(?:[Ii]n|[Ss]ince|last) (January|February|March|April|May|June|July|August|September|October|"
    r"November|December)\b(?! \d)"
)


class Sentence:
    """``number`` 0 is the headline, 1 the first sentence of the text. ``lower``: its ``words`` in small letters."""

    def __init__(self, text: str, number: int, date: datetime | None) -> None:
        self.text = text
        self.number = number
        self.words = words_in(text)
        self.lower = tuple(map(str.lower, self.words))
        self._date = date

    @cached_property
    def past(self) -> bool:
        """It tells what happened long ago."""
        return _is_past(self.text, self.lower, self._date)


class Reading:
    """One article's sentences. Made once for everything that is looked for in it."""

    def __init__(self, article: Article) -> None:
        self.article = article
        self.at = article.seen if article.published is None else article.published
        date = _date(self.at)
        title = " ".join(article.title[:MAX_TITLE].split())
        body = article.text[:READ_CHARS]
        if title and body.lstrip().startswith(title):
            body = body.lstrip()[len(title) :]
        furniture = Furniture(body)
        told = [title, *(each for each in _sentences(body) if not furniture.has(each))]
        self.sentences = tuple(Sentence(text, number, date) for number, text in enumerate(told))
        self.source = _letters(article.source)

    @cached_property
    def english(self) -> bool:
        """Names and acts are looked for in English alone."""
        if language := declared(self.article.lang):
            return language.partition("-")[0] == "en"
        return reads_as_english(self.article.title, self.article.text)

    @cached_property
    def reports(self) -> bool:
        """No opinion and no explainer: those say little that is new, and it is said elsewhere."""
        article = self.article
        told = ((each.text, each.lower) for each in self.sentences[1 : BEGINNING + 1])
        return not (is_explainer(self.sentences[0].text) or is_comment(article.title, article.url, article.text, told))

    @property
    def ending(self) -> str:
        """Of a text that is not read to its end: on one line."""
        text = self.article.text
        return " ".join(text[-NOTE_CHARS:].split()) if len(text) > READ_CHARS else ""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Its sentences."""
        return tuple(_sentences(self.article.text[-NOTE_CHARS:])) if len(self.article.text) > READ_CHARS else ()

    @cached_property
    def stems(self) -> frozenset[str]:
        """What the headline and the beginning of the text speak of."""
        return _stems(chain.from_iterable(each.lower for each in self.sentences[: BEGINNING + 1]))

    @cached_property
    def vocabulary(self) -> Counter[str]:
        """Every word as it is written, and how often: what also stands in small letters is no name."""
        return Counter(chain.from_iterable(sentence.words for sentence in self.sentences))


def meant(sentence: Sentence) -> frozenset[str]:
    """Stems of its words that carry meaning."""
    return _stems(sentence.lower)


def _stems(words: Iterable[str]) -> frozenset[str]:
    return frozenset(stem(word) for word in set(words) - FUNCTION_WORDS if word.isalpha())


def quote(sentence: str) -> str:
    """At most ``QUOTE_CHARS`` of it, cut behind a word."""
    if len(sentence) <= QUOTE_CHARS:
        return sentence
    cut = sentence.rfind(" ", 0, QUOTE_CHARS)
    return f"{sentence[: cut if cut > 0 else QUOTE_CHARS - 1]}…"


def words_in(text: str) -> tuple[str, ...]:
    """Commas and brackets are words of their own; typographic and typewriter apostrophes are one."""
    return tuple(_words(text.replace("’", "'")))


def _is_past(text: str, words: tuple[str, ...], date: datetime | None) -> bool:
    if not _LONG_AGO_WORDS.isdisjoint(words) and _LONG_AGO.search(text):
        return True
    this = str(date.year) if date else ""
    if _YEAR.search(text) and any(year != this for year in _DATED.findall(text)):
        return True
    month = None if _MONTH_NAMES.isdisjoint(words) else _IN_MONTH.search(text)
    return month is not None and date is not None and _MONTHS.index(month[1].lower()) != date.month - 1


def _sentences(text: str) -> Iterator[str]:
    """Lines that were broken inside a sentence are joined."""
    waiting = ""
    for number, line in enumerate(paragraphs(text)):
        spoken = line
        if number == 0 and (place := _DATELINE.match(line) or _AGENCY.match(line)):
            spoken = line[place.end() :]
        if waiting and not spoken[:1].islower():
            yield from sentences(waiting)
            waiting = ""
        waiting = f"{waiting} {spoken}" if waiting else spoken
    if waiting:
        yield from sentences(waiting)


@lru_cache(maxsize=1024)
def _letters(source: str) -> str:
    return re.sub(r"[^a-z]", "", source.lower())


def _date(at: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):  # no time that a calendar has
        return None
