"""Whether an article speaks of the nations that a topic names: "Russian airstrikes Syria" is not about Israeli ones.

Vectors and words do not tell: nearly everything else in such an article is what was asked for. A nation that is said
in no form and nowhere fails the article

- where it does something, by an adjective ("Russian airstrikes", "Iran's missiles"), and in the title another one
  does; or, where that names none, in the lead another one does what was asked for;
- where it is a place ("airstrikes Syria", "coup in Niger"), and the title, or a lead under a title that names none,
  has another one for a place;
- where it is a noun of any kind ("visits Kyiv", "Iran protests"), title or lead name another one, and the article is
  farther from the query than from the query without the name.

In doubt it passes, and a theme's always do: of a standing subject much is told without its nation. (Of 1,660 articles
that editors had filed under themes 8 would have failed; of 2,228 about events none, of their first 200 characters 2.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from consumers import languages
from consumers.mentions import Mention, mentions, nations_said
from consumers.model import Article, Gated, Topic
from consumers.nations import akin, shown
from consumers.passages import MAX_CHARS, MAX_TITLE
from consumers.words import FUNCTION_WORDS, query_words, words_of

LEAD = 400  # characters of the text that tell what it is about
FARTHER = -0.02  # cosine with the query less that without the name: -.18 to -.03 where another is meant, else from 0 on
_PLACED = frozenset("in near across inside around outside throughout over".split())
_AT = _PLACED | frozenset("at from to of with against on into for by off via".split())
_BETWEEN = frozenset({",", "/", "&", "or", "and", ", or", ", and"})
# Told without the nation that they are named after: "French Open", "Spanish flu", "Chinese New Year".
_NAMED_AFTER = frozenset(
    "open grand prix gp cup masters league derby flu fries new ocean sea gulf airlines times post herald premier "
    "championship championships dollar yen mark pound franc peso ruble rouble".split()
)
_OUTLET = (" - ", " | ", " – ", " — ")


@dataclass(frozen=True, slots=True)
class Sought:
    """Nations in ``query[start:end]``, one of which is enough. ``acts``: by an adjective."""

    nations: frozenset[str]
    acts: bool
    is_place: bool
    start: int
    end: int


def sought(topic: Topic) -> tuple[Sought, ...]:
    """What the words of an event's query ask for, in their order; nothing where it is nothing but a name."""
    groups: list[Sought] = []
    query = topic.query
    for each in mentions(query) if topic.kind == "event" else ():
        if not each.form.nations or each.after.lower() in _NAMED_AFTER:
            continue
        nations = frozenset(each.form.nations)
        last = groups[-1] if groups else None
        if last and query[last.end : each.start].strip().lower() in _BETWEEN:
            groups[-1] = Sought(last.nations | nations, last.acts, last.is_place, last.start, each.end)
        else:
            groups.append(Sought(nations, _qualifies(each), _is_place(each), each.start, each.end))
    return tuple(each for each in groups if each.acts or _rest(query, each))


def without_names(topic: Topic) -> tuple[str, ...]:
    """The query less each nation that is named, in their order."""
    return tuple(_rest(topic.query, each) for each in sought(topic) if not each.acts)


def _rest(query: str, each: Sought) -> str:
    return " ".join(f"{query[: each.start]}{query[each.end :]}".split())


@dataclass(frozen=True, slots=True)
class Actors:
    """The nations of one topic. ``allowed``: those that do not count against it; ``words``: stems of the query."""

    sought: tuple[Sought, ...]
    allowed: frozenset[str]
    words: frozenset[str]

    def judge(
        self,
        article: Article,
        rows: NDArray[np.float32],
        query: NDArray[np.float32],
        without: Sequence[NDArray[np.float32]],
    ) -> Gated:
        """``rows``: the article's; ``query``: the topic's; ``without``: of ``without_names``, or none of them."""
        heard = _heard(article.title[:MAX_TITLE], article.text[:MAX_CHARS])
        nouns = iter(without)
        for each in self.sought:
            noun = None if each.acts else next(nouns, None)
            if each.nations & heard.said:
                continue
            other = self._actor(heard) if each.acts else self._elsewhere(heard, each, rows[:2], query, noun)
            if other and _in_english(article):
                wanted = " or ".join(shown(nation) for nation in sorted(each.nations))
                return Gated(gate="actors", passed=False, why=f"speaks of {shown(other)}, not of {wanted}")
        return Gated(gate="actors", passed=True)

    def _actor(self, heard: "_Heard") -> str:
        if heard.by_title:
            return self._other(heard.acting)
        return self._other([nation for nation, does in heard.in_lead if does & self.words])

    def _elsewhere(
        self,
        heard: "_Heard",
        wanted: Sought,
        heads: NDArray[np.float32],
        query: NDArray[np.float32],
        without: NDArray[np.float32] | None,
    ) -> str:
        other = self._other(heard.placed) if wanted.is_place else ""
        if other or without is None:
            return other
        other = self._other(heard.named)
        return other if other and float((heads @ (query - without)).mean()) <= FARTHER else ""

    def _other(self, nations: Sequence[str]) -> str:
        return next((nation for nation in nations if nation not in self.allowed), "")


def actors_of(topic: Topic) -> Actors | None:
    """None where the topic asks for no nation."""
    wanted = sought(topic)
    if not wanted:
        return None
    named = nations_said(topic.query) | nations_said(topic.description)
    words = frozenset(word.stem for word in query_words(topic.query))
    return Actors(wanted, named.union(*map(akin, named)), words)


def _qualifies(mention: Mention) -> bool:
    """ "Russian airstrikes", "Iran's missiles"; not "Iran launches"."""
    return _is_content(mention.after) and (mention.possessive or mention.kind == "adjective")


def _acts(mention: Mention) -> bool:
    """As an adjective or as a subject: "Iran launches", "Iran and Iraq agree"; not "in Iran", though "in US raid"."""
    content = _is_content(mention.after)
    subject = content or (mention.first and bool(mention.after))
    behind = mention.before.lower() in _AT
    return _qualifies(mention) or (subject and not behind) or (content and _is_initials(mention))


def _is_initials(mention: Mention) -> bool:
    """US, EU, UAE: an adjective as much as a noun."""
    return len(mention.form.words) == 1 and mention.form.words[0].isupper()


def _is_place(mention: Mention) -> bool:
    """ "coup in Niger", "Russian airstrikes Syria", "balloon crosses Japan"."""
    before = mention.before.lower()
    bare = not mention.after and _is_content(before) and before not in _AT
    return mention.kind != "adjective" and (bare or before in _PLACED)


def _is_content(word: str) -> bool:
    return bool(word) and word.lower() not in FUNCTION_WORDS


# -- what an article says


@dataclass(frozen=True, slots=True)
class _Heard:
    """``said``: anyhow and anywhere; ``named`` and ``placed``: in the title or, where it names none, in the lead.

    ``acting``: in the title; ``in_lead``: acting there, with the stems of what each does.
    """

    said: frozenset[str]
    named: tuple[str, ...]
    by_title: bool  # it names one
    acting: tuple[str, ...]
    placed: tuple[str, ...]
    in_lead: tuple[tuple[str, frozenset[str]], ...]


@lru_cache(maxsize=64)  # one article meets many topics before the next one comes
def _heard(title: str, text: str) -> _Heard:
    in_title, beginning = mentions(title), text[: LEAD + 100]  # not cut within the last word
    headline = _end_of_headline(title)
    shouted = title.isupper()  # then "US" may be a pronoun
    ahead = [
        each for each in in_title if each.form.nations and each.end <= headline and not (shouted and _is_initials(each))
    ]
    lead = [
        each for each in mentions(beginning) if each.form.nations and each.end <= LEAD and not _is_dateline(text, each)
    ]
    return _Heard(
        nations_said(title) | nations_said(text),
        named=_nations(ahead or lead),
        by_title=bool(ahead),
        placed=_nations([each for each in ahead or lead if _is_place(each) or _qualifies(each)]),
        acting=_nations([each for each in ahead if _acts(each)]),
        in_lead=tuple((nation, _does(text, each)) for each in lead if _acts(each) for nation in each.form.nations),
    )


def _does(text: str, mention: Mention) -> frozenset[str]:
    """Stems of the next three words: "Turkish warplanes struck"."""
    return frozenset(word.stem for word in words_of(text[mention.end : mention.end + 60])[:3])


def _nations(found: Sequence[Mention]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(nation for each in found for nation in each.form.nations))


def _end_of_headline(title: str) -> int:
    """Where the headline ends: "Quake kills ten - The Japan Times"."""
    return max((at for at in (title.rfind(mark) for mark in _OUTLET) if at > 0), default=len(title))


def _is_dateline(text: str, mention: Mention) -> bool:
    """ "ANKARA (Reuters)", "LONDON, March 3 —"."""
    written = text[mention.start : mention.end]
    return mention.kind != "adjective" and written.isupper() and not _is_initials(mention)


def _in_english(article: Article) -> bool:
    """Other languages have other names for most nations."""
    if language := languages.declared(article.lang):
        return language.partition("-")[0] == "en"
    return languages.reads_as_english(article.title, article.text)
