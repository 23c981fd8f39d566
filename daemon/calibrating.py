"""The thread that draws every topic's line from the archive: one at a time among all processes that match.

    topics ──▶ plan ──▶ calibrate(topic, corpus) ──▶ the stream of calibrations ──▶ remembered in the store
                 ▲              ▲                            │
                 │           archive                         ▼
                 └─────────── calibrations ◀──────────── every matcher

Handed over first, remembered second: what the stream has and the store has not, after a crash between the two, is
remembered by whoever calibrates next.

Matching keeps the processor. After every few topics this thread rests: as long as they took where somebody waits for
an edit to be calibrated, four times as long where an older calibration is only drawn anew.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from consumers.errors import ModelUnusable
from consumers.model import CALIBRATIONS, TOPICS, Calibration, Topic, calibration_key
from daemon.calibration_desk import CORPUS_DAYS, Ask, Calibrate, Desk, Fresh, Served
from daemon.calibration_plan import DAY, why_of
from daemon.clock import Clock
from daemon.errors import Unavailable, Unusable
from daemon.log import Log, Table, Tombstone
from daemon.store.archive import Archive
from daemon.store.calibrations import Calibrations, Drawn, Known

FEW = 8  # topics that are published together, at most
WORDS = 50  # articles of an older release whose words are made at once
IDLE = 0.25  # seconds to wait for an edit
REST, LONG_REST = 1.0, 4.0  # times as long as the work took: where somebody waits for it, and where nobody does
AWAY = 1.0  # seconds between two attempts to reach the log or the store, and between two looks at the election


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``waiting``: topics in force without a calibration; ``oldest``: when the oldest one was made, if there is one."""

    waiting: int
    oldest: float | None


@dataclass(slots=True, eq=False)
class _Term:
    """What is known while this process is the one that calibrates."""

    topics: Table[Topic]
    published: Table[Calibration]
    in_force: dict[str, Topic] = field(default_factory=dict)
    streamed: dict[str, dict[str, Known]] = field(default_factory=dict)  # by topic, by model
    unchecked: list[Calibration] = field(default_factory=list)  # on the stream; the store may not have them
    owed: list[Drawn] = field(default_factory=list)  # on the stream, and not yet in the store
    gone: set[str] = field(default_factory=set)  # topics that were removed, and may still be on the stream
    desks: dict[str, Desk] = field(default_factory=dict)  # by model, the one in force first
    words_to_make: bool = True


class Calibrating:
    """Run by one thread; ``standing`` may be asked from any."""

    def __init__(
        self,
        *,
        log: Log,
        archive: Archive,
        calibrations: Calibrations,
        clock: Clock,
        served: Callable[[], Sequence[Served]],
        ask: Ask,
        calibrate: Calibrate,
        won: Callable[[], bool],
        beat: Callable[[], None],
        trouble: Callable[[str], None],
        round_took: Callable[[float], None],
    ) -> None:
        """``served`` gives the models, the one in force first; it loads them, and raises ``ModelUnusable``.

        ``won``: whether this process is the one that calibrates, by the clock alone. ``round_took`` hears for how many
        seconds topics were waiting or due, once none is.
        """
        self._log = log
        self._archive = archive
        self._calibrations = calibrations
        self._clock = clock
        self._served = served
        self._ask = ask
        self._calibrate = calibrate
        self._won = won
        self._beat = beat
        self._trouble = trouble
        self._round_took = round_took
        self._standing: Standing | None = None
        self._away = False  # the store or the log

    @property
    def standing(self) -> Standing | None:
        """None where another process calibrates, or nobody yet."""
        return self._standing

    def run(self, stop: threading.Event) -> None:
        """Raises ``Unusable`` where a model cannot be loaded."""
        while not stop.is_set():
            self._beat()
            if self._won():
                with closing(self._log.table(TOPICS)) as topics, closing(self._log.table(CALIBRATIONS)) as published:
                    self._serve(_Term(topics, published), stop)
                self._standing = None
            else:
                self._well()  # whoever calibrates now says what troubles it
                stop.wait(AWAY)

    def _serve(self, term: _Term, stop: threading.Event) -> None:
        rested, wait = float("-inf"), 0.0
        while self._won() and not stop.is_set():
            try:
                edited = self._follow(term, wait)
                self._settle(term)
                if edited or self._clock.monotonic() >= rested:
                    rest = self._work(term)
                    rested = self._clock.monotonic() + rest
                    wait = min(rest, IDLE) if rest else IDLE
                self._well()
            except Unavailable as error:
                self._away = True
                self._trouble(str(error))
                stop.wait(AWAY)
            self._beat()

    def _well(self) -> None:
        if self._away:
            self._trouble("")
        self._away = False

    def _work(self, term: _Term) -> float:
        """Does a little, and says for how many seconds to rest; 0: there is nothing to do."""
        started = self._clock.monotonic()

        def took() -> float:
            return max(self._clock.monotonic() - started, 0.001)

        if term.words_to_make:
            made = self._archive.add_words(self._clock.now() - CORPUS_DAYS * DAY, WORDS)
            term.words_to_make = made == WORDS
            return took()
        self._open_desks(term)
        for desk in term.desks.values():
            desk.look()
        self._standing = _standing_of(term)
        for desk in term.desks.values():
            if self._calibrated(term, desk, desk.plan.next_waiting(FEW)):
                return took() * REST
        for desk in term.desks.values():
            if self._calibrated(term, desk, desk.plan.next_due(FEW // 2)):
                return took() * LONG_REST
        return 0.0

    def _calibrated(self, term: _Term, desk: Desk, topics: Sequence[Topic]) -> bool:
        others = {topic.id for topic in topics if term.streamed.get(topic.id, {}).keys() - {desk.model}}
        fresh = desk.draw(topics, others)
        if fresh and self._won():  # somebody who has taken over meanwhile draws them himself
            self._publish(term, desk, fresh)
        return bool(fresh)

    def _publish(self, term: _Term, desk: Desk, fresh: Sequence[Fresh]) -> None:
        self._log.append(CALIBRATIONS, [each.drawn.calibration for each in fresh])
        for each in fresh:
            made = each.drawn.calibration
            term.owed.append(each.drawn)
            term.streamed.setdefault(made.topic_id, {})[made.model] = _known(made)
        desk.done(fresh)
        self._settle(term)

    # -- following

    def _follow(self, term: _Term, wait: float) -> bool:
        """Whether a topic was edited; waits up to ``wait`` seconds for that."""
        topics = term.topics.changes(wait)
        term.in_force.update({topic_id: topic for topic_id, topic in topics.items() if topic is not None})
        for topic_id in [topic_id for topic_id, topic in topics.items() if topic is None]:
            term.in_force.pop(topic_id, None)
        for desk in term.desks.values():
            desk.plan.put_topics(topics)
        term.gone.update(topic_id for topic_id in topics if topic_id not in term.in_force)
        for key, made in term.published.changes(0.0).items():
            topic_id, _, model = key.partition(" ")
            self._note_published(term, topic_id, model, made)
        return bool(topics)

    def _note_published(self, term: _Term, topic_id: str, model: str, made: Calibration | None) -> None:
        models = term.streamed.setdefault(topic_id, {})
        if made is None:
            models.pop(model, None)
        elif models.get(model) != _known(made):  # else it is our own
            models[model] = _known(made)
            term.unchecked.append(made)
        if model in term.desks:
            term.desks[model].plan.put_calibration(topic_id, made)
        if topic_id not in term.in_force:
            term.gone.add(topic_id)

    def _settle(self, term: _Term) -> None:
        """What is owed to the store, and the topics that are gone. Done again it changes nothing."""
        if term.unchecked:
            term.owed.extend(self._unremembered(term.unchecked))
            term.unchecked.clear()
        if term.owed:
            self._calibrations.remember(term.owed)
            term.owed.clear()
        if term.gone and self._won():
            gone = sorted(term.gone - term.in_force.keys())
            keys = [calibration_key(topic_id, model) for topic_id in gone for model in term.streamed.get(topic_id, ())]
            if keys:
                self._log.append(CALIBRATIONS, [Tombstone(key) for key in keys])
            self._calibrations.forget(gone)
            for topic_id in gone:
                term.streamed.pop(topic_id, None)
            term.gone.clear()

    def _unremembered(self, published: Sequence[Calibration]) -> list[Drawn]:
        """Those that somebody published and did not come to remember."""
        known = self._calibrations.known()
        missing: dict[str, list[Calibration]] = {}
        for made in published:
            kept = known.get((made.topic_id, made.model))
            if kept is None or kept.at < made.at:
                missing.setdefault(made.model, []).append(made)
        owed: list[Drawn] = []
        for model, some in missing.items():
            ids = {made.topic_id for made in some}
            before = self._calibrations.latest(model, ids)
            others = {topic_id for topic_id, other in known if topic_id in ids and other != model}
            for made in some:
                why = why_of(before.get(made.topic_id), made, other_model=made.topic_id in others)
                owed.append(Drawn(calibration=made, why=why))
        return owed

    def _open_desks(self, term: _Term) -> None:
        try:
            served = {each.embedder.model_id: each for each in self._served()}
        except ModelUnusable as error:
            raise Unusable(str(error)) from error
        if list(term.desks) != list(served):
            term.desks = {model: term.desks.get(model) or self._desk(term, each) for model, each in served.items()}

    def _desk(self, term: _Term, served: Served) -> Desk:
        desk = Desk(
            served,
            archive=self._archive,
            calibrations=self._calibrations,
            clock=self._clock,
            ask=self._ask,
            calibrate=self._calibrate,
            round_took=self._round_took,
        )
        desk.plan.put_topics(term.in_force)
        ids = [topic_id for topic_id, models in term.streamed.items() if desk.model in models]
        for topic_id, made in self._calibrations.latest(desk.model, ids).items():
            desk.plan.put_calibration(topic_id, made)
        return desk


def _known(made: Calibration) -> Known:
    return Known(made.topic_version, made.at)


def _standing_of(term: _Term) -> Standing | None:
    """Of the model in force; None before it is loaded."""
    for desk in term.desks.values():
        return Standing(waiting=desk.plan.waiting, oldest=desk.plan.oldest)
    return None
