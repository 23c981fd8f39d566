"""Mutes that people set and end: of a story, a topic or a source, checked and named before they are kept."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args
from urllib.parse import urlsplit

from consumers.holding import Mute, MuteKind, moment
from consumers.ids import digest
from consumers.notify.wording import one_line
from daemon.clock import Clock
from daemon.errors import Unusable
from daemon.store import Store
from daemon.store.mutes import Mutes
from daemon.store.story_names import starting_with
from daemon.store.topics import TopicVersions

DAY = 86_400.0
WEEK = 7 * DAY
SHORTEST, LONGEST = 60.0, 366 * DAY
_SAME = 60.0  # seconds: pressed twice, or typed again, is not an extension
_KEPT = 1000  # mutes that are looked through for an id
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.ASCII)
_MOST_COMMENT = 500


class Muting:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._mutes = Mutes(store)
        self._topics = TopicVersions(store)
        self._clock = clock

    def add(
        self,
        kind: MuteKind,
        target: str,
        *,
        seconds: float,
        by: str,
        comment: str = "",
        until_new_facts: bool = False,
    ) -> Mute:
        """Of the story whose id begins with ``target``, the topic of that id, or that host ("*." for all below it).

        Raises ``Unusable`` with a sentence; then nothing is muted.
        """
        if not SHORTEST <= seconds <= LONGEST:
            raise Unusable("a mute lasts between a minute and a year: give it as in 1h, 24h or 7d")
        now = self._clock.now()
        named = self._target(kind, target.strip())
        mute = Mute(
            id=digest("mute", kind, named, by, repr(now)),
            kind=kind,
            target=named,
            since=now,
            until=now + seconds,
            by=one_line(by, 80) or "somebody",
            comment=one_line(comment, _MOST_COMMENT),
            until_new_facts=until_new_facts,
        )
        self._mutes.add(mute)
        return mute

    def remove(self, prefix: str, by: str) -> Mute:
        """End the mute whose id begins so; what it held is told now.

        Raises ``Unusable`` where there is none or more than one, or it has ended already.
        """
        prefix, now = prefix.strip().lower(), self._clock.now()
        found = [mute for mute in self._mutes.all(limit=_KEPT) if prefix and mute.id.startswith(prefix)]
        if not found:
            raise Unusable(f'no mute has an id that begins with "{prefix[:40]}": see `wirewatch mutes list`')
        if len(found) > 1:
            raise Unusable(f'{len(found)} mutes have an id that begins with "{prefix[:40]}": give more of it')
        if not self._mutes.end(found[0].id, now, f"ended by {one_line(by, 80) or 'somebody'}"):
            raise Unusable(f"the mute {found[0].id[:12]} has ended already")
        return found[0]

    def _target(self, kind: MuteKind, target: str) -> str:
        match kind:
            case "story":
                return self._story(target.lower())
            case "topic":
                if target not in self._topics.in_force():
                    raise Unusable(f'there is no topic "{target[:60]}": see `wirewatch topics list`')
                return target
            case "source":
                return host_of(target)

    def _story(self, prefix: str) -> str:
        found = starting_with(self._store, prefix) if prefix else []
        survivors = {story.merged_into or story.id for story in found}
        if not survivors:
            raise Unusable(f'no story has an id that begins with "{prefix[:40]}": see `wirewatch stories list`')
        if len(survivors) > 1:
            raise Unusable(f'{len(survivors)} stories have an id that begins with "{prefix[:40]}": give more of it')
        return survivors.pop()


def host_of(text: str) -> str:
    """The host name that a user means: bare, in a URL, or "*." and all below it. Raises ``Unusable``."""
    try:
        name = (urlsplit(text).hostname or "") if "://" in text else text.split("/", 1)[0]
    except ValueError:
        name = ""
    name = name.lower().rstrip(".").removeprefix("www.")
    if not _HOST.fullmatch(name):
        raise Unusable(f'"{text[:60]}" is no host name: write it as in example.org, or *.example.org for all below it')
    return name


def covering(wanted: Mute, in_force: Sequence[Mute]) -> Mute | None:
    """The mute that holds already all that ``wanted`` would, as long; the one that lasts longest."""
    same = [
        mute
        for mute in in_force
        if (mute.kind, mute.target) == (wanted.kind, wanted.target)
        and mute.until >= wanted.until - _SAME
        and (wanted.until_new_facts or not mute.until_new_facts)
    ]
    return max(same, key=lambda mute: (mute.id == wanted.id, mute.until), default=None)


def until_when(mute: Mute, now: float) -> str:
    """ "until 14:02 UTC; what is new ends it early"."""
    end = "what is new ends it early" if mute.until_new_facts else "what it holds is told then"
    return f"until {moment(mute.until, now)}; {end}."


def as_record(mute: Mute) -> dict[str, Any]:
    """As JSON carries it."""
    return asdict(mute)


def verbs(store: Store, clock: Clock) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """What a command asks the owner of the data directory for."""
    muting = Muting(store, clock)

    def add(args: dict[str, Any]) -> dict[str, Any]:
        kind = next((each for each in get_args(MuteKind) if each == args.get("kind")), None)
        if kind is None:
            raise Unusable("a mute is of a story, a topic or a source")
        return as_record(
            muting.add(
                kind,
                str(args["target"]),
                seconds=float(args["seconds"]),
                by=str(args["by"]),
                comment=str(args.get("comment", "")),
                until_new_facts=bool(args.get("until_new_facts")),
            )
        )

    def remove(args: dict[str, Any]) -> dict[str, Any]:
        return as_record(muting.remove(str(args["id"]), str(args["by"])))

    return {"mutes.add": add, "mutes.remove": remove}
