"""The role ``match``: articles are compared with topics, and topics are calibrated by the archive."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

from consumers.asked import asked_of
from consumers.calibration import calibrate
from consumers.embedding import Embedder
from consumers.shared_embedder import SharedEmbedder
from daemon.app.process import Process
from daemon.calibrating import Calibrating
from daemon.calibration_desk import Served
from daemon.examples import SampleReader
from daemon.roles import Matching
from daemon.settings import ModelSettings
from daemon.store.archive import Archive
from daemon.store.calibrations import Calibrations
from daemon.store.examples import Examples
from daemon.store.topics import TopicVersions
from daemon.upkeep import Always, Election


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """``matching`` and ``calibrating`` run on a thread each; ``elects`` says who calibrates."""

    matching: Matching
    calibrating: Calibrating
    elects: Election | Always


def comparing(settings: ModelSettings, process: Process, *, archive: Archive, versions: TopicVersions) -> Comparing:
    embedder = SharedEmbedder(partial(_embedder, settings.name, settings.device))
    samples = SampleReader(Examples(process.store), archive, embedder, nullcontext())  # it takes turns by itself
    elects = Always() if process.alone else Election(process.leases, "calibrator")
    matching = Matching(
        worker=process.id,
        log=process.log,
        archive=archive,
        versions=versions,
        quarantine=process.letters.put,
        clock=process.clock,
        load=embedder.ready,
        beat=partial(process.health.beat, "match"),
        trouble=partial(process.observer.trouble, "match"),
        judged=process.observer.judged,
        rejected=process.observer.rejected,
    )
    calibrating = Calibrating(
        log=process.log,
        archive=archive,
        calibrations=Calibrations(process.store),
        clock=process.clock,
        served=lambda: [Served(embedder.ready(), samples.samples_of)],
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


def _embedder(name: str, device: str) -> Embedder:
    from consumers.embedding import open_embedder

    return open_embedder(name, device)
