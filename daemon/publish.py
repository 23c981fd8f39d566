"""From the topics in the file to the topics in force: what changed gets a new version and goes onto the stream.

::

    file ──▶ decide ──▶ append to the stream ──▶ remember in the store
               ▲                                        │
               └──── what the stream and the store hold ◀

Handed over first, remembered second: after a crash between the two the stream is ahead, and the next publication takes
its versions over instead of giving one number to two texts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from consumers.model import TOPICS, Topic
from daemon.clock import Clock
from daemon.log import Log, Tombstone
from daemon.store.topics import TopicVersion, TopicVersions


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What has to happen, and what it means: ids by kind, for people."""

    records: tuple[Topic | Tombstone, ...] = ()  # for the stream
    versions: tuple[TopicVersion, ...] = ()  # for the store
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """ "1 added: wildfires-greece; 1 changed: strikes", or empty."""
        kinds = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        return "; ".join(f"{len(ids)} {kind}: {', '.join(ids)}" for kind, ids in kinds if ids)


def decide(
    wanted: Iterable[Topic], remembered: Mapping[str, TopicVersion], stream: Mapping[str, Topic], at: float
) -> Publication:
    """What makes ``wanted`` the topics in force, given what the store remembers and what the stream holds. Pure.

    An edit raises the version and keeps the epoch; so do a removal and a later return.
    """
    known = _ahead(remembered, stream, at)
    adopted = [version for key, version in known.items() if remembered.get(key) != version]
    after = {topic.id: _next(topic, known.get(topic.id), at) for topic in wanted}
    for key, last in known.items():
        if key not in after:
            after[key] = (
                last if last.topic is None else TopicVersion(topic_id=key, version=last.version + 1, topic=None, at=at)
            )
    fresh = [version for key, version in after.items() if known.get(key) != version]
    there = {key for key, version in known.items() if version.topic is not None}
    put = [found.topic for key, found in after.items() if found.topic is not None and stream.get(key) != found.topic]
    return Publication(
        records=(*put, *(Tombstone(key) for key in stream if key not in after or after[key].topic is None)),
        versions=(*adopted, *fresh),
        added=tuple(version.topic_id for version in fresh if version.topic_id not in there),
        changed=tuple(version.topic_id for version in fresh if version.topic_id in there and version.topic is not None),
        removed=tuple(version.topic_id for version in fresh if version.topic is None),
    )


def _ahead(remembered: Mapping[str, TopicVersion], stream: Mapping[str, Topic], at: float) -> dict[str, TopicVersion]:
    """The newest version of each topic, wherever it is."""
    known = dict(remembered)
    for key, topic in stream.items():
        if key not in known or topic.version > known[key].version:
            known[key] = TopicVersion(topic_id=key, version=topic.version, topic=topic, at=at)
    return known


def _next(topic: Topic, last: TopicVersion | None, at: float) -> TopicVersion:
    if last is None:
        return TopicVersion(topic_id=topic.id, version=1, topic=replace(topic, version=1), at=at)
    if last.topic is not None and replace(topic, version=last.version, epoch=last.topic.epoch) == last.topic:
        return last
    epoch = last.topic.epoch if last.topic is not None else topic.epoch
    version = last.version + 1
    return TopicVersion(topic_id=topic.id, version=version, topic=replace(topic, version=version, epoch=epoch), at=at)


@dataclass(slots=True)
class _Held:
    """What stream and store hold after a publication: by id, its topics as they were given, and every last version."""

    wanted: dict[str, Topic]
    versions: dict[str, TopicVersion]


class TopicPublisher:
    """One per stream, used from one thread at a time. It remembers what it published, and looks only at what differs.

    A topic that is the same object as in the publication before is taken as unchanged without comparing. Measured with
    100,000 topics of which one was edited: 0.05 s; everything read and compared: 3 s.
    """

    def __init__(self, log: Log, versions: TopicVersions, clock: Clock) -> None:
        self._log = log
        self._versions = versions
        self._clock = clock
        self._held: _Held | None = None  # unknown before the first publication, and after one that failed

    def publish(self, topics: Sequence[Topic]) -> Publication:
        """Makes exactly these the topics in force; returning means durable. Raises ``Unavailable``: call again."""
        wanted = {topic.id: topic for topic in topics}
        held, self._held = self._held, None
        if held is None:
            versions = _sharing(wanted, self._versions.latest())
            publication = decide(topics, versions, self._read(), self._clock.now())
        else:
            versions = held.versions
            touched = _different(held.wanted, wanted)
            known = {key: versions[key] for key in touched if key in versions}
            stream = {key: version.topic for key, version in known.items() if version.topic is not None}
            publication = decide([wanted[key] for key in touched if key in wanted], known, stream, self._clock.now())
        if publication.records:
            self._log.append(TOPICS, publication.records)
        if publication.versions:
            self._versions.remember(publication.versions)
        versions.update((version.topic_id, version) for version in publication.versions)
        self._held = _Held(wanted, versions)
        return publication

    @property
    def published(self) -> Sequence[Topic] | None:
        """Those of the last publication; None where it is not known to hold. From any thread."""
        held = self._held
        return None if held is None else tuple(held.wanted.values())

    def forget(self) -> None:
        """Somebody else may have published since: stream and store are read anew before the next publication."""
        self._held = None

    def _read(self) -> dict[str, Topic]:
        table = self._log.table(TOPICS)
        try:
            return {key: topic for key, topic in table.changes(0.0).items() if topic is not None}
        finally:
            table.close()


def _sharing(wanted: Mapping[str, Topic], versions: Mapping[str, TopicVersion]) -> dict[str, TopicVersion]:
    """With the same objects where the topics are equal: 50 MB less with 100,000 of them."""
    return {
        key: replace(version, topic=wanted[key]) if version.topic and version.topic == wanted.get(key) else version
        for key, version in versions.items()
    }


def _different(before: Mapping[str, Topic], after: Mapping[str, Topic]) -> list[str]:
    """Ids, in the order of ``after``; those that are gone come last."""
    changed = [key for key, topic in after.items() if before.get(key) is not topic]
    return [*changed, *(key for key in before if key not in after)]
