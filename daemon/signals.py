"""Spikes and silences of topics, looked for every minute and told once each, on the topic's channels.

``consumers.signals`` decides. What goes on is kept, so nobody is told again after a restart. While a topic is muted
none of its signals begins, and one that still lasts when the mute ends is told then.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from textwrap import shorten

from consumers.model import Topic
from consumers.signals import HOUR, WEEK, LastHour, is_silence, is_spike, may_be_spike, usual
from daemon.store import Store
from daemon.store.digests import Carries
from daemon.store.mutes import Mutes
from daemon.store.signals import Matched, Signalled, SignalRows
from daemon.units import format_duration

_HEADLINES, _LONGEST = 3, 120  # named of a spike; characters of one
_GAP = 1800.0  # seconds between two rounds, after which matches may have been missed
_OPEN = 2  # hours, of the newest, into which articles may still be read

GoingOn = Mapping[tuple[str, str], float]  # since when, by topic and kind


class Signals:
    """One thread. Several processes may each have one: a signal is told by whoever is first."""

    def __init__(self, store: Store) -> None:
        self._rows = SignalRows(store)
        self._mutes = Mutes(store)
        self._read: dict[int, bool] = {}  # by hour since the epoch: whether a feed brought something
        self._latest: dict[str, float] = {}  # of each topic, where it is known: when its newest live match was read
        self._round = 0.0
        self._usual: dict[str, float | None] = {}  # articles an hour, as of ``_hour``
        self._hour = 0

    def round(self, now: float) -> int:
        """How many were told. To be called every minute or so; raises ``Unavailable``: call again."""
        wanted = self._rows.topics()
        going_on = self._rows.going_on()
        self._end_unwanted(wanted, going_on)
        if not wanted:
            return 0
        self._listen(wanted, now)
        if abs(now - self._round) > _GAP:
            self._latest = {}
        self._round = now
        matched: dict[str, list[Matched]] = {}
        for each in self._rows.matched([signalled.topic.id for signalled in wanted], now - HOUR):
            matched.setdefault(each.topic_id, []).append(each)
            self._latest[each.topic_id] = max(each.seen, self._latest.get(each.topic_id, 0.0))
        return self._tell([*self._spikes(wanted, matched, going_on, now), *self._silences(wanted, going_on, now)], now)

    def _end_unwanted(self, wanted: Iterable[Signalled], going_on: GoingOn) -> None:
        """Of topics that are gone, paused or do not ask for it any more."""
        asked = {(each.topic.id, "spike") for each in wanted if each.topic.spike}
        asked |= {(each.topic.id, "silence") for each in wanted if each.topic.silence is not None}
        for topic_id, kind in going_on.keys() - asked:
            self._rows.end(topic_id, kind)

    def _listen(self, wanted: Sequence[Signalled], now: float) -> None:
        """Brings up to date in which hours something was read. An hour that is over is asked about once."""
        longest = max((each.topic.silence or 0.0 for each in wanted), default=0.0)
        hour = int(now // HOUR)
        first = hour - max(WEEK + 1, int(longest // HOUR) + 1)
        self._read = {each: found for each, found in self._read.items() if each >= first}
        unknown = [each for each in range(first, hour + 1) if self._read.get(each) is None]
        unknown += [each for each in range(hour - _OPEN + 1, hour + 1) if self._read.get(each) is False]
        found = self._rows.read_in(unknown)
        self._read |= {each: each in found for each in unknown}
        if hour != self._hour:
            self._usual, self._hour = {}, hour

    def _watched(self, since: float, until: float) -> frozenset[int]:
        """Whole hours between the two in which something was read."""
        return frozenset(hour for hour, found in self._read.items() if found and since <= hour * HOUR <= until - HOUR)

    # -- spikes

    def _spikes(
        self, wanted: Iterable[Signalled], matched: Mapping[str, Sequence[Matched]], going_on: GoingOn, now: float
    ) -> Iterator[tuple[Topic, Carries]]:
        asked: list[tuple[Signalled, LastHour, bool]] = []
        for each in wanted:
            found, told = matched.get(each.topic.id, ()), (each.topic.id, "spike") in going_on
            last = LastHour(len(found), len({one.source for one in found}))
            if each.topic.spike and (told or may_be_spike(last)):
                asked.append((each, last, told))
        self._count([each for each, _, _ in asked if each.topic.id not in self._usual], now)
        for each, last, told in asked:
            usually = self._usual[each.topic.id]
            is_one = is_spike(last, usually, going_on=told)
            if told and not is_one:
                self._rows.end(each.topic.id, "spike")
            elif is_one and not told and usually is not None:
                yield each.topic, _told_spike(each.topic, matched[each.topic.id], last, usually)

    def _count(self, asked: Sequence[Signalled], now: float) -> None:
        """What is usual of these, once an hour; the last hour is not part of it."""
        since = now - (WEEK + 1) * HOUR
        read_at = self._rows.read_at([each.topic.id for each in asked], since)
        for each in asked:
            counts = Counter(int(at // HOUR) for at in read_at[each.topic.id])
            self._usual[each.topic.id] = usual(counts, self._watched(max(each.first, since), now - HOUR), self._hour)

    # -- silences

    def _silences(self, wanted: Iterable[Signalled], going_on: GoingOn, now: float) -> Iterator[tuple[Topic, Carries]]:
        """A memory of matches tells of most topics that they are not silent; the store is asked of the others."""
        read = [hour for hour, found in self._read.items() if found]
        asked = [(each, each.topic.silence) for each in wanted if each.topic.silence is not None]

        def silent(each: Signalled, longest: float) -> bool:
            since = max(self._latest.get(each.topic.id, 0.0), each.changed)  # one that was paused begins to listen
            return is_silence(now, since, longest, read)

        told = [each.topic.id for each, _ in asked if (each.topic.id, "silence") in going_on]
        others = [(each, longest) for each, longest in asked if (each.topic.id, "silence") not in going_on]
        maybe = [(each, longest) for each, longest in others if silent(each, longest)]
        self._look([topic_id for topic_id in told if topic_id not in self._latest])
        self._look([each.topic.id for each, _ in maybe])  # what was matched late is not known yet
        for topic_id in told:
            if self._latest[topic_id] > going_on[topic_id, "silence"]:
                self._rows.end(topic_id, "silence")
        for each, longest in maybe:
            if silent(each, longest):
                yield each.topic, _told_silence(each.topic, longest, self._latest[each.topic.id])

    def _look(self, topic_ids: Collection[str]) -> None:
        """When each of these matched last, as far back as silences may last."""
        since = min(self._read, default=0) * HOUR
        for topic_id, read_at in self._rows.read_at(topic_ids, since).items():
            self._latest[topic_id] = max(read_at, default=0.0)

    # -- telling

    def _tell(self, begun: Sequence[tuple[Topic, Carries]], now: float) -> int:
        muted = {mute.target for mute in self._mutes.in_force(now) if mute.kind == "topic"} if begun else set()
        return sum(
            self._rows.begin(topic.id, carries, _channels(topic), now)
            for topic, carries in begun
            if topic.id not in muted
        )


def _channels(topic: Topic) -> Sequence[str]:
    """Those told at once; a topic that has digests alone is told on these, and now: tomorrow a spike is history."""
    return topic.channels or tuple(dict.fromkeys(each.channel for each in topic.digests))


def _told_spike(topic: Topic, matched: Sequence[Matched], last: LastHour, usually: float) -> Carries:
    stories = Counter(each.story_id for each in matched)
    titles = {each.story_id: each.title for each in reversed(matched)}  # of the first article of each
    named = [
        f"“{shorten(titles[story], _LONGEST, placeholder=' …')}” ({count})"
        for story, count in stories.most_common(_HEADLINES)
    ]
    return Carries(
        reason="spike",
        title=f"Spike: {topic.query}",
        lead=f"{last.articles} articles from {last.sources} sources in the last hour, where {_number(usually)} usual. "
        f"Most of them: {'; '.join(named)}.",
    )


def _told_silence(topic: Topic, longest: float, latest: float) -> Carries:
    last = f" The last article was read at {datetime.fromtimestamp(latest, UTC):%H:%M UTC on %d %B}." if latest else ""
    return Carries(
        reason="silence",
        title=f"Silence: {topic.query}",
        lead=f"Nothing was reported for {format_duration(longest)}, while the feeds went on with other news.{last} "
        f"What was just under its line: wirewatch topics review {topic.id}",
    )


def _number(usually: float) -> str:
    return "less than one is" if usually < 1 else "about one is" if usually < 1.5 else f"about {usually:.0f} are"
