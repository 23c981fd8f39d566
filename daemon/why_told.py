"""What ``daemon.why`` found, in sentences. Pure; no number of a score is in them."""

from collections.abc import Iterator, Sequence

from consumers.model import Part, Topic
from consumers.scoring import LINE, standing
from consumers.watch import about
from daemon.status import stamp
from daemon.store.fate import Given, Joining
from daemon.store.topics import TopicVersion
from daemon.why import Copy, Why

_SHOWN = 12  # characters of an id
_CARRIED = {
    "meaning": "its meaning",
    "title": "its title",
    "words": "its words",
    "archive": "its likeness to the topic's best articles",
    "examples": "its likeness to your examples",
}
GATES = {
    "evidence": "enough evidence of its own",
    "actors": "the actors that the topic names",
    "require": "words it has to say",
    "exclude": "words it must not say",
    "languages": "language",
    "sources": "sources",
    "not_sources": "sources left out",
    "max_age": "age",
    "verdict": "what you said of it",
}


def happened(found: Why) -> tuple[str, ...]:
    """What became of the article, the answer first; each in one sentence."""
    if not found.copies:
        return tuple(_absent(found))
    copy = found.copies[0]
    return tuple(filter(None, (_fate(found, copy), _backfill(copy), *_since(found, copy.given))))


def carried(parts: Sequence[Part]) -> str:
    """ "mostly its words; its meaning helped a little"."""
    strongest = sorted((part for part in parts if part.share >= 0.05), key=lambda part: -part.share)
    if not strongest:
        return "nothing in particular"
    first, *others = strongest
    main = [f"mostly {_CARRIED[first.name]}"] if first.share >= 0.5 else [_CARRIED[first.name]]
    if first.share < 0.5 and others:
        main.append(_CARRIED[others.pop(0).name])
    much = [_CARRIED[part.name] for part in others if part.share >= 0.2]
    little = [_CARRIED[part.name] for part in others if part.share < 0.2]
    against = [_CARRIED[part.name] for part in parts if part.share <= -0.05]
    said = [" and ".join(main)]
    said += [f"{_and(much)} helped"] * bool(much) + [f"{_and(little)} helped a little"] * bool(little)
    return "; ".join(said + [f"{_and(against)} spoke against it"] * bool(against))


def line_of(found: Why) -> str:
    """By what the article is judged now: "balanced, about 2 a day, drawn from 30,000 articles on …"."""
    topic, calibration = found.topic, found.calibration
    asked = topic.sensitivity if topic.alerts_per_day is None else f"{topic.alerts_per_day:g} a day wanted"
    if calibration is None or not calibration.articles:
        return f"{asked}; the line that is shipped, for the archive has drawn none yet"
    expected = "" if calibration.expected is None else f", {about(calibration.expected)}"
    return f"{asked}{expected}; drawn from {calibration.articles:,} articles on {stamp(calibration.at)}"


# -- in the archive


def _fate(found: Why, copy: Copy) -> str:
    if copy.joining is not None:
        return _of_match(found, copy, copy.joining)
    given = copy.given
    if given is None:
        return _not_given(found, copy)
    if given.matched:
        return f"It matched version {given.topic_version}; its story is not decided yet, or no longer kept."
    if given.gate and given.score >= LINE:
        why = GATES.get(given.gate, given.gate)
        return f"It did not match version {given.topic_version}: it was above the line, and stopped by a gate ({why})."
    return f"It did not match version {given.topic_version}: it was {standing(given.score)}."


def _of_match(found: Why, copy: Copy, joining: Joining) -> str:
    story = f"the story “{joining.title}” ({joining.story_id[:_SHOWN]})"
    mine = next((each for each in joining.alerts if each.match_id == joining.match.id), None)
    if mine is not None:
        return f"It matched and led to the alert {mine.alert_id[:_SHOWN]} on {stamp(mine.at)}, of {story}."
    if joining.alerts:
        first = joining.alerts[0]
        if first.at <= joining.at:
            return (
                f"It matched and joined {story}, which was told already on {stamp(first.at)} "
                f"(alert {first.alert_id[:_SHOWN]}): a further report is no alert of its own."
            )
        return f"It matched and joined {story}, which another article of it told on {stamp(first.at)}."
    why = _untold(found, copy, joining)
    return f"It matched and joined {story}, which was not told: {why}."


def _untold(found: Why, copy: Copy, joining: Joining) -> str:
    then = _version_at(found.versions, joining.at)
    if then is not None and then.topic is None:
        return "the topic was removed"
    if then is not None and then.topic is not None and not then.topic.enabled:
        return "the topic was disabled"
    if copy.article.backfill or joining.match.article.backfill:
        return "what a feed already carried, or a replay brought, is archived and never alerted"
    return "nothing live has joined it yet"


def _not_given(found: Why, copy: Copy) -> str:
    first = found.versions[-1]
    seen = copy.article.seen
    if first.at > seen:
        return (
            f"It was never compared with this topic, which came into force on {stamp(first.at)}, after the article was "
            f"read; `wirewatch replay --since … --topic {found.topic.id}` compares it."
        )
    then = _version_at(found.versions, seen)
    if then is not None and then.topic is None:
        return "The topic was removed when the article was read, so that it was not compared with it."
    if then is not None and then.topic is not None and not then.topic.enabled:
        return "The topic was disabled when the article was read, so that it was not compared with it."
    return "It did not match, and was too far from the topic for its score to be kept."


def _backfill(copy: Copy) -> str:
    if not copy.article.backfill:
        return ""
    return "It was already published when its feed was first polled: such articles are archived and never alerted."


def _since(found: Why, given: Given | None) -> Iterator[str]:
    """What is different now."""
    if found.removed:
        yield f"The topic was removed on {stamp(found.versions[0].at)}; it is judged by what it was last."
    elif not found.topic.enabled:
        yield "The topic is disabled: nothing is compared with it until it is enabled."
    if found.now is None or given is None or given.matched == found.now.matched:
        return
    newer = found.topic.version > given.topic_version
    cause = f"version {found.topic.version}" if newer else "the line as it lies today"
    yield f"By {cause} it {'would match' if found.now.matched else 'would not match any more'}."


def _version_at(versions: Sequence[TopicVersion], at: float) -> TopicVersion | None:
    return next((version for version in versions if version.at <= at), None)


# -- not in the archive


def _absent(found: Why) -> Iterator[str]:
    absent = found.absent
    if absent is None or not absent.host:
        yield f"No article of the archive has the id or the URL {found.named[:200]}."
        return
    yield "It is not in the archive."
    if absent.remembered is not None:
        yield (
            f"One of the feeds carried it, last on {stamp(absent.remembered)}; the article itself is no longer kept."
        )
    elif absent.feeds:
        yield f"None of the feeds of {absent.host} has carried this URL, as far as is remembered."
    else:
        yield f"No feed of {absent.host} is listed in feeds.toml: `wirewatch feeds add` adds one."
    for feed in absent.feeds:
        polled = "never polled" if feed.polled is None else f"last polled on {stamp(feed.polled)}"
        failed = f", and failed: {feed.error}" if feed.error else ""
        yield f"The feed {feed.id} ({feed.url}) was {polled}{failed}."
    if absent.last is not None:
        yield f"The last article of {absent.host} was read on {stamp(absent.last)}."
    if not found.fetched:
        yield "`--fetch` reads the page now and judges it."


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def state_of(topic: Topic, *, removed: bool) -> str:
    return "removed" if removed else "in force" if topic.enabled else "disabled"
