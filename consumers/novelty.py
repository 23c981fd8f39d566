"""What a report adds to a story: new facts, each with the sentence that says it; everything else is only more.

A story's ``known`` is a bounded set of short strings: what its reports have stated so far.
"""

from consumers.model import Article, Fact


def first_known(article: Article) -> tuple[str, ...]:
    """What a story knows that begins with this article."""
    return ()


def new_facts(article: Article, known: tuple[str, ...]) -> tuple[Fact, ...]:
    """What the article adds to what is known, the most important first."""
    return ()


def learned(known: tuple[str, ...], article: Article) -> tuple[str, ...]:
    """What is known once the article is. The same in any order of calls; bounded, the oldest go first."""
    return known


def both_known(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Of two stories that turned out to be one."""
    return one


def changed(before: Article, after: Article) -> tuple[Fact, ...]:
    """What a new revision says otherwise than the one before: "toll 12 → 19"."""
    return ()
