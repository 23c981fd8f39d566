"""What is no report of something new: opinions, explainers, captions, what a page says about itself."""

import re
from collections.abc import Iterable

_COMMENT_TITLE = re.compile(
    r"^(?:opinion|op-ed|editorial|column|commentary|perspective|review|letters?|analysis|podcast|quiz)\b ?[:|–—-]|"
    r"[|–—-] ?(?:opinion|editorial|commentary)$|\((?:opinion|commentary)\)",
    re.IGNORECASE,
)
_COMMENT_URL = re.compile(r"/(?:opinions?|commentary|comment|commentisfree|editorials?|columnists?|op-ed|blogs?)/")
_COMMENT_TEXT = re.compile(
    r"\b(?:views|opinions) expressed\b|\bis a columnist\b|\bopinion contributor\b|\bthe author(?:'s|’s) own\b|"
    r"\bnot necessarily (?:reflect|those of)\b",
    re.IGNORECASE,
)
# Looked for first, a hundred times as fast.
_COMMENT_HINTS = ("expressed", "columnist", "contributor", "author", "necessarily", "EXPRESSED")
_EXPLAINER_TITLE = re.compile(
    r"^(?:\d+|five|six|seven|ten|three|four) (?:things|takeaways|facts|questions|ways|reasons|charts|photos)\b|"
    r"\bwhat (?:we|you need to|to) know\b|\bthings to know\b|[:,] explained\b|\bexplained$|\bexplainer\b|"
    r"\bhere(?:'s|’s| is| are) (?:what|why|how|everything)\b|(?-i:^(?:What|Why|How|Who)) [a-z'’]+ |^inside the\b|"
    r"\bin (?:pictures|photos)\b|^timeline\b|^fact.?check\b|^profile:|^live(?: updates)?:|\blive updates\b",
    re.IGNORECASE,
)
_FURNITURE = re.compile(
    r"\b(?:Getty Images|AFP/Getty|file photo|Picture showing|Photo by|Enlarge this image|toggle caption|WATCH|RELATED|"
    r"READ MORE|Read [Mm]ore|See also|Sign up|contributed to this report|dditional reporting|All rights reserved|"
    r"Follow (?:him|her|us|me) on|Most read)\b|\b(?:[Ii]mage caption|Photograph(?:s|er)?:|Photos?:|Image:|Newsletter:)|"
    r"\bADVERTISEMENT\b|^AdvertisementContinue|^Share\b|/Getty\b|\bdpa/|\bAP Photo|^Media playback",
)
_FURNITURE_HINTS = (
    "etty", "file photo", "icture showing", "nlarge this", "toggle", "aption", "hoto", "mage:", "WATCH", "RELATED",
    "ead more", "ead More", "READ MORE", "ee also", "ign up", "ewsletter", "contributed to", "dditional rep",
    "All rights", "ollow ", "ost read", "DVERT", "dvertisement", "Share", "dpa/", "playback",
)  # fmt: skip
# "Sessions Jefferson (Jeff) Beauregard SessionsMedill dean troubled": links that were glued to the text.
_JOINED = re.compile("[a-z][a-z][A-Z][a-z]")
_GLUED = re.compile(r"\b([A-Z][a-z]{2,})\b.*?\b\1[A-Z][a-z]")
_FURNITURE_CHARS = 1500  # of a text: below it furniture is taken for no news
_SIGNED_CHARS = 1500  # at its end: who wrote it
_I = frozenset("i i'm i've i'd my me we we're we've our you your you're ourselves myself".split())
_SPOKEN = 3  # sentences without quotation marks in which the writer speaks: a comment
_QUOTES = re.compile('["“”‘«»]')


def is_comment(title: str, url: str, text: str, sentences: Iterable[tuple[str, tuple[str, ...]]]) -> bool:
    """``sentences``: with their words in small letters. Opinions, and whatever is told by its writer in person."""
    if _COMMENT_TITLE.search(title) or _COMMENT_URL.search(url) or _says_comment(text):
        return True
    spoken = sum(not _I.isdisjoint(words) and not _QUOTES.search(written) for written, words in sentences)
    return spoken >= _SPOKEN


def _says_comment(text: str) -> bool:
    text = text[-_SIGNED_CHARS:]
    return any(hint in text for hint in _COMMENT_HINTS) and _COMMENT_TEXT.search(text) is not None


def is_explainer(title: str) -> bool:
    return title.endswith("?") or _EXPLAINER_TITLE.search(title) is not None


class Furniture:
    """Captions, credits and links of one text. What its beginning has none of is looked for in no sentence."""

    def __init__(self, text: str) -> None:
        beginning = text[:_FURNITURE_CHARS]
        self._hints = tuple(hint for hint in _FURNITURE_HINTS if hint in beginning)
        self._joined = _JOINED.search(beginning) is not None

    def has(self, sentence: str) -> bool:
        if self._joined and _JOINED.search(sentence) and _GLUED.search(sentence):
            return True
        return any(hint in sentence for hint in self._hints) and _FURNITURE.search(sentence) is not None
