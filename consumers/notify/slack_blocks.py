"""An alert in Slack's Block Kit, within the documented limits whatever the article holds.

https://docs.slack.dev/reference/block-kit/blocks: at most 50 blocks, 3,000 characters of section text, 10 elements in
a context. The blocks of one message together fail near 13,000 characters (slackapi/bolt-js #2509); the lengths below
add up to less than 10,000. Lengths count after escaping, in UTF-16 units, the dearest way to count.
"""

import re
from collections.abc import Mapping
from typing import Any

from consumers.model import Message, Notice
from consumers.notify import wording

Block = dict[str, Any]

FALLBACK = 3000  # of `text`, which notifications and screen readers use
_HEADING, _HEADLINE, _QUOTE, _SOURCES, _WHY, _NOTICE = 500, 900, 1800, 1400, 900, 2500

# Slack asks for these three to be escaped and nothing else; that also defuses <!channel>, <@U…> and links:
# https://docs.slack.dev/messaging/formatting-message-text#escaping
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Formatting characters cannot be escaped, so an article's own are shown by their nearest look-alikes.
_LOOKALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}
_WITHIN_A_WORD = re.compile(r"(?<=[^\W_])_(?=[^\W_])")  # formats nothing, as in "not_in_channel"
_PIECES = _ESCAPES | _LOOKALIKES


def blocks(message: Message | Notice, now: float) -> list[Block]:
    return _notice(message) if isinstance(message, Notice) else _alert(message, now)


def fallback(message: Message | Notice) -> str:
    """The message in plain text, for `text`."""
    if isinstance(message, Notice):
        parts = [wording.sentence(message), " ".join(wording.paragraphs(message.text, 1000))]
    else:
        repeat = wording.REPEAT if message.possible_repeat else ""
        parts = [wording.sentence(message), wording.tally(message), wording.safe_url(message.url), repeat]
    return escape(" ".join(filter(None, parts)), FALLBACK, _ESCAPES)


def metadata(message: Message | Notice) -> dict[str, object]:
    """Travels with the message unseen, so that the channel can be asked for it after a crash."""
    return {"event_type": "wirewatch_alert", "event_payload": {"delivery_id": message.delivery_id}}


def escape(text: str, limit: int, pieces: Mapping[str, str] = _PIECES) -> str:
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


def _alert(message: Message, now: float) -> list[Block]:
    made: list[Block] = [_context(f"*{escape(wording.topic(message), _HEADING)}* · {wording.moment(message, now)}")]
    if message.possible_repeat:
        made.append(_context(f":warning: {wording.REPEAT}"))
    headline = escape(wording.headline(message), _HEADLINE)
    url = wording.safe_url(message.url)
    lines = (f"*{_link(url, headline) if url else headline}*", wording.tally(message))
    made.append(_section("\n".join(filter(None, lines))))
    if quote := _quote(message):
        made.append(_section(f">{quote}"))
    reports, more = wording.listed(message.reports)
    sources = [wording.source(report, now) for report in reports] + ([more] if more else [])
    footer = (escape(" · ".join(sources), _SOURCES), escape(wording.why(message), _WHY))
    made.extend(_context(text) for text in footer if text)
    if page := wording.safe_url(message.page):
        made.append(_context(_link(page, "Open on the Wirewatch page")))
    return made


def _quote(message: Message) -> str:
    """The marked words in bold. Too long after escaping, it loses its marks rather than its meaning."""
    spans = wording.quotation(message.passage)
    shown = [(escape(span.text, _QUOTE), span.marked) for span in spans]
    text = "".join(f"*{piece}*" if marked else piece for piece, marked in shown)
    return text if _units(text) <= _QUOTE else escape("".join(span.text for span in spans), _QUOTE)


def _notice(notice: Notice) -> list[Block]:
    text = "\n".join(wording.paragraphs(notice.text, 1000))
    return [
        _context(f":information_source: *Wirewatch* · {escape(wording.one_line(notice.title, 200), _HEADING)}"),
        _section(escape(text, _NOTICE) or "(no text)"),
    ]


def _link(url: str, shown: str) -> str:
    """``url`` is one of ``wording.safe_url``: it holds neither ``|`` nor ``>``."""
    return f"<{url.replace('&', '&amp;')}|{shown}>"


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}  # verbatim: a bare "#desk" or address is not linked


def _units(text: str) -> int:
    return len(text) + sum(ord(char) > 0xFFFF for char in text)
