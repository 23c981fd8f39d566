"""What is kept of a match while its story is warm: enough to compare it with others, not its text."""

import re
from dataclasses import dataclass
from sys import intern
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from consumers.copies import Shingles, paragraphs, shingles
from consumers.model import Article, Match, Report
from consumers.words import query_words

COMPARED_WORDS = 250  # of an article

_NAME = re.compile(r"(?<=[^\W\d_]|[,;])\s([^\W\d_a-z][^\W\d_]{2,})", re.UNICODE)  # behind a letter: inside a sentence
_CALENDAR = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december".split()
)

Owner = TypeVar("Owner")


@dataclass(slots=True, eq=False)
class Member:
    match_id: str
    revision: int
    joined: float
    backfill: bool  # it is not known yet that the article was also read live
    report: Report
    vector: NDArray[np.float32]
    title: frozenset[str]
    words: frozenset[str]
    names: frozenset[str]
    shingles: Shingles
    voice: str  # the match whose text it repeats, else its own id
    row: int = -1

    @property
    def order(self) -> tuple[float, str]:
        """Within a batch all join at once: the id decides, and a restart finds the same order."""
        return (self.joined, self.match_id)


class Rows(Generic[Owner]):
    """Vectors in one array without gaps: the last row moves where one is removed."""

    def __init__(self) -> None:
        self._rows: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self.owners: list[tuple[Owner, Member]] = []

    def add(self, owner: Owner, member: Member) -> None:
        """Takes the member's vector over. A vector of another size comes from a new model: the old ones say nothing."""
        member.row = len(self.owners)
        size = len(member.vector)
        if size and size != self._rows.shape[1]:
            self._rows = np.zeros((max(8, len(self._rows)), size), dtype=np.float32)
        if member.row == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros((max(8, member.row), self._rows.shape[1]), np.float32)])
        self._rows[member.row] = member.vector if size else 0.0
        member.vector = np.zeros(0, dtype=np.float32)
        self.owners.append((owner, member))

    def remove(self, member: Member) -> None:
        last = self.owners.pop()
        if last[1] is not member:
            self._rows[member.row] = self._rows[last[1].row]
            self.owners[member.row] = last
            last[1].row = member.row

    def cosines(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        if len(vector) != self._rows.shape[1]:
            return np.zeros(len(self.owners), dtype=np.float32)
        return self._rows[: len(self.owners)] @ vector


def headline(match: Match) -> str:
    """What a story is called: the article's title, else the beginning of the passage that matched, else its address."""
    return match.article.title or match.passage.text[:120] or match.article.url


def member_of(match: Match, joined: float, like: Member | None = None) -> Member:
    """``like`` was made of the same match: its text is not read again, which is nine tenths of the work."""
    article = match.article
    if like is None or like.revision != article.revision:
        like = None
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
        vector=np.frombuffer(match.vector, dtype="<f2").astype(np.float32),
        title=like.title if like else _stems(article.title),
        words=like.words if like else _stems(_beginning(article)),
        names=like.names if like else names(f"{article.title}. {_beginning(article)[len(article.title) :]}"),
        shingles=like.shingles if like else shingles(article.text),
        voice=match.id,
    )


def _beginning(article: Article) -> str:
    words = article.title.split()
    for paragraph in paragraphs(article.text):
        if len(words) >= COMPARED_WORDS:
            break
        words += paragraph.split()
    return " ".join(words[:COMPARED_WORDS])


def names(text: str) -> frozenset[str]:
    """Capitalised words inside sentences: people, places, bodies. Days and months name no event."""
    found = (match[1].casefold() for match in _NAME.finditer(" ".join(text.split())))
    return frozenset(intern(name) for name in found if name not in _CALENDAR)


def _stems(text: str) -> frozenset[str]:
    """Interned: a word is in memory once, however many articles have it."""
    return frozenset(intern(word.stem) for word in query_words(text))
