"""Where a topic is told and when: ``channels`` of topics.toml, and the two tuples of a ``Topic`` that they make.

::

    channels = ["desk", { name = "boss", when = "07:00 Europe/Paris weekdays" }]
    Topic(channels=("desk",), digests=(Scheduled(channel="boss", when="07:00 Europe/Paris weekdays"),))
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consumers.model import Escalation, Scheduled, Topic
from daemon.units import format_duration

INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Route:
    """One item of ``channels``. ``when``: "instant", times in their one spelling, or both."""

    name: str
    when: tuple[str, ...] = (INSTANT,)
    near_misses: bool = False


def divided(routes: Iterable[Route]) -> tuple[tuple[str, ...], tuple[Scheduled, ...]]:
    """What is told at once and what at set times, each thing once; the digests in the order of their channels."""
    told: dict[str, None] = {}
    digests: dict[tuple[str, str], bool] = {}
    for route in routes:
        for when in route.when:
            if when == INSTANT:
                told[route.name] = None
            else:
                digests[route.name, when] = digests.get((route.name, when), False) or route.near_misses
    names = list(dict.fromkeys([*told, *(name for name, _ in digests)]))
    ordered = sorted(digests, key=lambda key: (names.index(key[0]), digests[key]))
    return tuple(told), tuple(
        Scheduled(channel=name, when=when, near_misses=digests[name, when]) for name, when in ordered
    )


def joined(topic: Topic) -> tuple[Route, ...]:
    """The routes that ``divided`` makes into the channels and digests of this topic, each channel in one place."""
    grouped: dict[tuple[str, bool], list[str]] = {}
    for scheduled in topic.digests:
        grouped.setdefault((scheduled.channel, scheduled.near_misses), []).append(scheduled.when)
    routes: list[Route] = []
    for name in dict.fromkeys([*topic.channels, *(scheduled.channel for scheduled in topic.digests)]):
        at_once = (INSTANT,) if name in topic.channels else ()
        groups = [(near, grouped[name, near]) for near in (False, True) if (name, near) in grouped]
        if not groups:
            routes.append(Route(name, at_once))
        for near, times in groups:
            routes.append(Route(name, (*at_once, *times), near))
            at_once = ()
    return tuple(routes)


def written(routes: Iterable[Route]) -> Sequence[object]:
    """As topics.toml has them: the bare name where nothing else is said."""
    return [route.name if route == Route(route.name) else _table(route) for route in routes]


def _table(route: Route) -> dict[str, object]:
    when: object = route.when[0] if len(route.when) == 1 else list(route.when)
    return {"name": route.name, "when": when, **({"near_misses": True} if route.near_misses else {})}


def told_on(topic: Topic) -> tuple[str, ...]:
    """For people: ("desk", "boss at 07:00 Europe/Paris weekdays")."""
    return tuple(_said(route) for route in joined(topic))


def louder(escalation: Escalation) -> str:
    """For people: "3 sources within 30m, also on pager"."""
    more = f", also on {', '.join(escalation.channels)}" if escalation.channels else ""
    return f"{escalation.sources} sources within {format_duration(escalation.within)}{more}"


def _said(route: Route) -> str:
    times = [when for when in route.when if when != INSTANT]
    if not times:
        return route.name
    at = f"{route.name} {'at once and ' if INSTANT in route.when else ''}at {' and '.join(times)}"
    return f"{at} with near misses" if route.near_misses else at
