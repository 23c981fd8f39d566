"""Where a text speaks of nations, and between which words."""

from dataclasses import dataclass

from consumers.nations import TOKEN, Form, Kind, case_matters, forms

_GAP = 2  # characters between the words of one name
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
    """In order, the longest form first: "Papua New Guinea" is no Guinea. Small letters do where they mean nothing else."""
    tokens = [(match.group(), match.start(), match.end()) for match in TOKEN.finditer(text)]
    known = forms()
    found: list[Mention] = []
    n = 0
    while n < len(tokens):
        candidates = known.get(tokens[n][0].replace(".", "").lower())
        form = next((each for each in candidates if _stands(each, tokens, n)), None) if candidates else None
        if form is None:
            n += 1
            continue
        if form.nations or form.hints:
            found.append(_mention(text, tokens, n, form))
        n += len(form.words)
    return tuple(found)


def _stands(form: Form, tokens: list[Token], at: int) -> bool:
    if at + len(form.words) > len(tokens):
        return False
    for n, word in enumerate(form.words, at):
        written = tokens[n][0].replace(".", "")
        if written.lower() != word.lower() or (n > at and tokens[n][1] - tokens[n - 1][2] > _GAP):
            return False
        if written == word or written.isupper() or word not in case_matters():
            continue
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
