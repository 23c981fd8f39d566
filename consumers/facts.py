"""Which of the things that a report says are new to its story, and would be missed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from consumers.facts_acts import Act, Acts, short
from consumers.facts_count_words import DISTANCES, GROWING
from consumers.facts_counts import Count, Counts
from consumers.facts_figures import is_early, is_new, said
from consumers.facts_headline import agreed_acts
from consumers.facts_known import BARE, Known, Stated, Value
from consumers.facts_name_runs import Name
from consumers.facts_names import Names, Nation, is_known
from consumers.facts_reading import Reading, meant, quote
from consumers.facts_verbs import KIN, SAYING, STAGES, TALK
from consumers.model import Fact, FactKind
from consumers.nations import shown

MAX_FACTS = 6
_MOST = {"toll": 3, "number": 2, "place": 2, "actor": 2}  # of one kind; of the others one
_ORDER: tuple[FactKind, ...] = (
    "retraction",
    "correction",
    "toll",
    "reversal",
    "sum",
    "number",
    "statement",
    "place",
    "actor",
    "changed",
)
_AS_GOOD_AS = ("resign", "sue")  # done once it is said that they will be
_COUNTED = {"act arrest": "arrested", "act free": "released"}  # what "140 arrested" says as well
_NO_ARROW = DISTANCES | {"%"}  # of sums, too: two of them seldom are of the same thing
_NEW_WORDS, _NEW_SHARE = 2, 0.4  # of a headline
_NEW_IN_LEAD = 4  # words of a lead that says in other words what an official says in the headline
_QUOTED_SHARE = 0.5  # of it, where the lead begins with a quotation
_TALK_SHARE = 0.3  # of it, where somebody accuses somebody
_BARE_LEAD = 2  # sentences
_EPOCH = 1e11  # seconds: no article is older or newer


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that is looked for in one article."""

    reading: Reading
    counts: Counts
    names: Names
    acts: Acts

    def fact(self, kind: FactKind, key: str, text: str, sentence: str) -> Fact:
        article = self.reading.article
        return Fact(
            key=key,
            kind=kind,
            text=text,
            quote=quote(sentence),
            source=article.source,
            url=article.url,
            at=self.reading.at,
        )


def findings(reading: Reading) -> Findings:
    return Findings(reading, Counts(reading), Names(reading), Acts(reading))


def stated(found: Findings) -> dict[Value, Stated]:
    """The numbers of one article; the first sentence that has one counts."""
    at = found.reading.at
    seconds = int(min(max(at, -_EPOCH), _EPOCH)) if isfinite(at) else 0
    values: dict[Value, Stated] = {}
    for count in found.counts.every:
        lowered = count.lowers and is_early(count)
        marks = "-" * count.sentence.past + "<" * lowered + "~" * (count.precision == "vague")
        values.setdefault(count.value_key, Stated(seconds, marks))
    return values


def new_in(found: Findings, known: Known) -> tuple[Fact, ...]:
    """The most important first, at most ``MAX_FACTS``."""
    if not found.reading.reports:
        return chosen(_new_notes(found, known))
    counts = tuple(_new_counts(found, known))
    acts = _new_acts(found, known, counted(counts))
    names = _new_names(found, known) if found.reading.english else ()
    return chosen((*counts, *acts, *names)) or tuple(_agreed(found, known))[:1] or tuple(_new_statement(found, known))


def chosen(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    made = list(facts)
    kept: list[Fact] = []
    for kind in _ORDER:
        kept += [fact for fact in made if fact.kind == kind][: _MOST.get(kind, 1)]
    return tuple(kept[:MAX_FACTS])


def counted(counts: Iterable[Fact]) -> frozenset[str]:
    """Acts that these say as well."""
    labels = {fact.key.partition("=")[0] for fact in counts}
    return frozenset(act for act, label in _COUNTED.items() if label in labels)


def best_counts(counts: Iterable[Count]) -> dict[str, Count]:
    """One of each label: the headline's, else of a growing count the greatest, else the first."""
    best: dict[str, Count] = {}
    for count in counts:
        label = count.value_key[0]
        mine = best.get(label)
        if mine is None or (count.label in GROWING and count.value > mine.value and mine.sentence.number > 0):
            best[label] = count
    if "toll" in best:
        best.pop("more", None)
    return best


def _new_counts(found: Findings, known: Known) -> Iterator[Fact]:
    new = (
        count for count in found.counts.every if is_new(count, known, found.reading.at) and _is_said_twice(count, found)
    )
    for count in best_counts(new).values():
        replaced = [] if count.kind == "sum" or count.label in _NO_ARROW else known.figures(count.label)
        yield found.fact(count.kind, count.key, said(count, replaced), sentence_of(count, found))


def _is_said_twice(count: Count, found: Findings) -> bool:
    """A figure of anything is told where headline and lead have it, and nothing tells what it is of."""
    if count.label != BARE:
        return True
    lead = found.reading.sentences[1 : _BARE_LEAD + 1]
    same = [each for each in found.counts.every if each.value == count.value]
    return all(each.label == BARE for each in same) and any(each.sentence in lead for each in same)


def sentence_of(count: Count, found: Findings) -> str:
    """A sentence of the text says more than the headline."""
    same = (each for each in found.counts.every if each.value_key == count.value_key and each.sentence.number)
    best = count.sentence if count.sentence.number else next(same, count).sentence
    return best.text


def _new_acts(found: Findings, known: Known, told_as_counts: frozenset[str]) -> Iterator[Fact]:
    """One for each sentence; that a body speaks is told where nothing else is."""
    told: set[int] = set()
    passed = implied(known.said) | told_as_counts
    every = found.acts.every
    for act in sorted(every, key=_is_body):
        if act.verb in TALK and not _says_new(found, known, _TALK_SHARE):
            continue
        if act.leads and act.key not in passed and act.number not in told and not (told and _is_body(act)):
            told.add(act.number)
            text = short(found.reading.sentences[0].text) if _is_body(act) else act.text
            yield found.fact(act.kind, act.key, text, _better(act, every))


def _new_notes(found: Findings, known: Known) -> Iterator[Fact]:
    """All that is told of a comment: that it is corrected or retracted."""
    for act in found.acts.every:
        if act.kind in ("correction", "retraction") and act.key not in known.said:
            yield found.fact(act.kind, act.key, act.text, act.sentence)


@lru_cache(maxsize=256)  # a story's is asked for with every report
def implied(said: frozenset[str]) -> frozenset[str]:
    """Acts that need not be told: these, their kin, and what must have gone before."""
    verbs = {key.removeprefix("act ") for key in said}
    verbs |= {verb for verb in _AS_GOOD_AS if f"will {verb}" in verbs}
    kin = {each for verb in verbs for each in KIN.get(verb, ())}
    before = STAGES[: max((STAGES.index(verb) for verb in verbs if verb in STAGES), default=0)]
    return said | {f"act {verb}" for verb in (*kin, *before, *(f"will {verb}" for verb in verbs))}


def _is_body(act: Act) -> bool:
    return act.key.startswith("body ")


def _better(act: Act, every: tuple[Act, ...]) -> str:
    """The same of an act."""
    if act.number:
        return act.sentence
    return next((each.sentence for each in every if each.key == act.key and each.number > 0), act.sentence)


def _new_statement(found: Findings, known: Known) -> Iterator[Fact]:
    """An official says what no report said before: half of the headline is new to the story, and the lead says it."""
    if not (found.acts.is_official and found.reading.english):
        return
    title, lead = found.reading.sentences[:2]
    quoted = lead.text.startswith(('"', "“", "'", "‘"))  # what somebody thinks of it
    if new := _says_new(found, known, _QUOTED_SHARE if quoted else _NEW_SHARE):
        yield found.fact("statement", f"says {' '.join(sorted(new))[:80]}", short(title.text), lead.text)


def _agreed(found: Findings, known: Known) -> Iterator[Fact]:
    if not found.reading.english or len(found.reading.sentences) < 2:
        return
    title, lead = found.reading.sentences[:2]
    passed = implied(known.said)
    for act, kind in () if lead.past else agreed_acts(title, lead, known):
        if f"act {act}" not in passed:
            yield found.fact(kind, f"act {act}", short(title.text), lead.text)


def _says_new(found: Findings, known: Known, share: float) -> frozenset[str]:
    """What the headline and the lead say that no report said before, if it is much of the headline."""
    if len(found.reading.sentences) < 2:
        return frozenset()
    title, lead = found.reading.sentences[:2]
    told = meant(title) - SAYING
    fresh = frozenset(word for word in told if not known.has_word(word))
    new = fresh & meant(lead)
    if found.acts.is_attributed and sum(not known.has_word(word) for word in meant(lead)) >= _NEW_IN_LEAD:
        new = fresh  # who says it stands in the headline: the lead may say it in other words
    return new if len(new) >= _NEW_WORDS and len(new) >= share * len(told) else frozenset()


def _new_names(found: Findings, known: Known) -> Iterator[Fact]:
    for nation in found.names.nations:
        if not (known.has_name(nation.key) or any(map(known.has_name, nation.bearers))):
            yield nation_fact(found, nation)
    for name in found.names.prominent:
        if not (is_known(name, known.has_name) or _is_work(name)):
            yield name_fact(found, name)


def _is_work(name: Name) -> bool:
    """ "Known for her part in "Dunes"": a film, a book."""
    return any(f"{opened}{name.shown}{closed}" in name.sentence.text for opened, closed in ('""', "“”", "‘’"))


def nation_fact(found: Findings, nation: Nation) -> Fact:
    text = f"in {shown(nation.name)}" if nation.is_place else f"{shown(nation.name)} named"
    return found.fact("place" if nation.is_place else "actor", nation.key, text, nation.sentence.text)


def name_fact(found: Findings, name: Name) -> Fact:
    text = f"in {name.shown}" if name.is_place else f"{name.shown} named"
    return found.fact("place" if name.is_place else "actor", f"name {name.stems[-1]}", text, name.sentence.text)
