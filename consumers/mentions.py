"""Where a text speaks of nations, and between which words."""

from dataclasses import dataclass

from consumers.nations import TOKEN, Form, Kind, case_matters, forms, tokens, undotted

Token = tuple[str, int, int]  # a word, its start and its end


@dataclass(frozen=True, slots=True)
class Mention:
    """A form in ``text[start:end]``, between the words ``before`` and ``after``, which are empty at a break."""

    form: Form
    start: int
    end: int
    before: str
    after: str
    first: bool  # of all words
    possessive: bool

    @property
    def kind(self) -> Kind:
        return self.form.kind


def mentions(text: str) -> tuple[Mention, ...]:
    """In order, the longest form first: "Papua New Guinea" is no Guinea. In small letters where they mean only that."""
    found = _found(text)
    if not found:
        return ()
    placed = [(match.group(), match.start(), match.end()) for match in TOKEN.finditer(text)]
    return tuple(_mention(text, placed, at, form) for at, form in found)


def nations_said(text: str) -> frozenset[str]:
    """All that it may speak of; four times as fast as their places."""
    return frozenset(nation for _, form in _found(text) for nation in (*form.nations, *form.hints))


def _found(text: str) -> list[tuple[int, Form]]:
    """With the number of the word that it begins with."""
    known = forms()
    words = tokens(text)
    found: list[tuple[int, Form]] = []
    last = 0
    for n, first in enumerate(map(str.lower, words)):
        if first in known and n >= last:
            for form in known[first]:
                if _stands(form, words, n):
                    last = n + len(form.words)
                    if form.nations or form.hints:
                        found.append((n, form))
                    break
    return found


def _stands(form: Form, words: list[str], at: int) -> bool:
    if at + len(form.words) > len(words):
        return False
    for n, word in enumerate(form.words, at):
        written = words[n]
        if written == word:
            continue
        written = undotted(written)
        if written.lower() != word.lower() or (written != word and not written.isupper() and word in case_matters()):
            return False
    return True


def _mention(text: str, tokens: list[Token], at: int, form: Form) -> Mention:
    start, end = tokens[at][1], tokens[at + len(form.words) - 1][2]
    following = at + len(form.words)
    possessive = text[end : end + 2] in ("'s", "’s") or (text[end - 1] == "s" and text[end : end + 2] in ("' ", "’ "))
    if possessive and following < len(tokens) and tokens[following][0] == "s":
        following += 1
    before = tokens[at - 1] if at and text[tokens[at - 1][2] : start].strip("-'\"‘“ ") == "" else None
    after = tokens[following] if following < len(tokens) else None
    if after is not None and text[end : after[1]].strip("-'’s ") != "":
        after = None
    return Mention(form, start, end, before[0] if before else "", after[0] if after else "", at == 0, possessive)
