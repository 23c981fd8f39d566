"""A change of the model without a blind hour: the old one decides until the new one has read and weighed the archive.

    configured ≠ in force ──▶ preparing: every batch is read by both, the archive little by little by the new one
                                │ all of the window is read, every topic has a calibration
                                ▼
                              compared: agreement by topic ──▶ in force; its vectors are moved to their place

``decide`` looks at where things stand and names the next step; ``ModelChange`` takes it, between two batches. All that
is remembered lies in the store, and every step may be repeated: whoever crashes goes on with what is still missing.
Where several processes match, each follows the rows of ``models`` for itself, and one of them, which leads, does what
is to be done once.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from consumers.agreement import Agreement, AgreementReport, least_first
from consumers.calibration import ENOUGH
from consumers.embedding import Embedder, model_folder, weights_hash
from consumers.errors import ModelUnusable
from consumers.model import Article
from consumers.model_switch import Deciding, Matchers, vectors_of
from consumers.watch import Watch
from daemon.clock import Clock
from daemon.errors import Unavailable
from daemon.store.models import KnownModel, Models, Read, in_force, preparing
from daemon.wire import to_json

if TYPE_CHECKING:
    from consumers.matcher import Judged

WINDOW = 30 * 86400.0  # seconds of archive that a new model reads before it decides
LOOK = 1.0  # seconds between two looks at which model is in force
IDLE = 5.0  # seconds between two looks whether there is something to do, where there was nothing
TIDY = 60.0  # seconds between two looks whether vectors lie in the wrong place
AGAIN = 60.0  # seconds until a model that could not be loaded is tried again
PATIENCE = 3600.0  # seconds that a topic's calibration is waited for; without one the shipped priors decide
SHARE = 1 / 3  # of a matcher's time, at most, for what is not live
CHUNK = 0.25  # seconds that a live article may have to wait for it
TOPICS = 64  # told to the new model at once
TOGETHER = 8  # topics that are compared at once, in the background
MOVED = 200  # vectors moved in one transaction: some 10 ms

Step = Literal[
    "load", "drop", "catch up", "swap", "tidy", "re-read", "calibrate", "compare", "take over", "ask", "nothing"
]


class Compare(Protocol):
    """Called by one thread at a time. ``daemon.model_agreement.Agreements`` is one."""

    def __call__(self, before: str, after: str, topics: Sequence[tuple[Watch, Watch]]) -> Sequence[Agreement]:
        """How far two models agree on these topics, as each of the two knows them. Raises ``Unavailable``."""
        ...

    def forget(self) -> None:
        """Nothing more is compared for now."""
        ...


logger = structlog.get_logger("wirewatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Models by id, or empty. ``in_force`` and ``preparing`` are what the store says, ``deciding`` and ``next`` what
    this process has loaded; ``told``: its next one knows every topic. The others matter where this process leads.
    """

    deciding: str
    next: str = ""
    told: bool = False
    in_force: str
    preparing: str = ""
    leads: bool = True
    untidy: bool = False  # vectors lie in the wrong place
    unread: bool = False  # articles of the window have none yet
    uncalibrated: bool = False
    compared: bool = False
    ask: bool = False  # a person takes the last step


def decide(now: Standing) -> Step:
    """Nobody stops deciding before the next one can: what is prepared for a swap comes before everything else."""
    wanted = now.preparing if now.deciding == now.in_force else now.in_force
    if wanted != now.next:
        return "load" if wanted else "drop"
    if wanted and not now.told:
        return "catch up"
    if now.deciding != now.in_force:
        return "swap"
    return _common(now) if now.leads else "nothing"


def _common(now: Standing) -> Step:
    if now.untidy:
        return "tidy"
    if now.unread:
        return "re-read"
    if not now.preparing:
        return "nothing"
    if not now.compared:
        return "calibrate" if now.uncalibrated else "compare"
    return "ask" if now.ask else "take over"


def next_size(size: int, took: float) -> int:
    """Articles of the next chunk, where ``size`` of them took so many seconds."""
    wanted = size * CHUNK / took if took > 0 else 2 * size
    return int(max(1, size // 2, min(wanted, 2 * size, 64)))


class ModelChange:
    """One thread, that of a matcher, which calls ``open`` once, ``round`` between two batches, and ``beside`` for
    what was archived.
    """

    def __init__(
        self,
        *,
        models: Models,
        load: Callable[[str], Embedder],
        name: str,
        make: Callable[[Embedder], Deciding],
        clock: Clock,
        window: float,
        leads: Callable[[], bool],
        compare: Compare,
        ask: bool,
        background: Executor,
        say: Callable[[str], None],
    ) -> None:
        """``load`` makes the model of a name, which may raise ``ModelUnusable``; ``name`` is the one in the settings.

        ``window``: seconds of archive to be read. ``leads``: whether this process does what is to be done once.
        ``background`` loads a model and compares while another one decides; ``say`` is told why something waits, in
        words for a person.
        """
        self._models = models
        self._load = load
        self._name = name
        self._make = make
        self._clock = clock
        self._window = window
        self._leads = leads
        self._compare_some = compare
        self._ask = ask
        self._background = background
        self._say = say
        self._known: Sequence[KnownModel] = ()
        self._look_at = self._due = 0.0  # monotonic
        self._loading: tuple[str, Future[Embedder]] | None = None
        self._calibrated: tuple[Embedder, ...] = ()
        self._away = False
        self._tidy_at = 0.0  # monotonic
        self._start_over()
        self._size = 4

    def open(self) -> Matchers:
        """The matcher in force, and the next one beside it. Raises ``ModelUnusable``, ``Unavailable``."""
        wanted = self._load(self._name)
        id_, at = wanted.model_id, self._clock.now()
        force = self._models.adopt(id_, self._name, at)
        old = None if force.id == id_ else self._loaded(force)
        self._matchers = Matchers(old or wanted, self._make)
        if old is not None:
            self._models.prepare(id_, self._name, at)
            self._matchers.prepare(wanted)
            logger.info("a change of the model begins", old=force.id, new=id_)
        elif force.id == id_:
            self._models.settle(id_, self._name, at)
        else:
            self._models.take_over(id_, self._name, at, after=force.id)
        self._known = self._models.all()
        self._calibrated = self._to_calibrate()
        return self._matchers

    def round(self) -> None:
        """At most one small step. What the store cannot do now is tried again: nothing waits for it."""
        started = self._clock.monotonic()
        try:
            if started >= self._look_at:
                self._look(started)
            if started < self._due:
                return
            step = decide(self._standing())
            self._take(step)
        except Unavailable as error:
            if not self._away:
                self._say(f"a change of the model waits for the store: {error}")
            self._away = True
            self._due = self._clock.monotonic() + IDLE
            return
        self._away = False
        ended = self._clock.monotonic()
        self._calibrated = self._to_calibrate()
        resting = step in ("nothing", "ask", "load", "calibrate")
        self._due = max(self._due, ended + (LOOK if resting else (ended - started) * (1 - SHARE) / SHARE))

    def to_calibrate(self) -> Sequence[Embedder]:
        """The model in force, and behind it the next one once it has read the archive. From any thread."""
        return self._calibrated

    def beside(self, judged: "Sequence[Judged]") -> None:
        """What was just archived is read by the next model, too. Raises ``Unavailable``."""
        if model := self._matchers.next_model:
            self._read(model, [each.article for each in judged])

    # -- where things stand

    def _look(self, now: float) -> None:
        known = self._models.all()
        self._look_at = now + LOOK
        if known != self._known:
            self._known, self._due = known, now
            self._start_over()
        if now >= self._tidy_at:  # a matcher that has not swapped yet still puts vectors where they are moved from
            self._untidy, self._tidy_at = True, now + TIDY

    def _start_over(self) -> None:
        self._untidy = True
        self._below: tuple[float, str] | None = None  # where the re-reading is
        self._chunk: Sequence[Article] = ()
        self._complete_at: float | None = None  # monotonic; since when nothing was found unread
        self._looked_through = 0.0  # monotonic
        self._agreements: dict[str, Agreement] = {}
        self._comparing: Future[Sequence[Agreement]] | None = None

    def _standing(self) -> Standing:
        force, ahead = in_force(self._known), preparing(self._known)
        matchers = self._matchers
        now = Standing(
            deciding=matchers.model,
            next=matchers.next_model,
            told=matchers.told,
            in_force=force.id if force else matchers.model,
            preparing=ahead.id if ahead else "",
            leads=self._leads(),
            untidy=self._untidy,
            ask=self._ask,
        )
        if decide(now) in ("load", "drop", "catch up", "swap", "tidy") or not now.leads:
            return now
        now = replace(now, unread=self._finds_unread(now.preparing or now.in_force))
        if now.unread or ahead is None:
            return now
        return replace(now, uncalibrated=self._uncalibrated(ahead.id), compared=bool(ahead.report))

    def _finds_unread(self, model: str) -> bool:
        """Once nothing is left of a model in force, nothing will be: whoever matches reads with it.

        While one is prepared it is asked again now and then: a matcher that had not loaded it yet may have archived.
        """
        now = self._clock.monotonic()
        ahead = preparing(self._known) is not None
        if self._complete_at is not None and (not ahead or now < self._looked_through + IDLE):
            return False
        since = self._clock.now() - self._window
        self._chunk = self._models.unread(model, since, self._size, self._below)
        if not self._chunk and self._below is not None:
            self._below = None
            self._chunk = self._models.unread(model, since, self._size)
        if not self._chunk:
            self._looked_through = now
            self._complete_at = now if self._complete_at is None else self._complete_at
        return bool(self._chunk)

    def _uncalibrated(self, model: str) -> bool:
        """An archive with too little in it tells nothing: the shipped priors do."""
        if self._complete_at is None or self._clock.monotonic() >= self._complete_at + PATIENCE:
            return False
        if self._models.count(self._clock.now() - self._window) < ENOUGH:
            return False
        drawn = self._models.calibrated(model)
        return any(drawn.get(topic.id, 0) < topic.version for topic in self._matchers.enabled)

    def _to_calibrate(self) -> tuple[Embedder, ...]:
        """Before it has read the window, the next one would be calibrated with the newest articles alone."""
        wanted = [self._matchers.model]
        if self._matchers.next_model and self._complete_at is not None:
            wanted.append(self._matchers.next_model)
        return tuple(self._matchers.embedder(model) for model in wanted)

    # -- the steps

    def _take(self, step: Step) -> None:
        force, ahead = in_force(self._known), preparing(self._known)
        if step == "load":
            self._load_beside(force if force and force.id != self._matchers.model else ahead)
        elif step == "drop":
            self._matchers.withdraw()
        elif step == "catch up":
            self._matchers.catch_up(TOPICS)
        elif step == "swap":
            self._matchers.switch()
            logger.info("another model decides", model=self._matchers.model)
        elif step == "tidy":
            self._untidy = self._models.tidy(force.id if force else "", ahead.id if ahead else "", MOVED)
        elif step == "re-read" and (model := ahead or force):
            self._re_read(model.id)
        elif step == "compare" and ahead and force:
            self._compare(force.id, ahead)
        elif step == "take over" and ahead and force:
            self._models.take_over(ahead.id, ahead.name, self._clock.now(), after=force.id)
            self._look_at = self._clock.monotonic()

    def _loaded(self, model: KnownModel) -> Embedder | None:
        """None where it is not there any more, which is said."""
        try:
            return _expected(self._load(model.name), model)
        except ModelUnusable as error:
            self._say(f"{model.id} cannot be loaded any more, so the new model decides at once: {error}")
            return None

    def _load_beside(self, model: KnownModel | None) -> None:
        if model is None:
            return
        if self._loading is None or self._loading[0] != model.id:
            self._loading = (model.id, self._background.submit(self._load, model.name))
        if not self._loading[1].done():
            return
        loading, self._loading = self._loading[1], None
        try:
            embedder = _expected(loading.result(), model)
        except ModelUnusable as error:
            self._say(f"{self._matchers.model} goes on deciding here: {error}")
            self._due = self._clock.monotonic() + AGAIN
        else:
            self._matchers.prepare(embedder)

    def _re_read(self, model: str) -> None:
        started = self._clock.monotonic()
        self._read(model, self._chunk)
        last = self._chunk[-1]
        self._below = (last.seen, last.id)
        self._size = next_size(len(self._chunk), self._clock.monotonic() - started)

    def _read(self, model: str, articles: Sequence[Article]) -> None:
        vectors = vectors_of(articles, self._matchers.embedder(model))
        read = (
            Read(each.id, each.revision, len(rows), rows.astype("<f2").tobytes())
            for each, rows in zip(articles, vectors, strict=True)
        )
        self._models.put(model, list(read))

    def _compare(self, before: str, after: KnownModel) -> None:
        """A few topics in the background; after the last ones the report."""
        if self._comparing is not None:
            if self._comparing.done():
                done, self._comparing = self._comparing, None
                self._agreements.update((each.topic_id, each) for each in done.result())
            return
        pairs = self._matchers.pairs()
        if left := [pairs[topic_id] for topic_id in sorted(pairs.keys() - self._agreements.keys())[:TOGETHER]]:
            self._comparing = self._background.submit(self._compare_some, before, after.id, left)
            return
        report = AgreementReport(
            before=before,
            after=after.id,
            at=self._clock.now(),
            articles=self._models.count(self._clock.now() - self._window),
            topics=least_first(self._agreements[topic_id] for topic_id in pairs),
        )
        self._models.report(after.id, to_json(report).decode())
        self._compare_some.forget()
        self._look_at = self._clock.monotonic()


def checked(load: Callable[[str], Embedder], name: str, sha256: str) -> Callable[[str], Embedder]:
    """``load``, but of ``name`` only the weights with this digest, where one is given."""

    def loaded(wanted: str) -> Embedder:
        if wanted == name and sha256 and (found := weights_hash(model_folder(name))) != sha256:
            raise ModelUnusable(
                f"the weights of {name} are not those that `sha256` under [model] expects, theirs is {found}: "
                "put the right ones there, or correct it"
            )
        return load(wanted)

    return loaded


def _expected(embedder: Embedder, model: KnownModel) -> Embedder:
    if embedder.model_id != model.id:
        raise ModelUnusable(f"{model.name} is {embedder.model_id} here, and not {model.id}")
    return embedder
