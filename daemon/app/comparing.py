"""The role ``match``: articles are compared with topics, and topics are calibrated by the archive."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from consumers.asked import asked_of
from consumers.calibration import calibrate
from consumers.embedding import Embedder
from consumers.matcher import Matcher
from consumers.model import Sample, Topic
from consumers.rerank import CrossEncoderReranker, Reranking
from consumers.shared_embedder import SharedEmbedder
from daemon.app.process import Process
from daemon.calibrating import Calibrating
from daemon.calibration_desk import CORPUS_ARTICLES, Served
from daemon.examples import SampleReader
from daemon.model_agreement import Agreements
from daemon.model_change import WINDOW, ModelChange, checked
from daemon.roles import Matching
from daemon.settings import ModelSettings
from daemon.store.archive import Archive
from daemon.store.calibrations import Calibrations
from daemon.store.examples import Examples
from daemon.store.models import Models
from daemon.store.topics import TopicVersions
from daemon.upkeep import Always, Election

SamplesOf = Callable[[Topic], Sequence[Sample]]

logger = structlog.get_logger("wirewatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """``matching`` and ``calibrating`` run on a thread each; ``elects`` says who calibrates."""

    matching: Matching
    calibrating: Calibrating
    elects: Election | Always


def comparing(
    settings: ModelSettings, process: Process, *, archive: Archive, versions: TopicVersions, retention: float
) -> Comparing:
    """``retention``: seconds that articles are kept."""
    window = min(WINDOW, retention)
    elects = Always() if process.alone else Election(process.leases, "calibrator")
    models = Models(process.store)
    change = ModelChange(
        models=models,
        load=checked(lambda name: _shared(name, settings.device), settings.name, settings.sha256),
        name=settings.name,
        make=partial(Matcher, rerank=_reranking(settings, process)),
        clock=process.clock,
        window=window,
        leads=elects.won,
        compare=Agreements(models, lambda model: archive.corpus(model, process.clock.now() - window, CORPUS_ARTICLES)),
        ask=settings.switch == "ask",
        background=process.threads,
        say=lambda why: logger.warning("model", why=why),
    )
    matching = Matching(
        worker=process.id,
        log=process.log,
        archive=archive,
        versions=versions,
        quarantine=process.letters.put,
        clock=process.clock,
        models=change,
        beat=partial(process.health.beat, "match"),
        trouble=partial(process.observer.trouble, "match"),
        judged=process.observer.judged,
        rejected=process.observer.rejected,
    )
    samples: dict[str, SampleReader] = {}  # by model

    def served() -> list[Served]:
        return [Served(each, _samples_of(each)) for each in change.to_calibrate()]

    def _samples_of(embedder: Embedder) -> SamplesOf:
        known = samples.get(embedder.model_id)
        if known is None:  # the embedder takes turns by itself
            known = SampleReader(Examples(process.store), archive, embedder, nullcontext())
            samples[embedder.model_id] = known
        return known.samples_of

    calibrating = Calibrating(
        log=process.log,
        archive=archive,
        calibrations=Calibrations(process.store),
        clock=process.clock,
        served=served,
        ask=asked_of,
        calibrate=calibrate,
        won=elects.won,
        beat=partial(process.health.beat, "calibrate"),
        trouble=partial(process.observer.trouble, "calibrate"),
        round_took=process.metrics.calibrating_seconds.observe,
    )
    _watch(process, calibrating)
    return Comparing(matching=matching, calibrating=calibrating, elects=elects)


def _watch(process: Process, calibrating: Calibrating) -> None:
    """Where the gauges look when they are scraped."""

    def waiting() -> dict[tuple[str, ...], float]:
        standing = calibrating.standing
        return {} if standing is None else {(): float(standing.waiting)}

    def age() -> dict[tuple[str, ...], float]:
        standing = calibrating.standing
        return {} if standing is None or standing.oldest is None else {(): process.clock.now() - standing.oldest}

    process.metrics.topics_uncalibrated.read_from(waiting)
    process.metrics.calibration_age.read_from(age)


def _shared(name: str, device: str) -> SharedEmbedder:
    from consumers.embedding import open_embedder

    def load() -> Embedder:
        embedder = open_embedder(name, device)
        logger.info("model loaded", model=embedder.model_id, path=embedder.path)
        return embedder

    return SharedEmbedder(load).ready()


def _reranking(settings: ModelSettings, process: Process) -> Reranking | None:
    if not settings.rerank:
        return None
    return Reranking(
        lambda: CrossEncoderReranker(Path(settings.rerank), settings.device),
        budget=settings.rerank_budget,
        now=process.clock.monotonic,
        trouble=lambda why: logger.warning("re-rank", why=why) if why else None,
    )
