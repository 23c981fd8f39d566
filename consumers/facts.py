"""Which of the things that a report says are new to its story, and would be missed."""

from collections.abc import Iterator
from dataclasses import dataclass

from consumers.facts_acts import Act, Acts
from consumers.facts_counts import GROWING, Count, Counts
from consumers.facts_known import Known, Stated, Value
from consumers.facts_names import Names, is_known, shown_name, shown_nation
from consumers.facts_numbers import shown
from consumers.facts_reading import Reading, quote
from consumers.model import Fact, FactKind

MAX_FACTS = 6
_LEAD = {"toll": 6, "sum": 2, "number": 2}  # sentences of the text in which a count may be news
_FIRST = 3  # the same for the first figure of its kind
_LEAD_OF = {"%": 1, "km": 0, "miles": 0}
_LEAST_SUM = 1000
_SILENTLY = 6 * 3600.0  # seconds: a lower count that no word calls one is an old report before that
_OUTLIER = 20  # times what is known: of the whole war, not of this story, unless the headline says it
_MOST = {"toll": 3, "reversal": 1, "sum": 1, "number": 2, "statement": 1, "place": 2, "actor": 2}
_ORDER: tuple[FactKind, ...] = (
    "retraction", "correction", "toll", "reversal", "sum", "number", "statement", "place", "actor", "changed",
)  # fmt: skip
_ABOUT = 0.15  # "about 20" is 19
_ROUNDED = {"%": 0.01, "magnitude": 0.01, "$": 0.05, "€": 0.05, "£": 0.05, "¥": 0.05, "₹": 0.05}
_LARGE, _LARGE_ROUNDED = 200, 0.05  # 3,100 acres are 3,000
_VAGUE = {24.0: "dozens", 200.0: "hundreds", 2000.0: "thousands", 20000.0: "tens of thousands"}
_NO_ARROW = frozenset({"km", "miles", "%"})


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that is looked for in one article."""

    reading: Reading
    counts: Counts
    names: Names
    acts: Acts


def findings(reading: Reading) -> Findings:
    return Findings(reading, Counts(reading), Names(reading), Acts(reading))


def stated(found: Findings) -> dict[Value, Stated]:
    """The numbers of one article. Of a growing count only the greatest, so that a part of it is no state of its own."""
    at = int(max(-1e11, min(1e11, found.reading.at))) if found.reading.at == found.reading.at else 0
    values: dict[Value, Stated] = {}
    for count in found.counts.every:
        marks = (
            "-" * count.sentence.past + "<" * (count.lowers and _is_lead(count)) + "~" * (count.precision == "vague")
        )
        values.setdefault(_value(count), Stated(at, marks))
    return values


def new_in(found: Findings, known: Known) -> tuple[Fact, ...]:
    """The most important first, at most ``MAX_FACTS``."""
    made = [
        *(counts := tuple(_new_counts(found, known))),
        *(act for act in _new_acts(found, known) if not _is_counted(act, counts)),
        *(_new_names(found, known) if found.reading.english else ()),
    ]
    kept: list[Fact] = []
    for kind in _ORDER:
        kept += [fact for fact in made if fact.kind == kind][: _MOST.get(kind, 1)]
    return tuple(kept[:MAX_FACTS])


# -- counts


def _new_counts(found: Findings, known: Known) -> Iterator[Fact]:
    best: dict[str, Count] = {}
    for count in found.counts.every:
        if not _is_new(count, known, found.reading.at):
            continue
        label = "more" if count.more else count.label
        mine = best.get(label)
        if mine is None or (count.label in GROWING and count.value > mine.value and mine.sentence.number > 0):
            best[label] = count
    if "toll" in best:
        best.pop("more", None)
    for count in best.values():
        yield _fact(found, count.kind, _key(count), _shown_count(count, known), count.sentence.text)


def _is_lead(count: Count) -> bool:
    return count.sentence.number <= _LEAD[count.kind]


def _is_new(count: Count, known: Known, at: float) -> bool:
    if count.sentence.past or not _is_lead(count):
        return False
    if count.sentence.number > _LEAD_OF.get(count.label, _LEAD["toll"]):
        return False
    if _value(count) in known.values or (count.kind == "sum" and count.value < _LEAST_SUM):
        return False
    if count.rest or count.more:
        return count.sentence.number <= _LEAD["number"]
    figures = known.figures(count.label)
    if not figures:
        return count.sentence.number <= _FIRST and (count.precision != "floor" or count.value > 0)
    return _differs(count, [value for value, _ in figures]) and _is_plausible(count, figures, at)


def _differs(count: Count, known: list[float]) -> bool:
    value, most = count.value, max(known)
    if count.precision == "floor" and most >= value * 0.97:
        return False
    if count.precision == "vague" and most >= value / 2:
        return False
    near = _ABOUT if count.precision == "about" else _ROUNDED.get(count.label, _LARGE_ROUNDED * (value >= _LARGE))
    return all(abs(value - each) > near * max(value, each) for each in known)


def _is_plausible(count: Count, figures: list[tuple[float, Stated]], at: float) -> bool:
    """Not the toll of the whole war, nor of one village of several."""
    current = _current(count.label, figures)
    in_title = count.sentence.number == 0
    if count.kind != "toll":
        return True
    if count.value > _OUTLIER * current and current >= 3:
        return in_title
    if count.value < current and count.label in GROWING:
        later = at >= max(each.at for _, each in figures) + _SILENTLY
        return count.precision == "exact" and ((count.lowers and count.sentence.number <= 2) or (in_title and later))
    return count.value > current or count.sentence.number <= 2


def _current(label: str, figures: list[tuple[float, Stated]]) -> float:
    """Of a growing count the greatest since it was last lowered; else the latest."""
    if label in GROWING:
        since = max((each.at for _, each in figures if "<" in each.marks), default=None)
        return max(value for value, each in figures if since is None or each.at >= since)
    return max(figures, key=lambda item: (item[1].at, item[0]))[0]


def _shown_count(count: Count, known: Known) -> str:
    value = _shown_value(count)
    if count.rest:
        return f"{count.label} {count.rest}"
    if count.more:
        return f"{value} more dead"
    if count.kind == "sum":
        return f"{count.label}{value}"
    figures = [] if count.label in _NO_ARROW else known.figures(count.label)
    old = f"{shown(_current(count.label, figures))} → " if figures and not _is_vague(count.label, figures) else ""
    if count.label == "%":
        return f"{value}%"
    if count.kind == "toll" or old or count.label in ("magnitude", "category"):
        return f"{old}{value} {count.label}" if " in " in count.label else f"{count.label} {old}{value}"
    return f"{value} {count.label}"


def _shown_value(count: Count) -> str:
    return _VAGUE.get(count.value, shown(count.value)) if count.precision == "vague" else shown(count.value)


def _is_vague(label: str, figures: list[tuple[float, Stated]]) -> bool:
    current = _current(label, figures)
    return any(value == current and "~" in each.marks for value, each in figures)


def _value(count: Count) -> Value:
    return ("more" if count.more else count.label), count.rest or format(count.value, "g")


def _key(count: Count) -> str:
    return "=".join(_value(count))


# -- acts


def _new_acts(found: Findings, known: Known) -> Iterator[Fact]:
    told: set[int] = set()
    every = found.acts.every
    for act in sorted(every, key=lambda act: act.key.startswith("body ")):
        if act.leads and act.key not in known.said and act.number not in told and not (told and _is_body(act)):
            told.add(act.number)
            yield _fact(found, act.kind, act.key, act.text, _better(act, every))


def _is_counted(act: Fact, counts: tuple[Fact, ...]) -> bool:
    """ "140 arrested" says that the police arrest."""
    label = {"act arrest": "arrested", "act free": "released"}.get(act.key)
    return label is not None and any(fact.key.partition("=")[0] == label for fact in counts)


def _is_body(act: Act) -> bool:
    return act.key.startswith("body ")


def _better(act: Act, every: tuple[Act, ...]) -> str:
    """A sentence of the text says more than the headline."""
    if act.number:
        return act.sentence
    return next((each.sentence for each in every if each.key == act.key and each.number > 0), act.sentence)


# -- names


def _new_names(found: Findings, known: Known) -> Iterator[Fact]:
    for nation in found.names.nations:
        if not known.has_name(f"nation {nation.name}"):
            text = f"in {shown_nation(nation)}" if nation.is_place else f"{shown_nation(nation)} named"
            kind: FactKind = "place" if nation.is_place else "actor"
            yield _fact(found, kind, f"nation {nation.name}", text, nation.sentence.text)
    for name in found.names.prominent:
        if is_known(name, known.has_name):
            continue
        text = f"in {shown_name(name)}" if name.is_place else f"{shown_name(name)} named"
        yield _fact(found, "place" if name.is_place else "actor", f"name {name.stems[-1]}", text, name.sentence.text)


def _fact(found: Findings, kind: FactKind, key: str, text: str, sentence: str) -> Fact:
    article = found.reading.article
    return Fact(
        key=key,
        kind=kind,
        text=text,
        quote=quote(sentence),
        source=article.source,
        url=article.url,
        at=found.reading.at,
    )
