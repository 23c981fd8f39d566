"""The reports that a story lists: in the order of time, each page once, copies of one text named as such."""

from collections.abc import Sequence
from dataclasses import replace

from consumers.model import Report, Story
from consumers.story_members import Member


def with_copies(story: Story, members: Sequence[Member], member: Member) -> Story:
    """Reports that repeat ``member``, or a paragraph of it, are copies of the one that was published first.

    ``members`` are the story's, this one among them; what they learn of their voices and reports stays with them.
    """
    voices = {other.voice for other in members if other.repeats(member)}
    group = [other for other in members if other.voice in voices]
    if len(group) < 2:
        return story
    first = min(group, key=lambda each: (*place(each.report), each.match_id))
    reports = list(story.reports)
    for each in group:
        each.voice = first.match_id
        copy_of = first.report.source if each.report.source != first.report.source else ""
        told = replace(each.report, copy_of=copy_of)
        reports = [told if report == each.report else report for report in reports]
        each.report = told
    return replace(story, reports=tuple(reports))


def place(report: Report) -> tuple[float, str, str]:
    """Where a report stands in its story; of one moment's reports, the first listed is the original."""
    return report.at, report.source, report.url


def with_report(story: Story, report: Report, most: int) -> Story:
    """One more report, in the order of time. The same page read from two feeds is one report."""
    listed = story.reports
    if len(listed) < most and not any(same_page(report, other) for other in listed):
        listed = tuple(sorted((*listed, report), key=place))
    return replace(
        story,
        started=min(story.started, report.at),
        latest=max(story.latest, report.at),
        reports=listed,
        articles=story.articles + 1,
    )


def same_page(one: Report, other: Report) -> bool:
    return one.source == other.source and (one.url == other.url if one.url or other.url else one.title == other.title)
