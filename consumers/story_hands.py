"""What people make of stories: one of two, two of one. Pure; what is told of it is recorded where it is done."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count

from consumers.ids import story_id
from consumers.model import Report, Story
from consumers.novelty import first_known, learned
from consumers.stories import Joined, Merged, StoryRule
from consumers.story_members import headline
from consumers.story_reports import place
from consumers.updates import Page, page_of, report_of, reported, united

REPORTS = StoryRule().reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """``kept`` is the story under its old id; the reports of ``moved`` are of ``split_off`` now."""

    kept: Story
    split_off: Story
    moved: tuple[Joined, ...]


def made_one(story: Story, absorbed: Story, now: float) -> tuple[Story, Merged]:
    """The story with everything of the other one."""
    pages = {page_of(report): report for report in (*absorbed.reports, *story.reports)}
    apart = {*story.apart, *absorbed.apart} - {story.id, absorbed.id}
    both = replace(
        united(story, absorbed),
        articles=story.articles + absorbed.articles,
        apart=tuple(sorted(apart)),
        backfill=story.backfill and absorbed.backfill,
        started=min(story.started, absorbed.started),
        latest=max(story.latest, absorbed.latest),
        reports=tuple(sorted(pages.values(), key=place)[:REPORTS]),
    )
    return both, Merged(absorbed=replace(absorbed, merged_into=story.id), into=story.id, at=now)


def parted(story: Story, joined: Sequence[Joined], moved: Collection[str], taken: Callable[[str], bool]) -> Parted:
    """Two stories, each told as far as the one was: nobody is told of something that they have read.

    ``joined``: all matches of the story that are kept; ``moved``: ids of some, not all, of them; ``taken`` says
    whether a story has this id.
    """
    in_order = sorted(joined, key=lambda each: (each.at, each.match.id))
    gone = [each for each in in_order if each.match.id in moved]
    left = [each for each in in_order if each.match.id not in moved]
    lost = {page_of(report_of(each.match)) for each in gone} - {page_of(report_of(each.match)) for each in left}
    theirs = tuple(fact for fact in story.facts if (fact.source, fact.url) in {page[:2] for page in lost})
    name = _unused(gone, taken)
    split_off = replace(
        story,
        id=name,
        title=headline(gone[0].match),
        articles=len(gone),
        facts=theirs,
        apart=(*story.apart, story.id),
        stage="told" if story.stage == "escalated" else story.stage,
        backfill=story.backfill and all(each.match.article.backfill for each in gone),
    )
    founder_left = any(story_id(each.match.id) == story.id for each in gone)
    kept = replace(
        story,
        title=headline(left[0].match) if founder_left else story.title,
        articles=max(1, story.articles - len(gone)),
        facts=tuple(fact for fact in story.facts if fact not in theirs),
        apart=(*story.apart, name),
    )
    listed = {page_of(report): report for report in story.reports}
    ours = [report for page, report in listed.items() if page not in lost]
    return Parted(
        kept=_reading(_listing(kept, (*ours, *_reports(left, listed))), left),
        split_off=_reading(_listing(split_off, _reports(gone, listed)), gone),
        moved=tuple(replace(each, story_id=name) for each in gone),
    )


def _unused(gone: Sequence[Joined], taken: Callable[[str], bool]) -> str:
    """Named after the first of its matches that has not named a story, as every story is."""
    ids = [each.match.id for each in gone]
    names = chain(ids, (f"{ids[0]} {number}" for number in count(2)))
    return next(name for name in map(story_id, names) if not taken(name))


def _reports(joined: Iterable[Joined], listed: Mapping[Page, Report]) -> Sequence[Report]:
    found = (report_of(each.match) for each in joined)
    return [listed.get(page_of(report), report) for report in found]


def _listing(story: Story, reports: Iterable[Report]) -> Story:
    """A copy whose original is in the other story is the original here, of the others that repeat the same text."""
    listed = sorted({page_of(report): report for report in reports}.values(), key=place)[:REPORTS]
    sources = {report.source for report in listed if not report.copy_of}
    originals: dict[str, str] = {}
    told = []
    for report in listed:
        copy_of = report.copy_of
        if copy_of and copy_of not in sources:
            first = originals.setdefault(copy_of, report.source)
            copy_of = "" if first == report.source else first
        told.append(replace(report, copy_of=copy_of))
    return replace(story, reports=tuple(told), started=told[0].at, latest=max(report.at for report in told))


def _reading(story: Story, joined: Sequence[Joined]) -> Story:
    """What its own reports state, and nothing that only the others did."""
    first, *others = sorted(
        (each.match.article for each in joined), key=lambda article: (reported(article), article.id)
    )
    known = first_known(first)
    for article in others:
        known = learned(known, article)
    return replace(story, known=known)
