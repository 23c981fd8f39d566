"""What a new revision of an article says otherwise than the one before."""

from collections.abc import Iterator

from consumers.facts import Findings, best_counts, chosen, counted, name_fact, nation_fact, sentence_of, stated
from consumers.facts_figures import differs, is_worth, said
from consumers.facts_known import IN_WORDS, Stated, Value
from consumers.facts_names import is_known
from consumers.model import Fact
from consumers.words import query_words

_NOT = frozenset("not no never won't doesn't didn't isn't aren't cannot against without".split())
_ALIKE = 0.5  # of two headlines' words: fewer in common, and it is another headline


def changes(before: Findings, after: Findings) -> tuple[Fact, ...]:
    """Wherever in the text: who edits an article means it. The most important first."""
    counts = tuple(_counts(before, after))
    acts = _acts(before, after, counted(counts))
    facts = chosen((*counts, *acts, *_names(before, after)))
    return facts or tuple(_headline(before, after))


def _counts(before: Findings, after: Findings) -> Iterator[Fact]:
    """A number in a new sentence takes the place of one that is no longer stated, or comes beside it."""
    old, now = stated(before), _sentences(after)
    told = _sentences(before)
    kept = {count.value_key for count in before.counts.every if count.sentence.text in now}
    fresh = (count for count in after.counts.every if count.sentence.text not in told and is_worth(count))
    for label, count in best_counts(count for count in fresh if count.value_key not in old).items():
        was = _figures(old, label)
        if not differs(count, [value for value, _ in was]):
            continue
        gone = _figures({value: each for value, each in old.items() if value not in kept}, label)
        yield after.fact(count.kind, count.key, said(count, gone), sentence_of(count, after))


def _figures(values: dict[Value, Stated], label: str) -> list[tuple[float, Stated]]:
    return [(float(figure), each) for (name, figure), each in values.items() if name == label and label not in IN_WORDS]


def _acts(before: Findings, after: Findings, told_as_counts: frozenset[str]) -> Iterator[Fact]:
    known = {act.key for act in before.acts.every} | told_as_counts
    told = _sentences(before)
    said_of: set[int] = set()
    for act in after.acts.every:
        if act.happens and act.key not in known and act.sentence not in told and act.number not in said_of:
            said_of.add(act.number)
            if not act.key.startswith("body "):
                yield after.fact(act.kind, act.key, act.text, act.sentence)


def _names(before: Findings, after: Findings) -> Iterator[Fact]:
    """In the headline alone: below it names come and go with every edit."""
    if not after.reading.english or before.reading.sentences[0].text == after.reading.sentences[0].text:
        return
    known = before.names.said
    yield from (nation_fact(after, each) for each in after.names.nations if each.in_title and each.key not in known)
    for name in after.names.prominent:
        if name.in_title and not is_known(name, known.__contains__):
            yield name_fact(after, name)


def _headline(before: Findings, after: Findings) -> Iterator[Fact]:
    old, new = before.reading.sentences[0].text, after.reading.sentences[0].text
    ours, theirs = ({word.stem for word in query_words(text)} for text in (new, old))
    turned = _NOT.isdisjoint(old.lower().split()) != _NOT.isdisjoint(new.lower().split())
    if turned or (ours and theirs and len(ours & theirs) < _ALIKE * min(len(ours), len(theirs))):
        yield after.fact("changed", f"headline {' '.join(sorted(ours))[:100]}", f"headline: {new[:90]}", new)


def _sentences(found: Findings) -> frozenset[str]:
    return frozenset(sentence.text for sentence in found.reading.sentences)
