"""Deterministic ids: the same thing read, matched or told twice has the same id, so a repeat is invisible."""

from hashlib import blake2b


def digest(*parts: str) -> str:
    """32 hex characters over the parts, in order.

    Every part is preceded by its length, so that ("ab", "c") and ("a", "bc") differ.
    """
    hasher = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()


def article_id(feed_id: str, identity: str) -> str:
    """``identity`` is the item's guid, else its canonical link, else its title, date and text."""
    return digest("article", feed_id, identity)


def match_id(article_id: str, topic_id: str, topic_epoch: int) -> str:
    """An edit of a topic keeps its epoch, so a match keeps its id and never alerts again."""
    return digest("match", article_id, topic_id, str(topic_epoch))


def story_id(first_match_id: str) -> str:
    """A story is named after the match that founded it."""
    return digest("story", first_match_id)


def alert_id(topic_id: str, story_id: str, kind: str, number: int) -> str:
    """``number`` counts the alerts of one kind within the story, from 1."""
    return digest("alert", topic_id, story_id, kind, str(number))


def delivery_id(alert_id: str, channel: str) -> str:
    """One alert on one channel: unique in the outbox, and the receiver's key for deduplication."""
    return digest("delivery", alert_id, channel)
