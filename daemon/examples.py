"""The texts behind a topic's examples, and their rows.

    "text:…"      itself                                                  ┐
    "article:ID"  archive ──▶ examples (kept beyond retention)            ├──▶ SampleReader ──▶ rows for the calibration
    "https://…"   archive, else the page ──▶ examples, or why it failed   ┘

``daemon/example_reader.py`` fills the table, where there is a network; ``SampleReader`` makes rows of it, where the
model is.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

from consumers.embedding import Embedder
from consumers.model import Article, Sample, Topic
from consumers.passages import texts_of
from daemon.fetch.urls import canonical
from daemon.store.archive import Archive, Archived
from daemon.store.examples import ARTICLE, TEXT, Example, Examples

MOST_TITLE, MOST_TEXT = 500, 20_000  # characters kept; its row is made of the first 200 words
_ROWS = 20_000  # kept in memory: 15 MB
_AT_ONCE = 8  # texts that are embedded while the matcher has to wait: a tenth of a second
_TITLE = 80  # characters of a text without a title of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """An example that does not count yet, and why, for people."""

    ref: str
    relevant: bool
    why: str


def unread(topic: Topic, examples: Examples) -> tuple[Unread, ...]:
    """Of one topic, in its order. Raises ``Unavailable``."""
    named = [(ref, relevant) for ref, relevant in named_by(topic) if not ref.startswith(TEXT)]
    known = examples.get([ref for ref, _ in named])
    return tuple(
        Unread(ref=ref, relevant=relevant, why=known[ref].reason if ref in known else "not read yet")
        for ref, relevant in named
        if ref not in known or known[ref].reason
    )


def copy_of(archived: Article, ref: str, at: float) -> Example:
    return Example(ref=ref, url=archived.url, title=archived.title[:MOST_TITLE], text=archived.text[:MOST_TEXT], at=at)


# -- rows


@dataclass(frozen=True, slots=True)
class _Row:
    title: str
    row: bytes


class SampleReader:
    """One thread. ``lock`` is held while ``embedder`` works. What was read once is kept in memory, for one model."""

    def __init__(
        self, examples: Examples, archive: Archive, embedder: Embedder, lock: AbstractContextManager[object]
    ) -> None:
        self._examples = examples
        self._archive = archive
        self._embedder = embedder
        self._lock = lock
        self._rows: dict[str, _Row] = {}

    def samples_of(self, topic: Topic) -> Sequence[Sample]:
        """Those of its examples that could be read so far, in the topic's order. Raises ``Unavailable``."""
        named = named_by(topic)
        missing = [ref for ref, _ in named if ref not in self._rows]
        if missing:
            self._read(missing)
        return tuple(
            Sample(ref=ref, title=self._rows[ref].title, relevant=relevant, row=self._rows[ref].row)
            for ref, relevant in named
            if ref in self._rows
        )

    def _read(self, refs: Sequence[str]) -> None:
        known = self._examples.get([ref for ref in refs if not ref.startswith(TEXT)])
        fresh: dict[str, Article] = {}
        for ref in refs:
            if ref.startswith(TEXT):
                fresh[ref] = _article(text=ref.removeprefix(TEXT))
            elif ref in known and not known[ref].reason:
                fresh[ref] = _article(title=known[ref].title, text=known[ref].text)
        for ref, archived in archived_as(self._archive, [ref for ref in refs if not ref.startswith(TEXT)]).items():
            if archived.model == self._embedder.model_id and len(archived.vectors):  # it was embedded once already
                self._rows[ref] = _Row(_title(archived.article), archived.vectors[0].astype("<f2").tobytes())
                fresh.pop(ref, None)
            else:
                fresh.setdefault(ref, archived.article)
        self._embed(list(fresh.items()))
        for ref in list(islice(self._rows, max(0, len(self._rows) - _ROWS))):
            if ref not in refs:
                del self._rows[ref]

    def _embed(self, fresh: Sequence[tuple[str, Article]]) -> None:
        for start in range(0, len(fresh), _AT_ONCE):
            part = fresh[start : start + _AT_ONCE]
            texts = [texts_of(article).embedded[0] for _, article in part]
            with self._lock:
                rows = self._embedder.encode(texts)
            for (ref, article), row in zip(part, rows.astype("<f2"), strict=True):
                self._rows[ref] = _Row(_title(article), row.tobytes())


# -- what a topic names


def named_by(topic: Topic) -> list[tuple[str, bool]]:
    """(ref, relevant), each ref once."""
    named = dict.fromkeys(topic.examples, True) | dict.fromkeys(topic.counter_examples, False)
    return list(named.items())


def archived_as(archive: Archive, refs: Sequence[str]) -> Mapping[str, Archived]:
    """By ref, what the archive has of them; of a page the newest copy."""
    ids = {ref.removeprefix(ARTICLE): ref for ref in refs if ref.startswith(ARTICLE)}
    found = {ids[each.article.id]: each for each in archive.by_id(list(ids))} if ids else {}
    for ref in refs:
        url = "" if ref.startswith(ARTICLE) else canonical(ref)
        copies = archive.by_url(url) if url else ()
        if copies:
            found[ref] = copies[0]
    return found


def _article(*, title: str = "", text: str) -> Article:
    return Article(id="", feed_id="", source="", title=title, text=text, seen=0.0)


def _title(article: Article) -> str:
    if article.title.strip():
        return article.title
    text = " ".join(article.text.split())
    return text if len(text) <= _TITLE else f"{text[:_TITLE].rsplit(' ', 1)[0]} …"
