"""A record as bytes that a broker takes: what is too long is cut, and the cut is marked."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from consumers.model import Article, Match, Passage, Stream
from daemon.log.codec import encode
from daemon.wire import to_json

T = TypeVar("T")

MARK = "…"
"""Where a text was cut: the same as in ``daemon.fetch.text``."""

# What may be cut, the least needed first. Nothing of a topic: a shorter one would watch for something else.
_TEXTS: Mapping[type, tuple[str, ...]] = {
    Article: ("text", "title"),
    Match: ("article.text", "article.title", "passage.text"),
}


def fitted(stream: Stream[T], record: T, limit: int) -> bytes:
    """The record as ``encode`` writes it, in at most ``limit`` bytes; unchanged where it fits.

    Raises ``ValueError`` where it does not fit and nothing more can be cut, and for text that is not Unicode (a lone
    surrogate).
    """
    payload = encode(stream, record)
    for text in _TEXTS.get(type(record), ()):
        if len(payload) <= limit:
            break
        record = _shorter(record, text, by=len(payload) - limit)
        payload = encode(stream, record)
    if len(payload) > limit:
        raise ValueError(
            f"a record of the stream {stream.name} takes {len(payload)} bytes where {limit} are allowed, and nothing "
            "more of it can be cut: raise max_record in [log]"
        )
    return payload


def _shorter(value: Any, text: str, *, by: int) -> Any:
    """``value`` with the text at that dotted name shorter by that many bytes of JSON, or as short as it can be."""
    name, _, rest = text.partition(".")
    inner = getattr(value, name)
    if rest:
        return replace(value, **{name: _shorter(inner, rest, by=by)})
    cut = _cut(inner, _size(inner) - by)
    if isinstance(value, Passage):
        kept = len(cut) - (cut != inner)
        marks = tuple((start, min(end, kept)) for start, end in value.marks if start < kept)
        return replace(value, text=cut, marks=marks)
    return replace(value, **{name: cut})


def _cut(text: str, most: int) -> str:
    """``text`` in at most ``most`` bytes of JSON, cut between words where that costs less than half of it.

    Longer only where nothing but the mark is left of it, or it was no longer than the mark.
    """
    room = most - _size(MARK)
    if _size(text) <= max(most, _size(MARK)):
        return text
    end = max(0, bisect_right(range(len(text) + 1), room, key=lambda characters: _size(text[:characters])) - 1)
    between = max(text.rfind(" ", 0, end + 1), text.rfind("\n", 0, end + 1))
    return text[: between if between > end // 2 else end].rstrip() + MARK


def _size(text: str) -> int:
    """Bytes of the text in JSON, without its quotes: a quote or a line's end takes two, a "ж" two, an emoji four."""
    return len(to_json(text)) - 2
