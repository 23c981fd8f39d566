"""What a report adds to a story: new facts, each with the sentence that says it; everything else is only more.

A story's ``known`` is a bounded set of short strings: what its reports have stated so far. It is looked for by rules,
in English; of articles in other languages only what is written the same counts.
"""

from functools import lru_cache

from consumers.facts import Findings, findings, new_in, stated
from consumers.facts_changes import changes
from consumers.facts_known import Known, both, known_of, read, written
from consumers.facts_reading import Reading
from consumers.model import Article, Fact


def first_known(article: Article) -> tuple[str, ...]:
    """What a story knows that begins with this article."""
    return written(_stated(article))


def new_facts(article: Article, known: tuple[str, ...]) -> tuple[Fact, ...]:
    """What the article adds to what is known, the most important first."""
    return new_in(_findings(article), read(known))


def learned(known: tuple[str, ...], article: Article) -> tuple[str, ...]:
    """What is known once the article is. The same in any order of calls; bounded."""
    return written(both(read(known), _stated(article)))


def both_known(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Of two stories that turned out to be one."""
    return written(both(read(one), read(other)))


def changed(before: Article, after: Article) -> tuple[Fact, ...]:
    """What a new revision says otherwise than the one before: "toll 12 → 19"."""
    return changes(_findings(before), _findings(after))


def _stated(article: Article) -> Known:
    found = _findings(article)
    return known_of(found.names.said, found.reading.stems, {act.key for act in found.acts.every}, stated(found))


@lru_cache(maxsize=64)  # what is new in an article is asked first, what is learned from it next
def _findings(article: Article) -> Findings:
    return findings(Reading(article))
