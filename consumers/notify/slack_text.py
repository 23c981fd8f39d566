"""The pieces that Slack messages are made of: escaped text, links, plain blocks, and what fits into one message.

https://docs.slack.dev/reference/block-kit/blocks: at most 50 blocks, 3,000 characters of section text, 10 elements in
a context. The blocks of one message together fail near 13,000 characters (slackapi/bolt-js #2509), so they stay below
10,000, counted as JSON. Lengths count after escaping, in UTF-16 units, the dearest way to count.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Block = dict[str, Any]

MOST = 9_900  # of all blocks of a message, as JSON
MOST_BLOCKS = 50

# Slack asks for these three to be escaped and nothing else; that also defuses <!channel>, <@U…> and links:
# https://docs.slack.dev/messaging/formatting-message-text#escaping
PLAIN = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Formatting characters cannot be escaped, so an article's own are shown by their nearest look-alikes.
_LOOKALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}
_WITHIN_A_WORD = re.compile(r"(?<=[^\W_])_(?=[^\W_])")  # formats nothing, as in "not_in_channel"
_FORMATTED = PLAIN | _LOOKALIKES


def escape(text: str, limit: int, pieces: Mapping[str, str] = _FORMATTED) -> str:
    """``text`` that Slack shows as it is, cut so that the escaped form is at most ``limit`` UTF-16 units."""
    out: list[str] = []
    left = limit - 1
    for char in _WITHIN_A_WORD.sub("\0", text):
        piece = "_" if char == "\0" else pieces.get(char, char)
        left -= len(piece) + (ord(char) > 0xFFFF)
        if left < 0:
            return "".join(out).rstrip() + "…"
        out.append(piece)
    return "".join(out)


def link(url: str, shown: str, room: int = 1000) -> str:
    """``shown`` with a link where the address, escaped, has at most ``room`` characters; else ``shown`` alone.

    ``url`` is one of ``wording.safe_url``: it holds neither ``|`` nor ``>``. ``shown`` is escaped already.
    """
    address = url.replace("&", "&amp;")
    return f"<{address}|{shown}>" if address and len(address) <= room else shown


def section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def packed(lines: Iterable[str], room: int) -> Iterator[str]:
    """As few texts of at most ``room`` units as they take. A line stays whole unless it is longer than that."""
    text = ""
    for line in lines:
        line = _cut(line, room)
        if text and units(text) + 1 + units(line) > room:
            yield text
            text = ""
        text = f"{text}\n{line}" if text else line
    if text:
        yield text


def units(text: str) -> int:
    return len(text) + sum(ord(char) > 0xFFFF for char in text)


def size(blocks: Sequence[Block]) -> int:
    return units(json.dumps(blocks, ensure_ascii=False))


def fitting(parts: Sequence[tuple[int, Block]]) -> list[Block]:
    """The blocks, in their order, without the most dispensable ones where all are too much for one message.

    Each comes with a number: 0 stays, of the others the highest goes first.
    """
    kept = list(parts)
    while size([block for _, block in kept]) > MOST and any(rank for rank, _ in kept):
        kept.remove(max(kept, key=lambda part: part[0]))
    return [block for _, block in kept]


def _cut(line: str, room: int) -> str:
    """Never within a link or an entity, which would show its inside."""
    if units(line) <= room:
        return line
    head = line[: room // 2] if units(line[:room]) > room else line[: room - 1]
    for start, end in (("<", ">"), ("&", ";")):
        if head.rfind(start) > head.rfind(end):
            head = head[: head.rfind(start)]
    return head.rstrip() + "…"


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}  # verbatim: a bare "#desk" or address is not linked
