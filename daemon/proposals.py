"""From verdicts to a proposed version of a topic, and what one version changes against another. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from consumers.model import Escalation, Topic, Wanted
from daemon.errors import Unusable
from daemon.fetch.urls import canonical
from daemon.store.examples import ARTICLE
from daemon.store.verdicts import Proposal, Verdict
from daemon.topic_routes import Route, joined, louder, written
from daemon.units import format_duration

MOST = 100  # examples of a kind; what people wrote themselves stays, the oldest of the articles go
_MEANING = ("query", "description", "kind")  # a verdict says whether an article is about these
NO_KEYS = ("version", "epoch", "digests")  # of a topic: no key of topics.toml has this name
_SHOWN = 60  # characters of a value


@dataclass(frozen=True, slots=True)
class Change:
    """One key, as TOML and people know it. ``said``: "examples +2", "sensitivity balanced -> fewer"."""

    key: str
    said: str


@dataclass(frozen=True, slots=True)
class Decision:
    """``topic`` is what accepting makes of the one in the file. ``rebased``: others have changed it meanwhile."""

    topic: Topic
    rebased: bool


def proposed(topic: Topic, said: Sequence[Verdict], urls: Mapping[str, str]) -> Topic:
    """``topic`` with an example for every relevant article and a counter-example for every other one.

    The newest verdict of an article counts. ``urls``: the canonical URL of an article, by its id, where it has one:
    it may be among the examples under that name.
    """
    newest: dict[str, Verdict] = {}
    for verdict in sorted(said, key=lambda each: (each.at, each.article_id)):
        newest.pop(verdict.article_id, None)  # so that the newest stands last
        newest[verdict.article_id] = verdict
    examples, counter_examples = list(topic.examples), list(topic.counter_examples)
    for verdict in newest.values():
        ref, url = ARTICLE + verdict.article_id, urls.get(verdict.article_id, "")
        mine, other = (examples, counter_examples) if verdict.relevant else (counter_examples, examples)
        other[:] = [each for each in other if not _names(each, ref, url)]
        if not any(_names(each, ref, url) for each in mine):
            mine.append(ref)
    return replace(topic, examples=_bounded(examples), counter_examples=_bounded(counter_examples))


def decided(
    proposal: Proposal, base: Topic | None, now: Topic, said: Sequence[Verdict], urls: Mapping[str, str]
) -> Decision:
    """What accepting ``proposal`` means for the topic as it stands in the file ``now``.

    ``base``: the version that it was made for, where that is known; ``said``: its verdicts. Raises ``Unusable`` where
    the topic means something else by now: nobody has seen what the verdicts do to that.
    """
    if base is not None and not changes(base, now):
        return Decision(replace(proposal.topic, version=now.version, epoch=now.epoch), rebased=False)
    for key in _MEANING:
        if getattr(now, key) != getattr(proposal.topic, key):
            raise Unusable(
                f"the {key} of {now.id} has changed since this was proposed: `wirewatch topics review {now.id}` shows "
                f"what its verdicts would do now, and `wirewatch topics accept {now.id} --drop` forgets them"
            )
    return Decision(proposed(now, said, urls), rebased=True)


def changes(before: Topic, after: Topic) -> tuple[Change, ...]:
    """Key by key, in the order of the keys; versions and epochs are left out."""
    found = []
    for field in fields(Topic):
        old, new = key_of(before, field.name), key_of(after, field.name)
        if field.name not in NO_KEYS and old != new:
            found.append(Change(field.name, _said(field.name, old, new)))
    return tuple(found)


def key_of(topic: Topic, key: str) -> object:
    """What topics.toml calls ``channels`` are the topic's digests, too."""
    return joined(topic) if key == "channels" else getattr(topic, key)


def to_write(now: Topic, wanted: Topic) -> dict[str, object]:
    """The keys of topics.toml that make ``now`` into ``wanted``; None takes a key out, which means its default."""
    default = Topic(id=wanted.id, query="")
    values: dict[str, object] = {}
    for change in changes(now, wanted):
        value = key_of(wanted, change.key)
        values[change.key] = None if value == key_of(default, change.key) else toml_value(change.key, value)
    return values


def toml_value(key: str, value: object) -> object:
    """As topics.toml has it: a duration with its unit, words under `any` and `all`."""
    if key in ("max_age", "silence") and isinstance(value, float | int):
        return format_duration(value)
    if isinstance(value, Escalation):
        more = {"channels": list(value.channels)} if value.channels else {}
        return {"sources": value.sources, "within": format_duration(value.within), **more}
    if key == "channels" and isinstance(value, tuple):
        return written(each for each in value if isinstance(each, Route))
    if isinstance(value, Wanted):
        return {name: list(words) for name, words in (("any", value.any), ("all", value.all)) if words}
    if isinstance(value, tuple):
        return list(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _names(written: str, ref: str, url: str) -> bool:
    return written == ref or bool(url and written == url) or bool(url and canonical(written) == url)


def _bounded(refs: Sequence[str]) -> tuple[str, ...]:
    """Without the oldest articles beyond ``MOST``."""
    over = len(refs) - MOST
    kept = []
    for ref in refs:
        if over > 0 and ref.startswith(ARTICLE):
            over -= 1
        else:
            kept.append(ref)
    return tuple(kept)


def _said(key: str, old: object, new: object) -> str:
    if isinstance(old, tuple) and isinstance(new, tuple):
        more, fewer = len(set(new) - set(old)), len(set(old) - set(new))
        counts = [f"+{more}"] * bool(more) + [f"-{fewer}"] * bool(fewer)
        return f"{key} {' '.join(counts) or 'in another order'}"
    return f"{key} {_shown(key, old)} -> {_shown(key, new)}"


def _shown(key: str, value: object) -> str:
    if value is None or value == "" or value == Wanted():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Wanted):
        text = ", ".join(
            f"{name} of {' / '.join(words)}" for name, words in (("any", value.any), ("all", value.all)) if words
        )
    else:
        text = louder(value) if isinstance(value, Escalation) else str(toml_value(key, value))
    text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return f'"{text}"' if key in ("query", "description") else text
