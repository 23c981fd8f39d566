"""What newspapers say about their own reports: corrections and retractions."""

import re
from binascii import crc32

from consumers.facts_reading import words_in
from consumers.model import FactKind

_CORRECTED = re.compile(
    r"\bcorrect(?:ion|ed)s?(?::| ?[-–—])|\bclarification:|"
    r"\beditor['’]?s['’]? note\b(?=.{0,200}(?:correct|error|update|earlier|mistake|wrong|misstated))|"
    r"\b(?:article|story|report|version|post|headline) (?:has been|was|have been) "
    r"(?:corrected|amended|updated to correct)|"
    r"\bearlier version of th(?:is|e) "
    r"(?:article|story|report|post|column|headline|page|piece|dispatch|video|caption|map|graphic)\b",
    re.IGNORECASE,
)
_RETRACTED = re.compile(
    r"\bretract(?:s|ed|ing)?\b(?=.{0,80}\b(?:story|stories|article|report|study|paper|claims?|account)\b)|"
    r"\b(?:article|story|report|study|paper)\b.{0,20}\b(?:has been|have been|was|is) (?:withdrawn|retracted|removed)\b|"
    r"\bno longer stands? by\b|\bwithdr(?:ew|awn|aws)\b (?:an?|its|the|this|our) (?:article|story|report)\b",
    re.IGNORECASE,
)
# Looked for first: most sentences have none of them, and that is found thirty times as fast.
_HINTS_CORRECTED = ("orrect", "ORRECT", "larification", "note", "earlier version")
_HINTS_RETRACTED = ("etract", "ithdr", "no longer", "emoved")
_HINTS = _HINTS_CORRECTED + _HINTS_RETRACTED
_OURS = ("We ", " we ", "his article", "his report", "his story")


def may_note(text: str) -> bool:
    return any(hint in text for hint in _HINTS)


def note_in(sentence: str, leads: bool) -> tuple[FactKind, str] | None:
    """Its kind and the key of what it says. Behind the lead a report speaks only of its own retraction."""
    if any(hint in sentence for hint in _HINTS_RETRACTED) and _RETRACTED.search(sentence):
        if leads or any(hint in sentence for hint in _OURS):
            return "retraction", "retraction"
    elif any(hint in sentence for hint in _HINTS_CORRECTED) and _CORRECTED.search(sentence):
        words = sorted({word.lower() for word in words_in(sentence) if len(word) > 3})
        return "correction", f"correction {crc32(' '.join(words).encode('utf-8', 'surrogatepass')):08x}"
    return None
