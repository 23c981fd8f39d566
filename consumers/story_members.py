"""What is kept of a match while its story is warm: enough to compare it with others, not its text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from sys import intern
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from consumers.copies import Shingles, is_copy, long_paragraphs, paragraphs, shingles_of, words_of
from consumers.mentions import nations_said
from consumers.model import Article, Match, Report
from consumers.words import FUNCTION_WORDS, meant_stems

COMPARED_WORDS = 250  # of an article
LEAD_WORDS = 60
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w'’-]+")  # inside a sentence; at its beginning everything is written so
_TITLE_WORD = re.compile(r"\w[\w'’-]*")
RECURS = 3  # earlier articles of the same site with the same paragraph make it the site's


@dataclass(slots=True, eq=False)
class Member:
    match_id: str
    revision: int
    joined: float
    backfill: bool  # it is not known yet that the article was also read live
    report: Report
    vector: NDArray[np.float32]  # of the whole article; empty once a space holds it
    title_vector: NDArray[np.float32]
    title: tuple[str, ...]  # stems, each once
    words: tuple[str, ...]
    nations: frozenset[str]  # that its title and lead speak of
    names: frozenset[str]  # stems of what its title says and its text writes as a name
    shingles: Shingles
    paragraphs: frozenset[int]  # the long ones
    voice: str  # the match whose text it repeats, else its own id
    row: int = -1

    def repeats(self, other: "Member") -> bool:
        """They have a text in common, or a paragraph of it word for word: they speak with one voice."""
        return not self.paragraphs.isdisjoint(other.paragraphs) or is_copy(self.shingles, other.shingles)

    def is_stranger(self, other: "Member") -> bool:
        """Each names in title and text whom or what the other never speaks of, and nobody that it does."""
        if not self.names or not other.names:
            return False
        return self.names.isdisjoint(other.words) and other.names.isdisjoint(self.words)

    @property
    def order(self) -> tuple[float, str]:
        """Within a batch all join at once: the id decides, and a restart finds the same order."""
        return (self.joined, self.match_id)


def headline(match: Match) -> str:
    """What a story is called: the article's title, else the beginning of the passage that matched, else its address."""
    return match.article.title or match.passage.text[:120] or match.article.url


class Boilerplate:
    """Paragraphs that a site repeats in article after article: they weigh nothing. One thread.

    Bounded: of ``most`` paragraphs it is known how many articles had them, those seen last.
    """

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._seen: dict[int, tuple[int, int]] = {}  # by paragraph: articles, and the last of them

    def spoken(self, article: Article) -> list[str]:
        """The paragraphs that are this article's own. It counts for those that come later."""
        last = crc32(article.id.encode())
        return [paragraph for paragraph in paragraphs(article.text) if not self._recurs(article, paragraph, last)]

    def _recurs(self, article: Article, paragraph: str, last: int) -> bool:
        key = hash((article.source, paragraph))
        articles, before = self._seen.pop(key, (0, 0))
        self._seen[key] = (articles + (before != last), last)
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
        return articles - (before == last) >= RECURS


def member_of(match: Match, joined: float, like: Member | None = None, *, boilerplate: Boilerplate) -> Member:
    """``like`` was made of the same match: its text is not read again, which is nine tenths of the work."""
    article = match.article
    if like is None or like.revision != article.revision:
        like = None
    spoken = [] if like else boilerplate.spoken(article)
    words = [words_of(paragraph) for paragraph in spoken]
    beginning = _beginning(spoken, COMPARED_WORDS - len(article.title.split()))
    report = Report(
        source=article.source,
        url=article.url,
        title=headline(match),
        at=article.seen if article.published is None else article.published,
    )
    return Member(
        match_id=match.id,
        revision=article.revision,
        joined=joined,
        backfill=article.backfill,
        report=report,
        vector=_vector(match.vector),
        title_vector=_vector(match.title_vector or match.vector),
        title=like.title if like else _stems(article.title),
        words=like.words if like else _stems(f"{article.title} {beginning}"),
        nations=like.nations if like else nations_said(_lead(article.title, spoken)),
        names=like.names if like else _names(article.title, beginning),
        shingles=like.shingles if like else shingles_of(words),
        paragraphs=like.paragraphs if like else long_paragraphs(words),
        voice=match.id,
    )


def _lead(title: str, spoken: Sequence[str]) -> str:
    words = [word for paragraph in spoken[:LEAD_WORDS] for word in paragraph.split()[:LEAD_WORDS]]
    return f"{title}. {' '.join(words[:LEAD_WORDS])}"


def _beginning(spoken: Sequence[str], most: int) -> str:
    words: list[str] = []
    for paragraph in spoken:
        if len(words) >= most:
            break
        words += paragraph.split()
    return " ".join(words[: max(most, 0)])


def _names(title: str, text: str) -> frozenset[str]:
    named = {name.casefold() for name in _NAME.findall(text)}
    said = (word for word in _TITLE_WORD.findall(title) if word.casefold() in named)
    return frozenset(stem for word in said if word.casefold() not in FUNCTION_WORDS for stem in _stems(word))


def _vector(row: bytes) -> NDArray[np.float32]:
    return np.frombuffer(row, dtype="<f2").astype(np.float32)


def _stems(text: str) -> tuple[str, ...]:
    """Interned: a word is in memory once, however many articles have it."""
    return tuple(map(intern, meant_stems(text)))
