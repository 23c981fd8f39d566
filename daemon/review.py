"""What people are shown of an article near a topic's line: the passage, and why it is where it is. Pure."""

from dataclasses import dataclass

from consumers.model import Article, Passage, Topic
from consumers.passages import texts_of
from consumers.scoring import named, quoted, standing, terms_of
from consumers.words import query_words
from daemon.store.line import Near
from daemon.store.verdicts import Verdict

_STOPPED = {
    "evidence": "too little evidence",
    "actors": "it says the words of the topic, but of other actors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One article to judge. ``number`` counts from 1; ``verdict`` is what was said of it, and still counts."""

    number: int
    article: Article
    matched: bool
    score: float
    at: float
    passage: Passage
    reasons: tuple[str, ...]
    verdict: Verdict | None = None


def item(number: int, near: Near, topic: Topic, verdict: Verdict | None) -> Item:
    """A match is explained as it was when it matched; a near miss by the words of the topic as it is now."""
    if near.match is not None:
        passage, reasons = near.match.passage, near.match.reasons
    else:
        passage, reasons = _explained(near, topic)
    return Item(
        number=number,
        article=near.article,
        matched=near.matched,
        score=near.score,
        at=near.at,
        passage=passage,
        reasons=reasons,
        verdict=verdict if verdict and verdict.state != "dropped" else None,
    )


def _explained(near: Near, topic: Topic) -> tuple[Passage, tuple[str, ...]]:
    """The passage that was best when the article was scored; its vectors need not be read for that."""
    texts = texts_of(near.article)
    chosen = [10.0 if passage.number == near.passage else 0.0 for passage in texts.passages]
    passage, words = quoted(query_words(topic.query), texts, terms_of(texts), chosen)
    place = (f"passage {passage.number} of {passage.of}",) if passage.of > 1 else ()
    return passage, (named(words), *place, _STOPPED.get(near.gate) or standing(near.score))
