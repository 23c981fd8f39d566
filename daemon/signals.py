"""Spikes and silences of topics, looked for every minute and told once each, on the topic's channels.

``consumers.signals`` decides. What goes on is kept, so nobody is told again after a restart. While a topic is muted
none of its signals begins, and one that still lasts when the mute ends is told then.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from textwrap import shorten

from consumers.model import Topic
from consumers.signals import HOUR, WEEK, LastHour, is_silence, is_spike, usual
from daemon.store import Store
from daemon.store.digests import Carries
from daemon.store.mutes import Mutes
from daemon.store.signals import Matched, Signalled, SignalRows
from daemon.units import format_duration

_HEADLINES, _LONGEST = 3, 120  # named of a spike; characters of one
_GAP = 1800.0  # seconds between two rounds, after which matches may have been missed
_OPEN = 2  # hours, of the newest, into which articles may still be read


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
        last_hour: dict[str, list[Matched]] = {}
        for each in self._rows.matched([signalled.topic.id for signalled in wanted], now - HOUR):
            last_hour.setdefault(each.topic_id, []).append(each)
            self._latest[each.topic_id] = max(each.seen, self._latest.get(each.topic_id, 0.0))
        begun: list[tuple[Topic, Carries]] = []
        for signalled in wanted:
            topic = signalled.topic
            if topic.spike:
                begun += self._spike(signalled, last_hour.get(topic.id, []), (topic.id, "spike") in going_on, now)
            if topic.silence is not None:
                begun += self._silence(signalled, topic.silence, going_on.get((topic.id, "silence")), now)
        return self._tell(begun, now)

    def _end_unwanted(self, wanted: Iterable[Signalled], going_on: Mapping[tuple[str, str], float]) -> None:
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

    def _spike(
        self, signalled: Signalled, matched: Sequence[Matched], going_on: bool, now: float
    ) -> Iterable[tuple[Topic, Carries]]:
        topic = signalled.topic
        last = LastHour(len(matched), len({each.source for each in matched}))
        usually = self._usually(signalled, now) if matched else 0.0
        if not is_spike(last, usually, going_on=going_on):
            if going_on:
                self._rows.end(topic.id, "spike")
        elif not going_on and usually is not None:
            yield topic, _told_spike(topic, matched, last, usually)

    def _usually(self, signalled: Signalled, now: float) -> float | None:
        """Counted once an hour, without the last one."""
        topic_id = signalled.topic.id
        if topic_id not in self._usual:
            watched = self._watched(max(signalled.first, now - (WEEK + 1) * HOUR), now - HOUR)
            counts = Counter(int(at // HOUR) for at in self._rows.read_at(topic_id, now - (WEEK + 1) * HOUR))
            self._usual[topic_id] = usual(counts, watched, self._hour)
        return self._usual[topic_id]

    # -- silences

    def _silence(
        self, signalled: Signalled, longest: float, begun: float | None, now: float
    ) -> Iterable[tuple[Topic, Carries]]:
        topic = signalled.topic
        if begun is not None:
            if topic.id not in self._latest:
                self._look(topic.id, begun)
            if self._latest[topic.id] > begun:
                self._rows.end(topic.id, "silence")
            return
        read = [hour for hour, found in self._read.items() if found]

        def silent() -> bool:
            since = max(self._latest.get(topic.id, 0.0), signalled.changed)  # one that was paused begins to listen
            return is_silence(now, since, longest, read)

        if silent():
            self._look(topic.id, now - longest - WEEK * HOUR)  # what was matched late is not known yet
            if silent():
                yield topic, _told_silence(topic, longest, self._latest[topic.id])

    def _look(self, topic_id: str, since: float) -> None:
        self._latest[topic_id] = max(self._rows.read_at(topic_id, since), default=0.0)

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
        f"`wirewatch topics review {topic.id}` shows what was just under its line.",
    )


def _number(usually: float) -> str:
    return "less than one is" if usually < 1 else "about one is" if usually < 1.5 else f"about {usually:.0f} are"
