"""Markup from a feed into plain text that is safe to store, to embed and to hand to a channel."""

import html
import re
import unicodedata

import nh3

_BLOCKS = frozenset(
    "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer form h1"
    " h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
_UNREAD = {"script", "style", "noscript", "template", "iframe", "object", "svg", "math", "head", "title", "textarea"}
_BLOCK = re.compile(r"</?(?:" + "|".join(sorted(_BLOCKS)) + r")>")
_BREAK = re.compile(r"<br>")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n ?")
_PARAGRAPHS = re.compile(r"\n{2,}")
_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters but tab, line feed, return and next line
    "\u00ad\u200b\u2060-\u2064\ufeff"  # break words apart for a matcher and for nobody else
    "\u202a-\u202e\u2066-\u2069"  # turn the reading direction of what follows: a headline can lie with them
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # annotations and tags: text that nobody sees
    "\ud800-\udfff"  # halves of characters cannot be written as UTF-8
    "\ufdd0-\ufdef\ufffe\uffff"
    "]"
)


def plain(markup: str) -> str:
    """HTML as paragraphs, separated by blank lines. Scripts and styles are gone, entities decoded once."""
    if "<" not in markup and "&" not in markup:
        return tidy(markup)
    safe = nh3.clean(
        # an end of line means no more than a space in HTML
        _SPACES.sub(" ", markup.replace("\r", " ").replace("\n", " ")),
        tags=set(_BLOCKS) | {"br"},
        clean_content_tags=_UNREAD,
        attributes={},
        link_rel=None,
    )
    return tidy(html.unescape(_BREAK.sub("\n", _BLOCK.sub("\n\n", safe))))


def tidy(text: str) -> str:
    """Plain text with every paragraph on lines of its own and nothing invisible in it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    text = _LINES.sub("\n", _SPACES.sub(" ", text))
    return _PARAGRAPHS.sub("\n\n", text).strip()


def one_line(text: str) -> str:
    return " ".join(text.split())


def shortened(text: str, most: int) -> str:
    """At most ``most`` characters, cut between words and marked where anything was cut."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > most // 2 else cut).rstrip() + "…"
