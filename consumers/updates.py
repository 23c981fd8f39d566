"""What a story becomes with a report more, with another story that it turned out to be, or without some of its matches.

Pure. How alike articles are is no question here: ``consumers.stories`` has placed them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from consumers.model import Article, Escalation, Fact, Match, Report, Stage, Story
from consumers.novelty import both_known, changed, learned, new_facts
from consumers.stories import Joined
from consumers.story_members import headline

FACTS = 100  # kept of a story, the newest: a month of one war adds more than anybody reads in one message

_STAGES: Sequence[Stage] = ("new", "waiting", "told", "escalated")


def grown(story: Story, joined: Joined, before: Article | None) -> tuple[Story, tuple[Fact, ...]]:
    """The story with what this report adds, and that: the most important first.

    ``before``: the article as it was recorded last, where it was. What a replay has brought before its live reading
    is known already: then the facts are those that the replay added.
    """
    article = joined.match.article
    kept_by_older_release = not story.known or story.articles < len(story.reports)  # which knew and counted nothing
    if joined.founded or kept_by_older_release:
        articles = max(story.articles, len(story.reports))
        return replace(story, articles=articles, known=learned(story.known, article)), ()
    if before is not None and not joined.again:
        page = (article.source, article.url)
        return story, tuple(fact for fact in story.facts if (fact.source, fact.url) == page)
    found = changed(before, article) if before is not None else ()
    known = {fact.key for fact in story.facts}
    fresh = {fact.key: fact for fact in reversed((*found, *new_facts(article, story.known))) if fact.key not in known}
    facts = tuple(reversed(fresh.values()))
    return replace(story, known=learned(story.known, article), facts=(*story.facts, *facts)[-FACTS:]), facts


def united(story: Story, absorbed: Story) -> Story:
    """The story as it now lists the reports of both, with what is known of both."""
    facts = {fact.key: fact for fact in (*absorbed.facts, *story.facts)}
    return replace(
        story,
        known=both_known(story.known, absorbed.known),
        facts=tuple(sorted(facts.values(), key=lambda fact: fact.at))[-FACTS:],
        stage=furthest((story.stage, absorbed.stage)),
    )


def furthest(stages: Iterable[Stage]) -> Stage:
    return max(stages, key=_STAGES.index, default="new")


def at_least(story: Story, stage: Stage) -> Story:
    reached = furthest((story.stage, stage))
    return story if reached == story.stage else replace(story, stage=reached)


Page = tuple[str, str, str]


def page_of(report: Report) -> Page:
    """The same page read from two feeds is one report; where a page has no address, its title tells it."""
    return report.source, report.url, "" if report.url else report.title


def report_of(match: Match) -> Report:
    """As a story lists it, before anybody knows whose text it repeats."""
    article = match.article
    return Report(source=article.source, url=article.url, title=headline(match), at=reported(article))


def reported(article: Article) -> float:
    return article.seen if article.published is None else article.published


def is_another_report(story: Story, match: Match) -> bool:
    """No copy of another source's text."""
    page = page_of(report_of(match))
    return not any(report.copy_of for report in story.reports if page_of(report) == page)


def escalates(story: Story, match: Match, rule: Escalation) -> int:
    """How many independent sources report it within the time that the rule gives, this match among that time's.

    0 where they are fewer than the rule asks for.
    """
    at = reported(match.article)
    near = sorted(
        (report.at, report.source)
        for report in story.reports
        if not report.copy_of and abs(report.at - at) <= rule.within
    )
    sources, most, first = Counter[str](), 0, 0  # whatever window slides over these, the match lies in it
    for time, source in near:
        sources[source] += 1
        while near[first][0] < time - rule.within:
            sources -= Counter((near[first][1],))
            first += 1
        most = max(most, len(sources))
    return most if most >= rule.sources else 0


def span(seconds: float) -> str:
    """For people: "30 minutes", "1 hour", "2 days"."""
    for unit, name in ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}{'' if seconds == unit else 's'}"
    return f"{seconds:g} seconds"
