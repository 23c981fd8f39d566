"""An article into the texts that are embedded: the whole, the title, and passages of three sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from consumers.model import Article, Passage

WHOLE_WORDS = 200  # beyond them the model's 256 tokens are full
SENTENCES = 3
PASSAGE_CHARS = 800  # about 200 tokens: the title in front still fits
MAX_PASSAGES = 24
MAX_CHARS = 200_000  # a book of a feed item is read this far
MAX_TITLE = 500


@dataclass(frozen=True, slots=True)
class ArticleTexts:
    """``embedded`` is in the order of an article's archived vectors: whole, title, then each passage.

    The first passage is embedded behind the title, so that a short item's whole and only passage are one text.
    """

    title: str
    passages: tuple[Passage, ...]
    embedded: tuple[str, ...]


def texts_of(article: Article) -> ArticleTexts:
    """Page furniture weighs nothing; more than ``MAX_PASSAGES`` passages are thinned out evenly, the lead stays.

    An article without any text has one empty passage.
    """
    title = " ".join(article.title[:MAX_TITLE].split())
    body = article.text[:MAX_CHARS].lstrip()
    if title and body.startswith(title):  # most summaries repeat their headline
        body = body[len(title) :].lstrip(" .:–—-")
    spoken = list(_sentences_of(body, title))
    groups = list(_grouped(spoken)) or [title]
    chosen = _spread(len(groups), MAX_PASSAGES)
    passages = tuple(Passage(text=groups[n], number=n + 1, of=len(groups)) for n in chosen)
    whole = _headed(title, _first_words(spoken))
    lead = _headed(title, groups[0]) if spoken else title
    return ArticleTexts(title, passages, (whole, title or lead, lead, *(passage.text for passage in passages[1:])))


def _headed(title: str, text: str) -> str:
    return f"{title}. {text}" if title and text else title or text


def _first_words(sentences: list[str]) -> str:
    words: list[str] = []
    for sentence in sentences:
        words.extend(sentence.split())
        if len(words) >= WHOLE_WORDS:
            break
    return " ".join(words[:WHOLE_WORDS])


def _spread(count: int, limit: int) -> list[int]:
    if count <= limit:
        return list(range(count))
    return sorted({round(n * (count - 1) / (limit - 1)) for n in range(limit)})


def _grouped(sentences: list[str]) -> Iterator[str]:
    group: list[str] = []
    for sentence in sentences:
        size = sum(map(len, group)) + len(group)
        if group and (len(group) == SENTENCES or size + len(sentence) > PASSAGE_CHARS):
            yield " ".join(group)
            group = []
        group.append(sentence)
    if group:
        yield " ".join(group)


# -- sentences

_BLANK_LINE = re.compile(r"\n\s*\n")
_ENDED = re.compile(r"""[.!?…。！？؟।:;]['"’”»)\]]*$""")
_END = re.compile(  # one look at a run of dots: a megabyte of them costs no more than a megabyte of words
    # Its first character is taken before anything else is asked: eight times as fast as with the question first.
    r"""[.!?…؟।。！？](?:(?<=[.!?…؟।])(?<![.!?…؟।][.!?…؟।])[.!?…؟।]*+['"’”»)\]]*+(?=\s)|"""
    r"""(?<=[。！？])(?<![。！？][。！？])[。！？]*+[」』”’]*+)\s*+"""
)
_ABBREVIATION = re.compile(  # the dot belongs to the word: titles, months, initials (U.S., J. R.), "No. 5"
    r"(?:^|[\s(\"'“‘])(?:(?:mr|mrs|ms|dr|prof|rev|gen|col|lt|sgt|capt|maj|adm|cmdr|sen|rep|gov|pres|st|jr|sr|hon|"
    r"messrs|mt|ft|no|vs|etc|e\.g|i\.e|approx|dept|est|inc|ltd|co|corp|bros|fig|vol|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)|(?:[^\W\d_]\.)*[^\W\d_])\.$",
    re.IGNORECASE,
)


def sentences(paragraph: str) -> Iterator[str]:
    """The sentences of one paragraph, each at most ``PASSAGE_CHARS`` long. In doubt two stay one."""
    start = 0
    for end in _END.finditer(paragraph):
        following = paragraph[end.end() : end.end() + 1]
        if following.islower() or _ABBREVIATION.search(paragraph[max(start, end.start() - 12) : end.start() + 1]):
            continue
        yield from _bounded(paragraph[start : end.end()].strip())
        start = end.end()
    yield from _bounded(paragraph[start:].strip())


def _bounded(sentence: str) -> Iterator[str]:
    while len(sentence) > PASSAGE_CHARS:
        cut = sentence.rfind(" ", 1, PASSAGE_CHARS)
        cut = cut if cut > 0 else PASSAGE_CHARS
        yield sentence[:cut]
        sentence = sentence[cut:].lstrip()
    if sentence:
        yield sentence


def _sentences_of(text: str, title: str) -> Iterator[str]:
    told: set[str] = set()
    for paragraph in _paragraphs(text, title):
        for sentence in sentences(paragraph):
            if sentence not in told:  # a teaser repeated at the foot, a caption given twice
                told.add(sentence)
                yield sentence


def _paragraphs(text: str, title: str) -> Iterator[str]:
    for block in _BLANK_LINE.split(text):
        kept: list[str] = []
        for line in block.splitlines():
            spoken = " ".join(line.split())
            if not spoken or is_furniture(spoken) or spoken == title:
                continue
            kept.append(spoken)
            if _ENDED.search(spoken):
                yield " ".join(kept)
                kept = []
        if kept:
            yield " ".join(kept)


# -- what a page carries beside its article

_LABEL = re.compile(  # a line that is only this
    r"""(?:
      (?:please[ ])?(?:share|tweet|pin|e-?mail|print|comments?|reply|save|like|follow)
        (?:[ ](?:this(?:[ ]\w+){0,2}|(?:us[ ])?(?:on|via|with)[ ][\w,/ ]{1,40}))?
    | advertisements? | ads? | sponsored(?:[ ]content)? | promoted | newsletters? | getty[ ]images
    | skip[ ]to[ ](?:main[ ])?content | back[ ]to[ ]top | loading | menu | search | home | close | next | previous
    | most[ ](?:read|popular|viewed) | you[ ](?:may|might)[ ]also[ ](?:like|be[ ]interested[ ]in)
    | \d+[ ](?:min(?:ute)?s?[ ]read|comments?|shares?|likes?)
    | all[ ]rights[ ]reserved
    )[.!:…»>→]*""",
    re.IGNORECASE | re.VERBOSE,
)
_CALL = re.compile(  # a line that begins so, and is no sentence
    r"""(?:
      (?:read|see|view|load|show|find[ ]out|learn)[ ](?:more|also|all|next|comments)\b
    | (?:related|recommended|more|latest|popular|trending|top)
        [ ](?:articles?|stories|news|topics?|content|posts?|from)\b
    | continue[ ]reading\b | story[ ]continues[ ]below\b | (?:click|tap)[ ]here\b
    | (?:image|photo|picture|video|file[ ]photo)[ ](?:credit|caption|copyright|by|courtesy)\b
    )[^.!?]{0,100}[…»>→]*""",
    re.IGNORECASE | re.VERBOSE,
)
_NOTICE = re.compile(  # may be a sentence
    r"""(?:
      (?:sign|log)[ ]?(?:up|in)[ ](?:for|to|with|now|here)\b | subscribe\b | (?:get|join)[ ]our[ ](?:newsletter|app)\b
    | (?:we|this[ ](?:web)?site|our[ ]partners)\b.{0,30}\buses?[ ]cookies\b | (?:accept|reject|manage)\b.{0,20}\bcookies
    | © | \(c\)[ ] | copyright[ ](?:©|\d)
    | (?:updated|published|posted|last[ ]modified)(?::|[ ](?:on|at)?)[ ]?[\w, ]{0,20}\d
    ).{0,160}""",
    re.IGNORECASE | re.VERBOSE,
)
_BYLINE = re.compile(
    r"(?:By|Von|Par|Por)(?: (?:and|for|the|of|de|da|di|van|von|bin|al|[^\W\d_a-z][\w'’.\-]*),?){1,8}"
    r"(?: ?[|/–-] ?[\w .]{1,40})?"
)


def is_furniture(line: str) -> bool:
    """Whether a line belongs to the page: a button, an advertisement's label, a cookie notice, a byline alone."""
    return len(line) <= 200 and any(kind.fullmatch(line) for kind in (_LABEL, _CALL, _NOTICE, _BYLINE))
