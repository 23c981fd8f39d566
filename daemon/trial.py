"""A draft tried on what the store has: the archive, the texts of its examples, the version in force.

``on_archive`` and ``on_article`` are what the command line and the page call; ``daemon/draft.py`` decides.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from consumers.asked import asked_of
from consumers.calibration import calibrate
from consumers.embedding import Embedder
from consumers.model import Article, Calibration, Sample, Topic
from daemon.calibration_desk import CORPUS_ARTICLES, CORPUS_DAYS
from daemon.draft import DAY, BackTest, InForce, Tried, back_test, try_article
from daemon.examples import SampleReader, Unread, unread
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.examples import Examples
from daemon.topics_in_force import TopicsInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """``archived``: articles of the time that the draft was calibrated over; ``share`` of them were looked at, and of
    those ``left_out`` have no vectors of this model, or no text. ``unread``: examples whose text is not known, and
    which do not count.
    """

    back_test: BackTest
    archived: int
    share: float
    left_out: int
    unread: tuple[Unread, ...]


def on_archive(
    store: Store,
    draft: Topic,
    embedder: Embedder,
    *,
    days: float,
    now: float,
    in_force: Topic | None = None,
    shown: int = 5,
) -> Tested:
    """Counted over the last ``days``, calibrated over at least as many as the daemon does. Raises ``Unavailable``.

    ``in_force``: the version to compare with.
    """
    archive = Archive(store)
    begin = now - max(days, CORPUS_DAYS) * DAY
    corpus = archive.corpus(embedder.model_id, begin, CORPUS_ARTICLES)
    archived = archive.count_since(begin)
    before = None
    if in_force is not None:
        calibration = TopicsInForce(store).calibration(in_force, embedder.model_id)
        before = InForce(topic=in_force, calibration=calibration)
    return Tested(
        back_test=back_test(
            draft,
            corpus,
            archive,
            embedder,
            since=now - days * DAY,
            now=now,
            samples=_samples(store, draft, embedder),
            in_force=before,
            shown=shown,
        ),
        archived=archived,
        share=corpus.share,
        left_out=max(0, min(archived, CORPUS_ARTICLES) - len(corpus)),
        unread=unread(draft, Examples(store)),
    )


def on_article(
    store: Store, topic: Topic, article: Article, embedder: Embedder, *, now: float
) -> tuple[Tried, Calibration]:
    """One article, judged by what the archive says of the topic; the shipped priors do where it is too small."""
    archive = Archive(store)
    corpus = archive.corpus(embedder.model_id, now - CORPUS_DAYS * DAY, CORPUS_ARTICLES)
    (asked,) = asked_of([topic], embedder)
    samples = _samples(store, topic, embedder)
    calibration = calibrate(asked, corpus, model=embedder.model_id, now=now, samples=samples)
    return try_article(topic, article, embedder, calibration), calibration


def _samples(store: Store, topic: Topic, embedder: Embedder) -> Sequence[Sample]:
    return SampleReader(Examples(store), Archive(store), embedder, nullcontext()).samples_of(topic)
