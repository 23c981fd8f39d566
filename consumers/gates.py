"""What a topic asks of an article beside being near: words, patterns, languages, sources, age.

Where a gate cannot tell (no date, no source, too little text to know its language) the article passes: a story that is
told in vain costs a glance, one that is lost is never seen.
"""

import math
from collections.abc import Sequence

from consumers import languages
from consumers.model import Article, Gated, Topic, Wanted
from consumers.phrases import Said, Sought, said

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Gates:
    """The gates of one topic. Pure: no clock, no order, never raises on an article."""

    __slots__ = ("_exclude", "_languages", "_max_age", "_not_sources", "_require", "_sources")

    def __init__(self, topic: Topic) -> None:
        """Raises ``ValueError`` with a sentence where a term of ``require`` or ``exclude`` is wrong."""
        self._require = _Terms(topic.require)
        self._exclude = _Terms(topic.exclude)
        self._languages = topic.languages
        self._sources = topic.sources
        self._not_sources = topic.not_sources
        self._max_age = topic.max_age

    def judge(self, article: Article) -> tuple[Gated, ...]:
        """Each gate that the topic has, in the order of ``Gated.gate``; empty where it has none."""
        judged = []
        if self._require or self._exclude:
            article_says = said(article.title, article.text)
            if self._require:
                found, why = self._require.judge(article_says)
                judged.append(Gated(gate="require", passed=found, why=why))
            if self._exclude:
                found, why = self._exclude.judge(article_says)
                judged.append(Gated(gate="exclude", passed=not found, why=why))
        if self._languages:
            judged.append(_in_language(article, self._languages))
        if self._sources:
            judged.append(_from_source(article, self._sources))
        if self._not_sources:
            judged.append(_not_from_source(article, self._not_sources))
        if self._max_age is not None:
            judged.append(_fresh(article, self._max_age))
        return tuple(judged)


def gates_of(topic: Topic) -> Gates:
    """Topics without any share one: a hundred thousand are no more than that."""
    keys = (topic.require, topic.exclude, topic.languages, topic.sources, topic.not_sources, topic.max_age)
    return _NONE if keys == (Wanted(), Wanted(), (), (), (), None) else Gates(topic)


def check(wanted: Wanted) -> None:
    """Raises ``ValueError`` with a sentence about the first word, phrase or pattern that is wrong."""
    _Terms(wanted)


# -- words and patterns


class _Terms:
    """A ``Wanted`` that is ready to be looked for."""

    __slots__ = ("_all", "_any")

    def __init__(self, wanted: Wanted) -> None:
        self._any = tuple(Sought(term) for term in wanted.any)
        self._all = tuple(Sought(term) for term in wanted.all)

    def __bool__(self) -> bool:
        return bool(self._any or self._all)

    def judge(self, article: Said) -> tuple[bool, str]:
        """Whether it is found, and the words for that."""
        missing = [term for term in self._all if not term.found_in(article)]
        one = next((term for term in self._any if term.found_in(article)), None)
        none = self._any if one is None else ()
        if not missing and not none:
            return True, _say([*self._all, *([one] if one else [])], "says", "matches", " and ")
        if len(none) == 1:
            missing, none = [*missing, *none], ()
        wrong = (
            _say(missing, "does not say", "does not match", " nor "),
            _say(none, "says none of", "matches none of", ", "),
        )
        return False, "; ".join(filter(None, wrong))


def _say(terms: Sequence[Sought], says: str, matches: str, between: str) -> str:
    quote = "" if between == ", " else '"'
    words = between.join(f"{quote}{term.shown}{quote}" for term in terms if not term.is_pattern)
    patterns = between.join(term.shown for term in terms if term.is_pattern)
    return " and ".join(filter(None, (words and f"{says} {words}", patterns and f"{matches} {patterns}")))


# -- languages


def _in_language(article: Article, wanted: tuple[str, ...]) -> Gated:
    language = languages.declared(article.lang)
    if language:
        return _language(language, languages.is_wanted(language, wanted), wanted)
    language = languages.told(article.title, article.text)
    if not language:
        return Gated(gate="languages", passed=True, why="language not known: too little to tell it by")
    return _language(f"{language}, by its words", languages.may_be_wanted(language, wanted), wanted)


def _language(shown: str, passed: bool, wanted: tuple[str, ...]) -> Gated:
    only = "" if passed else f"; wanted {_or(wanted)}"
    return Gated(gate="languages", passed=passed, why=f"language {shown}{only}")


# -- sources


def _from_source(article: Article, patterns: tuple[str, ...]) -> Gated:
    host = _host(article.source)
    if not host:
        return Gated(gate="sources", passed=True, why="source not known")
    passed = any(_is_of(host, pattern) for pattern in patterns)
    only = "" if passed else f"; wanted {_or(patterns)}"
    return Gated(gate="sources", passed=passed, why=f"from {host}{only}")


def _not_from_source(article: Article, patterns: tuple[str, ...]) -> Gated:
    host = _host(article.source)
    met = next((pattern for pattern in patterns if host and _is_of(host, pattern)), None)
    why = f"from {host}" if host else "source not known"
    return Gated(gate="not_sources", passed=met is None, why=why if met in (None, host) else f"{why}, one of {met}")


def _host(source: str) -> str:
    """Without a port."""
    host, colon, port = source.lower().rpartition(":")
    return (host if colon and port.isdecimal() else source.lower()).removeprefix("www.")


def _is_of(host: str, pattern: str) -> bool:
    """ "*.example.org" is example.org and all below it: a source has lost its "www."."""
    pattern = pattern.lower()
    above = pattern.removeprefix("*.")
    return host == above.removeprefix("www.") or (above != pattern and host.endswith(f".{above}"))


# -- age


def _fresh(article: Article, most: float) -> Gated:
    if article.published is None or not math.isfinite(article.seen - article.published):
        return Gated(gate="max_age", passed=True, why="date of publication not known")
    age = max(0.0, article.seen - article.published)
    passed = age <= most
    limit = "" if passed else f"; at most {_span(most)}"
    return Gated(gate="max_age", passed=passed, why=f"read {_span(age)} after publication{limit}")


def _span(seconds: float) -> str:
    """ "9 days", "2 hours 5 minutes": the largest unit and the next one that is not nothing."""
    rest = math.ceil(seconds)
    parts = []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"


def _or(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


_NONE = Gates(Topic(id="", query=""))
