"""Whether a number is new to a story, and how that is said: "toll 12 → 19"."""

from collections.abc import Iterable

from consumers.facts_count_words import DISTANCES, GROWING
from consumers.facts_counts import Count
from consumers.facts_known import BARE, IN_WORDS, NTH, VOTE, Known, Stated, Value
from consumers.facts_numbers import shown

Figures = list[tuple[float, Stated]]

_LEAD = {"toll": 6, "sum": 1, "number": 2}  # sentences of the text in which a count may be news
_LEAD_OF = {"%": 1, NTH: 0, BARE: 0} | dict.fromkeys(DISTANCES, 0)
_FIRST = 3  # the same for the first figure of its kind
_LOWER = 2  # and for one that is less than before
_LEAST_SUM = 10_000
_TELLING = 50  # two numbers from there on that are equal count the same
_OUTLIER = 20  # times what is known: of the whole war, not of this story, unless the headline says it
_SILENTLY = 6 * 3600.0  # seconds: before that a lower figure that no word calls lower comes from an old report
_LEAST_LEFT = 0.6  # of a count that no word calls lower: less is a part of it, one village's dead
_AT_LEAST = 0.97  # of "at least 12": 12 is nothing less
_ABOUT = 0.15  # "about 20" is 19
_ROUNDED = {"%": 0.01, "magnitude": 0.01, "$": 0.05, "€": 0.05, "£": 0.05, "¥": 0.05, "₹": 0.05}
_LARGE, _LARGE_ROUNDED = 200, 0.05  # 3,100 acres are 3,000
_TOLD = 80  # characters of a headline that tells what a bare figure is of
_VAGUE = {24.0: "dozens", 200.0: "hundreds", 2000.0: "thousands", 20000.0: "tens of thousands"}
_NAMED_FIRST = frozenset({"magnitude", "category"})
_DESTROYED = frozenset(
    {"homes", "buildings", "acres", "hectares", "villages"}
)  # fewer are an old report's, but for these
_FEWER = frozenset("restored remain remained remaining still only fell down lowered revised".split())


def is_early(count: Count) -> bool:
    """Where a report tells what is new."""
    return count.sentence.number <= min(_LEAD[count.kind], _LEAD_OF.get(count.label, _LEAD["toll"]))


def is_worth(count: Count) -> bool:
    """Not what happened long ago, nor the price of a ticket."""
    return not count.sentence.past and not (count.kind == "sum" and count.value < _LEAST_SUM)


def is_new(count: Count, known: Known, at: float) -> bool:
    """``at``: of the report, in seconds."""
    if not (is_early(count) and is_worth(count)) or count.value_key in known.values:
        return False
    if count.label == "%" and count.precision == "vague":
        return False  # "a tenth" is not told, and makes 10% nothing new
    if count.value >= _TELLING and any(figure == count.value_key[1] for _, figure in _telling(count, known)):
        return False  # 4,000 jobs are 4,000 workers
    if count.label == VOTE and all(("%", share) in known.values for share in count.rest.split("-")):
        return False  # "58-42" is 58% to 42%
    if count.rest or count.more:
        return count.sentence.number <= _LEAD["number"]
    if count.label == BARE and not _is_bare_new(count, known):
        return False
    figures = known.figures(count.label)
    if not figures:
        return count.sentence.number <= _FIRST
    return differs(count, [value for value, _ in figures]) and _is_plausible(count, figures, at)


def _is_bare_new(count: Count, known: Known) -> bool:
    """No rounding of anything that was counted: "nearly 10,000" islanders are the 9,000 who fled."""
    every = [float(figure) for (label, figure), _ in known.values.items() if label not in IN_WORDS]
    return differs(count, every)


def _telling(count: Count, known: Known) -> Iterable[Value]:
    """A round hundred of anything is not the hundred who were hurt."""
    if count.kind != "toll" or count.value_key[1].rstrip("0")[1:]:
        return known.values
    return (value for value in known.values if value[0] != BARE)


def differs(count: Count, known: list[float]) -> bool:
    """Neither the same in other words nor a rounding."""
    value, most = count.value, max(known, default=0.0)
    if count.precision == "floor" and most >= value * _AT_LEAST:
        return False
    if count.precision == "vague" and most >= value / 2:
        return False
    near = _ABOUT if count.precision == "about" else _ROUNDED.get(count.label, _LARGE_ROUNDED * (value >= _LARGE))
    return all(abs(value - each) > near * max(value, each) for each in known)


def _is_plausible(count: Count, figures: Figures, at: float) -> bool:
    """Not the toll of the whole war, nor of one village of several, nor an old one."""
    now = current(count.label, figures)
    if count.kind != "toll":
        return count.label not in _DESTROYED or count.value > now or not _FEWER.isdisjoint(count.sentence.lower)
    if count.value > _OUTLIER * now and now >= 3:
        return count.sentence.number == 0
    if count.value > now:
        return True
    if count.label not in GROWING:
        return count.sentence.number <= _LOWER
    if count.precision != "exact" or _is_rounded(count.value, now, count.lowers):
        return False
    if count.lowers:
        return count.sentence.number <= _LOWER
    if count.value < now * _LEAST_LEFT:
        return False
    return count.sentence.number == 0 and at >= max(each.at for _, each in figures) + _SILENTLY


def _is_rounded(value: float, now: float, lowers: bool) -> bool:
    """ "50 hurt" of 52."""
    return not lowers and value % 10 == 0 and value >= now * (1 - _ABOUT)


def current(label: str, figures: Figures) -> float:
    """Of a growing count the greatest since it was last lowered; else the latest."""
    figures = [each for each in figures if "~" not in each[1].marks] or figures
    if label in GROWING:
        since = max((each.at for _, each in figures if "<" in each.marks), default=None)
        return max(value for value, each in figures if since is None or each.at >= since)
    return max(figures, key=lambda item: (item[1].at, item[0]))[0]


def said(count: Count, figures: Figures) -> str:
    """``figures``: what it replaces, if anything."""
    value = _VAGUE.get(count.value, shown(count.value)) if count.precision == "vague" else shown(count.value)
    if count.label == NTH:
        return count.rest.replace("-", " ")
    if count.rest:
        return f"{count.label} {count.rest}"
    if count.label == BARE:
        return f"{value}: {count.sentence.text[:_TOLD]}"
    if count.more:
        return f"{value} more dead"
    old = _old(count, figures)
    if count.kind == "sum":
        return f"{old}{count.label}{value}"
    if count.label == "%":
        return f"{old}{value}%"
    if " " in count.label or not (old or count.kind == "toll" or count.label in _NAMED_FIRST):
        return f"{old}{value} {count.label}"
    return f"{count.label} {old}{value}"


def _old(count: Count, figures: Figures) -> str:
    if not figures:
        return ""
    was = current(count.label, figures)
    if any(value == was and "~" in each.marks for value, each in figures):
        return f"{_VAGUE.get(was, shown(was))} → "
    before = count.label if count.kind == "sum" else ""
    return f"{before}{shown(was)}{'%' if count.label == '%' else ''} → "
