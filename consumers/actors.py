"""Whether an article speaks of the nations that a topic names: "Russian airstrikes Syria" is not about Israeli ones.

Vectors and words do not tell: nearly everything else in such an article is what was asked for. Two rules, of a nation
that an article says in no form and nowhere:

- One that acts ("Russian airstrikes", "North Korea missile launch"): fails where another one acts in the title or,
  where that names none, in the lead.
- A place ("airstrikes Syria", "visits Kyiv"): fails where title or lead names another one, and the article is less
  near to the query than to the query without the place.

In doubt it passes, and a theme's always do: of a standing subject much is told without its nation (of 1,660 articles
that editors had filed under a theme 26 would have failed; of 2,228 about an event none that tells of it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from consumers import languages
from consumers.model import Article, Gated, Topic
from consumers.nations import Mention, akin, mentions, shown
from consumers.passages import MAX_CHARS, MAX_TITLE
from consumers.words import FUNCTION_WORDS

LEAD = 400  # characters of the text that tell what it is about
FARTHER = -0.03  # cosine with the query less that without the place: -.06 to -.15 where it is another, else more
_AT = frozenset("in at from to of with against on over near into inside across around outside for by off via".split())
_BETWEEN = frozenset({",", "/", "&", "or", "and", ", or", ", and"})
# Told without the nation that they are named after: "French Open", "Spanish flu", "Chinese New Year".
_NAMED_AFTER = frozenset(
    "open grand prix gp cup masters league derby flu fries new ocean sea gulf airlines times post herald premier "
    "championship championships dollar yen mark pound franc peso ruble rouble".split()
)

_OUTLET = (" - ", " | ", " – ", " — ")
_INITIALS = 3  # letters: "US" is in capitals everywhere


@dataclass(frozen=True, slots=True)
class Sought:
    """Nations in ``query[start:end]``, one of which is enough."""

    nations: frozenset[str]
    acts: bool
    start: int
    end: int


def sought(topic: Topic) -> tuple[Sought, ...]:
    """What the words of an event's query ask for, in their order; nothing where it is nothing but a place."""
    groups: list[Sought] = []
    query = topic.query
    for each in mentions(query) if topic.kind == "event" else ():
        if not each.form.nations or each.after.lower() in _NAMED_AFTER:
            continue
        nations = frozenset(each.form.nations)
        last = groups[-1] if groups else None
        if last and query[last.end : each.start].strip().lower() in _BETWEEN:
            groups[-1] = Sought(last.nations | nations, last.acts, last.start, each.end)
        else:
            groups.append(Sought(nations, _acts(each), each.start, each.end))
    return tuple(each for each in groups if each.acts or _rest(query, each))


def without_places(topic: Topic) -> tuple[str, ...]:
    """The query less each place that it names, in their order."""
    return tuple(_rest(topic.query, each) for each in sought(topic) if not each.acts)


def _rest(query: str, each: Sought) -> str:
    return " ".join(f"{query[: each.start]}{query[each.end :]}".split())


@dataclass(frozen=True, slots=True)
class Actors:
    """The nations of one topic. ``allowed``: those that do not count against it. Never raises on an article."""

    sought: tuple[Sought, ...]
    allowed: frozenset[str]

    def judge(
        self, article: Article, rows: NDArray[np.float32], query: NDArray[np.float32], without: NDArray[np.float32]
    ) -> Gated:
        """``rows``: the article's; ``query``: the topic's; ``without``: of ``without_places``, or none of them."""
        heard = _heard(article.title[:MAX_TITLE], article.text[:MAX_CHARS])
        place = -1
        for each in self.sought:
            place += not each.acts
            if each.nations & heard.said:
                continue
            other = next((one for one in (heard.acting if each.acts else heard.named) if one not in self.allowed), None)
            if other is None or not (each.acts or _farther(rows, query, without, place)) or not _in_english(article):
                continue
            wanted = " or ".join(shown(nation) for nation in sorted(each.nations))
            return Gated(gate="actors", passed=False, why=f"speaks of {shown(other)}, not of {wanted}")
        return Gated(gate="actors", passed=True)


def actors_of(topic: Topic) -> Actors | None:
    """None where the topic asks for no nation."""
    wanted = sought(topic)
    if not wanted:
        return None
    every = (*mentions(topic.query), *mentions(topic.description))
    named = {nation for each in every for nation in (*each.form.nations, *each.form.hints)}
    return Actors(wanted, frozenset(named.union(*map(akin, named))))


def _farther(rows: NDArray[np.float32], query: NDArray[np.float32], without: NDArray[np.float32], place: int) -> bool:
    return place < len(without) and bool((rows @ (query - without[place])).max() <= FARTHER)


def _acts(mention: Mention) -> bool:
    """ "Russian airstrikes", "Iran's missiles", "Turkey bombs"; not "in Turkey"."""
    content = bool(mention.after) and mention.after.lower() not in FUNCTION_WORDS
    if mention.possessive or mention.kind == "adjective":
        return content
    return (content or (mention.first and bool(mention.after))) and mention.before.lower() not in _AT


# -- what an article says


@dataclass(frozen=True, slots=True)
class _Heard:
    """``said``: anyhow and anywhere. ``acting``: in the title or, where it names none, in the lead; ``named``: in both."""

    said: frozenset[str]
    acting: tuple[str, ...]
    named: tuple[str, ...]


@lru_cache(maxsize=64)  # one article meets many topics before the next one comes
def _heard(title: str, text: str) -> _Heard:
    in_title, in_text = mentions(title), mentions(text)
    said = frozenset(nation for each in (*in_title, *in_text) for nation in (*each.form.nations, *each.form.hints))
    headline = _without_outlet(title)
    ahead = [each for each in in_title if each.form.nations and each.end <= headline]
    lead = [each for each in in_text if each.form.nations and each.end <= LEAD and not _is_dateline(text, each)]
    acting = [each for each in ahead or lead if _acts(each)]
    return _Heard(said, _nations(acting), _nations([*ahead, *lead]))


def _nations(found: Sequence[Mention]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(nation for each in found for nation in each.form.nations))


def _without_outlet(title: str) -> int:
    """Where the headline ends: "Quake kills ten - The Japan Times"."""
    return max((at for at in (title.rfind(mark) for mark in _OUTLET) if at > 0), default=len(title))


def _is_dateline(text: str, mention: Mention) -> bool:
    """ "ANKARA (Reuters)", "LONDON, March 3 —"."""
    written = text[mention.start : mention.end]
    return mention.kind != "adjective" and len(written) > _INITIALS and written.isupper()


def _in_english(article: Article) -> bool:
    """Other languages have other names for most nations."""
    language = languages.declared(article.lang) or languages.told(article.title, article.text)
    return language.partition("-")[0] in ("", "en")
