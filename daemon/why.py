"""Why, or why not: what one topic made of one article, what it makes of it now, and what became of that.

named ─▶ copies in the archive ─▶ then: score, gate, version    now: passage, parts, gates    story, alerts
      └▶ none: feeds of its host, and whether one of them ever carried it
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumers.asked import asked_of
from consumers.embedding import Embedder
from consumers.ids import article_id, match_id
from consumers.model import Article, Calibration, Topic
from daemon.config_errors import did_you_mean
from daemon.draft import Tried, try_archived, try_article
from daemon.errors import Unusable
from daemon.feeds import Feed
from daemon.fetch.urls import canonical, host_of
from daemon.store import Store
from daemon.store.archive import Archive, Archived
from daemon.store.examples import ARTICLE
from daemon.store.fate import Fates, Given, Joining
from daemon.store.line import named
from daemon.store.polled import polled
from daemon.store.topics import TopicVersion, TopicVersions
from daemon.topics_in_force import TopicsInForce

RECENT = 7 * 86_400.0  # seconds in which the last article of a source is looked for
_SHOWN = 10  # feeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """The article as one feed brought it. ``given``: what the topic gave it then; None: nothing worth keeping."""

    article: Article
    given: Given | None
    joining: Joining | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOfHost:
    """``polled``: last; None where it never was."""

    id: str
    url: str
    polled: float | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """What is known of an article that is not in the archive. ``host``: empty where no URL was named.

    ``remembered``: when it was last seen in one of the feeds, whose articles are kept less long; ``last``: when the
    newest article of its host was read.
    """

    host: str
    feeds: tuple[FeedOfHost, ...] = ()
    remembered: float | None = None
    last: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """``topic``: as it is now, or was last; ``removed``: it is gone. ``versions``: newest first.

    ``copies``: the one that matched best first; empty where the archive has none. ``now``: what the topic makes of the
    article as it is today; None where there is no article, or none with a text. ``calibration``: by which; None: the
    shipped priors.
    """

    named: str
    topic: Topic
    removed: bool
    versions: tuple[TopicVersion, ...]
    model: str
    copies: tuple[Copy, ...]
    absent: Absent | None
    now: Tried | None
    calibration: Calibration | None
    fetched: bool


def why(
    store: Store,
    name: str,
    topic_id: str,
    *,
    load: Callable[[], Embedder],
    feeds: Sequence[Feed],
    now: float,
    fetched: Article | None = None,
) -> Why:
    """``name``: a URL, or an article's id or its beginning. ``load`` is called only where there is an article.

    ``fetched``: the page as it is now, judged where the archive has none. Raises ``Unusable`` where the topic was
    never in force or several articles may be meant, ``Unavailable``, and what ``load`` raises.
    """
    versions = _versions(store, topic_id)
    topic = next(each.topic for each in versions if each.topic is not None)
    url = canonical(name)
    archived = _archived(store, name, url, topic_id)
    copies = _copies(store, topic, [each.article for each in archived])
    tried, calibration, model = None, None, ""
    best = next((each for copy in copies for each in archived if each.article.id == copy.article.id), None)
    if best is not None or fetched is not None:
        embedder = load()
        model = embedder.model_id
        calibration = TopicsInForce(store).calibration(topic, model)
        tried = _tried(topic, calibration, best, fetched, embedder)
    return Why(
        named=name,
        topic=topic,
        removed=versions[0].topic is None,
        versions=tuple(versions),
        model=model,
        copies=copies,
        absent=None if copies else _absent(store, url, feeds, now),
        now=tried,
        calibration=calibration,
        fetched=fetched is not None and not copies,
    )


def _versions(store: Store, topic_id: str) -> Sequence[TopicVersion]:
    """Newest first."""
    versions = TopicVersions(store)
    history = versions.history(topic_id)
    if any(each.topic is not None for each in history):
        return history
    known = versions.in_force()
    raise Unusable(f'no topic "{topic_id}" was ever in force, {did_you_mean(topic_id, known)}')


def _archived(store: Store, name: str, url: str, topic_id: str) -> Sequence[Archived]:
    archive = Archive(store)
    if url:
        return archive.by_url(url)
    wanted = name.strip().removeprefix(ARTICLE)
    found = named(store, topic_id, wanted, "") if wanted else ()
    if len(found) > 1 and found[0].id != wanted:
        raise Unusable(f'several articles have ids that begin with "{wanted}": give more of it')
    if not found:
        return ()
    return archive.by_url(found[0].url) if found[0].url else archive.by_id([found[0].id])


def _copies(store: Store, topic: Topic, articles: Sequence[Article]) -> tuple[Copy, ...]:
    fates, ids = Fates(store), [article.id for article in articles]
    given = fates.given(topic.id, ids)
    matches = [match_id(each, topic.id, topic.epoch) for each in ids]
    joined = {joining.match.article.id: joining for joining in fates.joined(matches)}
    copies = [Copy(article=each, given=given.get(each.id), joining=joined.get(each.id)) for each in articles]
    return tuple(sorted(copies, key=_rank))


def _rank(copy: Copy) -> tuple[bool, bool, float, float]:
    told = copy.joining is not None
    score = copy.given.score if copy.given else 0.0
    return not told, not (copy.given and copy.given.matched), -score, copy.article.seen


def _tried(
    topic: Topic, calibration: Calibration | None, best: Archived | None, fetched: Article | None, embedder: Embedder
) -> Tried | None:
    article = best.article if best is not None else fetched
    if article is None or not (article.title.strip() or article.text.strip()):
        return None
    if best is not None and best.model == embedder.model_id and len(best.vectors):
        (asked,) = asked_of([topic], embedder)
        return try_archived(asked, calibration, article, best.vectors.astype("float32"), embedder.model_id)
    return try_article(topic, article, embedder, calibration)


def _absent(store: Store, url: str, feeds: Sequence[Feed], now: float) -> Absent:
    host = host_of(url)
    if not host:
        return Absent(host="")
    states = polled(store)
    of_host = [feed for feed in feeds if _same_site(host_of(feed.url), host)]
    fates = Fates(store)
    ids = {article_id(feed.id, spelling) for feed in feeds for spelling in (url, url.rstrip("/"))}
    return Absent(
        host=host,
        feeds=tuple(
            FeedOfHost(
                id=feed.id,
                url=feed.url,
                polled=states[feed.id][0].polled if feed.id in states else None,
                error=states[feed.id][0].error if feed.id in states else "",
            )
            for feed in of_host[:_SHOWN]
        ),
        remembered=fates.remembered(sorted(ids)) if ids else None,
        last=fates.last_of(host, now - RECENT),
    )


def _same_site(one: str, other: str) -> bool:
    """Whether one is the other or below it; "feeds.example.org" serves "example.org", too."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")
