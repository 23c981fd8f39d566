"""What a headline says happened in a verb that means much or little: "Ostland rejects constitution".

Such verbs are acts where certain words stand near (``consumers.facts_verbs``). Where they do not, headline and lead
must agree: the one has the verb in the present, the other in the past, and no report of the story has used it. With any
verb at all 26 more of 2,228 reports would be told, most of them the same event in other words.
"""

from collections.abc import Iterator

from consumers.facts_known import Known
from consumers.facts_reading import Sentence
from consumers.facts_verbs import ARTICLES, HEADLINE_ONLY, NOT_YET, SPOKEN, TALK, VERBS
from consumers.model import FactKind
from consumers.words import stem

_NEVER = SPOKEN | TALK | HEADLINE_ONLY | {"free", "claim"}  # said of so much that agreement proves nothing


def agreed_acts(title: Sentence, lead: Sentence, known: Known) -> Iterator[tuple[str, FactKind]]:
    """Acts with their kinds, in the order of the headline."""
    for at, word in enumerate(title.lower[1:], 1):
        if not word.endswith("s") or word == "breaks" or title.lower[at - 1] in ARTICLES | NOT_YET:
            continue
        for act, kind, near in VERBS.get(word, ()):
            past = act not in _NEVER and near and _has_past(lead, act)
            if past and f"act {act}" not in known.said and not known.has_word(stem(word)):
                yield act, kind


def _has_past(lead: Sentence, act: str) -> bool:
    """ "Rejected"; not "to reject", nor "a rejected plan"."""
    for at, word in enumerate(lead.lower):
        if word.endswith("s") or lead.lower[max(0, at - 1) : at] in (("to",), ("a",), ("the",)):
            continue
        if any(each == act for each, _, _ in VERBS.get(word, ())):
            return True
    return False
