"""What a story becomes with a report more, and when it is told louder."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.model import Escalation, Fact, Report, Story
from consumers.stories import Joined
from consumers.updates import FACTS, escalates, grown, is_another_report, report_of, span, united
from tests.fake_events import START, Events

FIRE = Story(id="a" * 32, topic_id="harbour", title="fire", started=START, latest=START, reports=(), articles=1)


def report(source: str, at: float, copy_of: str = "") -> Report:
    return Report(source=source, url=f"https://{source}/{at}", title="fire", at=at, copy_of=copy_of)


def fact(key: str, at: float = START) -> Fact:
    return Fact(key=key, kind="toll", text=key, quote=key, source="a.example", url="", at=at)


# -- louder


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 90), st.booleans()), max_size=12),
    st.integers(0, 90),
    st.integers(1, 4),
)
def test_a_window_that_holds_the_report_holds_as_many_sources_as_looking_at_every_window_finds(
    listed: Sequence[tuple[int, int, bool]], mine: int, sources: int
) -> None:
    match = Events().report("fire", "9.example", at=START + mine)
    others = tuple(report(f"{who}.example", START + at, "x.example" if copy else "") for who, at, copy in listed)
    story = replace(FIRE, reports=(*others, report_of(match)))
    every = [
        len({each.source for each in story.reports if not each.copy_of and begin <= each.at - START <= begin + 30})
        for begin in range(mine - 30, mine + 1)
    ]
    expected = max(every) if max(every) >= sources else 0
    assert escalates(story, match, Escalation(sources=sources, within=30.0)) == expected


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1_800.0, "30 minutes"),
        (60.0, "1 minute"),
        (3_600.0, "1 hour"),
        (5_400.0, "90 minutes"),
        (86_400.0, "1 day"),
        (172_800.0, "2 days"),
        (90.0, "90 seconds"),
        (0.5, "0.5 seconds"),
    ],
)
def test_a_span_of_time_is_said_in_its_largest_whole_unit(seconds: float, said: str) -> None:
    assert span(seconds) == said


# -- growing


def test_a_story_that_an_older_release_kept_begins_to_know_and_brings_no_flood_of_facts() -> None:
    match = Events().report("fire", "z.example", toll=19)
    old = replace(FIRE, reports=tuple(report(f"{n}.example", START) for n in range(5)), articles=0)
    story, facts = grown(replace(old, articles=1), Joined(match=match, story_id=FIRE.id, at=START), None)
    assert facts == ()
    assert (story.articles, bool(story.known)) == (5, True)


def test_a_story_keeps_its_newest_facts() -> None:
    many = tuple(fact(str(n), START + n) for n in range(FACTS))
    both = united(replace(FIRE, facts=many), replace(FIRE, id="b" * 32, facts=(fact("new", START + FACTS),)))
    assert [each.key for each in both.facts] == [*(str(n) for n in range(1, FACTS)), "new"]


def test_equal_facts_of_two_stories_are_one() -> None:
    both = united(replace(FIRE, facts=(fact("toll"),)), replace(FIRE, facts=(fact("toll"),)))
    assert both.facts == (fact("toll"),)


def test_a_copy_is_no_report_of_its_own() -> None:
    match = Events().report("fire", "b.example")
    mine = report_of(match)
    assert is_another_report(replace(FIRE, reports=(mine,)), match)
    assert not is_another_report(replace(FIRE, reports=(replace(mine, copy_of="a.example"),)), match)
